//! Pings, and what happens to who does not answer them.

use std::io::{ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{CLOSE, FIN, PING, PONG, Server, TEXT, frame};

#[test]
fn a_silent_peer_is_pinged_and_then_cut_off() {
    let server = Server::start(&["--ping-interval", "0.2", "--pong-timeout", "0.3", "-v"]);
    let started = Instant::now();
    let mut silent = server.raw("/ws");
    assert_eq!(silent.next().first, FIN | PING);
    assert!(
        started.elapsed() >= Duration::from_millis(80),
        "pinged after {:?}",
        started.elapsed()
    );
    if let Some(frame) = silent.try_next() {
        assert_eq!(frame.first, FIN | CLOSE, "{frame:?}");
    }
    assert!(
        started.elapsed() >= Duration::from_millis(350),
        "cut off after {:?}",
        started.elapsed()
    );
    silent.expect_end_or_reset();
}

#[test]
fn who_answers_stays() {
    let server = Server::start(&["--ping-interval", "0.1", "--pong-timeout", "0.5"]);
    let mut client = server.raw("/ws");
    // Far longer than interval and time-out together.
    for _ in 0..15 {
        let ping = client.next();
        assert_eq!(ping.first, FIN | PING);
        client.send_frame(FIN | PONG, &ping.payload);
    }
    client.send_frame(FIN | TEXT, b"still here");
    while client.next()
        != (crate::common::Frame {
            first: FIN | TEXT,
            payload: b"still here".to_vec(),
        })
    {}
}

#[test]
fn any_octet_counts_as_life() {
    let server = Server::start(&["--ping-interval", "0.2", "--pong-timeout", "0.6"]);
    let mut client = server.raw("/ws");
    // One frame, so slowly that several pings fall due in the course of it.
    for byte in frame(FIN | TEXT, b"a word every now and then") {
        client.send([byte]);
        thread::sleep(Duration::from_millis(60));
    }
    loop {
        let next = client.next();
        if next.first != FIN | PING {
            assert_eq!(next.payload, b"a word every now and then");
            break;
        }
    }
}

#[test]
fn who_talks_is_not_pinged() {
    let server = Server::start(&["--ping-interval", "1", "--pong-timeout", "1"]);
    let mut client = server.raw("/ws");
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2500) {
        client.send_frame(FIN | TEXT, b"chatter");
        client.expect(FIN | TEXT, b"chatter");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn zero_is_never() {
    let server = Server::start(&["--ping-interval", "0", "--handshake-timeout", "0"]);
    let client = server.raw("/ws");
    let half = server.http();
    for stream in [client.stream(), half.stream()] {
        stream
            .set_read_timeout(Some(Duration::from_millis(700)))
            .unwrap();
        let waited = loop {
            let error = (&mut &*stream).read(&mut [0]).expect_err("something came");
            // A read with a time-out is not restarted after a signal.
            if error.kind() != ErrorKind::Interrupted {
                break error;
            }
        };
        assert!(
            matches!(waited.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{waited}"
        );
    }
}

#[test]
fn without_a_pong_timeout_nobody_is_cut_off() {
    let server = Server::start(&["--ping-interval", "0.1", "--pong-timeout", "0"]);
    let mut silent = server.raw("/ws");
    for _ in 0..6 {
        assert_eq!(silent.next().first, FIN | PING);
    }
}

#[test]
fn a_peer_that_stopped_reading_is_found_out() {
    let server = Server::start(&["--ping-interval", "0.2", "--pong-timeout", "0.3"]);
    let mut alive = server.client("/ws");
    let before = server.open_files();
    let stopped = server.raw("/ws");
    // What it missed arrives, and it does not answer.
    alive.say("hello");
    let deadline = Instant::now() + crate::common::PATIENCE;
    while server.open_files() != before {
        assert!(Instant::now() < deadline, "it is still there");
        alive.say("are you there?");
        thread::sleep(Duration::from_millis(20));
    }
    drop(stopped);
}
