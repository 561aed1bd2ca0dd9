//! Messages outside of a server, a line of JSON each: as the protocol has them, with what keeps them in their room.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::command::{self, Data};
use super::event::{self, Epoch, MessageEvent};

/// Appends a message of the room that has this epoch. `retain`: it was published as the state of its key.
pub fn write_line(message: &MessageEvent<'_>, epoch: Epoch, retain: bool, out: &mut Vec<u8>) {
    message.write(out);
    let brace = out.pop();
    debug_assert_eq!(brace, Some(b'}'), "a message is an object");
    out.extend_from_slice(b",\"epoch\":");
    event::write(&epoch, out);
    if retain {
        out.extend_from_slice(b",\"retain\":true");
    }
    out.extend_from_slice(b"}\n");
}

/// What a line says. Its epoch is not read: a room that is made of lines is another one.
#[derive(Debug, PartialEq, Eq)]
pub struct ExportedMessage<'a> {
    /// The name of its room.
    pub room: Cow<'a, str>,
    /// Its place in the room's order.
    pub offset: u64,
    /// When it was sent, in milliseconds since 1970.
    pub at: u64,
    /// Who sent it.
    pub from: ExportedAuthor<'a>,
    /// What it carries.
    pub data: Data<'a>,
    /// What it is the state of.
    pub key: Option<Cow<'a, str>>,
    /// Whether the room keeps it as that state.
    pub retain: bool,
}

/// Whoever sent a message, as they were then.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct ExportedAuthor<'a> {
    /// Their id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Their name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

/// A line is not an exported message.
#[derive(Debug)]
pub struct ExportParseError(String);

impl fmt::Display for ExportParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExportParseError {}

/// Reads a line. Fields that are not known are not looked at.
///
/// # Errors
/// It is not JSON, lacks a field, or has one of another type.
pub fn parse_line(line: &str) -> Result<ExportedMessage<'_>, ExportParseError> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        room: Cow<'a, str>,
        offset: u64,
        at: u64,
        #[serde(borrow)]
        from: ExportedAuthor<'a>,
        #[serde(borrow, default, deserialize_with = "command::even_null")]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        binary: Option<Cow<'a, str>>,
        #[serde(borrow)]
        key: Option<Cow<'a, str>>,
        #[serde(default)]
        retain: bool,
    }
    let fields: Fields<'_> =
        serde_json::from_str(line).map_err(|error| ExportParseError(error.to_string()))?;
    let data = command::decode(fields.data, fields.binary, "it needs data, or binary")
        .map_err(|error| ExportParseError(error.message))?;
    Ok(ExportedMessage {
        room: fields.room,
        offset: fields.offset,
        at: fields.at,
        from: fields.from,
        data,
        key: fields.key,
        retain: fields.retain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse_line(line).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_to_history_can_be_read_too() {
        let line = r#"{"type":"message","room":"tea","offset":7,"at":5,"from":{"id":"p1","name":"a\"na"},"data":[1, 2]}"#;
        let message = parse_line(line).unwrap();
        assert_eq!((&*message.room, message.offset, message.at), ("tea", 7, 5));
        assert_eq!((&*message.from.id, &*message.from.name), ("p1", r#"a"na"#));
        assert_eq!(message.data, Data::Json("[1,2]".to_owned()));
        assert_eq!((message.key, message.retain), (None, false));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        assert!(error("hello").contains("expected value"));
        assert!(error(r#"{"room":"tea"}"#).contains("missing field `offset`"));
        let without_data = r#"{"room":"tea","offset":1,"at":1,"from":{"id":"p1","name":"ana"}}"#;
        assert_eq!(error(without_data), "it needs data, or binary");
        let twice = without_data.replace("}}", r#"},"data":{"a":1,"a":2}}"#);
        assert!(error(&twice).contains("twice"), "{}", error(&twice));
    }
}
