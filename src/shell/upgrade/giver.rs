//! The side of the process that hands over.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::baggage::{Baggage, Hello};
use super::channel::Channel;
use crate::core::Now;
use crate::core::handover::VERSION;
use crate::limits::{UPGRADE_QUIET_MS, UPGRADE_START_MS, UPGRADE_TAKE_MS};

/// The variable that tells the new process to take over.
pub(in crate::shell) const TAKE_OVER: &str = "PARLOR_TAKE_OVER";

/// Bytes that a hello is at most.
const MAX_HELLO: usize = 4 << 10;

/// The program that is started to take over.
#[derive(Debug)]
pub(in crate::shell) struct Next {
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// An upgrade that has begun.
#[derive(Debug)]
pub(in crate::shell) struct Upgrade {
    child: Child,
    stream: UnixStream,
    hello: Vec<u8>,
    stage: Stage,
    deadline_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The new process starts.
    Starting,
    /// It waits for this one to come to rest.
    Settling,
}

impl Next {
    /// What was started here: by the same name, at which there may be another file by then.
    pub(in crate::shell) fn this_program() -> Self {
        let mut arguments = std::env::args_os();
        let name = PathBuf::from(arguments.next().unwrap_or_default());
        // Without a slash it was found in one of the directories of PATH, and is again.
        let is_path = name.components().count() > 1;
        let program = match std::path::absolute(&name) {
            Ok(path) if is_path => path,
            _ => name,
        };
        Self {
            program,
            arguments: arguments.collect(),
        }
    }

    pub(in crate::shell) fn program(&self) -> &Path {
        &self.program
    }
}

impl Upgrade {
    /// Starts the new process, and waits for its hello on `token`.
    ///
    /// # Errors
    /// It cannot be started.
    pub(in crate::shell) fn begin(
        next: &Next,
        registry: &Registry,
        token: Token,
        now: Now,
    ) -> io::Result<Self> {
        let (stream, other) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let interest = Interest::READABLE;
        registry.register(&mut SourceFd(&stream.as_raw_fd()), token, interest)?;
        let child = Command::new(&next.program)
            .args(&next.arguments)
            .env(TAKE_OVER, "stdin")
            // They name this process, or what only it was given.
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .stdin(Stdio::from(OwnedFd::from(other)))
            .spawn()?;
        Ok(Self {
            child,
            stream,
            hello: Vec::new(),
            stage: Stage::Starting,
            deadline_ms: now.ms + UPGRADE_START_MS,
        })
    }

    pub(in crate::shell) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(in crate::shell) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// Whether the new process waits for this one to come to rest.
    pub(in crate::shell) fn is_settling(&self) -> bool {
        self.stage == Stage::Settling
    }

    /// Something has come, or the end. Says whether the server is to come to rest now.
    ///
    /// # Errors
    /// The new process cannot take over.
    pub(in crate::shell) fn on_readable(&mut self, now: Now) -> Result<bool, String> {
        let mut bytes = [0; 512];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.end_of_child()),
                Ok(count) => self.hello.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
            if self.hello.len() > MAX_HELLO {
                return Err("what was started is no parlor".to_owned());
            }
        }
        let Some(hello) = self.hello.strip_prefix(&length_of(&self.hello)[..]) else {
            return Ok(false);
        };
        if self.stage == Stage::Settling {
            return Ok(false);
        }
        let hello: Hello = rmp_serde::from_slice(hello)
            .map_err(|error| format!("what was started is no parlor: {error}"))?;
        if hello.reads != VERSION {
            return Err(format!(
                "parlor {} reads state of version {}, and this server writes version {VERSION}: restart instead",
                hello.release, hello.reads
            ));
        }
        self.stage = Stage::Settling;
        self.deadline_ms = now.ms + UPGRADE_QUIET_MS;
        Ok(true)
    }

    /// What to say when its time is over.
    pub(in crate::shell) fn overdue(&self) -> &'static str {
        match self.stage {
            Stage::Starting => "the new process did not start in time",
            Stage::Settling => "what was on its way did not come to its end in time",
        }
    }

    /// Hands everything over, if `is_wanted` says so when the new process is ready. When this returns, that serves.
    ///
    /// # Errors
    /// It does not take it, or is not wanted any more, and this server is to go on.
    pub(in crate::shell) fn hand_over(
        &mut self,
        baggage: &Baggage,
        state: &[u8],
        descriptors: &[BorrowedFd<'_>],
        is_wanted: impl FnOnce() -> bool,
    ) -> Result<(), String> {
        let hand_over = || {
            let timeout = Duration::from_millis(UPGRADE_TAKE_MS);
            let mut channel = Channel::new(self.stream.try_clone()?, timeout)?;
            let baggage = rmp_serde::to_vec_named(baggage).map_err(io::Error::other)?;
            channel.send(&baggage)?;
            channel.send(state)?;
            channel.send_descriptors(descriptors)?;
            channel.receive()?;
            match is_wanted() {
                true => channel.send(b"go"),
                false => Err(ErrorKind::Interrupted.into()),
            }
        };
        hand_over().map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                "the new process did not take over in time".to_owned()
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                self.end_of_child()
            }
            ErrorKind::Interrupted => "another signal has come meanwhile".to_owned(),
            _ => error.to_string(),
        })
    }

    /// The new process is not wanted any more.
    pub(in crate::shell) fn abandon(mut self, registry: &Registry) {
        // It may have ended by itself.
        let _ = registry.deregister(&mut SourceFd(&self.stream.as_raw_fd()));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The new process has closed its end.
    fn end_of_child(&mut self) -> String {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                format!("the new process has ended ({status}); see what it has said")
            }
            _ => "the new process has given up; see what it has said".to_owned(),
        }
    }
}

/// The length that is to stand before a message of which this has come.
fn length_of(message: &[u8]) -> [u8; 8] {
    (message.len().saturating_sub(8) as u64).to_be_bytes()
}
