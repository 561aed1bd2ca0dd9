//! What the server asks of a store of messages, and what it answers: values.
//!
//! The server goes on while a store works. Requests leave by [`Server::next_request`](super::Server::next_request), and
//! answers come back by [`Server::on_answer`](super::Server::on_answer). A store answers the appends to one room, of one
//! epoch, in the order of their tickets; between rooms in any order, and late. What it never answers times out.

use std::fmt;

pub use crate::codec::json::event::Durability;
use crate::core::chat::{Author, Content, Draft, Message, RoomName};

/// Names a request until it is answered. No other request of this server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// What a store is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// To give a message the next offset of its room, and to keep it.
    Append(Append),
    /// Messages that the server does not remember any more.
    Read(Read),
}

/// A message to be kept.
#[derive(Clone, Debug)]
pub struct Append {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: RoomName,
    /// Which of the rooms that had this name: offsets begin anew with each.
    pub epoch: u64,
    /// The message.
    pub record: Record,
}

/// Which messages are asked for: the newest `limit` of those between two offsets.
#[derive(Clone, Debug)]
pub struct Read {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: RoomName,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// The messages after this offset.
    pub after: u64,
    /// And before this one.
    pub before: u64,
    /// So many at most.
    pub limit: usize,
}

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the room's order.
    pub offset: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub at_ms: u64,
    /// The message.
    pub record: Record,
}

impl Stored {
    fn message(&self) -> Message<'_> {
        Message {
            offset: Some(self.offset),
            at_ms: self.at_ms,
            author: &self.record.author,
            key: self.record.key.as_deref(),
            content: self.record.content,
            body: &self.record.body,
        }
    }
}

/// Messages that are kept, to be sent.
pub(super) fn messages(stored: &[Stored]) -> Vec<Message<'_>> {
    stored.iter().map(Stored::message).collect()
}

/// A message as a store keeps it, beside its offset and its time.
#[derive(Clone)]
pub struct Record {
    author: Author,
    key: Option<Box<str>>,
    content: Content,
    body: Vec<u8>,
    retain: bool,
}

/// Without the message: what is said never gets into the log.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut record = f.debug_struct("Record");
        record.field("bytes", &self.body.len());
        record.finish_non_exhaustive()
    }
}

impl Record {
    /// What is kept of a message.
    pub(super) fn of(draft: &Draft<'_>) -> Self {
        Self {
            author: draft.author.clone(),
            key: draft.key.map(Into::into),
            content: draft.content,
            body: draft.body.to_vec(),
            retain: draft.retain,
        }
    }

    /// The id of whoever has sent it.
    pub fn author_id(&self) -> String {
        self.author.id.to_string()
    }

    /// Their name at that time.
    pub fn author_name(&self) -> String {
        self.author.name.to_string()
    }

    /// What it says, in the bytes that it came in.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The media type of the body.
    pub fn content_type(&self) -> &'static str {
        match self.content {
            Content::Text => "text/plain; charset=utf-8",
            Content::Json => "application/json",
            Content::Binary => "application/octet-stream",
        }
    }

    /// The key that it is about.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether it is the state of its key from now on.
    pub fn is_retained(&self) -> bool {
        self.retain
    }
}

/// What a store answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The message is kept, as safely as this store keeps any.
    Accepted {
        /// That of the request.
        ticket: Ticket,
        /// Its offset: one more than that of the message before it in its room and epoch.
        offset: u64,
        /// When it was accepted, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Messages that were asked for.
    Page {
        /// That of the request.
        ticket: Ticket,
        /// The messages, the oldest first, without a hole among those that the room has.
        messages: Vec<Stored>,
        /// There are older ones between the two offsets.
        more: bool,
    },
    /// The message is not kept, and will not be: its sender may send it again. Or it cannot be read now.
    Refused {
        /// That of the request.
        ticket: Ticket,
        /// Milliseconds after which that may help.
        retry_ms: u64,
    },
}

impl Answer {
    /// The ticket of the request that it answers.
    pub(super) fn ticket(&self) -> Ticket {
        let (Self::Accepted { ticket, .. }
        | Self::Page { ticket, .. }
        | Self::Refused { ticket, .. }) = self;
        *ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::PersonId;

    #[test]
    fn a_message_does_not_get_into_the_log() {
        let record = Record {
            author: Author::guest(PersonId(1)),
            key: Some("key-of-it".into()),
            content: Content::Text,
            body: b"a secret".to_vec(),
            retain: false,
        };
        let stored = Stored {
            offset: 1,
            at_ms: 0,
            record,
        };
        let answer = Answer::Page {
            ticket: Ticket(7),
            messages: vec![stored],
            more: false,
        };
        let logged = format!("{answer:?}");
        assert!(logged.contains("Ticket(7)"), "{logged}");
        // Bytes would be listed as numbers.
        assert!(
            !logged.contains("115, 101, 99") && !logged.contains("key-of-it"),
            "{logged}"
        );
    }
}
