//! One socket: what phase it is in, what it has sent that is unfinished, and what it is still to get.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::AddAssign;

use super::addresses::Refusal;
use super::chat::{Format, PersonId, Reading, RoomName};
pub use super::id::ConnectionId;
use super::pending::Pending;
use super::session::Session;
use super::tail::Tail;
use super::timers::Slot;
use super::write_queue::WriteQueue;
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Decoder;
use crate::core::Stream;

/// Where a connection stands. It goes through these from top to bottom, save that a kept-alive HTTP connection goes from
/// `Response` back to `Request`. Each phase has one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a request; `seen` bytes of its head have been looked at, the rest of what has come has not.
    Request { seen: usize },
    /// Waiting for the rest of a request's body. `arrived`: so many bytes had come when the deadline was set.
    Body { arrived: u64 },
    /// Writing responses. Pipelined requests wait, but for POSTs that came in one read. `taken`: so many bytes had been
    /// taken when the deadline was set.
    Response { then: AfterResponse, taken: u64 },
    /// A WebSocket. `pinged`: nothing has come since the last ping, when so many bytes had been taken.
    Open { pinged: Option<u64> },
    /// A stream of Server-Sent Events, or of lines. `stuck_at`: something was waiting when it was looked at last, when so
    /// many bytes had been taken.
    Streaming { stuck_at: Option<u64> },
    /// About to close, and a member of its room until it has been served all that was said there up to the number
    /// `until` in its audience's sequence: its own last words among it. What it still sends is not heard.
    Leaving { until: u64, goodbye: Goodbye },
    /// A close frame is queued or sent.
    Closing {
        handshake: CloseHandshake,
        reason: EndReason,
    },
    /// All is written and our side is shut. Reading on until the peer closes too, because a socket closed with unread
    /// bytes sends a reset, and a reset overtakes what was written.
    Lingering { reason: EndReason },
    /// To be freed at the end of a tick.
    Closed { reason: EndReason },
}

/// What a connection has come for.
#[derive(Debug)]
pub(super) enum Door {
    /// Requests and their responses; the request whose body is arriving.
    Http(Option<Box<Pending>>),
    /// The messages of one room, as they are.
    Plain(RoomName),
    /// The same; what is sent is the state of a key.
    Keyed(Box<Keyed>),
    /// Commands and events.
    Json {
        session: Box<Session>,
        /// Answers have been queued since the queue was last empty: kept here, so that a delivery need not look into the
        /// session.
        has_answers: bool,
    },
    /// Lines of text, in one room at a time.
    Lines {
        session: Box<Session>,
        /// The same.
        has_answers: bool,
    },
    /// The messages of one room, as Server-Sent Events.
    Events(RoomName),
}

/// What the address of a plain WebSocket says of all that is sent there.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) room: RoomName,
    pub(super) key: Box<str>,
    pub(super) retain: bool,
}

impl Door {
    pub(super) const COUNT: usize = 5;
    /// The names that metrics have for them, by their numbers.
    pub(super) const LABELS: [&str; Self::COUNT] = ["http", "plain", "json", "events", "lines"];

    pub(super) fn number(&self) -> usize {
        match self {
            Self::Http(_) => 0,
            Self::Plain(_) | Self::Keyed(_) => 1,
            Self::Json { .. } => 2,
            Self::Events(_) => 3,
            Self::Lines { .. } => 4,
        }
    }

    /// The one room that this door leads to.
    pub(super) fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Plain(room) | Self::Events(room) => Some(room),
            Self::Keyed(keyed) => Some(&keyed.room),
            Self::Http(_) | Self::Json { .. } | Self::Lines { .. } => None,
        }
    }
}

/// Whether messages are compressed (RFC 7692).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deflate {
    Off,
    On,
    /// The peer's window is small.
    Narrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterResponse {
    NextRequest,
    Close,
}

impl AfterResponse {
    pub(super) fn new(keep_alive: bool) -> Self {
        if keep_alive {
            Self::NextRequest
        } else {
            Self::Close
        }
    }
}

/// Why a WebSocket leaves, and what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// The peer has sent a close frame with this code; it gets the same back.
    Answer(Option<u16>),
    /// The peer has broken the protocol.
    Violation(CloseReason),
    /// The peer's side of the connection ended without a close frame; it gets none either.
    EndOfInput,
}

/// What the kernel has said of a socket's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// There is nothing; an event will tell when there is.
    Drained,
    /// There may be something.
    Ready,
    /// There may be something, and after it comes the end, which no other event will tell of.
    Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseHandshake {
    /// Our close frame went first; the peer's has not come.
    AwaitingPeer,
    /// The peer has broken the protocol. It is not heard any more, but its close frame is waited for: a FIN that comes
    /// with ours is taken for a lost connection by some.
    PassingOver,
    /// Both are said, or no answer is waited for.
    Done,
}

/// Why a connection ended, for the log.
pub(super) type EndReason = &'static str;

/// What a connection has done, for the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// Where a connection comes from, in fewer bytes than a `SocketAddr` takes in each of 100,000 connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) ip: IpAddr,
    /// Not known of someone whom a proxy has named in a request.
    port: Option<NonZeroU16>,
}

impl Peer {
    /// Whether it is on this machine.
    pub(super) fn is_loopback(self) -> bool {
        self.ip.to_canonical().is_loopback()
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: NonZeroU16::new(address.port()),
        }
    }
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        Self { ip, port: None }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port.get()).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// How a connection counts for the limits of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// For nobody.
    Free,
    /// For nobody yet: a trusted proxy's, which may say for whom it speaks, once or in each request.
    Proxy,
    /// For its peer's address.
    Counted,
    /// As one more than there may be, which is here to be told so.
    Refused(Refusal),
}

#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: S,
    pub(super) id: ConnectionId,
    pub(super) peer: Peer,
    pub(super) phase: Phase,
    pub(super) queue: WriteQueue,
    pub(super) decoder: Decoder,
    /// Bytes that came and could not be taken yet: an unfinished head or header, or what waits behind a response.
    pub(super) tail: Tail,
    pub(super) door: Door,
    pub(super) deflate: Deflate,
    pub(super) traffic: Traffic,
    /// Status of the last response, for the log; 0 for none.
    pub(super) status: u16,
    pub(super) place: Place,
    pub(super) opened_ms: u64,
    /// When a byte last came.
    pub(super) heard_ms: u64,
    /// When the phase times out; `u64::MAX` for never.
    pub(super) deadline_ms: u64,
    /// Where the timer's entry for this connection is; others are stale.
    pub(super) timer: Slot,
    /// Bytes of `tail`, `decoder`, the pending request and the socket's own that the meter knows of.
    pub(super) metered_bytes: usize,
    pub(super) input: Input,
    /// The last piece of its audience's sequence that was queued for a member of one room.
    pub(super) served: u64,
    /// The kernel may take bytes: false once it has said that it takes none.
    pub(super) writable: bool,
    /// On the server's list of connections to flush.
    pub(super) dirty: bool,
    /// In line to be read: on the server's list, or held back by its room.
    pub(super) in_line: bool,
}

impl<S> Connection<S> {
    pub(super) fn new(socket: S, id: ConnectionId, peer: SocketAddr, now_ms: u64) -> Self {
        Self {
            socket,
            id,
            peer: peer.into(),
            phase: Phase::Request { seen: 0 },
            queue: WriteQueue::default(),
            decoder: Decoder::default(),
            tail: Tail::default(),
            door: Door::Http(None),
            deflate: Deflate::Off,
            traffic: Traffic::default(),
            status: 0,
            place: Place::Free,
            opened_ms: now_ms,
            heard_ms: now_ms,
            deadline_ms: u64::MAX,
            timer: Slot::NEVER,
            metered_bytes: 0,
            input: Input::Drained,
            served: 0,
            writable: true,
            dirty: false,
            in_line: false,
        }
    }

    /// Who this is, at the doors at which one can take a name.
    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.door {
            Door::Json { session, .. } | Door::Lines { session, .. } => Some(session),
            _ => None,
        }
    }

    /// An answer is queued, and how long it was before it was compressed.
    pub(super) fn on_answer(&mut self, queued: usize, encoded: usize) {
        if let Some((session, has_answers)) = self.answered_mut() {
            *has_answers = true;
            session.on_answer(queued, encoded);
        }
    }

    /// All that was queued has been taken. Says whether a command has waited for that.
    pub(super) fn on_answers_taken(&mut self) -> bool {
        self.answered_mut().is_some_and(|(session, has_answers)| {
            std::mem::take(has_answers) && session.on_drained()
        })
    }

    fn answered_mut(&mut self) -> Option<(&mut Box<Session>, &mut bool)> {
        match &mut self.door {
            Door::Json {
                session,
                has_answers,
            }
            | Door::Lines {
                session,
                has_answers,
            } => Some((session, has_answers)),
            _ => None,
        }
    }

    /// The request whose body is arriving.
    pub(super) fn pending(&self) -> Option<&Pending> {
        match &self.door {
            Door::Http(pending) => pending.as_deref(),
            _ => None,
        }
    }

    /// The same, to be answered.
    pub(super) fn take_pending(&mut self) -> Option<Box<Pending>> {
        match &mut self.door {
            Door::Http(pending) => pending.take(),
            _ => None,
        }
    }

    /// Who this is: at the JSON door whoever has logged in, else a guest for as long as the connection lasts.
    pub(super) fn person(&self) -> PersonId {
        match &self.door {
            Door::Json { session, .. } | Door::Lines { session, .. } => session.person,
            _ => PersonId(self.id.number()),
        }
    }

    /// What a WebSocket reads, at the JSON door or the plain one.
    pub(super) fn reading(&self) -> Reading {
        let is_json = matches!(self.door, Door::Json { .. });
        let format = match (is_json, self.deflate) {
            (false, Deflate::Off) => Format::Plain,
            (false, _) => Format::PlainDeflated,
            (true, Deflate::Off) => Format::Json,
            (true, _) => Format::JsonDeflated,
        };
        Reading {
            format,
            is_narrow: self.deflate == Deflate::Narrow,
        }
    }

    /// What someone with a name reads who is told something alone: it is not compressed.
    pub(super) fn own_format(&self) -> Format {
        match self.door {
            Door::Lines { .. } => Format::Lines,
            _ => Format::Json,
        }
    }

    /// Whether responses are on their way that have to leave before what follows the request is done.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.phase, Phase::Response { .. })
    }

    /// Whether it is, or may be, in rooms.
    pub(super) fn is_member(&self) -> bool {
        matches!(
            self.phase,
            Phase::Open { .. } | Phase::Leaving { .. } | Phase::Streaming { .. }
        )
    }

    /// Moves the unfinished input to the front of `buffer` and says how much it is.
    pub(super) fn take_tail(&mut self, buffer: &mut [u8]) -> usize {
        let tail = std::mem::take(&mut self.tail);
        buffer[..tail.len()].copy_from_slice(&tail);
        tail.len()
    }

    /// Keeps unfinished input for the next time, in no more memory than it needs.
    pub(super) fn keep_tail(&mut self, unfinished: &[u8]) {
        if !unfinished.is_empty() {
            self.tail = unfinished.into();
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Whether there is something to write.
    pub(super) fn has_output(&self) -> bool {
        !self.queue.is_empty() || self.socket.has_unsent()
    }

    /// Bytes of memory that unfinished input holds, and what lies between here and the kernel.
    pub(super) fn held_bytes(&self) -> usize {
        let pending = self.pending().map_or(0, Pending::held_bytes);
        self.tail.len() + self.decoder.held_bytes() + pending + self.socket.held_bytes()
    }

    /// Bytes of metered memory that this connection holds; of what it shares with others, its part.
    pub(super) fn weight(&self) -> usize {
        self.queue.weight() + self.held_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Proxied;

    #[test]
    fn an_idle_connection_is_small() {
        // Of which 16 are a socket that may be behind a proxy; 100,000 of them are to be cheap.
        let size = size_of::<Connection<Proxied<u32>>>();
        assert!(size <= 224, "{size}");
    }
}
