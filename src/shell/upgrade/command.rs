//! `parlor upgrade`: asks a server to hand over to the binary at its path, and waits until it has.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::limits::{UPGRADE_QUIET_MS, UPGRADE_START_MS, UPGRADE_TAKE_MS};
use crate::shell::error::RunError;

/// How long an upgrade takes at most, in milliseconds; but a server that has clients over TLS waits for those, too.
const MOST_MS: u64 = UPGRADE_START_MS + UPGRADE_QUIET_MS + 3 * UPGRADE_TAKE_MS;

/// Which server.
#[derive(Clone, Debug, Args)]
pub struct UpgradeArgs {
    /// The server with this process id, instead of the one that has the data directory
    #[arg(long, value_name = "PID")]
    pub pid: Option<i32>,
}

/// Has a server start the binary that is at its path now, and hand its clients to it.
///
/// # Errors
/// There is no such server, or it goes on: its log says why.
pub fn upgrade(
    args: &UpgradeArgs,
    directory: impl FnOnce() -> Result<Option<PathBuf>, RunError>,
) -> Result<(), RunError> {
    let pid = match args.pid {
        Some(pid) => pid,
        None => server_of(&directory()?.ok_or_else(no_server_named)?)?,
    };
    let cannot_ask = |error: io::Error| {
        let advice = "name a server of this user with --data or --pid";
        RunError::new(format!("cannot ask process {pid}"), error, advice)
    };
    let server =
        Pid::from_raw(pid).ok_or_else(|| cannot_ask(io::ErrorKind::InvalidInput.into()))?;
    let process =
        pidfd_open(server, PidfdFlags::empty()).map_err(|error| cannot_ask(error.into()))?;
    kill_process(server, Signal::USR2).map_err(|error| cannot_ask(error.into()))?;
    let most = Timespec::try_from(Duration::from_millis(MOST_MS)).ok();
    let mut ends = [PollFd::new(&process, PollFlags::IN)];
    let ended = poll(&mut ends, most.as_ref()).map_err(|error| cannot_ask(error.into()))?;
    if ended == 0 {
        return Err(RunError {
            what: format!(
                "process {pid} is still there after {} seconds",
                MOST_MS / 1000
            ),
            cause: None,
            advice: "its log says why it goes on, or which clients over TLS it waits for",
        });
    }
    println!("process {pid} has handed over");
    Ok(())
}

fn no_server_named() -> RunError {
    RunError {
        what: "it is not said which server".to_owned(),
        cause: None,
        advice: "name the directory that it keeps its messages in with --data, or its process with --pid",
    }
}

/// The process that has a data directory.
fn server_of(directory: &Path) -> Result<i32, RunError> {
    let shown = directory.display();
    let no_server = || RunError {
        what: format!("no server has the directory {shown}"),
        cause: None,
        advice: "name the one that it keeps its messages in with --data, or the process with --pid",
    };
    let mut lock = File::open(directory.join("lock")).map_err(|_| no_server())?;
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return Err(no_server());
    }
    let mut pid = String::new();
    lock.read_to_string(&mut pid)
        .map_err(|error| RunError::new(format!("cannot read {shown}/lock"), error, ""))?;
    pid.trim().parse().map_err(|_| no_server())
}
