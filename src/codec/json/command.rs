//! What a client says: one JSON object per message, its `type` naming the command.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::ban::{AskedBan, BanTarget};
use super::compact;
use super::condition::Condition;
use super::push::{self, Push};
pub use super::refused::CommandParseError;
pub use super::series::Series;
use super::series::series_of;
use crate::codec::freshness::Freshness;

/// Characters of a command's `id`, quotes included.
const MAX_ID: usize = 128;

/// A command, its fields checked for their types.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Be someone: under a name, or again who one was.
    Login {
        /// The name to take.
        name: Option<Cow<'a, str>>,
        /// The secret of an earlier `welcome`.
        resume: Option<Cow<'a, str>>,
        /// A JSON Web Token.
        token: Option<Cow<'a, str>>,
    },
    /// Come into a room.
    Join {
        /// The room's name.
        room: Cow<'a, str>,
        /// Where one was before.
        since: Option<Since<'a>>,
        /// How many of the newest messages to get.
        last: Option<u64>,
        /// Of which numbers to get what they were lately.
        series: Option<Series>,
    },
    /// Go out of a room.
    Leave {
        /// The room's name.
        room: Cow<'a, str>,
    },
    /// Say something in a room.
    Publish(Publish<'a>),
    /// Say the same in several rooms: that of `publish`, and others.
    PublishCopies {
        /// The message, and the first of the rooms.
        publish: Publish<'a>,
        /// The names of the other rooms.
        others: Vec<String>,
    },
    /// Say something to one person.
    Direct {
        /// Their name.
        to: Cow<'a, str>,
        /// Any JSON.
        data: Data<'a>,
    },
    /// Older messages of a room.
    History {
        /// The room's name.
        room: Cow<'a, str>,
        /// Those before this offset.
        before: Option<u64>,
        /// How many.
        limit: Option<u64>,
        /// The numbers of keys in place of messages.
        series: Option<Series>,
    },
    /// Messages of a room that hold some words.
    Search {
        /// The room's name.
        room: Cow<'a, str>,
        /// The words.
        q: Cow<'a, str>,
        /// Those before this offset.
        before: Option<u64>,
        /// How many.
        limit: Option<u64>,
    },
    /// Who is in a room.
    Members {
        /// The room's name.
        room: Cow<'a, str>,
    },
    /// Which rooms there are.
    Rooms,
    /// Close someone's connections.
    Close {
        /// Their name.
        name: Cow<'a, str>,
    },
    /// Put everyone out of a room, and forget what was said there.
    Empty {
        /// The room's name.
        room: Cow<'a, str>,
    },
    /// Ban somebody.
    Ban(AskedBan<'a>),
    /// Lift a ban.
    Unban(BanTarget<'a>),
    /// Which bans there are.
    Bans,
    /// To be told of something while away, or not any more.
    Push(Push<'a>),
    /// Is anyone there?
    Ping,
    /// The answer to the server's ping.
    Pong,
}

impl Command<'_> {
    /// The names of the rooms that it is about, and that have to be there for it.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        let others = match self {
            Self::PublishCopies { others, .. } => &others[..],
            _ => &[],
        };
        let others = others.iter().map(String::as_str);
        self.first_room().into_iter().chain(others)
    }

    fn first_room(&self) -> Option<&str> {
        match self {
            Self::Join { room, .. }
            | Self::History { room, .. }
            | Self::Search { room, .. }
            | Self::Members { room }
            | Self::Empty { room } => Some(room),
            Self::Publish(publish) | Self::PublishCopies { publish, .. } => Some(&publish.room),
            Self::Login { .. }
            | Self::Leave { .. }
            | Self::Direct { .. }
            | Self::Rooms
            | Self::Close { .. }
            | Self::Ban(_)
            | Self::Unban(_)
            | Self::Bans
            | Self::Push(_)
            | Self::Ping
            | Self::Pong => None,
        }
    }
}

/// A message for a room.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The room's name.
    pub room: Cow<'a, str>,
    /// What to say.
    pub data: Data<'a>,
    /// What it is the state of.
    pub key: Option<Cow<'a, str>>,
    /// Whether the room keeps it as that state.
    pub retain: bool,
    /// Whether it is for those who are here now alone.
    pub ephemeral: bool,
    /// The client's own id of the message.
    pub dedup: Option<Cow<'a, str>>,
    /// What the state of the key has to be, or the message is not published.
    pub condition: Option<Condition>,
    /// How long it is good for as that state.
    pub freshness: Freshness,
}

impl<'a> Publish<'a> {
    /// A text that the room keeps as the state of a key, at doors that have nothing but text.
    pub fn state(room: &'a str, key: &'a str, text: &'a str, freshness: Freshness) -> Self {
        Self {
            room: room.into(),
            data: Data::Text(text.into()),
            key: Some(key.into()),
            retain: true,
            ephemeral: false,
            dedup: None,
            condition: None,
            freshness,
        }
    }
}

/// What a message carries.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// A JSON string, decoded.
    Text(Cow<'a, str>),
    /// Other JSON, compact.
    Json(String),
    /// `binary`, decoded.
    Binary(Vec<u8>),
}

/// A place in a room's order.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object with epoch and offset")]
pub struct Since<'a> {
    /// The room's epoch.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// The offset of the last message one has.
    pub offset: u64,
}

/// The command's id as it was sent, a string or a number; to be echoed.
pub type Id<'a> = Option<&'a RawValue>;

/// Everything that any command has.
#[derive(Deserialize)]
#[serde(expecting = "a JSON object with a type")]
struct Fields<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    rooms: Option<Vec<String>>,
    #[serde(borrow)]
    since: Option<Since<'a>>,
    last: Option<u64>,
    series: Option<Series>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    binary: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    retain: Option<bool>,
    ephemeral: Option<bool>,
    #[serde(borrow)]
    dedup: Option<Cow<'a, str>>,
    if_offset: Option<u64>,
    #[serde(borrow)]
    if_epoch: Option<Cow<'a, str>>,
    if_new: Option<bool>,
    expect: Option<u64>,
    ttl: Option<u64>,
    #[serde(borrow)]
    q: Option<Cow<'a, str>>,
    before: Option<u64>,
    limit: Option<u64>,
    /// Of `history` patterns; of `push` what is encrypted with.
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
    seconds: Option<u64>,
    points: Option<u64>,
    count: Option<u64>,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object with a type")]
struct WithId<'a> {
    #[serde(borrow)]
    id: Id<'a>,
}

/// The id of a command that is not obeyed, whatever it is.
pub fn id_of(text: &str) -> Id<'_> {
    let with_id = serde_json::from_str::<WithId<'_>>(text).ok()?;
    with_id.id.filter(|id| is_string_or_number(id))
}

/// Reads a command. Its id is there even when the rest is not valid.
///
/// # Errors
/// What is wrong with it, to be answered.
pub fn parse(text: &str) -> (Id<'_>, Result<Command<'_>, CommandParseError>) {
    let id = match serde_json::from_str::<WithId<'_>>(text) {
        Ok(with_id) => with_id.id,
        Err(error) => return (None, Err(CommandParseError::of_json(&error))),
    };
    if !id.is_none_or(is_string_or_number) {
        let message = format!("id must be a string or a number of at most {MAX_ID} characters");
        return (None, Err(CommandParseError::new(message)));
    }
    let command = serde_json::from_str::<Fields<'_>>(text)
        .map_err(|error| CommandParseError::of_json(&error))
        .and_then(|fields| fields.into_command(text));
    (id, command)
}

impl<'a> Fields<'a> {
    fn into_command(self, text: &'a str) -> Result<Command<'a>, CommandParseError> {
        Ok(match &*self.r#type {
            "login" => Command::Login {
                name: self.name,
                resume: self.resume,
                token: self.token,
            },
            "join" => Command::Join {
                room: needed(self.room, "join needs room")?,
                since: self.since,
                last: self.last,
                series: self.series,
            },
            "leave" => Command::Leave {
                room: needed(self.room, "leave needs room")?,
            },
            "publish" => return self.into_publish(),
            "direct" => Command::Direct {
                to: needed(self.to, "direct needs to")?,
                data: decode(self.data, None, "direct needs data")?,
            },
            "history" => Command::History {
                series: series_of(self.key, self.keys, (self.seconds, self.points, self.count))?,
                room: needed(self.room, "history needs room")?,
                before: self.before,
                limit: self.limit,
            },
            "search" => Command::Search {
                room: needed(self.room, "search needs room")?,
                q: needed(self.q, "search needs q")?,
                before: self.before,
                limit: self.limit,
            },
            "members" => Command::Members {
                room: needed(self.room, "members needs room")?,
            },
            "rooms" => Command::Rooms,
            "close" => Command::Close {
                name: needed(self.name, "close needs name")?,
            },
            "empty" => Command::Empty {
                room: needed(self.room, "empty needs room")?,
            },
            "ban" => Command::Ban(AskedBan {
                seconds: self.seconds,
                reason: self.reason,
                target: BanTarget {
                    name: self.name,
                    address: self.address,
                    room: self.room,
                },
            }),
            "unban" => Command::Unban(BanTarget {
                name: self.name,
                address: self.address,
                room: self.room,
            }),
            "bans" => Command::Bans,
            "push" => Command::Push(push::parse(text)?),
            "ping" => Command::Ping,
            "pong" => Command::Pong,
            _ => {
                let known = "login, join, leave, publish, direct, history, search, members, rooms, close, empty, ban, unban, bans, push, ping, pong";
                return Err(CommandParseError::new(format!(
                    "this type is not known; there are {known}"
                )));
            }
        })
    }

    fn into_publish(self) -> Result<Command<'a>, CommandParseError> {
        let data = decode(self.data, self.binary, "publish needs data or binary")?;
        let (room, others) = match (self.room, self.rooms) {
            (room, None) => (needed(room, "publish needs room")?, None),
            (None, Some(rooms)) => {
                let mut rooms = rooms.into_iter();
                let first = rooms.next().map(Cow::Owned);
                let first = needed(first, "rooms names at least one room")?;
                (first, Some(rooms.collect()))
            }
            (Some(_), Some(_)) => {
                let message = "publish has room, or rooms for several, and not both";
                return Err(CommandParseError::new(message.to_owned()));
            }
        };
        let condition = Condition::parse(
            self.if_offset,
            self.if_epoch.as_deref(),
            self.if_new.unwrap_or(false),
        );
        let publish = Publish {
            room,
            data,
            key: self.key,
            retain: self.retain.unwrap_or(false),
            ephemeral: self.ephemeral.unwrap_or(false),
            dedup: self.dedup,
            condition: condition.map_err(|message| CommandParseError::new(message.to_owned()))?,
            freshness: Freshness::new(self.expect, self.ttl),
        };
        Ok(match others {
            None => Command::Publish(publish),
            Some(others) => Command::PublishCopies { publish, others },
        })
    }
}

pub(super) fn decode<'a>(
    data: Option<&'a RawValue>,
    binary: Option<Cow<'a, str>>,
    otherwise: &str,
) -> Result<Data<'a>, CommandParseError> {
    match (data, binary) {
        (Some(data), None) => {
            decode_json(data.get()).map_err(|error| CommandParseError::of_json(&error))
        }
        (None, Some(binary)) => match BASE64.decode(binary.as_bytes()) {
            Ok(bytes) => Ok(Data::Binary(bytes)),
            Err(error) => Err(CommandParseError::new(format!(
                "binary is not base64: {error}"
            ))),
        },
        _ => Err(CommandParseError::new(otherwise.to_owned())),
    }
}

/// Reads a message that is JSON and nothing else.
///
/// # Errors
/// It is not, or not all readers would understand the same by it; see [`compact`].
pub fn parse_data(text: &str) -> serde_json::Result<Data<'_>> {
    let json: &RawValue = serde_json::from_str(text)?;
    decode_json(json.get())
}

/// What JSON carries: its text if it is a string; which may stand for what is no text, a lone surrogate.
fn decode_json(json: &str) -> serde_json::Result<Data<'_>> {
    if json.trim_ascii_start().starts_with('"') {
        // Borrows where nothing is escaped, which `Cow` alone does not.
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        let text: Text<'_> = serde_json::from_str(json)?;
        return Ok(Data::Text(text.0));
    }
    compact(json).map(Data::Json)
}

/// A field that is there is there, even when it is `null`.
pub(super) fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn needed<'a>(
    field: Option<Cow<'a, str>>,
    otherwise: &str,
) -> Result<Cow<'a, str>, CommandParseError> {
    field.ok_or_else(|| CommandParseError::new(otherwise.to_owned()))
}

fn is_string_or_number(id: &RawValue) -> bool {
    let begins = |c: char| c == '"' || c == '-' || c.is_ascii_digit();
    // It is sent back, so its own sender has to be able to read it, too.
    id.get().starts_with(begins) && id.get().len() <= MAX_ID && compact(id.get()).is_ok()
}

#[cfg(test)]
mod tests;
