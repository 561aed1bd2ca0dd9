//! Rooms that only a store has, and in which a value is late or ends at some time: they are asked for then.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::chat::Chat;
use crate::core::chat::room_name::RoomName;
use crate::core::now::Now;
use crate::limits::{MAX_WAKES, WAKE_RETRY_MS};

/// Each with when that is.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    by_name: BTreeMap<RoomName, u64>,
    by_due: BTreeSet<(u64, RoomName)>,
}

impl Wakes {
    /// A room is asked for at this time, in place of another. Of too many the last is left out.
    pub(super) fn add(&mut self, room: RoomName, due_ms: u64) {
        self.remove(&room);
        self.by_name.insert(room.clone(), due_ms);
        self.by_due.insert((due_ms, room));
        if self.by_due.len() > MAX_WAKES
            && let Some((_, last)) = self.by_due.pop_last()
        {
            self.by_name.remove(&last);
        }
    }

    pub(super) fn remove(&mut self, room: &RoomName) {
        if let Some(due_ms) = self.by_name.remove(room) {
            self.by_due.remove(&(due_ms, room.clone()));
        }
    }

    pub(super) fn has(&self, room: &RoomName) -> bool {
        self.by_name.contains_key(room)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// All of them, by when they are asked for.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, RoomName)> {
        self.by_due.iter().cloned()
    }
}

impl Chat {
    /// The store has rooms in which values are to be looked at, each at a time in milliseconds since 1970.
    pub(in crate::core) fn restore_wakes<'a>(
        &mut self,
        rooms: impl Iterator<Item = (&'a str, u64)>,
        now: Now,
    ) {
        for (room, due_ms) in rooms {
            if let Some(room) = RoomName::parse(room) {
                self.wakes
                    .add(room, now.ms + due_ms.saturating_sub(now.unix_ms));
            }
        }
    }

    /// A room ends here and stays in the store, which is asked for it when the first of its values is to be looked at.
    pub(super) fn wake_when_due(&mut self, index: usize) {
        let room = &self.rooms[index];
        if self.has_store()
            && !room.is_detached
            && let Some(due_ms) = room.history.retained.due_ms()
        {
            self.wakes.add(room.name.clone(), due_ms);
        }
    }

    /// The next room to be asked for, which is asked for again later if it does not come.
    pub(in crate::core) fn take_wake(&mut self, now_ms: u64) -> Option<RoomName> {
        let (due_ms, room) = self.wakes.by_due.first()?;
        if *due_ms > now_ms {
            return None;
        }
        let room = room.clone();
        match self.is_kept_elsewhere(&room) {
            true => self.wakes.add(room.clone(), now_ms + WAKE_RETRY_MS),
            false => self.wakes.remove(&room),
        }
        Some(room)
    }

    /// When the next value is to be looked at, here or in a room that is not.
    pub(in crate::core) fn next_vigil_ms(&self) -> Option<u64> {
        let wake = self.wakes.by_due.first().map(|(due_ms, _)| *due_ms);
        [wake, self.deadlines.next_ms()].into_iter().flatten().min()
    }
}
