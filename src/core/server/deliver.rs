//! From a room's batch to its members' sockets.

use std::mem;

use super::Server;
use crate::codec::ws::close::CloseReason;
use crate::core::broadcast::Delivery;
use crate::core::chat::RoomId;
use crate::core::connection::{AfterResponse, CloseHandshake, ConnectionId, Phase};
use crate::core::write_queue::{Enqueue, Flush};
use crate::core::{Now, Stream};

impl<S: Stream> Server<S> {
    /// Serves the next members of the fan-out whose turn it is. Says whether there is more to hand out.
    pub(super) fn deliver_slice(&mut self, now: Now) -> bool {
        let Some(mut fanout) = self.broadcast.take_fanout() else {
            return false;
        };
        // Otherwise someone may have left since it set out, come back, or been caught up.
        let is_as_it_set_out = fanout.is_as_it_set_out(&self.chat);
        for index in fanout.next_slice() {
            let member = fanout.member(index);
            let since = match is_as_it_set_out {
                true => Some(member.since),
                false => self.chat.listens_since(member.id, fanout.room()),
            };
            if let Some(delivery) = since.and_then(|since| fanout.delivery(since)) {
                self.deliver(member.id, fanout.room(), delivery, now);
            }
        }
        self.broadcast.put_back(fanout, &self.chat);
        self.flush_dirty(now);
        true
    }

    /// Queues a batch for one member, who may have left since it set out.
    fn deliver(&mut self, id: ConnectionId, room: RoomId, delivery: Delivery, now: Now) {
        let max_queue = self.limits.max_queue;
        if self.lagging.is_behind(id, room) {
            return;
        }
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !connection.is_member() {
            return;
        }
        let phase = connection.phase;
        match connection.queue.push(delivery.chunk, max_queue) {
            Enqueue::Queued => {
                connection.traffic.messages_out += delivery.messages;
                connection.served = delivery.last;
                self.mark_dirty(id);
            }
            Enqueue::Full if self.chat.conflates(room) => {
                return self.lagging.fall_behind(id, room, delivery.first_offset);
            }
            Enqueue::Full => return self.cut_off(id, CloseReason::TooSlow, now),
        }
        if let Phase::Leaving { until, goodbye } = phase
            && until <= delivery.last
        {
            self.finish_leaving(id, goodbye, now);
        }
    }

    /// Writes what has been queued, each connection's in one system call as far as the kernel takes it.
    pub(super) fn flush_dirty(&mut self, now: Now) {
        let mut dirty = mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush(id, now);
        }
        debug_assert!(self.dirty.is_empty(), "flushing makes nobody dirty");
        self.dirty = dirty;
    }

    fn flush(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        connection.dirty = false;
        let result = connection
            .queue
            .flush(&mut connection.socket, &mut connection.traffic.bytes_out);
        if matches!(result, Ok(Flush::Drained)) {
            // Also where reading has found something unsent, after the event had come that told of space.
            connection.writable = true;
        }
        if connection.metered_bytes > 0 || connection.socket.held_bytes() > 0 {
            self.meter_held(id);
        }
        match result {
            Ok(Flush::Drained) => self.on_drained(id, now),
            Ok(Flush::Blocked) => self.on_blocked(id),
            Err(error) => self.on_failure(id, &error, now),
        }
    }

    /// The kernel takes no more for now; an event will tell when it does.
    pub(super) fn on_blocked(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.writable = false;
        }
    }

    /// Everything is written: what was waiting for that comes next.
    fn on_drained(&mut self, id: ConnectionId, now: Now) {
        self.lagging.on_drained(id);
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let phase = connection.phase;
        if connection.on_answers_taken() {
            self.line_up(id);
        }
        match phase {
            Phase::Response {
                then: AfterResponse::NextRequest,
            } => {
                self.enter(
                    id,
                    Phase::Request { seen: 0 },
                    self.limits.handshake_timeout.after(now.ms),
                );
                self.line_up(id);
            }
            Phase::Response {
                then: AfterResponse::Close,
            } => self.linger(id, "done", now),
            Phase::Closing {
                handshake: CloseHandshake::Done,
                reason,
            } => self.linger(id, reason, now),
            _ => {}
        }
    }

    /// Closes those who hold the most until the rest fits the budget again. Not while anything is on its way: that may
    /// come free by itself, and no message is taken in meanwhile.
    pub(super) fn keep_within_memory(&mut self, now: Now) {
        if self.meter.used() <= self.limits.max_memory || self.broadcast.is_busy() {
            return;
        }
        self.broadcast.release_spares();
        self.snapshots.release();
        let mut holders: Vec<(usize, ConnectionId)> = self
            .connections
            .iter()
            .map(|(_, connection)| (connection.weight(), connection.id))
            .filter(|&(weight, _)| weight > 0)
            .collect();
        holders.sort_unstable();
        // What lies between a connection and the kernel goes with its socket.
        let mut leaving = 0;
        for (_, id) in holders.into_iter().rev() {
            if self.meter.used().saturating_sub(leaving) <= self.limits.max_memory {
                break;
            }
            leaving += self.get(id).map_or(0, |it| it.socket.held_bytes());
            self.cut_off(id, CloseReason::OutOfMemory, now);
        }
    }
}
