//! Other limits, while clients are here.

use serde::{Deserialize, Serialize};

use crate::core::budget::cost;
use crate::core::delivery::snapshot::Snapshots;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::{SNAPSHOT_SHARE, UNANSWERED_SHARE};
use crate::settings::Limits;

/// The largest limits that have held: what came in under an earlier one may still be here. For the checks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bounds {
    max_message: usize,
    max_queue: usize,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            max_message: limits.max_message,
            max_queue: limits.max_queue,
        }
    }

    pub(super) fn max_message(&self) -> usize {
        self.max_message
    }

    pub(super) fn max_queue(&self) -> usize {
        self.max_queue
    }

    pub(super) fn include(&mut self, limits: &Limits) {
        self.max_message = self.max_message.max(limits.max_message);
        self.max_queue = self.max_queue.max(limits.max_queue);
    }
}

impl<S: Stream> Server<S> {
    /// Other limits and origins hold from now on. Waits that have begun end as they would have; who is connected keeps the
    /// rate of commands that it came with, and whether it compresses. Rooms forget what is too much now in the next ticks.
    pub fn reconfigure(&mut self, limits: Limits, allowed_origins: Vec<String>) {
        self.bounds.include(&limits);
        self.encoder.set_compression(limits.compression());
        if limits.max_memory != self.limits.max_memory {
            let share = limits.max_memory / SNAPSHOT_SHARE;
            self.snapshots = Snapshots::new(share, self.meter.clone());
        }
        self.waiting
            .set_most_bytes(limits.max_memory / UNANSWERED_SHARE);
        self.addresses.reconfigure(&limits);
        self.sources.set_rate(limits.rate);
        self.chat.reconfigure(limits.clone());
        self.limits = limits;
        self.allowed_origins = allowed_origins;
    }

    /// Rooms forget what other limits leave no place for, as many as there is time for.
    pub(super) fn go_on_reconfiguring(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(scans) = self.chat.go_on_reconfiguring(now.ms)
        {
            self.budget.spend(cost::LOOKUP * (1 + scans as u64));
        }
    }
}
