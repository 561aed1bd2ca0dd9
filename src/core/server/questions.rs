//! What the log was asked about people, until it has answered.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::core::chat::{PublicId, Shown};
use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::server::lists::List;
use crate::core::server::loading::Aside;
use crate::core::server::page::Page;
use crate::core::server::sent_direct::SentDirect;
use crate::core::store::Ticket;
use crate::limits::STORE_TIMEOUT_MS;

/// What was asked, and who waits for the answer.
#[derive(Debug)]
pub(super) enum Question {
    /// May they have this name?
    Name {
        id: ConnectionId,
        aside: Aside,
        claim: Claim,
        /// It is the name of their token: whoever has it is the same person.
        of_token: Option<Rc<str>>,
    },
    /// Who are they?
    Person {
        id: ConnectionId,
        aside: Aside,
        shown: Shown,
    },
    /// Which rooms are in use?
    Rooms(Box<List>),
    /// Which rooms are in use that a pattern may match?
    Found(Page),
    /// Which rooms begin?
    Beginnings,
    /// How many are in them?
    Counts(Box<List>),
    /// Is this name somebody's?
    Whose(Box<str>),
    /// Is there somebody who takes this message?
    Direct(Box<SentDirect>),
}

/// A name that somebody wants.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) person: PublicId,
    pub(super) keys: Vec<Box<str>>,
}

/// What the log has said to a command, until that is done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) name: Option<NameOutcome>,
    pub(super) person: Option<PersonOutcome>,
}

/// What it has said of a name.
#[derive(Debug)]
pub(super) enum NameOutcome {
    Claimed(Claim),
    /// Whoever has it is here now, and is the same person.
    IsOwn,
    Taken,
    Unavailable,
}

/// What it has said of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PersonOutcome {
    /// They are here now, or nobody knows them.
    Known,
    Unavailable,
}

/// All questions that are not answered.
#[derive(Debug, Default)]
pub(super) struct Questions {
    by_ticket: BTreeMap<Ticket, Question>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
    pub(super) outcomes: BTreeMap<ConnectionId, Outcome>,
    /// Bytes of the messages among them.
    bytes: usize,
}

impl Question {
    fn held_bytes(&self) -> usize {
        match self {
            Self::Name { .. }
            | Self::Person { .. }
            | Self::Rooms(_)
            | Self::Found(_)
            | Self::Beginnings
            | Self::Counts(_)
            | Self::Whose(_) => 0,
            Self::Direct(sent) => sent.held_bytes(),
        }
    }
}

impl Questions {
    pub(super) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, ticket: Ticket, question: Question, now_ms: u64) {
        self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
        self.put_back(ticket, question);
    }

    /// A question is not answered whole yet.
    pub(super) fn put_back(&mut self, ticket: Ticket, question: Question) {
        self.bytes += question.held_bytes();
        self.by_ticket.insert(ticket, question);
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Question> {
        let question = self.by_ticket.remove(&ticket)?;
        self.bytes -= question.held_bytes();
        Some(question)
    }

    /// One that was asked too long ago.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(Ticket, Question)> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.by_ticket.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(question) = self.take(ticket) {
                return Some((ticket, question));
            }
        }
        None
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// Checks that every question is given up in time, and what was answered is of use to somebody.
    pub(super) fn check(&self, waits: impl Fn(ConnectionId) -> bool) -> Result<(), String> {
        let is_due = |ticket: &Ticket| self.due.iter().any(|(_, due)| due == ticket);
        ensure(
            self.by_ticket.keys().all(is_due),
            "a question waits without an end",
        )?;
        ensure(
            self.outcomes.keys().all(|id| waits(*id)),
            "what the log has said is kept for nobody",
        )?;
        let bytes: usize = self.by_ticket.values().map(Question::held_bytes).sum();
        ensure(bytes == self.bytes, "the bytes of questions are miscounted")
    }
}
