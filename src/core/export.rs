//! A room's messages outside of a server: as lines of JSON, which can be read back, and as text for people.

use std::fmt;

use crate::codec::json::command::Data;
use crate::codec::json::event::Epoch;
use crate::codec::json::export::{self, ExportParseError, ExportedMessage};
pub use crate::codec::json::import::{ImportEnd, ImportReport};
use crate::core::chat::{Author, Content, Owner, RoomName};
use crate::core::delivery::encode;
use crate::core::store::{Found, Record, Stored};
use crate::limits::{MAX_IMPORTED_OFFSET, MAX_KEY};

/// Appends a message as a line of JSON. What is the server's alone is not in it: its sender's address, and their id of it.
pub fn write_json(room: &str, epoch: u64, stored: &Stored, out: &mut Vec<u8>) {
    let found = Found::new(stored.clone());
    let message = encode::message_event(room, &found.message());
    export::write_line(&message, Epoch(epoch), stored.record.retain, out);
}

/// Appends a message as a line of text: its author and what it says, without control characters.
pub fn write_text(stored: &Stored, out: &mut Vec<u8>) {
    encode::line(&Found::new(stored.clone()).message(), "", out);
}

/// A line of JSON cannot be imported.
#[derive(Debug)]
pub enum ImportError {
    /// It is not what `write_json` writes.
    Line(ExportParseError),
    /// It names a room that cannot be.
    Room,
    /// Its key is empty or too long, or it is to be retained without one.
    Key,
    /// Its author's id or name cannot be.
    Author,
    /// Its offset is 0, or leaves no place for others after it.
    Offset,
    /// Its room was there before the import.
    IsThere(RoomName),
    /// Its offset does not come after that of the line before it of its room.
    Order {
        /// The room.
        room: RoomName,
        /// The offset.
        offset: u64,
        /// That of the line before it.
        last: u64,
    },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => error.fmt(f),
            Self::Room => f.write_str("the name of the room is not valid"),
            Self::Key => write!(
                f,
                "a key has 1 to {MAX_KEY} bytes, and what is retained has one"
            ),
            Self::Author => f.write_str("nobody can have the id, or the name, of its author"),
            Self::Offset => write!(f, "an offset is 1 to {MAX_IMPORTED_OFFSET}"),
            Self::IsThere(room) => write!(
                f,
                "the room {room} is there already: empty it first, or give these messages another room"
            ),
            Self::Order { room, offset, last } => {
                write!(f, "offset {offset} of the room {room} comes after {last}")
            }
        }
    }
}

impl std::error::Error for ImportError {}

/// Reads what `write_json` has written: the room, and the message. It counts as this machine's.
///
/// # Errors
/// It is not that, or the server would not have taken it.
pub fn parse_json(line: &str) -> Result<(RoomName, Stored), ImportError> {
    let message = export::parse_line(line).map_err(ImportError::Line)?;
    let room = RoomName::parse(&message.room).ok_or(ImportError::Room)?;
    if !(1..=MAX_IMPORTED_OFFSET).contains(&message.offset) {
        return Err(ImportError::Offset);
    }
    Ok((room, stored(message)?))
}

fn stored(message: ExportedMessage<'_>) -> Result<Stored, ImportError> {
    let key: Option<Box<str>> = message.key.map(Box::from);
    let is_key = |key: &str| (1..=MAX_KEY).contains(&key.len());
    if !key.as_deref().map_or(!message.retain, is_key) {
        return Err(ImportError::Key);
    }
    let author = Author::parse(&message.from.id, &message.from.name).ok_or(ImportError::Author)?;
    let (content, body) = match message.data {
        Data::Text(text) => (Content::Text, text.into_owned().into_bytes()),
        Data::Json(json) => (Content::Json, json.into_bytes()),
        Data::Binary(bytes) => (Content::Binary, bytes),
    };
    Ok(Stored {
        offset: message.offset,
        at_ms: message.at,
        record: Record {
            author_id: author.id.number(),
            author_name: author.name.to_string().into(),
            key,
            content,
            body,
            retain: message.retain,
            owner: Owner::this_machine().to_text().into(),
            sent: None,
            freshness: Default::default(),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::json::compact;

    fn records() -> impl Strategy<Value = Record> {
        let json = prop_oneof![
            Just(r#"{"a":[1,2.50,{"b":null}],"c":"\u00e9 \n"}"#),
            Just("null"),
            Just("-0.0"),
            Just("[ ]"),
        ];
        let content = prop_oneof![
            any::<String>().prop_map(|text| (Content::Text, text.into_bytes())),
            json.prop_map(|json| (Content::Json, compact(json).unwrap().into_bytes())),
            any::<Vec<u8>>().prop_map(|bytes| (Content::Binary, bytes)),
        ];
        let key = proptest::option::of("[a-z.\"\\\\]{1,9}");
        (
            any::<u64>(),
            "[a-z]{1,9}( [a-z]{1,9})?|guest-[0-9a-z]{4}",
            key,
            content,
            any::<bool>(),
        )
            .prop_map(
                |(author_id, author_name, key, (content, body), retain)| Record {
                    author_id,
                    author_name: author_name.into(),
                    retain: retain && key.is_some(),
                    key: key.map(Into::into),
                    content,
                    body,
                    owner: Owner::this_machine().to_text().into(),
                    sent: None,
                    freshness: Default::default(),
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            record in records(), offset in 1..=MAX_IMPORTED_OFFSET, at_ms: u64, epoch: u64, room in "[a-z]{1,9}",
        ) {
            let stored = Stored { offset, at_ms, record };
            let mut line = Vec::new();
            write_json(&room, epoch, &stored, &mut line);
            let line = str::from_utf8(&line).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let (in_room, read) = parse_json(line).unwrap();
            prop_assert_eq!(in_room.as_str(), room);
            prop_assert_eq!((read.offset, read.at_ms), (offset, at_ms));
            prop_assert!(read.record == stored.record);
        }

        #[test]
        fn what_people_read_is_one_line(record in records()) {
            let mut line = Vec::new();
            write_text(&Stored { offset: 1, at_ms: 1, record }, &mut line);
            let line = str::from_utf8(&line).unwrap();
            prop_assert_eq!(line.chars().filter(|c| c.is_control()).collect::<String>(), "\n");
        }
    }

    #[test]
    fn what_a_server_would_not_take_is_not_imported() {
        let line = r#"{"room":"tea","offset":1,"at":1,"from":{"id":"p00000000000000ff","name":"ana"},"data":"x","key":"k"}"#;
        assert_eq!(parse_json(line).unwrap().1.record.author_id, 255);
        for (good, bad) in [
            ("tea", "t e a"),
            ("p00000000000000ff", "p0"),
            ("ana", ""),
            (r#""k""#, r#""""#),
            (r#""key":"k""#, r#""retain":true"#),
            (r#""offset":1"#, r#""offset":0"#),
            (r#""offset":1"#, r#""offset":549755813888"#),
        ] {
            let line = line.replace(good, bad);
            assert!(parse_json(&line).is_err(), "{line}");
        }
    }
}
