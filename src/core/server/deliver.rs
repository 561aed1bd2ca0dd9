//! From a room's batch to its members' sockets.

use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::chat::RoomId;
use crate::core::delivery::broadcast::Delivery;
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::phase::{AfterResponse, CloseHandshake, Phase};
use crate::core::net::write_queue::{Chunk, Enqueue, Flush};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Delivers the batch to the next members of the fan-out whose turn it is. Returns whether there is more to
    /// deliver.
    pub(super) fn deliver_slice(&mut self, now: Now) -> bool {
        let Some(mut fanout) = self.broadcast.take_fanout() else {
            return false;
        };
        // If not, a member may have left since the fan-out began, rejoined, or caught up.
        let is_as_it_set_out = fanout.is_as_it_set_out(&self.chat);
        let is_for_feeds = fanout.is_for_feeds();
        let (slice, waiting) = (fanout.next_slice(), self.dirty.len());
        self.budget.spend(cost::LOOKUP * slice.len() as u64);
        for index in slice {
            let member = fanout.member(index);
            let after = match is_as_it_set_out {
                true => Some(member.after),
                false => self.chat.entry_sequence(member.id, fanout.room()),
            };
            if let Some(delivery) = after.and_then(|after| fanout.delivery(after)) {
                match is_for_feeds {
                    true => self.deliver_to_feed(member.id, fanout.room(), &delivery, now),
                    false => {
                        self.deliver(member.id, fanout.room(), delivery, now);
                    }
                }
            }
        }
        self.broadcast.put_back(fanout, &self.chat);
        // Members who got the batch are flushed, in order, before the fan-out goes on: a publisher that waits for its
        // own message can go on while others get theirs.
        let mut next = waiting;
        while let Some(&id) = self.dirty.get(next) {
            self.flush(id, now);
            next += 1;
        }
        self.dirty.truncate(waiting);
        true
    }

    /// Queues a batch for one member, who may have left since the fan-out began. Says whether it is queued.
    pub(super) fn deliver(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        delivery: Delivery,
        now: Now,
    ) -> bool {
        let max_queue = self.limits.max_queue;
        if self.lagging.is_behind(id, room) {
            return false;
        }
        let Some(connection) = self.receiver(id, &delivery.chunk, max_queue, now) else {
            return false;
        };
        let phase = connection.phase;
        match connection.queue.push(delivery.chunk, max_queue) {
            Enqueue::Queued => {
                connection.traffic.messages_out += delivery.messages;
                connection.delivered_sequence = delivery.last;
                self.counters.traffic.messages_out += delivery.messages;
                self.mark_dirty(id);
            }
            Enqueue::Full if self.chat.conflates(room) => {
                self.lagging.fall_behind(id, room, delivery.first_offset);
                // A member that is leaving will not get the messages that it may be waiting for.
                self.finish_leaving(id, now);
                return false;
            }
            Enqueue::Full => {
                self.close(id, Ending::Truncate(CloseReason::TooSlow), now);
                return false;
            }
        }
        if let Phase::Leaving { until, .. } = phase
            && until <= delivery.last
        {
            self.finish_leaving(id, now);
        }
        true
    }

    /// The connection of a member that something is about to be queued for. One with a pending flush is flushed before
    /// its queue counts as full: a reader is too slow by what the kernel does not take, not by what there was no time
    /// to write.
    pub(super) fn receiver(
        &mut self,
        id: ConnectionId,
        chunk: &Chunk,
        max_queue: usize,
        now: Now,
    ) -> Option<&mut Connection<S>> {
        let connection = self.get(id).filter(|it| it.is_member())?;
        if connection.dirty && !connection.queue.takes(chunk, max_queue) {
            self.write_out(id, now);
        }
        self.get_mut(id).filter(|it| it.is_member())
    }

    /// Flushes the dirty connections in order. Each one's queue is written in one system call, as far as the kernel
    /// takes it.
    pub(super) fn flush_dirty(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(id) = self.dirty.pop_front()
        {
            self.flush(id, now);
        }
    }

    fn flush(&mut self, id: ConnectionId, now: Now) {
        if let Some(connection) = self.get_mut(id) {
            connection.dirty = false;
            self.write_out(id, now);
        }
    }

    /// Writes what the kernel takes now. A dirty connection stays on the list, and its later flush finds nothing to
    /// write.
    pub(super) fn write_out(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let before = connection.traffic.bytes_out;
        let result = connection
            .queue
            .flush(&mut connection.socket, &mut connection.traffic.bytes_out);
        let bytes = connection.traffic.bytes_out - before;
        if matches!(result, Ok(Flush::Drained)) {
            // Also where reading has queued TLS records after the event that reported the socket writable.
            connection.writable = true;
        }
        let holds = connection.metered_bytes > 0 || connection.socket.held_bytes() > 0;
        self.budget.spend(cost::WRITE + bytes * cost::BYTE);
        self.counters.traffic.bytes_out += bytes;
        if holds {
            self.meter_connection(id);
        }
        match result {
            Ok(Flush::Drained) => self.on_drained(id, now),
            Ok(Flush::Blocked) => {
                self.on_blocked(id);
                self.watch_line_client(id, now);
            }
            Err(error) => self.on_io_error(id, &error, now),
        }
    }

    /// The kernel takes no more for now. The poll reports when it does.
    pub(super) fn on_blocked(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.writable = false;
        }
    }

    /// Everything is written: goes on with what was waiting for that.
    fn on_drained(&mut self, id: ConnectionId, now: Now) {
        self.lagging.on_drained(id);
        self.followers.on_drained(id);
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let phase = connection.phase;
        if connection.on_answers_taken() {
            self.schedule_read(id);
        }
        match phase {
            Phase::Response {
                then: AfterResponse::NextRequest,
                ..
            } => {
                self.enter(
                    id,
                    Phase::Request { seen: 0 },
                    self.limits.keep_alive_timeout.after(now.ms),
                );
                self.schedule_read(id);
            }
            Phase::Response {
                then: AfterResponse::Close,
                ..
            } => self.close(id, Ending::Linger(EndReason::Done), now),
            Phase::Response {
                then: AfterResponse::NextPart,
                ..
            } => self.read_next_part(id),
            Phase::Closing {
                handshake: CloseHandshake::Done,
                reason,
            } => self.close(id, Ending::Linger(reason), now),
            _ => {}
        }
    }

    /// Frees the outboxes of rooms that have ended, and resumes their paused publishers.
    pub(super) fn forget_ended(&mut self) {
        for room in self.chat.take_ended() {
            let paused = self.broadcast.forget(room);
            self.resume_reading(paused);
        }
    }
}
