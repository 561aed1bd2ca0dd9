//! The end of the server: what was said is handed out, everyone is told, and their answers are awaited.

use super::Server;
use super::respond::unavailable;
use crate::codec::ws::close::CloseReason;
use crate::core::connection::{AfterResponse, CloseHandshake, ConnectionId, Phase};
use crate::core::{Now, Stream};

/// How far the end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drain {
    #[default]
    NotBegun,
    /// Handing out what was said before; nothing more is heard.
    HandingOut { deadline_ms: u64 },
    /// Everyone has been told.
    Told { deadline_ms: u64 },
}

impl Drain {
    pub(super) fn is_begun(self) -> bool {
        self != Self::NotBegun
    }

    pub(super) fn holds_input(self) -> bool {
        matches!(self, Self::HandingOut { .. })
    }

    pub(super) fn deadline_ms(self) -> Option<u64> {
        match self {
            Self::NotBegun => None,
            Self::HandingOut { deadline_ms } | Self::Told { deadline_ms } => Some(deadline_ms),
        }
    }
}

impl<S: Stream> Server<S> {
    /// Begins to end: no new WebSockets; those open get what was said, then a close frame (1001).
    pub fn begin_drain(&mut self, now: Now) {
        if !self.drain.is_begun() {
            self.drain = Drain::HandingOut {
                deadline_ms: self.limits.drain_timeout.after(now.ms),
            };
        }
    }

    /// Whether the end has come: nobody is left, or `--drain-timeout` is over.
    pub fn is_drained(&self, now: Now) -> bool {
        let is_over = self
            .drain
            .deadline_ms()
            .is_some_and(|deadline| deadline <= now.ms);
        is_over || (self.drain.is_begun() && self.connections.is_empty())
    }

    /// When a drain is to be given up, in the milliseconds of `Now::ms`.
    pub fn drain_deadline_ms(&self) -> Option<u64> {
        self.drain.deadline_ms()
    }

    pub(super) fn go_on_draining(&mut self, now: Now) {
        let Drain::HandingOut { deadline_ms } = self.drain else {
            return;
        };
        if self.broadcast.is_busy() {
            return;
        }
        self.drain = Drain::Told { deadline_ms };
        let all: Vec<ConnectionId> = self
            .connections
            .iter()
            .map(|(_, connection)| connection.id)
            .collect();
        for id in all {
            self.dismiss(id, now);
            // Whoever was not listened to meanwhile may have answered, or gone.
            self.line_up(id);
        }
        self.flush_dirty(now);
    }

    fn dismiss(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        match &mut connection.phase {
            Phase::Open { .. } => {
                self.begin_close(id, CloseReason::Shutdown, CloseHandshake::AwaitingPeer, now);
            }
            Phase::Streaming { .. } => self.end_stream(id, CloseReason::Shutdown, now),
            Phase::Request { .. } => self.close_now(id, CloseReason::Shutdown.phrase(), now),
            Phase::Body => self.refuse_body(&unavailable("the server is shutting down"), id, now),
            Phase::Response { then } => *then = AfterResponse::Close,
            Phase::Leaving { .. }
            | Phase::Closing { .. }
            | Phase::Lingering { .. }
            | Phase::Closed { .. } => {}
        }
    }
}
