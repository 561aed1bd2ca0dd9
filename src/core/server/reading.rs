//! Who waits for messages that the server does not remember any more: the store reads them.
//!
//! A member who comes back to a room, and has missed more than it remembers, is behind until the store has answered, and
//! is told nothing of the room. Then it is told all, and is live: without a hole, and without a repeat.

use std::collections::{BTreeMap, VecDeque};

use serde_json::value::RawValue;

use crate::core::chat::PublishError;
use crate::core::chat::{Format, RoomId, RoomName, Selection, Window};
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arrivals::messages;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::CommandError;
use crate::core::store::{Answer, Stored, Ticket};
use crate::core::stream::Stream;
use crate::limits::{MAX_RECOVERED, MAX_UNANSWERED, STORE_RETRY_MS, STORE_TIMEOUT_MS};

/// Who is told what the store has read.
#[derive(Debug)]
pub(super) enum Reader {
    /// A member who has come back to a room.
    Member {
        id: ConnectionId,
        room: RoomId,
        selection: Selection,
        window: Option<Window>,
        /// The id of the command at the JSON door.
        echo: Option<Box<RawValue>>,
        /// What was read so far: meanwhile the room may have gone on beyond what it remembers.
        found: Vec<Stored>,
    },
    /// Who has sent `history`.
    Command {
        id: ConnectionId,
        page: Page,
        echo: Option<Box<RawValue>>,
    },
    /// Who has sent a request for messages.
    Request { reply: Box<Reply>, page: Page },
}

/// A page of the history of a room.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) room: RoomName,
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

impl<S: Stream> Server<S> {
    /// Asks the store for what a member has missed, if the room does not remember it and a store does. Then the member is
    /// told nothing of the room until it has answered. Says whether it was asked.
    pub(super) fn recover_from_store(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        selection: Selection,
        window: Option<Window>,
        echo: Option<Box<RawValue>>,
        now: Now,
    ) -> bool {
        let Some(after) = self.chat.forgotten_after(room, selection) else {
            return false;
        };
        let member = Reader::Member {
            id,
            room,
            selection,
            window,
            echo,
            found: Vec::new(),
        };
        let is_asked = self.ask_to_read(room, (after, MAX_RECOVERED), member, now);
        if is_asked {
            self.lagging.wait_for_store(id, room, after + 1);
        }
        is_asked
    }

    /// Asks the store for a page of messages, if the room does not remember them. Says whether it was asked.
    pub(super) fn read_page(
        &mut self,
        page: &Page,
        now: Now,
        reader: impl FnOnce(Page) -> Reader,
    ) -> bool {
        let Some(room) = self.chat.find(&page.room).filter(|_| self.outbox.is_some()) else {
            return false;
        };
        self.chat.forget_expired_of(room, now.ms);
        let found = self.chat.history(room, page.before, page.limit);
        let is_whole =
            found.is_none_or(|(found, _)| self.chat.is_whole_page(room, &found, page.limit));
        if is_whole {
            return false;
        }
        let before = page.before.min(self.chat.next_offset(room));
        let Some(ticket) = self.ask(room, (0, before), page.limit) else {
            return false;
        };
        self.readers.add(ticket, reader(page.clone()), now.ms);
        true
    }

    /// Asks for all messages after an offset that are published now.
    fn ask_to_read(
        &mut self,
        room: RoomId,
        (after, limit): (u64, usize),
        reader: Reader,
        now: Now,
    ) -> bool {
        let before = self.chat.next_offset(room);
        let Some(ticket) = self.ask(room, (after, before), limit) else {
            return false;
        };
        self.readers.add(ticket, reader, now.ms);
        true
    }

    fn ask(&mut self, room: RoomId, between: (u64, u64), limit: usize) -> Option<Ticket> {
        if self.readers.is_full() {
            return None;
        }
        let name = self.chat.room_name(room)?.clone();
        let epoch = self.chat.epoch(room);
        Some(self.outbox.as_mut()?.read(name, epoch, between, limit))
    }

    /// The store has answered a reader, or could not; `None`.
    pub(super) fn on_read(
        &mut self,
        reader: Reader,
        answer: Option<(Vec<Stored>, bool)>,
        now: Now,
    ) {
        match reader {
            Reader::Member { id, room, .. } if !self.lagging.waits_for_store(id, room) => {}
            Reader::Member {
                id,
                room,
                selection,
                window,
                echo,
                mut found,
            } => {
                let (read, more) = answer.unwrap_or((Vec::new(), true));
                found.extend(read);
                // What the room remembers may have gone beyond what was read: then the rest is read, too.
                let is_whole = self.chat.arrival_after(room, messages(&found)).is_some();
                let is_behind = !more && !is_whole;
                let last = found.last().map(|last| last.offset);
                if let Some(after) = last.filter(|_| is_behind)
                    && found.len() < MAX_RECOVERED
                {
                    let limit = MAX_RECOVERED - found.len();
                    let member = Reader::Member {
                        id,
                        room,
                        selection,
                        window,
                        echo: echo.clone(),
                        found,
                    };
                    if !self.ask_to_read(room, (after, limit), member, now) {
                        self.welcome_back((id, room), selection, window, (echo, &[]), now);
                    }
                    return;
                }
                let found = if more { Vec::new() } else { found };
                self.welcome_back((id, room), selection, window, (echo, &found), now);
            }
            Reader::Command { id, page, echo } => {
                let echo = echo.as_deref();
                match (answer, self.get(id).map(|it| it.reading(Format::Json))) {
                    (Some(found), Some(reading)) => {
                        let rope = self.history_of(&page.room, found, echo, reading, now);
                        self.send_message(id, rope);
                    }
                    _ => self.answer_command(Err(not_read()), echo, id),
                }
                self.end_wait(id);
            }
            Reader::Request { reply, page } => match answer {
                Some(found) => self.respond_messages(&page.room, found, &reply, now),
                None => {
                    let problem = unavailable("old messages cannot be read for now");
                    self.respond_problem(&problem, &reply, now);
                }
            },
        }
    }

    /// Whether the store has answered all that it was asked, or it was given up.
    pub(super) fn waits_for_nothing(&self) -> bool {
        self.waiting.is_empty() && self.readers.is_empty()
    }

    /// Gives up those who have waited for too long.
    pub(super) fn give_up_readers(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(reader) = self.readers.take_due(now.ms)
        {
            self.on_read(reader, None, now);
        }
    }

    /// The answer to a read, if it is one.
    pub(super) fn on_read_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Some(reader) = self.readers.take(answer.ticket()) else {
            return Err(answer);
        };
        let found = match answer {
            Answer::Page { messages, more, .. } => Some((messages, more)),
            Answer::Accepted { .. } | Answer::Refused { .. } => None,
        };
        self.on_read(reader, found, now);
        Ok(())
    }
}

fn not_read() -> CommandError {
    PublishError::Unavailable {
        retry_ms: STORE_RETRY_MS,
    }
    .into()
}
