//! What the ledger is written in.

use std::rc::Rc;

use crate::core::chat::owner::Owner;

/// Names an owner for as long as something is counted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct OwnerId(pub(super) u32);

impl OwnerId {
    /// All for whom there is no account of their own.
    pub(in crate::core::chat) const OTHERS: Self = Self(0);
}

/// Where the state of a key is kept.
pub(in crate::core::chat) type StateKey = (usize, Rc<str>);

/// What one owner holds, for those who run the parlor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct Holdings {
    /// `None` for all who have no account of their own.
    pub(in crate::core) owner: Option<Owner>,
    pub(in crate::core) rooms: usize,
    pub(in crate::core) message_bytes: usize,
    pub(in crate::core) state_bytes: usize,
}

/// When a room that nobody is in was used last, and whether it holds state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core::chat) struct Dormant {
    pub(super) has_state: bool,
    pub(super) used: u64,
}

/// What a room remembers of one owner's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::core::chat) struct OwnedMessages {
    pub(in crate::core::chat) bytes: usize,
    /// Since when it has been of its size class.
    pub(super) classed_at: u64,
}

/// The number of bits of a size: a step for each doubling.
pub(super) fn class(bytes: usize) -> u32 {
    usize::BITS - bytes.leading_zeros()
}
