//! One socket: its phase, its unfinished input, and its queue of output.

use std::net::SocketAddr;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::codec::ws::message::Decoder;
use crate::core::chat::{Format, PersonId, Reading};
use crate::core::id::ConnectionId;
use crate::core::net::addresses::AdmissionError;
use crate::core::net::door::Door;
use crate::core::net::import::ImportSession;
use crate::core::net::peer::Peer;
use crate::core::net::pending::Pending;
use crate::core::net::phase::Phase;
use crate::core::net::session::Session;
use crate::core::net::tail::Tail;
use crate::core::net::timers::Slot;
use crate::core::net::write_queue::WriteQueue;
use crate::core::stream::Stream;

/// Whether messages are compressed (RFC 7692).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum Deflate {
    Off,
    On,
    /// The peer's window is small.
    Narrow,
}

/// What the poll and the last read have shown of a socket's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum Input {
    /// There is none. The poll reports when there is.
    Drained,
    /// There may be some.
    Ready,
    /// There may be some, and then the end, which is not reported again.
    Ending,
}

/// The traffic of a connection, for the log.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::core) struct Traffic {
    pub(in crate::core) messages_in: u64,
    pub(in crate::core) messages_out: u64,
    pub(in crate::core) bytes_in: u64,
    pub(in crate::core) bytes_out: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// How a connection counts for the limits of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum AddressSlot {
    /// It counts for no address.
    Free,
    /// It counts for none yet: it is a trusted proxy's, which may name the client, once or in each request.
    Proxy,
    /// It counts for its peer's address.
    Counted,
    /// It is beyond a limit, and was accepted only to be told so.
    Refused(AdmissionError),
}

/// A connection. What is not told to the server that takes over, it finds out or is told apart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "S: Default"))]
pub(in crate::core) struct Connection<S> {
    #[serde(skip)]
    pub(in crate::core) socket: S,
    pub(in crate::core) id: ConnectionId,
    pub(in crate::core) peer: Peer,
    pub(in crate::core) phase: Phase,
    #[serde(skip)]
    pub(in crate::core) queue: WriteQueue,
    pub(in crate::core) decoder: Decoder,
    /// Input that could not be taken yet: an unfinished head or header, or what follows a request that is being
    /// answered.
    pub(in crate::core) tail: Tail,
    pub(in crate::core) door: Door,
    pub(in crate::core) deflate: Deflate,
    pub(in crate::core) traffic: Traffic,
    /// Status of the last response, for the log; 0 for none.
    pub(in crate::core) status: u16,
    pub(in crate::core) address_slot: AddressSlot,
    pub(in crate::core) opened_ms: u64,
    /// When input last arrived.
    pub(in crate::core) last_input_ms: u64,
    /// When the phase times out, in the milliseconds of `Now::ms`; `u64::MAX` for never.
    pub(in crate::core) deadline_ms: u64,
    /// The slot of the timer's entry that counts. Entries in other slots are stale.
    #[serde(skip)]
    pub(in crate::core) timer: Slot,
    /// Bytes of `tail`, `decoder`, the pending request, the import and the socket's buffers that the meter has counted.
    #[serde(skip)]
    pub(in crate::core) metered_bytes: usize,
    pub(in crate::core) input: Input,
    /// The number of the last piece of its audience's sequence that was queued, for a member of one room.
    pub(in crate::core) delivered_sequence: u64,
    /// Whether the kernel may take bytes: false once a write would have blocked.
    pub(in crate::core) writable: bool,
    /// On the server's list of connections to flush.
    #[serde(skip)]
    pub(in crate::core) dirty: bool,
    /// It is in a queue of connections to read, or paused by its room.
    #[serde(skip)]
    pub(in crate::core) read_pending: bool,
}

impl<S> Connection<S> {
    pub(in crate::core) fn new(socket: S, id: ConnectionId, peer: SocketAddr, now_ms: u64) -> Self {
        Self {
            socket,
            id,
            peer: peer.into(),
            phase: Phase::Request { seen: 0 },
            queue: WriteQueue::default(),
            decoder: Decoder::default(),
            tail: Tail::default(),
            door: Door::default(),
            deflate: Deflate::Off,
            traffic: Traffic::default(),
            status: 0,
            address_slot: AddressSlot::Free,
            opened_ms: now_ms,
            last_input_ms: now_ms,
            deadline_ms: u64::MAX,
            timer: Slot::NEVER,
            metered_bytes: 0,
            input: Input::Drained,
            delivered_sequence: 0,
            writable: true,
            dirty: false,
            read_pending: false,
        }
    }

    /// The session, at the doors at which one can log in.
    pub(in crate::core) fn session_mut(&mut self) -> Option<&mut Session> {
        self.door.session_mut().map(|(session, _)| session)
    }

    /// An answer of `queued` bytes was queued, made of `encoded` bytes before compression.
    pub(in crate::core) fn on_answer(&mut self, queued: usize, encoded: usize) {
        if let Some((session, has_answers)) = self.door.session_mut() {
            *has_answers = true;
            session.on_answer(queued, encoded);
        }
    }

    /// The queue is empty. Returns whether a command was waiting for that.
    pub(in crate::core) fn on_answers_taken(&mut self) -> bool {
        let session = self.door.session_mut();
        session.is_some_and(|(session, has_answers)| {
            std::mem::take(has_answers) && session.on_drained()
        })
    }

    /// The request whose body is arriving.
    pub(in crate::core) fn pending(&self) -> Option<&Pending> {
        self.door.pending()
    }

    /// The same, to be answered.
    pub(in crate::core) fn take_pending(&mut self) -> Option<Box<Pending>> {
        self.door.take_pending()
    }

    /// Who this is: at the doors at which one can take a name whoever has logged in, else a guest for as long as the
    /// connection lasts.
    pub(in crate::core) fn person(&self) -> PersonId {
        let guest = PersonId(self.id.number());
        self.door.session().map_or(guest, |session| session.person)
    }

    /// What a WebSocket reads whose messages are in this format, if they are not compressed.
    pub(in crate::core) fn reading(&self, format: Format) -> Reading {
        let format = match (format, self.deflate) {
            (format, Deflate::Off) => format,
            (Format::Plain, _) => Format::PlainDeflated,
            (Format::Json, _) => Format::JsonDeflated,
            (format, _) => format,
        };
        Reading {
            format,
            is_narrow: self.deflate == Deflate::Narrow,
        }
    }

    /// Whether responses are on their way that have to leave before what follows the request is done.
    pub(in crate::core) fn is_answering(&self) -> bool {
        matches!(self.phase, Phase::Response { .. } | Phase::AwaitingStore)
    }

    /// Whether it is, or may be, in rooms.
    pub(in crate::core) fn is_member(&self) -> bool {
        matches!(
            self.phase,
            Phase::Open { .. } | Phase::Leaving { .. } | Phase::Streaming { .. }
        )
    }

    /// Moves the unfinished input to the front of `buffer` and returns its length.
    pub(in crate::core) fn take_tail(&mut self, buffer: &mut [u8]) -> usize {
        let tail = std::mem::take(&mut self.tail);
        buffer[..tail.len()].copy_from_slice(&tail);
        tail.len()
    }

    /// Keeps unfinished input for the next read, in no more memory than it needs.
    pub(in crate::core) fn keep_tail(&mut self, unfinished: &[u8]) {
        if !unfinished.is_empty() {
            self.tail = unfinished.into();
        }
    }
}

impl Connection<()> {
    /// The connection that was told so, on its socket and with its queue.
    pub(in crate::core) fn resume<S>(self, socket: S, queue: WriteQueue) -> Connection<S> {
        Connection {
            socket,
            id: self.id,
            peer: self.peer,
            phase: self.phase,
            queue,
            decoder: self.decoder,
            tail: self.tail,
            door: self.door,
            deflate: self.deflate,
            traffic: self.traffic,
            status: self.status,
            address_slot: self.address_slot,
            opened_ms: self.opened_ms,
            last_input_ms: self.last_input_ms,
            deadline_ms: self.deadline_ms,
            timer: self.timer,
            metered_bytes: self.metered_bytes,
            input: self.input,
            delivered_sequence: self.delivered_sequence,
            // If the kernel takes nothing, the first flush finds out.
            writable: true,
            dirty: self.dirty,
            read_pending: self.read_pending,
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Whether there is something to write.
    pub(in crate::core) fn has_output(&self) -> bool {
        !self.queue.is_empty() || self.socket.has_unsent()
    }

    /// Bytes of memory that unfinished input and the socket's own buffers hold.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        let pending = self.pending().map_or(0, Pending::held_bytes);
        let import = self.door.import().map_or(0, ImportSession::held_bytes);
        self.tail.len() + self.decoder.held_bytes() + pending + import + self.socket.held_bytes()
    }

    /// Bytes of metered memory that this connection holds. Shared frames count by its part.
    pub(in crate::core) fn weight(&self) -> usize {
        self.queue.weight() + self.held_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::net::proxied::Proxied;

    #[test]
    fn an_idle_connection_is_small() {
        // Of which 16 are a socket that may be behind a proxy; 100,000 of them are to be cheap.
        let size = size_of::<Connection<Proxied<u32>>>();
        assert!(size <= 224, "{size}");
    }
}
