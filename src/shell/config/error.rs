//! What is wrong with the settings that were given.

use crate::shell::error::RunError;

/// Errors that are shown of many: a file may have one in each line.
const MOST_SHOWN: usize = 20;

/// What is wrong with what the server was told: a line each.
#[derive(Debug, Default)]
pub(super) struct ConfigErrors(pub(super) Vec<String>);

impl ConfigErrors {
    pub(super) fn add(&mut self, line: String) {
        self.0.push(line);
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// An error if there is any.
    pub(super) fn into_result(mut self) -> Result<(), RunError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let more = self.0.len().saturating_sub(MOST_SHOWN);
        self.0.truncate(MOST_SHOWN);
        if more > 0 {
            self.0.push(format!("and {more} more errors"));
        }
        Err(RunError {
            what: self.0.join("\n"),
            cause: None,
            advice: "",
        })
    }
}
