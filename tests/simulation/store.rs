//! A store beside the server that answers late, out of step between rooms, and refuses some messages or answers none.

use std::collections::{BTreeMap, VecDeque};

use parlor::core::store::{Answer, Append, Request, Ticket};
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
    pub(crate) refused: usize,
}

/// The log of a room.
struct Log {
    offset: u64,
    late_ms: usize,
    /// When each message is answered, in the order of their tickets.
    waiting: VecDeque<(u64, Ticket, Vec<u8>)>,
}

impl LateStore {
    pub(crate) fn new(habit: Habit, random: Random) -> Self {
        Self {
            habit,
            random,
            rooms: BTreeMap::new(),
            accepted: Vec::new(),
            refused: 0,
        }
    }

    /// Takes what the server asks for.
    pub(crate) fn take<S: Stream>(&mut self, server: &mut Server<S>, now: Now) {
        while let Some(Request::Append(append)) = server.next_request() {
            self.keep(&append, now);
        }
    }

    fn keep(&mut self, append: &Append, now: Now) {
        let name = (append.room.as_str().to_owned(), append.epoch);
        let (random, most) = (&mut self.random, self.habit.late_ms);
        let log = self.rooms.entry(name).or_insert_with(|| Log {
            offset: 0,
            late_ms: if random.chance(250) { 10 * most } else { most },
            waiting: VecDeque::new(),
        });
        let due_ms = now.ms + random.below(log.late_ms + 1) as u64;
        let body = append.record.body().to_vec();
        log.waiting.push_back((due_ms, append.ticket, body));
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
            while log
                .waiting
                .front()
                .is_some_and(|(due_ms, ..)| *due_ms <= now.ms)
                && let Some((_, ticket, body)) = log.waiting.pop_front()
            {
                let answer = if self.random.chance(self.habit.refused) {
                    self.refused += 1;
                    let retry_ms = 250;
                    Answer::Refused { ticket, retry_ms }
                } else {
                    self.accepted.push(body);
                    log.offset += 1;
                    Answer::Accepted {
                        ticket,
                        offset: log.offset,
                        at_ms: now.unix_ms,
                    }
                };
                server.on_answer(answer, now);
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
        logs.filter_map(|log| log.waiting.front())
            .map(|(due_ms, ..)| *due_ms)
            .min()
    }
}
