//! A client's frames: no panic, no memory beyond what has arrived, any split gives the same, what comes out goes in
//! again, and tungstenite has the same verdict and the same payloads.

use std::io::{self, Read, Write};

use parlor::codec::ws::close::CloseReason;
use parlor::codec::ws::frame;
use parlor::codec::ws::message::{Decoder, Incoming};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const MAX_MESSAGE: usize = 512;

/// An event without its borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

type Outcome = (Vec<Seen>, Option<CloseReason>);

/// The first bytes decide where the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let (choices, input) = data.split_at(data.len().min(4));
    let whole = decode(input, &[input.len()]);
    assert_eq!(decode(input, &super::cuts(input, choices)), whole);
    let bytes: Vec<usize> = (1..=input.len()).collect();
    assert_eq!(decode(input, &bytes), whole);
    for seen in &whole.0 {
        check_round_trip(seen);
    }
    // Ours refuses a header when it sees it, theirs when the frame is whole: so it gets the rest.
    let rest = vec![
        0;
        if whole.1.is_some() {
            MAX_MESSAGE + 14
        } else {
            0
        }
    ];
    compare(&whole, &theirs(&[input, &rest].concat()));
}

/// Feeds `input` as a connection does; ends with a close frame or an error.
fn decode(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut decoder = Decoder::default();
    let (mut tail, mut seen, mut from) = (Vec::new(), Vec::new(), 0);
    for &end in cuts {
        tail.extend_from_slice(&input[from..end]);
        from = end;
        let mut rest = tail.as_mut_slice();
        loop {
            match decoder.decode(&mut rest, MAX_MESSAGE, false) {
                Ok(Some(event)) => {
                    seen.push(own(&event));
                    if matches!(seen.last(), Some(Seen::Close(_))) {
                        return (seen, None);
                    }
                }
                Ok(None) => break,
                Err(reason) => return (seen, Some(reason)),
            }
        }
        assert!(rest.len() < 14, "more than a header is left over");
        let arrived = end.min(MAX_MESSAGE) + 125;
        assert!(
            decoder.held_bytes() <= 2 * arrived + 256,
            "it holds {}",
            decoder.held_bytes()
        );
        tail = rest.to_vec();
    }
    (seen, None)
}

fn own(event: &Incoming<'_>) -> Seen {
    match event {
        Incoming::Message(kind, payload) if kind.opcode() == text() => Seen::Text(payload.to_vec()),
        Incoming::Message(_, payload) => Seen::Binary(payload.to_vec()),
        Incoming::Compressed(..) => unreachable!("compression was not agreed on"),
        Incoming::Ping(payload) => Seen::Ping(payload.to_vec()),
        Incoming::Pong => Seen::Pong,
        Incoming::Close(code) => Seen::Close(*code),
    }
}

fn text() -> tungstenite::protocol::frame::coding::OpCode {
    parlor::codec::ws::message::Kind::Text.opcode()
}

/// What we encode is one frame, and tungstenite's client reads the same from it.
fn check_round_trip(seen: &Seen) {
    let (opcode, payload, message) = match seen.clone() {
        Seen::Text(payload) => {
            let message = String::from_utf8(payload.clone()).expect("a text is UTF-8");
            (text(), payload, Message::text(message))
        }
        Seen::Binary(payload) => {
            let opcode = parlor::codec::ws::message::Kind::Binary.opcode();
            (opcode, payload.clone(), Message::binary(payload))
        }
        _ => return,
    };
    let mut bytes = Vec::new();
    frame::encode(opcode, &payload, &mut bytes);
    assert_eq!(frame::first_frame_length(&bytes), Some(bytes.len()));
    let mut client = WebSocket::from_raw_socket(Wire(&bytes), Role::Client, None);
    assert_eq!(client.read().expect("theirs reads it"), message);
}

/// What tungstenite makes of the same bytes; its error, unless it only wants more.
fn theirs(input: &[u8]) -> (Vec<Seen>, Option<Error>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut server = WebSocket::from_raw_socket(Wire(input), Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match server.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Seen::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Seen::Pong,
            Ok(Message::Close(close)) => {
                seen.push(Seen::Close(close.map(|close| close.code.into())));
                return (seen, None);
            }
            Ok(Message::Frame(_)) => unreachable!("a read gives messages"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, None);
            }
            Err(error) => return (seen, Some(error)),
        });
    }
}

/// The same verdict and the same payloads, but for what we refuse and it does not:
/// - a length that is not in its shortest form (RFC 6455 section 5.2);
/// - a close code that must not be sent: it gives a close of its own, with 1002, in its place, and takes 1014 for one.
fn compare((ours, reason): &Outcome, (theirs, error): &(Vec<Seen>, Option<Error>)) {
    let replaced = Seen::Close(Some(1002));
    match (ours.as_slice(), reason) {
        (_, Some(CloseReason::LongLength)) => assert!(theirs.starts_with(ours)),
        (_, Some(CloseReason::InvalidCloseCode)) if error.is_none() => {
            assert_eq!(*theirs, [ours.as_slice(), &[replaced]].concat());
        }
        ([before @ .., Seen::Close(Some(1014))], _) => {
            assert_eq!(*theirs, [before, &[replaced]].concat());
        }
        _ => {
            assert_eq!(theirs, ours, "{reason:?} and {error:?}");
            assert_eq!(
                reason.is_some(),
                error.is_some(),
                "{reason:?} and {error:?}"
            );
        }
    }
}

/// Bytes to read, and a place to write to.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(space)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
