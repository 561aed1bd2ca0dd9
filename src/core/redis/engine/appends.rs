//! Messages of this node that are not known to be published.

use std::collections::{BTreeMap, VecDeque};

use crate::core::store::{Append, Ticket};

/// Those that Redis has, or that wait for it.
#[derive(Debug, Default)]
pub(super) struct Appends {
    /// The room of each.
    pub(super) by_ticket: BTreeMap<Ticket, Box<str>>,
    /// The messages, where they may have to be sent again.
    pub(super) messages: BTreeMap<Ticket, Append>,
    /// When each is refused that waits, the earliest first.
    pub(super) due: VecDeque<(u64, Ticket)>,
}

impl Appends {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// One is answered. Says whether it was not before.
    pub(super) fn take(&mut self, ticket: Ticket) -> bool {
        self.messages.remove(&ticket);
        self.by_ticket.remove(&ticket).is_some()
    }
}
