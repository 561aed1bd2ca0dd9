//! Messages of this node that are not known to be published.

use std::collections::{BTreeMap, VecDeque};

use crate::core::redis::room::Position;
use crate::core::store::{Append, Ticket};

/// Those that Redis has, or that wait for it.
#[derive(Debug, Default)]
pub(super) struct Appends {
    /// The room of each.
    pub(super) by_ticket: BTreeMap<Ticket, Box<str>>,
    /// Where those of each room are that were published, and are not on its channel yet.
    published: BTreeMap<Box<str>, BTreeMap<Ticket, Position>>,
    /// The messages, where they may have to be sent again.
    pub(super) messages: BTreeMap<Ticket, Append>,
    /// When each is refused that waits, the earliest first.
    pub(super) due: VecDeque<(u64, Ticket)>,
}

impl Appends {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// One was published here. Gives its room, unless it is answered already.
    pub(super) fn publish(&mut self, ticket: Ticket, place: Position) -> Option<Box<str>> {
        let room = self.by_ticket.get(&ticket)?.clone();
        let places = self.published.entry(room.clone()).or_default();
        places.insert(ticket, place);
        Some(room)
    }

    /// Those of a room that were published, and are not on its channel yet.
    pub(super) fn published(&self, room: &str) -> BTreeMap<Ticket, Position> {
        self.published.get(room).cloned().unwrap_or_default()
    }

    /// One is answered. Says whether it was not before.
    pub(super) fn take(&mut self, ticket: Ticket) -> bool {
        self.messages.remove(&ticket);
        let Some(room) = self.by_ticket.remove(&ticket) else {
            return false;
        };
        if let Some(places) = self.published.get_mut(&room) {
            places.remove(&ticket);
            if places.is_empty() {
                self.published.remove(&room);
            }
        }
        true
    }
}
