//! Who waits for messages that the server does not remember any more: the store reads them.
//!
//! A member who comes back to a room, and has missed more than it remembers, is behind until the store has answered, and
//! is told nothing of the room. Then it is told all, and is live: without a hole, and without a repeat.

use crate::codec::error_code::ErrorCode;
use crate::codec::ws::close::CloseReason;
use crate::core::chat::{Format, RoomId};
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::CommandError;
use crate::core::server::readers::{Page, Reader, Returning};
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{Answer, Excerpt, Found, Ticket};
use crate::core::stream::Stream;
use crate::limits::{MAX_QUERY, MAX_QUERY_WORDS, MAX_RECOVERED};

impl<S: Stream> Server<S> {
    /// Asks the store for what a member has missed, if the room does not remember it and a store does. Then the member is
    /// told nothing of the room until it has answered. Says whether it was asked.
    pub(super) fn recover_from_store(&mut self, member: Returning, now: Now) -> bool {
        let (id, room) = (member.id, member.room);
        let Some(after) = self.chat.forgotten_after(room, member.selection) else {
            return false;
        };
        let is_asked = self.read_missed(member, after, now).is_none();
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

    /// Asks the store for messages of a room with some words. Says whether there can be any: else the answer is empty.
    pub(super) fn search(
        &mut self,
        page: &Page,
        now: Now,
        reader: impl FnOnce(Page) -> Reader,
    ) -> Result<bool, CommandError> {
        let query = page.query.as_deref().unwrap_or_default();
        let Some(outbox) = &mut self.outbox else {
            let message = "this server keeps no messages on disk: start it with --data";
            return Err(CommandError::new(ErrorCode::NotKept, message));
        };
        if self.chat.has_shared_log() {
            let message = "this server keeps its messages in Redis, where they cannot be searched";
            return Err(CommandError::new(ErrorCode::NotKept, message));
        }
        if query.len() > MAX_QUERY || !query.chars().any(char::is_alphanumeric) {
            let message = "q holds what is searched for: 1 to 256 bytes, with a letter or a digit";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        if query.split_whitespace().count() > MAX_QUERY_WORDS {
            let message = "q has more than 16 words: search for fewer of them";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        if self.readers.is_full() {
            return Err(UNAVAILABLE.into());
        }
        let Some(room) = self.chat.find(&page.room) else {
            return Ok(false);
        };
        let before = page.before.min(self.chat.next_offset(room));
        let epoch = self.chat.epoch(room);
        let ticket = outbox.search(&page.room, epoch, query, before, page.limit);
        self.readers.add(ticket, reader(page.clone()), now.ms);
        Ok(true)
    }

    /// Asks for what a member has missed after an offset, of all that is published now. Gives the member back if the
    /// store cannot be asked.
    fn read_missed(&mut self, member: Returning, after: u64, now: Now) -> Option<Returning> {
        let before = self.chat.next_offset(member.room);
        let limit = MAX_RECOVERED.saturating_sub(member.found.count());
        let Some(ticket) = self.ask(member.room, (after, before), limit) else {
            return Some(member);
        };
        self.readers.add(ticket, Reader::Member(member), now.ms);
        None
    }

    fn ask(&mut self, room: RoomId, between: (u64, u64), limit: usize) -> Option<Ticket> {
        if self.readers.is_full() {
            return None;
        }
        let name = self.chat.room_name(room)?;
        let epoch = self.chat.epoch(room);
        Some(self.outbox.as_mut()?.read(name, epoch, between, limit))
    }

    /// The store has answered a reader. `None`: it could not, or not in time.
    fn on_read(&mut self, reader: Reader, answer: Option<Excerpt>, now: Now) {
        match reader {
            Reader::Member(member) => self.on_missed(member, answer, now),
            Reader::Command { id, page, echo } => {
                let echo = echo.as_deref();
                match (answer, self.get(id).map(|it| it.reading(Format::Json))) {
                    (Some(found), Some(reading)) => {
                        let rope = self.page_of(&page, &found, echo, reading, now);
                        self.send_message(id, rope);
                    }
                    _ => self.answer_command(Err(UNAVAILABLE.into()), echo, id),
                }
                self.end_wait(id);
            }
            Reader::Request { reply, page } => match answer {
                Some(found) => self.respond_messages(&page, &found, &reply, now),
                None => {
                    let problem = unavailable("old messages cannot be read for now");
                    self.respond_problem(&problem, &reply, now);
                }
            },
        }
    }

    /// The store has read some of what a member has missed.
    fn on_missed(&mut self, mut member: Returning, answer: Option<Excerpt>, now: Now) {
        if !self.lagging.waits_for_store(member.id, member.room) {
            // It was put out of the room meanwhile, or has gone.
            let error =
                CommandError::new(ErrorCode::NotJoined, "you are not in this room any more");
            self.answer_command(Err(error), member.echo.as_deref(), member.id);
            return self.end_wait(member.id);
        }
        if answer.is_none() && self.chat.has_shared_log() {
            return self.turn_back(&member, now);
        }
        let before = member.found.last_offset();
        let before = before.unwrap_or(member.selection.since());
        let Some(read) = answer.filter(|read| !read.more && read.is_whole_after(before)) else {
            // Not all is there: it is told what the room remembers.
            member.found = Excerpt::default();
            return self.send_missed_from_store(&member, now);
        };
        let is_end = read.count() == 0;
        member.found.extend(read);
        // The room may have gone on beyond what it remembers: then the rest is read, too.
        let last = member.found.last_offset();
        let is_whole = self
            .chat
            .arrival_after(member.room, last, Vec::new())
            .is_some();
        match last {
            Some(last) if !is_whole && !is_end && member.found.count() < MAX_RECOVERED => {
                if let Some(member) = self.read_missed(member, last, now) {
                    self.send_missed_from_store(&member, now);
                }
            }
            _ => self.send_missed_from_store(&member, now),
        }
    }

    /// Whether the store has answered all that it was asked, or it was given up.
    pub fn waits_for_nothing(&self) -> bool {
        let nodes = self.nodes.as_ref();
        let is_asked = nodes.is_some_and(|it| !it.questions.is_empty());
        let shared_files = self.files.shared.as_ref();
        !is_asked
            && shared_files.is_none_or(|it| it.is_empty())
            && self.waiting.is_empty()
            && self.readers.is_empty()
            && self.loading.is_empty()
            && self.pasts.is_empty()
    }

    /// Gives up those who have waited for too long.
    pub(super) fn give_up_readers(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(reader) = self.readers.take_due(now.ms)
        {
            self.on_read(reader, None, now);
        }
    }

    /// There is no store any more.
    pub(super) fn end_readers(&mut self, now: Now) {
        while let Some(reader) = self.readers.take_due(u64::MAX) {
            self.on_read(reader, None, now);
        }
    }

    /// The store reads nothing any more. A member who has come back is not told that something is missing: after the end of
    /// this server they can come back to the next with the place that they have.
    pub(super) fn refuse_readers(&mut self, now: Now) {
        while let Some(reader) = self.readers.take_due(u64::MAX) {
            match reader {
                Reader::Member(member) => {
                    let refused = Err(UNAVAILABLE.into());
                    self.answer_command(refused, member.echo.as_deref(), member.id);
                    self.end_wait(member.id);
                }
                reader => self.on_read(reader, None, now),
            }
        }
    }

    /// Nobody can say whether a member who has come back has missed something: they are not let in, and may come again.
    fn turn_back(&mut self, member: &Returning, now: Now) {
        let (id, room) = (member.id, member.room);
        let format = self.chat.reading_of(id).map(|it| it.format);
        if format.is_some_and(Format::is_events) {
            return self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
        }
        self.lagging.forget(id, room);
        if let Some(person) = self.person(id) {
            self.chat.leave(id, person, room, now.ms);
        }
        self.answer_command(Err(UNAVAILABLE.into()), member.echo.as_deref(), id);
        self.end_wait(id);
        self.forget_ended();
    }

    /// The answer to a read, if it is one.
    pub(super) fn on_read_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Some(reader) = self.readers.take(answer.ticket()) else {
            return Err(answer);
        };
        let found = match answer {
            Answer::Page {
                messages,
                damaged,
                more,
                ..
            } => Some(Excerpt {
                messages: messages.into_iter().map(Found::new).collect(),
                damaged,
                more,
            }),
            Answer::Loaded { .. }
            | Answer::Accepted { .. }
            | Answer::Again { .. }
            | Answer::Conflict { .. }
            | Answer::Past { .. }
            | Answer::Refused { .. }
            | Answer::People { .. }
            | Answer::Files { .. } => None,
        };
        self.on_read(reader, found, now);
        Ok(())
    }
}
