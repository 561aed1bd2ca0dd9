//! What a store keeps of webhooks, so that a restart loses none of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::Stored;

/// What a store is asked to keep of webhooks.
#[derive(Clone, Debug)]
pub enum HookRequest {
    /// These are all webhooks from now on, by their keys: what is kept of others is forgotten, and of new ones all messages
    /// that are there count as told. Not answered.
    Begin {
        /// Their keys.
        webhooks: Vec<u64>,
    },
    /// To keep how far the messages of a room are in deliveries. Not answered.
    Note(HookNote),
    /// The same with a new delivery, in one transaction. Answered by [`on_hook_kept`].
    ///
    /// [`on_hook_kept`]: super::super::Server::on_hook_kept
    Seal {
        /// How far the messages of its room are in deliveries.
        note: HookNote,
        /// The delivery.
        delivery: Box<KeptDelivery>,
    },
    /// A delivery has arrived, or was given up. Not answered.
    Done {
        /// That of the webhook.
        webhook: u64,
        /// The id of the delivery.
        id: Box<str>,
    },
    /// A webhook is switched off: all its deliveries were given up. Not answered.
    Clear {
        /// Its key.
        webhook: u64,
    },
}

/// How far the messages of a room are in deliveries of a webhook.
#[derive(Clone, Debug)]
pub struct HookNote {
    /// The key of the webhook.
    pub webhook: u64,
    /// The name of the room; empty for what is about none.
    pub room: Box<str>,
    /// All messages up to there are in deliveries, or are not for the webhook; `None`: it is as it was.
    pub upto: Option<HookPosition>,
    /// Events that were dropped, and of which the receiver has not been told.
    pub lost: u64,
}

/// The place of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPosition {
    /// Which of the rooms that had the name.
    pub epoch: u64,
    /// Its offset.
    pub offset: u64,
}

/// A request that is to be made until it is answered well.
#[derive(Clone)]
pub struct KeptDelivery {
    /// The key of the webhook.
    pub webhook: u64,
    /// The name of the room; empty for what is about none.
    pub room: Box<str>,
    /// Its id.
    pub id: Box<str>,
    /// Which numbering of the room it has its number in.
    pub stream: u64,
    /// How many events it tells of.
    pub events: u64,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// The body of the request.
    pub body: Vec<u8>,
}

/// Without the body: what is said never gets into the log.
impl fmt::Debug for KeptDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptDelivery")
            .field("id", &self.id)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Messages of a room that were accepted, and are in no delivery of a webhook.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The key of the webhook.
    pub webhook: u64,
    /// The name of the room.
    pub room: Box<str>,
    /// The place of the room's last message: up to there all are in `messages` or in `lost`.
    pub upto: HookPosition,
    /// The messages, the oldest first.
    pub messages: Vec<Stored>,
    /// Events that were dropped, and of which the receiver has not been told.
    pub lost: u64,
}

/// What is kept of webhooks.
#[derive(Clone, Debug, Default)]
pub struct KeptHooks {
    /// In the order in which they were made.
    pub deliveries: Vec<KeptDelivery>,
    /// What no delivery has yet.
    pub untold: Vec<Untold>,
}
