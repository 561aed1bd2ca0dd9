//! Who waits for the store: submissions, until it has answered, and whom to tell then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::value::RawValue;

use crate::core::chat::{Draft, RoomId, RoomName, Sender, Submission};
use crate::core::ensure::ensure;
use crate::core::file::FileId;
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::store::{Answer, Ticket};
use crate::limits::{MAX_UNANSWERED, STORE_TIMEOUT_MS};

/// Whom the outcome of a submission is told.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// Who has sent a command with this id.
    Json {
        id: ConnectionId,
        echo: Option<Box<RawValue>>,
    },
    /// Who has sent a line, and is told only what went wrong.
    Lines(ConnectionId),
    /// Who has sent a message as it is, and is closed if it is refused.
    Plain(ConnectionId),
    /// Who has sent a request.
    Http(Box<Reply>),
    /// Who has sent a payload, which has become several messages: this is the one in this place.
    Part { id: ConnectionId, place: usize },
    /// Who has sent a message for several rooms: this is the one in this place of these copies.
    Copy {
        id: ConnectionId,
        copies: CopiesId,
        place: usize,
    },
    /// Who has sent a file.
    File(Box<Reply>, FileId),
    /// Who hands over an export, of which this line is in this room.
    Import {
        id: ConnectionId,
        line: u64,
        room: RoomName,
    },
}

impl ReplyTo {
    fn connection(&self) -> ConnectionId {
        match self {
            Self::Json { id, .. }
            | Self::Lines(id)
            | Self::Plain(id)
            | Self::Part { id, .. }
            | Self::Copy { id, .. }
            | Self::Import { id, .. } => *id,
            Self::Http(reply) | Self::File(reply, _) => reply.id,
        }
    }

    /// It is told nothing before the store has answered, however long that takes: a slow disk slows an import.
    fn is_patient(&self) -> bool {
        matches!(self, Self::Import { .. })
    }
}

/// The copies of one message, which is for several rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CopiesId(pub(super) u64);

/// A submission that the store has not answered.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) room: RoomId,
    pub(super) submission: Submission,
    /// Several where the same message was sent again meanwhile; none once they were told that it takes too long.
    pub(super) publishers: Vec<ReplyTo>,
    /// It is in the list of those that are given up in time.
    is_due: bool,
}

/// The sender's own id of a message, in its room.
type Dedup = (RoomId, Sender, Box<str>);

/// All submissions that the store has not answered.
#[derive(Debug)]
pub(super) struct Waiting {
    by_ticket: BTreeMap<Ticket, Waiter>,
    by_dedup: BTreeMap<Dedup, Ticket>,
    /// How many each connection waits for.
    by_connection: BTreeMap<ConnectionId, usize>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
    bytes: usize,
    most_bytes: usize,
    /// Messages that are published already, and that the store has not written yet, with their bytes.
    behind: BTreeMap<Ticket, usize>,
    /// What the store has answered of rooms that are too far behind, in the order of each.
    deferred: BTreeMap<RoomId, VecDeque<Answer>>,
    /// Connections that are not read until there is place for more.
    held: Vec<ConnectionId>,
}

impl Waiting {
    /// A list whose submissions may hold so many bytes, and a message more.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            by_ticket: BTreeMap::new(),
            by_dedup: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            due: VecDeque::new(),
            bytes: 0,
            most_bytes,
            behind: BTreeMap::new(),
            deferred: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// From now on its submissions may hold so many bytes.
    pub(super) fn set_most_bytes(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }

    /// A message of so many bytes is published, and the store writes it behind.
    pub(super) fn add_behind(&mut self, ticket: Ticket, bytes: usize) {
        self.bytes += bytes;
        self.behind.insert(ticket, bytes);
    }

    /// The store has written it. Says whether it was one of these.
    pub(super) fn take_behind(&mut self, ticket: Ticket) -> bool {
        let bytes = self.behind.remove(&ticket);
        self.bytes -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    /// The store writes nothing any more.
    pub(super) fn forget_written_behind(&mut self) {
        let behind = std::mem::take(&mut self.behind);
        self.bytes -= behind.into_values().sum::<usize>();
    }

    /// All that the store has to answer.
    pub(super) fn tickets(&self) -> Vec<Ticket> {
        self.by_ticket.keys().copied().collect()
    }

    /// Everything that was published is written, and told.
    pub(super) fn is_written(&self) -> bool {
        self.behind.is_empty() && self.deferred.is_empty()
    }

    /// What the store has not answered: without that which it has, and whose room is too far behind for the answer.
    pub(super) fn unanswered(&self) -> Vec<Ticket> {
        let deferred = self.deferred.values().flatten().map(Answer::ticket);
        let deferred: BTreeSet<Ticket> = deferred.collect();
        let tickets = self.by_ticket.keys().copied();
        tickets.filter(|it| !deferred.contains(it)).collect()
    }

    /// Nobody waits, which is always so without a store.
    pub(super) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    /// Whether there is no place for another submission.
    pub(super) fn is_full(&self) -> bool {
        self.by_ticket.len() + self.behind.len() >= MAX_UNANSWERED || self.bytes > self.most_bytes
    }

    /// Whether there is place for half of what there may be, and no more.
    pub(super) fn is_half_full(&self) -> bool {
        self.by_ticket.len() + self.behind.len() >= MAX_UNANSWERED / 2
            || self.bytes > self.most_bytes / 2
    }

    /// A connection is not read until there is place.
    pub(super) fn hold(&mut self, id: ConnectionId) {
        self.held.push(id);
    }

    /// Those who were held, if there is place.
    pub(super) fn take_held(&mut self) -> Vec<ConnectionId> {
        match self.is_full() {
            true => Vec::new(),
            false => std::mem::take(&mut self.held),
        }
    }

    /// Those who are held, for the check.
    pub(super) fn held(&self) -> impl Iterator<Item = ConnectionId> {
        self.held.iter().copied()
    }

    /// How many submissions a connection waits for.
    pub(super) fn count_of(&self, id: ConnectionId) -> usize {
        self.by_connection.get(&id).copied().unwrap_or(0)
    }

    /// The ticket of the same message, sent before.
    pub(super) fn find(&self, room: RoomId, draft: &Draft<'_>) -> Option<Ticket> {
        if self.by_dedup.is_empty() {
            return None;
        }
        let (id, sender) = draft.dedup?;
        let dedup = (room, sender.clone(), id.into());
        self.by_dedup.get(&dedup).copied()
    }

    /// A submission waits for the answer to this ticket.
    pub(super) fn add(&mut self, ticket: Ticket, room: RoomId, draft: &Draft<'_>, now_ms: u64) {
        let submission = draft.submission();
        self.bytes += submission.held_bytes();
        if let Some((id, sender)) = draft.dedup {
            self.by_dedup
                .insert((room, sender.clone(), id.into()), ticket);
        }
        self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
        let waiter = Waiter {
            room,
            submission,
            publishers: Vec::new(),
            is_due: true,
        };
        self.by_ticket.insert(ticket, waiter);
    }

    /// Somebody is told the answer to this ticket.
    pub(super) fn tell(&mut self, ticket: Ticket, publisher: ReplyTo, now_ms: u64) {
        if let Some(waiter) = self.by_ticket.get_mut(&ticket) {
            if !std::mem::replace(&mut waiter.is_due, true) {
                self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
            }
            *self
                .by_connection
                .entry(publisher.connection())
                .or_default() += 1;
            waiter.publishers.push(publisher);
        }
    }

    /// Whether a value of a key waits, and how many submissions were looked at for that.
    pub(super) fn has_value(&self, room: RoomId, key: &str) -> (bool, usize) {
        let is_it = |it: &Waiter| it.room == room && it.submission.draft().key == Some(key);
        (self.by_ticket.values().any(is_it), self.by_ticket.len())
    }

    /// The room of the submission that waits for this answer.
    pub(super) fn room_of(&self, ticket: Ticket) -> Option<RoomId> {
        self.by_ticket.get(&ticket).map(|waiter| waiter.room)
    }

    /// Whether answers of a room wait for it to catch up.
    pub(super) fn defers(&self, room: RoomId) -> bool {
        self.deferred.contains_key(&room)
    }

    /// An answer waits for its room to catch up.
    pub(super) fn defer(&mut self, room: RoomId, answer: Answer) {
        self.deferred.entry(room).or_default().push_back(answer);
    }

    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    pub(super) fn deferred_rooms(&self) -> Vec<RoomId> {
        self.deferred.keys().copied().collect()
    }

    /// The first of those answers.
    pub(super) fn take_deferred(&mut self, room: RoomId) -> Option<Answer> {
        let answers = self.deferred.get_mut(&room)?;
        let answer = answers.pop_front();
        if answers.is_empty() {
            self.deferred.remove(&room);
        }
        answer
    }

    /// The store has answered. `None` if it has before.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.by_ticket.remove(&ticket)?;
        self.bytes -= waiter.submission.held_bytes();
        if let Some((id, sender)) = waiter.submission.draft().dedup {
            self.by_dedup
                .remove(&(waiter.room, sender.clone(), id.into()));
        }
        self.forget_publishers(&waiter.publishers);
        Some(waiter)
    }

    /// Those of a submission that waits for too long. It goes on to wait, because it may be accepted yet.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Vec<ReplyTo>> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.by_ticket.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(waiter) = self.by_ticket.get_mut(&ticket) {
                waiter.is_due = false;
                let publishers = std::mem::take(&mut waiter.publishers);
                let (patient, publishers) = publishers.into_iter().partition(ReplyTo::is_patient);
                waiter.publishers = patient;
                self.forget_publishers(&publishers);
                return Some(publishers);
            }
        }
        None
    }

    /// When the next one has waited for too long.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    fn forget_publishers(&mut self, publishers: &[ReplyTo]) {
        for id in publishers.iter().map(ReplyTo::connection) {
            if let Some(count) = self.by_connection.get_mut(&id) {
                *count -= 1;
                if *count == 0 {
                    self.by_connection.remove(&id);
                }
            }
        }
    }

    /// Checks that the counts are right.
    pub(super) fn check(&self) -> Result<(), String> {
        let waiters = || self.by_ticket.values();
        let bytes: usize = waiters().map(|it| it.submission.held_bytes()).sum();
        let bytes = bytes + self.behind.values().sum::<usize>();
        ensure(bytes == self.bytes, "waiting bytes are miscounted")?;
        let publishers: usize = waiters().map(|it| it.publishers.len()).sum();
        ensure(
            publishers == self.by_connection.values().sum::<usize>(),
            "those who wait are miscounted",
        )?;
        ensure(
            self.held.is_empty() || !self.is_empty() || !self.behind.is_empty(),
            "somebody is held, though nothing waits",
        )?;
        let due = |ticket: &Ticket| self.due.iter().any(|(_, due)| due == ticket);
        let mut told = self.by_ticket.iter();
        ensure(
            told.all(|(ticket, waiter)| {
                waiter.publishers.iter().all(ReplyTo::is_patient) || due(ticket)
            }),
            "somebody waits without an end",
        )
    }
}
