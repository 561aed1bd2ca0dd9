//! The door that a run goes through: the protocol in which a server of rooms is spoken to. Plain messages, which any
//! WebSocket server takes, are scanned in [`crate::scan`]; each of the others has a file of its own.

mod address;
mod envelope;
mod json;
mod nats;
mod pusher;
mod socketio;

use tungstenite::http::Uri;

use crate::deflated::{COMPRESSED, DeflatedScanner, Messages, deflate};
use crate::frames::{FrameReader, append_frame, text_length};
use crate::handshake::{Asked, RequestTemplate};
use crate::options::{DoorKind, Options};
use crate::scan::{ProtocolError, Scanner, Shape, Sink, TEXT};
use crate::stamp::{STAMP_BYTES, Stamp};
pub(crate) use address::named_after;
use address::{Address, at, credentials};
#[cfg(test)]
pub(crate) use json::Missed;
pub(crate) use json::{Joined, Json};
use nats::Nats;
use pusher::Pusher;
use socketio::SocketIo;

const FILLER: &str = ".";

/// What is the same for every connection of a room.
#[derive(Debug)]
pub(crate) enum Door {
    Plain(Shape),
    /// The same, compressed.
    Deflated(Messages),
    Json(Json),
    Pusher(Box<Pusher>),
    Nats(Nats),
    SocketIo(SocketIo),
}

/// What comes on one connection, by its door.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Scanner),
    Deflated(DeflatedScanner),
    Frames(FrameReader),
}

/// The next message, whose stamp alone changes.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    stamp_at: usize,
    wrapping: Wrapping,
}

/// What is put around a message on its way.
#[derive(Clone, Copy, Debug)]
enum Wrapping {
    Nothing,
    Frame,
    CompressedFrame,
}

impl Door {
    /// The door to the room of a URL.
    pub(crate) fn new(options: &Options, uri: &Uri) -> Result<Door, String> {
        let size = options.size;
        let room = || room_of(uri, options);
        Ok(match options.door {
            DoorKind::Plain if options.deflate => Door::Deflated(Messages::new(
                &readings(size)[STAMP_BYTES..],
                options.rooms(),
            )),
            DoorKind::Plain => Door::Plain(Shape::new(size)),
            DoorKind::Json => Door::Json(Json::new(uri, &room()?, size)?),
            DoorKind::Nats => Door::Nats(Nats::new(&room()?, size)?),
            DoorKind::Socketio => Door::SocketIo(SocketIo::new(&room()?, size)),
            DoorKind::Pusher => {
                let credentials = credentials(uri).ok_or_else(|| needs_room(uri, options))?;
                Door::Pusher(Box::new(Pusher::new(&room()?, credentials, size)))
            }
        })
    }

    /// The request that a connection to the room of `uri` begins with; `None` where the server speaks first.
    pub(crate) fn request(&self, uri: &Uri) -> Result<Option<RequestTemplate>, String> {
        let uri = match self {
            Door::Plain(_) | Door::Deflated(_) | Door::Json(_) => uri.clone(),
            Door::Pusher(pusher) => at(uri, &pusher.path())?,
            Door::SocketIo(socketio) => at(uri, &socketio.path())?,
            Door::Nats(_) => return Ok(None),
        };
        let asked = Asked {
            protocol: self.json().map(|_| json::PROTOCOL),
            deflate: matches!(self, Door::Deflated(_)),
        };
        RequestTemplate::new(&uri, asked).map(Some)
    }

    /// Whether a connection is in its room as soon as it is a WebSocket. Else the server says when it is.
    pub(crate) fn is_in_at_once(&self) -> bool {
        matches!(self, Door::Plain(_) | Door::Deflated(_) | Door::Json(_))
    }

    /// Whether a message goes to its sender, too.
    pub(crate) fn echoes(&self) -> bool {
        !matches!(self, Door::Pusher(_))
    }

    /// Whether connections are WebSockets.
    pub(crate) fn is_websocket(&self) -> bool {
        !matches!(self, Door::Nats(_))
    }

    /// The room of the JSON door, whose commands name it.
    pub(crate) fn json(&self) -> Option<&Json> {
        match self {
            Door::Json(json) => Some(json),
            _ => None,
        }
    }

    pub(crate) fn stream(&self) -> Stream {
        match self {
            Door::Plain(_) => Stream::Plain(Scanner::default()),
            Door::Deflated(_) => Stream::Deflated(DeflatedScanner::default()),
            _ => Stream::Frames(FrameReader::default()),
        }
    }

    /// Takes the next bytes of a connection, cut anywhere.
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
            (Door::Json(json), Stream::Frames(reader)) => {
                reader.read(input, text_length, |frame| json.take(frame, sink))
            }
            (Door::Pusher(pusher), Stream::Frames(reader)) => {
                reader.read(input, text_length, |frame| pusher.take(frame, sink))
            }
            (Door::SocketIo(socketio), Stream::Frames(reader)) => {
                reader.read(input, text_length, |frame| socketio.take(frame, sink))
            }
            (Door::Nats(nats), Stream::Frames(reader)) => {
                reader.read(input, nats::length_of, |frame| nats.take(frame, sink))
            }
            _ => unreachable!("a stream is made by its door"),
        }
    }

    /// A message of `size` bytes.
    pub(crate) fn draft(&self, size: usize) -> Draft {
        let body = FILLER.repeat(size);
        let (bytes, wrapping) = match self {
            Door::Plain(_) => return Draft::plain(size, Wrapping::Frame),
            Door::Deflated(_) => return Draft::plain(size, Wrapping::CompressedFrame),
            Door::Json(json) => (json.publish(&body), Wrapping::Frame),
            Door::Pusher(pusher) => (pusher.publish(&body), Wrapping::Frame),
            Door::SocketIo(socketio) => (socketio.publish(&body), Wrapping::Frame),
            Door::Nats(nats) => (nats.publish(&body), Wrapping::Nothing),
        };
        // The room's name may hold fillers, too; it stands before the body.
        let is_filler = |part: &[u8]| part.iter().all(|byte| *byte == FILLER.as_bytes()[0]);
        Draft {
            stamp_at: bytes
                .windows(size)
                .rposition(is_filler)
                .expect("the body is in the message"),
            bytes,
            wrapping,
        }
    }
}

/// The room that a URL names, for a door that has to know it.
fn room_of(uri: &Uri, options: &Options) -> Result<Address, String> {
    let needs_folder = matches!(options.door, DoorKind::Plain | DoorKind::Json);
    Address::of(uri)
        .filter(|room| !needs_folder || !room.folder.is_empty())
        .ok_or_else(|| needs_room(uri, options))
}

fn needs_room(uri: &Uri, options: &Options) -> String {
    let (what, example) = match options.door {
        DoorKind::Plain => ("--rooms", "ws://127.0.0.1:8080/ws/bench"),
        DoorKind::Json => ("--door json", "ws://127.0.0.1:8080/ws/bench"),
        DoorKind::Nats => ("--door nats", "nats://127.0.0.1:4222/bench"),
        DoorKind::Socketio => ("--door socketio", "ws://127.0.0.1:3000/bench"),
        DoorKind::Pusher => (
            "--door pusher",
            "ws://APP-KEY:APP-SECRET@127.0.0.1:6001/bench",
        ),
    };
    format!("{uri}: {what} needs a room's URL, e.g. {example}")
}

/// The URLs of so many rooms, whose names end with their numbers.
pub(crate) fn numbered(uri: &Uri, count: usize, options: &Options) -> Result<Vec<Uri>, String> {
    room_of(uri, options)?;
    (0..count)
        .map(|number| named_after(uri, &format!("-{number}")))
        .collect()
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
        let reading = serde_json::json!({"at": at_ms, "key": format!("boiler-{sensor}.temperature"), "value": value, "unit": "C"});
        bytes.extend_from_slice(format!("{reading},").as_bytes());
    }
    bytes.truncate(size);
    bytes
}

impl Draft {
    fn plain(size: usize, wrapping: Wrapping) -> Draft {
        Draft {
            bytes: readings(size),
            stamp_at: 0,
            wrapping,
        }
    }

    /// Appends the message with this stamp, as it is sent.
    pub(crate) fn append(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        stamp.write(&mut self.bytes[self.stamp_at..]);
        match self.wrapping {
            Wrapping::Nothing => out.extend_from_slice(&self.bytes),
            Wrapping::Frame => append_frame(out, TEXT, &self.bytes),
            Wrapping::CompressedFrame => {
                append_frame(out, TEXT | COMPRESSED, &deflate(&self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::scan::tests::unmasked;

    const DOORS: [(&str, &str); 4] = [
        (
            "json",
            "ws://localhost:1/ws/a%22..............................b",
        ),
        ("pusher", "ws://key:secret@localhost:1/tea"),
        ("socketio", "ws://localhost:1/tea"),
        ("nats", "nats://localhost:1/tea"),
    ];

    fn door(kind: &str, uri: &str) -> Result<Door, String> {
        let options = Options::parse_from(["parlor-bench", uri, "--door", kind, "--size", "30"]);
        Door::new(&options, options.urls.first().unwrap())
    }

    #[test]
    fn a_room_is_needed_where_the_door_has_to_name_it() {
        for (kind, without) in [
            ("json", "ws://localhost:1"),
            ("json", "ws://localhost:1/ws"),
            ("json", "ws://localhost:1/ws/"),
            ("pusher", "ws://key:secret@localhost:1"),
            ("pusher", "ws://localhost:1/tea"),
            ("socketio", "ws://localhost:1"),
            ("nats", "nats://localhost:1"),
        ] {
            let refused = door(kind, without).unwrap_err();
            assert!(
                refused.contains("needs a room's URL"),
                "{without}: {refused}"
            );
        }
    }

    #[test]
    fn a_draft_is_a_command_with_the_stamp_as_its_body() {
        for (kind, uri) in DOORS {
            let stamp = Stamp {
                run: crate::stamp::new_run(),
                sender: 3,
                sequence: 0x2c,
                time_ns: 0xb2c_b2c,
            };
            let mut sent = Vec::new();
            let door = door(kind, uri).unwrap();
            door.draft(30).append(&stamp, &mut sent);
            let text = unmasked(&sent);
            let body = text.windows(30).rposition(|part| part.ends_with(b"......"));
            let body = &text[body.unwrap()..][..30];
            assert_eq!(Stamp::read(body.first_chunk().unwrap()), stamp, "{kind}");
            assert_eq!(door.is_websocket(), kind != "nats");
            assert_eq!(door.echoes(), kind != "pusher");
        }
    }
}
