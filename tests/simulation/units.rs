//! What clients send, in bytes, and what each piece of it means.

use std::net::IpAddr;

use flate2::{Compress, Compression, FlushCompress};

use crate::random::Random;

/// A piece of a client's stream. It has its effect when the server has read it.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// A request that is no upgrade, and the status it is answered with.
    Request {
        status: u16,
        closes: bool,
    },
    Upgrade {
        room: usize,
    },
    /// A message, by its index in the model.
    Message(usize),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    /// What the protocol forbids, and the code it is answered with.
    Violation(u16),
    /// What is no HTTP, answered with this status.
    Garbage(u16),
}

pub(crate) fn frame(fin: bool, opcode: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0xfe);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xff);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = random.next().to_le_bytes();
    out.extend_from_slice(&mask[..4]);
    out.extend(
        payload
            .iter()
            .zip(mask[..4].iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// A message's only frame, compressed as RFC 7692 section 7.2.1 says, or as it is.
pub(crate) fn message_frame(
    is_deflated: bool,
    opcode: u8,
    payload: &[u8],
    random: &mut Random,
) -> Vec<u8> {
    if !is_deflated {
        return frame(true, opcode, payload, random);
    }
    let mut small = Vec::with_capacity(2 * payload.len() + 100);
    Compress::new(Compression::default(), false)
        .compress_vec(payload, &mut small, FlushCompress::Sync)
        .expect("there is room for it");
    small.truncate(small.len() - 4);
    frame(true, opcode | 0x40, &small, random)
}

/// The same upgrade, which offers compression now and then, to a window of some size.
pub(crate) fn perhaps_deflated(mut upgrade: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let offer = random.pick(&[
        "",
        "",
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=9",
        "x-unknown, permessage-deflate; server_max_window_bits=12",
    ]);
    if !offer.is_empty() {
        upgrade.truncate(upgrade.len() - 2);
        upgrade.extend_from_slice(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
    }
    upgrade
}

pub(crate) fn upgrade(room: usize) -> Vec<u8> {
    upgrade_of(&format!("/ws/room-{room}"))
}

/// An upgrade to the plain door.
pub(crate) fn upgrade_of(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// An upgrade to the JSON door.
pub(crate) fn json_upgrade(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: parlor.v1.json\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A request that is no upgrade: its bytes, its answer's status, whether that closes, whether it is a HEAD.
pub(crate) fn request(random: &mut Random) -> (Vec<u8>, Meaning, bool) {
    let (method, path, status) = random.pick(&[
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/", 405),
        ("GET", "/ws", 426),
        ("GET", "/ws/no%20name", 400),
    ]);
    let closes = random.chance(150);
    let close = if closes { "Connection: close\r\n" } else { "" };
    let bytes = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n").into_bytes();
    (bytes, Meaning::Request { status, closes }, method == "HEAD")
}

/// What is refused before its end arrives.
pub(crate) fn garbage(random: &mut Random) -> (Vec<u8>, Meaning) {
    let (bytes, status): (&[u8], u16) = random.pick(&[
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS hello \r\n\r\n".as_slice(),
            400,
        ),
        (b"GET / HTTP/2.0\r\n\r\n".as_slice(), 505),
        (b"GET / HTTP/1.1\nHost: a\n\n".as_slice(), 400),
        (b"GET / HTTP/1.1\r\n\r\n".as_slice(), 400),
    ]);
    (bytes.to_vec(), Meaning::Garbage(status))
}

/// What RFC 6455 forbids. `in_message`: a fragmented message has begun.
pub(crate) fn violation(max_message: usize, random: &mut Random) -> (Vec<u8>, Meaning) {
    let masked = |first: u8, second: u8, rest: &[u8]| [&[first, second], rest].concat();
    let invalid = frame(true, 1, b"caf\xe9 and more that follows", random);
    let too_long = frame(true, 2, &vec![0; max_message + 1], random);
    let mut fragments = frame(false, 2, &vec![0; max_message], random);
    fragments.extend(frame(true, 0, b"x", random));
    let mut nested = frame(false, 1, b"a", random);
    nested.extend(frame(true, 1, b"b", random));
    let kinds = [
        (masked(0x81, 5, b"hello"), 1002),
        (masked(0xc1, 0x80, &[0; 4]), 1002),
        (masked(0x83, 0x80, &[0; 4]), 1002),
        (masked(0x80, 0x80, &[0; 4]), 1002),
        (masked(0x09, 0x80, &[0; 4]), 1002),
        (masked(0x89, 0xfe, &[0, 126, 0, 0, 0, 0]), 1002),
        (masked(0x82, 0xfe, &[0, 9, 0, 0, 0, 0]), 1002),
        (frame(true, 8, &[3], random), 1002),
        (frame(true, 8, &999_u16.to_be_bytes(), random), 1002),
        (nested, 1002),
        (invalid, 1007),
        (too_long, 1009),
        (fragments, 1009),
    ];
    let (bytes, code) = &kinds[random.below(kinds.len())];
    (bytes.clone(), Meaning::Violation(*code))
}

/// A message's frames, with control frames between them now and then, each with what it means.
pub(crate) fn message(
    message: usize,
    is_text: bool,
    payload: &[u8],
    fragments: usize,
    random: &mut Random,
) -> Vec<(Vec<u8>, Option<Meaning>)> {
    let opcode = if is_text { 1 } else { 2 };
    let mut cuts: Vec<usize> = (1..fragments)
        .map(|_| random.below(payload.len() + 1))
        .collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for cut in cuts {
        let opcode = if pieces.is_empty() { opcode } else { 0 };
        pieces.push((frame(false, opcode, &payload[from..cut], random), None));
        if random.chance(300) {
            pieces.push((frame(true, 10, b"unasked", random), Some(Meaning::Pong)));
        }
        from = cut;
    }
    let opcode = if pieces.is_empty() { opcode } else { 0 };
    let last = frame(true, opcode, &payload[from..], random);
    pieces.push((last, Some(Meaning::Message(message))));
    pieces
}

/// What a proxy says before what it passes on: that it comes from here.
pub(crate) fn proxy_header(client: IpAddr) -> Vec<u8> {
    let (family, octets) = match client {
        IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
        IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
    };
    let addresses = [&octets[..], &octets, &[0x12, 0x34, 0, 80]].concat();
    let fixed = [0x21, family, 0, addresses.len() as u8];
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &fixed, &addresses].concat()
}
