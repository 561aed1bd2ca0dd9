//! How long rooms last: when one ends that nobody is in, and what is forgotten then.

use crate::core::chat::Chat;
use crate::core::chat::books::Books;
use crate::core::chat::format::RoomId;
use crate::core::chat::history::History;
use crate::core::chat::room::Room;
use crate::core::chat::room_name::RoomName;
use crate::limits::ABSENCE_MS;

impl Chat {
    /// Looks whether anyone is in a room, and if not, sets when it ends: not before those who were in it are forgotten, so
    /// that who comes back finds it as it was; and with its history. Retained messages keep it until its place is needed,
    /// unless a store has them.
    pub(super) fn settle(&mut self, index: usize, now_ms: u64) {
        self.wake(index);
        if !self.rooms[index].is_idle() {
            return;
        }
        if self.rooms[index].is_detached {
            return self.end(index);
        }
        self.forget_expired(index, now_ms);
        let is_kept = self.has_store();
        let room = &mut self.rooms[index];
        // A room that has just begun waits for what it has begun for, until the next deadlines run.
        let missed_ms = room.left_ms.map_or(now_ms, |left_ms| left_ms + ABSENCE_MS);
        let ends_ms = match room.history.newest_ms() {
            _ if room.has_state() && !is_kept => u64::MAX,
            Some(newest_ms) => room.limits.history_time.after(newest_ms).max(missed_ms),
            None => missed_ms,
        };
        room.ends_ms = Some(ends_ms);
        self.dormant.insert((ends_ms, index));
        room.dormant = Some(self.ledger.lay_room(room.owner, index, room.has_state()));
    }

    /// Takes a room off the lists of those that nobody is in.
    pub(super) fn wake(&mut self, index: usize) {
        let room = &mut self.rooms[index];
        if let Some(ends_ms) = room.ends_ms.take() {
            self.dormant.remove(&(ends_ms, index));
        }
        if let Some(dormant) = room.dormant.take() {
            self.ledger.wake_room(room.owner, index, dormant);
        }
    }

    /// Forgets what a room, if it exists, remembers no longer.
    pub(in crate::core) fn forget_expired_in(&mut self, name: &RoomName, now_ms: u64) {
        if let Some(&index) = self.by_name.get(name) {
            self.forget_expired(index, now_ms);
        }
    }

    /// The same of a room that is known by its id.
    pub(in crate::core) fn forget_expired_of(&mut self, id: RoomId, now_ms: u64) {
        if self.get(id).is_some() {
            self.forget_expired(id.index, now_ms);
        }
    }

    pub(super) fn forget_expired(&mut self, index: usize, now_ms: u64) {
        let mut books = Books {
            ledger: &mut self.ledger,
            deadlines: &mut self.deadlines,
            room: index,
        };
        let Room {
            history, limits, ..
        } = &mut self.rooms[index];
        history.forget_expired(now_ms, &mut books, limits);
    }

    /// Forgets a room, unless somebody is in it. One that waits for the store gives up its name at once.
    pub(in crate::core) fn end_if_empty(&mut self, id: RoomId) {
        let Some(room) = self.get_mut(id).filter(|room| room.is_empty()) else {
            return;
        };
        let (name, epoch, waits) = (room.name.clone(), room.epoch, room.waiting > 0);
        if !waits {
            self.end(id.index);
            return self.note_forgotten(name, epoch);
        }
        room.is_detached = true;
        self.by_name.remove(&name);
        self.forget_begun(&name);
        self.note_left(&name);
        self.note_forgotten(name, epoch);
        self.with_books(id.index, History::clear);
    }

    /// A message is on its way into a room, which does not end before the store has answered.
    pub(in crate::core) fn on_append(&mut self, id: RoomId) {
        if let Some(room) = self.get_mut(id) {
            room.waiting += 1;
            self.wake(id.index);
        }
    }

    /// The store has answered.
    pub(in crate::core) fn on_appended(&mut self, id: RoomId, now_ms: u64) {
        if let Some(room) = self.get_mut(id) {
            room.waiting -= 1;
            self.settle(id.index, now_ms);
        }
    }

    /// Ends a room that nobody is in. What a store has of it stays there.
    pub(super) fn end(&mut self, index: usize) {
        self.wake(index);
        self.end_sharing(index);
        self.wake_when_due(index);
        self.with_books(index, History::clear);
        let room = self.rooms.remove(index);
        self.ledger.remove_room(room.owner);
        if !room.is_detached {
            self.by_name.remove(&room.name);
            self.forget_begun(&room.name);
            if room.offset > 0 {
                self.note_kept(&room.name);
            }
            self.note_left(&room.name);
        }
        self.ended.push(RoomId {
            index,
            serial: room.serial,
        });
    }

    /// The rooms that have ended since this was asked last.
    pub(in crate::core) fn take_ended(&mut self) -> Vec<RoomId> {
        std::mem::take(&mut self.ended)
    }

    /// When something is to be done that no message asks for.
    pub(in crate::core) fn next_deadline_ms(&self) -> Option<u64> {
        let deadlines = [
            self.news_due.first().map(|(due_ms, _)| *due_ms),
            self.dormant.first().map(|(ends_ms, _)| *ends_ms),
            self.people.next_deadline_ms(),
            self.next_vacant_ms(),
            self.next_telling_ms(),
            self.next_sighting_ms(),
        ];
        deadlines
            .into_iter()
            .flatten()
            .min()
            .filter(|ms| *ms < u64::MAX)
    }

    /// Ends a room, or forgets a person, whose time has come. Says whether there was one.
    pub(in crate::core) fn forget_due(&mut self, now_ms: u64) -> bool {
        if let Some(&(ends_ms, index)) = self.dormant.first()
            && ends_ms <= now_ms
        {
            self.end(index);
            return true;
        }
        self.forget_vacant(now_ms) || self.forget_sighting(now_ms) || self.people.forget_due(now_ms)
    }
}
