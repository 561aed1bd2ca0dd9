//! What the log was asked about files that several servers share, until it has answered.

use std::collections::{BTreeMap, VecDeque};

use crate::core::chat::Holdings;
use crate::core::file::Space;
use crate::core::net::pending::{Reply, Upload};
use crate::core::server::file_view::FileView;
use crate::core::server::orphans::Search;
use crate::core::store::Ticket;
use crate::limits::{STORE_RETRY_MS, STORE_TIMEOUT_MS};

/// What the log was asked about files, and what it has said.
#[derive(Debug)]
pub(super) struct SharedFiles {
    questions: BTreeMap<Ticket, Question>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
    /// Bytes of requests among them.
    pub(super) bytes: usize,
    /// How much all files take, as the log has said last.
    pub(super) space: Space,
    /// When links are looked for that are too old.
    pub(super) next_old_ms: u64,
    pub(super) search: Search,
}

/// What was asked, and who waits for the answer.
#[derive(Debug)]
pub(super) enum Question {
    /// Is there place for this file?
    Keep(Box<(Upload, Reply)>),
    /// Where does it belong?
    Find(Box<FileView>),
    /// Which of some files have no link?
    Check,
    /// How much do the files of these take?
    Usage(Box<(Vec<Holdings>, Reply)>),
}

impl Question {
    fn held_bytes(&self) -> usize {
        match self {
            Self::Find(view) => view.held_bytes(),
            Self::Usage(asked) => asked.0.len() * size_of::<Holdings>(),
            Self::Keep(_) | Self::Check => 0,
        }
    }
}

impl SharedFiles {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            questions: BTreeMap::new(),
            due: VecDeque::new(),
            bytes: 0,
            space: Space::default(),
            next_old_ms: now_ms + STORE_RETRY_MS,
            search: Search::beginning_at(now_ms + STORE_RETRY_MS),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    pub(super) fn space(&self) -> Space {
        self.space
    }

    pub(super) fn add(&mut self, ticket: Ticket, question: Question, now_ms: u64) {
        self.bytes += question.held_bytes();
        self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
        self.questions.insert(ticket, question);
    }

    /// The log was asked which of some files have no link.
    pub(super) fn await_check(&mut self, ticket: Ticket, now_ms: u64) {
        self.add(ticket, Question::Check, now_ms);
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Question> {
        let question = self.questions.remove(&ticket)?;
        self.bytes -= question.held_bytes();
        Some(question)
    }

    /// One that was asked too long ago.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Question> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.questions.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(question) = self.take(ticket) {
                return Some(question);
            }
        }
        None
    }

    /// When something is to be done next. A server that is held begins nothing.
    pub(super) fn next_due_ms(&self, is_held: bool) -> Option<u64> {
        let begun = (!is_held).then(|| self.next_old_ms.min(self.search.next_ms()));
        let given_up = self.due.front().map(|(due_ms, _)| *due_ms);
        [begun, given_up].into_iter().flatten().min()
    }
}
