//! How long the server waits for slow peers: for as long as they go on, and not for ever.

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::reader::Seen;
use crate::units;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Bytes a tick that are more than 500 a second, and such that are less.
const STEADY: usize = 15;
const TOO_SLOW: usize = 5;

/// Lets `seconds` pass, in which a guest takes so many bytes a tick. Gives all that it has taken.
fn sip_for(hall: &mut Hall, guest: GuestId, seconds: u64, bytes: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    for _ in 0..seconds * 1000 / TICK_MS {
        hall.tick(u64::MAX);
        taken.extend(hall.sip(guest, bytes));
    }
    taken
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A response was cut after `--handshake-timeout`, however steadily it was taken.
#[test]
fn a_response_that_goes_on_is_taken_whole() {
    let mut hall = Hall::new(&["--handshake-timeout", "1"]);
    let guest = hall.connect(100);
    hall.send(guest, PAGE);
    let taken = sip_for(&mut hall, guest, 10, STEADY);
    assert!(
        text(&taken).ends_with(&"p".repeat(3000)),
        "{} bytes",
        taken.len()
    );
    assert!(!hall.is_gone(guest), "it is kept for the next request");
}

#[test]
fn a_response_that_hardly_goes_on_is_cut() {
    for bytes in [0, 1, TOO_SLOW] {
        let mut hall = Hall::new(&["--handshake-timeout", "1"]);
        let guest = hall.connect(100);
        hall.send(guest, PAGE);
        sip_for(&mut hall, guest, 3, bytes);
        assert!(hall.is_gone(guest), "{bytes}");
    }
}

/// An upload was answered with 408 after `--handshake-timeout`, however steadily it came.
#[test]
fn a_body_that_goes_on_is_taken_whole() {
    for (bytes, status) in [(STEADY, "200"), (TOO_SLOW, "408"), (0, "408")] {
        let mut hall = Hall::new(&["--handshake-timeout", "1"]);
        let guest = hall.connect(usize::MAX);
        let head = "POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\n\r\n";
        hall.send(guest, head.as_bytes());
        let mut answer = Vec::new();
        let mut left = 3000;
        for _ in 0..10_000 / TICK_MS {
            let part = bytes.min(left);
            if answer.is_empty() {
                hall.send(guest, &vec![b'x'; part]);
                left -= part;
            }
            hall.tick(u64::MAX);
            answer.extend(hall.sip(guest, usize::MAX));
        }
        let status_line = format!("HTTP/1.1 {status}");
        assert!(
            text(&answer).starts_with(&status_line),
            "{bytes}: {}",
            text(&answer)
        );
    }
}

/// A head is short, and has no more time for coming slowly.
#[test]
fn a_head_does_not_go_on_for_ever() {
    let mut hall = Hall::new(&["--handshake-timeout", "1"]);
    let guest = hall.connect(usize::MAX);
    hall.send(guest, b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..2_000 / TICK_MS {
        hall.send(guest, &[b'x'; STEADY]);
        hall.tick(u64::MAX);
    }
    let answer = text(&hall.sip(guest, usize::MAX));
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// A connection that is kept waits longer for its next request, but no longer for the rest of it.
#[test]
fn a_kept_connection_has_a_time_of_its_own() {
    let mut hall = Hall::new(&["--handshake-timeout", "1", "--keep-alive-timeout", "5"]);
    let [idle, begun, fresh] = [(); 3].map(|()| hall.connect(usize::MAX));
    assert_eq!(hall.ask(idle, PAGE), 200);
    assert_eq!(hall.ask(begun, PAGE), 200);
    sip_for(&mut hall, fresh, 3, 0);
    assert!(hall.is_gone(fresh), "it has never asked for anything");
    assert!(!hall.is_gone(idle) && !hall.is_gone(begun));
    hall.send(begun, b"GET / ");
    sip_for(&mut hall, begun, 2, 0);
    assert!(text(&hall.sip(begun, usize::MAX)).starts_with("HTTP/1.1 408"));
    assert_eq!(hall.ask(idle, PAGE), 200);
    sip_for(&mut hall, idle, 6, 0);
    assert!(hall.is_gone(idle));
}

/// Someone at the JSON door who has asked for more than is read for now, and reads none of it.
fn asks_too_much(hall: &mut Hall) -> GuestId {
    let guest = hall.connect(600);
    hall.enter_json(guest);
    hall.sip(guest, usize::MAX);
    for _ in 0..6_000 {
        hall.say(guest, TEXT, br#"{"type":"ping"}"#);
    }
    guest
}

const SHORT_WAITS: [&str; 8] = [
    "--rate",
    "0",
    "--ping-interval",
    "1",
    "--pong-timeout",
    "1",
    "--close-timeout",
    "1",
];

/// Whoever did not read an answer was not read, and so was never found not to answer a ping.
#[test]
fn who_does_not_read_its_answers_is_given_up() {
    for bytes in [0, TOO_SLOW] {
        let mut hall = Hall::new(&SHORT_WAITS);
        let guest = asks_too_much(&mut hall);
        sip_for(&mut hall, guest, 5, bytes);
        assert!(hall.is_gone(guest), "{bytes}");
    }
}

#[test]
fn who_reads_its_answers_slowly_is_not_given_up() {
    let mut hall = Hall::new(&SHORT_WAITS);
    let guest = asks_too_much(&mut hall);
    sip_for(&mut hall, guest, 20, STEADY);
    assert!(!hall.is_gone(guest));
}

#[test]
fn a_typist_who_does_not_read_is_given_up() {
    let mut hall = Hall::new(&SHORT_WAITS);
    let [reading, stuck] = [(); 2].map(|()| hall.connect_typist(600));
    for typist in [reading, stuck] {
        hall.send(typist, "/help\n".repeat(1_000).as_bytes());
    }
    for _ in 0..5_000 / TICK_MS {
        hall.tick(u64::MAX);
        hall.sip(reading, 20);
    }
    assert!(hall.is_gone(stuck) && !hall.is_gone(reading));
}

/// A stream's reader was given up where the kernel had not told of a little space.
#[test]
fn a_stream_goes_on_as_long_as_its_reader() {
    for (bytes, is_cut) in [(STEADY, false), (TOO_SLOW, true)] {
        let mut hall = Hall::new(&["--ping-interval", "1", "--max-queue", "1000000"]);
        let guest = hall.connect(600);
        hall.send(
            guest,
            b"GET /rooms/room-0/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        let sender = hall.enter(0);
        for _ in 0..20 {
            hall.say(sender, TEXT, &[b'x'; 1000]);
        }
        sip_for(&mut hall, guest, 10, bytes);
        assert_eq!(hall.is_gone(guest), is_cut, "{bytes}");
    }
}

/// What stood before the end of a typist's side, without the end of a line, was lost.
#[test]
fn the_last_line_needs_no_end() {
    let mut hall = Hall::new(&[]);
    let reader = hall.connect_typist(usize::MAX);
    for (bytes, said) in [
        ("first\nlast one", true),
        ("last one\r", true),
        ("\u{0}last one", true),
        ("POST / HTTP/1.1 last one", false),
        ("GET /last one", false),
    ] {
        let typist = hall.connect_typist(usize::MAX);
        hall.tick(u64::MAX);
        hall.sip(reader, usize::MAX);
        hall.send(typist, bytes.as_bytes());
        hall.end(typist);
        for _ in 0..5 {
            hall.tick(u64::MAX);
        }
        let heard = text(&hall.sip(reader, usize::MAX));
        assert_eq!(heard.contains(": last one\n"), said, "{bytes}: {heard}");
        if said {
            let own = text(&hall.sip(typist, usize::MAX));
            assert!(own.contains(": last one\n"), "{bytes}: {own}");
        }
        assert!(hall.is_gone(typist), "{bytes}");
    }
}

/// The invariants, which are checked after each tick, have each reason counted from the start.
#[test]
fn who_speaks_another_protocol_to_the_line_port_is_counted() {
    let mut hall = Hall::new(&[]);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\0\x01"] {
        let typist = hall.connect_typist(usize::MAX);
        hall.send(typist, bytes);
        hall.tick(u64::MAX);
        assert!(text(&hall.sip(typist, usize::MAX)).contains("! this port takes lines of text"));
        hall.end(typist);
        hall.tick(u64::MAX);
        assert!(hall.is_gone(typist));
    }
}

/// Who closed while it was behind, in a room that conflates, waited for what would not come.
#[test]
fn who_is_behind_closes_at_once() {
    let mut hall = Hall::new(&["--overflow", "*=latest", "--max-queue", "2000"]);
    let sender = hall.enter(0);
    let slow = hall.enter_with(0, 300);
    for _ in 0..20 {
        hall.say(sender, TEXT, &[b'x'; 500]);
        hall.tick(u64::MAX);
    }
    hall.say(slow, CLOSE, &1000_u16.to_be_bytes());
    hall.tick(u64::MAX);
    hall.widen();
    let mut seen = Vec::new();
    for _ in 0..3 {
        hall.tick(u64::MAX);
        seen.extend(hall.read(slow));
    }
    assert!(matches!(seen.last(), Some(Seen::Close { .. })), "{seen:?}");
}

/// The FIN came with the close frame, which some clients take for a connection that is lost.
#[test]
fn who_breaks_the_protocol_may_close_first() {
    let mut hall = Hall::new(&["--max-message", "1000"]);
    let too_big = {
        let mut frame = hall.frame(TEXT, &[b'x'; 1001]);
        frame.truncate(100);
        frame
    };
    let rest = 1001 + 8 - 100;
    for (bytes, rest, code) in [
        (hall.frame(TEXT, b"\xff"), 0, 1007),
        (vec![0x81, 1, b'a'], 0, 1002),
        (hall.frame(3, b"reserved"), 0, 1002),
        (too_big, rest, 1009),
    ] {
        let guest = hall.enter(0);
        hall.send(guest, &bytes);
        let seen = settle(&mut hall, guest);
        let is_close =
            |seen: &Seen| matches!(seen, Seen::Close { code: Some(it), .. } if *it == code);
        assert!(seen.iter().any(is_close), "{code}: {seen:?}");
        assert!(!hall.has_ended(guest), "{code}");
        hall.send(guest, &vec![b'x'; rest]);
        hall.say(guest, 9, b"another frame");
        hall.say(guest, CLOSE, &1000_u16.to_be_bytes());
        settle(&mut hall, guest);
        assert!(hall.has_ended(guest), "{code}");
        hall.end(guest);
        settle(&mut hall, guest);
        assert!(hall.is_gone(guest), "{code}");
    }
}

#[test]
fn who_breaks_the_protocol_and_says_no_more_is_closed_in_time() {
    let mut hall = Hall::new(&["--close-timeout", "1"]);
    let guest = hall.enter(0);
    hall.send(guest, &[0x81, 1, b'a']);
    sip_for(&mut hall, guest, 2, usize::MAX);
    assert!(hall.is_gone(guest));
    // One whose close frame was the fault has said all.
    let guest = hall.enter(0);
    hall.say(guest, CLOSE, &[1]);
    settle(&mut hall, guest);
    assert!(hall.has_ended(guest));
}

/// A few ticks, and what the guest sees in them.
fn settle(hall: &mut Hall, guest: GuestId) -> Vec<Seen> {
    let mut seen = Vec::new();
    for _ in 0..3 {
        hall.tick(u64::MAX);
        seen.extend(hall.read(guest));
    }
    seen
}

/// What is for another machine is not limited by its name on its network.
#[test]
fn a_name_on_the_network_needs_no_flag() {
    for host in ["box.lan:8080", "chat.example", "localhost"] {
        let mut hall = Hall::new(&[]);
        let page = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let peer = "192.0.2.7".parse().unwrap();
        let guest = hall.connect_from(peer, usize::MAX).unwrap();
        assert_eq!(hall.ask(guest, page.as_bytes()), 200, "{host}");
    }
    let mut hall = Hall::new(&[]);
    let guest = hall.connect(usize::MAX);
    assert_eq!(
        hall.ask(guest, b"GET / HTTP/1.1\r\nHost: box.lan\r\n\r\n"),
        421
    );
    assert_eq!(hall.ask(guest, &units::upgrade(0)), 101);
}
