//! From a readable socket to requests and messages.

use std::io::ErrorKind;
use std::mem;

use tungstenite::protocol::frame::coding::{Control, OpCode};

use crate::codec::http::request::{HeadLimits, Request};
use crate::codec::http::response::{Problem, Status};
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::frame;
use crate::codec::ws::message::{Incoming, Kind};
use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::connection::{Connection, Deflate, Input};
use crate::core::net::door::Publishes;
use crate::core::net::ending::{EndReason, Ending, PeerEnd};
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::{AfterResponse, CloseHandshake, Phase};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::DoorInput;
use crate::core::server::step::Step;
use crate::core::stream::Stream;
use crate::limits::{MAX_PIPELINED, READ_BUDGET, READ_BUFFER, SMALL_READ};

impl<S: Stream> Server<S> {
    /// Reads from a connection until the kernel has no more, the connection's turn is over, or its input has to wait.
    pub(super) fn read(&mut self, id: ConnectionId, now: Now) {
        let mut buffer = mem::take(&mut self.buffer);
        self.read_into(&mut buffer, id, now);
        self.buffer = buffer;
        self.meter_connection(id);
        // Reading may have queued TLS records, as a handshake does, that the kernel has not taken.
        if self.get(id).is_some_and(|it| it.socket.has_unsent()) {
            self.on_blocked(id);
        }
    }

    fn read_into(&mut self, buffer: &mut [u8], id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let mut filled = connection.take_tail(buffer);
        let mut bytes_left = READ_BUDGET;
        loop {
            let (used, step) = self.take_input(&mut buffer[..filled], id, now);
            buffer.copy_within(used..filled, 0);
            filled -= used;
            let Some(connection) = self.get_mut(id) else {
                return;
            };
            // The end of input is handled after the responses before it have left.
            let is_drained = connection.input == Input::Drained
                || connection.input == Input::Ending && connection.is_answering();
            let has_turn = match step {
                Step::Wait => break,
                Step::TurnOver => false,
                Step::Taken | Step::NeedMore if is_drained => break,
                Step::Taken | Step::NeedMore if bytes_left == READ_BUDGET => true,
                Step::Taken | Step::NeedMore => bytes_left > 0 && self.budget.has_turn(),
            };
            if !has_turn {
                self.schedule_read(id);
                break;
            }
            // Checked before reading: then a flood waits in the kernel's buffers, too.
            if self.must_wait(id) {
                break;
            }
            let space = self.read_size(id);
            let count = self.read_once(&mut buffer[..filled + space], filled, id, now);
            let bytes = cost::of_bytes(count, cost::BYTE);
            self.budget.spend(cost::READ + bytes);
            self.on_proxy_header(id, now);
            filled += count;
            bytes_left = bytes_left.saturating_sub(count);
        }
        if let Some(connection) = self.get_mut(id) {
            connection.keep_tail(&buffer[..filled]);
        }
    }

    /// How many bytes to read at once. Most of many pipelined requests stay in the kernel. So does most of what members
    /// send while half of the memory is in use: input that waits for the next turn holds memory.
    fn read_size(&self, id: ConnectionId) -> usize {
        match self.get(id).map(|connection| connection.phase) {
            Some(Phase::Request { .. } | Phase::Response { .. }) => self.limits.max_head,
            Some(Phase::Body { .. }) => self.body_read_size(id),
            _ if self.meter.used() > self.limits.max_memory / 2 => SMALL_READ,
            _ => READ_BUFFER,
        }
    }

    /// Whether the next message of a connection has to wait, and registers where it waits. Checked before each message,
    /// so the limits may be exceeded by one.
    pub(super) fn must_wait(&mut self, id: ConnectionId) -> bool {
        if self.waits_for_store(id) {
            // It goes on when one of its submissions is answered.
            return true;
        }
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut)
            && session.must_wait()
        {
            // It is scheduled again when it has taken its answers, or when its command is done.
            return true;
        }
        let Some(connection) = self.get(id) else {
            return false;
        };
        let (door, is_member) = (&connection.door, connection.is_member());
        let room = match (door.facts().publishes, door.pending()) {
            (Publishes::InItsRoom, _) if is_member => self.chat.room_of(id),
            (Publishes::ByCommand, _) if is_member => door.session().and_then(|it| it.publishes_to),
            // It goes on when some of its file is written.
            (Publishes::ByRequest, Some(_)) if self.waits_for_disk(id) => return true,
            (Publishes::ByRequest, Some(pending)) => self.slowest_of(pending.rooms()),
            (Publishes::ByLine, _) if is_member => door.import().and_then(|it| it.publishes_to),
            _ => return false,
        };
        if self.drain.pauses_input() {
            return true;
        }
        let congested = room
            .filter(|room| self.chat.room_name(*room).is_some())
            .and_then(|room| self.broadcast.congested(room));
        let is_store_full = match door.facts().publishes {
            // The other half is for those who talk meanwhile.
            Publishes::ByLine => self.waiting.is_half_full(),
            _ => self.waiting.is_full(),
        };
        if congested.is_none() && self.meter.used() <= self.limits.max_memory && !is_store_full {
            return false;
        }
        if let Some(connection) = self.get_mut(id)
            && !connection.read_pending
        {
            // It is read first once the room, or the store, has caught up, or in the next tick.
            connection.read_pending = true;
            match congested {
                Some(audience) => self.broadcast.pause(audience, id),
                None if is_store_full => self.waiting.hold(id),
                None => self.over_memory.push(id),
            }
        }
        true
    }

    /// One read. A short one means that the kernel has no more for now, which saves asking again (epoll(7): true of
    /// stream sockets). If more has come meanwhile, the poll reports it. Only an end that was reported together with
    /// these bytes is not reported again.
    ///
    /// `filled` bytes at the front of the buffer are unfinished input.
    fn read_once(&mut self, buffer: &mut [u8], filled: usize, id: ConnectionId, now: Now) -> usize {
        let Some(connection) = self.get_mut(id) else {
            return 0;
        };
        let (unfinished, space) = buffer.split_at_mut(filled);
        match connection.socket.read(space) {
            Ok(0) => {
                connection.input = Input::Drained;
                self.on_end_of_input(unfinished, id, now);
                0
            }
            Ok(count) => {
                let is_short = count < space.len() && !connection.socket.has_more();
                if is_short && connection.input == Input::Ready {
                    connection.input = Input::Drained;
                }
                connection.traffic.bytes_in += count as u64;
                self.counters.traffic.bytes_in += count as u64;
                self.on_input(id, now);
                count
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.input = Input::Drained;
                0
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => {
                connection.input = Input::Drained;
                self.on_io_error(id, &error, now);
                0
            }
        }
    }

    /// Takes requests and messages off the front of `input`, depending on the phase. Returns how many bytes were taken.
    fn take_input(&mut self, input: &mut [u8], id: ConnectionId, now: Now) -> (usize, Step) {
        let length = input.len();
        let mut rest = input;
        let mut is_first = true;
        loop {
            let Some(phase) = self.get(id).map(|connection| connection.phase) else {
                return (length, Step::Wait);
            };
            let step = match phase {
                Phase::Request { seen } => self.take_request(&mut rest, seen, id, now),
                Phase::Body { .. } => self.take_body(&mut rest, id, now),
                Phase::Response { then, .. } if self.may_pipeline(id, then, rest) => {
                    self.take_request(&mut rest, 0, id, now)
                }
                Phase::Response { .. } | Phase::AwaitingStore => Step::Wait,
                Phase::Open { .. } | Phase::Streaming { .. } | Phase::Closing { .. }
                    if !is_first && !rest.is_empty() && !self.budget.has_turn() =>
                {
                    Step::TurnOver
                }
                Phase::Open { .. } | Phase::Streaming { .. }
                    if !rest.is_empty() && self.must_wait(id) =>
                {
                    Step::Wait
                }
                Phase::Open { .. }
                | Phase::Closing {
                    handshake: CloseHandshake::AwaitingPeer,
                    ..
                } => self.take_event(&mut rest, id, now),
                Phase::Streaming { .. } => self.on_incoming(DoorInput::Bytes(&mut rest), id, now),
                Phase::Leaving {
                    end: PeerEnd::Violation(_),
                    ..
                }
                | Phase::Closing {
                    handshake: CloseHandshake::Discarding,
                    ..
                } => self.pass_over(&mut rest, id, now),
                Phase::Leaving { .. } | Phase::Closing { .. } | Phase::Lingering { .. } => {
                    rest = &mut [];
                    Step::NeedMore
                }
                Phase::Closed { .. } => return (length, Step::Wait),
            };
            if !matches!(step, Step::Taken) {
                return (length - rest.len(), step);
            }
            self.budget.spend(cost::MESSAGE);
            is_first = false;
        }
    }

    /// Whether the next request is taken while responses are queued. POSTs that come together go out in one batch, and
    /// are answered in one write. Any other request waits until the responses have left, and so does a POST when the
    /// kernel takes none, when enough are queued, or when the turn is over.
    fn may_pipeline(&self, id: ConnectionId, then: AfterResponse, input: &[u8]) -> bool {
        const POST: &[u8] = b"POST ";
        let start = &input[..input.len().min(POST.len())];
        let is_post = !start.is_empty() && POST.starts_with(start);
        let takes_next = then == AfterResponse::NextRequest && self.budget.has_turn();
        is_post
            && takes_next
            && self
                .get(id)
                .is_some_and(|it| it.writable && it.queue.len() < MAX_PIPELINED)
    }

    fn take_request(
        &mut self,
        input: &mut &mut [u8],
        seen: usize,
        id: ConnectionId,
        now: Now,
    ) -> Step {
        let limits = HeadLimits {
            head: self.limits.max_head,
            uri: self.limits.max_uri,
        };
        match Request::parse(input, seen, limits) {
            Ok(Some((request, length))) => {
                if self.waits_for_room(&request, id, now) || self.waits_for_name(&request, id, now)
                {
                    return Step::Wait;
                }
                self.answer(&request, id, now);
                *input = &mut mem::take(input)[length..];
                Step::Taken
            }
            Ok(None) => {
                let is_begun = seen == 0 && !input.is_empty();
                let timeout = self.limits.handshake_timeout.after(now.ms);
                if let Some(connection) = self.get_mut(id) {
                    if let Phase::Request { seen } = &mut connection.phase {
                        *seen = input.len();
                    }
                    // On a kept-alive connection that was idle until then.
                    if is_begun && connection.status != 0 {
                        self.set_deadline(id, timeout);
                    }
                }
                Step::NeedMore
            }
            Err(problem) => {
                self.refuse(&problem, id, now);
                *input = &mut [];
                Step::Taken
            }
        }
    }

    fn take_event(&mut self, input: &mut &mut [u8], id: ConnectionId, now: Now) -> Step {
        let max_message = self.limits.max_message;
        // Taken out of the connection while the event borrows from it.
        let Some(connection) = self.get_mut(id) else {
            return Step::Wait;
        };
        let deflate = connection.deflate != Deflate::Off;
        let mut decoder = mem::take(&mut connection.decoder);
        let mut rest = mem::take(input);
        let result = decoder.decode(&mut rest, max_message, deflate);
        let step = match result {
            Ok(Some(event)) => {
                self.on_event(event, id, now);
                Step::Taken
            }
            Ok(None) => Step::NeedMore,
            Err(reason) => {
                self.close(id, Ending::Answer(PeerEnd::Violation(reason)), now);
                Step::Taken
            }
        };
        *input = rest;
        if let Some(connection) = self.get_mut(id) {
            connection.decoder = decoder;
        }
        step
    }

    /// The peer has broken the protocol. Its input is dropped, up to its close frame: after that our close frame may
    /// end the connection.
    fn pass_over(&mut self, input: &mut &mut [u8], id: ConnectionId, now: Now) -> Step {
        let Some(connection) = self.get_mut(id) else {
            return Step::Wait;
        };
        if connection.decoder.pass_over(input) {
            *input = &mut [];
            if let Phase::Closing { reason, .. } = connection.phase {
                let handshake = CloseHandshake::Done;
                connection.phase = Phase::Closing { handshake, reason };
                if !connection.has_output() {
                    // More may follow, and a reset would overtake our close frame.
                    self.close(id, Ending::Linger(reason), now);
                }
            }
        }
        Step::NeedMore
    }

    fn on_event(&mut self, event: Incoming<'_>, id: ConnectionId, now: Now) {
        match event {
            Incoming::Message(kind, payload) => {
                self.on_incoming(DoorInput::Message(kind, payload), id, now);
            }
            Incoming::Compressed(kind, payload) => self.on_compressed(id, kind, payload, now),
            Incoming::Ping(payload) => self.pong(id, payload),
            // Any input shows that the peer is alive, so a pong needs nothing more.
            Incoming::Pong => {}
            Incoming::Close(code) => self.close(id, Ending::Answer(PeerEnd::CloseFrame(code)), now),
        }
    }

    /// Inflates a compressed message (RFC 7692 section 6.2).
    fn on_compressed(&mut self, id: ConnectionId, kind: Kind, payload: &[u8], now: Now) {
        let mut inflater = self.inflater.take().unwrap_or_default();
        let inflated = inflater.inflate(payload, self.limits.max_message);
        let checked = inflated.and_then(|message| match kind {
            Kind::Text if str::from_utf8(message).is_err() => Err(CloseReason::InvalidUtf8),
            _ => Ok(message),
        });
        match checked {
            Ok(message) => {
                let bytes = cost::of_bytes(message.len(), cost::INFLATED_BYTE);
                self.budget.spend(cost::DEFLATE + bytes);
                self.on_incoming(DoorInput::Message(kind, message), id, now);
            }
            Err(reason) => self.close(id, Ending::Answer(PeerEnd::Violation(reason)), now),
        }
        inflater.shrink(READ_BUFFER);
        self.inflater = Some(inflater);
    }

    fn pong(&mut self, id: ConnectionId, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(2 + payload.len());
        frame::encode(OpCode::Control(Control::Pong), payload, &mut bytes);
        let pong = Frames::new(bytes, FrameKind::Control, &self.meter);
        if let Some(connection) = self.get_mut(id)
            && matches!(connection.phase, Phase::Open { .. })
        {
            connection.queue.push_control(pong);
            self.mark_dirty(id);
        }
    }

    /// The peer will send no more (TCP's FIN). It may still read what is queued: it has only half-closed.
    fn on_end_of_input(&mut self, unfinished: &mut [u8], id: ConnectionId, now: Now) {
        match self.get(id).map(|connection| connection.phase) {
            Some(Phase::Request { .. }) => self.close(id, Ending::Abort(EndReason::Done), now),
            Some(Phase::Body { .. }) => {
                self.drop_pending(id);
                // The requests before it are answered.
                self.close(id, Ending::Flush(EndReason::ConnectionLost), now);
            }
            Some(Phase::Open { .. } | Phase::Closing { .. }) => {
                self.close(id, Ending::Answer(PeerEnd::EndOfInput), now);
            }
            Some(Phase::Streaming { .. }) => {
                self.on_incoming(DoorInput::End(unfinished), id, now);
            }
            Some(Phase::Lingering { reason }) => self.close(id, Ending::Abort(reason), now),
            Some(
                Phase::AwaitingStore
                | Phase::Response { .. }
                | Phase::Leaving { .. }
                | Phase::Closed { .. },
            )
            | None => {}
        }
    }

    /// The request did not arrive in time.
    pub(super) fn on_request_timeout(&mut self, id: ConnectionId, now: Now) {
        match self.get(id) {
            Some(connection) if connection.tail.is_empty() => {
                self.close(id, Ending::Abort(EndReason::Idle), now);
            }
            Some(_) => {
                let problem = Problem::new(
                    Status::REQUEST_TIMEOUT,
                    "the request did not arrive in time",
                );
                self.refuse(&problem, id, now);
            }
            None => {}
        }
    }

    /// Updates what the meter counts for the connection besides its queue.
    pub(super) fn meter_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id.index()) else {
            return;
        };
        let held = connection.held_bytes();
        self.meter.add(held);
        self.meter
            .subtract(mem::replace(&mut connection.metered_bytes, held));
    }
}
