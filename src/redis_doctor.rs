//! `parlor doctor --redis`: whether nodes can use a Redis, what it promises, and what to change. A client, and no part of the
//! rings: it waits for what it does.

mod client;
mod facts;
mod folder;
mod latency;
mod place;
mod reply;
mod report;
mod rights;
mod server;
mod topology;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use client::{Address, Client};
use facts::Facts;
use place::Place;
use report::Report;
use topology::Master;

use crate::settings::RedisUrl;

/// What is looked at.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Redis that nodes are to use, as the server's --redis names it; may be repeated [default: this machine is looked at]
    #[arg(long, value_name = "URL")]
    pub redis: Vec<RedisUrl>,

    /// File with the certificates in PEM format that Redis is trusted by, over TLS, in place of the system's
    #[arg(long, value_name = "FILE", requires = "redis")]
    pub redis_ca: Option<PathBuf>,

    /// Directory of files that nodes are to share, as the server's --files names it
    #[arg(long, value_name = "DIR", requires = "redis")]
    pub files: Option<PathBuf>,
}

/// Why a Redis cannot be used, or not be looked at: one line that says what to do.
#[derive(Debug)]
pub struct DoctorError(String);

impl fmt::Display for DoctorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DoctorError {}

/// Looks at each Redis, and prints what was found.
///
/// # Errors
/// There is one that cannot be reached, or that a node could not use; or standard output takes nothing.
pub fn examine(args: &DoctorArgs) -> Result<(), DoctorError> {
    let mut doctor = Doctor::default();
    for url in &args.redis {
        let address = Address::new(url, args.redis_ca.as_deref()).map_err(DoctorError)?;
        match &url.master {
            None => doctor.redis(&address)?,
            Some(master) => doctor.sentinel(&address, master)?,
        }
    }
    if let Some(folder) = &args.files {
        let mut report = Report::default();
        report.add(folder::finding(folder));
        doctor.print("--files", &report)?;
    }
    if !doctor.is_usable {
        let what = "a node could not use what was looked at; change what is needed first";
        return Err(DoctorError(what.to_owned()));
    }
    match doctor.is_well {
        true => print("Nothing has to be changed.\n"),
        false => Ok(()),
    }
}

/// What was looked at already.
#[derive(Debug)]
struct Doctor {
    seen: BTreeSet<String>,
    is_usable: bool,
    is_well: bool,
}

impl Doctor {
    fn redis(&mut self, address: &Address) -> Result<(), DoctorError> {
        let mut client = Client::open(address).map_err(DoctorError)?;
        let failed = |error| failed(address, &error);
        let facts = Facts::ask(&mut client).map_err(failed)?;
        if !facts.is("cluster_enabled", "1") {
            return self.alone(client, address, &facts);
        }
        let masters = topology::masters(&mut client, address).map_err(failed)?;
        let of_all = topology::cluster(&mut client).map_err(failed)?;
        let mut report = Report::default();
        report.add(of_all);
        self.print(&address.shown(), &report)?;
        for master in masters {
            self.master(&address.at(&master.host, master.port), &master)?;
        }
        Ok(())
    }

    fn alone(
        &mut self,
        client: Client,
        address: &Address,
        facts: &Facts,
    ) -> Result<(), DoctorError> {
        if !self.seen.insert(address.shown()) {
            return Ok(());
        }
        let mut report = Report::default();
        let place = Place::new("p0");
        fill(&mut report, client, address, facts, Some(&place))?;
        self.print(&address.shown(), &report)
    }

    /// One of a cluster.
    fn master(&mut self, address: &Address, master: &Master) -> Result<(), DoctorError> {
        if !self.seen.insert(address.shown()) {
            return Ok(());
        }
        let failed = |error| failed(address, &error);
        let mut client = Client::open(address).map_err(DoctorError)?;
        let facts = Facts::ask(&mut client).map_err(failed)?;
        let mut report = Report::default();
        let (partitions, place) = topology::partitions(master);
        report.add(partitions);
        fill(&mut report, client, address, &facts, place.as_ref())?;
        self.print(&address.shown(), &report)
    }

    fn sentinel(&mut self, address: &Address, name: &str) -> Result<(), DoctorError> {
        let own = address.of_sentinel();
        let mut client = Client::open(&own).map_err(DoctorError)?;
        let found = topology::sentinel(&mut client, name).map_err(|error| failed(&own, &error))?;
        let url = own.shown();
        let (finding, host, port) = found.map_err(|error| DoctorError(format!("{url} {error}")))?;
        let mut report = Report::default();
        report.add(finding);
        self.print(&url, &report)?;
        self.redis(&address.at(&host, port))
    }

    fn print(&mut self, url: &str, report: &Report) -> Result<(), DoctorError> {
        self.is_usable &= report.is_usable();
        self.is_well &= report.is_well();
        print(&format!("{url}\n{report}\n"))
    }
}

impl Default for Doctor {
    fn default() -> Self {
        Self {
            seen: BTreeSet::new(),
            is_usable: true,
            is_well: true,
        }
    }
}

/// What there is to say of a Redis; with a place to write to, if it has one.
fn fill(
    report: &mut Report,
    mut client: Client,
    address: &Address,
    facts: &Facts,
    place: Option<&Place>,
) -> Result<(), DoctorError> {
    server::findings(facts)
        .into_iter()
        .for_each(|finding| report.add(finding));
    // What cannot be used is not written to.
    let Some(place) = place.filter(|_| report.is_usable()) else {
        return Ok(());
    };
    let failed = |error| failed(address, &error);
    let is_sharded = server::is_sharded(facts);
    let user = address.user();
    let kind = (is_sharded, facts.is("cluster_enabled", "1"));
    let rights = rights::finding(&mut client, place, user, kind).map_err(failed)?;
    report.add(rights);
    if !report.is_usable() {
        return Ok(());
    }
    let mut listener = Client::open(address).map_err(DoctorError)?;
    let hears = rights::hears(&mut client, &mut listener, place, is_sharded);
    report.add(hears.map_err(failed)?);
    let latency = latency::finding(&mut client, place, is_sharded);
    report.add(latency.map_err(failed)?);
    Ok(())
}

fn failed(address: &Address, error: &io::Error) -> DoctorError {
    DoctorError(format!("{} does not answer: {error}", address.shown()))
}

fn print(text: &str) -> Result<(), DoctorError> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| DoctorError(format!("cannot print what was found: {error}")))
}
