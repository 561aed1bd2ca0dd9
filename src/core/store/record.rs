//! Messages as a store keeps them, and what it has of a room.

use std::fmt;

use crate::codec::freshness::Freshness;
use crate::core::chat::{Content, Draft};

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the room's order.
    pub offset: u64,
    /// When it was sent, in milliseconds since 1970.
    pub at_ms: u64,
    /// The message.
    pub record: Record,
}

/// A message as a store keeps it, beside its offset and its time.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The id of whoever has sent it, without its first letter.
    pub author_id: u64,
    /// Their name at that time.
    pub author_name: Box<str>,
    /// The key that it is about.
    pub key: Option<Box<str>>,
    /// What the body is.
    pub content: Content,
    /// What it says, in the bytes that it came in.
    pub body: Vec<u8>,
    /// Whether it is the state of its key from now on; see `state_after`.
    pub retain: bool,
    /// For whom it is counted.
    pub owner: Box<str>,
    /// Its sender's own id of it.
    pub sent: Option<Sent>,
    /// How long it is good for as the state of its key.
    pub freshness: Freshness,
}

/// A sender's own id of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whose id it is.
    pub sender: Box<str>,
    /// The id.
    pub id: Box<str>,
}

/// A message that must not be published again when it is sent again.
#[derive(Clone, Debug)]
pub struct SentMessage {
    /// Its offset.
    pub offset: u64,
    /// When it was sent, in milliseconds since 1970.
    pub at_ms: u64,
    /// For whom it is counted.
    pub owner: Box<str>,
    /// Its sender's own id of it.
    pub sent: Sent,
}

/// What is kept of a room.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Which of the rooms that had its name.
    pub epoch: u64,
    /// The offset of its newest message.
    pub offset: u64,
    /// Its newest messages, the oldest first. Those that are damaged are missing.
    pub messages: Vec<Stored>,
    /// The state of its keys, in the order of their offsets.
    pub state: Vec<Stored>,
    /// What was sent lately with an id, in the order of the offsets.
    pub sent: Vec<SentMessage>,
    /// What the clock by which the messages have their times said when this was read, in milliseconds since 1970; `None`: it
    /// is that of this machine.
    pub read_ms: Option<u64>,
}

impl Record {
    /// What is kept of a message.
    pub(in crate::core) fn of(draft: &Draft<'_>) -> Self {
        Self {
            author_id: draft.author.id.number(),
            author_name: draft.author.name.to_string().into(),
            key: draft.key.map(Into::into),
            content: draft.content,
            body: draft.body.to_vec(),
            retain: draft.retain,
            owner: draft.owner.to_text().into(),
            sent: draft.dedup.map(|(id, sender)| Sent {
                sender: sender.to_text().into(),
                id: id.into(),
            }),
            freshness: draft.freshness,
        }
    }

    /// Bytes of memory that it takes, about.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        let sent = self.sent.as_ref();
        let sent = sent.map_or(0, |sent| sent.sender.len() + sent.id.len());
        let key = self.key.as_ref().map_or(0, |key| key.len());
        let texts = self.author_name.len() + self.owner.len() + key + sent;
        size_of::<Self>() + self.body.capacity() + texts
    }
}

/// Without the message: what is said never gets into the log.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut record = f.debug_struct("Record");
        record.field("bytes", &self.body.len());
        record.finish_non_exhaustive()
    }
}

impl Contents {
    /// Whether nothing was published since the room began.
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.offset == 0 && self.state.is_empty()
    }
}
