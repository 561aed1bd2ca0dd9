//! What the server is told, from the one table in `settings`: by flags, by the environment and by a file. Flags win over
//! the environment, and the environment over the file.

mod check;
mod environment;
mod file;
mod flags;
#[cfg(test)]
mod guide;
mod nearest;
mod sources;
mod template;

pub use check::check;
pub use flags::Invocation;
pub use sources::{Config, Sources};
pub use template::print_template;

use super::RunError;

/// Errors that are shown of many: a file may have one in each line.
const MOST_SHOWN: usize = 20;

/// What is wrong with what the server was told: a line each.
#[derive(Debug, Default)]
pub(super) struct ConfigErrors(Vec<String>);

impl ConfigErrors {
    fn add(&mut self, line: String) {
        self.0.push(line);
    }

    fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// An error if there is any.
    fn into_result(mut self) -> Result<(), RunError> {
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

#[cfg(test)]
mod tests;
