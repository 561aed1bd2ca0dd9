//! How a connection ends: the close handshake, lingering, and the line in the log.

use std::io::{self, ErrorKind};

use chacha20::rand_core::Rng;

use crate::codec::json::event::Event;
use crate::codec::proxy::ProxyHeaderError;
use crate::codec::ws::close::{self, CloseReason};
use crate::codec::ws::message::Decoder;
use crate::core::budget::cost;
use crate::core::chat::Format;
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::connection::{Connection, Input};
use crate::core::net::door::Publishes;
use crate::core::net::ending::{EndReason, Ending, PeerEnd};
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::{CloseHandshake, Phase};
use crate::core::net::tail::Tail;
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::RETRY_SPREAD_MS;

impl<S: Stream> Server<S> {
    /// Ends a connection, now or in steps. The table at [`Ending`] says what that is in each phase.
    pub(super) fn close(&mut self, id: ConnectionId, ending: Ending, now: Now) {
        match ending {
            Ending::Announce(reason) => self.announce(id, reason, now),
            Ending::Truncate(reason) => self.truncate(id, reason, now),
            Ending::Answer(end) => self.answer_end(id, end, now),
            Ending::Flush(reason) => self.close_after_flush(id, reason, now),
            Ending::Linger(reason) => self.linger(id, reason, now),
            Ending::Abort(reason) => self.abort(id, reason, now),
        }
    }

    fn announce(&mut self, id: ConnectionId, reason: CloseReason, now: Now) {
        match self.get(id).map(|connection| connection.phase) {
            Some(Phase::Open { .. }) => {
                self.begin_handshake(id, reason, CloseHandshake::AwaitingPeer, now);
            }
            Some(Phase::Streaming { .. }) => {
                self.send_bye(id, reason);
                self.close_after_flush(id, EndReason::Told(reason), now);
            }
            Some(Phase::Leaving { .. }) => self.finish_leaving(id, now),
            _ => {}
        }
    }

    /// Drops the queue, up to the frame that is being written. Only a WebSocket is told why.
    fn truncate(&mut self, id: ConnectionId, reason: CloseReason, now: Now) {
        let meter = self.meter.clone();
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open { .. } | Phase::Leaving { .. }) {
            return self.abort(id, EndReason::Told(reason), now);
        }
        connection.queue.cut_to_frame(&meter);
        self.release_input(id);
        self.begin_handshake(id, reason, CloseHandshake::Done, now);
    }

    fn answer_end(&mut self, id: ConnectionId, end: PeerEnd, now: Now) {
        match self.get(id).map(|connection| connection.phase) {
            Some(Phase::Open { .. } | Phase::Streaming { .. }) => self.begin_leaving(id, end, now),
            Some(Phase::Closing { reason, .. }) => self.finish_handshake(id, end, reason, now),
            _ => {}
        }
    }

    /// Keeps the connection in its room until it has been served all that was published so far: a peer that sends a
    /// message and a close frame together gets the message back first.
    pub(super) fn begin_leaving(&mut self, id: ConnectionId, end: PeerEnd, now: Now) {
        // At the JSON door the answers to its commands are queued already, and it waits for nothing else.
        let until = match self.get(id).map(|it| it.door.facts().publishes) {
            Some(Publishes::InItsRoom) if !self.is_behind(id) => self.chat.last_sequence_for(id),
            _ => 0,
        };
        // What the store has not answered may be refused yet, or be published after all that was published so far.
        let until = match self.has_unanswered(id) {
            true => u64::MAX,
            false => until,
        };
        match self.get(id) {
            Some(connection) if connection.delivered_sequence < until => {
                let deadline = self.limits.close_timeout.after(now.ms);
                self.enter(id, Phase::Leaving { until, end }, deadline);
            }
            Some(_) => self.reply_to_end(id, end, now),
            None => {}
        }
    }

    /// Whether the connection is not sent what is published in its one room, until it has read its queue.
    fn is_behind(&self, id: ConnectionId) -> bool {
        let room = self.chat.room_of(id);
        room.is_some_and(|room| self.lagging.is_behind(id, room))
    }

    /// A connection in phase `Leaving` has been served its last messages, or waits no longer. In other phases nothing
    /// happens.
    pub(super) fn finish_leaving(&mut self, id: ConnectionId, now: Now) {
        if let Some(Phase::Leaving { end, .. }) = self.get(id).map(|it| it.phase) {
            self.reply_to_end(id, end, now);
        }
    }

    fn reply_to_end(&mut self, id: ConnectionId, end: PeerEnd, now: Now) {
        match end {
            PeerEnd::CloseFrame(code) => {
                let (frame, handshake) = (close::answer(code), CloseHandshake::Done);
                self.queue_close_frame(id, frame, handshake, EndReason::ClosedByPeer, now);
            }
            PeerEnd::Violation(reason) => {
                let decoder = self.get(id).map(|connection| &connection.decoder);
                let handshake = match decoder.is_some_and(Decoder::is_closed) {
                    true => CloseHandshake::Done,
                    false => CloseHandshake::Discarding,
                };
                self.begin_handshake(id, reason, handshake, now);
            }
            PeerEnd::EndOfInput => self.close_after_flush(id, EndReason::ConnectionLost, now),
        }
    }

    /// Leaves the rooms and sends a close frame after what is queued (RFC 6455 section 7.1.2).
    fn begin_handshake(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        handshake: CloseHandshake,
        now: Now,
    ) {
        self.send_bye(id, reason);
        let frame = close::encode(reason);
        self.queue_close_frame(id, frame, handshake, EndReason::Told(reason), now);
    }

    /// The peer's side of the close handshake is over. Ours is when the queue is empty.
    fn finish_handshake(&mut self, id: ConnectionId, end: PeerEnd, reason: EndReason, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        connection.phase = Phase::Closing {
            handshake: CloseHandshake::Done,
            reason,
        };
        match end {
            _ if connection.has_output() => {}
            // More of the same may follow, and a reset would overtake our close frame.
            PeerEnd::Violation(_) => self.linger(id, reason, now),
            // Nothing follows, and our close frame went out in an earlier tick.
            PeerEnd::CloseFrame(_) | PeerEnd::EndOfInput => self.abort(id, reason, now),
        }
    }

    fn queue_close_frame(
        &mut self,
        id: ConnectionId,
        frame: Vec<u8>,
        handshake: CloseHandshake,
        reason: EndReason,
        now: Now,
    ) {
        self.leave_rooms(id, now);
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

    fn close_after_flush(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        self.leave_rooms(id, now);
        match self.get(id) {
            Some(connection) if connection.has_output() => {
                let phase = Phase::Closing {
                    handshake: CloseHandshake::Done,
                    reason,
                };
                self.enter(id, phase, self.limits.close_timeout.after(now.ms));
            }
            _ => self.abort(id, reason, now),
        }
    }

    fn linger(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if connection.socket.shutdown_write().is_err() {
            self.abort(id, reason, now);
            return;
        }
        // If TLS could not write its end yet, an event will tell when it can.
        connection.writable &= !connection.socket.has_unsent();
        // The peer's end may have been seen before; asking again tells.
        connection.input = Input::Ending;
        self.meter_connection(id);
        self.enter(
            id,
            Phase::Lingering { reason },
            self.limits.close_timeout.after(now.ms),
        );
        self.schedule_read(id);
    }

    /// Leaves the rooms, drops the queue, and has the connection freed at the end of a tick.
    fn abort(&mut self, id: ConnectionId, reason: EndReason, now: Now) {
        self.leave_rooms(id, now);
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Closed { .. }) {
            return;
        }
        connection.phase = Phase::Closed { reason };
        connection.queue.clear();
        self.release_input(id);
        self.files.forget_download(id);
        self.closed.push_back(id);
    }

    /// Tells a client that can read it why it is closed, and when to come back. Each gets another time, so that a restart
    /// is not followed by a stampede.
    fn send_bye(&mut self, id: ConnectionId, reason: CloseReason) {
        self.break_import_off(id, reason.phrase());
        let format = match self.get(id).map(|it| (it.door.facts().words, it.phase)) {
            Some((Some(Format::Lines), Phase::Streaming { .. })) => {
                return self.send_line(id, &format!("* {}\n", reason.phrase()));
            }
            Some((Some(format), Phase::Open { .. } | Phase::Streaming { .. })) => format,
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

    /// When a client that is closed is to come back, in milliseconds from now.
    pub(super) fn retry_ms(&mut self) -> u64 {
        RETRY_SPREAD_MS / 10 + self.random.next_u64() % RETRY_SPREAD_MS
    }

    /// Reading from or writing to the socket has failed, which ends the connection.
    pub(super) fn on_io_error(&mut self, id: ConnectionId, error: &io::Error, now: Now) {
        let Some(connection) = self.get(id) else {
            return;
        };
        let reason = match error.get_ref() {
            Some(cause) if cause.is::<ProxyHeaderError>() => {
                // It is a misconfigured proxy of the operator, not an attack.
                log::warn!("{error} from peer={}", connection.peer);
                EndReason::ProxyFailed
            }
            Some(_) if error.kind() == ErrorKind::InvalidData => {
                log::info!("{error} peer={}", connection.peer);
                EndReason::TlsFailed
            }
            _ => EndReason::ConnectionReset,
        };
        self.abort(id, reason, now);
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
            self.free_address_slot(&connection, now);
            self.counters.count_end(&connection);
            log_end(&connection, now);
        }
        if self.connections.is_empty() {
            // A burst's memory returns.
            self.connections.shrink_to_fit();
        }
    }

    /// Leaves all rooms that the connection is in.
    fn leave_rooms(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get(id).filter(|connection| connection.is_member()) else {
            return;
        };
        let person = connection.person();
        let has_person = connection.door.facts().has_people;
        self.followers.forget(id);
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
            self.drop_pending(id);
            self.meter_connection(id);
        }
    }
}

/// One line for each connection. No message gets into the log.
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
