//! Where it is counted what one room remembers, and of whom.

use crate::codec::freshness::Freshness;
use crate::core::chat::ledger::Ledger;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::vigil::Deadlines;

pub(super) struct Books<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) deadlines: &'a mut Deadlines,
    pub(super) room: usize,
}

/// What is known of a message when it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) offset: u64,
    /// Whom it is counted for.
    pub(super) owner: OwnerId,
    pub(super) now_ms: u64,
    /// How long it is good for as the state of its key.
    pub(super) freshness: Freshness,
}
