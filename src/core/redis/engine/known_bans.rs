//! What a node knows of the bans in Redis.

use crate::core::store::BanRequest;

/// What is known of the bans in Redis.
#[derive(Debug, Default)]
pub(super) struct KnownBans {
    /// How often they had changed when they were heard last.
    pub(super) version: u64,
    /// What Redis could not be asked, in its order.
    pub(super) again: Vec<BanRequest>,
}
