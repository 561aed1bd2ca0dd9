//! Why the server could not start, or go on.

use std::fmt;

/// Why the server could not start or go on: one line that says what to do.
#[derive(Debug)]
pub struct RunError {
    pub(super) what: String,
    pub(super) cause: Option<std::io::Error>,
    pub(super) advice: &'static str,
}

impl RunError {
    pub(super) fn new(
        what: impl Into<String>,
        cause: std::io::Error,
        advice: &'static str,
    ) -> Self {
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
