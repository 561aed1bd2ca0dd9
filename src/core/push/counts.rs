//! What has become of calls since the start.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Messages that services have taken.
    pub(super) sent: u64,
    /// Calls that were not answered well.
    pub(super) failed: u64,
    /// Messages that were given up.
    pub(super) dropped: u64,
    /// Subscriptions that services have said to be over.
    pub(super) removed: u64,
}
