//! Between the server and its store: requests out, answers in, and what becomes of those who wait.

use std::collections::VecDeque;

use crate::codec::json::event::Durability;
use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::chat::{Accepted, Draft, Keeping, PublishError, RoomId, RoomName};
use crate::core::file::KeptFile;
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::answers::ok;
use crate::core::server::error::CommandError;
use crate::core::server::waiting::{ReplyTo, Waiter};
use crate::core::store::{Answer, Append, Load, Read, Record, Request, Search, Ticket};
use crate::core::stream::Stream;
use crate::limits::{MAX_UNANSWERED_EACH, STORE_RETRY_MS};
use crate::settings::RoomLimits;

/// The store cannot be used now.
pub(super) const UNAVAILABLE: PublishError = PublishError::Unavailable {
    retry_ms: STORE_RETRY_MS,
};

/// Requests that the store has not taken yet.
#[derive(Debug)]
pub(super) struct Outbox {
    durability: Durability,
    requests: VecDeque<Request>,
    /// Tickets given so far.
    tickets: u64,
}

impl Outbox {
    fn new(durability: Durability) -> Self {
        Self {
            durability,
            requests: VecDeque::new(),
            tickets: 0,
        }
    }

    pub(super) fn search(
        &mut self,
        room: &RoomName,
        epoch: u64,
        query: &str,
        before: u64,
        limit: usize,
    ) -> Ticket {
        let ticket = self.next_ticket();
        self.requests.push_back(Request::Search(Search {
            ticket,
            room: room.as_str().into(),
            epoch,
            query: query.into(),
            before,
            limit,
        }));
        ticket
    }

    /// Whether the store has taken all.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn load(
        &mut self,
        room: &RoomName,
        limits: &RoomLimits,
        sent_after_ms: u64,
    ) -> Ticket {
        let ticket = self.next_ticket();
        self.requests.push_back(Request::Load(Load {
            ticket,
            room: room.as_str().into(),
            messages: limits.history,
            bytes: limits.history_bytes,
            sent_after_ms,
        }));
        ticket
    }

    /// Nobody takes what was asked for.
    pub(super) fn clear(&mut self) {
        self.requests.clear();
    }

    /// Asks for something that is not answered.
    pub(super) fn push(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    pub(super) fn read(
        &mut self,
        room: &RoomName,
        epoch: u64,
        (after, before): (u64, u64),
        limit: usize,
    ) -> Ticket {
        let ticket = self.next_ticket();
        self.requests.push_back(Request::Read(Read {
            ticket,
            room: room.as_str().into(),
            epoch,
            after,
            before,
            limit,
        }));
        ticket
    }

    /// Gives the bytes that the request holds, too.
    pub(super) fn append(
        &mut self,
        room: &RoomName,
        epoch: u64,
        draft: &Draft<'_>,
        state: Option<&[u8]>,
        (offset, file): (Option<u64>, Option<Box<KeptFile>>),
        at_ms: u64,
    ) -> (Ticket, usize) {
        let ticket = self.next_ticket();
        let record = Record::of(draft);
        let bytes = record.held_bytes();
        self.requests.push_back(Request::Append(Append {
            ticket,
            room: room.as_str().into(),
            epoch,
            at_ms,
            offset,
            not_before: draft.not_before(),
            record,
            state: state.map(Into::into),
            file,
            condition: draft.condition.filter(|_| offset.is_none()),
        }));
        (ticket, bytes)
    }
}

impl<S: Stream> Server<S> {
    /// Keeps messages in a store from now on: a message is published when the store has accepted it. `durability` is what
    /// clients are told. To be called before the first connection. Whoever drives the server passes on what
    /// [`next_request`](Self::next_request) gives, and calls [`on_answer`](Self::on_answer).
    pub fn use_store(&mut self, durability: Durability) {
        self.outbox = Some(Outbox::new(durability));
        self.chat.use_store();
    }

    /// How safe a message is when its sender is told that it is published.
    pub(super) fn durability(&self) -> Durability {
        let outbox = self.outbox.as_ref();
        outbox.map_or(Durability::Memory, |outbox| outbox.durability)
    }

    /// The next request for the store.
    pub fn next_request(&mut self) -> Option<Request> {
        self.outbox.as_mut()?.requests.pop_front()
    }

    /// The store has answered. A message that it has accepted is published, and whoever has sent it is told. An answer to
    /// what was answered before is ignored.
    pub fn on_answer(&mut self, answer: Answer, now: Now) {
        self.budget.spend(cost::MESSAGE);
        let Err(answer) = self.on_load_answer(answer, now) else {
            return;
        };
        let Err(answer) = self.on_people_answer(answer, now) else {
            return;
        };
        let Err(answer) = self.on_files_answer(answer, now) else {
            return;
        };
        let Err(answer) = self.on_read_answer(answer, now) else {
            return;
        };
        let Err(answer) = self.on_past_answer(answer, now) else {
            return;
        };
        let Err(answer) = self.on_written_behind(answer) else {
            return;
        };
        let Some(room) = self.waiting.room_of(answer.ticket()) else {
            let ticket = answer.ticket();
            log::warn!("the store has answered too late, twice, or to no request: {ticket:?}");
            return;
        };
        if self.waiting.defers(room) || self.broadcast.congested(room).is_some() {
            return self.waiting.defer(room, answer);
        }
        self.conclude(&answer, now);
    }

    /// Goes on with what the store has answered, and had to wait because its room was too far behind.
    pub(super) fn continue_answers(&mut self, now: Now) {
        for room in self.waiting.deferred_rooms() {
            while self.budget.is_left()
                && self.broadcast.congested(room).is_none()
                && let Some(answer) = self.waiting.take_deferred(room)
            {
                self.budget.spend(cost::MESSAGE);
                self.conclude(&answer, now);
            }
        }
    }

    /// The end of a submission: it is published or not, and whoever has sent it is told.
    pub(super) fn conclude(&mut self, answer: &Answer, now: Now) {
        let Some(waiter) = self.waiting.take(answer.ticket()) else {
            return;
        };
        let room = waiter.room;
        let outcome = self.outcome(&waiter, answer, now);
        let file = waiter.submission.draft().file;
        if let (Err(_), Some(file)) = (outcome, file) {
            self.drop_file(file);
        }
        let current = match answer {
            Answer::Conflict { current, .. } => Some(self.stored_json(room, current.as_deref())),
            _ => None,
        };
        for publisher in waiter.publishers {
            self.tell_outcome(publisher, (room, current.as_deref()), outcome, now);
        }
        if let Some(file) = file {
            self.release_file(file);
        }
        self.chat.on_appended(room, now.ms);
        self.forget_ended();
        let held = self.waiting.take_held();
        self.resume_reading(held);
    }

    /// Hands a message to the store.
    pub(super) fn append(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        keeping: &Keeping,
        now: Now,
    ) -> Result<Ticket, PublishError> {
        if self.waiting.is_full() {
            return Err(UNAVAILABLE);
        }
        let (Some(outbox), Some(name)) = (&mut self.outbox, self.chat.room_name(room)) else {
            return Err(UNAVAILABLE);
        };
        let epoch = self.chat.epoch(room);
        let file = self.files.kept(draft);
        let at_ms = draft.at_ms(now);
        let (ticket, _) = outbox.append(name, epoch, draft, keeping.state(), (None, file), at_ms);
        self.waiting.add(ticket, room, draft, now.ms);
        self.chat.on_append(room);
        Ok(ticket)
    }

    /// Whether a connection has sent so much that is not answered that it is not read for now.
    pub(super) fn waits_for_store(&self, id: ConnectionId) -> bool {
        self.waiting.count_of(id) >= MAX_UNANSWERED_EACH
    }

    /// Tells those who have waited for too long. What they have sent may be accepted yet, and is published then.
    pub(super) fn tell_overdue(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(publishers) = self.waiting.take_due(now.ms)
        {
            for publisher in publishers {
                self.budget.spend(cost::MESSAGE);
                let overdue = Err(UNAVAILABLE);
                self.tell_outcome(publisher, (RoomId::default(), None), overdue, now);
            }
        }
    }

    fn outcome(&mut self, waiter: &Waiter, answer: &Answer, now: Now) -> Result<u64, PublishError> {
        let (offset, at_ms) = match *answer {
            Answer::Accepted { offset, at_ms, .. } => (offset, at_ms),
            Answer::Again { offset, .. } => return Ok(offset),
            Answer::Conflict { .. } => return Err(PublishError::Conflict),
            Answer::Refused { retry_ms, .. } => return Err(PublishError::Unavailable { retry_ms }),
            Answer::Page { .. }
            | Answer::Past { .. }
            | Answer::Loaded { .. }
            | Answer::People { .. }
            | Answer::Files { .. } => {
                log::error!("the store has answered an append with something else");
                return Err(UNAVAILABLE);
            }
        };
        let room = waiter.room;
        let expected = self.chat.offset_for(room, &waiter.submission.draft());
        if offset != expected {
            log::error!("the store has given the offset {offset} where {expected} is next");
            return Err(UNAVAILABLE);
        }
        let mut draft = waiter.submission.draft();
        let keeping = self.chat.propose_accepted(room, &mut draft, now);
        self.keep_state(room, &draft, &keeping, (offset, at_ms));
        let accepted = Accepted {
            offset: Some(offset),
            at_ms,
        };
        self.on_accepted(room, &draft, accepted, keeping, now);
        if self.hooks.is_some() {
            self.tell_hooks(room, &draft, accepted, now);
        }
        if self.pushing.is_some() {
            self.tell_push(room, &draft, accepted, now);
        }
        if self.escalations.is_some() {
            self.note_alarm(room, draft.key, now);
        }
        Ok(offset)
    }

    /// Answers whoever has sent a message, in the words of their door; `current`: of a conflict the state of its key.
    fn tell_outcome(
        &mut self,
        publisher: ReplyTo,
        (room, current): (RoomId, Option<&str>),
        outcome: Result<u64, PublishError>,
        now: Now,
    ) {
        let refused = |refusal| CommandError {
            more: current.map(|it| ("current", it.into())),
            ..CommandError::from(refusal)
        };
        let id = match publisher {
            ReplyTo::Json { id, echo } => {
                let echo = echo.as_deref();
                let answer = outcome.map(|offset| ok(echo, Some(offset)));
                self.answer_command(answer.map_err(refused), echo, id);
                id
            }
            ReplyTo::Lines(id) => {
                if let Err(refusal) = outcome {
                    let message = CommandError::from(refusal).message;
                    self.send_line(id, &format!("! {message}\n"));
                }
                id
            }
            ReplyTo::Plain(id) => {
                if outcome.is_err() {
                    self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
                }
                id
            }
            ReplyTo::Http(reply) => {
                let outcome = outcome.map(Some).map_err(refused);
                self.respond_to_post(room, outcome, &reply, now);
                reply.id
            }
            ReplyTo::Part { id, place } => {
                self.on_gathered((id, place), outcome, now);
                id
            }
            ReplyTo::Copy { id, copies, place } => {
                let outcome = outcome.map_err(refused);
                self.on_copied(copies, place, (room, outcome), now);
                id
            }
            ReplyTo::Import { id, line, room } => {
                self.on_imported(id, (line, &room), outcome, now);
                id
            }
            ReplyTo::File(reply, file) => {
                let outcome = outcome.map_err(CommandError::from);
                self.respond_to_upload(room, file, outcome, &reply, now);
                reply.id
            }
        };
        self.on_answered(id, now);
    }

    /// A connection waits for one submission fewer: it is read again, or leaves once it waits for none.
    fn on_answered(&mut self, id: ConnectionId, now: Now) {
        if self.waiting.count_of(id) + 1 == MAX_UNANSWERED_EACH {
            self.schedule_read(id);
        }
        self.go_on_leaving(id, now);
    }

    /// Whether a connection waits for the store to take a message, or to give the room of a command.
    pub(super) fn has_unanswered(&self, id: ConnectionId) -> bool {
        self.waiting.count_of(id) > 0 || self.loading.has_aside(id)
    }

    /// A connection that was to leave once it waits for nothing leaves if that is so.
    pub(super) fn go_on_leaving(&mut self, id: ConnectionId, now: Now) {
        if let Some(Phase::Leaving { until, end }) = self.get(id).map(|it| it.phase)
            && until == u64::MAX
            && !self.has_unanswered(id)
        {
            self.begin_leaving(id, end, now);
        }
    }
}
