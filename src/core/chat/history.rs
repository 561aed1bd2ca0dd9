//! What was said in a room lately, and the state of its keys.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use crate::codec::key_patterns::KeyPatterns;
use crate::core::chat::books::Books;
use crate::core::chat::books::Entry;
use crate::core::chat::keyed;
use crate::core::chat::keyed::Keyed;
use crate::core::chat::ledger::entry::OwnedMessages;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::message::Kept;
use crate::core::chat::message::Message;
use crate::core::chat::retained::Retained;
use crate::limits::MAX_SERIES_MESSAGES;
use crate::settings::RoomLimits;

/// A larger buffer is given back when its message is forgotten, and not kept for the next.
const SPARE_BYTES: usize = 2 << 10;

/// The last messages of a room, and the latest message of each retained key.
///
/// Messages without a key and those of each key are forgotten apart, so that values that come fast push out nothing that
/// people say, and the other way round.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Messages without a key.
    talk: VecDeque<Kept>,
    talk_bytes: usize,
    keyed: Keyed,
    /// All messages after this offset are here.
    pub(super) whole_after: u64,
    pub(super) retained: Retained,
    /// Bytes of memory of each owner's messages.
    by_owner: BTreeMap<OwnerId, OwnedMessages>,
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
        limits: &RoomLimits,
    ) {
        if let Some(key) = message.key {
            self.retained.hear(key, &entry, books);
        }
        if limits.history == 0 {
            self.whole_after = entry.offset;
            return;
        }
        while self.count_like(message.key) >= limits.history && self.forget_of(message.key, books) {
        }
        let key = message.key.map(|key| self.keyed.shared(key));
        let spare = std::mem::take(&mut self.spare);
        let kept = Kept::new(message, key.clone(), entry, spare);
        let bytes = held_bytes(&kept);
        self.count(entry.owner, |held| held + bytes, books);
        match key {
            None => {
                self.talk_bytes += bytes;
                self.talk.push_back(kept);
            }
            Some(key) => self.keyed.push(key, kept),
        }
        while self.message_bytes() > limits.history_bytes && self.forget_of_larger(books) {}
        self.forget_expired(entry.now_ms, books, limits);
    }

    /// Forgets what other limits leave no place for, but for state.
    pub(super) fn shrink(&mut self, now_ms: u64, books: &mut Books<'_>, limits: &RoomLimits) {
        while self.talk.len() > limits.history && self.forget_of(None, books) {}
        for key in self.keyed.keys_with_more_than(limits.history) {
            while self.keyed.count_of(&key) > limits.history && self.forget_of(Some(&key), books) {}
        }
        while self.message_bytes() > limits.history_bytes && self.forget_of_larger(books) {}
        self.forget_expired(now_ms, books, limits);
    }

    /// How many messages are remembered, with a key and without, but for state.
    pub(super) fn message_count(&self) -> usize {
        self.talk.len() + self.keyed.count()
    }

    /// The next message has an offset that does not follow on the last one's: what was before the hole is forgotten.
    pub(super) fn skip_to(&mut self, offset: u64, books: &mut Books<'_>) {
        while self.forget_oldest(books) {}
        self.whole_after = offset - 1;
    }

    /// How many messages of this key, or without one, are remembered.
    fn count_like(&self, key: Option<&str>) -> usize {
        key.map_or(self.talk.len(), |key| self.keyed.count_of(key))
    }

    fn message_bytes(&self) -> usize {
        self.talk_bytes + self.keyed.bytes()
    }

    /// Forgets the oldest message without a key, or of the key that takes most, whichever of the two kinds takes more: each
    /// may have half. Says whether there was anything to forget.
    pub(super) fn forget_of_larger(&mut self, books: &mut Books<'_>) -> bool {
        match self.keyed.largest() {
            Some(key) if self.keyed.bytes() >= self.talk_bytes => self.forget_of(Some(&key), books),
            _ => self.forget_of(None, books),
        }
    }

    /// Says whether there was anything to forget.
    fn forget_oldest(&mut self, books: &mut Books<'_>) -> bool {
        let (talk, keyed) = (self.talk.front(), self.keyed.oldest());
        let is_keyed =
            keyed.is_some_and(|keyed| talk.is_none_or(|talk| keyed.offset < talk.offset));
        let key = keyed
            .filter(|_| is_keyed)
            .and_then(Kept::key)
            .map(str::to_owned);
        self.forget_of(key.as_deref(), books)
    }

    /// Forgets the oldest message of a key, or of those without one. Says whether there was one.
    fn forget_of(&mut self, key: Option<&str>, books: &mut Books<'_>) -> bool {
        let oldest = match key {
            Some(key) => self.keyed.pop_of(key),
            None => self.talk.pop_front(),
        };
        let Some(oldest) = oldest else {
            return false;
        };
        let bytes = held_bytes(&oldest);
        if key.is_none() {
            self.talk_bytes -= bytes;
        }
        self.count(oldest.owner, |held| held - bytes, books);
        self.whole_after = self.whole_after.max(oldest.offset);
        let spare = oldest.into_spare();
        if spare.capacity() <= SPARE_BYTES {
            self.spare = spare;
        }
        true
    }

    pub(super) fn forget_expired(
        &mut self,
        now_ms: u64,
        books: &mut Books<'_>,
        limits: &RoomLimits,
    ) {
        let is_expired = |kept: &Kept| limits.history_time.after(kept.kept_ms) <= now_ms;
        while self.talk.front().is_some_and(is_expired)
            || self.keyed.oldest().is_some_and(is_expired)
        {
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
        let owned = self.by_owner.entry(owner).or_default();
        let after = change(owned.bytes);
        books.ledger.on_messages(owner, books.room, owned, after);
        if after == 0 {
            self.by_owner.remove(&owner);
        }
    }

    /// Somebody else whose messages are remembered.
    pub(super) fn owned_by_other(&self, owner: OwnerId) -> Option<OwnerId> {
        let mut owners = self.by_owner.keys().copied();
        owners.find(|other| *other != owner)
    }

    /// The messages after `offset`, if all of them are still here.
    pub(super) fn all_after(&self, offset: u64) -> Option<impl Iterator<Item = Message<'_>>> {
        let is_whole = self.whole_after <= offset;
        is_whole.then(|| self.after(offset))
    }

    /// Whether a page of `limit` messages is as it would be if all were still here.
    pub(super) fn is_whole_page(&self, page: &[Message<'_>], limit: usize) -> bool {
        let oldest = page.first().and_then(|message| message.offset);
        let is_full = page.len() == limit && oldest.is_some_and(|oldest| self.whole_after < oldest);
        self.whole_after == 0 || is_full
    }

    /// The messages after `offset` that are still here.
    fn after(&self, offset: u64) -> impl Iterator<Item = Message<'_>> {
        self.kept_after(offset).map(Kept::view)
    }

    fn kept_after(&self, offset: u64) -> impl Iterator<Item = &Kept> {
        let from = self.talk.partition_point(|kept| kept.offset <= offset);
        let talk = self.talk.range(from..);
        merged(talk, self.keyed.after(offset), |one, other| one < other)
    }

    /// All messages, in the order of their offsets.
    pub(super) fn all(&self) -> impl Iterator<Item = &Kept> {
        merged(self.talk.iter(), self.keyed.all(), |one, other| one < other)
    }

    /// The newest `limit` messages before the offset `before`, oldest first, and whether there are older ones.
    pub(super) fn before(&self, before: u64, limit: usize) -> (Vec<Message<'_>>, bool) {
        let talk = self.talk_before(before).rev();
        let keyed = self.keyed.before(before).rev();
        let mut newest = merged(talk, keyed, |one, other| one > other).map(Kept::view);
        let mut messages: Vec<Message<'_>> = newest.by_ref().take(limit).collect();
        messages.reverse();
        (messages, newest.next().is_some())
    }

    /// The newest `count` messages without a key of these offsets, and no more of those with one, as many of each.
    pub(super) fn newest(&self, offsets: Range<u64>, count: usize) -> Vec<Message<'_>> {
        let talk = self.talk_before(offsets.end).rev();
        let talk = talk.take_while(|kept| kept.offset >= offsets.start);
        let talk: Vec<&Kept> = talk.take(count).collect();
        let keyed = self.keyed.newest_of_each(&offsets, count).into_iter();
        merged(talk.into_iter().rev(), keyed, |one, other| one < other)
            .map(Kept::view)
            .collect()
    }

    fn talk_before(&self, before: u64) -> std::collections::vec_deque::Iter<'_, Kept> {
        let end = self.talk.partition_point(|kept| kept.offset < before);
        self.talk.range(..end)
    }

    /// Whether all messages of such keys that were kept after a time are here, and not too many of them for one answer.
    pub(super) fn is_whole_since(&self, keys: &KeyPatterns, after_ms: u64) -> bool {
        // Older ones with a key may be left, of which others are missing that came later.
        let oldest = self.kept_after(self.whole_after).next();
        let is_whole = self.whole_after == 0 || oldest.is_some_and(|it| it.kept_ms <= after_ms);
        let count = match keys.exact() {
            Some(keys) => keys.iter().map(|key| self.keyed.count_of(key)).sum(),
            None => self.keyed.count(),
        };
        is_whole && count <= MAX_SERIES_MESSAGES
    }

    /// The messages of such keys that were kept after a time, the oldest of each key first; of more than
    /// `MAX_SERIES_MESSAGES` the newest. What others have is not looked at if the keys are named one by one.
    pub(super) fn keyed_since(
        &self,
        keys: &KeyPatterns,
        after_ms: u64,
    ) -> impl ExactSizeIterator<Item = Message<'_>> {
        let is_late = |kept: &&Kept| kept.kept_ms > after_ms;
        let late: Vec<&Kept> = match keys.exact() {
            Some(keys) => {
                let each = MAX_SERIES_MESSAGES / keys.len();
                let of_key = |key| self.keyed.newest_of(key).take(each).take_while(is_late);
                keys.into_iter().flat_map(of_key).collect()
            }
            None => {
                let newest = self.keyed.all().rev().take(MAX_SERIES_MESSAGES);
                newest.take_while(is_late).collect()
            }
        };
        late.into_iter().rev().map(Kept::view)
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
        let mut latest = self.latest_beside_state(offset);
        let beside: BTreeSet<&str> = latest.iter().filter_map(|message| message.key).collect();
        let state = self.retained.values().map(Kept::view);
        let state = state.filter(|it| it.offset > Some(offset));
        let state: Vec<_> = state
            .filter(|it| it.key.is_some_and(|key| !beside.contains(key)))
            .collect();
        latest.extend(state);
        latest.sort_unstable_by_key(|message| message.offset);
        latest
    }

    /// The same without those that are the state of their key: whoever is told the state knows them.
    pub(super) fn latest_beside_state(&self, offset: u64) -> Vec<Message<'_>> {
        let beside = self.keyed.changed_after(offset).filter(|(key, last)| {
            let state = self.retained.get(key);
            state.is_none_or(|state| state.offset < *last)
        });
        let mut fresh: Vec<Message<'_>> = beside
            .filter_map(|(_, last)| self.keyed.get(last))
            .map(Kept::view)
            .collect();
        fresh.sort_unstable_by_key(|message| message.offset);
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
        self.talk.is_empty() && self.keyed.is_empty() && self.retained.is_empty()
    }

    /// When the newest message was kept.
    pub(super) fn newest_ms(&self) -> Option<u64> {
        let newest = self.talk.back().into_iter().chain(self.keyed.newest());
        newest.map(|kept| kept.kept_ms).max()
    }

    /// Checks that the bytes are counted right, and that nothing is missing that should be here. Gives the bytes of messages
    /// by owner.
    pub(super) fn check(
        &self,
        last: u64,
        limits: &RoomLimits,
    ) -> Result<&BTreeMap<OwnerId, OwnedMessages>, String> {
        use crate::core::ensure::ensure;
        self.keyed.check(limits.history)?;
        let talk_bytes: usize = self.talk.iter().map(held_bytes).sum();
        ensure(talk_bytes == self.talk_bytes, "a history is miscounted")?;
        let mut by_owner: BTreeMap<OwnerId, usize> = BTreeMap::new();
        for kept in self.talk.iter().chain(self.keyed.all()) {
            *by_owner.entry(kept.owner).or_default() += held_bytes(kept);
        }
        let owned = self
            .by_owner
            .iter()
            .map(|(owner, owned)| (*owner, owned.bytes));
        ensure(owned.eq(by_owner), "what somebody has said is miscounted")?;
        ensure(
            self.talk.len() <= limits.history && self.message_bytes() <= limits.history_bytes,
            "a history is longer than it may be",
        )?;
        let recent = self
            .after(self.whole_after)
            .filter_map(|message| message.offset);
        ensure(
            recent.eq(self.whole_after + 1..=last),
            "a history has a hole",
        )?;
        Ok(&self.by_owner)
    }
}

/// Bytes of memory of a message.
fn held_bytes(kept: &Kept) -> usize {
    match kept.key() {
        Some(_) => keyed::held_bytes(kept),
        None => kept.held_bytes(),
    }
}

/// Two lists of messages as one, in the order that both are in.
fn merged<'a>(
    talk: impl Iterator<Item = &'a Kept>,
    keyed: impl Iterator<Item = &'a Kept>,
    is_first: impl Fn(u64, u64) -> bool,
) -> impl Iterator<Item = &'a Kept> {
    let (mut talk, mut keyed) = (talk.peekable(), keyed.peekable());
    std::iter::from_fn(move || match (talk.peek(), keyed.peek()) {
        (Some(one), Some(other)) if is_first(other.offset, one.offset) => keyed.next(),
        (Some(_), _) => talk.next(),
        (None, _) => keyed.next(),
    })
}
