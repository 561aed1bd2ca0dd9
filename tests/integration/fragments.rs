//! Messages in several frames.

use crate::common::{BINARY, CONTINUATION, FIN, PING, PONG, RawClient, Server, TEXT, frame, noise};

/// `message` in frames of `size` octets, the first with `opcode`.
fn fragmented(opcode: u8, message: &[u8], size: usize) -> Vec<u8> {
    let last = message.len().div_ceil(size) - 1;
    let mut bytes = Vec::new();
    for (i, part) in message.chunks(size).enumerate() {
        let fin = if i == last { FIN } else { 0 };
        bytes.extend(frame(
            fin | if i == 0 { opcode } else { CONTINUATION },
            part,
        ));
    }
    bytes
}

#[test]
fn a_fragmented_message_comes_back_whole() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    for size in [1, 2, 3, 7, 1000] {
        client.send(fragmented(TEXT, b"one message, several frames", size));
        client.expect(FIN | TEXT, b"one message, several frames");
        let message = noise(size as u64, 5000);
        client.send(fragmented(BINARY, &message, size));
        client.expect(FIN | BINARY, &message);
    }
}

#[test]
fn empty_frames_count_as_fragments() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(TEXT, b"");
    client.send_frame(CONTINUATION, b"");
    client.send_frame(CONTINUATION, b"word");
    client.send_frame(FIN | CONTINUATION, b"");
    client.expect(FIN | TEXT, b"word");
    client.send_frame(BINARY, b"");
    client.send_frame(FIN | CONTINUATION, b"");
    client.expect(FIN | BINARY, b"");
}

#[test]
fn a_ping_between_fragments_is_answered_at_once() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(TEXT, b"first, ");
    client.send_frame(FIN | PING, b"now");
    client.expect(FIN | PONG, b"now");
    client.send_frame(FIN | PONG, b"unasked");
    client.send_frame(FIN | CONTINUATION, b"last");
    client.expect(FIN | TEXT, b"first, last");
}

#[test]
fn messages_of_others_come_between_fragments() {
    let server = Server::start(&[]);
    let (mut slow, mut quick) = (server.raw("/ws"), server.raw("/ws"));
    slow.send_frame(TEXT, b"wait ");
    slow.send_frame(FIN | PING, b"");
    slow.expect(FIN | PONG, b"");
    quick.send_frame(FIN | TEXT, b"quick");
    quick.expect(FIN | TEXT, b"quick");
    slow.expect(FIN | TEXT, b"quick");
    slow.send_frame(FIN | CONTINUATION, b"for me");
    slow.expect(FIN | TEXT, b"wait for me");
    quick.expect(FIN | TEXT, b"wait for me");
}

#[test]
fn a_new_message_inside_of_one() {
    let server = Server::start(&[]);
    for second in [FIN | TEXT, TEXT, FIN | BINARY, BINARY] {
        let mut client = server.raw("/ws");
        client.send_frame(TEXT, b"not yet ended");
        client.send_frame(second, b"another");
        client.expect_failure(1002);
    }
}

#[test]
fn the_limit_counts_the_whole_message() {
    let server = Server::start(&["--max-message", "1000"]);
    let mut client = server.raw("/ws");
    client.send(fragmented(BINARY, &[7; 1000], 100));
    client.expect(FIN | BINARY, &[7; 1000]);
    client.send_frame(BINARY, &[7; 600]);
    client.send(&frame(CONTINUATION, &[7; 401])[..8]);
    client.expect_failure(1009);
}

#[test]
fn a_flood_of_empty_fragments_is_no_message() {
    let server = Server::start(&[]);
    let mut healthy = server.raw("/ws/other");
    let mut client = server.raw("/ws");
    client.send_frame(TEXT, b"");
    let before = server.resident_bytes();
    let flood = frame(CONTINUATION, b"").repeat(10_000);
    for _ in 0..20 {
        client.send(&flood);
    }
    healthy.send_frame(FIN | TEXT, b"still here");
    healthy.expect(FIN | TEXT, b"still here");
    client.send_frame(FIN | CONTINUATION, b"end");
    expect_end_of_flood(client);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for empty fragments");
}

/// A server may take any number of fragments, or refuse them as too many.
fn expect_end_of_flood(mut client: RawClient) {
    let answer = client.next();
    if answer.first == FIN | TEXT {
        assert_eq!(answer.payload, b"end");
    } else {
        assert_eq!(answer.payload[..2], 1008u16.to_be_bytes(), "{answer:?}");
    }
}
