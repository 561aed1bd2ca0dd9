//! What the server says: one JSON object per message, its `type` naming the event.

use std::fmt::{self, Display};

use data_encoding::BASE64;
use serde::{Serialize, Serializer};

use super::ban::BanRecord;
use super::command::Id;
pub use super::epoch::Epoch;
use crate::codec::error_code::ErrorCode;

/// How safe a message is when its sender is told that it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It is lost with this process.
    Memory,
    /// It is on this machine's disk.
    Disk,
    /// It is in Redis, as safely as that keeps it.
    Redis,
}

/// An event, or the answer to a command.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub enum Event<'a> {
    Welcome {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        you: Person<'a>,
        resume: &'a str,
        node: &'a str,
        /// How safe a message is that is answered with `ok`.
        durability: Durability,
        /// Whether `push` is taken.
        #[serde(skip_serializing_if = "is_off")]
        push: bool,
        server: &'a str,
        ping_ms: Option<u64>,
        limits: Limits,
        #[serde(skip_serializing_if = "Option::is_none")]
        rights: Option<Rights<'a>>,
    },
    /// The fields before `messages`, `retained`, `members` and `count`: see `open`.
    Joined {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        room: &'a str,
        epoch: Epoch,
        offset: u64,
        recovered: bool,
    },
    /// The same in a stream of Server-Sent Events, where the messages follow one by one.
    #[serde(rename = "joined")]
    Opened {
        room: &'a str,
        epoch: Epoch,
        offset: u64,
        recovered: bool,
        count: usize,
    },
    /// Nothing but the id that comes with it: where the reader of a stream is.
    Position,
    /// One has been taken out of a room.
    Left {
        room: &'a str,
        reason: &'a str,
    },
    Presence {
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        joined: Option<Vec<Person<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<Vec<Person<'a>>>,
        count: usize,
    },
    /// The fields before `data`: see `open`.
    Direct {
        from: Person<'a>,
        to: Person<'a>,
        at: u64,
    },
    Gap {
        room: &'a str,
        from: u64,
        to: u64,
    },
    /// Nothing can be published in a room for now, and what others say there may come later.
    Paused {
        room: &'a str,
    },
    /// It can again, and all that was said meanwhile was told.
    Resumed {
        room: &'a str,
    },
    /// The fields before `messages` and `more`: see `open`.
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        room: &'a str,
        epoch: Epoch,
    },
    /// The fields before `messages` and `more`: see `open`.
    Found {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        room: &'a str,
        epoch: Epoch,
    },
    Members {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        room: &'a str,
        members: Vec<Person<'a>>,
        count: usize,
    },
    Rooms {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        rooms: Vec<Room<'a>>,
        more: bool,
    },
    Bans {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        bans: Vec<&'a BanRecord>,
        more: bool,
    },
    Ok {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset: Option<u64>,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
    },
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Id<'a>,
    },
    Bye {
        code: u16,
        reason: &'a str,
        retry_ms: u64,
    },
}

/// Offsets of messages that are damaged on the server's disk, and so left out of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GapRange {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// Why an answer leaves something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// It would be too long.
    Bytes,
}

/// A message of a room: with `data`, or with `binary`.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub struct MessageEvent<'a> {
    pub room: &'a str,
    /// `None` for one that is not kept.
    pub offset: Option<u64>,
    /// Milliseconds since 1970.
    pub at: u64,
    pub from: Person<'a>,
    pub data: Option<Data<'a>>,
    pub binary: Option<Base64<'a>>,
    pub key: Option<&'a str>,
    /// Seconds within which another value of the key has to come; 0: none has to any more.
    pub expect: Option<u32>,
    pub ephemeral: bool,
}

impl MessageEvent<'_> {
    /// Appends it as an event.
    pub fn write_event(&self, out: &mut Vec<u8>) {
        self.write_as(Some("message"), out);
    }

    /// Appends it as one of a list, whose event has the type.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_as(None, out);
    }

    fn write_as(&self, r#type: Option<&str>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Head<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            r#type: Option<&'a str>,
            room: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            offset: Option<u64>,
            at: u64,
            from: &'a Person<'a>,
        }
        let head = Head {
            r#type,
            room: self.room,
            offset: self.offset,
            at: self.at,
            from: &self.from,
        };
        open(&head, out);
        if let Some(data) = &self.data {
            data.write_field(out);
        }
        if let Some(binary) = &self.binary {
            out.extend_from_slice(b",\"binary\":");
            write(binary, out);
        }
        if let Some(key) = self.key {
            out.extend_from_slice(b",\"key\":");
            write(&key, out);
        }
        if let Some(seconds) = self.expect {
            out.extend_from_slice(b",\"expect\":");
            write(&seconds, out);
        }
        if self.ephemeral {
            out.extend_from_slice(b",\"ephemeral\":true");
        }
        out.push(b'}');
    }
}

/// Any JSON; text becomes a string.
#[derive(Debug)]
pub enum Data<'a> {
    /// To be quoted.
    Text(&'a str),
    /// JSON that was checked when it came in, to be written as it is.
    Json(&'a str),
}

impl Data<'_> {
    /// Appends `data` as a further field of an object.
    pub fn write_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"data\":");
        match self {
            Self::Text(text) => write(text, out),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }
}

/// Bytes that are written in base 64.
#[derive(Debug)]
pub struct Base64<'a>(pub &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&BASE64.encode_display(self.0))
    }
}

/// Someone: a number that lasts, and a name that may change.
#[derive(Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub struct Person<'a> {
    #[serde(serialize_with = "as_text")]
    pub id: &'a dyn Shown,
    #[serde(serialize_with = "as_text")]
    pub name: &'a dyn Shown,
}

/// What can be shown as text.
pub trait Shown: Display + fmt::Debug {}

impl<T: Display + fmt::Debug> Shown for T {}

fn as_text<S: Serializer>(shown: &&dyn Shown, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shown)
}

/// A room in a list.
#[derive(Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub struct Room<'a> {
    pub name: &'a str,
    pub count: usize,
}

/// What a client is held to, as `welcome` says it.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub struct Limits {
    /// Bytes of a message.
    pub message: usize,
    /// Commands per second; `None` for as many as one likes.
    pub rate: Option<u32>,
    /// Commands at once.
    pub burst: Option<u32>,
    /// Rooms one is in at the same time.
    pub rooms: usize,
    /// Characters of one's name, of a room's, of a key, of a dedup id.
    pub name: usize,
    pub room: usize,
    pub key: usize,
    pub dedup: usize,
    /// Messages in an answer to `history`.
    pub history: usize,
    /// Bytes of a file; `None` where none are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
}

/// What one's token allows, as `welcome` says it.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of the protocol, which the guide describes"
)]
pub struct Rights<'a> {
    /// Patterns of rooms.
    pub subscribe: &'a [String],
    pub publish: &'a [String],
    pub admin: bool,
    /// Milliseconds since 1970.
    pub expires: u64,
}

fn is_off(flag: &bool) -> bool {
    !flag
}

/// Appends anything of this module to `out`.
pub fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("what is written here is JSON, and memory takes it");
}

/// Appends an object without the brace that closes it, for fields that are written by themselves: checked JSON, which
/// would have to be parsed again to be serialized, and lists whose items are encoded already.
pub fn open(object: &impl Serialize, out: &mut Vec<u8>) {
    write(object, out);
    let brace = out.pop();
    debug_assert_eq!(brace, Some(b'}'), "it is an object");
}

#[cfg(test)]
mod tests;
