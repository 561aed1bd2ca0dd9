//! The doors by which clients come in, one file each: what they ask for, and how they are answered.
//!
//! The rest of the server knows a door by its facts alone (`core::net::door`). What clients send reaches their door through
//! `on_incoming`. Requests do not: the phases of HTTP are all connections' (`http`).

pub(super) mod admin;
pub(super) mod datagrams;
pub(super) mod events;
pub(super) mod http;
pub(super) mod json;
pub(super) mod lines;
mod plain;

use crate::codec::ws::message::Kind;
use crate::core::id::ConnectionId;
use crate::core::net::door::DoorKind;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

/// What a client has sent, for its door.
pub(super) enum Incoming<'a, 'b> {
    /// A message of a WebSocket.
    Message(Kind, &'a [u8]),
    /// Bytes of a stream, of which the door takes the next piece off the front.
    Bytes(&'a mut &'b mut [u8]),
    /// The end of a stream, behind bytes that the door has not taken.
    End(&'a mut [u8]),
}

impl<S: Stream> Server<S> {
    /// Passes what a client has sent to its door. Says whether something was taken.
    pub(super) fn on_incoming(
        &mut self,
        incoming: Incoming<'_, '_>,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let Some(kind) = self.get(id).map(|connection| connection.door.kind()) else {
            return false;
        };
        match (kind, incoming) {
            (DoorKind::Plain, Incoming::Message(kind, payload)) => {
                self.say_plainly(id, kind, payload, now);
            }
            (DoorKind::Json, Incoming::Message(kind, payload)) => {
                self.on_command(id, kind, payload, now);
            }
            (DoorKind::Lines, Incoming::Bytes(input)) => return self.take_line(input, id, now),
            (DoorKind::Lines, Incoming::End(input)) => self.end_lines(input, id, now),
            // Who only reads is not heard.
            (DoorKind::Events, Incoming::Bytes(input)) => {
                *input = &mut [];
                return false;
            }
            (DoorKind::Events, Incoming::End(_)) => {
                self.close(id, Ending::Abort(EndReason::ClosedByPeer), now);
            }
            // The phases of these doors do not have that.
            (DoorKind::Http, _)
            | (DoorKind::Plain | DoorKind::Json, Incoming::Bytes(_) | Incoming::End(_))
            | (DoorKind::Events | DoorKind::Lines, Incoming::Message(..)) => {}
        }
        true
    }
}
