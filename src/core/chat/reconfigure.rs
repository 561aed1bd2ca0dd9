//! Other limits for rooms that there are. Each room takes them in its turn, and forgets then what is too much.

use std::ops::Bound;

use crate::core::chat::Chat;
use crate::core::chat::room::Room;
use crate::core::chat::room_name::RoomName;
use crate::settings::Limits;

/// Bytes by which the memory of all rooms shrinks in one step.
const STEP_BYTES: usize = 64 << 10;

/// How far the rooms have got.
#[derive(Debug)]
pub(super) struct Reconfiguring {
    stage: Stage,
    /// The `history_memory` that is wanted.
    history_memory: usize,
    /// The largest `max_rooms` that has held: rooms that were begun under it stay.
    most_rooms: usize,
}

#[derive(Debug)]
enum Stage {
    Done,
    /// Rooms take their limits, in the order of their names; the last one was this.
    Rooms(Option<RoomName>),
    /// What all rooms remember shrinks.
    Memory,
}

impl Reconfiguring {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            stage: Stage::Done,
            history_memory: limits.history_memory,
            most_rooms: limits.max_rooms,
        }
    }

    pub(super) fn most_rooms(&self) -> usize {
        self.most_rooms
    }
}

impl Chat {
    /// Other limits hold from now on, for rooms that there are as soon as it is their turn.
    pub(in crate::core) fn reconfigure(&mut self, limits: Limits) {
        self.ledger.reconfigure(&limits);
        let held = self.limits.history_memory;
        self.reconfiguring = Reconfiguring {
            stage: Stage::Rooms(None),
            history_memory: limits.history_memory,
            most_rooms: self.reconfiguring.most_rooms.max(limits.max_rooms),
        };
        self.limits = limits;
        // It shrinks step by step: the next message would have to forget all that is too much at once.
        self.limits.history_memory = self.limits.history_memory.max(held);
    }

    pub(in crate::core) fn is_reconfiguring(&self) -> bool {
        !matches!(self.reconfiguring.stage, Stage::Done)
    }

    /// The next room takes the limits that hold now, or what all rooms remember shrinks by a step. Says how many messages,
    /// values and patterns that took; `None` if all is done.
    pub(in crate::core) fn go_on_reconfiguring(&mut self, now_ms: u64) -> Option<usize> {
        let before = self.forgotten;
        match &self.reconfiguring.stage {
            Stage::Done => return None,
            Stage::Rooms(last) => {
                let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let next = self
                    .by_name
                    .range::<RoomName, _>((from, Bound::Unbounded))
                    .next();
                let next = next.map(|(name, index)| (name.clone(), *index));
                self.reconfiguring.stage = match next {
                    Some((name, index)) => {
                        self.take_limits(index, now_ms);
                        Stage::Rooms(Some(name))
                    }
                    None => Stage::Memory,
                };
            }
            Stage::Memory => self.shrink_memory(now_ms),
        }
        let after = self.forgotten;
        let forgotten = after.messages - before.messages + after.states - before.states;
        Some(forgotten + self.limits.rooms.len() + self.limits.overflow.len())
    }

    pub(super) fn take_limits(&mut self, index: usize, now_ms: u64) {
        let room = &mut self.rooms[index];
        let limits = self.limits.of_room(room.name.as_str());
        if room.limits == limits {
            return;
        }
        room.limits = limits;
        for key in room.history.retained.beyond(&limits) {
            self.forget_state(index, &key);
        }
        self.forgotten.messages += self.with_books(index, |history, books| {
            let before = history.message_count();
            history.shrink(now_ms, books, &limits);
            before - history.message_count()
        });
        // When it ends depends on what it remembers, and for how long.
        if self.rooms.get(index).is_some_and(Room::is_empty) {
            self.settle(index, now_ms);
        }
    }

    fn shrink_memory(&mut self, now_ms: u64) {
        let selection = self.reconfiguring.history_memory;
        // State may have half of it.
        let used = self.history_bytes().max(2 * self.ledger.state_bytes());
        let next = used.saturating_sub(STEP_BYTES).max(selection);
        self.limits.history_memory = self.limits.history_memory.min(next);
        while self.ledger.state_bytes() > self.limits.history_memory / 2
            && let Some((room, key)) = self.ledger.largest_state()
        {
            self.forget_state(room, &key);
        }
        self.keep_within_memory(usize::MAX, now_ms);
        if self.limits.history_memory == selection {
            self.reconfiguring.stage = Stage::Done;
        }
    }
}
