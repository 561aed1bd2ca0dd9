//! What is known of a listening socket, whose events come only once.

use std::io;

use rustix::io::Errno;

use crate::core::{Now, Server, Stream};

/// When to try accepting again after the machine was out of descriptors or memory.
const PAUSE_MS: u64 = 1000;

/// Whether somebody waits to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Nobody is waiting; an event will tell.
    #[default]
    Idle,
    /// Someone may be waiting.
    Ready,
    /// Out of descriptors or memory: until then, or until a connection has ended.
    Paused { until_ms: u64, connections: usize },
}

impl Accepting {
    /// Someone is waiting. A pause is not cut short: whoever comes next would find no descriptor either.
    pub(super) fn on_waiting(&mut self) {
        if *self == Self::Idle {
            *self = Self::Ready;
        }
    }

    pub(super) fn may_accept<S: Stream>(self, server: &Server<S>, now: Now) -> bool {
        match self {
            Self::Idle => false,
            Self::Ready => server.has_room(),
            Self::Paused {
                until_ms,
                connections,
            } => now.ms >= until_ms || server.connection_count() < connections,
        }
    }

    /// When a pause is over, in the milliseconds of `Now::ms`.
    pub(super) fn retry_ms(self) -> Option<u64> {
        match self {
            Self::Paused { until_ms, .. } => Some(until_ms),
            Self::Idle | Self::Ready => None,
        }
    }

    /// Somebody could not be accepted. Says whether the next may be.
    pub(super) fn on_error<S: Stream>(
        &mut self,
        error: &io::Error,
        server: &Server<S>,
        now: Now,
    ) -> bool {
        if error.kind() == io::ErrorKind::WouldBlock {
            *self = Self::Idle;
            return false;
        }
        if is_shortage(error) {
            log::warn!("cannot accept for now: {error}; raise the limit on open files (ulimit -n)");
            *self = Self::Paused {
                until_ms: now.ms + PAUSE_MS,
                connections: server.connection_count(),
            };
            return false;
        }
        // The peer has gone while it waited (accept(2)); so may the next not have.
        log::debug!("cannot accept: {error}");
        true
    }
}

fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
