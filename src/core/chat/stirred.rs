//! Rooms that somebody has come into, or gone from, for who wants to know at the end of a tick.

use std::collections::BTreeSet;

use crate::core::chat::Chat;
use crate::core::chat::format::RoomId;
use crate::core::chat::person::Author;
use crate::core::chat::room_name::RoomName;

impl Chat {
    /// Whether somebody wants to know from now on.
    pub(in crate::core) fn watch_rooms(&mut self, is_wanted: bool) {
        self.stirred = is_wanted.then(BTreeSet::new);
    }

    /// The next of these rooms. It may have ended.
    pub(in crate::core) fn take_stirred(&mut self) -> Option<RoomName> {
        self.stirred.as_mut()?.pop_first()
    }

    /// Whether there are such rooms.
    pub(in crate::core) fn has_stirred(&self) -> bool {
        self.stirred.as_ref().is_some_and(|it| !it.is_empty())
    }

    pub(super) fn note_stirred(&mut self, room: RoomId) {
        if let Some(stirred) = &mut self.stirred {
            let name = &self.rooms[room.index].name;
            if !stirred.contains(name) {
                stirred.insert(name.clone());
            }
        }
    }

    /// Some of those who are in a room at this server, and how many there are.
    pub(in crate::core) fn listed_here(
        &self,
        name: &RoomName,
        limit: usize,
    ) -> (Vec<Author>, usize) {
        let room = self.find(name).and_then(|id| self.get(id));
        room.map_or((Vec::new(), 0), |room| {
            let people = room.listed(limit).map(|person| self.people.author(person));
            (people.collect(), room.count_here())
        })
    }
}
