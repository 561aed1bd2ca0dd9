//! Connections, one by one and in lists: what each has sent and is still to get, when it times out, and how many come from
//! one address. Knows no rooms but their names, and says nothing to anybody.

pub(super) mod addresses;
pub(super) mod connection;
pub(super) mod door;
pub(super) mod ending;
pub(super) mod feed;
pub(super) mod frames;
pub(super) mod hosts;
pub(super) mod import;
pub(super) mod peer;
pub(super) mod pending;
pub(super) mod phase;
pub(super) mod proxied;
pub(super) mod session;
pub(super) mod sources;
pub(super) mod tail;
pub(super) mod timers;
pub(super) mod write_queue;
