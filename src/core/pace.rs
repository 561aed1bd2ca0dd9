//! A rate that is kept: the token bucket, in as few bytes as it takes.

use serde::{Deserialize, Serialize};

use crate::limits::MAX_DEBT_MS;

/// How often something may happen: once an interval, and so many times at once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Nanoseconds; 0 for as often as one likes.
    interval: u64,
    burst: u64,
}

impl Pace {
    /// So often a second, twice as many at once.
    pub(super) fn per_second(rate: u32) -> Self {
        Self {
            interval: 1_000_000_000_u64.checked_div(rate.into()).unwrap_or(0),
            burst: 2 * u64::from(rate),
        }
    }

    /// So often a second, and `burst` at once.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        Self {
            burst: burst.into(),
            ..Self::per_second(rate)
        }
    }

    /// So often a minute, all of them at once.
    pub(super) fn per_minute(count: u32) -> Self {
        Self {
            interval: 60_000_000_000_u64.checked_div(count.into()).unwrap_or(0),
            burst: count.into(),
        }
    }
}

/// A token bucket in eight bytes, because there are several for each address: when it will be full again, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenBucket(u64);

impl TokenBucket {
    /// Takes a token out, if there is one.
    pub(super) fn take(&mut self, pace: &Pace, now_ms: u64) -> bool {
        let is_there = self.has_token(pace, now_ms);
        if is_there {
            self.0 = self.after_one_more(pace, now_ms);
        }
        is_there
    }

    /// The same; if there is none, says in how many milliseconds there is.
    pub(super) fn take_or_wait(&mut self, pace: &Pace, now_ms: u64) -> Result<(), u64> {
        if self.take(pace, now_ms) {
            return Ok(());
        }
        let most = nanoseconds(now_ms) + pace.burst * pace.interval;
        let early = self.after_one_more(pace, now_ms).saturating_sub(most);
        Err(early.div_ceil(1_000_000).max(1))
    }

    /// Takes so many out, though not more than `MAX_DEBT_MS` brings beyond what is there.
    pub(super) fn charge(&mut self, pace: &Pace, count: usize, now_ms: u64) {
        let cost = pace.interval.saturating_mul(count as u64);
        let most = nanoseconds(now_ms + MAX_DEBT_MS) + pace.burst * pace.interval;
        let full = self.0.max(nanoseconds(now_ms));
        self.0 = full.saturating_add(cost).min(most);
    }

    pub(super) fn has_token(self, pace: &Pace, now_ms: u64) -> bool {
        self.after_one_more(pace, now_ms) - nanoseconds(now_ms) <= pace.burst * pace.interval
    }

    /// When it would be full, had another one been taken out.
    fn after_one_more(self, pace: &Pace, now_ms: u64) -> u64 {
        self.0
            .max(nanoseconds(now_ms))
            .saturating_add(pace.interval)
    }

    pub(super) fn is_full(self, now_ms: u64) -> bool {
        self.0 <= nanoseconds(now_ms)
    }
}

/// A bucket of one who sends commands: those refused are counted, so that who goes on regardless is told apart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Limiter {
    bucket: TokenBucket,
    /// Commands refused since the bucket was last full.
    refused: u64,
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

impl Limiter {
    /// Takes what one command needs.
    pub(super) fn admit(&mut self, pace: &Pace, now_ms: u64) -> Admission {
        if self.bucket.is_full(now_ms) {
            self.refused = 0;
        }
        match self.bucket.take_or_wait(pace, now_ms) {
            Ok(()) => Admission::Granted,
            Err(retry_ms) => {
                self.refused += 1;
                match self.refused > pace.burst {
                    true => Admission::Insistent,
                    false => Admission::TooEarly { retry_ms },
                }
            }
        }
    }

    /// Work was done that counts as so many commands more; see [`TokenBucket::charge`].
    pub(super) fn charge(&mut self, pace: &Pace, count: usize, now_ms: u64) {
        self.bucket.charge(pace, count, now_ms);
    }
}

fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_too_early_is_told_when_to_come() {
        let pace = Pace::new(10, 3);
        let mut bucket = TokenBucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take_or_wait(&pace, 1_000), Ok(()));
        }
        assert_eq!(bucket.take_or_wait(&pace, 1_000), Err(100));
        assert_eq!(bucket.take_or_wait(&pace, 1_099), Err(1));
        assert_eq!(bucket.take_or_wait(&pace, 1_100), Ok(()));
        let endless = Pace::new(0, 0);
        assert!((0..9).all(|_| bucket.take_or_wait(&endless, 9_000).is_ok()));
    }

    fn admit(limiter: &mut Limiter, now_ms: u64) -> Admission {
        limiter.admit(&Pace::per_second(10), now_ms)
    }

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut limiter = Limiter::default();
        for _ in 0..20 {
            assert_eq!(admit(&mut limiter, 0), Admission::Granted);
        }
        let early = |retry_ms| Admission::TooEarly { retry_ms };
        assert_eq!(admit(&mut limiter, 0), early(100));
        assert_eq!(admit(&mut limiter, 99), early(1));
        assert_eq!(admit(&mut limiter, 100), Admission::Granted);
        assert_eq!(admit(&mut limiter, 1_000_000), Admission::Granted);
    }

    #[test]
    fn work_costs_as_much_as_several_commands() {
        let (pace, mut limiter) = (Pace::per_second(10), Limiter::default());
        limiter.charge(&pace, 25, 0);
        assert_eq!(
            admit(&mut limiter, 0),
            Admission::TooEarly { retry_ms: 600 }
        );
        limiter.charge(&pace, usize::MAX, 0);
        let soon = admit(&mut limiter, MAX_DEBT_MS - 1_000);
        assert_eq!(soon, Admission::TooEarly { retry_ms: 1_100 });
        assert_eq!(admit(&mut limiter, MAX_DEBT_MS + 100), Admission::Granted);
    }

    #[test]
    fn who_never_stops_is_insistent_in_the_end() {
        let mut limiter = Limiter::default();
        let mut answers = (0..10_000).map(|ms| admit(&mut limiter, ms));
        assert!(answers.any(|it| it == Admission::Insistent));
    }

    #[test]
    fn who_goes_on_is_told_twenty_times() {
        let mut limiter = Limiter::default();
        let answers: Vec<Admission> = (0..41).map(|_| admit(&mut limiter, 0)).collect();
        assert!(matches!(answers[39], Admission::TooEarly { .. }));
        assert_eq!(answers[40], Admission::Insistent);
        let endless = Limiter::default().admit(&Pace::per_second(0), 0);
        assert_eq!(endless, Admission::Granted);
    }
}
