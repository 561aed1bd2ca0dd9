//! The door that a run goes through: plain messages, which any server takes, or parlor's commands and events in JSON.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use tungstenite::http::Uri;

use crate::deflated::{COMPRESSED, DeflatedScanner, Messages, deflate};
use crate::events::{EventScanner, EventShape};
use crate::handshake::Asked;
use crate::options::{DoorKind, Options};
use crate::scan::{ProtocolError, Scanner, Shape, Sink, TEXT};
use crate::stamp::{STAMP_BYTES, Stamp};

const PROTOCOL: &str = "parlor.v1.json";
const FILLER: &str = ".";

/// What is the same for every connection of a run.
#[derive(Debug)]
pub(crate) enum Door {
    Plain(Shape),
    /// The same, compressed.
    Deflated(Messages),
    Json {
        room: Room,
        shape: EventShape,
    },
}

/// A room of the JSON door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    name: String,
    /// Where one is let in without being put into a room.
    pub(crate) lobby: Uri,
}

/// The URL of another room, named after that of a URL.
pub(crate) fn beside(uri: &Uri) -> Result<Uri, String> {
    let mut parts = uri.clone().into_parts();
    let path = format!("{}-beside", uri.path());
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).map_err(|error| format!("{uri}: {error}"))
}

/// What comes on one connection, by its door.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Scanner),
    Deflated(DeflatedScanner),
    Json(EventScanner),
}

/// The next message, whose stamp alone changes.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    stamp_at: usize,
    is_deflated: bool,
}

/// An event of the JSON door that is not a message.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Ping,
    /// The answer to `join`, to be read by those who want to know more.
    Joined(&'a [u8]),
    /// A command was refused: why, for people.
    Refused(String),
}

/// What someone finds who comes into a room.
#[derive(Debug, Deserialize)]
pub(crate) struct Joined {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) recovered: bool,
    pub(crate) messages: Vec<Missed>,
}

/// A message that was missed.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Missed {
    pub(crate) offset: u64,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

impl Door {
    pub(crate) fn new(options: &Options, uri: &Uri) -> Result<Door, String> {
        match options.door {
            DoorKind::Plain if options.deflate => {
                let body = readings(options.size);
                Ok(Door::Deflated(Messages::new(&body[STAMP_BYTES..])))
            }
            DoorKind::Plain => Ok(Door::Plain(Shape::new(options.size))),
            DoorKind::Json => {
                let room = Room::of(uri)?;
                let shape = EventShape::new(&room.name, options.size);
                Ok(Door::Json { room, shape })
            }
        }
    }

    /// What to ask for in the handshake.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            protocol: self.room().map(|_| PROTOCOL),
            deflate: matches!(self, Door::Deflated(_)),
        }
    }

    /// The room, where commands name it.
    pub(crate) fn room(&self) -> Option<&Room> {
        match self {
            Door::Plain(_) | Door::Deflated(_) => None,
            Door::Json { room, .. } => Some(room),
        }
    }

    pub(crate) fn stream(&self) -> Stream {
        match self {
            Door::Plain(_) => Stream::Plain(Scanner::default()),
            Door::Deflated(_) => Stream::Deflated(DeflatedScanner::default()),
            Door::Json { .. } => Stream::Json(EventScanner::default()),
        }
    }

    pub(crate) fn scan(
        &mut self,
        stream: &mut Stream,
        input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ProtocolError> {
        match (self, stream) {
            (Door::Plain(shape), Stream::Plain(scanner)) => scanner.scan(shape, input, sink),
            (Door::Deflated(messages), Stream::Deflated(scanner)) => {
                scanner.scan(messages, input, sink)
            }
            (Door::Json { shape, .. }, Stream::Json(scanner)) => scanner.scan(shape, input, sink),
            _ => unreachable!("a stream is made by its door"),
        }
    }

    /// A message of `size` bytes, as a frame's payload.
    pub(crate) fn draft(&self, size: usize) -> Draft {
        let Door::Json { room, .. } = self else {
            return Draft {
                bytes: readings(size),
                stamp_at: 0,
                is_deflated: matches!(self, Door::Deflated(_)),
            };
        };
        let command = json!({"type": "publish", "room": room.name, "data": FILLER.repeat(size)});
        let bytes = command.to_string().into_bytes();
        let mut fillers = bytes.windows(size);
        let stamp_at =
            fillers.position(|part| part.iter().all(|byte| *byte == FILLER.as_bytes()[0]));
        Draft {
            stamp_at: stamp_at.expect("the body is in the message"),
            bytes,
            is_deflated: false,
        }
    }
}

/// Room for a stamp, and JSON of sensors' values behind it, up to `size` bytes: what compresses as telemetry does. The
/// same in every run.
fn readings(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = FILLER.repeat(STAMP_BYTES).into_bytes();
    let mut at_ms = 1_700_000_000_000_u64;
    while bytes.len() < size {
        let sensor = random.u8(1..=40);
        let value = f64::from(random.u16(600..=9_900)) / 100.0;
        at_ms += random.u64(1..=2_000);
        let reading = json!({"at": at_ms, "key": format!("boiler-{sensor}.temperature"), "value": value, "unit": "C"});
        bytes.extend_from_slice(format!("{reading},").as_bytes());
    }
    bytes.truncate(size);
    bytes
}

impl Room {
    fn of(uri: &Uri) -> Result<Room, String> {
        let (lobby, name) = uri.path().rsplit_once('/').unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
        if lobby.is_empty() || name.is_empty() {
            return Err(format!(
                "{uri}: --door json needs a room's URL, e.g. ws://127.0.0.1:8080/ws/bench"
            ));
        }
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = lobby.parse().ok();
        let lobby = Uri::from_parts(parts).map_err(|error| format!("{uri}: {error}"))?;
        Ok(Room { name, lobby })
    }

    /// The command to come in: after the message of that epoch and offset, if one has been here.
    pub(crate) fn join(&self, since: Option<(&str, u64)>) -> Vec<u8> {
        let mut command = json!({"type": "join", "room": self.name});
        if let Some((epoch, offset)) = since {
            command["since"] = json!({"epoch": epoch, "offset": offset});
        }
        command.to_string().into_bytes()
    }
}

impl Draft {
    /// The message with this stamp, and the first byte of its frame but for FIN.
    pub(crate) fn stamped(&mut self, stamp: &Stamp) -> (u8, Cow<'_, [u8]>) {
        stamp.write(&mut self.bytes[self.stamp_at..]);
        match self.is_deflated {
            true => (TEXT | COMPRESSED, deflate(&self.bytes).into()),
            false => (TEXT, Cow::from(&self.bytes)),
        }
    }
}

impl Joined {
    pub(crate) fn read(json: &[u8]) -> Result<Joined, String> {
        serde_json::from_slice(json).map_err(|error| format!("the answer to join: {error}"))
    }
}

impl Event<'_> {
    /// Reads what matters here; `type` is an event's first field.
    pub(crate) fn read(json: &[u8]) -> Option<Event<'_>> {
        let rest = json.strip_prefix(br#"{"type":""#)?;
        let name = rest.split(|byte| *byte == b'"').next()?;
        match name {
            b"ping" => Some(Event::Ping),
            b"joined" => Some(Event::Joined(json)),
            b"error" => {
                let Refusal { code, message } = serde_json::from_slice(json).ok()?;
                let advice = match code.as_str() {
                    "rate_limited" => "; start parlor with --rate 0",
                    _ => "",
                };
                Some(Event::Refused(format!("{code}: {message}{advice}")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(uri: &'static str) -> Result<Room, String> {
        Room::of(&Uri::from_static(uri))
    }

    #[test]
    fn a_room_is_the_last_part_of_the_path() {
        let tea = room("ws://localhost:1/ws/t%20a").unwrap();
        assert_eq!(tea.name, "t a");
        assert_eq!(tea.lobby, "ws://localhost:1/ws");
        for without in [
            "ws://localhost:1",
            "ws://localhost:1/ws",
            "ws://localhost:1/ws/",
        ] {
            assert!(
                room(without).unwrap_err().contains("needs a room"),
                "{without}"
            );
        }
    }

    #[test]
    fn the_room_beside_is_named_after_the_other() {
        let uri = beside(&Uri::from_static("ws://localhost:1/ws/t%20a")).unwrap();
        assert_eq!(Room::of(&uri).unwrap().name, "t a-beside");
    }

    #[test]
    fn a_draft_is_a_command_with_the_stamp_as_its_data() {
        let room = room("ws://localhost:1/ws/a%22...b").unwrap();
        let shape = EventShape::new(&room.name, 30);
        let mut draft = Door::Json { room, shape }.draft(30);
        let stamp = Stamp {
            run: crate::stamp::new_run(),
            sender: 3,
            sequence: 0x2c,
            time_ns: 0xb2c_b2c,
        };
        let (_, payload) = draft.stamped(&stamp);
        let command: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            (&command["type"], &command["room"]),
            (&json!("publish"), &json!("a\"...b"))
        );
        let data = command["data"].as_str().unwrap().as_bytes();
        assert_eq!(data.len(), 30);
        assert_eq!(Stamp::read(data.first_chunk().unwrap()), stamp);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let event = br#"{"type":"error","code":"rate_limited","message":"too many","retry_ms":5}"#;
        let Some(Event::Refused(reason)) = Event::read(event) else {
            panic!("no refusal");
        };
        assert_eq!(reason, "rate_limited: too many; start parlor with --rate 0");
        assert!(Event::read(br#"{"type":"welcome","message":"error"}"#).is_none());
    }
}
