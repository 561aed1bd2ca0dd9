//! Rooms that begin at any node: each partition has a log of them, and a channel on which they are told.
//!
//! They are heard as messages are: what is told has no hole and no repeat, a beginning whose predecessor is missing is read from
//! the log, and so are those that were told while the channel was not heard. What the log does not have any more, the server is
//! told to look for.

use std::collections::BTreeMap;

use crate::codec::resp::Reply;
use crate::core::redis::engine::Engine;
use crate::core::redis::engine::question::Question;
use crate::core::redis::entry::Beginning;
use crate::core::redis::partition::Partition;
use crate::core::redis::rooms;
use crate::core::store::{PeopleAnswer, PeopleNews, RoomsInUse, Ticket, WantedRooms};
use crate::limits::{ASK_AGAIN_MS, BEGINNINGS_AT_ONCE, COMPARE_MS};

/// What is heard of beginnings.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    /// All partitions, or none if nobody wants to know.
    logs: BTreeMap<Partition, Log>,
    /// Who waits until all are heard.
    waiting: Option<Ticket>,
    /// One was not heard for a while.
    was_silent: bool,
    /// When the logs are looked at again.
    due_ms: Option<u64>,
    questions: u64,
}

/// What is known of the log of one partition.
#[derive(Debug, Default)]
struct Log {
    /// The number of the last beginning that was told; `None` before it is known where the log is.
    position: Option<u64>,
    /// The greatest number that was said on the channel.
    heard: u64,
    /// The same when the log was asked last: what it has to have.
    heard_when_asked: u64,
    is_heard: bool,
    /// The number of the question that is not answered.
    asked: Option<u64>,
    /// Rooms in use that were read before that was asked: they are told when all that began before is told.
    found: Vec<(Ticket, RoomsInUse)>,
}

impl Log {
    fn is_live(&self) -> bool {
        self.is_heard && self.position.is_some()
    }
}

impl Beginnings {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    fn look_in(&mut self, due_ms: u64) {
        self.due_ms = Some(self.due_ms.map_or(due_ms, |before| before.min(due_ms)));
    }
}

impl Engine {
    /// The server wants to be told which rooms begin; `after`: which were told last, if any were.
    pub(super) fn hear_beginnings(&mut self, ticket: Ticket, after: &[u64]) {
        if self.beginnings.logs.is_empty() {
            for partition in Partition::all() {
                let log = Log {
                    position: after.get(usize::from(partition.number())).copied(),
                    ..Log::default()
                };
                self.beginnings.logs.insert(partition, log);
                self.subscribe(partition.slot(), partition.beginnings());
            }
            self.beginnings.look_in(self.now_ms + COMPARE_MS);
        }
        self.beginnings.waiting = Some(ticket);
        self.answer_hearing();
    }

    /// The server does not want to be told any more.
    pub(super) fn ignore_beginnings(&mut self) {
        let questions = self.beginnings.questions;
        let before = std::mem::take(&mut self.beginnings);
        self.beginnings.questions = questions;
        let Beginnings { logs, waiting, .. } = before;
        for (partition, log) in logs {
            self.unsubscribe(partition.beginnings());
            self.refuse_found(log.found);
        }
        if let Some(ticket) = waiting {
            self.people_answer(ticket, PeopleAnswer::Unavailable);
        }
    }

    /// Asks a partition for rooms that are in use, and then what has begun until they were read.
    pub(super) fn find_rooms(
        &mut self,
        ticket: Ticket,
        partition: Partition,
        wanted: &WantedRooms,
    ) {
        let command = rooms::next_found(partition, wanted);
        let question = Question::Found(partition, ticket);
        self.question(partition.slot(), question, command);
    }

    pub(super) fn on_found(&mut self, partition: Partition, ticket: Ticket, reply: &Reply) {
        let Some(found) = rooms::found(reply) else {
            self.complain("list rooms", reply);
            return self.people_answer(ticket, PeopleAnswer::Unavailable);
        };
        match self.beginnings.logs.get_mut(&partition) {
            Some(log) if log.is_live() => {
                log.found.push((ticket, found));
                self.ask_begun(partition);
            }
            _ => self.people_answer(ticket, PeopleAnswer::Unavailable),
        }
    }

    fn refuse_found(&mut self, found: Vec<(Ticket, RoomsInUse)>) {
        for (ticket, _) in found {
            self.people_answer(ticket, PeopleAnswer::Unavailable);
        }
    }

    pub(super) fn on_beginnings_heard(&mut self, partition: Partition) {
        if let Some(log) = self.beginnings.logs.get_mut(&partition) {
            log.is_heard = true;
            self.ask_begun(partition);
        }
    }

    pub(super) fn on_beginnings_silent(&mut self, partition: Partition) {
        if let Some(log) = self.beginnings.logs.get_mut(&partition) {
            log.is_heard = false;
            log.asked = None;
            let found = std::mem::take(&mut log.found);
            self.beginnings.was_silent |= log.position.is_some();
            self.refuse_found(found);
        }
    }

    /// Looks whether something was missed that no later beginning has shown.
    pub(super) fn compare_beginnings(&mut self) {
        if self.beginnings.due_ms.is_none_or(|it| it > self.now_ms) {
            return;
        }
        self.beginnings.due_ms = Some(self.now_ms + COMPARE_MS);
        for partition in Partition::all() {
            let log = self.beginnings.logs.get(&partition);
            if log.is_some_and(|it| it.is_heard && it.asked.is_none()) {
                self.ask_begun(partition);
            }
        }
    }

    /// Asks what has begun. An earlier question is not waited for.
    fn ask_begun(&mut self, partition: Partition) {
        let beginnings = &mut self.beginnings;
        let Some(log) = beginnings.logs.get_mut(&partition) else {
            return;
        };
        beginnings.questions += 1;
        let number = beginnings.questions;
        log.asked = Some(number);
        log.heard_when_asked = log.heard;
        let command = rooms::begun(partition, log.position.unwrap_or(u64::MAX >> 1));
        let question = Question::Begun(partition, number);
        self.question(partition.slot(), question, command);
    }

    /// The log of this partition, if this is the answer that it waits for.
    fn asker_of_begun(&mut self, partition: Partition, number: u64) -> Option<&mut Log> {
        let log = self.beginnings.logs.get_mut(&partition)?;
        (log.asked == Some(number)).then(|| {
            log.asked = None;
            log
        })
    }

    pub(super) fn on_begun(&mut self, partition: Partition, number: u64, reply: &Reply) {
        let Some((last, entries)) = rooms::beginnings(reply) else {
            self.complain("say which rooms begin", reply);
            return self.on_begun_failed(partition, number);
        };
        let Some(log) = self.asker_of_begun(partition, number) else {
            return;
        };
        let is_other = log.position.is_some_and(|position| last < position);
        if log.position.is_none() || is_other {
            log.position = Some(last);
        }
        if is_other && last > 0 {
            self.people_news(PeopleNews::BeginningsMissed);
        }
        let is_end = entries.len() < BEGINNINGS_AT_ONCE;
        for beginning in entries {
            self.tell_beginning(partition, beginning);
        }
        let Some(log) = self.beginnings.logs.get_mut(&partition) else {
            return;
        };
        let position = log.position.unwrap_or_default();
        if is_end && log.heard == log.heard_when_asked {
            // What was said before is told, or not there any more.
            log.heard = position;
        }
        if !is_end || position < log.heard {
            return self.ask_begun(partition);
        }
        for (ticket, found) in std::mem::take(&mut log.found) {
            self.people_answer(ticket, PeopleAnswer::Rooms(found));
        }
        self.answer_hearing();
    }

    pub(super) fn on_begun_failed(&mut self, partition: Partition, number: u64) {
        if let Some(log) = self.asker_of_begun(partition, number) {
            let found = std::mem::take(&mut log.found);
            self.refuse_found(found);
            self.beginnings.look_in(self.now_ms + ASK_AGAIN_MS);
        }
    }

    /// A beginning was said on the channel.
    pub(super) fn on_beginning_said(&mut self, beginning: Beginning) {
        let partition = Partition::of(&beginning.room);
        let Some(log) = self.beginnings.logs.get_mut(&partition) else {
            return;
        };
        log.heard = log.heard.max(beginning.number);
        match log.position {
            Some(position) if beginning.before == position => {
                self.tell_beginning(partition, beginning);
            }
            Some(position) if beginning.number > position && log.asked.is_none() => {
                self.ask_begun(partition);
            }
            Some(_) | None => {}
        }
    }

    /// Tells the server the next beginning of a partition.
    fn tell_beginning(&mut self, partition: Partition, beginning: Beginning) {
        let Some(log) = self.beginnings.logs.get_mut(&partition) else {
            return;
        };
        let Beginning {
            before,
            number,
            offset,
            room,
        } = beginning;
        let Some(position) = log.position.filter(|position| number > *position) else {
            return;
        };
        log.position = Some(number);
        self.people_news(PeopleNews::Begun {
            partition: partition.number(),
            number,
            room,
            offset,
        });
        if before != position {
            self.people_news(PeopleNews::BeginningsMissed);
        }
    }

    /// Who waits is told if the logs of all partitions are heard.
    fn answer_hearing(&mut self) {
        if !self.beginnings.logs.values().all(Log::is_live) {
            return;
        }
        if let Some(ticket) = self.beginnings.waiting.take() {
            let logs = self.beginnings.logs.values();
            let last = logs.map(|log| log.position.unwrap_or_default()).collect();
            self.people_answer(ticket, PeopleAnswer::Hearing(last));
        }
        // Rooms that could not be loaded meanwhile are looked for, too.
        if std::mem::take(&mut self.beginnings.was_silent) {
            self.people_news(PeopleNews::BeginningsMissed);
        }
    }
}
