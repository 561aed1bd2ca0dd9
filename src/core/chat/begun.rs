//! Rooms that have begun, for those who follow patterns of rooms.

use std::collections::BTreeMap;

use crate::core::chat::Chat;
use crate::core::chat::room_name::RoomName;
use crate::limits::MAX_BEGUN;

/// Rooms that have begun, and of which nobody was told yet.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Each with its offset then.
    rooms: BTreeMap<RoomName, u64>,
    /// There were more.
    has_missed: bool,
}

impl Chat {
    /// Whether somebody wants to know of rooms that begin from now on.
    pub(in crate::core) fn watch_beginnings(&mut self, is_wanted: bool) {
        if self.begun.is_some() != is_wanted {
            self.begun = is_wanted.then(Begun::default);
        }
    }

    /// The next room that has begun, and its offset then. It may have ended.
    pub(in crate::core) fn take_begun_room(&mut self) -> Option<(RoomName, u64)> {
        self.begun.as_mut()?.rooms.pop_first()
    }

    /// Whether more rooms have begun than are told of one by one: all are to be looked for.
    pub(in crate::core) fn take_missed_beginnings(&mut self) -> bool {
        let begun = self.begun.as_mut();
        begun.is_some_and(|it| std::mem::take(&mut it.has_missed))
    }

    /// Whether there is one.
    pub(in crate::core) fn has_begun_rooms(&self) -> bool {
        let begun = self.begun.as_ref();
        begun.is_some_and(|it| it.has_missed || !it.rooms.is_empty())
    }

    /// A room has begun here at this offset. Of rooms that others share, their log tells.
    pub(super) fn note_beginning(&mut self, name: &RoomName, offset: u64) {
        if !self.has_shared_log() {
            self.on_beginning(name, offset);
        }
    }

    /// A room has begun at this offset, here or elsewhere.
    pub(in crate::core) fn on_beginning(&mut self, name: &RoomName, offset: u64) {
        if let Some(begun) = &mut self.begun {
            match begun.rooms.len() < MAX_BEGUN {
                true => drop(begun.rooms.insert(name.clone(), offset)),
                false => begun.has_missed = true,
            }
        }
    }

    /// Rooms may have begun of which nobody has told.
    pub(in crate::core) fn miss_beginnings(&mut self) {
        if let Some(begun) = &mut self.begun {
            begun.has_missed = true;
        }
    }
}
