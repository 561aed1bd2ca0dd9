//! The doors by which clients come in, one file each: what they ask for, and how they are answered.
//!
//! The rest of the server knows a door by its facts alone (`core::net::door`). What clients send reaches their door through
//! `on_incoming`. Requests do not: the phases of HTTP are all connections' (`http`).

pub(super) mod admin;
pub(super) mod datagrams;
pub(super) mod events;
pub(super) mod feeds;
pub(super) mod http;
pub(super) mod import;
pub(super) mod json;
pub(super) mod lines;
mod plain;

use crate::codec::ws::message::Kind;
use crate::core::id::ConnectionId;
use crate::core::net::door::DoorKind;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::step::Step;
use crate::core::stream::Stream;

/// What a client has sent, for its door.
pub(super) enum DoorInput<'a, 'b> {
    /// A message of a WebSocket.
    Message(Kind, &'a [u8]),
    /// Bytes of a stream, of which the door takes the next piece off the front.
    Bytes(&'a mut &'b mut [u8]),
    /// The end of a stream, behind bytes that the door has not taken.
    End(&'a mut [u8]),
}

impl<S: Stream> Server<S> {
    /// Passes what a client has sent to its door. Says what became of it.
    pub(super) fn on_incoming(
        &mut self,
        incoming: DoorInput<'_, '_>,
        id: ConnectionId,
        now: Now,
    ) -> Step {
        let Some(kind) = self.get(id).map(|connection| connection.door.kind()) else {
            return Step::Wait;
        };
        match (kind, incoming) {
            (DoorKind::Plain, DoorInput::Message(kind, payload)) => {
                self.publish_plain(id, kind, payload, now);
            }
            (DoorKind::Json, DoorInput::Message(kind, payload)) => {
                self.on_command(id, kind, payload, now);
            }
            (DoorKind::Lines, DoorInput::Bytes(input)) => {
                return match self.take_line(input, id, now) {
                    true => Step::Taken,
                    false => Step::NeedMore,
                };
            }
            (DoorKind::Lines, DoorInput::End(input)) => self.end_lines(input, id, now),
            // Who only reads is not heard.
            (DoorKind::Events, DoorInput::Bytes(input)) => {
                *input = &mut [];
                return Step::NeedMore;
            }
            (DoorKind::Events, DoorInput::End(_)) => {
                self.close(id, Ending::Abort(EndReason::ClosedByPeer), now);
            }
            (DoorKind::Import, DoorInput::Bytes(input)) => return self.take_import(input, id, now),
            (DoorKind::Import, DoorInput::End(_)) => self.end_import(id, now),
            // The phases of these doors do not have that.
            (DoorKind::Http, _)
            | (DoorKind::Plain | DoorKind::Json, DoorInput::Bytes(_) | DoorInput::End(_))
            | (DoorKind::Events | DoorKind::Lines | DoorKind::Import, DoorInput::Message(..)) => {}
        }
        Step::Taken
    }

    /// Passes a command that had to wait for its room to its door.
    pub(super) fn execute_again(&mut self, text: &str, id: ConnectionId, now: Now) {
        match self.get(id).map(|connection| connection.door.kind()) {
            Some(DoorKind::Json) => self.execute_text(text, id, now),
            Some(DoorKind::Lines) => self.execute_line(id, text, now),
            Some(DoorKind::Http | DoorKind::Plain | DoorKind::Events | DoorKind::Import) | None => {
            }
        }
    }
}
