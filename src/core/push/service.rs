//! What waits for one push service, and how many calls may be on their way to it.

use std::collections::BTreeSet;

use super::rank::{Rank, Turn};
use crate::limits::MAX_PUSH_CALLS_EACH;

/// How long a service holds a thread, by the last call to it that has come to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// It was not called yet.
    #[default]
    New,
    Quick,
    Slow,
}

impl Pace {
    pub(super) const COUNT: usize = 3;
}

/// Services of which one may be called whenever another may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    New,
    Slow,
    /// Those to which so many calls are on their way.
    Quick(usize),
}

impl Group {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let quick = (0..MAX_PUSH_CALLS_EACH).map(Self::Quick);
        [Self::New, Self::Slow].into_iter().chain(quick)
    }
}

/// What waits for one push service.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) turns: BTreeSet<Turn>,
    /// Calls on their way.
    pub(super) leaving: usize,
    pub(super) pace: Pace,
    /// Until when it wants to be left alone, in milliseconds of `Now::ms`.
    pub(super) paused_ms: u64,
    /// The calls that were counted, and for which pace.
    pub(super) counted: (Pace, usize),
    /// Those under which it is ready.
    pub(super) ready: Vec<(Group, Rank, u64)>,
    /// When it came to have nothing to do, among others.
    pub(super) idle: Option<u64>,
}

impl Service {
    /// `None`: as many calls are on their way to it as may be.
    pub(super) fn group(&self) -> Option<Group> {
        match self.pace {
            Pace::New => (self.leaving == 0).then_some(Group::New),
            Pace::Slow => (self.leaving == 0).then_some(Group::Slow),
            Pace::Quick => {
                let has_place = self.leaving < MAX_PUSH_CALLS_EACH;
                has_place.then_some(Group::Quick(self.leaving))
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.leaving == 0
    }

    pub(super) fn first(&self, rank: Rank) -> Option<Turn> {
        let first = self.turns.range((rank, 0, 0)..).next();
        first.copied().filter(|turn| turn.0 == rank)
    }
}
