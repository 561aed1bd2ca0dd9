//! The clocks: the only place that reads them, but for the log's time stamps.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::Now;

/// The time of a tick, in milliseconds since this clock was made, and since 1970.
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            ms: self.start.elapsed().as_millis() as u64,
            unix_ms: unix.as_millis() as u64,
        }
    }
}

/// The clock of a tick's budget.
pub(super) fn nanoseconds() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed().as_nanos() as u64
}
