//! The end of a connection, from either side and in every order.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::common::{BINARY, CLOSE, FIN, PING, Server, TEXT, eventually, frame, get};

#[test]
fn a_close_is_answered_with_its_code() {
    let server = Server::start(&[]);
    for code in (1000..=1003u16)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999])
    {
        let mut client = server.raw("/ws");
        client.send_frame(FIN | CLOSE, &[&code.to_be_bytes()[..], b"so long"].concat());
        client.expect_close(code);
        client.expect_end();
    }
}

#[test]
fn a_close_without_a_code_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(FIN | CLOSE, b"");
    let answer = client.next();
    assert_eq!(answer.first, FIN | CLOSE);
    assert!(
        answer.payload.is_empty() || answer.payload == 1000u16.to_be_bytes(),
        "{answer:?}"
    );
    client.expect_end();
}

#[test]
fn codes_that_nobody_may_send() {
    let server = Server::start(&[]);
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535u16,
    ] {
        let mut client = server.raw("/ws");
        client.send_frame(FIN | CLOSE, &code.to_be_bytes());
        client.expect_failure(1002);
    }
}

#[test]
fn half_a_code() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(FIN | CLOSE, &[3]);
    client.expect_failure(1002);
}

#[test]
fn a_reason_that_is_not_utf8() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(
        FIN | CLOSE,
        b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80",
    );
    client.expect_failure(1007);
}

#[test]
fn a_reason_as_long_as_it_may_be() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(
        FIN | CLOSE,
        &[&1000u16.to_be_bytes()[..], &[b'a'; 123]].concat(),
    );
    client.expect_close(1000);
    client.expect_end();
}

#[test]
fn what_was_said_before_the_close_arrives() {
    let server = Server::start(&[]);
    let mut witness = server.raw("/ws");
    let mut client = server.raw("/ws");
    let close = frame(FIN | CLOSE, &1000u16.to_be_bytes());
    client.send([frame(FIN | TEXT, b"one"), frame(FIN | TEXT, b"two"), close].concat());
    client.expect(FIN | TEXT, b"one");
    client.expect(FIN | TEXT, b"two");
    client.expect_close(1000);
    client.expect_end();
    witness.expect(FIN | TEXT, b"one");
    witness.expect(FIN | TEXT, b"two");
}

#[test]
fn what_is_said_after_the_close_does_not() {
    let server = Server::start(&[]);
    let mut witness = server.raw("/ws");
    let mut client = server.raw("/ws");
    let close = frame(FIN | CLOSE, &1000u16.to_be_bytes());
    client.send(
        [
            close,
            frame(FIN | TEXT, b"by the way"),
            frame(FIN | PING, b"hello?"),
        ]
        .concat(),
    );
    client.expect_close(1000);
    client.expect_end();
    witness.send_frame(FIN | TEXT, b"gone");
    witness.expect(FIN | TEXT, b"gone");
}

#[test]
fn a_close_with_the_end_of_the_stream_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send_frame(FIN | CLOSE, &1000u16.to_be_bytes());
    client.finish_sending();
    client.expect_close(1000);
    client.expect_end();
}

#[test]
fn a_half_closed_client_still_gets_its_messages() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    client.send(
        [
            frame(FIN | TEXT, b"my last words"),
            frame(FIN | BINARY, &[0; 60_000]),
        ]
        .concat(),
    );
    client.finish_sending();
    client.expect(FIN | TEXT, b"my last words");
    client.expect(FIN | BINARY, &[0; 60_000]);
    if let Some(close) = client.try_next() {
        assert_eq!(close.first, FIN | CLOSE, "{close:?}");
        client.expect_end();
    }
}

#[test]
fn an_end_that_comes_with_the_data_is_seen() {
    let server = Server::start(&[]);
    let mut client = server.raw("/ws");
    let mut http = server.http();
    assert_eq!(http.ask(get("/")).status, 200);
    // Stopped, so that data and end are one event when it wakes.
    server.signal("STOP");
    client.send_frame(FIN | TEXT, b"and that was all");
    client.finish_sending();
    http.send(get("/page/app.js"));
    http.stream().shutdown(Shutdown::Write).unwrap();
    let resumed = Instant::now();
    server.signal("CONT");
    client.expect(FIN | TEXT, b"and that was all");
    client.expect_end();
    assert_eq!(http.response().status, 200);
    http.expect_end();
    // Not the timers' doing, the shortest of which is 10 s.
    assert!(
        resumed.elapsed() < Duration::from_secs(5),
        "after {:?}",
        resumed.elapsed()
    );
}

#[test]
fn an_end_within_a_frame_ends_the_connection() {
    let server = Server::start(&[]);
    for bytes in [
        &[FIN | TEXT][..],
        &frame(FIN | TEXT, b"never whole")[..8],
        &frame(TEXT, b"a part"),
    ] {
        let mut client = server.raw("/ws");
        client.send(bytes);
        client.finish_sending();
        if let Some(close) = client.try_next() {
            assert_eq!(close.first, FIN | CLOSE, "{close:?}");
            client.expect_end();
        }
    }
}

#[test]
fn the_close_frame_is_not_lost_to_a_reset() {
    let server = Server::start(&[]);
    for _ in 0..20 {
        let mut client = server.raw("/ws");
        // What the server has not read when it closes its socket would make the kernel send a reset,
        // and the reset would take the Close along.
        let mut flood = client.stream().try_clone().unwrap();
        let flooding = std::thread::spawn(move || {
            let _ = flood.write_all(&frame(FIN | 0xb, b""));
            let _ = flood.write_all(&[0; 1 << 20]);
        });
        client.expect_close(1002);
        flooding.join().unwrap();
        client.finish_sending();
        client.expect_end_or_reset();
    }
}

#[test]
fn a_client_that_does_not_answer_the_close_is_let_go() {
    let server = Server::start(&["--close-timeout", "0.3"]);
    let before = server.open_files();
    let mut client = server.raw("/ws");
    client.send_frame(FIN | 0xb, b"");
    client.expect_close(1002);
    eventually("the descriptor is free", || server.open_files() == before);
    client.expect_end_or_reset();
}

#[test]
fn a_client_that_never_closes_its_side_is_let_go() {
    let server = Server::start(&["--close-timeout", "0.3"]);
    let before = server.open_files();
    let mut client = server.raw("/ws");
    client.send_frame(FIN | CLOSE, &1000u16.to_be_bytes());
    client.expect_close(1000);
    client.expect_end();
    eventually("the descriptor is free", || server.open_files() == before);
}

#[test]
fn a_client_that_talks_on_after_the_close_is_let_go() {
    let server = Server::start(&["--close-timeout", "0.3"]);
    let before = server.open_files();
    let mut client = server.raw("/ws");
    client.send_frame(FIN | 0xb, b"");
    client.expect_close(1002);
    let mut stream = client.stream();
    eventually("the descriptor is free", || {
        let _ = stream.write_all(&frame(FIN | PING, b"but"));
        server.open_files() == before
    });
}
