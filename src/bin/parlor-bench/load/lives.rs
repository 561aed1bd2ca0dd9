//! Visitors at the JSON door, who are cut off and come back: over all its connections, each is to get every message of
//! the room once and in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::door::Joined;
use crate::record::{Latencies, no_latencies};

/// What the visitors have seen.
#[derive(Debug)]
pub(super) struct Lives {
    lives: Vec<Life>,
    /// Who comes back when.
    away: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) recovery: Recovery,
    /// Answers to `join` that have come.
    pub(super) answered: u64,
    /// Messages that have come by themselves.
    pub(super) messages: u64,
    /// From the call to connect() to the answer to `join`, of those who come back.
    pub(super) times: Latencies,
}

#[derive(Debug, Default)]
struct Life {
    began_ns: u64,
    /// The room that was seen, and the offset of the last message of it.
    seen: Option<(String, u64)>,
    /// The answer to this connection's `join` has come.
    is_in: bool,
}

/// How coming back went, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    pub(crate) recovered: u64,
    /// Told that what was missed is not there any more.
    pub(crate) unrecovered: u64,
    /// Told so, and given all of it all the same.
    pub(crate) denied: u64,
    /// Messages that never came.
    pub(crate) holes: u64,
    /// Messages that came again.
    pub(crate) repeats: u64,
}

impl Recovery {
    pub(crate) fn is_clean(&self) -> bool {
        (self.denied, self.holes, self.repeats) == (0, 0, 0)
    }
}

impl Default for Lives {
    fn default() -> Lives {
        Lives {
            lives: Vec::new(),
            away: BinaryHeap::new(),
            recovery: Recovery::default(),
            answered: 0,
            messages: 0,
            times: no_latencies(),
        }
    }
}

impl Lives {
    /// Who comes next: the first who is to be back by now, else someone new. Their connection began at `began_ns`.
    pub(super) fn next(&mut self, now_ns: u64, began_ns: u64) -> usize {
        let life = match self.away.peek() {
            Some(&Reverse((back_ns, life))) if back_ns <= now_ns => {
                self.away.pop();
                life
            }
            _ => {
                self.lives.push(Life::default());
                self.lives.len() - 1
            }
        };
        self.lives[life].began_ns = began_ns;
        life
    }

    /// Epoch and offset of what a life has seen last.
    pub(super) fn since(&self, life: usize) -> Option<(&str, u64)> {
        let seen = self.lives[life].seen.as_ref();
        seen.map(|(epoch, offset)| (epoch.as_str(), *offset))
    }

    /// The connection of a life has ended; it comes back.
    pub(super) fn leave(&mut self, life: usize, back_ns: u64) {
        self.lives[life].is_in = false;
        self.away.push(Reverse((back_ns, life)));
    }

    /// The connection of a life has ended for good: whether it had been let in.
    pub(super) fn lose(&mut self, life: usize) -> bool {
        std::mem::replace(&mut self.lives[life].is_in, false)
    }

    /// The answer to `join` has come.
    pub(super) fn joined(&mut self, life: usize, joined: Joined, now_ns: u64) {
        self.answered += 1;
        let Life { seen, began_ns, .. } = &mut self.lives[life];
        let Some((epoch, offset)) = seen else {
            return self.enter(life, joined);
        };
        self.times
            .saturating_record(now_ns.saturating_sub(*began_ns) / 1_000);
        if joined.recovered {
            self.recovery.recovered += 1;
            for message in &joined.messages {
                self.recovery.see(offset, message.offset);
            }
            // What is missing at the end of the list.
            self.recovery.holes += joined.offset.saturating_sub(*offset);
        } else {
            self.recovery.unrecovered += 1;
            let missed = joined.offset.wrapping_sub(*offset);
            self.recovery.denied +=
                u64::from(*epoch == joined.epoch && missed <= joined.messages.len() as u64);
        }
        self.enter(life, joined);
    }

    fn enter(&mut self, life: usize, joined: Joined) {
        let life = &mut self.lives[life];
        (life.seen, life.is_in) = (Some((joined.epoch, joined.offset)), true);
    }

    /// A message has come by itself.
    pub(super) fn message(&mut self, life: usize, offset: u64) {
        self.messages += 1;
        match &mut self.lives[life] {
            Life {
                seen: Some((_, seen)),
                is_in: true,
                ..
            } => self.recovery.see(seen, offset),
            // What was said before the answer is in the answer.
            _ => self.recovery.repeats += 1,
        }
    }
}

impl Lives {
    /// Messages up to that offset that those who are there have not seen.
    pub(super) fn missing(&self, last: u64) -> u64 {
        let here = self.lives.iter().filter(|life| life.is_in);
        here.filter_map(|life| life.seen.as_ref())
            .map(|(_, offset)| last.saturating_sub(*offset))
            .sum()
    }
}

impl Recovery {
    fn see(&mut self, last: &mut u64, offset: u64) {
        if offset <= *last {
            self.repeats += 1;
        } else {
            self.holes += offset - *last - 1;
            *last = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::Missed;

    fn joined(epoch: &str, offset: u64, recovered: bool, messages: &[u64]) -> Joined {
        Joined {
            epoch: epoch.into(),
            offset,
            recovered,
            messages: messages.iter().map(|&offset| Missed { offset }).collect(),
        }
    }

    /// Someone who has seen messages up to 12 and comes back to this.
    fn come_back(answer: Joined, live: &[u64]) -> (Lives, Recovery) {
        let mut lives = Lives::default();
        let life = lives.next(0, 0);
        assert_eq!(lives.since(life), None);
        lives.joined(life, joined("e", 10, false, &[]), 0);
        lives.message(life, 11);
        lives.message(life, 12);
        lives.leave(life, 5);
        assert_eq!(lives.next(5, 5), life);
        assert_eq!(lives.since(life), Some(("e", 12)));
        lives.joined(life, answer, 2_000_005);
        live.iter().for_each(|&offset| lives.message(life, offset));
        let recovery = lives.recovery;
        (lives, recovery)
    }

    #[test]
    fn everything_once_and_in_order_is_no_fault() {
        let (_, recovery) = come_back(joined("e", 14, true, &[13, 14]), &[15, 16]);
        let expected = Recovery {
            recovered: 1,
            ..Recovery::default()
        };
        assert_eq!(recovery, expected);
        assert!(recovery.is_clean());
    }

    #[test]
    fn a_return_is_timed_and_what_is_missing_at_the_end_is_seen() {
        let (mut lives, _) = come_back(joined("e", 14, true, &[13, 14]), &[15]);
        assert_eq!(
            (lives.answered, lives.times.len()),
            (2, 1),
            "coming for the first time is no return"
        );
        assert_eq!(lives.times.max() / 10, 200);
        assert_eq!([15, 18].map(|last| lives.missing(last)), [0, 3]);
        lives.leave(0, 7);
        assert_eq!(lives.missing(18), 0);
    }

    #[test]
    fn holes_and_repeats_are_counted_wherever_they_are() {
        for (answer, live, holes, repeats) in [
            (joined("e", 15, true, &[13, 15]), &[16][..], 1, 0),
            (joined("e", 15, true, &[14, 15]), &[16], 1, 0),
            (joined("e", 15, true, &[13]), &[16], 2, 0),
            (joined("e", 14, true, &[12, 13, 14]), &[15], 0, 1),
            (joined("e", 14, true, &[13, 14]), &[14, 15, 18], 2, 1),
            (joined("e", 14, true, &[14, 13]), &[15], 1, 1),
        ] {
            let (_, recovery) = come_back(answer, live);
            assert_eq!((recovery.holes, recovery.repeats), (holes, repeats));
            assert!(!recovery.is_clean());
        }
    }

    #[test]
    fn not_recovered_is_a_fault_only_where_all_of_it_is_there() {
        let missed: Vec<u64> = (20..=119).collect();
        let (_, far) = come_back(joined("e", 119, false, &missed), &[120]);
        assert_eq!((far.unrecovered, far.is_clean()), (1, true));
        let (_, other) = come_back(joined("f", 12, false, &[11, 12]), &[13]);
        assert_eq!((other.unrecovered, other.is_clean()), (1, true));
        let (_, near) = come_back(joined("e", 14, false, &[11, 12, 13, 14]), &[15]);
        assert_eq!((near.denied, near.is_clean()), (1, false));
    }

    #[test]
    fn a_message_before_the_answer_is_one_too_many() {
        let (mut lives, _) = come_back(joined("e", 12, true, &[]), &[]);
        lives.leave(0, 7);
        lives.message(lives.lives.len() - 1, 13);
        assert_eq!(lives.recovery.repeats, 1);
        assert_eq!(lives.next(6, 6), 1, "the first one is not back yet");
    }
}
