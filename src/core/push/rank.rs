//! Who goes first of those whose calls wait.

use serde::{Deserialize, Serialize};

use super::call::Urgency;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Rank {
    /// What does not wait for the end of a quiet time.
    Escalated,
    High,
    Normal,
}

impl Rank {
    pub(super) const ALL: [Self; 3] = [Self::Escalated, Self::High, Self::Normal];

    pub(super) fn of(urgency: Urgency) -> Self {
        match urgency {
            Urgency::High => Self::High,
            Urgency::Normal => Self::Normal,
        }
    }
}

/// A subscription whose first call may leave, from a time on.
pub(super) type Turn = (Rank, u64, u64);
