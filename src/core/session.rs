//! What the server knows of a connection at the JSON door.

use super::chat::{PersonId, RoomId};

/// Who it is, and how much it may still say.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) person: PersonId,
    /// The room it said something in last: if that is congested, it is not read.
    pub(super) publishes_to: Option<RoomId>,
    bucket: Bucket,
}

impl Session {
    pub(super) fn new(person: PersonId, rate: u32, now_ms: u64) -> Self {
        Self {
            person,
            publishes_to: None,
            bucket: Bucket::new(rate, now_ms),
        }
    }

    /// Whether a command may be obeyed now.
    pub(super) fn admit(&mut self, now_ms: u64) -> Admission {
        self.bucket.take(now_ms)
    }
}

/// A token bucket: `rate` commands a second, twice as many at once.
#[derive(Debug)]
struct Bucket {
    rate: u32,
    /// Thousandths of a command: a millisecond brings `rate` of them.
    millitokens: u64,
    filled_ms: u64,
    /// Commands refused since the bucket was last full enough.
    refused: u32,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    /// To be sent again after this time.
    TooEarly {
        retry_ms: u64,
    },
    /// It was told, as often as it may send commands at once, and went on.
    Insistent,
}

const TOKEN: u64 = 1_000;

impl Bucket {
    fn new(rate: u32, now_ms: u64) -> Self {
        let mut bucket = Self {
            rate,
            millitokens: 0,
            filled_ms: now_ms,
            refused: 0,
        };
        bucket.millitokens = bucket.capacity();
        bucket
    }

    fn capacity(&self) -> u64 {
        2 * u64::from(self.rate) * TOKEN
    }

    fn take(&mut self, now_ms: u64) -> Admission {
        let rate = u64::from(self.rate);
        if rate == 0 {
            return Admission::Granted;
        }
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = now_ms;
        let brought = passed_ms.saturating_mul(rate);
        self.millitokens = self
            .millitokens
            .saturating_add(brought)
            .min(self.capacity());
        if self.millitokens >= TOKEN {
            self.millitokens -= TOKEN;
            self.refused = 0;
            return Admission::Granted;
        }
        self.refused += 1;
        if self.refused > 2 * self.rate {
            return Admission::Insistent;
        }
        Admission::TooEarly {
            retry_ms: (TOKEN - self.millitokens).div_ceil(rate),
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
    fn who_goes_on_is_told_twenty_times() {
        let mut bucket = Bucket::new(10, 0);
        let answers: Vec<Admission> = (0..41).map(|_| bucket.take(0)).collect();
        assert!(matches!(answers[39], Admission::TooEarly { .. }));
        assert_eq!(answers[40], Admission::Insistent);
        assert_eq!(Bucket::new(0, 0).take(0), Admission::Granted);
    }
}
