//! What the server knows of a connection at the doors at which one can take a name.

use crate::core::chat::{PersonId, RoomId};
use crate::core::pace::{Admission, Limiter, Pace};
use crate::limits::{ANSWER_BYTES, MAX_UNSENT_ANSWERS};

/// Who it is, and how much it may still say.
#[derive(Debug)]
pub(in crate::core) struct Session {
    pub(in crate::core) person: PersonId,
    /// The room it said something in last: if that is congested, it is not read.
    pub(in crate::core) publishes_to: Option<RoomId>,
    /// A command of it goes on in the server's next turns.
    pub(in crate::core) is_busy: bool,
    pace: Pace,
    limiter: Limiter,
    /// When the last command was admitted: what it costs is charged at that time.
    admitted_ms: u64,
    /// Bytes of answers since the queue was last empty.
    unsent_bytes: usize,
}

impl Session {
    pub(in crate::core) fn new(person: PersonId, rate: u32, now_ms: u64) -> Self {
        Self {
            person,
            publishes_to: None,
            is_busy: false,
            pace: Pace::per_second(rate),
            limiter: Limiter::default(),
            admitted_ms: now_ms,
            unsent_bytes: 0,
        }
    }

    /// An answer of so many bytes is queued, for which `encoded` were made. A long one is as much work as several
    /// commands, and counts as such.
    pub(in crate::core) fn on_answer(&mut self, queued: usize, encoded: usize) {
        self.unsent_bytes += queued;
        self.charge(encoded / ANSWER_BYTES);
    }

    /// What was done for a command is as much work as so many more.
    pub(in crate::core) fn charge(&mut self, commands: usize) {
        self.limiter.charge(&self.pace, commands, self.admitted_ms);
    }

    /// All that was queued has been taken. Says whether a command has waited for that.
    pub(in crate::core) fn on_drained(&mut self) -> bool {
        let has_waited = self.has_many_unsent();
        self.unsent_bytes = 0;
        has_waited
    }

    /// The next command has to wait: for the last one, or until some answers have been read.
    pub(in crate::core) fn must_wait(&self) -> bool {
        self.is_busy || self.has_many_unsent()
    }

    fn has_many_unsent(&self) -> bool {
        self.unsent_bytes > MAX_UNSENT_ANSWERS
    }

    /// Whether a command may be obeyed now.
    pub(in crate::core) fn admit(&mut self, now_ms: u64) -> Admission {
        self.admitted_ms = now_ms;
        self.limiter.admit(&self.pace, now_ms)
    }
}
