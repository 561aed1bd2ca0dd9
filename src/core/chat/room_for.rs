//! Making room for what is new: who loses what for it.
//!
//! The one who fills a table is the first to lose some of it; messages go before state, and what was used least recently
//! goes first. Within a share of a table nobody loses state for somebody else.

use serde::{Deserialize, Serialize};

use crate::core::chat::Chat;
use crate::core::chat::books::Books;
use crate::core::chat::format::RoomId;
use crate::core::chat::history::History;
use crate::core::chat::kept::NoPlaceError;
use crate::core::chat::ledger::entry::{Holdings, OwnerId};
use crate::core::chat::ledger::{Ledger, TooFastError};
use crate::core::chat::owner::Owner;
use crate::core::chat::publish::{Draft, PublishError};
use crate::core::chat::retained::value_bytes;
use crate::core::chat::room::{Room, TooManyRoomsError};
use crate::core::chat::room_name::RoomName;
use crate::core::now::Now;
use crate::limits::{MAX_HANDED_OVER, MAX_PAGE, SHARES};

/// What was forgotten so that something else could be kept, since the start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::core) struct Forgotten {
    pub(in crate::core) rooms: usize,
    pub(in crate::core) messages: usize,
    pub(in crate::core) states: usize,
}

impl Chat {
    /// Whether somebody may send another POST now.
    pub(in crate::core) fn may_post(
        &mut self,
        owner: &Owner,
        now: Now,
    ) -> Result<(), TooFastError> {
        let owner = self.ledger.open(owner, now.ms);
        self.ledger.may_post(owner, now.ms)
    }

    /// One of theirs has become so many messages more.
    pub(in crate::core) fn charge_posts(&mut self, owner: &Owner, count: usize, now: Now) {
        let owner = self.ledger.open(owner, now.ms);
        self.ledger.charge_posts(owner, count, now.ms);
    }

    /// The first message of a room counts as its beginning: to sit in one leaves nothing behind.
    pub(super) fn count_beginning(
        &mut self,
        room: RoomId,
        owner: OwnerId,
        now_ms: u64,
    ) -> Result<(), TooFastError> {
        let room = &mut self.rooms[room.index];
        if !room.is_counted {
            self.ledger.may_begin(owner, now_ms)?;
            room.is_counted = true;
        }
        Ok(())
    }

    /// Makes room for one more room of an owner's, who may have begun half of all there may be. This machine may all: it
    /// may stand for many.
    pub(super) fn make_room_for_room(&mut self, owner: OwnerId) -> Result<(), TooManyRoomsError> {
        let most = self.limits.max_rooms;
        if self.ledger.rooms_of(owner) >= most.div_ceil(2) && !self.ledger.is_many(owner) {
            return self.end_for_another(|ledger| ledger.first_forgettable_of(owner));
        }
        if self.rooms.len() >= most {
            return self.end_for_another(|ledger| ledger.first_to_end(owner, most / SHARES));
        }
        Ok(())
    }

    /// Ends the first room that `pick` gives in which nobody else has anything. One in which somebody has is counted for
    /// them from now on: who begins a room has no say over what others keep in it.
    fn end_for_another(
        &mut self,
        pick: impl Fn(&Ledger) -> Option<usize>,
    ) -> Result<(), TooManyRoomsError> {
        for _ in 0..MAX_HANDED_OVER {
            let room = pick(&self.ledger).ok_or(TooManyRoomsError)?;
            if !self.hand_over(room) {
                self.forgotten.rooms += 1;
                self.end(room);
                return Ok(());
            }
        }
        Err(TooManyRoomsError)
    }

    /// Counts a room that nobody is in for somebody else who has something in it. Says whether there is such a one.
    fn hand_over(&mut self, index: usize) -> bool {
        let room = &self.rooms[index];
        let owner = room.owner;
        let heir = match room.has_state() {
            true => room.history.retained.held_by_other(owner),
            false => room.history.owned_by_other(owner),
        };
        let Some(heir) = heir else {
            return false;
        };
        self.wake(index);
        self.ledger.remove_room(owner);
        self.ledger.add_room(heir);
        self.rooms[index].owner = heir;
        self.settle(index, 0);
        true
    }

    /// Makes room for the state of a key, of so many bytes, in its room and in all.
    pub(super) fn make_room_for_state(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        body: usize,
        owner: OwnerId,
    ) -> Result<(), PublishError> {
        let Some(key) = draft.key.filter(|_| draft.retain && !draft.removes_key()) else {
            return Ok(());
        };
        let Room {
            history, limits, ..
        } = &self.rooms[room.index];
        let bytes = value_bytes(key.len(), body);
        let go = history.retained.to_go(key, bytes, owner, limits);
        for key in go.ok_or(PublishError::TooManyKeys)? {
            self.forget_state(room.index, &key);
        }
        let most = self.limits.history_memory / 2;
        loop {
            let replaced = self.rooms[room.index].history.retained.bytes_of(key);
            if self.ledger.state_bytes() - replaced + bytes <= most {
                return Ok(());
            }
            let place = self.ledger.first_state_to_go(owner, bytes, most / SHARES);
            let (room, key) = place.ok_or(PublishError::NoMemory)?;
            if !self.end_kept(room) {
                self.forget_state(room, &key);
            }
        }
    }

    /// Makes room for the state of a key of a room that comes out of the store. Nobody loses any for it.
    pub(super) fn make_room_to_restore(
        &mut self,
        index: usize,
        key: &str,
        body: usize,
        owner: OwnerId,
    ) -> Result<(), NoPlaceError> {
        let Room {
            history, limits, ..
        } = &self.rooms[index];
        let bytes = value_bytes(key.len(), body);
        let go = history.retained.to_go(key, bytes, owner, limits);
        if go.is_none_or(|go| !go.is_empty()) {
            return Err(NoPlaceError);
        }
        while self.ledger.state_bytes() + bytes > self.limits.history_memory / 2 {
            let idle = self.dormant.iter().map(|(_, room)| *room);
            let other = idle
                .into_iter()
                .find(|room| *room != index && self.rooms[*room].has_state());
            self.end(other.ok_or(NoPlaceError)?);
        }
        Ok(())
    }

    /// Ends a room that nobody is in, if the store has all of it. Says whether it did.
    fn end_kept(&mut self, index: usize) -> bool {
        let is_kept = self.has_store() && self.rooms[index].is_idle();
        if is_kept {
            self.forgotten.rooms += 1;
            self.end(index);
        }
        is_kept
    }

    pub(super) fn forget_state(&mut self, room: usize, key: &str) {
        self.forgotten.states += 1;
        if let Some(kept) = self.rooms[room].history.retained.get(key) {
            self.note_state_forgotten(room, key, kept.offset);
        }
        self.with_books(room, |history, books| history.retained.remove(key, books));
        let left = &self.rooms[room];
        // A room that nobody is in, and that has no state left, ends when its messages do.
        if left.is_empty() && !left.has_state() {
            self.settle(room, 0);
        }
    }

    /// Within `--history-memory`: of whoever has most messages the oldest go, where they have most, with a key or without one,
    /// whichever take more there. State is not looked at.
    /// What nobody is in, and has nothing left, ends when its time has come; `current` is looked after by whoever says
    /// something in it.
    pub(super) fn keep_within_memory(&mut self, current: usize, now_ms: u64) {
        while self.history_bytes() > self.limits.history_memory
            && let Some(room) = self.ledger.room_with_most_messages()
        {
            self.forgotten.messages += 1;
            let is_last = self.with_books(room, |history, books| {
                history.forget_of_larger(books);
                history.is_empty()
            });
            if is_last && room != current {
                self.settle(room, now_ms);
            }
        }
    }

    /// Changes what a room remembers, and counts it.
    pub(super) fn with_books<T>(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut History, &mut Books<'_>) -> T,
    ) -> T {
        let mut books = Books {
            ledger: &mut self.ledger,
            deadlines: &mut self.deadlines,
            room: index,
        };
        change(&mut self.rooms[index].history, &mut books)
    }

    pub(in crate::core) fn forgotten(&self) -> Forgotten {
        self.forgotten
    }

    /// Who holds most of what all rooms share.
    pub(in crate::core) fn holdings(&self) -> Vec<Holdings> {
        self.ledger.holdings(MAX_PAGE)
    }

    /// Forgets the rooms that an owner has begun, in which nobody is or has anything else, and all state that it has set.
    /// Says how much that was.
    pub(in crate::core) fn forget_owner(&mut self, owner: &Owner) -> Option<(usize, usize)> {
        let owner = self.ledger.find(owner)?;
        let mut rooms = self.ledger.dormant_of(owner);
        rooms.retain(|room| !self.hand_over(*room));
        for &room in &rooms {
            let Room { name, epoch, .. } = &self.rooms[room];
            let (name, epoch) = (name.clone(), *epoch);
            self.end(room);
            self.note_forgotten(name, epoch);
        }
        let values = self.ledger.state_of(owner);
        for (room, key) in &values {
            self.forget_state(*room, key);
        }
        Some((rooms.len(), values.len()))
    }

    /// The names of rooms that an owner has begun, by name, and whether there are more.
    pub(in crate::core) fn rooms_begun_by(&self, owner: &Owner) -> (Vec<&RoomName>, bool) {
        let owner = self.ledger.find(owner);
        let begun = |room: &&usize| Some(self.rooms[**room].owner) == owner;
        let mut rooms = self.by_name.iter().filter(|(_, room)| begun(room));
        let names = rooms.by_ref().take(MAX_PAGE).map(|(name, _)| name);
        (names.collect(), rooms.next().is_some())
    }
}

impl Room {
    /// Whether somebody's values are the state of keys here.
    pub(super) fn has_state(&self) -> bool {
        !self.history.retained.is_empty()
    }
}
