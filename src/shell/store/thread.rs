//! Threads beside the loop.

use std::thread::{Builder, JoinHandle};

use crate::shell::error::RunError;

/// Starts a thread of this name.
///
/// # Errors
/// The system has none left.
pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, RunError> {
    let thread = Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| RunError::new("cannot start a thread", error, ""))
}
