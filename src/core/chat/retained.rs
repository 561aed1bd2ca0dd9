//! The state of a room: of each key the latest message that was to be retained.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::codec::freshness::ALARM_PREFIX;
use crate::core::chat::alarm;
use crate::core::chat::books::Books;
use crate::core::chat::books::Entry;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::message::Kept;
use crate::core::chat::message::Message;
use crate::core::chat::vigil::{HeardState, Vigil};
use crate::limits::SHARES;
use crate::settings::RoomLimits;

#[derive(Debug, Default)]
pub(super) struct Retained {
    values: BTreeMap<Rc<str>, Value>,
    bytes: usize,
    /// How often the state of a key has changed.
    changes: u64,
    /// How many values are expected.
    expected: usize,
    /// Keys that are told to be silent, each with the offset after which nothing came.
    silences: BTreeMap<Rc<str>, u64>,
}

#[derive(Debug)]
struct Value {
    kept: Kept,
    /// When the ledger says that it was used last.
    used: u64,
    vigil: Vigil,
}

impl Value {
    fn held_bytes(&self) -> usize {
        let key = self.kept.key().map_or(0, str::len);
        size_of::<Self>() - size_of::<Kept>() + self.kept.held_bytes() + key
    }
}

/// Bytes of memory that a value takes whose key and body are so long: its key is kept with it and beside it.
pub(super) fn value_bytes(key: usize, body: usize) -> usize {
    // No vector is shorter than eight bytes.
    size_of::<Value>() + 2 * key + body.max(8)
}

/// What one owner holds of a room's state.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    bytes: usize,
    keys: usize,
}

impl Retained {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Keeps the message as the state of its key.
    pub(super) fn set(
        &mut self,
        key: &str,
        message: &Message<'_>,
        entry: Entry,
        books: &mut Books<'_>,
    ) {
        let before = self.take(key, books).map(|it| it.vigil);
        let key: Rc<str> = key.into();
        let mut vigil = Vigil::new(entry.freshness, (entry.offset, entry.now_ms), before);
        // Who comes later is told what was said before of the key, too.
        let expect = vigil.freshness().expect;
        let state = Message { expect, ..*message };
        let kept = Kept::new(&state, message.key.map(Into::into), entry, Vec::new());
        books.deadlines.list(books.room, &key, &mut vigil);
        self.expected += usize::from(vigil.expects());
        let mut value = Value {
            kept,
            used: 0,
            vigil,
        };
        let bytes = value.held_bytes();
        let state_key = (books.room, Rc::clone(&key));
        value.used = books.ledger.add_state(entry.owner, state_key, bytes);
        self.bytes += bytes;
        self.values.insert(Rc::clone(&key), value);
        self.changes += 1;
        self.note_silence(&key, message, books);
        self.note_heard(&key, entry.offset, books);
    }

    /// Forgets the state of a key.
    pub(super) fn remove(&mut self, key: &str, books: &mut Books<'_>) {
        if let Some(mut value) = self.take(key, books) {
            let key: Rc<str> = key.into();
            books.deadlines.delist(books.room, &key, &mut value.vigil);
            if self.silences.contains_key(&key) {
                books.deadlines.on_heard(books.room, &key);
            }
        }
    }

    /// The same, but that the value keeps its deadline.
    fn take(&mut self, key: &str, books: &mut Books<'_>) -> Option<Value> {
        let value = self.values.remove(key)?;
        let bytes = value.held_bytes();
        self.bytes -= bytes;
        self.changes += 1;
        self.expected -= usize::from(value.vigil.expects());
        if let Some(of) = key.strip_prefix(ALARM_PREFIX) {
            self.silences.remove(of);
        }
        books
            .ledger
            .remove_state(value.kept.owner, value.used, bytes);
        Some(value)
    }

    /// The state of an alarm may say that a key is silent, though something may have come meanwhile, or its value may be gone.
    fn note_silence(&mut self, key: &str, message: &Message<'_>, books: &mut Books<'_>) {
        let silence = alarm::silence(message).filter(|it| it.is_open);
        if let Some((of, silence)) = key.strip_prefix(ALARM_PREFIX).zip(silence) {
            let of: Rc<str> = of.into();
            self.silences.insert(Rc::clone(&of), silence.after);
            match self.vigil(&of).map(|it| it.heard) {
                Some(heard) => self.note_heard(&of, heard, books),
                None => books.deadlines.on_heard(books.room, &of),
            }
        }
    }

    /// Something has come with a key.
    fn note_heard(&self, key: &Rc<str>, offset: u64, books: &mut Books<'_>) {
        if self.silences.get(key).is_some_and(|after| *after < offset) {
            books.deadlines.on_heard(books.room, key);
        }
    }

    /// Something has come with a key, which may not be retained.
    pub(super) fn hear(&mut self, key: &str, entry: &Entry, books: &mut Books<'_>) {
        if self.expected == 0 && self.silences.is_empty() {
            return;
        }
        let Some(value) = self.values.get_mut(key) else {
            return;
        };
        let key: Rc<str> = key.into();
        value.vigil.hear(entry.offset, entry.now_ms);
        books.deadlines.list(books.room, &key, &mut value.vigil);
        self.note_heard(&key, entry.offset, books);
    }

    /// What another server has heard of a key whose value it has told.
    pub(super) fn resume(&mut self, key: &str, state: HeardState, books: &mut Books<'_>) {
        if let Some(value) = self.values.get_mut(key) {
            value.vigil.resume(state);
            books
                .deadlines
                .list(books.room, &key.into(), &mut value.vigil);
        }
    }

    /// What is known of how long the value of a key is good for.
    pub(super) fn vigil(&self, key: &str) -> Option<&Vigil> {
        self.values.get(key).map(|value| &value.vigil)
    }

    pub(super) fn vigil_mut(&mut self, key: &str) -> Option<&mut Vigil> {
        self.values.get_mut(key).map(|value| &mut value.vigil)
    }

    /// When the first value is to be looked at.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let due = self.values.values().map(|value| value.vigil.due_ms());
        due.min().filter(|due_ms| *due_ms < u64::MAX)
    }

    pub(super) fn clear(&mut self, books: &mut Books<'_>) {
        while let Some(key) = self.values.keys().next().cloned() {
            self.remove(&key, books);
        }
    }

    /// How often the state of a key has changed: as long as it is the same, so is `messages`.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The latest message of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Kept> {
        self.values.get(key).map(|value| &value.kept)
    }

    /// The states of alarms.
    pub(super) fn alarms(&self) -> impl Iterator<Item = &Kept> {
        let from = self.values.range(Rc::from(ALARM_PREFIX)..);
        let alarms = from.take_while(|(key, _)| key.starts_with(ALARM_PREFIX));
        alarms.map(|(_, value)| &value.kept)
    }

    /// Bytes of memory that the state of a key takes; 0 if it has none.
    pub(super) fn bytes_of(&self, key: &str) -> usize {
        self.values.get(key).map_or(0, Value::held_bytes)
    }

    /// The keys that lose their state so that one more value, or a new one of the same key, fits into the room: the least
    /// recently set of whoever has most there, if that is more than a share, and more than the one has for whom it would
    /// be. `None` if there is no such one.
    pub(super) fn to_go(
        &self,
        key: &str,
        bytes: usize,
        for_owner: OwnerId,
        limits: &RoomLimits,
    ) -> Option<Vec<Rc<str>>> {
        let replaced = self.bytes_of(key);
        let others = self.values.len() - usize::from(replaced > 0);
        let over_keys = (others + 1).saturating_sub(limits.max_keys);
        let over_bytes = (self.bytes - replaced + bytes).saturating_sub(limits.history_bytes);
        if over_keys == 0 && over_bytes == 0 {
            return Some(Vec::new());
        }
        let mut parts: BTreeMap<OwnerId, Part> = BTreeMap::new();
        for value in self.values.values() {
            let part = parts.entry(value.kept.owner).or_default();
            part.bytes += value.held_bytes();
            part.keys += 1;
        }
        let measure = |part: Part| match over_keys {
            0 => (part.bytes, limits.history_bytes),
            _ => (part.keys, limits.max_keys),
        };
        let mine = parts.get(&for_owner).copied().unwrap_or_default();
        let (owner, part) = parts.into_iter().max_by_key(|(_, part)| measure(*part).0)?;
        let (most, of) = measure(part);
        if most <= of / SHARES || most <= measure(mine).0 {
            return None;
        }
        let mut theirs: Vec<&Value> = self.values.values().collect();
        theirs.retain(|value| value.kept.owner == owner && value.kept.key() != Some(key));
        theirs.sort_unstable_by_key(|value| value.used);
        let mut gone = Part::default();
        let mut go = Vec::new();
        for value in theirs {
            if gone.keys >= over_keys && gone.bytes >= over_bytes {
                break;
            }
            gone.keys += 1;
            gone.bytes += value.held_bytes();
            go.extend(value.kept.key().map(Rc::from));
        }
        (gone.keys >= over_keys && gone.bytes >= over_bytes).then_some(go)
    }

    /// The keys for which other limits leave no place: those least recently set.
    pub(super) fn beyond(&self, limits: &RoomLimits) -> Vec<Rc<str>> {
        let (mut keys, mut bytes) = (self.values.len(), self.bytes);
        if keys <= limits.max_keys && bytes <= limits.history_bytes {
            return Vec::new();
        }
        let mut by_use: Vec<(&Rc<str>, &Value)> = self.values.iter().collect();
        by_use.sort_unstable_by_key(|(_, value)| value.used);
        let go = by_use.into_iter().take_while(|(_, value)| {
            let is_beyond = keys > limits.max_keys || bytes > limits.history_bytes;
            keys -= 1;
            bytes -= value.held_bytes();
            is_beyond
        });
        go.map(|(key, _)| Rc::clone(key)).collect()
    }

    /// Somebody else who has set some of it.
    pub(super) fn held_by_other(&self, owner: OwnerId) -> Option<OwnerId> {
        let mut owners = self.values().map(|kept| kept.owner);
        owners.find(|other| *other != owner)
    }

    /// The values, in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &Kept> {
        self.values.values().map(|value| &value.kept)
    }

    /// The values, the least recently set first, and how long each is good for.
    pub(super) fn by_use(&self) -> impl Iterator<Item = (&Kept, &Vigil)> {
        let mut all: Vec<&Value> = self.values.values().collect();
        all.sort_unstable_by_key(|value| value.used);
        all.into_iter().map(|value| (&value.kept, &value.vigil))
    }

    /// The values, in the order of their offsets.
    pub(super) fn messages(&self) -> Vec<Message<'_>> {
        let mut all: Vec<Message<'_>> = self.values().map(Kept::view).collect();
        all.sort_unstable_by_key(|message| message.offset);
        all
    }

    /// Checks that the bytes are counted right; gives them by owner.
    pub(super) fn check(
        &self,
        limits: &RoomLimits,
        is_listed: impl Fn(&Rc<str>, &Vigil) -> bool,
    ) -> Result<BTreeMap<OwnerId, usize>, String> {
        use crate::core::ensure::ensure;
        ensure(
            self.values
                .iter()
                .all(|(key, it)| is_listed(key, &it.vigil)),
            "a value is not looked at when it is due",
        )?;
        let expected = self.values.values().filter(|it| it.vigil.expects()).count();
        ensure(expected == self.expected, "expected values are miscounted")?;
        let mut by_owner: BTreeMap<OwnerId, usize> = BTreeMap::new();
        for value in self.values.values() {
            *by_owner.entry(value.kept.owner).or_default() += value.held_bytes();
        }
        ensure(
            by_owner.values().sum::<usize>() == self.bytes,
            "retained messages are miscounted",
        )?;
        ensure(
            self.values.len() <= limits.max_keys && self.bytes <= limits.history_bytes,
            "a room retains more than it may",
        )?;
        Ok(by_owner)
    }
}
