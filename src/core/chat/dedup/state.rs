//! Senders' ids as they are told to the server that takes over.

use serde::{Deserialize, Serialize};

use super::{Dedup, Id, Sender};
use crate::core::chat::owner::Owner;
use crate::core::chat::room_name::RoomName;
use crate::limits::DEDUP_MS;

/// A sender's own id of a message, and the offset that this got.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::chat) struct SentId {
    until_ms: u64,
    owner: Owner,
    room: RoomName,
    epoch: u64,
    sender: Sender,
    id: Box<str>,
    offset: u64,
}

impl Dedup {
    /// All ids, the oldest first.
    pub(in crate::core::chat) fn ids(&self) -> impl Iterator<Item = SentId> {
        self.by_age.values().filter_map(|it| {
            let Id {
                until_ms,
                owner,
                name,
            } = it;
            let ((room, epoch), sender, id) = name;
            Some(SentId {
                until_ms: *until_ms,
                owner: owner.clone(),
                room: room.clone(),
                epoch: *epoch,
                sender: sender.clone(),
                id: id.clone(),
                offset: *self.offsets.get(name)?,
            })
        })
    }

    /// One of them, in the same order.
    pub(in crate::core::chat) fn take_over(&mut self, sent: SentId) {
        let log = (sent.room, sent.epoch);
        let sent_ms = sent.until_ms.saturating_sub(DEDUP_MS);
        self.remember(
            log,
            &sent.sender,
            &sent.id,
            sent.offset,
            &sent.owner,
            sent_ms,
        );
    }
}
