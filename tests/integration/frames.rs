//! Single frames: what RFC 6455, section 5, says a server must take and must not.

use crate::common::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RawClient, Server, TEXT, frame, noise,
};

/// A client that sends `bytes` is failed with `code`.
#[track_caller]
fn expect_failure(server: &Server, bytes: impl AsRef<[u8]>, code: u16) {
    let mut client = server.raw("/ws");
    client.send(bytes);
    client.expect_failure(code);
}

/// Sends a message of `length` octets, and sees it come back.
fn expect_echo(client: &mut RawClient, length: usize) {
    let message = noise(length as u64, length);
    client.send_frame(FIN | BINARY, &message);
    client.expect(FIN | BINARY, &message);
}

#[test]
fn every_length_comes_back_in_its_shortest_encoding() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    for length in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536] {
        expect_echo(&mut client, length);
    }
}

#[test]
fn an_unmasked_frame() {
    let server = Server::start(&[]);
    expect_failure(&server, [FIN | TEXT, 2, b'h', b'i'], 1002);
    expect_failure(&server, [FIN | PING, 0], 1002);
    expect_failure(&server, [FIN | CLOSE, 2, 0x03, 0xe8], 1002);
}

#[test]
fn reserved_bits() {
    let server = Server::start(&[]);
    for bits in [0x10, 0x20, 0x40, 0x70] {
        expect_failure(&server, frame(FIN | bits | TEXT, b"hi"), 1002);
        expect_failure(&server, frame(FIN | bits | PING, b""), 1002);
    }
}

#[test]
fn reserved_opcodes() {
    let server = Server::start(&[]);
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        expect_failure(&server, frame(FIN | opcode, b""), 1002);
        expect_failure(&server, frame(FIN | opcode, b"hi"), 1002);
    }
}

#[test]
fn lengths_that_are_not_minimal() {
    let server = Server::start(&[]);
    let mask = [0; 4];
    for length in [0u16, 5, 125] {
        let head = [&[FIN | TEXT, 0x80 | 126][..], &length.to_be_bytes(), &mask].concat();
        expect_failure(&server, [head, vec![b'a'; length.into()]].concat(), 1002);
    }
    for length in [0u64, 125, 126, 65_535] {
        let head = [&[FIN | TEXT, 0x80 | 127][..], &length.to_be_bytes(), &mask].concat();
        expect_failure(&server, [head, vec![b'a'; length as usize]].concat(), 1002);
    }
}

#[test]
fn a_length_with_the_top_bit() {
    let server = Server::start(&[]);
    let head = [
        &[FIN | BINARY, 0x80 | 127][..],
        &(1u64 << 63).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    expect_failure(&server, head, 1002);
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let server = Server::start(&[]);
    for length in [65_537u64, 1 << 32, (1 << 63) - 1] {
        let head = [
            &[FIN | BINARY, 0x80 | 127][..],
            &length.to_be_bytes(),
            &[0; 4],
        ]
        .concat();
        expect_failure(&server, head, 1009);
    }
    let server = Server::start(&["--max-message", "10"]);
    expect_echo(&mut server.raw("/ws"), 10);
    expect_failure(&server, [FIN | BINARY, 0x80 | 11, 0, 0, 0, 0], 1009);
}

#[test]
fn control_frames_longer_than_125_octets() {
    let server = Server::start(&[]);
    for opcode in [PING, PONG, CLOSE] {
        expect_failure(&server, frame(FIN | opcode, &[b'a'; 126]), 1002);
    }
}

#[test]
fn control_frames_in_fragments() {
    let server = Server::start(&[]);
    for opcode in [PING, PONG, CLOSE] {
        expect_failure(&server, frame(opcode, b""), 1002);
    }
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    for payload in [&b""[..], b"are you there", &[0xff; 125]] {
        client.send_frame(FIN | PING, payload);
        client.expect(FIN | PONG, payload);
    }
    for byte in frame(FIN | PING, b"slowly") {
        client.send([byte]);
    }
    client.expect(FIN | PONG, b"slowly");
}

#[test]
fn pings_in_one_segment_are_all_answered() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    let payloads: Vec<String> = (0..10).map(|n| format!("payload {n}")).collect();
    let pings = payloads
        .iter()
        .flat_map(|payload| frame(FIN | PING, payload.as_bytes()));
    client.send(pings.collect::<Vec<u8>>());
    for payload in payloads {
        client.expect(FIN | PONG, payload.as_bytes());
    }
}

#[test]
fn an_unasked_pong_is_ignored() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(FIN | PONG, b"never asked for");
    client.send_frame(FIN | TEXT, b"after it");
    client.expect(FIN | TEXT, b"after it");
}

#[test]
fn a_room_hears_no_ping_of_a_member() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.raw("/ws"), server.raw("/ws"));
    one.send_frame(FIN | PING, b"mine");
    one.expect(FIN | PONG, b"mine");
    one.send_frame(FIN | TEXT, b"ours");
    one.expect(FIN | TEXT, b"ours");
    other.expect(FIN | TEXT, b"ours");
}

#[test]
fn what_comes_after_a_fault_is_not_taken() {
    let server = Server::start(&[]);
    let mut witness = server.raw("/ws");
    let bytes = [
        frame(FIN | TEXT, b"before"),
        frame(FIN | 0xb, b""),
        frame(FIN | TEXT, b"after"),
    ];
    let mut client = server.raw("/ws");
    client.send(bytes.concat());
    client.expect(FIN | TEXT, b"before");
    client.expect_failure(1002);
    witness.expect(FIN | TEXT, b"before");
    witness.send_frame(FIN | TEXT, b"the next");
    witness.expect(FIN | TEXT, b"the next");
}

#[test]
fn a_continuation_of_nothing() {
    let server = Server::start(&[]);
    expect_failure(&server, frame(FIN | CONTINUATION, b"of what?"), 1002);
    expect_failure(&server, frame(CONTINUATION, b"of what?"), 1002);
}
