//! parlor-bench: loads a WebSocket broadcast server, any, and checks every delivery.
//!
//! One thread, one mio loop, cheap enough to be faster than the server it measures: one receive buffer for all
//! connections, frame headers and stamps are all it reads of a message. `--floor` makes it the server that others are
//! measured against.

mod check;
mod deflated;
mod door;
mod floor;
mod frames;
mod handshake;
mod ledger;
mod line;
mod load;
mod options;
mod order;
mod process;
mod progress;
mod record;
mod report;
mod scan;
mod stamp;
mod target;

use std::fs::File;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use options::Options;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    let options = Options::parse().checked().unwrap_or_else(|message| {
        Options::command()
            .error(ErrorKind::ValueValidation, message)
            .exit()
    });
    match run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("parlor-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(options: Options) -> Result<bool, String> {
    raise_file_limit()?;
    if let Some(mode) = options.floor {
        floor::run(mode, options.port)
            .map_err(|error| format!("floor on port {}: {error}", options.port))?;
        return Ok(true);
    }
    let as_json = options.json;
    let plot = options.plot.clone();
    if let Some(file) = &plot {
        // Before the run, not after it, it is said that there is no place for the plot.
        File::create(file).map_err(|error| format!("--plot {}: {error}", file.display()))?;
    }
    let outcome = load::run(options)?;
    if as_json {
        println!("{:#}", report::json(&outcome));
    } else {
        print!("{}", report::table(&outcome));
    }
    if let Some(file) = plot {
        report::plot(&outcome, &file)
            .map_err(|error| format!("--plot {}: {error}", file.display()))?;
    }
    Ok(outcome.is_clean())
}

/// Each connection is an open file: allows as many as may be had without asking anybody.
fn raise_file_limit() -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("raising the limit of open files: {error}"))
}
