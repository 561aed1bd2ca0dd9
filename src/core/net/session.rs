//! The session of a connection at the doors at which one can log in.

use serde::{Deserialize, Serialize};

use crate::core::chat::{PersonId, RoomId};
use crate::core::pace::{Admission, Limiter, Pace};
use crate::limits::{ANSWER_BYTES, MAX_UNSENT_ANSWERS};

/// The person, and how much it may still send.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Session {
    pub(in crate::core) person: PersonId,
    /// The room of its last publish. While that is congested, the connection is not read.
    pub(in crate::core) publishes_to: Option<RoomId>,
    /// A command of it is not done yet, and continues in later turns.
    pub(in crate::core) is_busy: bool,
    pace: Pace,
    limiter: Limiter,
    /// When the last command was admitted, in the milliseconds of `Now::ms`. Its cost is charged at that time.
    admitted_ms: u64,
    /// Bytes of answers queued since the queue was last empty.
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

    /// An answer of so many bytes was queued, made of `encoded` bytes. A long one counts as several commands.
    pub(in crate::core) fn on_answer(&mut self, queued: usize, encoded: usize) {
        self.unsent_bytes += queued;
        self.charge(encoded / ANSWER_BYTES);
    }

    /// Charges work for a command as so many commands more.
    pub(in crate::core) fn charge(&mut self, commands: usize) {
        self.limiter.charge(&self.pace, commands, self.admitted_ms);
    }

    /// The queue is empty. Returns whether a command was waiting for that.
    pub(in crate::core) fn on_drained(&mut self) -> bool {
        let has_waited = self.has_many_unsent();
        self.unsent_bytes = 0;
        has_waited
    }

    /// Whether the next command has to wait: for the last one, or until the peer has taken its answers.
    pub(in crate::core) fn must_wait(&self) -> bool {
        self.is_busy || self.has_many_unsent()
    }

    fn has_many_unsent(&self) -> bool {
        self.unsent_bytes > MAX_UNSENT_ANSWERS
    }

    /// Whether a command may be executed now.
    pub(in crate::core) fn admit(&mut self, now_ms: u64) -> Admission {
        self.admitted_ms = now_ms;
        self.limiter.admit(&self.pace, now_ms)
    }
}
