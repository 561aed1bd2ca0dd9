//! Values that must keep coming, and values that end: when each is to be looked at.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::codec::freshness::Freshness;
use crate::limits::VIGIL_RETRY_MS;

/// What is known of how long a value is good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vigil {
    /// Seconds within which another has to come; 0: none has to.
    expect: u32,
    /// Seconds after which it is removed; 0: it stays.
    ttl: u32,
    /// When it was set.
    set_ms: u64,
    /// When something came with its key last, and at which offset.
    heard_ms: u64,
    pub(super) heard: u64,
    /// It was told that nothing came after this offset; 0 for none.
    told: u64,
    /// Something was said of it, and it is looked at again then, and not before; `NEVER` if nothing was.
    again_ms: u64,
    /// Its entry in the list of deadlines, which may be too early; `NEVER`: it has none.
    listed_ms: u64,
}

const NEVER: u64 = u64::MAX;

/// What has come with a key, as another server is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeardState {
    offset: u64,
    at_ms: u64,
    told: u64,
}

impl Vigil {
    /// That of a value that is set, where this was that of the one before.
    pub(super) fn new(
        Freshness { expect, ttl }: Freshness,
        (offset, now_ms): (u64, u64),
        before: Option<Self>,
    ) -> Self {
        Self {
            expect: expect.unwrap_or(before.map_or(0, |it| it.expect)),
            ttl: ttl.unwrap_or(0),
            set_ms: now_ms,
            heard_ms: now_ms,
            heard: offset,
            told: 0,
            again_ms: before.map_or(NEVER, |it| it.again_ms),
            listed_ms: before.map_or(NEVER, |it| it.listed_ms),
        }
    }

    /// Another value is expected.
    pub(super) fn expects(&self) -> bool {
        self.expect > 0
    }

    /// What can be said of a value so that it is kept as this one is.
    pub(super) fn freshness(&self) -> Freshness {
        let said = |seconds| Some(seconds).filter(|it| *it > 0);
        Freshness {
            expect: said(self.expect),
            ttl: said(self.ttl),
        }
    }

    /// Something has come with its key.
    pub(super) fn hear(&mut self, offset: u64, now_ms: u64) {
        if offset > self.heard {
            (self.heard, self.heard_ms) = (offset, now_ms);
        }
    }

    /// What another server is to know of what has come, if it cannot know it from the value.
    pub(super) fn heard_state(&self) -> Option<HeardState> {
        self.expects().then_some(HeardState {
            offset: self.heard,
            at_ms: self.heard_ms,
            told: self.told,
        })
    }

    /// Goes on with what another server has heard.
    pub(super) fn resume(&mut self, state: HeardState) {
        self.hear(state.offset, state.at_ms);
        self.told = state.told;
    }

    pub(super) fn silent_ms(&self) -> u64 {
        match self.expects() && self.told != self.heard {
            true => self.heard_ms.saturating_add(1000 * u64::from(self.expect)),
            false => NEVER,
        }
    }

    pub(super) fn ends_ms(&self) -> u64 {
        match self.ttl {
            0 => NEVER,
            ttl => self.set_ms.saturating_add(1000 * u64::from(ttl)),
        }
    }

    /// Nothing was said of it lately that it waits for the effect of.
    pub(super) fn is_free(&self, now_ms: u64) -> bool {
        self.again_ms == NEVER || self.again_ms <= now_ms
    }

    /// Something is to be said of it now, and it is looked at again; or nothing is.
    pub(super) fn on_looked_at(&mut self, is_said: bool, now_ms: u64) {
        self.again_ms = match is_said {
            true => now_ms + VIGIL_RETRY_MS,
            false => NEVER,
        };
    }

    /// What was to be said of it is said.
    pub(super) fn on_said(&mut self) {
        self.again_ms = NEVER;
    }

    /// It was told that nothing came after this offset.
    pub(super) fn on_told(&mut self, offset: u64) {
        self.told = offset;
    }

    /// Its entry in the list is taken.
    pub(super) fn on_taken(&mut self) {
        self.listed_ms = NEVER;
    }

    /// Whether it is in the list of deadlines.
    pub(super) fn is_listed(&self) -> bool {
        self.listed_ms != NEVER
    }

    /// When something is to be said of it.
    pub(super) fn due_ms(&self) -> u64 {
        match self.again_ms {
            NEVER => self.silent_ms().min(self.ends_ms()),
            again_ms => again_ms,
        }
    }
}

/// The values of all rooms by when they are to be looked at, and what was found.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(u64, usize, Rc<str>)>,
    /// Keys that are told to be silent though something came or their value was removed, by room.
    heard: BTreeSet<(usize, Rc<str>)>,
    /// Those whose value was removed, and of which that was said: when each is looked at again.
    removed: BTreeSet<(u64, usize, Rc<str>)>,
}

impl Deadlines {
    /// A value of a room is to be looked at when it is due. One that is due later than before keeps its entry.
    pub(super) fn list(&mut self, room: usize, key: &Rc<str>, vigil: &mut Vigil) {
        let due_ms = vigil.due_ms();
        if due_ms < vigil.listed_ms {
            self.delist(room, key, vigil);
            vigil.listed_ms = due_ms;
            self.due.insert((due_ms, room, Rc::clone(key)));
        }
    }

    /// It is not there any more.
    pub(super) fn delist(&mut self, room: usize, key: &Rc<str>, vigil: &mut Vigil) {
        if vigil.listed_ms != NEVER {
            self.due.remove(&(vigil.listed_ms, room, Rc::clone(key)));
            vigil.listed_ms = NEVER;
        }
    }

    /// Something came with a key that is told to be silent, or it has no value any more.
    pub(super) fn on_heard(&mut self, room: usize, key: &Rc<str>) {
        self.heard.insert((room, Rc::clone(key)));
    }

    /// The next that is to be looked at by now: its room and its key, and whether its entry is taken.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<(usize, Rc<str>, bool)> {
        if let Some((room, key)) = self.heard.pop_first() {
            return Some((room, key, false));
        }
        let is_due = |list: &BTreeSet<(u64, usize, Rc<str>)>| {
            list.first().is_some_and(|(due_ms, ..)| *due_ms <= now_ms)
        };
        if is_due(&self.removed) {
            let (_, room, key) = self.removed.pop_first()?;
            return Some((room, key, false));
        }
        if !is_due(&self.due) {
            return None;
        }
        let (_, room, key) = self.due.pop_first()?;
        Some((room, key, true))
    }

    /// It was said that a key without a value is not silent: it is looked at again in case that does not succeed.
    pub(super) fn look_again(&mut self, room: usize, key: &Rc<str>, now_ms: u64) {
        let again_ms = now_ms + VIGIL_RETRY_MS;
        self.removed.insert((again_ms, room, Rc::clone(key)));
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        if !self.heard.is_empty() {
            return Some(0);
        }
        let first =
            |list: &BTreeSet<(u64, usize, Rc<str>)>| list.first().map(|(due_ms, ..)| *due_ms);
        first(&self.due)
            .into_iter()
            .chain(first(&self.removed))
            .min()
    }

    /// How many entries there are, for the check.
    pub(super) fn count(&self) -> usize {
        self.due.len()
    }

    /// Whether there is this entry, for the check.
    pub(super) fn has(&self, room: usize, key: &Rc<str>, vigil: &Vigil) -> bool {
        self.due.contains(&(vigil.listed_ms, room, Rc::clone(key)))
    }
}
