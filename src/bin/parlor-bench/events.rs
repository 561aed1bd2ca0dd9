//! Finds the stamps in the events of the JSON door, without parsing them: a message ends with its data, whose size is
//! known, so that its stamp is at a known distance from its end. Other events are handed on as they are.

use crate::frames::FrameReader;
use crate::scan::{MAX_CONTROL_PAYLOAD, ProtocolError, Sink, TEXT, header_length};
use crate::stamp::STAMP_BYTES;

const BEFORE_DATA: &[u8] = br#","data":""#;
const AFTER_DATA: &[u8] = br#""}"#;

/// What the messages of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct EventShape {
    /// What a message of the run's room begins with; its offset follows.
    prefix: Vec<u8>,
    size: usize,
}

impl EventShape {
    /// Messages of `size` bytes in a room.
    pub(crate) fn new(room: &str, size: usize) -> EventShape {
        let room = serde_json::Value::from(room);
        EventShape {
            prefix: format!(r#"{{"type":"message","room":{room},"offset":"#).into_bytes(),
            size,
        }
    }

    fn stamp<'a>(&self, event: &'a [u8]) -> Option<&'a [u8; STAMP_BYTES]> {
        let data_at = event.len().checked_sub(self.size + AFTER_DATA.len())?;
        let (head, data) = event.split_at(data_at);
        let is_ours = head.ends_with(BEFORE_DATA) && data.ends_with(AFTER_DATA);
        data.first_chunk().filter(|_| is_ours)
    }
}

/// One connection's place in the byte stream.
#[derive(Debug, Default)]
pub(crate) struct EventScanner {
    frames: FrameReader,
}

impl EventScanner {
    /// Takes the next bytes of the stream, cut anywhere.
    pub(crate) fn scan(
        &mut self,
        shape: &EventShape,
        input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ProtocolError> {
        self.frames
            .read(input, is_known, |frame| take_frame(shape, frame, sink))
    }
}

/// An event, or a control frame.
fn is_known(first: u8, second: u8) -> bool {
    let is_control = (0x88..=0x8a).contains(&first) && second <= MAX_CONTROL_PAYLOAD as u8;
    is_control || first == 0x80 | TEXT
}

fn take_frame(shape: &EventShape, frame: &[u8], sink: &mut impl Sink) {
    let payload = &frame[header_length(frame[1])..];
    if frame[0] != 0x80 | TEXT {
        return sink.control(frame[0] & 0x0f, payload);
    }
    let Some(rest) = payload.strip_prefix(&shape.prefix[..]) else {
        return sink.event(payload);
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    sink.offset(digits.fold(0, |offset, &digit| offset * 10 + u64::from(digit - b'0')));
    match shape.stamp(payload) {
        Some(stamp) => sink.message(stamp),
        None => sink.foreign(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tests::{Found, frame};

    const SIZE: usize = 200;

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
        let bytes = [
            frame(0x81, presence),
            ours(7, 'x'),
            frame(0x89, b"are you there"),
            ours(1_234_567, 'y'),
            frame(0x81, &message(8, r#""a word""#)),
            frame(0x81, &message(9, "[1]")),
            frame(0x81, &message(10, &format!("[{:?}]", body('x')))),
            frame(0x81, b"{}"),
            ours(11, 'z'),
        ]
        .concat();
        let found = Found {
            messages: ['x', 'y', 'z']
                .map(|fill| body(fill).as_bytes()[..STAMP_BYTES].to_vec())
                .to_vec(),
            offsets: vec![7, 1_234_567, 8, 9, 10, 11],
            foreign: 3,
            events: vec![presence.to_vec(), b"{}".to_vec()],
            control: vec![(9, b"are you there".to_vec())],
        };
        (bytes, found)
    }

    #[test]
    fn any_split_finds_the_same() {
        let (bytes, expected) = stream();
        let shape = EventShape::new("a\"b", SIZE);
        for length in 1..=bytes.len() {
            let (mut scanner, mut found) = (EventScanner::default(), Found::default());
            for piece in bytes.chunks(length) {
                scanner.scan(&shape, piece, &mut found).unwrap();
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
            let shape = EventShape::new("room", SIZE);
            let result = EventScanner::default().scan(&shape, bad, &mut Found::default());
            assert!(result.is_err(), "{bad:?}");
        }
    }
}
