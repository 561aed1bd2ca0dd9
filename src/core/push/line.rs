//! What waits for one subscription, in its order.

use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::notice::Notice;
use super::rank::{Rank, Turn};
use crate::limits::PUSH_TTL_S;

/// Something that one subscription is to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) notice: Rc<Notice>,
    /// Until when it is of use, in milliseconds since 1970.
    pub(super) until_ms: u64,
    /// Which of all.
    pub(super) serial: u64,
    /// It has left at least once, or something that it replaces.
    pub(super) has_left: bool,
}

/// What waits for one subscription.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// The machine that is called.
    pub(super) service: Box<str>,
    pub(super) queue: VecDeque<Waiting>,
    /// How often the first was tried in vain.
    pub(super) attempts: u32,
    /// When the first may leave, in milliseconds of `Now::ms`.
    pub(super) due_ms: u64,
    /// When the quiet time ends that was found last, which only escalations do not wait for.
    #[serde(default)]
    pub(super) quiet_ms: u64,
    /// The number of the call on its way.
    #[serde(skip)]
    pub(super) leaving: Option<u64>,
    /// With how much it is among the others.
    #[serde(skip)]
    pub(super) counted: usize,
    /// Its turn, if it has one.
    #[serde(skip)]
    pub(super) turn: Option<Turn>,
}

impl Line {
    pub(super) fn new(service: &str) -> Self {
        Self {
            service: service.into(),
            queue: VecDeque::new(),
            attempts: 0,
            due_ms: 0,
            quiet_ms: 0,
            leaving: None,
            counted: 0,
            turn: None,
        }
    }
}

impl Line {
    /// The turn of the first of these, if there is one.
    pub(super) fn turn_of_first(&self, subscription: u64) -> Option<Turn> {
        let rank = self.queue.front()?.rank();
        let due_ms = match rank {
            Rank::Escalated => self.due_ms,
            _ => self.due_ms.max(self.quiet_ms),
        };
        Some((rank, due_ms, subscription))
    }
}

impl Waiting {
    pub(super) fn rank(&self) -> Rank {
        match self.notice.is_escalated {
            true => Rank::Escalated,
            false => Rank::of(self.notice.urgency()),
        }
    }

    pub(super) fn is_of_use(&self, unix_ms: u64) -> bool {
        unix_ms < self.until_ms
    }

    /// Seconds for which it is of use yet.
    pub(super) fn ttl_s(&self, unix_ms: u64) -> u32 {
        let left_s = self.until_ms.saturating_sub(unix_ms) / 1_000;
        u32::try_from(left_s).unwrap_or(PUSH_TTL_S).max(1)
    }
}
