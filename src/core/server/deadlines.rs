//! The one deadline of each phase, and what happens when it passes.

use std::rc::Rc;

use crate::codec::ws::close::CloseReason;
use chacha20::rand_core::Rng;

use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::door::{Door, Heartbeat};
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::phase::{AfterResponse, Phase};
use crate::core::net::timers::Slot;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Enters a phase with its deadline.
    pub(super) fn enter(&mut self, id: ConnectionId, phase: Phase, deadline_ms: u64) {
        if let Some(connection) = self.get_mut(id) {
            connection.phase = phase;
            self.set_deadline(id, deadline_ms);
        }
    }

    /// The connection is a WebSocket from now on.
    pub(super) fn open(&mut self, id: ConnectionId, door: Door, now: Now) {
        let first_ping_ms = self.first_ping_ms(now);
        self.set_door(id, door);
        if let Some(connection) = self.get_mut(id) {
            connection.last_input_ms = now.ms;
            self.enter(id, Phase::Open { pinged: None }, first_ping_ms);
        }
    }

    /// When a new connection gets its first ping or heartbeat, in the milliseconds of `Now::ms`. A random time up to
    /// half an interval early, so that connections that began together, as after a restart, are not pinged together.
    pub(super) fn first_ping_ms(&mut self, now: Now) -> u64 {
        let ping_interval = self.limits.ping_interval;
        let early_ms = self.random.next_u64() % (ping_interval.ms().unwrap_or(0) / 2 + 1);
        match ping_interval.after(now.ms) {
            u64::MAX => u64::MAX,
            ping_ms => ping_ms - early_ms,
        }
    }

    /// Input has arrived: a peer that was pinged is alive.
    pub(super) fn on_input(&mut self, id: ConnectionId, now: Now) {
        let ping_interval = self.limits.ping_interval;
        if let Some(connection) = self.get_mut(id) {
            connection.last_input_ms = now.ms;
            if matches!(connection.phase, Phase::Open { pinged: Some(_) }) {
                self.enter(
                    id,
                    Phase::Open { pinged: None },
                    ping_interval.after(now.ms),
                );
            }
        }
    }

    /// Sets a deadline. When it moves to a later time, the timer keeps its old entry, which is checked when it is due.
    pub(super) fn set_deadline(&mut self, id: ConnectionId, deadline_ms: u64) {
        let Some(connection) = self.connections.get_mut(id.index()) else {
            return;
        };
        connection.deadline_ms = deadline_ms;
        let slot = Slot::of_deadline(deadline_ms);
        if slot < connection.timer {
            connection.timer = self.timers.add(id, slot);
        }
    }

    /// Acts on the deadlines that have passed, as many as the budget allows.
    pub(super) fn run_deadlines(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((slot, id)) = self.timers.take_due(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            let Some(connection) = self.get_mut(id) else {
                continue;
            };
            if connection.timer != slot {
                continue;
            }
            connection.timer = Slot::NEVER;
            let deadline = connection.deadline_ms;
            if deadline > now.ms {
                self.set_deadline(id, deadline);
            } else {
                self.on_deadline(id, now);
            }
        }
    }

    fn on_deadline(&mut self, id: ConnectionId, now: Now) {
        let Some(phase) = self.get(id).map(|connection| connection.phase) else {
            return;
        };
        match phase {
            Phase::Request { .. } => self.on_request_timeout(id, now),
            Phase::Body { arrived } => self.on_body_timeout(id, arrived, now),
            Phase::Response { then, taken } => self.on_response_timeout(id, then, taken, now),
            Phase::Open { pinged } => self.on_quiet(id, pinged, now),
            Phase::Streaming { stuck_at } => self.on_heartbeat(id, stuck_at, now),
            Phase::Leaving { .. } => self.finish_leaving(id, now),
            Phase::Closing { reason, .. } | Phase::Lingering { reason } => {
                self.close(id, Ending::Abort(reason), now);
            }
            // Those who wait for the store have the deadlines of what they wait for.
            Phase::AwaitingStore | Phase::Closed { .. } => {}
        }
    }

    /// Bytes that the kernel has taken for a connection so far.
    pub(super) fn bytes_taken(&self, id: ConnectionId) -> u64 {
        self.get(id).map_or(0, |it| it.traffic.bytes_out)
    }

    /// Writes what the kernel takes now. Returns whether something is left. The poll reports a socket as writable only
    /// when much space is free, and a slow reader may take longer than the timeout to free it.
    fn still_waits(&mut self, id: ConnectionId, now: Now) -> bool {
        if let Some(connection) = self.get_mut(id) {
            connection.writable = true;
            self.write_out(id, now);
        }
        self.get(id).is_some_and(Connection::has_output)
    }

    /// The response was not taken in time. A peer that keeps taking enough of it gets more time.
    fn on_response_timeout(
        &mut self,
        id: ConnectionId,
        then: AfterResponse,
        before: u64,
        now: Now,
    ) {
        if !self.still_waits(id, now) {
            return;
        }
        let timeout = self.limits.handshake_timeout;
        let taken = self.bytes_taken(id);
        if taken - before < timeout.least_bytes() {
            return self.close(id, Ending::Abort(EndReason::ResponseTimeout), now);
        }
        let phase = Phase::Response { then, taken };
        self.enter(id, phase, timeout.after(now.ms));
    }

    /// Pings a peer that has been silent, and closes one that was pinged and still is.
    fn on_quiet(&mut self, id: ConnectionId, pinged: Option<u64>, now: Now) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let session = connection.session_mut();
        let waits = session.is_some_and(|it| it.must_wait());
        match pinged {
            Some(_) if connection.read_pending => self.ping(id, now),
            Some(before) if waits => self.on_unsent_answers(id, before, now),
            Some(_) => self.close(id, Ending::Announce(CloseReason::PingTimeout), now),
            None => self.ping(id, now),
        }
    }

    /// The peer is not read until it has taken its answers, so its pong would not be seen. It is judged by how much it
    /// takes.
    fn on_unsent_answers(&mut self, id: ConnectionId, before: u64, now: Now) {
        let timeout = self.limits.pong_timeout;
        let waits = self.still_waits(id, now);
        let taken = self.bytes_taken(id);
        if !self.get(id).is_some_and(Connection::is_member) {
            return;
        }
        if waits && taken - before < timeout.least_bytes() {
            return self.close(id, Ending::Truncate(CloseReason::TooSlow), now);
        }
        let pinged = Some(taken);
        self.enter(id, Phase::Open { pinged }, timeout.after(now.ms));
    }

    fn ping(&mut self, id: ConnectionId, now: Now) {
        let (ping_interval, pong_timeout) = (self.limits.ping_interval, self.limits.pong_timeout);
        let (ping, json_ping) = (Rc::clone(&self.ping), Rc::clone(&self.json_ping));
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        // A peer that is waiting to be read by us is not silent.
        let last_input_ms = if connection.read_pending {
            now.ms
        } else {
            connection.last_input_ms
        };
        // After half an interval of silence the ping is due: one that was scheduled early keeps its time.
        let silent_ms = now.ms - last_input_ms;
        let next_ping_ms = ping_interval.after(last_input_ms);
        if silent_ms < ping_interval.ms().unwrap_or(0) / 2 {
            self.set_deadline(id, next_ping_ms);
            return;
        }
        connection.queue.push_control(ping);
        if connection.door.facts().heartbeat == Heartbeat::PingAndEvent {
            connection.queue.push_control(json_ping);
        }
        self.mark_dirty(id);
        match pong_timeout.ms() {
            Some(_) => {
                let pinged = Some(self.bytes_taken(id));
                self.enter(id, Phase::Open { pinged }, pong_timeout.after(now.ms));
            }
            None => self.set_deadline(id, ping_interval.after(now.ms)),
        }
    }

    /// Sends a heartbeat to the reader of a stream. Nothing comes back on a stream, so a reader that takes too little
    /// of what is queued from one heartbeat to the next is closed.
    fn on_heartbeat(&mut self, id: ConnectionId, stuck_at: Option<u64>, now: Now) {
        let interval = self.limits.ping_interval;
        let waits = self.still_waits(id, now);
        let taken = self.bytes_taken(id);
        if waits && stuck_at.is_some_and(|before| taken - before < interval.least_bytes()) {
            return self.close(id, Ending::Abort(EndReason::StreamTimeout), now);
        }
        let heartbeat = Rc::clone(&self.heartbeat);
        let Some(connection) = self.get_mut(id).filter(|it| it.is_member()) else {
            return;
        };
        let deadline = match connection.door.facts().heartbeat {
            Heartbeat::Tcp if !waits => u64::MAX,
            Heartbeat::Tcp => interval.after(now.ms),
            Heartbeat::Comment => {
                connection.queue.push_control(heartbeat);
                self.mark_dirty(id);
                self.tell_feed_position(id);
                interval.after(now.ms)
            }
            Heartbeat::Nothing | Heartbeat::Ping | Heartbeat::PingAndEvent => {
                return self.close(id, Ending::Abort(EndReason::Idle), now);
            }
        };
        let stuck_at = waits.then_some(taken);
        self.enter(id, Phase::Streaming { stuck_at }, deadline);
    }

    /// A client of the line port gets no heartbeat. It is only watched while it does not take what is queued.
    pub(super) fn watch_line_client(&mut self, id: ConnectionId, now: Now) {
        let deadline = self.limits.ping_interval.after(now.ms);
        if let Some(connection) = self.get(id)
            && connection.door.facts().heartbeat == Heartbeat::Tcp
            && connection.phase == (Phase::Streaming { stuck_at: None })
        {
            let stuck_at = Some(connection.traffic.bytes_out);
            self.enter(id, Phase::Streaming { stuck_at }, deadline);
        }
    }
}
