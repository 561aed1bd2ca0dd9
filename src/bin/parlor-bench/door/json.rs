//! The JSON door of parlor: commands and events. Messages are found without parsing them: one ends with its data, whose
//! size is known, so that its stamp is at a known distance from its end.

use serde::Deserialize;
use serde_json::json;
use tungstenite::http::Uri;

use super::address::{Address, at};
use crate::frames::{control_or_text, text_frame};
use crate::scan::{Event, Sink};
use crate::stamp::STAMP_BYTES;

pub(crate) const PROTOCOL: &str = "parlor.v1.json";
const PONG: &[u8] = br#"{"type":"pong"}"#;
const BEFORE_DATA: &[u8] = br#","data":""#;
const AFTER_DATA: &[u8] = br#""}"#;

/// A room of this door.
#[derive(Debug)]
pub(crate) struct Json {
    name: String,
    /// Where one is let in without being put into a room.
    pub(crate) lobby: Uri,
    /// What a message of the room begins with; its offset follows.
    prefix: Vec<u8>,
    size: usize,
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

impl Json {
    pub(crate) fn new(uri: &Uri, room: &Address, size: usize) -> Result<Json, String> {
        let name = json!(room.name);
        Ok(Json {
            lobby: at(uri, &room.folder)?,
            prefix: format!(r#"{{"type":"message","room":{name},"offset":"#).into_bytes(),
            name: room.name.clone(),
            size,
        })
    }

    pub(crate) fn publish(&self, body: &str) -> Vec<u8> {
        let command = json!({"type": "publish", "room": self.name, "data": body});
        command.to_string().into_bytes()
    }

    /// The command to come in: after the message of that epoch and offset, if one has been here.
    pub(crate) fn join(&self, since: Option<(&str, u64)>) -> Vec<u8> {
        let mut command = json!({"type": "join", "room": self.name});
        if let Some((epoch, offset)) = since {
            command["since"] = json!({"epoch": epoch, "offset": offset});
        }
        command.to_string().into_bytes()
    }

    pub(crate) fn take(&self, frame: &[u8], sink: &mut impl Sink) {
        let Some(event) = control_or_text(frame, sink) else {
            return;
        };
        let Some(rest) = event.strip_prefix(&self.prefix[..]) else {
            if let Some(event) = read(event) {
                sink.event(event);
            }
            return;
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        sink.offset(digits.fold(0, |offset, &digit| offset * 10 + u64::from(digit - b'0')));
        match self.stamp(event) {
            Some(stamp) => sink.message(stamp),
            None => sink.foreign(),
        }
    }

    fn stamp<'a>(&self, event: &'a [u8]) -> Option<&'a [u8; STAMP_BYTES]> {
        let data_at = event.len().checked_sub(self.size + AFTER_DATA.len())?;
        let (head, data) = event.split_at(data_at);
        let is_ours = head.ends_with(BEFORE_DATA) && data.ends_with(AFTER_DATA);
        data.first_chunk().filter(|_| is_ours)
    }
}

impl Joined {
    pub(crate) fn read(json: &[u8]) -> Result<Joined, String> {
        serde_json::from_slice(json).map_err(|error| format!("the answer to join: {error}"))
    }
}

/// Reads what matters here of an event that is no message; `type` is an event's first field.
fn read(json: &[u8]) -> Option<Event<'_>> {
    let rest = json.strip_prefix(br#"{"type":""#)?;
    let name = rest.split(|byte| *byte == b'"').next()?;
    match name {
        b"ping" => Some(Event::Asks(text_frame(PONG))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{FrameReader, text_length};
    use crate::scan::tests::{Found, frame};

    const SIZE: usize = 200;

    fn door() -> Json {
        let uri = Uri::from_static("ws://localhost:1/ws/a%22b");
        Json::new(&uri, &Address::of(&uri).unwrap(), SIZE).unwrap()
    }

    fn message(offset: u64, data: &str) -> Vec<u8> {
        let from = r#"{"id":"p1","name":"a \"b\",\"data\":\"c"}"#;
        let text = format!(
            r#"{{"type":"message","room":"a\"b","offset":{offset},"at":5,"from":{from},"data":{data}}}"#
        );
        text.into_bytes()
    }

    fn stream() -> (Vec<u8>, Found) {
        let body = |fill: char| fill.to_string().repeat(SIZE);
        let ours = |offset, fill| frame(0x81, &message(offset, &format!("{:?}", body(fill))));
        let presence = br#"{"type":"presence","room":"a\"b","count":2}"#;
        let refusal =
            br#"{"type":"error","code":"rate_limited","message":"too many","retry_ms":5}"#;
        let bytes = [
            frame(0x81, presence),
            ours(7, 'x'),
            frame(0x89, b"are you there"),
            ours(1_234_567, 'y'),
            frame(0x81, &message(8, r#""a word""#)),
            frame(0x81, &message(9, "[1]")),
            frame(0x81, &message(10, &format!("[{:?}]", body('x')))),
            frame(0x81, b"{}"),
            frame(0x81, br#"{"type":"ping"}"#),
            frame(0x81, refusal),
            ours(11, 'z'),
        ]
        .concat();
        let found = Found {
            messages: ['x', 'y', 'z']
                .map(|fill| body(fill).as_bytes()[..STAMP_BYTES].to_vec())
                .to_vec(),
            offsets: vec![7, 1_234_567, 8, 9, 10, 11],
            foreign: 3,
            events: vec![
                r#"asks {"type":"pong"}"#.into(),
                "refused rate_limited: too many; start parlor with --rate 0".into(),
            ],
            control: vec![(9, b"are you there".to_vec())],
        };
        (bytes, found)
    }

    #[test]
    fn any_split_finds_the_same() {
        let (bytes, expected) = stream();
        let door = door();
        for length in 1..=bytes.len() {
            let (mut reader, mut found) = (FrameReader::default(), Found::default());
            for piece in bytes.chunks(length) {
                reader
                    .read(piece, text_length, |frame| door.take(frame, &mut found))
                    .unwrap();
            }
            assert_eq!(found, expected, "in pieces of {length}");
        }
    }

    #[test]
    fn what_this_door_does_not_send_is_an_error() {
        for bad in [
            &[0x01, 0x00][..], // a fragment
            &[0x82, 0x00],     // binary
            &[0x81, 0x80],     // masked
            &[0x89, 126],      // a ping too long
        ] {
            let result = FrameReader::default().read(bad, text_length, |_| {});
            assert!(result.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn who_comes_back_says_since_when() {
        let door = door();
        assert_eq!(door.lobby, "ws://localhost:1/ws");
        assert_eq!(door.join(None), br#"{"room":"a\"b","type":"join"}"#);
        let joined: serde_json::Value = serde_json::from_slice(&door.join(Some(("e", 7)))).unwrap();
        assert_eq!(joined["since"], json!({"epoch": "e", "offset": 7}));
    }
}
