//! What the server knows of a connection at the doors at which one can take a name.

use crate::core::chat::{PersonId, RoomId};
use crate::limits::{ANSWER_BYTES, MAX_DEBT_MS, MAX_UNREAD_ANSWERS};

/// Who it is, and how much it may still say.
#[derive(Debug)]
pub(in crate::core) struct Session {
    pub(in crate::core) person: PersonId,
    /// The room it said something in last: if that is congested, it is not read.
    pub(in crate::core) publishes_to: Option<RoomId>,
    /// A command of it goes on in the server's next turns.
    pub(in crate::core) is_busy: bool,
    bucket: Bucket,
    /// Bytes of answers since the queue was last empty.
    unread_bytes: usize,
}

impl Session {
    pub(in crate::core) fn new(person: PersonId, rate: u32, now_ms: u64) -> Self {
        Self {
            person,
            publishes_to: None,
            is_busy: false,
            bucket: Bucket::new(rate, now_ms),
            unread_bytes: 0,
        }
    }

    /// An answer of so many bytes is queued, for which `encoded` were made. A long one is as much work as several
    /// commands, and counts as such.
    pub(in crate::core) fn on_answer(&mut self, queued: usize, encoded: usize) {
        self.unread_bytes += queued;
        self.bucket.charge(encoded / ANSWER_BYTES);
    }

    /// What was done for a command is as much work as so many more.
    pub(in crate::core) fn charge(&mut self, commands: usize) {
        self.bucket.charge(commands);
    }

    /// All that was queued has been taken. Says whether a command has waited for that.
    pub(in crate::core) fn on_drained(&mut self) -> bool {
        let has_waited = self.has_much_unread();
        self.unread_bytes = 0;
        has_waited
    }

    /// The next command has to wait: for the last one, or until some answers have been read.
    pub(in crate::core) fn must_wait(&self) -> bool {
        self.is_busy || self.has_much_unread()
    }

    fn has_much_unread(&self) -> bool {
        self.unread_bytes > MAX_UNREAD_ANSWERS
    }

    /// Whether a command may be obeyed now.
    pub(in crate::core) fn admit(&mut self, now_ms: u64) -> Admission {
        self.bucket.take(now_ms)
    }
}

/// A token bucket: `rate` commands a second, twice as many at once.
#[derive(Debug)]
pub(in crate::core) struct Bucket {
    rate: u32,
    /// Thousandths of a command: a millisecond brings `rate` of them.
    /// Below zero after long answers, and much work.
    millitokens: i64,
    filled_ms: u64,
    /// Commands refused since the bucket was last full.
    refused: u32,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Admission {
    Granted,
    /// To be sent again after this time.
    TooEarly {
        retry_ms: u64,
    },
    /// It was told, as often as it may send commands at once, and went on.
    Insistent,
}

const TOKEN: i64 = 1_000;

impl Bucket {
    pub(in crate::core) fn new(rate: u32, now_ms: u64) -> Self {
        let mut bucket = Self {
            rate,
            millitokens: 0,
            filled_ms: now_ms,
            refused: 0,
        };
        bucket.millitokens = bucket.capacity();
        bucket
    }

    fn capacity(&self) -> i64 {
        2 * i64::from(self.rate) * TOKEN
    }

    /// What time brings again: beyond that, work is not charged.
    fn max_debt(&self) -> i64 {
        i64::from(self.rate) * MAX_DEBT_MS.cast_signed()
    }

    fn charge(&mut self, commands: usize) {
        if self.rate > 0 {
            let cost = i64::try_from(commands).map_or(i64::MAX, |it| it.saturating_mul(TOKEN));
            self.millitokens = self.millitokens.saturating_sub(cost).max(-self.max_debt());
        }
    }

    /// Whether so much time has passed that it is as if nothing had been taken.
    pub(in crate::core) fn is_full_at(&self, now_ms: u64) -> bool {
        self.millitokens.saturating_add(self.brought_at(now_ms)) >= self.capacity()
    }

    /// What the time since the last filling brings.
    fn brought_at(&self, now_ms: u64) -> i64 {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        let rate = i64::from(self.rate);
        i64::try_from(passed_ms).map_or(i64::MAX, |ms| ms.saturating_mul(rate))
    }

    /// Takes what one command needs.
    pub(in crate::core) fn take(&mut self, now_ms: u64) -> Admission {
        let rate = i64::from(self.rate);
        if rate == 0 {
            return Admission::Granted;
        }
        let brought = self.brought_at(now_ms);
        self.filled_ms = now_ms;
        self.millitokens = self
            .millitokens
            .saturating_add(brought)
            .min(self.capacity());
        if self.millitokens == self.capacity() {
            self.refused = 0;
        }
        if self.millitokens >= TOKEN {
            self.millitokens -= TOKEN;
            return Admission::Granted;
        }
        self.refused += 1;
        if self.refused > 2 * self.rate {
            return Admission::Insistent;
        }
        Admission::TooEarly {
            retry_ms: ((TOKEN - self.millitokens + rate - 1) / rate).unsigned_abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut bucket = Bucket::new(10, 0);
        for _ in 0..20 {
            assert_eq!(bucket.take(0), Admission::Granted);
        }
        assert_eq!(bucket.take(0), Admission::TooEarly { retry_ms: 100 });
        assert_eq!(bucket.take(99), Admission::TooEarly { retry_ms: 1 });
        assert_eq!(bucket.take(100), Admission::Granted);
        assert_eq!(bucket.take(1_000_000), Admission::Granted);
    }

    #[test]
    fn a_long_answer_costs_as_much_as_several_commands() {
        let mut bucket = Bucket::new(10, 0);
        bucket.charge(25);
        assert_eq!(bucket.take(0), Admission::TooEarly { retry_ms: 600 });
        bucket.charge(usize::MAX);
        let soon = bucket.take(MAX_DEBT_MS - 1_000);
        assert_eq!(soon, Admission::TooEarly { retry_ms: 1_100 });
        assert_eq!(bucket.take(MAX_DEBT_MS + 100), Admission::Granted);
    }

    #[test]
    fn who_never_stops_is_insistent_in_the_end() {
        let mut bucket = Bucket::new(10, 0);
        let answers = (0..10_000).map(|ms| bucket.take(ms));
        assert!(answers.into_iter().any(|it| it == Admission::Insistent));
    }

    #[test]
    fn who_goes_on_is_told_twenty_times() {
        let mut bucket = Bucket::new(10, 0);
        let answers: Vec<Admission> = (0..41).map(|_| bucket.take(0)).collect();
        assert!(matches!(answers[39], Admission::TooEarly { .. }));
        assert_eq!(answers[40], Admission::Insistent);
        assert_eq!(Bucket::new(0, 0).take(0), Admission::Granted);
    }
}
