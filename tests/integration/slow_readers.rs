//! A member that does not read: bounded, cut off with a word, and no trouble to the others.

use std::io::{Read, Write};
use std::thread;

use tungstenite::Message;

use crate::common::{
    Client, FIN, PING, PONG, RawClient, Server, TEXT, close_of, eventually, frame, narrow,
};

/// Together more than the kernel takes for a socket that is not read (4 MiB and a little).
const MESSAGES: usize = 800;
const LENGTH: usize = 16 << 10;

/// The message with the number `n`.
fn numbered(n: usize) -> String {
    format!("{n:0LENGTH$}")
}

/// Says all the messages, one after the other has come back.
fn say_all(sender: &mut Client) {
    for n in 0..MESSAGES {
        sender.say(&numbered(n));
    }
}

/// Reads the first messages, without a hole, up to the Close that tells of slowness.
fn expect_prefix_and_close(slow: &mut Client) {
    for n in 0.. {
        let message = slow.next();
        if message.is_close() {
            assert!(n < MESSAGES, "nothing was left out");
            assert_eq!(close_of(&message), (1008, "too slow".into()));
            return;
        }
        assert!(message == Message::text(numbered(n)), "not message {n}");
    }
}

/// The kernel kept 4 MiB for each reader that did not read, beside all limits.
#[test]
fn the_kernel_keeps_little_for_who_does_not_read() {
    let server = Server::start(&["--max-queue", "100000", "-v"]);
    let mut slow = narrow(&server);
    let peer = slow.local_addr().unwrap().to_string();
    slow.write_all(b"GET /rooms/flood/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    say_all(&mut server.client("/ws/flood"));
    let closed = server.wait_for_log(|line| line.contains(&peer) && line.contains("too slow"));
    let written = closed.split("bytes_out=").nth(1).unwrap();
    let written: usize = written.trim().parse().unwrap();
    assert!((100_000..1 << 20).contains(&written), "{closed}");
}

#[test]
fn a_slow_reader_is_cut_off_and_the_others_are_not() {
    let server = Server::start(&["--max-queue", "100000", "--close-timeout", "20", "-v"]);
    let mut slow = Client::over(narrow(&server), "/ws/flood").unwrap();
    let mut healthy = server.client("/ws/flood");
    let mut sender = server.client("/ws/flood");
    // Step by step: on a busy machine a reader in a thread of its own may be slow, too.
    for n in 0..MESSAGES {
        sender.say(&numbered(n));
        healthy.expect(numbered(n));
    }
    expect_prefix_and_close(&mut slow);
    slow.expect_end();
    drop(slow);
    server.wait_for_log(|line| line.contains("too slow") && line.contains("flood"));
    sender.say("we go on");
    healthy.expect("we go on");
}

#[test]
fn a_reader_that_never_reads_is_let_go() {
    let server = Server::start(&["--max-queue", "100000", "--close-timeout", "0.3", "-v"]);
    let mut sender = server.client("/ws");
    let before = server.open_files();
    let slow = Client::over(narrow(&server), "/ws").unwrap();
    say_all(&mut sender);
    eventually("the descriptor is free", || server.open_files() == before);
    server.wait_for_log(|line| line.contains("too slow"));
    drop(slow);
}

#[test]
fn many_slow_readers_are_no_trouble_to_the_others() {
    let server = Server::start(&["--max-queue", "100000"]);
    let _slow: Vec<_> = (0..20)
        .map(|_| Client::over(narrow(&server), "/ws").unwrap())
        .collect();
    let (mut one, mut other) = (server.client("/ws/quiet"), server.client("/ws/quiet"));
    let mut sender = server.client("/ws");
    thread::scope(|scope| {
        let flood = scope.spawn(|| say_all(&mut sender));
        while !flood.is_finished() {
            one.say("tick");
            other.expect("tick");
        }
    });
}

#[test]
fn a_sender_that_does_not_read_is_slow_too() {
    let server = Server::start(&["--max-queue", "100000", "--close-timeout", "20"]);
    let mut witness = server.client("/ws/quiet");
    let mut flooder = RawClient::over(narrow(&server), "/ws");
    let mut stream = flooder.stream().try_clone().unwrap();
    let flooding = thread::spawn(move || {
        for n in 0..MESSAGES {
            if stream
                .write_all(&frame(FIN | TEXT, numbered(n).as_bytes()))
                .is_err()
            {
                return;
            }
        }
    });
    flooding.join().unwrap();
    witness.say("nobody else notices");
    let mut heard = 0;
    loop {
        let next = flooder.next();
        if next.first != FIN | TEXT {
            assert_eq!(next.payload, b"\x03\xf0too slow");
            break;
        }
        assert!(
            next.payload == numbered(heard).as_bytes(),
            "not message {heard}"
        );
        heard += 1;
    }
    assert!(heard < MESSAGES, "nothing was left out");
}

#[test]
fn pings_between_large_messages_leave_them_whole() {
    const PINGS: usize = 3000;
    let server = Server::start(&["--max-queue", "100000000"]);
    let mut late = RawClient::over(narrow(&server), "/ws");
    let mut sender = server.client("/ws");
    let mut pinging = late.stream().try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| say_all(&mut sender));
        scope.spawn(move || {
            for n in 0..PINGS {
                pinging
                    .write_all(&frame(FIN | PING, n.to_string().as_bytes()))
                    .unwrap();
            }
        });
        // A pong may answer for the older ones, and none comes within a message.
        let (mut messages, mut last_pong) = (0, None);
        while messages < MESSAGES || last_pong != Some(PINGS - 1) {
            let next = late.next();
            if next.first == FIN | PONG {
                let n: usize = String::from_utf8(next.payload).unwrap().parse().unwrap();
                assert!(last_pong < Some(n), "pong {n} after {last_pong:?}");
                last_pong = Some(n);
            } else {
                assert!(
                    next.payload == numbered(messages).as_bytes(),
                    "not message {messages}"
                );
                messages += 1;
            }
        }
    });
}

#[test]
fn who_reads_late_but_within_the_limit_misses_nothing() {
    let server = Server::start(&["--max-queue", "1000000"]);
    let mut late = Client::over(narrow(&server), "/ws").unwrap();
    let mut sender = server.client("/ws");
    let text = |n| format!("{n:0900}");
    (0..1000).for_each(|n| sender.say(&text(n)));
    (0..1000).for_each(|n| late.expect(text(n)));
    sender.say("the last");
    late.expect("the last");
}
