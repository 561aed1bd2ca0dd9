//! What the server asks of a store of messages, and what it answers: values that can go to another thread.
//!
//! The server goes on while a store works. Requests leave by [`Server::next_request`](super::Server::next_request), and
//! answers come back by [`Server::on_answer`](super::Server::on_answer). A store carries out what concerns one room in the
//! order in which it was asked, and answers the appends to it in that order; between rooms in any order, and late. What it
//! never answers times out.

mod bans;
mod files;
mod hooks;
mod past;
mod people;
mod push;
mod record;
mod shared;
mod ticket;

pub use crate::codec::freshness::Freshness;
pub use crate::codec::json::condition::Condition;
pub use crate::codec::json::event::Durability;
pub use crate::core::chat::Content;
use crate::core::chat::{Author, Message, completed_state};
pub use crate::core::chat::{PastSeries, Point};
use crate::core::file::{FileId, KeptFile};
pub use bans::BanRequest;
pub use files::{FileLink, FilesAnswer, FilesNews, FilesRequest, FilesToForget};
pub use hooks::{HookNote, HookPosition, HookRequest, KeptDelivery, KeptHooks, Untold};
pub use past::{Past, PastReading, ReadPast};
pub use people::{
    Addressee, DirectMessage, DirectOutcome, Here, KnownPresence, PeopleAnswer, PeopleNews,
    PeopleRequest, Person, PublicPerson, RoomsInUse, SharedPerson, WantedRooms,
};
pub use push::{KeptPush, PushNews, PushRequest};
pub use record::{Contents, Record, Sent, SentMessage, Stored};
pub use shared::{Followed, News, Published, Shared};
pub use ticket::Ticket;

/// What a store is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// What a room that was kept before begins with. Answered by `Loaded`.
    Load(Load),
    /// To give a message the next offset of its room, or a later one, and to keep it. Answered by `Accepted`.
    Append(Append),
    /// Messages that the server does not remember any more. Answered by `Page`.
    Read(Read),
    /// Messages that hold some words. Answered by `Page`.
    Search(Search),
    /// The numbers that keys had. Answered by `Past`.
    ReadPast(ReadPast),
    /// To forget a room with all that is in it. Not answered.
    ForgetRoom {
        /// The name of the room.
        room: Box<str>,
        /// Which of the rooms that had this name. Another is left alone.
        epoch: u64,
    },
    /// To forget the state of a key, unless it was set after this offset. Not answered.
    ForgetState {
        /// The name of the room.
        room: Box<str>,
        /// Which of the rooms that had this name.
        epoch: u64,
        /// The key.
        key: Box<str>,
        /// That of the message which has set it.
        offset: u64,
    },
    /// To forget what is kept of a file beside its message. Not answered.
    ForgetFile {
        /// Its id.
        id: FileId,
    },
    /// To keep who somebody is, in place of what is kept of the same number. Not answered.
    KeepPerson(Person),
    /// To forget somebody. Not answered.
    ForgetPerson {
        /// Their number.
        number: u64,
    },
    /// What only a log is asked for that several servers share.
    Shared(Shared),
    /// What only a log is asked for that several servers share, about people.
    People(PeopleRequest),
    /// The same about files.
    Files(FilesRequest),
    /// To keep bans, which all stores do.
    Ban(BanRequest),
    /// To keep what webhooks are told, which only a store of one server does.
    Hook(HookRequest),
    /// To keep push subscriptions.
    Push(PushRequest),
}

/// What a room begins with that was kept before.
#[derive(Clone, Debug)]
pub struct Load {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: Box<str>,
    /// So many of the newest messages at most.
    pub messages: usize,
    /// Their bodies have so many bytes in all at most.
    pub bytes: usize,
    /// The senders' ids of all messages that were accepted after this time, in milliseconds since 1970.
    pub sent_after_ms: u64,
}

/// A message to be kept.
#[derive(Clone, Debug)]
pub struct Append {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: Box<str>,
    /// Which of the rooms that had this name: offsets begin anew with each.
    pub epoch: u64,
    /// When it was sent, in milliseconds since 1970.
    pub at_ms: u64,
    /// The offset that it has already, where the server does not wait for the store: one more than that before it.
    pub offset: Option<u64>,
    /// The offset that it gets otherwise is no less than this: what is imported keeps its own if it can. 0 for all others.
    pub not_before: u64,
    /// The message.
    pub record: Record,
    /// Its body as the state of its key, where that is another, as far as this server knows.
    pub state: Option<Vec<u8>>,
    /// The file that it tells of, to be kept with it.
    pub file: Option<Box<KeptFile>>,
    /// What the state of its key has to be when its turn comes. If it is another, the message is not kept, and `Conflict`
    /// answered. `None` where the server does not wait for the store.
    pub condition: Option<Condition>,
}

/// Which messages are asked for: the newest `limit` of those between two offsets. A log that several servers share answers when
/// it has told the server all that was published before it was asked; if there can be none, that is what is asked for.
#[derive(Clone, Debug)]
pub struct Read {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: Box<str>,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// The messages after this offset.
    pub after: u64,
    /// And before this one.
    pub before: u64,
    /// So many at most.
    pub limit: usize,
}

/// Which messages are looked for: the newest `limit` of those with some words, before an offset.
#[derive(Clone, Debug)]
pub struct Search {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: Box<str>,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// The words.
    pub query: Box<str>,
    /// Messages before this offset.
    pub before: u64,
    /// So many at most.
    pub limit: usize,
}

/// What a store answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What is kept of a room; `None` if nothing is.
    Loaded {
        /// That of the request.
        ticket: Ticket,
        /// What is kept.
        contents: Option<Box<Contents>>,
    },
    /// The message is kept, as safely as this store keeps any.
    Accepted {
        /// That of the request.
        ticket: Ticket,
        /// Its offset: one more than that of the message before it in its room and epoch, or `not_before`.
        offset: u64,
        /// When it was sent, in milliseconds since 1970.
        at_ms: u64,
    },
    /// The message was published before, under its sender's own id of it: it is not published again.
    Again {
        /// That of the request.
        ticket: Ticket,
        /// Its offset.
        offset: u64,
    },
    /// The state of its key is not what the message wants it to be: it is not kept.
    Conflict {
        /// That of the request.
        ticket: Ticket,
        /// The state, if the key has one.
        current: Option<Box<Stored>>,
    },
    /// Messages that were asked for.
    Page {
        /// That of the request.
        ticket: Ticket,
        /// The messages, the oldest first. Some may be missing: those that are too old, and those that are damaged.
        messages: Vec<Stored>,
        /// The offsets of those that are damaged, in their order.
        damaged: Vec<u64>,
        /// There are older ones between the two offsets.
        more: bool,
    },
    /// The numbers that were asked for.
    Past {
        /// That of the request.
        ticket: Ticket,
        /// The numbers.
        past: Past,
    },
    /// The message is not kept, and will not be: its sender may send it again. Or nothing can be read now.
    Refused {
        /// That of the request.
        ticket: Ticket,
        /// Milliseconds after which that may help.
        retry_ms: u64,
    },
    /// What was asked about people.
    People {
        /// That of the request.
        ticket: Ticket,
        /// The answer.
        answer: PeopleAnswer,
    },
    /// What was asked about files.
    Files {
        /// That of the request.
        ticket: Ticket,
        /// The answer.
        answer: FilesAnswer,
    },
}

impl Answer {
    /// The ticket of the request that it answers.
    pub(super) fn ticket(&self) -> Ticket {
        let (Self::Loaded { ticket, .. }
        | Self::Accepted { ticket, .. }
        | Self::Again { ticket, .. }
        | Self::Conflict { ticket, .. }
        | Self::Page { ticket, .. }
        | Self::Past { ticket, .. }
        | Self::Refused { ticket, .. }
        | Self::People { ticket, .. }
        | Self::Files { ticket, .. }) = self;
        *ticket
    }
}

/// What a message that is retained leaves as the state of its key, which was `before`; `None` if the key has none any more.
/// A store keeps that beside the message.
pub fn state_after(before: Option<&Stored>, message: &Stored) -> Option<Stored> {
    let [before, found] = [before, Some(message)].map(|it| it.cloned().map(Found::new));
    let found = found?;
    let change = found.message();
    if change.is_null() {
        return None;
    }
    let expect_before = before
        .as_ref()
        .and_then(|it| it.stored.record.freshness.expect);
    let before = before.as_ref().map(Found::message);
    let mut state = message.clone();
    let freshness = &mut state.record.freshness;
    freshness.expect = freshness
        .expect
        .or(expect_before)
        .filter(|seconds| *seconds > 0);
    if let Some(body) = completed_state(before.as_ref(), &change) {
        state.record.body = body;
    }
    Some(state)
}

/// A message that the store has read, to be sent.
#[derive(Debug)]
pub(super) struct Found {
    author: Author,
    stored: Stored,
}

impl Found {
    pub(super) fn new(stored: Stored) -> Self {
        let author = Author::stored(stored.record.author_id, &stored.record.author_name);
        Self { author, stored }
    }

    pub(super) fn message(&self) -> Message<'_> {
        let Stored {
            offset,
            at_ms,
            record,
        } = &self.stored;
        Message {
            offset: Some(*offset),
            at_ms: *at_ms,
            author: &self.author,
            key: record.key.as_deref(),
            content: record.content,
            body: &record.body,
            expect: record.freshness.expect,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.stored.offset
    }

    pub(super) fn freshness(&self) -> Freshness {
        self.stored.record.freshness
    }
}

/// What the store has read of a room, to be sent.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    pub(super) messages: Vec<Found>,
    /// The offsets of those that are damaged, in their order.
    pub(super) damaged: Vec<u64>,
    /// There are older ones.
    pub(super) more: bool,
}

impl Excerpt {
    /// How many messages are told, or told to be lost.
    pub(super) fn count(&self) -> usize {
        self.messages.len() + self.damaged.len()
    }

    /// The offset of the last of them.
    pub(super) fn last_offset(&self) -> Option<u64> {
        let last = self.messages.last().map(Found::offset);
        last.max(self.damaged.last().copied())
    }

    /// Whether these are all messages that follow on an offset.
    pub(super) fn is_whole_after(&self, offset: u64) -> bool {
        let offsets = self.messages.iter().map(Found::offset);
        let mut offsets: Vec<u64> = offsets.chain(self.damaged.iter().copied()).collect();
        offsets.sort_unstable();
        offsets.into_iter().eq((offset + 1..).take(self.count()))
    }

    /// Adds what follows.
    pub(super) fn extend(&mut self, next: Self) {
        self.messages.extend(next.messages);
        self.damaged.extend(next.damaged);
    }
}

/// Offsets as ranges: the first and the last of each.
pub(super) fn ranges(offsets: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    let ranges = offsets.chunk_by(|one, next| one + 1 == *next);
    ranges.filter_map(|range| Some((*range.first()?, *range.last()?)))
}

/// Messages that the store has read, to be sent.
pub(super) fn messages(found: &[Found]) -> Vec<Message<'_>> {
    found.iter().map(Found::message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            author_id: 1,
            author_name: "ana".into(),
            key: Some("key-of-it".into()),
            content: Content::Text,
            body: b"a secret".to_vec(),
            retain: false,
            owner: "127.0.0.1".into(),
            sent: None,
            freshness: Default::default(),
        }
    }

    #[test]
    fn a_message_does_not_get_into_the_log() {
        let stored = Stored {
            offset: 1,
            at_ms: 0,
            record: record(),
        };
        let answer = Answer::Page {
            ticket: Ticket(7),
            messages: vec![stored],
            damaged: Vec::new(),
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

    #[test]
    fn the_state_of_a_key_is_the_last_that_was_retained() {
        let message = |content, body: &[u8]| Stored {
            offset: 1,
            at_ms: 0,
            record: Record {
                key: Some("alarm.pump".into()),
                content,
                body: body.to_vec(),
                retain: true,
                ..record()
            },
        };
        let text = message(Content::Text, b"21.5");
        assert_eq!(state_after(None, &text).unwrap().record.body, b"21.5");
        let raised = message(Content::Json, br#"{"alarm":"raised","text":"hot"}"#);
        let raised = state_after(Some(&text), &raised).unwrap();
        let seen = message(Content::Json, br#"{"alarm":"acknowledged"}"#);
        let seen = state_after(Some(&raised), &seen).unwrap();
        let seen = String::from_utf8(seen.record.body).unwrap();
        assert!(seen.contains("hot"), "what is left out stays: {seen}");
        assert!(state_after(Some(&raised), &message(Content::Json, b"null")).is_none());
    }

    #[test]
    fn requests_and_answers_can_go_to_another_thread() {
        fn is_send<T: Send + 'static>() {}
        is_send::<Request>();
        is_send::<Answer>();
    }
}
