//! Ring three: the poll loop, the listener, TLS, the clock, signals and the configuration. Knows no message formats.

mod announce;
mod clock;
pub mod config;
mod datagrams;
pub mod doctor;
mod entrance;
mod event_loop;
mod files;
mod input_file;
mod keys;
mod listener;
pub mod logging;
mod reload;
mod timestamp;
mod tls;
pub mod token;
mod transport;

pub use event_loop::run;

use std::fmt;

/// Why the server could not start or go on: one line that says what to do.
#[derive(Debug)]
pub struct RunError {
    what: String,
    cause: Option<std::io::Error>,
    advice: &'static str,
}

impl RunError {
    fn new(what: impl Into<String>, cause: std::io::Error, advice: &'static str) -> Self {
        Self {
            what: what.into(),
            cause: Some(cause),
            advice,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if self.advice.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.advice)
        }
    }
}

impl std::error::Error for RunError {}
