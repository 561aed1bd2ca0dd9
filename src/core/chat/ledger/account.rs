//! What is counted for one owner.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::chat::ledger::entry::{Holdings, StateKey};
use crate::core::chat::owner::Owner;
use crate::core::pace::TokenBucket;

#[derive(Debug, Default)]
pub(super) struct Account {
    /// `None` of all who have no account of their own.
    pub(super) owner: Option<Owner>,
    /// Rooms that it has begun.
    pub(super) rooms: usize,
    /// Those that nobody is in, without and with state, the least recently used first.
    pub(super) dormant: [BTreeSet<(u64, usize)>; 2],
    /// Bytes of its messages that rooms remember.
    pub(super) message_bytes: usize,
    /// Those rooms, those that remember most of it first, of one size class those that have been in it longest.
    pub(super) messages: BTreeMap<(Reverse<u32>, u64), usize>,
    /// Bytes of its values that are the state of keys.
    pub(super) state_bytes: usize,
    /// Those values, the largest first, of one size class the least recently used.
    pub(super) state: BTreeMap<(Reverse<u32>, u64), StateKey>,
    pub(super) begins: TokenBucket,
    pub(super) posts: TokenBucket,
    /// On the list of those that may be closed.
    pub(super) is_idle: bool,
}

impl Account {
    pub(super) fn holds_nothing(&self) -> bool {
        self.rooms == 0 && self.message_bytes == 0 && self.state.is_empty()
    }

    /// Nothing of what it has done counts any more.
    pub(super) fn is_as_new(&self, now_ms: u64) -> bool {
        self.begins.is_full(now_ms) && self.posts.is_full(now_ms)
    }

    pub(super) fn holdings(&self) -> Holdings {
        Holdings {
            owner: self.owner.clone(),
            rooms: self.rooms,
            message_bytes: self.message_bytes,
            state_bytes: self.state_bytes,
        }
    }
}
