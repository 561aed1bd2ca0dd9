//! A store beside the server that answers late, out of step between rooms, and refuses some messages or answers none.

use std::collections::{BTreeMap, VecDeque};

use parlor::core::store::{Answer, Append, Read, Request, Stored};
use parlor::core::{Now, Server, Stream};

use crate::random::Random;

/// What a store does to those who wait for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    /// Of a thousand messages so many are refused.
    pub(crate) refused: usize,
    /// Milliseconds after which a message is answered, at most; some rooms take ten times as long.
    pub(crate) late_ms: usize,
    /// Nothing is answered at all.
    pub(crate) is_dead: bool,
}

pub(crate) struct LateStore {
    habit: Habit,
    random: Random,
    rooms: BTreeMap<(String, u64), Log>,
    /// The bodies of the messages that were accepted lately, in their order.
    pub(crate) accepted: Vec<Vec<u8>>,
}

/// The log of a room.
#[derive(Default)]
struct Log {
    late_ms: usize,
    stored: Vec<Stored>,
    /// When each message is answered, in the order of their tickets.
    appends: VecDeque<(u64, Append)>,
    reads: VecDeque<(u64, Read)>,
}

impl Log {
    fn keep(&mut self, append: Append, now: Now) -> Answer {
        let (offset, at_ms) = (self.stored.len() as u64 + 1, now.unix_ms);
        let record = append.record;
        self.stored.push(Stored {
            offset,
            at_ms,
            record,
        });
        Answer::Accepted {
            ticket: append.ticket,
            offset,
            at_ms,
        }
    }

    fn page(&self, read: &Read) -> Answer {
        page(&self.stored, read)
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
        more: more > 0,
    }
}

impl LateStore {
    pub(crate) fn new(habit: Habit, random: Random) -> Self {
        Self {
            habit,
            random,
            rooms: BTreeMap::new(),
            accepted: Vec::new(),
        }
    }

    /// Takes what the server asks for.
    pub(crate) fn take<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while let Some(request) = server.next_request() {
            let (room, epoch) = match &request {
                Request::Append(append) => (&append.room, append.epoch),
                Request::Read(read) => (&read.room, read.epoch),
            };
            let (random, most) = (&mut self.random, self.habit.late_ms);
            let name = (room.as_str().to_owned(), epoch);
            let log = self.rooms.entry(name).or_insert_with(|| Log {
                late_ms: if random.chance(250) { 10 * most } else { most },
                ..Log::default()
            });
            let due_ms = now.ms + random.below(log.late_ms + 1) as u64;
            match request {
                Request::Append(append) => log.appends.push_back((due_ms, append)),
                Request::Read(read) => log.reads.push_back((due_ms, read)),
            }
        }
    }

    /// Answers what is due: rooms in any order, each in its own.
    pub(crate) fn answer<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        if self.habit.is_dead {
            return;
        }
        let mut rooms: Vec<&mut Log> = self.rooms.values_mut().collect();
        if self.random.chance(500) {
            rooms.reverse();
        }
        for log in rooms {
            while let Some(append) = take_due(&mut log.appends, now) {
                let answer = if self.random.chance(self.habit.refused) {
                    Answer::Refused {
                        ticket: append.ticket,
                        retry_ms: 250,
                    }
                } else {
                    self.accepted.push(append.record.body().to_vec());
                    log.keep(append, now)
                };
                server.on_answer(answer, now);
            }
            while let Some(read) = take_due(&mut log.reads, now) {
                server.on_answer(log.page(&read), now);
            }
        }
    }

    /// From now on it answers within a few milliseconds.
    pub(crate) fn hurry(&mut self) {
        self.habit.late_ms = self.habit.late_ms.min(2);
        for log in self.rooms.values_mut() {
            log.late_ms = self.habit.late_ms;
        }
    }

    /// When it answers next.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        let logs = self.rooms.values().filter(|_| !self.habit.is_dead);
        let due = logs.flat_map(|log| {
            let append = log.appends.front().map(|(due_ms, _)| *due_ms);
            let read = log.reads.front().map(|(due_ms, _)| *due_ms);
            append.into_iter().chain(read)
        });
        due.min()
    }
}

/// The first request whose time has come.
fn take_due<T>(requests: &mut VecDeque<(u64, T)>, now: Now) -> Option<T> {
    requests.front().filter(|(due_ms, _)| *due_ms <= now.ms)?;
    requests.pop_front().map(|(_, request)| request)
}
