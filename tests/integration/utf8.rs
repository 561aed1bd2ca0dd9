//! Text is UTF-8, and what is not is refused as soon as it can be told.

use crate::common::{BINARY, CONTINUATION, FIN, PING, PONG, Server, TEXT, frame};

/// Not UTF-8, whatever would come after them.
const INVALID: [&[u8]; 14] = [
    b"\x80",
    b"\xbf",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc3\x28",
    b"\xe0\x80",
    b"\xe2\x28",
    b"\xed\xa0",
    b"\xf0\x80",
    b"\xf4\x90",
    b"\xf5",
    b"\xfe",
    b"\xff",
    b"\xe2\x82\x28",
];

/// Characters of one to four octets, and the limits of each length.
const VALID: &str =
    "a\u{7f}\u{80}é\u{7ff}\u{800}茶\u{d7ff}\u{e000}\u{feff}\u{ffff}\u{10000}😀\u{10ffff}\0";

#[test]
fn valid_text_comes_back_however_it_is_split() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    let text = VALID.as_bytes();
    for at in 0..=text.len() {
        client.send_frame(TEXT, &text[..at]);
        client.send_frame(FIN | CONTINUATION, &text[at..]);
        client.expect(FIN | TEXT, text);
    }
    for byte in frame(FIN | TEXT, text) {
        client.send([byte]);
    }
    client.expect(FIN | TEXT, text);
}

#[test]
fn invalid_text_in_one_frame() {
    let server = Server::start(&[]);
    for bytes in INVALID {
        let mut client = server.raw("/ws");
        client.send_frame(FIN | TEXT, &[b"fine so far ", bytes].concat());
        client.expect_failure(1007);
    }
}

#[test]
fn invalid_text_fails_before_the_frame_is_there() {
    let server = Server::start(&[]);
    for bytes in INVALID {
        let mut client = server.raw("/ws");
        let whole = frame(
            FIN | TEXT,
            &[b"fine so far ", bytes, &[b'a'; 1000]].concat(),
        );
        client.send(&whole[..whole.len() - 1000]);
        client.expect_failure(1007);
    }
}

#[test]
fn invalid_text_fails_before_the_message_is_there() {
    let server = Server::start(&[]);
    for bytes in INVALID {
        let mut client = server.raw("/ws");
        client.send_frame(TEXT, "fine: 茶".as_bytes());
        client.send_frame(FIN | PING, b"");
        client.expect(FIN | PONG, b"");
        client.send_frame(CONTINUATION, bytes);
        client.expect_failure(1007);
    }
}

#[test]
fn invalid_text_split_between_fragments() {
    let server = Server::start(&[]);
    for bytes in INVALID.into_iter().filter(|bytes| bytes.len() > 1) {
        let mut client = server.raw("/ws");
        client.send_frame(TEXT, &bytes[..1]);
        client.send_frame(CONTINUATION, &bytes[1..]);
        client.expect_failure(1007);
    }
}

#[test]
fn text_that_ends_within_a_character() {
    let server = Server::start(&[]);
    for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
        let mut client = server.raw("/ws");
        client.send_frame(FIN | TEXT, bytes);
        client.expect_failure(1007);

        let mut client = server.raw("/ws");
        client.send_frame(TEXT, bytes);
        client.send_frame(FIN | CONTINUATION, b"");
        client.expect_failure(1007);
    }
}

#[test]
fn nobody_hears_invalid_text() {
    let server = Server::start(&[]);
    let mut witness = server.raw("/ws");
    let mut client = server.raw("/ws");
    client.send_frame(FIN | TEXT, b"\xff");
    client.expect_failure(1007);
    witness.send_frame(FIN | TEXT, b"silence so far");
    witness.expect(FIN | TEXT, b"silence so far");
}

#[test]
fn binary_may_hold_anything() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    for bytes in INVALID {
        client.send_frame(FIN | BINARY, bytes);
        client.expect(FIN | BINARY, bytes);
    }
}
