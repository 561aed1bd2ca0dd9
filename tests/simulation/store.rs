//! A store beside the server that answers late, out of step between rooms, and refuses some messages or answers none. What
//! it has outlives a server.

use std::collections::{BTreeMap, VecDeque};

use parlor::core::store::{
    Answer, Append, Contents, Load, PastReading, Person, Read, ReadPast, Request, Search,
    SentMessage, Stored, state_after,
};
use parlor::core::{Now, Server, Stream};

use crate::random::Random;

/// What a store does to those who wait for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    /// Of a thousand messages so many are refused.
    pub(crate) refused: usize,
    /// Milliseconds after which a request is answered, at most; some rooms take ten times as long.
    pub(crate) late_ms: usize,
    /// Nothing is answered at all.
    pub(crate) is_dead: bool,
}

pub(crate) struct LateStore {
    habit: Habit,
    random: Random,
    rooms: BTreeMap<Box<str>, Room>,
    people: BTreeMap<u64, Person>,
    /// What was asked to be kept since this was last looked at.
    pub(crate) appended: Vec<Append>,
    /// The bodies of the messages that were accepted lately, in their order.
    pub(crate) accepted: Vec<Vec<u8>>,
}

/// What is kept of a room, and what it is asked for.
#[derive(Default)]
struct Room {
    late_ms: usize,
    epoch: u64,
    stored: Vec<Stored>,
    state: BTreeMap<Box<str>, Stored>,
    /// When each is carried out, in their order.
    requests: VecDeque<(u64, Request)>,
}

impl Room {
    fn append(&mut self, append: Append) -> Answer {
        if self.epoch != append.epoch {
            self.forget(self.epoch);
            self.epoch = append.epoch;
        }
        let key = append.record.key.as_deref();
        if let Some((condition, key)) = append.condition.zip(key) {
            let current = self.state.get(key);
            if !condition.holds(self.epoch, current.map(|it| it.offset)) {
                return Answer::Conflict {
                    ticket: append.ticket,
                    current: current.cloned().map(Box::new),
                };
            }
        }
        let next = append.not_before.max(self.offset() + 1);
        let stored = Stored {
            offset: append.offset.unwrap_or(next),
            at_ms: append.at_ms,
            record: append.record,
        };
        assert_eq!(stored.offset, next, "an offset is left out, or given twice");
        if let Some(key) = stored.record.key.clone().filter(|_| stored.record.retain) {
            match state_after(self.state.get(&key), &stored) {
                Some(state) => self.state.insert(key, state),
                None => self.state.remove(&key),
            };
        }
        self.stored.push(stored);
        Answer::Accepted {
            ticket: append.ticket,
            offset: next,
            at_ms: append.at_ms,
        }
    }

    /// That of the newest message.
    fn offset(&self) -> u64 {
        self.stored.last().map_or(0, |stored| stored.offset)
    }

    fn load(&self, load: &Load) -> Answer {
        let mut bytes = 0;
        let newest = self.stored.iter().rev().zip(0..).take(load.messages);
        let newest = newest.take_while(|(stored, before)| {
            bytes += stored.record.body.len();
            bytes <= load.bytes && stored.offset + before == self.offset()
        });
        let newest = newest.map(|(stored, _)| stored);
        let mut messages: Vec<Stored> = newest.cloned().collect();
        messages.reverse();
        let mut state: Vec<Stored> = self.state.values().cloned().collect();
        state.sort_by_key(|stored| stored.offset);
        let late = self
            .stored
            .iter()
            .filter(|it| it.at_ms > load.sent_after_ms);
        let sent = late.filter_map(|stored| {
            Some(SentMessage {
                offset: stored.offset,
                at_ms: stored.at_ms,
                owner: stored.record.owner.clone(),
                sent: stored.record.sent.clone()?,
            })
        });
        let contents = Contents {
            read_ms: None,
            epoch: self.epoch,
            offset: self.offset(),
            messages,
            state,
            sent: sent.collect(),
        };
        Answer::Loaded {
            ticket: load.ticket,
            contents: (!self.stored.is_empty()).then(|| Box::new(contents)),
        }
    }

    fn forget(&mut self, epoch: u64) {
        if self.epoch == epoch {
            self.stored.clear();
            self.state.clear();
        }
    }

    fn forget_state(&mut self, epoch: u64, key: &str, upto: u64) {
        if self.epoch == epoch && self.state.get(key).is_some_and(|it| it.offset <= upto) {
            self.state.remove(key);
        }
    }
}

/// What of these messages is asked for.
pub(crate) fn page(stored: &[Stored], read: &Read) -> Answer {
    let is_asked = |it: &&Stored| read.after < it.offset && it.offset < read.before;
    let asked: Vec<&Stored> = stored.iter().filter(is_asked).collect();
    let more = asked.len().saturating_sub(read.limit);
    Answer::Page {
        ticket: read.ticket,
        messages: asked.into_iter().skip(more).cloned().collect(),
        damaged: Vec::new(),
        more: more > 0,
    }
}

/// The numbers that the keys of a room had.
fn past(room: &Room, request: &ReadPast) -> Answer {
    let mut reading = PastReading::new(request);
    for Stored { at_ms, record, .. } in room.stored.iter().rev() {
        if !reading.add(*at_ms, record.key.as_deref(), record.content, &record.body) {
            break;
        }
    }
    Answer::Past {
        ticket: request.ticket,
        past: reading.end(room.offset()),
    }
}

/// Which of these messages hold a text.
fn find(stored: &[Stored], search: &Search) -> Answer {
    let query = search.query.as_bytes();
    let holds = |it: &&Stored| {
        let mut parts = it.record.body.windows(query.len().max(1));
        it.offset < search.before && parts.any(|part| part == query)
    };
    let found: Vec<&Stored> = stored.iter().filter(holds).collect();
    let more = found.len().saturating_sub(search.limit);
    Answer::Page {
        ticket: search.ticket,
        messages: found.into_iter().skip(more).cloned().collect(),
        damaged: Vec::new(),
        more: more > 0,
    }
}

impl LateStore {
    pub(crate) fn new(habit: Habit, random: Random) -> Self {
        Self {
            habit,
            random,
            rooms: BTreeMap::new(),
            people: BTreeMap::new(),
            appended: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// Takes what the server asks for.
    pub(crate) fn take<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while let Some(request) = server.next_request() {
            let name = match &request {
                Request::Load(Load { room, .. })
                | Request::Append(Append { room, .. })
                | Request::Read(Read { room, .. })
                | Request::Search(Search { room, .. })
                | Request::ReadPast(ReadPast { room, .. })
                | Request::ForgetRoom { room, .. }
                | Request::ForgetState { room, .. } => room.clone(),
                Request::ForgetFile { .. }
                | Request::Shared(_)
                | Request::People(_)
                | Request::Files(_)
                | Request::Ban(_)
                | Request::Hook(_)
                | Request::Push(_) => continue,
                Request::KeepPerson(person) => {
                    self.people.insert(person.number, person.clone());
                    continue;
                }
                Request::ForgetPerson { number } => {
                    self.people.remove(number);
                    continue;
                }
            };
            if let Request::Append(append) = &request {
                self.appended.push(append.clone());
            }
            let (random, most) = (&mut self.random, self.habit.late_ms);
            let room = self.rooms.entry(name).or_insert_with(|| Room {
                late_ms: if random.chance(250) { 10 * most } else { most },
                ..Room::default()
            });
            let before_ms = room.requests.back().map_or(0, |(due_ms, _)| *due_ms);
            let due_ms = now.ms + random.below(room.late_ms + 1) as u64;
            room.requests.push_back((due_ms.max(before_ms), request));
        }
    }

    /// Answers what is due: rooms in any order, each in its own.
    pub(crate) fn answer<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        for answer in self.due_answers(now) {
            server.on_answer(answer, now);
        }
    }

    fn due_answers(&mut self, now: Now) -> Vec<Answer> {
        let mut answers = Vec::new();
        if self.habit.is_dead {
            return answers;
        }
        let mut rooms: Vec<&mut Room> = self.rooms.values_mut().collect();
        if self.random.chance(500) {
            rooms.reverse();
        }
        for room in rooms {
            while room
                .requests
                .front()
                .is_some_and(|(due_ms, _)| *due_ms <= now.ms)
                && let Some((_, request)) = room.requests.pop_front()
            {
                let is_refused = self.random.chance(self.habit.refused);
                answers.extend(carry_out(room, request, is_refused, &mut self.accepted));
            }
        }
        answers
    }

    /// The server is gone, and so are the answers on their way to it. Of what it has asked for last some is done.
    pub(crate) fn crash(&mut self) {
        for room in self.rooms.values_mut() {
            let requests = std::mem::take(&mut room.requests);
            let done = self.random.below(requests.len() + 1);
            for (_, request) in requests.into_iter().take(done) {
                carry_out(room, request, false, &mut self.accepted);
            }
        }
    }

    /// Gives another server what it begins with.
    pub(crate) fn restore<S: Stream>(&self, server: &mut Server<S>, now: Now) {
        self.restore_with(server, self.people.values().cloned().collect(), now);
    }

    /// The same for one that takes over from another, which tells it of people.
    pub(crate) fn restore_rooms<S: Stream>(&self, server: &mut Server<S>, now: Now) {
        self.restore_with(server, Vec::new(), now);
    }

    fn restore_with<S: Stream>(&self, server: &mut Server<S>, people: Vec<Person>, now: Now) {
        let kept = self
            .rooms
            .iter()
            .filter(|(_, room)| !room.stored.is_empty());
        server.restore(people, kept.map(|(name, _)| &**name), now);
        let deadlines = self.rooms.iter().filter_map(|(name, room)| {
            let due = room.state.values().filter_map(due_ms);
            Some((&**name, due.min()?))
        });
        server.restore_deadlines(deadlines, now);
    }

    /// From now on it answers nothing, or all that it is asked for.
    pub(crate) fn set_dead(&mut self, is_dead: bool) {
        self.habit.is_dead = is_dead;
    }

    /// From now on it answers within a few milliseconds.
    pub(crate) fn hurry(&mut self) {
        self.habit.late_ms = self.habit.late_ms.min(2);
        for room in self.rooms.values_mut() {
            room.late_ms = self.habit.late_ms;
        }
    }

    /// When it answers next.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        let rooms = self.rooms.values().filter(|_| !self.habit.is_dead);
        let due = rooms.filter_map(|room| room.requests.front());
        due.map(|(due_ms, _)| *due_ms).min()
    }

    /// The messages that are kept of a room, in the order of the offsets.
    pub(crate) fn stored_of(&self, room: &str) -> &[Stored] {
        self.rooms.get(room).map_or(&[], |room| &room.stored)
    }

    /// From now on it refuses so many messages of a thousand.
    pub(crate) fn refuse(&mut self, refused: usize) {
        self.habit.refused = refused;
    }

    /// What is kept of a room, in the order of the offsets.
    pub(crate) fn bodies_of(&self, room: &str) -> Vec<Vec<u8>> {
        let room = self.rooms.get(room);
        let stored = room.iter().flat_map(|room| &room.stored);
        stored.map(|stored| stored.record.body.clone()).collect()
    }
}

/// When a value is late, or ends.
fn due_ms(state: &Stored) -> Option<u64> {
    let freshness = state.record.freshness;
    let seconds = [freshness.expect, freshness.ttl]
        .into_iter()
        .flatten()
        .min()?;
    Some(state.at_ms + 1000 * u64::from(seconds))
}

fn carry_out(
    room: &mut Room,
    request: Request,
    is_refused: bool,
    accepted: &mut Vec<Vec<u8>>,
) -> Option<Answer> {
    match request {
        Request::Append(append) if is_refused && append.offset.is_none() => {
            let ticket = append.ticket;
            let retry_ms = 250;
            return Some(Answer::Refused { ticket, retry_ms });
        }
        Request::Append(append) => {
            let body = append.record.body.clone();
            let answer = room.append(append);
            if matches!(answer, Answer::Accepted { .. }) {
                accepted.push(body);
            }
            return Some(answer);
        }
        Request::Read(read) => return Some(page(&room.stored, &read)),
        Request::Search(search) => return Some(find(&room.stored, &search)),
        Request::ReadPast(request) => return Some(past(room, &request)),
        Request::Load(load) => return Some(room.load(&load)),
        Request::ForgetRoom { epoch, .. } => room.forget(epoch),
        Request::ForgetState {
            epoch, key, offset, ..
        } => room.forget_state(epoch, &key, offset),
        Request::ForgetFile { .. }
        | Request::KeepPerson(_)
        | Request::ForgetPerson { .. }
        | Request::Shared(_)
        | Request::People(_)
        | Request::Files(_)
        | Request::Ban(_)
        | Request::Hook(_)
        | Request::Push(_) => {}
    }
    None
}
