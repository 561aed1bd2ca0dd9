//! Requests for the keys of a provider, `--jwks-url`, by a thread of their own; and the file with the last good set.
//!
//! Private addresses are allowed, other than those of webhooks: nobody but who writes the settings says where the request goes,
//! it carries nothing, and what is answered is a set of keys, or is not looked at. No redirect is followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use mio::Waker;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::RootCerts;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

use super::panics::guarded;
use super::{agent, words};
use crate::core::access::{FetchedKeys, Keys};
use crate::core::{Now, Server, Stream};
use crate::limits::{JWKS_TIMEOUT_MS, MAX_JWKS};
use crate::settings::{Access, HookUrl, without_query};
use crate::shell::error::RunError;

type Answer = (Box<str>, Result<FetchedKeys, String>);

/// What keys are got by.
pub(in crate::shell) struct KeyRequests {
    roots: RootCerts,
    /// Where the last good set is kept.
    file: Option<PathBuf>,
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
}

/// The last good set, and whose it is.
#[derive(Serialize, Deserialize)]
struct KeptSet {
    url: String,
    set: String,
}

impl KeyRequests {
    /// How keys are got by the settings; `data`: the directory in which the last are kept.
    ///
    /// # Errors
    /// The certificates that the provider is trusted by cannot be read.
    pub(in crate::shell) fn new(settings: &Access, data: Option<&Path>) -> Result<Self, RunError> {
        let is_https = settings.jwks_url.as_ref().is_some_and(HookUrl::is_https);
        let ca = (settings.jwks_ca.as_deref(), "jwks-ca");
        let (sender, answers) = channel();
        Ok(Self {
            roots: agent::roots(is_https, ca, "the provider of keys")?,
            file: data.map(|data| data.join("jwks.json")),
            sender,
            answers,
        })
    }

    /// Other settings hold for requests from now on.
    pub(in crate::shell) fn reconfigure(&mut self, new: Self) {
        self.roots = new.roots;
    }

    /// The last good set of the provider at this address, if there is a file of it.
    pub(in crate::shell) fn kept(&self, url: &str) -> Option<Vec<u8>> {
        let path = self.file.as_deref()?;
        let kept = fs::read(path).map(|json| serde_json::from_slice::<KeptSet>(&json));
        match kept {
            Ok(Ok(kept)) => (kept.url == url).then(|| kept.set.into_bytes()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _ => {
                log::warn!("cannot read the keys that are kept in {}", path.display());
                None
            }
        }
    }

    /// Makes the request that the server wants to be made. Its thread ends with it.
    pub(in crate::shell) fn take_request<S: Stream>(
        &self,
        server: &mut Server<S>,
        waker: &Arc<Waker>,
        now: Now,
    ) {
        let Some(url) = server.next_key_request(now).map(Box::<str>::from) else {
            return;
        };
        let request = Request {
            url: url.clone(),
            agent: agent(&self.roots),
            file: self.file.clone(),
        };
        let (sender, waker) = (self.sender.clone(), Arc::clone(waker));
        let run = move || {
            let answer = guarded(|| request.make()).flatten();
            if sender.send((request.url, answer)).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the loop: {error}");
            }
        };
        if let Err(error) = Builder::new().name("parlor-keys".to_owned()).spawn(run) {
            let why = format!("a thread cannot be started: {error}");
            server.on_keys(&url, Err(why), now);
        }
    }

    /// Tells the server what was answered: there is one answer at a time.
    pub(in crate::shell) fn give_answers<S: Stream>(&self, server: &mut Server<S>, now: Now) {
        while let Ok((url, answer)) = self.answers.try_recv() {
            server.on_keys(&url, answer, now);
        }
    }
}

struct Request {
    url: Box<str>,
    agent: Agent,
    file: Option<PathBuf>,
}

impl Request {
    /// A good set is kept in the file before it is told.
    fn make(&self) -> Result<FetchedKeys, String> {
        let fetched = get(&self.agent, &self.url)?;
        // A set that is no good does not take the place of one that is.
        Keys::default().set_fetched(&fetched.json)?;
        if let Some(path) = &self.file
            && let Err(error) = keep(path, &self.url, &fetched.json)
        {
            log::warn!("cannot keep the keys in {}: {error}", path.display());
        }
        Ok(fetched)
    }
}

/// Asks the provider of the settings once. Says in words what it has answered.
///
/// # Errors
/// The certificates that it is trusted by cannot be read.
pub(in crate::shell) fn try_provider(settings: &Access) -> Result<Option<String>, RunError> {
    let Some(url) = &settings.jwks_url else {
        return Ok(None);
    };
    let requests = KeyRequests::new(settings, None)?;
    let fetched = get(&agent(&requests.roots), url.as_str());
    let url = without_query(url.as_str());
    let mut keys = Keys::default();
    let read = fetched.and_then(|it| Ok(keys.set_fetched(&it.json)?));
    Ok(Some(match read {
        Ok(passed_over) => {
            let count = keys.fetched_count();
            let other: String = passed_over
                .iter()
                .map(|it| format!("; passed over {it}"))
                .collect();
            format!("{url} has answered: keys that can be used: {count}{other}")
        }
        Err(why) => format!(
            "cannot get keys from {url}: {why}; the server starts all the same, and refuses tokens of this provider until it answers"
        ),
    }))
}

fn agent(roots: &RootCerts) -> Agent {
    let config = agent::config(roots, JWKS_TIMEOUT_MS);
    Agent::with_parts(
        config,
        DefaultConnector::default(),
        DefaultResolver::default(),
    )
}

fn get(agent: &Agent, url: &str) -> Result<FetchedKeys, String> {
    let request = agent
        .get(url)
        .header("accept", "application/jwk-set+json, application/json");
    let response = request.call();
    let mut response = response.map_err(|error| words::of(&error, JWKS_TIMEOUT_MS))?;
    match response.status().as_u16() {
        200 => {}
        status @ 300..=399 => {
            return Err(format!(
                "it has answered {status}, and redirects are not followed: set the address that it leads to"
            ));
        }
        status => return Err(format!("it has answered {status}")),
    }
    let max_age_ms = max_age_ms(&response);
    let mut json = Vec::new();
    let body = response.body_mut().as_reader();
    let read = body.take(MAX_JWKS + 1).read_to_end(&mut json);
    match read {
        Ok(length) if length as u64 > MAX_JWKS => {
            Err(format!("its answer is longer than {MAX_JWKS} bytes"))
        }
        Ok(_) => Ok(FetchedKeys { json, max_age_ms }),
        Err(error) => Err(error.to_string()),
    }
}

/// How long the answer is good (RFC 9111 section 5.2.2.1).
fn max_age_ms<B>(response: &Response<B>) -> Option<u64> {
    let fields = response.headers().get_all("cache-control").into_iter();
    let directives = fields
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    let mut ages = directives.filter_map(|it| it.trim().strip_prefix("max-age="));
    let seconds: u64 = ages.next()?.parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

/// Writes the file beside its place first, so that there is a whole one at any time.
fn keep(path: &Path, url: &str, set: &[u8]) -> io::Result<()> {
    let kept = KeptSet {
        url: url.to_owned(),
        set: String::from_utf8(set.to_vec()).map_err(io::Error::other)?,
    };
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
