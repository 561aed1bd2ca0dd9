//! The side of the new process.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::baggage::{Baggage, Hello};
use super::channel::Channel;
use crate::limits::{UPGRADE_QUIET_MS, UPGRADE_TAKE_MS};
use crate::shell::error::RunError;

/// A server that is to be taken over.
#[derive(Debug)]
pub(in crate::shell) struct Taker(Channel);

/// All that it hands over.
#[derive(Debug)]
pub(in crate::shell) struct Handover {
    pub(in crate::shell) baggage: Baggage,
    pub(in crate::shell) state: Vec<u8>,
    /// In the order in which `baggage` tells of them.
    pub(in crate::shell) descriptors: std::vec::IntoIter<OwnedFd>,
}

impl Taker {
    /// Says hello to the process at the other end of standard input.
    ///
    /// # Errors
    /// There is none.
    pub(in crate::shell) fn begin() -> Result<Self, RunError> {
        let begin = || {
            let stdin = io::stdin().as_fd().try_clone_to_owned()?;
            // The other one is given this long to come to rest, and as long again in case it is slow.
            let timeout = Duration::from_millis(2 * UPGRADE_QUIET_MS + UPGRADE_TAKE_MS);
            let mut channel = Channel::new(UnixStream::from(stdin), timeout)?;
            let hello = rmp_serde::to_vec_named(&Hello::new()).map_err(io::Error::other)?;
            channel.send(&hello)?;
            Ok(channel)
        };
        begin().map(Self).map_err(cannot_take)
    }

    /// Waits for what the other process hands over.
    ///
    /// # Errors
    /// It does not come.
    pub(in crate::shell) fn receive(&mut self) -> Result<Handover, RunError> {
        let mut receive = || {
            let baggage = self.0.receive()?;
            let baggage: Baggage = rmp_serde::from_slice(&baggage).map_err(io::Error::other)?;
            let state = self.0.receive()?;
            let descriptors = self.0.receive_descriptors(baggage.descriptors())?;
            Ok(Handover {
                baggage,
                state,
                descriptors: descriptors.into_iter(),
            })
        };
        receive().map_err(cannot_take)
    }

    /// All is taken. From here on the clients are this process's, once the other one has said so.
    ///
    /// # Errors
    /// It has changed its mind, or is gone.
    pub(in crate::shell) fn finish(mut self) -> Result<(), RunError> {
        self.0.send(b"ready").map_err(cannot_take)?;
        self.0.receive().map(drop).map_err(cannot_take)
    }
}

fn cannot_take(error: io::Error) -> RunError {
    let advice = "the server that was to be taken over goes on";
    RunError::new("cannot take over", error, advice)
}
