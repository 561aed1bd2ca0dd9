//! From a message to the bytes that are queued for those who read it: made once for each format, and shared.

pub(super) mod broadcast;
pub(super) mod encode;
pub(super) mod feed;
pub(super) mod lagging;
pub(super) mod rope;
pub(super) mod snapshot;
