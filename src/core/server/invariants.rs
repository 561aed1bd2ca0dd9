//! The invariants of the server, checked from the inside. The simulation checks them after every step.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::net::connection::{Connection, Traffic};
use crate::core::net::door::DoorKind;
use crate::core::net::frames::Frames;
use crate::core::net::pending::Pending;
use crate::core::net::phase::Phase;
use crate::core::net::timers::Slot;
use crate::core::server::Server;
use crate::core::server::arriving::Arriving;
use crate::core::server::uploads::MAX_UPLOAD_BYTES;
use crate::core::stream::Stream;
use crate::limits::READ_BUFFER;

impl<S: Stream> Server<S> {
    /// Checks the server against the invariants of the crate's front page. Costs a walk over everything.
    ///
    /// # Errors
    /// The invariant that does not hold, and where.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_lists()?;
        for (index, connection) in &self.connections {
            self.check_connection(index, connection).map_err(|broken| {
                format!("connection {index} ({:?}): {broken}", connection.phase)
            })?;
        }
        self.check_address_slots()?;
        self.waiting.check()?;
        self.loading.check()?;
        if let Some(pushing) = &self.pushing {
            pushing.push.check()?;
        }
        if let Some(nodes) = &self.nodes {
            let questions = &nodes.questions;
            questions.check(|id| self.loading.has_aside(id))?;
        }
        self.check_files()?;
        self.check_counters()?;
        self.chat.check()?;
        self.access.check_holders(|id| self.get(id).is_some())?;
        self.banning.check()?;
        self.check_lagging()?;
        self.followers.check(
            |id| self.get(id).is_some_and(Connection::is_member),
            |id| !self.hears_beginnings() || self.get(id).is_some_and(Connection::has_output),
        )?;
        self.timers.check()?;
        self.broadcast.check(self.bounds.max_message())?;
        self.snapshots.check()?;
        self.check_meter()
    }

    /// Checks that no piece of work of this tick took more than `most` units, and the tick not more than its budget.
    ///
    /// # Errors
    /// The work that took longer.
    #[doc(hidden)]
    pub fn check_budget(&self, most: u64) -> Result<(), String> {
        self.budget.check(most)
    }

    /// The invariants that hold only after `end_of_tick`.
    ///
    /// # Errors
    /// The invariant that does not hold, and where.
    #[doc(hidden)]
    pub fn check_tick_ended(&self) -> Result<(), String> {
        let may_yield =
            |connection: &Connection<S>| connection.is_member() && connection.weight() > 0;
        let going = self.connections.iter().filter(|(_, it)| !it.is_member());
        let leaving: usize = going.map(|(_, it)| it.socket.held_bytes()).sum();
        let staying = self.meter.used().saturating_sub(leaving);
        let over = staying > self.limits.max_memory && !self.broadcast.is_busy();
        ensure(
            !(over && !self.is_evicting() && self.connections.iter().any(|(_, it)| may_yield(it))),
            "memory is over its limit, and someone still holds some of it",
        )
    }

    /// A connection is on a list at most once, exactly when its flag says so.
    fn check_lists(&self) -> Result<(), String> {
        let listed = |list: Vec<ConnectionId>, name, is_marked: fn(&Connection<S>) -> bool| {
            let mut ids: Vec<ConnectionId> = list
                .into_iter()
                .filter(|&id| self.get(id).is_some())
                .collect();
            ids.sort_unstable();
            let mut marked: Vec<ConnectionId> = self
                .connections
                .iter()
                .filter(|(_, connection)| is_marked(connection))
                .map(|(_, connection)| connection.id)
                .collect();
            marked.sort_unstable();
            ensure(ids == marked, name)
        };
        listed(
            self.dirty.iter().copied().collect(),
            "the dirty list and the marks differ",
            |it| it.dirty,
        )?;
        let lines = self.members.iter().chain(&self.newcomers).copied();
        let read_pending = lines
            .chain(self.broadcast.paused())
            .chain(self.waiting.held());
        listed(
            read_pending.collect(),
            "the line to be read and the marks differ",
            |it| it.read_pending,
        )?;
        listed(
            self.closed.iter().copied().collect(),
            "the closed list and the phases differ",
            |it| matches!(it.phase, Phase::Closed { .. }),
        )
    }

    fn check_connection(&self, index: usize, connection: &Connection<S>) -> Result<(), String> {
        ensure(connection.id.index() == index, "it is in another's place")?;
        let is_closed = matches!(connection.phase, Phase::Closed { .. });
        ensure(
            is_closed || !connection.has_output() || connection.dirty || !connection.writable,
            "bytes are queued, and nothing will write them",
        )?;
        let is_member = connection.is_member();
        let is_in_room = self.chat.room_of(connection.id).is_some();
        let leads_to_one_room = connection.door.room().is_some();
        ensure(
            is_in_room == is_member || (is_member && !leads_to_one_room),
            "phase and membership differ",
        )?;
        ensure(
            matches!(connection.phase, Phase::Body { .. }) == connection.pending().is_some(),
            "phase and pending request differ",
        )?;
        ensure(
            connection.door.facts().has_people == connection.door.session().is_some(),
            "door and session differ",
        )?;
        connection.queue.check()?;
        ensure(
            !is_member || connection.queue.is_within(self.bounds.max_queue()),
            "more is queued than the limit allows",
        )?;
        ensure(
            connection.metered_bytes == connection.held_bytes(),
            "the meter does not know what it holds",
        )?;
        // A vector that grows doubles; a decoder's box and control payload are small.
        let most = 2 * (READ_BUFFER + self.bounds.max_message()) + 1024;
        let most = match connection.pending().and_then(Pending::upload) {
            Some(_) => most.max(MAX_UPLOAD_BYTES),
            None => most,
        };
        let import = connection.door.import();
        let most = most + import.map_or(0, |it| it.most_bytes(self.bounds.max_message()));
        ensure(
            connection.held_bytes() <= most,
            "it holds more input than it may",
        )?;
        ensure(
            is_closed || connection.timer <= Slot::of_deadline(connection.deadline_ms),
            "its deadline would be missed",
        )
    }

    /// Counters that are kept up to date equal what there is.
    fn check_counters(&self) -> Result<(), String> {
        let mut doors = [0; DoorKind::COUNT];
        let mut living = Traffic::default();
        for (_, connection) in &self.connections {
            doors[connection.door.kind() as usize] += 1;
            living += connection.traffic;
        }
        self.counters.check(doors, living)?;
        ensure(
            self.broadcast.paused().count() == self.broadcast.paused_count(),
            "those who are held back are miscounted",
        )?;
        ensure(
            self.lagging.all().count() == self.lagging.count(),
            "those who have fallen behind are miscounted",
        )
    }

    /// A member that has fallen behind is in that room, and will be sent the gap when its queue is empty.
    fn check_lagging(&self) -> Result<(), String> {
        for (id, room) in self.lagging.all() {
            ensure(
                self.chat.is_in(id, room),
                "someone lags in a room they left",
            )?;
            let waits = self.get(id).is_some_and(Connection::has_output);
            let is_told_later = self.lagging.waits_for_store(id, room);
            ensure(
                waits || is_told_later || self.lagging.has_drained(),
                "someone has fallen behind and will not be told",
            )?;
        }
        Ok(())
    }

    /// The meter is the sum of all frames in flight and all unfinished input.
    fn check_meter(&self) -> Result<(), String> {
        let queued = self
            .connections
            .iter()
            .flat_map(|(_, connection)| connection.queue.frames());
        let arriving = self.nodes.iter().flat_map(|nodes| &nodes.arriving);
        let frames: BTreeMap<*const Frames, usize> = queued
            .chain(self.broadcast.frames())
            .chain(self.snapshots.frames())
            .chain(self.unfinished.iter().flat_map(|(_, it)| it.frames()))
            .chain(arriving.flat_map(Arriving::frames))
            .chain([&self.ping, &self.json_ping, &self.heartbeat])
            .filter(|frames| frames.is_metered_by(&self.meter))
            .map(|frames| (Rc::as_ptr(frames), frames.held_bytes()))
            .collect();
        let input: usize = self
            .connections
            .iter()
            .map(|(_, connection)| connection.metered_bytes)
            .sum();
        let gathering = self.broadcast.gathering_bytes();
        let real = frames.values().sum::<usize>() + input + gathering;
        let used = self.meter.used();
        ensure(
            real == used,
            &format!("{used} bytes are accounted, {real} are real"),
        )
    }
}
