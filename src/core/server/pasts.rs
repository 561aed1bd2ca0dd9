//! The numbers that keys had before what a room remembers: whoever wants them waits until the store has read them. They are
//! kept for a moment, so that a page that everyone reloads at once is read once. The store is asked for one at a time, so that
//! what is searched for does not wait behind many, and by turns of those who want some.

mod turns;

use std::collections::{BTreeMap, VecDeque};

use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Epoch, Event};
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{Chart, Chat, Owner, PastSeries, RoomId, RoomName};
use crate::core::delivery::rope::Rope;
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::followers::ToEnter;
use crate::core::server::loading::Aside;
use crate::core::store::{Answer, Past, ReadPast, Request, Ticket};
use crate::core::stream::Stream;
use crate::limits::{MAX_PASTS, MAX_PASTS_EACH, PAST_MS, STORE_RETRY_MS, STORE_TIMEOUT_MS};
use turns::Turns;

/// Which numbers: of which room, of which epoch.
type Which = (RoomName, u64, Chart);

/// Who waits for numbers.
#[derive(Debug)]
enum Waiter {
    /// Somebody at the JSON door, whose command is done then.
    Command { id: ConnectionId, text: Box<str> },
    /// Somebody who comes into a room by a pattern.
    Entry { id: ConnectionId, next: ToEnter },
    /// Who has sent a request.
    Request(Box<Reply>),
}

impl Waiter {
    fn id(&self) -> ConnectionId {
        match self {
            Self::Command { id, .. } | Self::Entry { id, .. } => *id,
            Self::Request(reply) => reply.id,
        }
    }
}

/// Numbers that are known, or that are wanted of the store.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    /// Each with when it is forgotten; without any if they could not be read.
    known: BTreeMap<Which, (u64, Past)>,
    wanted: BTreeMap<Ticket, (Which, Vec<Waiter>)>,
    /// In which order the store is asked for them. Some may have been given up.
    turns: Turns,
    /// What the store is asked for now.
    asked: Option<Ticket>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
}

impl Pasts {
    /// Nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What is known of a room beyond what it remembers, and up to which offset.
    pub(super) fn of(
        &self,
        chat: &Chat,
        room: RoomId,
        chart: &Chart,
        now_ms: u64,
    ) -> (u64, &[PastSeries]) {
        let name = chat.room_name(room).filter(|_| !self.known.is_empty());
        let which = name.map(|name| (name.clone(), chat.epoch(room), chart.clone()));
        let past = which.and_then(|which| self.find(&which, now_ms));
        past.map_or((0, &[]), |it| (it.upto, &it.series))
    }

    fn find(&self, which: &Which, now_ms: u64) -> Option<&Past> {
        let (until_ms, past) = self.known.get(which)?;
        (*until_ms > now_ms).then_some(past)
    }

    fn learn(&mut self, which: Which, past: Option<Past>, now_ms: u64) {
        self.known.retain(|_, (until_ms, _)| *until_ms > now_ms);
        if self.known.len() >= MAX_PASTS {
            let first = self.known.iter().min_by_key(|(_, (until_ms, _))| *until_ms);
            if let Some(first) = first.map(|(which, _)| which.clone()) {
                self.known.remove(&first);
            }
        }
        let lasts_ms = past.as_ref().map_or(STORE_RETRY_MS, |_| PAST_MS);
        self.known
            .insert(which, (now_ms + lasts_ms, past.unwrap_or_default()));
    }

    /// One that was asked for too long ago.
    fn take_due(&mut self, now_ms: u64) -> Option<(Which, Vec<Waiter>)> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.wanted.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(found) = self.take(ticket) {
                return Some(found);
            }
        }
        None
    }

    /// Takes what was wanted under a ticket: the store is not asked for it any more.
    fn take(&mut self, ticket: Ticket) -> Option<(Which, Vec<Waiter>)> {
        self.asked.take_if(|asked| *asked == ticket);
        self.wanted.remove(&ticket)
    }

    /// Somebody wants numbers that somebody waits for already. Gives the waiter back if
    /// that is not so. They are read in the first turn of anybody who waits.
    fn join(&mut self, which: &Which, waiter: Waiter, owner: &Owner) -> Result<(), Waiter> {
        let found = self.wanted.iter_mut().find(|(_, (it, _))| it == which);
        let Some((&ticket, (_, waiters))) = found else {
            return Err(waiter);
        };
        waiters.push(waiter);
        let is_in_line = self.turns.of(owner).any(|it| it == ticket);
        let has_place = self.turns.count() < 2 * MAX_PASTS && self.has_place_for(owner);
        if self.asked != Some(ticket) && !is_in_line && has_place {
            self.turns.add(owner, ticket);
        }
        Ok(())
    }

    /// Whether somebody may want more.
    fn has_place_for(&self, owner: &Owner) -> bool {
        let waiting = self.turns.of(owner);
        waiting.filter(|it| self.wanted.contains_key(it)).count() < MAX_PASTS_EACH
    }

    /// When the next one was asked for too long ago.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }
}

impl<S: Stream> Server<S> {
    /// Whether a command waits until the store has read the numbers that it is about.
    pub(super) fn waits_for_past(
        &mut self,
        wanted: Option<(&str, &Chart)>,
        text: &str,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let Some((room, chart)) = wanted else {
            return false;
        };
        let Some(room) = RoomName::parse(room) else {
            return false;
        };
        if self.check_may(id, Rights::may_subscribe, &room).is_err() {
            return false;
        }
        let (text, owner) = (text.into(), self.owner(id));
        let waiter = Waiter::Command { id, text };
        let waits = self.ask_for_past((&room, chart), waiter, &owner, now);
        if waits {
            self.begin_wait(id);
        }
        waits
    }

    /// The same for one who comes into a room by a pattern.
    pub(super) fn asks_past_for_entry(
        &mut self,
        id: ConnectionId,
        next: &ToEnter,
        chart: &Chart,
        now: Now,
    ) -> bool {
        let (room, next) = (next.room.clone(), next.clone());
        let owner = self.owner(id);
        self.ask_for_past((&room, chart), Waiter::Entry { id, next }, &owner, now)
    }

    /// Answers somebody's request for the numbers of keys, now or when the store has read them.
    pub(super) fn answer_series(
        &mut self,
        (room, chart): (&RoomName, &Chart),
        owner: &Owner,
        reply: &Reply,
        now: Now,
    ) {
        let waiter = Waiter::Request(Box::new(reply.clone()));
        if self.ask_for_past((room, chart), waiter, owner, now) {
            self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
        } else {
            self.respond_series(room, chart, reply, now);
        }
    }

    fn respond_series(&mut self, room: &RoomName, chart: &Chart, reply: &Reply, now: Now) {
        let mut json = self.series_of(room, chart, None, reply.id, now);
        json.own().push(b'\n');
        self.respond_rope(json, reply, now);
    }

    /// Asks the store for numbers that the room does not remember, unless they are known. Says whether it is asked, now or in a
    /// later turn of this owner.
    fn ask_for_past(
        &mut self,
        (room, chart): (&RoomName, &Chart),
        waiter: Waiter,
        owner: &Owner,
        now: Now,
    ) -> bool {
        let Some(id) = self.chat.find(room) else {
            return false;
        };
        if self.chat.has_shared_log() || self.chat.remembers(id, chart, now.ms) {
            return false;
        }
        let which = (room.clone(), self.chat.epoch(id), chart.clone());
        if self.pasts.find(&which, now.ms).is_some() {
            return false;
        }
        let Err(waiter) = self.pasts.join(&which, waiter, owner) else {
            return true;
        };
        let is_full = self.pasts.wanted.len() >= MAX_PASTS || !self.pasts.has_place_for(owner);
        let Some(outbox) = self.outbox.as_mut().filter(|_| !is_full) else {
            return false;
        };
        let ticket = outbox.next_ticket();
        let due_ms = now.ms + STORE_TIMEOUT_MS;
        self.pasts.due.push_back((due_ms, ticket));
        self.pasts.wanted.insert(ticket, (which, vec![waiter]));
        self.pasts.turns.add(owner, ticket);
        self.read_next_past(now);
        true
    }

    /// Asks the store for the numbers whose turn it is, unless it is asked for some. What nobody waits for any more is not read.
    fn read_next_past(&mut self, now: Now) {
        while self.pasts.asked.is_none()
            && let Some(ticket) = self.pasts.turns.next()
        {
            let Some(((room, epoch, chart), waiters)) = self.pasts.wanted.get(&ticket) else {
                continue;
            };
            if !waiters.iter().any(|it| self.get(it.id()).is_some()) {
                self.pasts.take(ticket);
                continue;
            }
            let window_ms = chart.window.seconds.saturating_mul(1000);
            let request = Request::ReadPast(ReadPast {
                ticket,
                room: room.as_str().into(),
                epoch: *epoch,
                after_ms: now.unix_ms.saturating_sub(window_ms),
                keys: chart.keys.clone(),
                points: chart.window.points,
                count: chart.window.count,
            });
            if let Some(outbox) = &mut self.outbox {
                outbox.push(request);
                self.pasts.asked = Some(ticket);
            }
        }
    }

    /// The answer to a request for numbers, if it is one.
    pub(super) fn on_past_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Some((which, waiters)) = self.pasts.take(answer.ticket()) else {
            return Err(answer);
        };
        let past = match answer {
            Answer::Past { past, .. } => Some(past),
            _ => None,
        };
        self.end_past(which, waiters, past, now);
        self.read_next_past(now);
        Ok(())
    }

    /// Gives up numbers that the store does not read in time: then there are those that the room remembers.
    pub(super) fn give_up_pasts(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((which, waiters)) = self.pasts.take_due(now.ms)
        {
            self.end_past(which, waiters, None, now);
            self.read_next_past(now);
        }
    }

    /// The store reads nothing any more.
    pub(super) fn end_pasts(&mut self, now: Now) {
        while let Some((which, waiters)) = self.pasts.take_due(u64::MAX) {
            self.end_past(which, waiters, None, now);
        }
    }

    fn end_past(&mut self, which: Which, waiters: Vec<Waiter>, past: Option<Past>, now: Now) {
        let (room, _, chart) = &which;
        let (room, chart) = (room.clone(), chart.clone());
        self.pasts.learn(which, past, now.ms);
        for waiter in waiters {
            self.budget.spend(cost::MESSAGE);
            match waiter {
                Waiter::Command { id, text } => self.loading.resume(Aside::Command { id, text }),
                Waiter::Entry { id, next } => self.followers.put_back(id, next),
                Waiter::Request(reply) => self.respond_series(&room, &chart, &reply, now),
            }
        }
    }

    /// The numbers of keys, as the items of a list in JSON; the connection is charged for what is looked at.
    pub(super) fn push_series(
        &mut self,
        room: RoomId,
        chart: &Chart,
        id: ConnectionId,
        now: Now,
        rope: &mut Rope,
    ) {
        let past = self.pasts.of(&self.chat, room, chart, now.ms);
        let (series, scans) = self.chat.series(room, chart, past, now);
        let json = self.encoder.series(&series);
        rope.own().extend_from_slice(&json);
        self.charge_scan(id, scans);
    }

    /// The answer to `history` that asks for numbers.
    pub(super) fn series_of(
        &mut self,
        name: &RoomName,
        chart: &Chart,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Rope {
        self.chat.forget_expired_in(name, now.ms);
        let room = self.chat.find(name);
        let mut rope = Rope::default();
        let head = Event::History {
            id: echo,
            room: name.as_str(),
            epoch: Epoch(room.map_or(0, |room| self.chat.epoch(room))),
        };
        event::open(&head, rope.own());
        rope.own().extend_from_slice(b",\"series\":[");
        if let Some(room) = room {
            self.push_series(room, chart, id, now, &mut rope);
        }
        rope.own().extend_from_slice(b"]}");
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::key_patterns::KeyPatterns;
    use crate::core::chat::Window;

    fn which(seconds: u64) -> Which {
        let window = Window {
            seconds,
            points: 100,
            count: None,
        };
        let chart = Chart {
            window,
            keys: KeyPatterns::default(),
        };
        (RoomName::parse("plant").unwrap(), 1, chart)
    }

    fn waiter() -> Waiter {
        Waiter::Command {
            id: ConnectionId::new(0, 0),
            text: "".into(),
        }
    }

    #[test]
    fn what_two_want_is_read_in_the_first_turn_of_either() {
        let [busy, other] = [1, 2].map(|it| Owner::at([10, 0, 0, it].into()));
        let mut pasts = Pasts::default();
        for number in 0..MAX_PASTS_EACH as u64 {
            let ticket = Ticket::for_test(number);
            pasts.wanted.insert(ticket, (which(number), vec![waiter()]));
            pasts.turns.add(&busy, ticket);
        }
        assert!(!pasts.has_place_for(&busy) && pasts.has_place_for(&other));
        for _ in 0..2 {
            pasts.join(&which(7), waiter(), &other).unwrap();
        }
        assert!(pasts.join(&which(99), waiter(), &other).is_err());
        let next: Vec<_> = (0..3).filter_map(|_| pasts.turns.next()).collect();
        assert_eq!(next, [0, 7, 1].map(Ticket::for_test));
        let (_, waiters) = pasts.take(Ticket::for_test(7)).unwrap();
        assert_eq!(waiters.len(), 3);
    }
}
