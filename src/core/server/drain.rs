//! Shutdown: what was published is delivered, clients are told, and their close frames are awaited.

use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::phase::{AfterResponse, Phase};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::stream::Stream;

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drain {
    #[default]
    NotBegun,
    /// Delivering what was published before. No input is read.
    Delivering { deadline_ms: u64 },
    /// Telling clients, up to this slot of the slab.
    Notifying { deadline_ms: u64, next: usize },
    /// All clients have been told.
    Notified { deadline_ms: u64 },
}

impl Drain {
    pub(super) fn is_begun(self) -> bool {
        self != Self::NotBegun
    }

    pub(super) fn pauses_input(self) -> bool {
        matches!(self, Self::Delivering { .. } | Self::Notifying { .. })
    }

    pub(super) fn deadline_ms(self) -> Option<u64> {
        match self {
            Self::NotBegun => None,
            Self::Delivering { deadline_ms }
            | Self::Notifying { deadline_ms, .. }
            | Self::Notified { deadline_ms } => Some(deadline_ms),
        }
    }

    /// Whether it goes on without an event.
    pub(super) fn has_work(self) -> bool {
        matches!(self, Self::Delivering { .. } | Self::Notifying { .. })
    }
}

impl<S: Stream> Server<S> {
    /// Begins the shutdown: no new WebSockets are accepted, and open ones get what was published, then a close frame
    /// (1001).
    pub fn begin_drain(&mut self, now: Now) {
        if !self.drain.is_begun() {
            self.drain = Drain::Delivering {
                deadline_ms: self.limits.drain_timeout.after(now.ms),
            };
        }
    }

    /// Whether the shutdown is over: no connection is left, or `--drain-timeout` has passed.
    pub fn is_drained(&self, now: Now) -> bool {
        let is_over = self
            .drain
            .deadline_ms()
            .is_some_and(|deadline| deadline <= now.ms);
        is_over || (self.drain.is_begun() && self.connections.is_empty())
    }

    /// When the shutdown ends at the latest, in the milliseconds of `Now::ms`.
    pub fn drain_deadline_ms(&self) -> Option<u64> {
        self.drain.deadline_ms()
    }

    pub(super) fn continue_drain(&mut self, now: Now) {
        let (deadline_ms, mut next) = match self.drain {
            Drain::Delivering { deadline_ms } if self.has_handed_out() => (deadline_ms, 0),
            Drain::Notifying { deadline_ms, next } => (deadline_ms, next),
            _ => return,
        };
        while self.budget.is_left() && next < self.connections.capacity() {
            self.budget.spend(cost::MESSAGE);
            if let Some(id) = self.connections.get(next).map(|connection| connection.id) {
                self.close_for_shutdown(id, now);
                // A client that was not read meanwhile may have sent a close frame, or be gone.
                self.schedule_read(id);
            }
            next += 1;
        }
        self.drain = match next < self.connections.capacity() {
            true => Drain::Notifying { deadline_ms, next },
            false => Drain::Notified { deadline_ms },
        };
        self.flush_dirty(now);
    }

    /// Whether what was said before is accepted, or was refused, and is on its way to those who read it.
    fn has_handed_out(&self) -> bool {
        self.waits_for_nothing() && !self.broadcast.is_busy()
    }

    fn close_for_shutdown(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        match &mut connection.phase {
            Phase::Open { .. } | Phase::Streaming { .. } => {
                self.close(id, Ending::Announce(CloseReason::Shutdown), now);
            }
            Phase::Request { .. } => {
                let reason = EndReason::Told(CloseReason::Shutdown);
                self.close(id, Ending::Abort(reason), now);
            }
            Phase::Body { .. } => {
                self.refuse_body(&unavailable("the server is shutting down"), id, now);
            }
            Phase::Response { then, .. } if *then != AfterResponse::NextPart => {
                *then = AfterResponse::Close;
            }
            Phase::Response { .. }
            | Phase::AwaitingStore
            | Phase::Leaving { .. }
            | Phase::Closing { .. }
            | Phase::Lingering { .. }
            | Phase::Closed { .. } => {}
        }
    }
}
