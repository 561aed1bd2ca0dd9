//! The messages with a key that a room remembers. Each key has a history of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;

use crate::core::chat::message::Kept;

/// What a message with a key costs beside its own bytes: its place among all of them, and among those of its key.
const PLACE_BYTES: usize = 128;

/// Messages with a key, in the order of their offsets, and which of them each key has.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    messages: BTreeMap<u64, Kept>,
    bytes: usize,
    keys: BTreeMap<Rc<str>, OfKey>,
    /// Keys by the offsets of their newest messages.
    by_newest: BTreeMap<u64, Rc<str>>,
    /// Keys by the bytes of their messages.
    by_bytes: BTreeSet<(usize, Rc<str>)>,
}

/// The messages of one key; there is one at least.
#[derive(Debug, Default)]
struct OfKey {
    offsets: VecDeque<u64>,
    bytes: usize,
}

/// Bytes of memory of a message with a key.
pub(super) fn held_bytes(kept: &Kept) -> usize {
    kept.held_bytes() + PLACE_BYTES
}

impl Keyed {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of memory of all messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> usize {
        self.messages.len()
    }

    /// The keys that have more messages than that.
    pub(super) fn keys_with_more_than(&self, most: usize) -> Vec<Rc<str>> {
        let long = self.keys.iter().filter(|(_, it)| it.offsets.len() > most);
        long.map(|(key, _)| Rc::clone(key)).collect()
    }

    /// How many messages a key has.
    pub(super) fn count_of(&self, key: &str) -> usize {
        self.keys.get(key).map_or(0, |of_key| of_key.offsets.len())
    }

    /// The key whose messages take most.
    pub(super) fn largest(&self) -> Option<Rc<str>> {
        self.by_bytes.last().map(|(_, key)| Rc::clone(key))
    }

    /// The bytes of a key, which its messages share.
    pub(super) fn shared(&self, key: &str) -> Rc<str> {
        let known = self.keys.get_key_value(key);
        known.map_or_else(|| key.into(), |(known, _)| Rc::clone(known))
    }

    /// Adds the newest message of all, of this key.
    pub(super) fn push(&mut self, key: Rc<str>, kept: Kept) {
        let bytes = held_bytes(&kept);
        let of_key = self.keys.entry(Rc::clone(&key)).or_default();
        if let Some(before) = of_key.offsets.back() {
            self.by_newest.remove(before);
        }
        self.by_newest.insert(kept.offset, Rc::clone(&key));
        self.by_bytes.remove(&(of_key.bytes, Rc::clone(&key)));
        of_key.bytes += bytes;
        of_key.offsets.push_back(kept.offset);
        self.by_bytes.insert((of_key.bytes, key));
        self.bytes += bytes;
        self.messages.insert(kept.offset, kept);
    }

    /// Takes the oldest message of a key out.
    pub(super) fn pop_of(&mut self, key: &str) -> Option<Kept> {
        let (key, _) = self.keys.get_key_value(key)?;
        let key = Rc::clone(key);
        let of_key = self.keys.get_mut(&key)?;
        let kept = self.messages.remove(&of_key.offsets.pop_front()?)?;
        let bytes = held_bytes(&kept);
        self.bytes -= bytes;
        self.by_bytes.remove(&(of_key.bytes, Rc::clone(&key)));
        of_key.bytes -= bytes;
        if of_key.offsets.is_empty() {
            self.by_newest.remove(&kept.offset);
            self.keys.remove(&key);
        } else {
            self.by_bytes.insert((of_key.bytes, key));
        }
        Some(kept)
    }

    pub(super) fn oldest(&self) -> Option<&Kept> {
        self.messages.first_key_value().map(|(_, kept)| kept)
    }

    pub(super) fn newest(&self) -> Option<&Kept> {
        self.messages.last_key_value().map(|(_, kept)| kept)
    }

    /// All messages, in their order.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.messages.values()
    }

    /// Those of a key, the newest first.
    pub(super) fn newest_of(&self, key: &str) -> impl Iterator<Item = &Kept> {
        let offsets = self.keys.get(key).map(|it| it.offsets.iter().rev());
        let offsets = offsets.into_iter().flatten();
        offsets.filter_map(|offset| self.get(*offset))
    }

    /// Those after an offset.
    pub(super) fn after(&self, offset: u64) -> impl DoubleEndedIterator<Item = &Kept> {
        self.messages.range(offset + 1..).map(|(_, kept)| kept)
    }

    /// Those before an offset.
    pub(super) fn before(&self, offset: u64) -> impl DoubleEndedIterator<Item = &Kept> {
        self.messages.range(..offset).map(|(_, kept)| kept)
    }

    /// The keys that have a message after an offset, each with the offset of its last.
    pub(super) fn changed_after(&self, offset: u64) -> impl Iterator<Item = (&str, u64)> {
        let late = self.by_newest.range(offset + 1..);
        late.map(|(last, key)| (&**key, *last))
    }

    pub(super) fn get(&self, offset: u64) -> Option<&Kept> {
        self.messages.get(&offset)
    }

    /// The newest of these offsets, as many of each key, and no more than so many in all: a key that is seldom heard of
    /// is among them. No more keys are looked at than that, but for those that have been heard of since.
    pub(super) fn newest_of_each(&self, offsets: &Range<u64>, count: usize) -> Vec<&Kept> {
        let late = self.by_newest.range(offsets.end..);
        let others = self.by_newest.range(offsets.clone()).rev().take(count);
        let of_keys = late.chain(others).filter_map(|(_, key)| {
            let all = &self.keys.get(key)?.offsets;
            let position = |at| all.partition_point(|offset| *offset < at);
            Some(all.range(position(offsets.start)..position(offsets.end)))
        });
        let of_keys: Vec<_> = of_keys.filter(|all| all.len() > 0).collect();
        let each = (count / of_keys.len().max(1)).max(1);
        let newest = of_keys.into_iter().flat_map(|all| all.rev().take(each));
        let mut newest: Vec<u64> = newest.copied().collect();
        newest.sort_unstable();
        let newest = &newest[newest.len().saturating_sub(count)..];
        newest
            .iter()
            .filter_map(|offset| self.get(*offset))
            .collect()
    }

    /// Checks that all that is known of messages is the same, and that no key has more than `most`.
    pub(super) fn check(&self, most: usize) -> Result<(), String> {
        use crate::core::ensure::ensure;
        let mut of_keys: BTreeMap<&str, (usize, Vec<u64>)> = BTreeMap::new();
        for (offset, kept) in &self.messages {
            ensure(kept.offset == *offset, "a message is in another's place")?;
            let (bytes, offsets) = of_keys.entry(kept.key().unwrap_or("")).or_default();
            *bytes += held_bytes(kept);
            offsets.push(*offset);
        }
        let total: usize = of_keys.values().map(|(bytes, _)| bytes).sum();
        ensure(total == self.bytes, "messages with a key are miscounted")?;
        let is_same = self.keys.len() == of_keys.len()
            && self.by_bytes.len() == of_keys.len()
            && self.by_newest.len() == of_keys.len()
            && self.keys.iter().all(|(key, of_key)| {
                of_keys.get(&**key).is_some_and(|(bytes, offsets)| {
                    of_key.bytes == *bytes
                        && of_key.offsets.iter().eq(offsets)
                        && offsets.last().and_then(|last| self.by_newest.get(last)) == Some(key)
                }) && self.by_bytes.contains(&(of_key.bytes, Rc::clone(key)))
                    && of_key.offsets.len() <= most
            });
        ensure(is_same, "the messages of a key are miscounted")
    }
}
