//! Who waits for the store to read, and what each is told then.

use std::collections::{BTreeMap, VecDeque};

use serde_json::value::RawValue;

use crate::core::chat::{Chart, RoomId, RoomName, Selection};
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::store::{Excerpt, Ticket};
use crate::limits::{MAX_UNANSWERED, STORE_TIMEOUT_MS};

/// Who is told what the store has read.
#[derive(Debug)]
pub(super) enum Reader {
    /// A member who has come back to a room.
    Member(Returning),
    /// Who has sent `history`.
    Command {
        id: ConnectionId,
        page: Page,
        echo: Option<Box<RawValue>>,
    },
    /// Who has sent a request for messages.
    Request { reply: Box<Reply>, page: Page },
}

/// A member who has come back to a room, and has missed more than it remembers.
#[derive(Debug)]
pub(super) struct Returning {
    pub(super) id: ConnectionId,
    pub(super) room: RoomId,
    pub(super) selection: Selection,
    pub(super) chart: Option<Chart>,
    /// The id of the command at the JSON door.
    pub(super) echo: Option<Box<RawValue>>,
    /// What was read so far: meanwhile the room may have gone on beyond what it remembers.
    pub(super) found: Excerpt,
}

/// A page of the history of a room, or of what was found in it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) room: RoomName,
    /// The words that are looked for.
    pub(super) query: Option<Box<str>>,
    pub(super) before: u64,
    pub(super) limit: usize,
}

/// All who wait for the store to read.
#[derive(Debug, Default)]
pub(super) struct Readers {
    by_ticket: BTreeMap<Ticket, Reader>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
}

impl Readers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    /// Whether one more is answered from what the server remembers.
    pub(super) fn is_full(&self) -> bool {
        self.by_ticket.len() >= MAX_UNANSWERED
    }

    pub(super) fn add(&mut self, ticket: Ticket, reader: Reader, now_ms: u64) {
        self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
        self.by_ticket.insert(ticket, reader);
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Reader> {
        self.by_ticket.remove(&ticket)
    }

    /// One who has waited for too long.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Reader> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.by_ticket.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(reader) = self.by_ticket.remove(&ticket) {
                return Some(reader);
            }
        }
        None
    }

    /// When the next one has waited for too long.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }
}
