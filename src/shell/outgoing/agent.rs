//! How a call is made: by HTTP or HTTPS, to where it may go, within a time, and without following anybody elsewhere.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls::crypto::aws_lc_rs;
use ureq::config::Config;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::guard::Guard;
use super::words;
use crate::core::hooks::{Call, CallResult};
use crate::limits::{HOOK_TIMEOUT_MS, MAX_HOOK_ANSWER};
use crate::send::tls::trusted;
use crate::shell::error::RunError;

/// Who is trusted, and where calls may go: what all threads make calls with.
pub(in crate::shell) struct Client {
    roots: RootCerts,
    allowed: Vec<IpNet>,
}

impl Client {
    /// For calls by HTTP alone. Private addresses are called if they are `allowed`.
    pub(in crate::shell) fn plain(allowed: &[IpNet]) -> Self {
        Self {
            roots: RootCerts::from([]),
            allowed: allowed.to_vec(),
        }
    }

    /// For calls by HTTPS as well, to those who are trusted by the certificates in `ca_file`, else by the system's. `whom`: who
    /// they are, for people.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub(in crate::shell) fn secure(
        ca_file: Option<&Path>,
        allowed: &[IpNet],
        whom: &str,
    ) -> Result<Self, RunError> {
        Ok(Self {
            roots: roots(true, (ca_file, "webhook-ca"), whom)?,
            ..Self::plain(allowed)
        })
    }

    /// With connections of its own, which its clones share. A call takes at most so many milliseconds.
    pub(in crate::shell) fn agent(&self, timeout_ms: u64) -> Agent {
        let config = config(&self.roots, timeout_ms);
        let guard = Guard::new(self.allowed.clone());
        Agent::with_parts(config, DefaultConnector::default(), guard)
    }
}

/// What was answered.
pub(in crate::shell) struct Answer {
    pub(in crate::shell) status: u16,
    /// Milliseconds for which the receiver wants to be left alone.
    pub(in crate::shell) retry_ms: Option<u64>,
}

impl Answer {
    /// Reads the first bytes of the body too, so many at most.
    pub(in crate::shell) fn read_with_text(
        mut response: Response<Body>,
        bytes: u64,
    ) -> (Self, Vec<u8>) {
        let mut text = Vec::new();
        let body = response.body_mut().as_reader();
        // What fails in it changes nothing.
        let _ = body.take(bytes).read_to_end(&mut text);
        let answer = Self {
            status: response.status().as_u16(),
            retry_ms: retry_ms(&response),
        };
        (answer, text)
    }

    /// Reads the body too, so that the connection is used again. What fails in it changes nothing.
    pub(in crate::shell) fn read(mut response: Response<Body>) -> Self {
        let body = response.body_mut().as_reader();
        let _ = io::copy(&mut body.take(MAX_HOOK_ANSWER), &mut io::sink());
        Self {
            status: response.status().as_u16(),
            retry_ms: retry_ms(&response),
        }
    }
}

/// Whom requests trust: the certificates of the file of a setting, else the system's.
pub(super) fn roots(
    is_https: bool,
    (ca_file, setting): (Option<&Path>, &str),
    whom: &str,
) -> Result<RootCerts, RunError> {
    let certificates = is_https.then(|| trusted(ca_file, setting));
    let certificates = certificates.transpose().map_err(|error| {
        let what = format!("cannot speak TLS to {whom}");
        RunError::new(what, io::Error::other(error), "")
    })?;
    let certificates = certificates.unwrap_or_default().into_iter();
    let certificates = certificates.map(|it| Certificate::from_der(&it).to_owned());
    Ok(RootCerts::from(certificates))
}

/// How requests are made, each within so many milliseconds.
pub(super) fn config(roots: &RootCerts, timeout_ms: u64) -> Config {
    let tls = TlsConfig::builder()
        .root_certs(roots.clone())
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    Config::builder()
        .tls_config(tls)
        // A proxy of the environment would look the name up itself.
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_millis(timeout_ms)))
        .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .build()
}

/// Makes a call.
pub(super) fn make(agent: &Agent, call: &Call) -> CallResult {
    let request = agent
        .post(&*call.url)
        .header("content-type", "application/json")
        .header("webhook-id", &*call.id)
        .header("webhook-timestamp", &*call.timestamp)
        .header("webhook-signature", &*call.signature);
    match request.send(&*call.body) {
        Ok(response) => {
            let Answer { status, retry_ms } = Answer::read(response);
            CallResult::Answered { status, retry_ms }
        }
        Err(error) => CallResult::Failed(words::of(&error, HOOK_TIMEOUT_MS)),
    }
}

/// What `Retry-After` says in seconds. A date is not looked at: the wait grows anyway.
fn retry_ms<B>(response: &Response<B>) -> Option<u64> {
    let value = response.headers().get("retry-after")?;
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}
