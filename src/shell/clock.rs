//! The clocks: the only place that reads them, but for the log's time stamps.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::Now;

/// The time of a tick, on a clock that never goes back, and in milliseconds since 1970.
pub(super) struct Clock {
    start: Instant,
    start_ms: u64,
}

/// Milliseconds of the first clock at the start: what was kept in the year before has a time on it, too.
const START_MS: u64 = 366 * 86_400_000;

impl Clock {
    pub(super) fn new() -> Self {
        Self::at(START_MS)
    }

    /// One that goes on from there: that of a server that is taken over.
    pub(super) fn at(start_ms: u64) -> Self {
        Self {
            start: Instant::now(),
            start_ms,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            ms: self.start_ms + self.start.elapsed().as_millis() as u64,
            unix_ms: unix_ms(),
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

/// The clock of a tick's budget.
pub(super) fn nanoseconds() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed().as_nanos() as u64
}
