//! The shadow model: from what the server has read it follows what every client must see, may see and must not.
//!
//! It knows nothing of the server's structures, only of the order in which sockets were read and closed.

mod order;

use std::collections::BTreeMap;

use crate::plan::Plan;
use crate::reader::Seen;
use crate::record::{Ended, Join, Record};
use crate::units::Meaning;

/// Whether a message that the server has read becomes part of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Written by the client, not read by the server.
    Unread,
    /// Its sender was surely a member.
    Published,
    /// The server may have cut its sender off before it came to it.
    MaybePublished,
    /// Its sender was no member any more.
    Ignored,
    /// Someone has seen it: so everyone must.
    Seen,
    /// Someone has seen what comes after it, and not it: so nobody may.
    Skipped,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) life: usize,
    pub(crate) room: usize,
    pub(crate) is_text: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) status: Status,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) plan: Plan,
    pub(crate) records: Vec<Record>,
    pub(crate) messages: Vec<Message>,
    /// For each room the messages in their order: that in which they were read.
    pub(crate) rooms: Vec<Vec<usize>>,
    /// Where the order is not that of reading: what comes after a message, and before it, for all.
    after: BTreeMap<usize, usize>,
    before: BTreeMap<usize, usize>,
    /// Sockets that the server holds.
    pub(crate) open_sockets: usize,
    /// Those of them that came when the server was full.
    crowded: usize,
    pub(crate) is_draining: bool,
}

pub(crate) type Checked<T = ()> = Result<T, String>;

impl Model {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            rooms: vec![Vec::new(); plan.rooms],
            after: BTreeMap::new(),
            before: BTreeMap::new(),
            records: Vec::new(),
            messages: Vec::new(),
            open_sockets: 0,
            crowded: 0,
            is_draining: false,
            plan,
        }
    }

    /// The server is ending. What it had read and not come to, because a turn was over, may not be heard any more.
    pub(crate) fn begin_drain(&mut self) {
        self.is_draining = true;
        if self.plan.is_busy {
            let unseen = |it: &&mut Message| it.status == Status::Published;
            for message in self.messages.iter_mut().filter(unseen) {
                message.status = Status::MaybePublished;
            }
        }
    }

    /// What may follow the index in the next message's payload.
    pub(crate) fn longest_filler(&self) -> usize {
        self.plan.limits.max_message - format!("{}|", self.messages.len()).len()
    }

    /// Invents a message; its payload begins with its index.
    pub(crate) fn compose(
        &mut self,
        life: usize,
        room: usize,
        is_text: bool,
        filler: Vec<u8>,
    ) -> usize {
        let index = self.messages.len();
        let mut payload = format!("{index}|").into_bytes();
        payload.extend(filler);
        self.messages.push(Message {
            life,
            room,
            is_text,
            payload,
            status: Status::Unread,
        });
        index
    }

    /// The server has read the first byte of what it may refuse before its end.
    pub(crate) fn on_read_begun(&mut self, life: usize, meaning: &Meaning, now: u64) {
        let record = &mut self.records[life];
        match meaning {
            _ if record.ended.is_some() => {}
            Meaning::Garbage(status) => record.expect_status(*status, true, false, now),
            Meaning::Violation(code) => self.end(life, Ended::Violation(*code), now),
            _ => {}
        }
    }

    /// The server has read a piece of a client's stream to its end.
    pub(crate) fn on_read(&mut self, life: usize, meaning: &Meaning, now: u64) {
        let record = &mut self.records[life];
        if record.ended.is_some() {
            record.is_end_complete |= matches!(meaning, Meaning::Violation(_));
            return;
        }
        match meaning {
            Meaning::Request { status, closes } => {
                let is_full = record.came_when_full;
                record.on_request(now);
                record.expect_status(*status, *closes, is_full, now);
            }
            Meaning::Upgrade { room } => self.on_upgrade(life, *room, now),
            Meaning::Message(message) => self.on_message(life, *message),
            Meaning::Ping(payload) => record.on_ping(payload, &self.plan),
            Meaning::Close(code) => {
                record.is_end_complete = true;
                self.end(life, Ended::Close(*code), now);
            }
            Meaning::Pong | Meaning::Garbage(_) | Meaning::Violation(_) => {}
        }
    }

    fn on_upgrade(&mut self, life: usize, room: usize, now: u64) {
        let is_full = self.records[life].came_when_full;
        let others = self
            .records
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != life);
        let (mut surely, mut perhaps) =
            (vec![false; self.rooms.len()], vec![false; self.rooms.len()]);
        for (_, record) in others {
            if let Some(join) = &record.join {
                surely[join.room] |= record.is_surely_member(&self.plan);
                perhaps[join.room] |= record.may_be_member();
            }
        }
        let count = |rooms: &[bool]| rooms.iter().filter(|&&exists| exists).count();
        let max = self.plan.limits.max_rooms;
        let may_be_refused = count(&perhaps) >= max && !surely[room];
        let must_be_refused = count(&surely) >= max && !perhaps[room];
        let record = &mut self.records[life];
        let handshake_ms = self.plan.limits.handshake_timeout.ms().unwrap_or(u64::MAX);
        let is_late = now - record.ready_ms >= handshake_ms;
        record.join = Some(Join {
            room,
            may_succeed: !(is_full || must_be_refused || self.is_draining),
            // A room that waits for the store counts, though nobody is in it.
            may_fail: is_full
                || may_be_refused
                || self.plan.store.is_some()
                || is_late
                || self.is_draining,
        });
        record.cursor = self.rooms[room].len();
    }

    /// The server has read to the end of a client's stream, or its connection is broken.
    pub(crate) fn end(&mut self, life: usize, ended: Ended, now: u64) {
        let record = &mut self.records[life];
        if record.ended.is_none() {
            record.ended = Some(ended);
            record.ended_ms = now;
            let rooms = self.plan.keeps_order.then_some(&self.rooms);
            let join = record.join.as_ref().zip(rooms);
            record.until = join.map_or(0, |(join, rooms)| rooms[join.room].len());
        }
    }

    /// A client has read something.
    pub(crate) fn on_seen(&mut self, life: usize, seen: &Seen, now: u64) -> Checked {
        match seen {
            Seen::Response {
                status,
                body,
                closes,
            } => self.records[life].on_response(*status, body, *closes, &self.plan, now),
            Seen::Message { is_text, payload } => self.on_seen_message(life, *is_text, payload),
            Seen::Ping(payload) if payload.is_empty() => Ok(()),
            Seen::Ping(_) => Err("a ping with a payload".to_owned()),
            Seen::Pong(payload) => self.records[life].on_pong(payload),
            Seen::Close { code, reason } => self.on_seen_close(life, *code, reason, now),
        }
    }

    fn on_seen_close(&mut self, life: usize, code: Option<u16>, reason: &str, now: u64) -> Checked {
        let record = &self.records[life];
        let unseen = self.unseen(life);
        let plan = &self.plan;
        let is_allowed = match (code, reason) {
            (Some(1001), "server is shutting down") => self.is_draining,
            (Some(1008), "too slow") => !record.is_prompt && !plan.has_roomy_queues,
            (Some(1008), "no answer to ping") => {
                let pong_ms = plan.limits.pong_timeout.ms().unwrap_or(u64::MAX);
                record.longest_silence(now) >= pong_ms && !record.is_surely_heard(plan)
            }
            (Some(1013), _) => plan.is_memory_tight,
            (code, _) => match record.ended {
                Some(Ended::Close(said)) => code == said,
                Some(Ended::Violation(expected)) => code == Some(expected),
                _ => false,
            },
        };
        if !is_allowed {
            return Err(format!(
                "closed with {code:?} {reason:?} after {:?}",
                record.ended
            ));
        }
        // A client may leave with 1001 as well, and is answered with its own code and no reason.
        let is_shutdown = code == Some(1001) && !reason.is_empty();
        let is_answer = !is_shutdown && !matches!(code, Some(1008 | 1013));
        // A clock that jumps may end the wait for a fan-out that goes on.
        let had_time = !(plan.jumps && (plan.is_busy || plan.store.is_some()));
        if let Some(missed) = unseen.filter(|_| is_answer && had_time || is_shutdown) {
            return Err(format!("closed with {code:?} before message {missed} came"));
        }
        if record.is_prompt && is_answer && !record.pings_owed.is_empty() {
            return Err(format!(
                "closed with {code:?}, and {:?} was not answered",
                record.pings_owed
            ));
        }
        self.records[life].close_seen = Some(code);
        Ok(())
    }

    pub(crate) fn on_admitted(&mut self, life: usize, now: u64) {
        let is_full = self.open_sockets - self.crowded >= self.plan.limits.max_connections;
        self.open_sockets += 1;
        self.crowded += usize::from(is_full);
        let record = &mut self.records[life];
        record.came_when_full = is_full;
        record.ready_ms = now;
    }

    /// The server has closed a socket.
    pub(crate) fn on_dropped(&mut self, life: usize, was_overtaken: bool, now: u64) -> Checked {
        self.open_sockets -= 1;
        let record = &mut self.records[life];
        self.crowded -= usize::from(record.came_when_full);
        record.is_gone = true;
        record.was_overtaken = was_overtaken;
        let waited = now - record.ended_ms;
        let close_ms = self.plan.limits.close_timeout.ms().unwrap_or(u64::MAX);
        // A drain waits for no request.
        let has_word_to_read = match record.ended {
            // Nothing follows the refusal that whoever comes to a server that is ending gets.
            Some(Ended::Close(_) | Ended::Violation(_)) => !self.is_draining || record.upgraded,
            Some(Ended::LastRequest) => !self.is_draining,
            _ => false,
        };
        // Who does not keep up may have been cut off long before.
        let keeps_up =
            (record.is_prompt || self.plan.has_roomy_queues) && record.is_surely_heard(&self.plan);
        if was_overtaken
            && keeps_up
            && has_word_to_read
            && waited < close_ms
            && !self.plan.is_memory_tight
        {
            return Err(format!(
                "closed with unread input {waited} ms after {:?}",
                record.ended
            ));
        }
        Ok(())
    }

    /// Nothing is on its way any more: what a client must have by now.
    pub(crate) fn check_at_rest(&self, life: usize) -> Checked {
        let record = &self.records[life];
        if record.is_gone || record.ended.is_some() || record.close_seen.is_some() {
            return Ok(());
        }
        if let Some(missed) = self.unseen(life) {
            return Err(format!("message {missed} has not come"));
        }
        if !record.is_answered() {
            return Err("a request was not answered".to_owned());
        }
        if !record.pings_owed.is_empty() && !record.pongs_may_be_dropped {
            return Err(format!("pings were not answered: {:?}", record.pings_owed));
        }
        Ok(())
    }

    /// A client that has always read all has read the end: what it must have seen before.
    pub(crate) fn check_at_end(&self, life: usize, is_whole: bool) -> Checked {
        let record = &self.records[life];
        if !record.is_prompt || record.was_overtaken || self.plan.is_memory_tight || self.plan.jumps
        {
            return Ok(());
        }
        if !is_whole {
            return Err("it ends within a frame".to_owned());
        }
        let missed = self.unseen(life).filter(|_| record.close_seen.is_none());
        match record.ended {
            _ if !record.upgraded || record.close_seen.is_some() => Ok(()),
            None => Err("cut off without a word".to_owned()),
            Some(Ended::EndOfInput) => match missed {
                Some(missed) => Err(format!("it ends before message {missed} came")),
                None => Ok(()),
            },
            Some(Ended::Close(_) | Ended::Violation(_)) if record.is_end_complete => {
                Err("it ends without a close frame".to_owned())
            }
            Some(_) => Ok(()),
        }
    }
}
