//! SIGTERM and SIGINT.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::common::{
    CLOSE, Client, FIN, Server, TEXT, close_of, eventually, frame, get, narrow, noise,
};

#[test]
fn everyone_is_told_and_the_status_is_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut members: Vec<_> = (0..5).map(|i| server.client(&format!("/ws/{i}"))).collect();
        server.signal(signal);
        for member in &mut members {
            assert_eq!(close_of(&member.next()).0, 1001);
            member.expect_end();
        }
        assert_eq!(server.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn what_is_queued_goes_out_first() {
    let mut server = Server::start(&["--max-queue", "10000000"]);
    let mut late = server.client("/ws");
    let mut sender = server.client("/ws");
    let text = |n: usize| Message::text(format!("{n:09000}"));
    for n in 0..900 {
        sender.send(text(n));
        sender.expect(text(n));
    }
    server.signal("TERM");
    assert_eq!(close_of(&sender.next()).0, 1001);
    for n in 0..900 {
        late.expect(text(n));
    }
    assert_eq!(close_of(&late.next()).0, 1001);
    late.expect_end();
    drop(sender);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn nobody_is_waited_for_longer_than_the_drain_timeout() {
    let mut server = Server::start(&["--drain-timeout", "0.5", "--close-timeout", "60"]);
    let mut silent = server.raw("/ws");
    let started = Instant::now();
    server.signal("TERM");
    silent.expect_close(1001);
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_member_that_does_not_read_is_not_waited_for_either() {
    let mut server = Server::start(&["--drain-timeout", "0.5", "--max-queue", "100000000"]);
    let stalled = Client::over(narrow(&server), "/ws").unwrap();
    let mut sender = server.client("/ws");
    let message = Message::from(noise(1, 60_000));
    for _ in 0..150 {
        sender.send(message.clone());
        sender.expect(message.clone());
    }
    server.signal("TERM");
    assert_eq!(close_of(&sender.next()).0, 1001);
    drop(sender);
    assert_eq!(server.wait().code(), Some(0));
    drop(stalled);
}

#[test]
fn a_flood_does_not_hold_it_up() {
    let mut server = Server::start(&["--drain-timeout", "600"]);
    let flooders: Vec<_> = (0..4)
        .map(|_| {
            let flooder = server.raw("/ws");
            let mut sending = flooder.stream().try_clone().unwrap();
            let flood = frame(FIN | TEXT, b"on and on").repeat(100);
            thread::spawn(move || while sending.write_all(&flood).is_ok() {});
            flooder
        })
        .collect();
    let readers: Vec<_> = flooders
        .into_iter()
        .map(|mut flooder| {
            thread::spawn(move || {
                while let Some(next) = flooder.try_next() {
                    if next.first == FIN | CLOSE {
                        assert_eq!(next.payload[..2], 1001u16.to_be_bytes());
                        let _ = flooder.stream().shutdown(Shutdown::Both);
                        return;
                    }
                }
                panic!("no Close before the end");
            })
        })
        .collect();
    let mut witness = server.client("/ws/quiet");
    witness.say("the flood is on");
    server.signal("TERM");
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(close_of(&witness.next()).0, 1001);
    witness.expect_end();
    assert_eq!(server.wait().code(), Some(0));
}

/// Whoever does not answer a close frame is waited for as at any other time.
#[test]
fn who_does_not_answer_is_not_waited_for_until_the_end_of_the_drain() {
    let mut server = Server::start(&["--drain-timeout", "600", "--close-timeout", "0.1"]);
    let mut silent = server.raw("/ws");
    server.signal("TERM");
    silent.expect_close(1001);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--drain-timeout", "600", "--close-timeout", "600"]);
    let mut silent = server.raw("/ws");
    server.signal("TERM");
    silent.expect_close(1001);
    server.signal("TERM");
    server.wait();
}

#[test]
fn nobody_new_is_let_in() {
    let mut server = Server::start(&["--drain-timeout", "600", "--close-timeout", "600"]);
    let mut last = server.raw("/ws");
    let address = server.address();
    server.signal("TERM");
    last.expect_close(1001);
    eventually("the port is closed", || {
        TcpStream::connect(address).is_err()
    });
    last.send(frame(FIN | CLOSE, &1001u16.to_be_bytes()));
    last.expect_end();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn idle_http_connections_do_not_hold_it_up() {
    let mut server = Server::start(&["--drain-timeout", "600", "--handshake-timeout", "600"]);
    let mut asked = server.http();
    assert_eq!(asked.ask(get("/")).status, 200);
    let mut never_asked = server.http();
    let mut member = server.client("/ws");
    member.say("everybody is accepted by now");
    server.signal("TERM");
    asked.expect_end_or_reset();
    never_asked.expect_end_or_reset();
    assert_eq!(close_of(&member.next()).0, 1001);
    member.expect_end();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn without_anyone_it_ends_at_once() {
    let mut server = Server::start(&["--drain-timeout", "600"]);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_port_is_free_again_at_once() {
    let mut server = Server::start(&[]);
    let mut member = server.client("/ws");
    server.signal("TERM");
    assert_eq!(close_of(&member.next()).0, 1001);
    member.expect_end();
    server.wait();
    let again = Server::start_on(server.port, &[]);
    again.client("/ws").say("back again");
}

#[test]
fn who_waits_is_told_for_what() {
    let mut server = Server::start(&["--drain-timeout", "600", "--close-timeout", "600"]);
    let mut silent = server.raw("/ws");
    server.signal("INT");
    silent.expect_close(1001);
    let line = server.wait_for_log(|line| line.contains("waiting for 1 connection to end"));
    assert!(line.contains("at most 599."), "{line}");
    assert!(line.contains("a second Ctrl-C"), "{line}");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(1));
}
