//! The parts of snapshots: kept as long as they are used, within a limit of bytes.
//!
//! There are two generations. A part that is used is young. Every few seconds, or when the young ones take half of the
//! memory, the young become the old, and old ones that were not used since are dropped.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use crate::core::chat::{Format, PersonId, Reading, RoomId, Window};
use crate::core::ensure::ensure;
use crate::core::net::frames::{FrameKind, Frames};
use crate::limits::{PART_OVERHEAD, SNAPSHOT_MS};

/// The form of a part's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Form {
    /// Items of a list in JSON.
    Json,
    /// The same, as a piece of a compressed message.
    Deflated,
    /// The same for a small window.
    DeflatedNarrow,
    /// Server-Sent Events that move their reader's position.
    Events,
    /// Server-Sent Events that do not: the state of keys.
    StateEvents,
    /// Server-Sent Events from which readers of several rooms get those that they want.
    Feed,
    /// WebSocket messages as they were sent.
    Plain,
    /// The same, compressed.
    PlainDeflated,
    /// The same for a small window.
    PlainDeflatedNarrow,
    /// Lines of text.
    Lines,
}

impl Form {
    /// The form of messages that are not items of a list.
    pub(in crate::core) fn of_messages(reading: Reading) -> Self {
        match reading.format {
            Format::Plain => Self::Plain,
            Format::PlainDeflated if reading.is_narrow => Self::PlainDeflatedNarrow,
            Format::PlainDeflated => Self::PlainDeflated,
            Format::Events => Self::Events,
            Format::Feed => Self::Feed,
            Format::Lines => Self::Lines,
            Format::Json | Format::JsonDeflated => Self::Json,
        }
    }

    /// The compressed form of items, for readers that have agreed to it.
    pub(super) fn deflated(self, reading: Reading) -> Option<Self> {
        match (self, reading.format) {
            (Self::Json, Format::JsonDeflated) if reading.is_narrow => Some(Self::DeflatedNarrow),
            (Self::Json, Format::JsonDeflated) => Some(Self::Deflated),
            _ => None,
        }
    }

    pub(super) fn kind(self) -> FrameKind {
        match self {
            Self::Json | Self::Deflated | Self::DeflatedNarrow => FrameKind::Middle,
            Self::Events | Self::StateEvents | Self::Feed => FrameKind::Event,
            Self::Plain | Self::PlainDeflated | Self::PlainDeflatedNarrow => FrameKind::Data,
            Self::Lines => FrameKind::Line,
        }
    }
}

/// Which part it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) room: RoomId,
    pub(super) what: PartKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PartKind {
    /// The state of all keys.
    State,
    /// The numbers of each key.
    Series(Window),
    /// The listed members.
    Members,
    /// Messages: their source, the first and the last offset, and how many there are.
    Run(MessageSource, u64, u64, usize),
}

/// Where messages come from. As the state of its key a message may hold more than when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) enum MessageSource {
    /// The room's history.
    History,
    /// The state of keys.
    State,
}

/// What a part was made of. It is used again only for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The version of the state of keys.
    Version(u64),
    /// The newest offset, and the second.
    Moment(u64, u64),
    /// The listed members, and the version of their names.
    People(Box<[PersonId]>, u64),
    /// The messages, which never change.
    Offsets(Box<[u64]>),
}

#[derive(Debug)]
pub(super) struct Parts {
    young: Generation,
    old: Generation,
    max_bytes: usize,
    /// When the young become the old, in the milliseconds of `Now::ms`.
    turn_ms: u64,
}

#[derive(Debug, Default)]
struct Generation {
    parts: BTreeMap<Key, Part>,
    /// Bytes of memory, overhead included.
    bytes: usize,
}

#[derive(Debug)]
struct Part {
    identity: Identity,
    forms: Vec<(Form, Rc<Frames>)>,
}

impl Parts {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            max_bytes,
            turn_ms: u64::MAX,
        }
    }

    /// A part in this form, if it was made of the same.
    pub(super) fn find(&mut self, key: Key, identity: &Identity, form: Form) -> Option<Rc<Frames>> {
        let part = self.renew(key, identity)?;
        let found = part.forms.iter().find(|(made, _)| *made == form);
        found.map(|(_, frames)| Rc::clone(frames))
    }

    /// Keeps a new part, unless it takes too much memory.
    pub(super) fn keep(
        &mut self,
        key: Key,
        identity: Identity,
        form: Form,
        frames: &Rc<Frames>,
        now_ms: u64,
    ) {
        let bytes = frames.held_bytes() + PART_OVERHEAD;
        if bytes > self.max_bytes / 2 {
            return;
        }
        if self.is_empty() {
            self.turn_ms = now_ms + SNAPSHOT_MS;
        }
        if self.young.bytes + bytes > self.max_bytes / 2 {
            self.turn(now_ms);
        }
        let is_known = self.renew(key, &identity).is_some();
        if self.young.bytes + bytes > self.max_bytes / 2 {
            return;
        }
        let made = (form, Rc::clone(frames));
        match self.young.parts.get_mut(&key).filter(|_| is_known) {
            Some(part) => {
                part.forms.push(made);
                self.young.bytes += bytes;
            }
            None => {
                let forms = vec![made];
                self.young.insert(key, Part { identity, forms });
            }
        }
    }

    /// Drops parts that have not been used for long enough.
    pub(super) fn run_deadlines(&mut self, now_ms: u64) {
        if self.turn_ms <= now_ms {
            self.turn(now_ms);
        }
    }

    /// When that is due next.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.turn_ms)
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
    }

    /// All frames that are held here.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let parts = self.young.parts.values().chain(self.old.parts.values());
        parts.flat_map(|part| part.forms.iter().map(|(_, frames)| frames))
    }

    /// Checks that the bytes are counted right, and within their limit.
    pub(super) fn check(&self) -> Result<(), String> {
        for generation in [&self.young, &self.old] {
            let bytes: usize = generation.parts.values().map(Part::bytes).sum();
            ensure(bytes == generation.bytes, "snapshots are miscounted")?;
            ensure(
                bytes <= self.max_bytes / 2,
                "snapshots take more than they may",
            )?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.young.parts.is_empty() && self.old.parts.is_empty()
    }

    /// The part, which becomes young, if it was made of the same. One that was made of something else is dropped.
    fn renew(&mut self, key: Key, identity: &Identity) -> Option<&mut Part> {
        if let Some(part) = self.old.remove(&key)
            && self.young.bytes + part.bytes() <= self.max_bytes / 2
        {
            self.young.insert(key, part);
        }
        if self
            .young
            .parts
            .get(&key)
            .is_some_and(|part| part.identity != *identity)
        {
            self.young.remove(&key);
        }
        self.young.parts.get_mut(&key)
    }

    fn turn(&mut self, now_ms: u64) {
        self.old = mem::take(&mut self.young);
        self.turn_ms = now_ms + SNAPSHOT_MS;
    }
}

impl Generation {
    fn insert(&mut self, key: Key, part: Part) {
        self.remove(&key);
        self.bytes += part.bytes();
        self.parts.insert(key, part);
    }

    fn remove(&mut self, key: &Key) -> Option<Part> {
        let part = self.parts.remove(key)?;
        self.bytes -= part.bytes();
        Some(part)
    }
}

impl Part {
    fn bytes(&self) -> usize {
        let forms = self.forms.iter();
        forms
            .map(|(_, frames)| frames.held_bytes() + PART_OVERHEAD)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::net::frames::Meter;

    const MEMBERS: PartKind = PartKind::Members;

    fn key(what: PartKind) -> Key {
        Key {
            room: RoomId::default(),
            what,
        }
    }

    fn keep(parts: &mut Parts, what: PartKind, version: u64, bytes: usize, now_ms: u64) {
        let frames = Frames::answer(vec![0; bytes], FrameKind::Middle, &Meter::default());
        parts.keep(
            key(what),
            Identity::Version(version),
            Form::Json,
            &frames,
            now_ms,
        );
        assert_eq!(parts.check(), Ok(()));
    }

    fn finds(parts: &mut Parts, what: PartKind, version: u64) -> bool {
        let found = parts.find(key(what), &Identity::Version(version), Form::Json);
        assert_eq!(parts.check(), Ok(()));
        found.is_some()
    }

    #[test]
    fn what_has_changed_is_not_handed_out() {
        let mut parts = Parts::new(1 << 20);
        keep(&mut parts, PartKind::State, 1, 100, 0);
        assert!(finds(&mut parts, PartKind::State, 1) && !finds(&mut parts, MEMBERS, 1));
        assert!(!finds(&mut parts, PartKind::State, 2));
        assert_eq!(parts.frames().count(), 0, "it is of no use any more");
        keep(&mut parts, PartKind::State, 2, 100, 0);
        let other = parts.find(key(PartKind::State), &Identity::Version(2), Form::Events);
        assert!(other.is_none(), "it was made in another form");
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut parts = Parts::new(1 << 20);
        assert_eq!(parts.next_deadline_ms(), None);
        keep(&mut parts, PartKind::State, 1, 100, 0);
        keep(&mut parts, MEMBERS, 1, 100, 0);
        for turn in 1..9 {
            let now_ms = parts.next_deadline_ms().unwrap();
            assert_eq!(now_ms, turn * SNAPSHOT_MS);
            parts.run_deadlines(now_ms);
            assert!(finds(&mut parts, PartKind::State, 1));
        }
        assert!(!finds(&mut parts, MEMBERS, 1));
        for _ in 0..2 {
            parts.run_deadlines(parts.next_deadline_ms().unwrap_or(u64::MAX));
        }
        assert_eq!(
            (parts.next_deadline_ms(), parts.frames().count()),
            (None, 0)
        );
    }

    #[test]
    fn they_take_no_more_than_they_may() {
        let mut parts = Parts::new(100_000);
        for first in 0..100 {
            let run = PartKind::Run(MessageSource::History, first, first, 1);
            keep(&mut parts, run, 1, 5_000, 0);
            assert!(finds(&mut parts, run, 1));
        }
        keep(&mut parts, PartKind::State, 1, 50_000, 0);
        assert!(
            !finds(&mut parts, PartKind::State, 1),
            "one alone would take half"
        );
        parts.clear();
        assert_eq!(parts.frames().count(), 0);
    }
}
