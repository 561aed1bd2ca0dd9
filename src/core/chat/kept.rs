//! What a store keeps of rooms: which of them it has, how one begins with what it has of it, and what it is to forget.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::codec::freshness::Freshness;
use crate::core::chat::Chat;
use crate::core::chat::books::Entry;
use crate::core::chat::dedup::{Log, Sender};
use crate::core::chat::format::RoomId;
use crate::core::chat::history::History;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::message::Message;
use crate::core::chat::owner::Owner;
use crate::core::chat::room_name::RoomName;
use crate::core::chat::shared::SharedRooms;
use crate::core::chat::visits::Position;
use crate::core::now::Now;
use crate::limits::{DEDUP_MS, WAKE_RETRY_MS};

/// The rooms that the store has something of, and what it does not know yet.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Hashes of their names: a million rooms take no more than 16 MB. One that is here by chance is asked for in vain.
    names: HashSet<u64>,
    forgotten: Vec<ToForget>,
    /// What is known of a log that other servers share, if it is one.
    shared: Option<SharedRooms>,
}

impl Kept {
    pub(super) fn shared(&self) -> Option<&SharedRooms> {
        self.shared.as_ref()
    }
}

/// What the store is to forget.
#[derive(Debug)]
pub(in crate::core) struct ToForget {
    pub(in crate::core) room: RoomName,
    pub(in crate::core) epoch: u64,
    /// The state of this key, set by the message at this offset; `None`: the room with all that is in it.
    pub(in crate::core) state: Option<(Box<str>, u64)>,
}

/// A message as the store has it.
#[derive(Debug)]
pub(in crate::core) struct Restored<'a> {
    pub(in crate::core) message: Message<'a>,
    pub(in crate::core) owner: Option<Owner>,
    pub(in crate::core) freshness: Freshness,
}

/// The offset that a sender's own id of a message stands for.
#[derive(Debug)]
pub(in crate::core) struct RestoredId<'a> {
    pub(in crate::core) sender: Sender,
    pub(in crate::core) id: &'a str,
    pub(in crate::core) owner: Owner,
    pub(in crate::core) offset: u64,
    pub(in crate::core) at_ms: u64,
}

/// There is no place for a room, or for the state of its keys.
#[derive(Debug)]
pub(in crate::core) struct NoPlaceError;

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Chat {
    /// From now on a store keeps rooms and people.
    pub(in crate::core) fn use_store(&mut self) {
        self.kept = Some(Kept::default());
        self.people.use_store();
    }

    /// From now on a log that other servers share keeps rooms and people.
    pub(in crate::core) fn use_shared_log(&mut self) {
        self.use_store();
        if let Some(kept) = &mut self.kept {
            kept.shared = Some(SharedRooms::default());
        }
    }

    pub(super) fn shared_rooms(&mut self) -> Option<&mut SharedRooms> {
        self.kept.as_mut()?.shared.as_mut()
    }

    /// The store has rooms of these names.
    pub(in crate::core) fn restore_names<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        if let Some(kept) = &mut self.kept {
            kept.names.extend(names.map(hash));
        }
    }

    /// No store keeps anything from now on. Every room begins a new epoch: what it says from here on is not what a store
    /// may say later.
    pub(in crate::core) fn lose_store(&mut self) {
        self.kept = None;
        self.wakes.clear();
        self.people.lose_store();
        for (_, room) in &mut self.rooms {
            room.epoch = chacha20::rand_core::Rng::next_u64(&mut self.random);
        }
    }

    /// Whether a store keeps rooms.
    pub(super) fn has_store(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether the store has something of a room that is not here.
    pub(in crate::core) fn is_kept_elsewhere(&self, name: &RoomName) -> bool {
        let Some(kept) = &self.kept else {
            return false;
        };
        let is_kept = match &kept.shared {
            Some(shared) => !shared.is_vacant(name),
            None => kept.names.contains(&hash(name.as_str())),
        };
        is_kept && self.find(name).is_none()
    }

    /// The store has nothing of this room.
    pub(in crate::core) fn on_nothing_kept(&mut self, name: &RoomName) {
        self.wakes.remove(name);
        if let Some(kept) = &mut self.kept {
            kept.names.remove(&hash(name.as_str()));
        }
    }

    /// A room ends here, and stays in the store.
    pub(super) fn note_kept(&mut self, name: &RoomName) {
        if let Some(kept) = self.kept.as_mut().filter(|kept| kept.shared.is_none()) {
            kept.names.insert(hash(name.as_str()));
        }
    }

    /// A room is not here any more.
    pub(in crate::core) fn note_left(&mut self, name: &RoomName) {
        if let Some(shared) = self.shared_rooms() {
            shared.note_left(name.clone());
        }
    }

    /// A room is forgotten, in the store too.
    pub(super) fn note_forgotten(&mut self, room: RoomName, epoch: u64) {
        self.on_nothing_kept(&room);
        self.note_to_forget(ToForget {
            room,
            epoch,
            state: None,
        });
    }

    /// So is the state of a key.
    pub(super) fn note_state_forgotten(&mut self, index: usize, key: &str, offset: u64) {
        let room = &self.rooms[index];
        self.note_to_forget(ToForget {
            room: room.name.clone(),
            epoch: room.epoch,
            state: Some((key.into(), offset)),
        });
    }

    fn note_to_forget(&mut self, to_forget: ToForget) {
        let Some(kept) = &mut self.kept else {
            return;
        };
        // What one server has no place for, others have.
        if to_forget.state.is_none() || kept.shared.is_none() {
            kept.forgotten.push(to_forget);
        }
    }

    /// What the store is to forget since this was asked last.
    pub(in crate::core) fn take_to_forget(&mut self) -> Vec<ToForget> {
        let kept = self.kept.as_mut();
        kept.map_or_else(Vec::new, |kept| std::mem::take(&mut kept.forgotten))
    }

    /// A room that is not here begins with what the store has of it: where it is, its newest messages, the
    /// state of its keys, and what was sent lately with an id. It stays for those who have asked for it, and for as long
    /// as one that was just left.
    pub(in crate::core) fn restore<'a>(
        &mut self,
        name: &RoomName,
        position: Position,
        messages: impl Iterator<Item = Restored<'a>>,
        state: impl Iterator<Item = Restored<'a>>,
        ids: impl Iterator<Item = RestoredId<'a>>,
        now: Now,
    ) -> Result<RoomId, NoPlaceError> {
        let is_woken = self.wakes.has(name);
        self.on_nothing_kept(name);
        let begun = self.begin_for(name, OwnerId::OTHERS, now.ms);
        let Ok(id) = begun else {
            self.note_kept(name);
            self.note_left(name);
            if is_woken {
                self.wakes.add(name.clone(), now.ms + WAKE_RETRY_MS);
            }
            return Err(NoPlaceError);
        };
        self.rooms[id.index].left_ms = Some(now.ms);
        self.move_to_position(id.index, position);
        self.note_beginning(name, position.offset);
        for restored in state {
            if self.restore_state(id.index, &restored, now).is_err() {
                self.end(id.index);
                if is_woken {
                    self.wakes.add(name.clone(), now.ms + WAKE_RETRY_MS);
                }
                return Err(NoPlaceError);
            }
        }
        self.restore_messages(id.index, messages, now);
        self.keep_within_memory(id.index, now.ms);
        let log = (name.clone(), position.epoch);
        for it in ids {
            self.restore_id(&log, &it, now);
        }
        self.settle(id.index, now.ms);
        Ok(id)
    }

    /// A room that is here is at another position than was known, and this is what is kept of it. State for which there is no
    /// place is left out.
    pub(in crate::core) fn reload<'a>(
        &mut self,
        id: RoomId,
        position: Position,
        messages: impl Iterator<Item = Restored<'a>>,
        state: impl Iterator<Item = Restored<'a>>,
        now: Now,
    ) {
        if self.get(id).is_none() {
            return;
        }
        self.with_books(id.index, History::clear);
        self.move_to_position(id.index, position);
        for restored in state {
            if self.restore_state(id.index, &restored, now).is_err() {
                self.forgotten.states += 1;
            }
        }
        self.restore_messages(id.index, messages, now);
        self.keep_within_memory(id.index, now.ms);
        if self.rooms[id.index].is_empty() {
            self.settle(id.index, now.ms);
        }
    }

    fn move_to_position(&mut self, index: usize, position: Position) {
        let room = &mut self.rooms[index];
        room.epoch = position.epoch;
        room.offset = position.offset;
        room.is_counted = true;
    }

    fn restore_id(&mut self, log: &Log, it: &RestoredId<'_>, now: Now) {
        let age_ms = now.unix_ms.saturating_sub(it.at_ms);
        // Some are still known from before the room ended here.
        let known = self.dedup.find(log.clone(), &it.sender, it.id, now.ms);
        if age_ms < DEDUP_MS && known.is_none() {
            let sent_ms = now.ms.saturating_sub(age_ms);
            let log = log.clone();
            self.dedup
                .remember(log, &it.sender, it.id, it.offset, &it.owner, sent_ms);
        }
    }

    fn restore_state(
        &mut self,
        index: usize,
        restored: &Restored<'_>,
        now: Now,
    ) -> Result<(), NoPlaceError> {
        let (message, entry) = self.entry_of(restored, now);
        let Some(key) = message.key else {
            return Ok(());
        };
        self.make_room_to_restore(index, key, message.body.len(), entry.owner)?;
        self.with_books(index, |history, books| {
            history.retained.set(key, &message, entry, books);
        });
        Ok(())
    }

    fn restore_messages<'a>(
        &mut self,
        index: usize,
        messages: impl Iterator<Item = Restored<'a>>,
        now: Now,
    ) {
        let mut next = None;
        let limits = self.rooms[index].limits;
        self.rooms[index].history.whole_after = self.rooms[index].offset;
        for restored in messages {
            let (message, entry) = self.entry_of(&restored, now);
            // The first, or one before which others are missing.
            if next != Some(entry.offset) {
                self.rooms[index].history.whole_after = entry.offset.saturating_sub(1);
            }
            next = Some(entry.offset + 1);
            self.with_books(index, |history, books| {
                history.keep(&message, entry, books, &limits);
            });
        }
        let room = &mut self.rooms[index];
        if next != Some(room.offset + 1) {
            room.history.whole_after = room.offset;
        }
    }

    fn entry_of<'a>(&mut self, restored: &Restored<'a>, now: Now) -> (Message<'a>, Entry) {
        let message = restored.message;
        let owner = restored.owner.as_ref();
        let owner = owner.map_or(OwnerId::OTHERS, |owner| self.ledger.open(owner, now.ms));
        let age_ms = now.unix_ms.saturating_sub(message.at_ms);
        let entry = Entry {
            offset: message.offset.unwrap_or_default(),
            owner,
            now_ms: now.ms.saturating_sub(age_ms),
            freshness: restored.freshness,
        };
        (message, entry)
    }
}
