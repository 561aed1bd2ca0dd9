//! How a connection ends: the close handshake, lingering, and the line in the log.

use std::io::{self, ErrorKind};

use chacha20::rand_core::Rng;

use crate::codec::json::event::Event;
use crate::codec::proxy::Malformed;
use crate::codec::ws::close::{self, CloseReason};
use crate::codec::ws::message::Decoder;
use crate::core::budget::cost;
use crate::core::chat::Format;
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::connection::{Connection, Input};
use crate::core::net::door::Door;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::{CloseHandshake, EndReason, Goodbye, Phase};
use crate::core::net::tail::Tail;
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::RETRY_SPREAD_MS;

impl<S: Stream> Server<S> {
    /// Leaves the room and sends a close frame after what is queued (RFC 6455 section 7.1.2).
    pub(super) fn begin_close(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        handshake: CloseHandshake,
        now: Now,
    ) {
        self.say_bye(id, reason);
        self.queue_close(id, close::encode(reason), handshake, reason.phrase(), now);
    }

    /// Tells a script why it is closed, and when to come back: each at another time, so that a restart is not followed
    /// by a stampede.
    fn say_bye(&mut self, id: ConnectionId, reason: CloseReason) {
        let format = match self.get(id).map(|it| (&it.door, it.phase)) {
            Some((Door::Json { .. }, Phase::Open { .. })) => Format::Json,
            Some((Door::Events(_), Phase::Streaming { .. })) => Format::Events,
            Some((Door::Lines { .. }, Phase::Streaming { .. })) => {
                return self.say_line(id, &format!("* {}\n", reason.phrase()));
            }
            _ => return,
        };
        let (code, phrase) = (reason.code(), reason.phrase());
        let mut bytes = Vec::new();
        if format == Format::Events {
            self.write_bye(code, phrase, &mut bytes);
        } else {
            let json = encode::event_json(&Event::Bye {
                code,
                reason: phrase,
                retry_ms: self.retry_ms(),
            });
            bytes = self.encoder.text_frame(format.into(), json.as_bytes());
        }
        self.answer_with(id, format, bytes);
    }

    /// When someone is to come back, in milliseconds from now.
    pub(super) fn retry_ms(&mut self) -> u64 {
        RETRY_SPREAD_MS / 10 + self.random.next_u64() % RETRY_SPREAD_MS
    }

    /// Ends a stream of Server-Sent Events after what is queued.
    pub(super) fn end_stream(&mut self, id: ConnectionId, reason: CloseReason, now: Now) {
        self.say_bye(id, reason);
        self.end_after_queue(id, reason.phrase(), now);
    }

    /// The same for a connection that holds more than it may: what it was still to get is dropped, up to the frame that
    /// is being written. Others than open WebSockets are closed at once.
    pub(super) fn cut_off(&mut self, id: ConnectionId, reason: CloseReason, now: Now) {
        let meter = self.meter.clone();
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open { .. } | Phase::Leaving { .. }) {
            self.close_now(id, reason.phrase(), now);
            return;
        }
        connection.queue.cut_to_frame(&meter);
        self.release_input(id);
        self.begin_close(id, reason, CloseHandshake::Done, now);
    }

    /// Ends a WebSocket for a reason that lies with its peer, once it has been served all that was said so far: whoever
    /// sends a message and a close frame in one breath gets the message back first.
    pub(super) fn say_goodbye(&mut self, id: ConnectionId, goodbye: Goodbye, now: Now) {
        // At the JSON door its commands were answered, which is what it waits for.
        let until = match self.get(id).map(|connection| &connection.door) {
            Some(Door::Plain(_) | Door::Keyed(_) | Door::Lines { .. }) if !self.is_behind(id) => {
                self.chat.last_sequence_for(id)
            }
            _ => 0,
        };
        // What the store has not answered may be refused yet, or be published after all that was said so far.
        let until = match self.waiting.count_of(id) {
            0 => until,
            _ => u64::MAX,
        };
        match self.get(id) {
            Some(connection) if connection.served < until => {
                let deadline = self.limits.close_timeout.after(now.ms);
                self.enter(id, Phase::Leaving { until, goodbye }, deadline);
            }
            Some(_) => self.finish_leaving(id, goodbye, now),
            None => {}
        }
    }

    /// Whether what is said in its one room does not reach a connection for now.
    fn is_behind(&self, id: ConnectionId) -> bool {
        let room = self.chat.room_of(id);
        room.is_some_and(|room| self.lagging.is_behind(id, room))
    }

    /// The connection has been served all that it was to get: it leaves, and is told what it is to be told.
    pub(super) fn finish_leaving(&mut self, id: ConnectionId, goodbye: Goodbye, now: Now) {
        match goodbye {
            Goodbye::Answer(code) => {
                self.queue_close(
                    id,
                    close::answer(code),
                    CloseHandshake::Done,
                    "closed by peer",
                    now,
                );
            }
            Goodbye::Violation(reason) => {
                let decoder = self.get(id).map(|connection| &connection.decoder);
                let handshake = match decoder.is_some_and(Decoder::is_closed) {
                    true => CloseHandshake::Done,
                    false => CloseHandshake::PassingOver,
                };
                self.begin_close(id, reason, handshake, now);
            }
            Goodbye::EndOfInput => self.end_after_queue(id, "connection lost", now),
        }
    }

    /// The peer's side of the close handshake has come to its end; ours does when the queue is empty.
    pub(super) fn finish_close(
        &mut self,
        id: ConnectionId,
        goodbye: Goodbye,
        reason: EndReason,
        now: Now,
    ) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        connection.phase = Phase::Closing {
            handshake: CloseHandshake::Done,
            reason,
        };
        match goodbye {
            _ if connection.has_output() => {}
            // More of the same may follow, and a reset would overtake our close frame.
            Goodbye::Violation(_) => self.linger(id, reason, now),
            // Nothing follows, and our close frame went out in an earlier tick.
            Goodbye::Answer(_) | Goodbye::EndOfInput => self.close_now(id, reason, now),
        }
    }

    /// Leaves the room and closes when what is queued has been written, without a close frame.
    pub(super) fn end_after_queue(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        self.leave(id, now);
        match self.get(id) {
            Some(connection) if connection.has_output() => {
                let phase = Phase::Closing {
                    handshake: CloseHandshake::Done,
                    reason,
                };
                self.enter(id, phase, self.limits.close_timeout.after(now.ms));
            }
            _ => self.close_now(id, reason, now),
        }
    }

    /// Shuts our side and reads on until the peer shuts its own.
    pub(super) fn linger(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if connection.socket.shutdown_write().is_err() {
            self.close_now(id, reason, now);
            return;
        }
        // If the end could not be said yet, an event will tell when it can.
        connection.writable &= !connection.socket.has_unsent();
        // The peer's end may have been seen before; asking again tells.
        connection.input = Input::Ending;
        self.meter_held(id);
        self.enter(
            id,
            Phase::Lingering { reason },
            self.limits.close_timeout.after(now.ms),
        );
        self.line_up(id);
    }

    /// Leaves the room and gives the connection up, whatever is queued; it is freed at the end of a tick.
    pub(super) fn close_now(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        self.leave(id, now);
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Closed { .. }) {
            return;
        }
        connection.phase = Phase::Closed { reason };
        connection.queue.clear();
        self.release_input(id);
        self.closed.push_back(id);
    }

    /// Reading or writing has failed, which ends the connection.
    pub(super) fn on_failure(&mut self, id: ConnectionId, error: &io::Error, now: Now) {
        let Some(connection) = self.get(id) else {
            return;
        };
        let reason = match error.get_ref() {
            Some(cause) if cause.is::<Malformed>() => {
                // Not by a stranger, but by a proxy of one's own.
                log::warn!("{error} from peer={}", connection.peer);
                "bad PROXY header"
            }
            Some(_) if error.kind() == ErrorKind::InvalidData => {
                log::info!("{error} peer={}", connection.peer);
                "TLS failed"
            }
            _ => "connection reset",
        };
        self.close_now(id, reason, now);
    }

    /// Frees the slots of the connections that have ended, which closes their sockets.
    pub(super) fn free_closed(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(id) = self.closed.pop_front()
        {
            let connection = self.connections.remove(id.index());
            self.budget.spend(cost::FREE);
            self.access.forget(id);
            self.meter.subtract(connection.metered_bytes);
            self.leave_place(&connection, now);
            self.counters.count_end(&connection);
            log_end(&connection, now);
        }
        if self.connections.is_empty() {
            // A burst's memory returns.
            self.connections.shrink_to_fit();
        }
    }

    fn queue_close(
        &mut self,
        id: ConnectionId,
        frame: Vec<u8>,
        handshake: CloseHandshake,
        reason: EndReason,
        now: Now,
    ) {
        self.leave(id, now);
        let chunk = Chunk::whole(Frames::new(frame, FrameKind::Data, &self.meter));
        let close_timeout = self.limits.close_timeout.after(now.ms);
        let deadline = self.drain.deadline_ms().unwrap_or(u64::MAX);
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        connection.queue.append(chunk);
        let phase = Phase::Closing { handshake, reason };
        self.enter(id, phase, close_timeout.min(deadline));
        self.mark_dirty(id);
    }

    /// Leaves all rooms, if it is in any.
    fn leave(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get(id).filter(|connection| connection.is_member()) else {
            return;
        };
        let person = connection.person();
        let has_person = matches!(connection.door, Door::Json { .. } | Door::Lines { .. });
        while let Some(room) = self.chat.room_of(id) {
            self.lagging.forget(id, room);
            self.chat.leave(id, person, room, now.ms);
        }
        if has_person {
            self.chat.disconnect(id, person, now.ms);
        }
        self.forget_ended();
    }

    /// Drops unfinished input and what the meter counted for it.
    fn release_input(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id.index()) {
            connection.tail = Tail::default();
            connection.decoder = Decoder::default();
            connection.take_pending();
            self.meter_held(id);
        }
    }
}

/// One line for each connection; what was said never gets into it.
fn log_end<S>(connection: &Connection<S>, now: Now) {
    let Phase::Closed { reason } = connection.phase else {
        return;
    };
    let room: &dyn std::fmt::Display = match connection.door.room() {
        Some(room) => room,
        None => &"-",
    };
    let traffic = connection.traffic;
    log::info!(
        "closed peer={} room={room} reason=\"{reason}\" status={} duration_ms={} messages_in={} messages_out={} bytes_in={} bytes_out={}",
        connection.peer,
        connection.status,
        now.ms - connection.opened_ms,
        traffic.messages_in,
        traffic.messages_out,
        traffic.bytes_in,
        traffic.bytes_out,
    );
}
