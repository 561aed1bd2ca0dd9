//! What is known of push, and what is to be kept in Redis.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::redis::pushed::{Kind, Name, Version};

/// What is known of push, and what is to be kept.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    pub(super) is_on: bool,
    /// Nothing that is said on the channel is missed.
    pub(super) is_heard: bool,
    /// The server was told that nothing can be kept.
    pub(super) is_away: bool,
    /// Up to which change the server knows all.
    pub(super) known: Option<Version>,
    /// Something was missed since: all is to be read.
    pub(super) has_gap: bool,
    /// The version that Redis had when it was asked last, if that is not known.
    pub(super) missed: Option<Version>,
    pub(super) reading: Option<Reading>,
    pub(super) readings: u64,
    /// What is to be kept, until Redis has it.
    pub(super) unkept: BTreeMap<Name, Unkept>,
    pub(super) serial: u64,
    /// What of it is on its way.
    pub(super) sent: BTreeSet<Name>,
    /// When the version is compared next.
    pub(super) compare_ms: Option<u64>,
    /// When what was refused is sent again.
    pub(super) again_ms: Option<u64>,
}

/// All that is kept is read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// The version when it began.
    pub(super) from: Option<Version>,
    pub(super) heard: Heard,
}

#[derive(Debug)]
pub(super) struct Unkept {
    /// `None`: it is to be forgotten.
    pub(super) text: Option<Box<str>>,
    /// It was lost, and what is there already stays.
    pub(super) is_back: bool,
    pub(super) serial: u64,
}

/// What Redis was asked about push.
#[derive(Debug)]
pub(super) enum Asked {
    Keep {
        name: Name,
        serial: u64,
    },
    Page {
        reading: u64,
    },
    /// `known`: the version that the server knew then.
    Compare {
        known: u64,
    },
}

/// What has come on the channel while all is read: a part of that may be older.
#[derive(Debug, Default)]
pub(super) struct Heard {
    names: BTreeMap<Name, Version>,
    /// The first and the last version.
    span: Option<(u64, Version)>,
    /// Something was missed between them.
    has_hole: bool,
}

impl Heard {
    pub(super) fn add(&mut self, version: Version, name: Name) {
        let first = match &self.span {
            Some((first, last)) => {
                self.has_hole |= last.epoch != version.epoch || last.number + 1 != version.number;
                *first
            }
            None => version.number,
        };
        self.span = Some((first, version.clone()));
        self.names.insert(name, version);
    }

    /// Whether this was another after it was read at a version.
    pub(super) fn is_backer(&self, name: &Name, read_at: &Version) -> bool {
        let heard = self.names.get(name);
        heard.is_some_and(|it| it.epoch != read_at.epoch || it.number > read_at.number)
    }

    /// Up to where all is known that was read from a version on; `None` if something was missed.
    pub(super) fn end(&self, from: Version) -> Option<Version> {
        match &self.span {
            None => Some(from),
            Some((first, last)) => {
                let follows = last.epoch == from.epoch && *first <= from.number + 1;
                let number = last.number.max(from.number);
                (follows && !self.has_hole).then_some(Version { number, ..from })
            }
        }
    }
}
