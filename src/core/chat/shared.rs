//! The rooms of a log that other servers share: any that is not here may be in it.

use std::collections::{BTreeMap, VecDeque};

use crate::core::chat::Chat;
use crate::core::chat::format::RoomId;
use crate::core::chat::room_name::RoomName;
use crate::limits::VACANT_MS;

/// What is known of the rooms that are not here.
#[derive(Debug, Default)]
pub(super) struct SharedRooms {
    /// Rooms in which nothing was published, as the log has said, with the epoch that they begin with, and until when.
    vacant: BTreeMap<RoomName, Vacant>,
    /// When each is looked for again, the earliest first.
    due: VecDeque<(u64, RoomName)>,
    /// Rooms that the log need not tell of any more.
    left: Vec<RoomName>,
}

#[derive(Debug)]
struct Vacant {
    epoch: u64,
    until_ms: u64,
}

impl SharedRooms {
    /// Whether a room of this name may begin.
    pub(super) fn is_vacant(&self, name: &RoomName) -> bool {
        self.vacant.contains_key(name)
    }

    /// A room begins that was vacant: the epoch that the log has given it.
    pub(super) fn occupy(&mut self, name: &RoomName) -> Option<u64> {
        let vacant = self.vacant.remove(name)?;
        Some(vacant.epoch)
    }

    pub(super) fn note_left(&mut self, name: RoomName) {
        self.left.push(name);
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }
}

impl Chat {
    /// The log has nothing of a room but the epoch with which it begins.
    pub(in crate::core) fn on_vacant(&mut self, name: &RoomName, epoch: u64, now_ms: u64) {
        let Some(shared) = self.shared_rooms() else {
            return;
        };
        let until_ms = now_ms + VACANT_MS;
        shared.due.push_back((until_ms, name.clone()));
        let before = shared
            .vacant
            .insert(name.clone(), Vacant { epoch, until_ms });
        if before.is_some() {
            shared.note_left(name.clone());
        }
    }

    /// Something was published in a room of which the log had nothing: whoever comes for it asks for it anew.
    pub(in crate::core) fn end_vacancy(&mut self, name: &RoomName) {
        if let Some(shared) = self.shared_rooms()
            && shared.vacant.remove(name).is_some()
        {
            shared.note_left(name.clone());
        }
    }

    /// The epoch of a room of which the log has nothing else.
    pub(in crate::core) fn vacant_epoch(&self, name: &RoomName) -> Option<u64> {
        let vacant = self.kept.as_ref()?.shared()?.vacant.get(name)?;
        Some(vacant.epoch)
    }

    /// The log of a room cannot be reached, or can again. Says whether that is new.
    pub(in crate::core) fn set_paused(&mut self, id: RoomId, is_paused: bool) -> bool {
        let room = self.get_mut(id);
        room.is_some_and(|room| std::mem::replace(&mut room.is_paused, is_paused) != is_paused)
    }

    pub(in crate::core) fn is_paused(&self, id: RoomId) -> bool {
        self.get(id).is_some_and(|room| room.is_paused)
    }

    /// Whether other servers share the rooms.
    pub(in crate::core) fn has_shared_log(&self) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.shared().is_some())
    }

    /// Rooms that are not here any more since this was asked last.
    pub(in crate::core) fn take_left(&mut self) -> Vec<RoomName> {
        let shared = self.shared_rooms();
        shared.map_or_else(Vec::new, |shared| std::mem::take(&mut shared.left))
    }

    /// When a room that was vacant is to be looked for again.
    pub(super) fn next_vacant_ms(&self) -> Option<u64> {
        self.kept.as_ref()?.shared()?.next_due_ms()
    }

    /// Forgets a room that was vacant and has not begun. Says whether there was one whose time has come.
    pub(super) fn forget_vacant(&mut self, now_ms: u64) -> bool {
        let Some(shared) = self.shared_rooms() else {
            return false;
        };
        if shared.next_due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return false;
        }
        let Some((_, name)) = shared.due.pop_front() else {
            return false;
        };
        let vacant = shared.vacant.get(&name);
        if vacant.is_some_and(|vacant| vacant.until_ms <= now_ms) {
            shared.vacant.remove(&name);
            shared.note_left(name);
        }
        true
    }
}
