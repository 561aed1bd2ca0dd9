//! What was said in a room lately, and the state of its keys.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::books::{Books, Entry};
use super::ledger::{OwnerId, Said};
use super::message::{Kept, Message};
use super::retained::Retained;
use crate::limits::Limits;

/// A larger buffer is given back when its message is forgotten, and not kept for the next.
const SPARE_BYTES: usize = 2 << 10;

/// The last messages of a room, without holes, and the latest message of each retained key.
#[derive(Debug, Default)]
pub(super) struct History {
    messages: VecDeque<Kept>,
    pub(super) retained: Retained,
    /// Bytes of memory of the messages.
    message_bytes: usize,
    /// The same of each owner's.
    said_by: BTreeMap<OwnerId, Said>,
    /// The buffer of the last message that was forgotten: the steady path does not allocate.
    spare: Vec<u8>,
}

impl History {
    /// Keeps a message, and forgets those that are too many, too much or too old now.
    pub(super) fn keep(
        &mut self,
        message: &Message<'_>,
        entry: Entry,
        books: &mut Books<'_>,
        limits: &Limits,
    ) {
        if limits.history == 0 {
            return;
        }
        while self.messages.len() >= limits.history && self.forget_oldest(books) {}
        let kept = Kept::new(message, entry, std::mem::take(&mut self.spare));
        let bytes = kept.held_bytes();
        self.count(entry.owner, |held| held + bytes, books);
        self.messages.push_back(kept);
        while self.message_bytes > limits.history_bytes && self.forget_oldest(books) {}
        self.forget_expired(entry.now_ms, books, limits);
    }

    /// Says whether there was anything to forget.
    pub(super) fn forget_oldest(&mut self, books: &mut Books<'_>) -> bool {
        let Some(oldest) = self.messages.pop_front() else {
            return false;
        };
        let bytes = oldest.held_bytes();
        self.count(oldest.owner, |held| held - bytes, books);
        let spare = oldest.into_spare();
        if spare.capacity() <= SPARE_BYTES {
            self.spare = spare;
        }
        true
    }

    pub(super) fn forget_expired(&mut self, now_ms: u64, books: &mut Books<'_>, limits: &Limits) {
        let is_expired = |kept: &Kept| limits.history_time.after(kept.kept_ms) <= now_ms;
        while self.messages.front().is_some_and(is_expired) {
            self.forget_oldest(books);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, books: &mut Books<'_>) {
        while self.forget_oldest(books) {}
        self.retained.clear(books);
    }

    /// The bytes of an owner's messages change.
    fn count(
        &mut self,
        owner: OwnerId,
        change: impl FnOnce(usize) -> usize,
        books: &mut Books<'_>,
    ) {
        let said = self.said_by.entry(owner).or_default();
        let before = said.bytes;
        let after = change(before);
        books.ledger.on_messages(owner, books.room, said, after);
        if after == 0 {
            self.said_by.remove(&owner);
        }
        self.message_bytes = self.message_bytes + after - before;
    }

    /// Somebody else whose messages are remembered.
    pub(super) fn said_by_other(&self, owner: OwnerId) -> Option<OwnerId> {
        let mut owners = self.said_by.keys().copied();
        owners.find(|other| *other != owner)
    }

    /// The messages after `offset`, if all of them are still here; `last` is the room's newest offset.
    pub(super) fn since(
        &self,
        offset: u64,
        last: u64,
    ) -> Option<impl Iterator<Item = Message<'_>>> {
        let reaches_back = match self.messages.front() {
            _ if offset > last => false,
            Some(oldest) => oldest.offset <= offset + 1,
            None => offset == last,
        };
        reaches_back.then(|| self.after(offset))
    }

    /// The messages after `offset` that are still here.
    pub(super) fn after(&self, offset: u64) -> impl Iterator<Item = Message<'_>> {
        let from = self
            .messages
            .partition_point(|message| message.offset <= offset);
        self.messages.range(from..).map(Kept::view)
    }

    /// The newest `limit` messages before the offset `before`, oldest first, and whether there are older ones.
    pub(super) fn before(
        &self,
        before: u64,
        limit: usize,
    ) -> (impl Iterator<Item = Message<'_>>, bool) {
        let end = self
            .messages
            .partition_point(|message| message.offset < before);
        let from = end.saturating_sub(limit);
        (self.messages.range(from..end).map(Kept::view), from > 0)
    }

    /// The state of all keys, in the order of their offsets.
    pub(super) fn retained(&self) -> Vec<Message<'_>> {
        self.retained.messages()
    }

    /// The last of them.
    pub(super) fn last_retained(&self) -> Option<Message<'_>> {
        let last = self.retained.values().max_by_key(|kept| kept.offset);
        last.map(Kept::view)
    }

    /// What someone who has missed all after `offset` needs to know: of each key the latest, in their order. The
    /// messages without a key are left out.
    pub(super) fn latest_by_key(&self, offset: u64) -> Vec<Message<'_>> {
        let retained = self.retained.values().filter(|kept| kept.offset > offset);
        let missed = self.messages.iter().filter(|kept| kept.offset > offset);
        let mut latest: BTreeMap<&str, &Kept> = BTreeMap::new();
        for kept in retained.chain(missed) {
            if let Some(key) = kept.key() {
                let newest = latest.entry(key).or_insert(kept);
                if kept.offset > newest.offset {
                    *newest = kept;
                }
            }
        }
        let mut all: Vec<Message<'_>> = latest.into_values().map(Kept::view).collect();
        all.sort_unstable_by_key(|message| message.offset);
        all
    }

    /// The same without those that are the state of their key: whoever is told the state knows them.
    pub(super) fn latest_beside_state(&self, offset: u64) -> Vec<Message<'_>> {
        let mut seen = BTreeSet::new();
        let mut fresh = Vec::new();
        let missed = self.messages.iter().rev();
        for kept in missed.take_while(|kept| kept.offset > offset) {
            if let Some(key) = kept.key()
                && seen.insert(key)
                && self
                    .retained
                    .get(key)
                    .is_none_or(|state| state.offset < kept.offset)
            {
                fresh.push(kept.view());
            }
        }
        fresh.reverse();
        fresh
    }

    /// The state of all keys but those of which there is a later message among `messages`; `None` if that leaves out none.
    pub(super) fn state_beside(&self, messages: &[Message<'_>]) -> Option<Vec<Message<'_>>> {
        let later: BTreeSet<&str> = messages.iter().filter_map(|it| it.key).collect();
        if !later.iter().any(|key| self.retained.get(key).is_some()) {
            return None;
        }
        let mut state = self.retained();
        state.retain(|message| message.key.is_none_or(|key| !later.contains(key)));
        Some(state)
    }

    /// Nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.retained.is_empty()
    }

    /// When the newest message was kept.
    pub(super) fn newest_ms(&self) -> Option<u64> {
        self.messages.back().map(|message| message.kept_ms)
    }

    /// Checks that the bytes are counted right and the offsets have no hole. Gives the bytes of messages by owner.
    pub(super) fn check(
        &self,
        last: u64,
        limits: &Limits,
    ) -> Result<&BTreeMap<OwnerId, Said>, String> {
        use crate::core::server::ensure;
        let mut by_owner: BTreeMap<OwnerId, usize> = BTreeMap::new();
        for kept in &self.messages {
            *by_owner.entry(kept.owner).or_default() += kept.held_bytes();
        }
        let bytes: usize = by_owner.values().sum();
        ensure(
            bytes == self.message_bytes
                && by_owner.len() == self.said_by.len()
                && by_owner.iter().all(|(owner, bytes)| {
                    self.said_by.get(owner).map(|it| it.bytes) == Some(*bytes)
                }),
            "a history is miscounted",
        )?;
        ensure(
            self.messages.len() <= limits.history && bytes <= limits.history_bytes,
            "a history is longer than it may be",
        )?;
        let first = (last + 1) - self.messages.len() as u64;
        let has_no_hole = (first..)
            .zip(&self.messages)
            .all(|(expected, message)| message.offset == expected);
        ensure(has_no_hole, "a history has a hole")?;
        Ok(&self.said_by)
    }
}
