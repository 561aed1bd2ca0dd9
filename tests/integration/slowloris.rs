//! Peers that are as slow as they may be and slower, in each phase of a connection: each is let go in its time, and
//! takes nothing along that others need.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{
    BINARY, CLOSE, CONTINUATION, FIN, PATIENCE, RawClient, Server, TEXT, frame, get, narrow, noise,
    upgrade, with_a_healthy_pair,
};

/// How many do the same at once.
const CROWD: usize = 100;
/// Between one byte and the next of each.
const PACE: Duration = Duration::from_millis(20);

fn impatient() -> Server {
    let seconds = "1";
    Server::start(&[
        "--handshake-timeout",
        seconds,
        "--close-timeout",
        seconds,
        "--ping-interval",
        seconds,
        "--pong-timeout",
        seconds,
    ])
}

/// Upgrades, and then sends `bytes`.
fn upgraded(bytes: &[u8]) -> Vec<u8> {
    [upgrade("/ws/slow").as_bytes(), bytes].concat()
}

/// A crowd of connections that begin with `first`, made by `connect`.
fn crowd(connect: impl Fn() -> TcpStream, first: &[u8]) -> Vec<TcpStream> {
    let begin = |mut stream: TcpStream| {
        stream.write_all(first).expect("the beginning goes out");
        stream
    };
    (0..CROWD).map(|_| begin(connect())).collect()
}

/// Each sends the bytes of `more` one by one, over and over, until the server has closed its socket.
fn drip_until_cut_off(mut crowd: Vec<TcpStream>, more: &[u8]) {
    let give_up = Instant::now() + PATIENCE;
    for byte in more.iter().cycle() {
        crowd.retain_mut(|stream| match stream.write_all(&[*byte]) {
            Ok(()) => true,
            Err(error) => {
                let is_closed = matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                );
                assert!(is_closed, "{error}");
                false
            }
        });
        if crowd.is_empty() {
            break;
        }
        assert!(
            Instant::now() < give_up,
            "{} of {CROWD} are still there",
            crowd.len()
        );
        thread::sleep(PACE);
    }
}

#[test]
fn in_the_request() {
    let server = impatient();
    let beginnings: [&[u8]; 4] = [
        b"",
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        // The next request on a connection that is kept.
        b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
    ];
    with_a_healthy_pair(&server, || {
        thread::scope(|scope| {
            for first in beginnings {
                let server = &server;
                scope.spawn(move || drip_until_cut_off(crowd(|| server.tcp(), first), b"a"));
            }
        });
    });
}

#[test]
fn in_empty_lines_before_the_request() {
    let server = impatient();
    with_a_healthy_pair(&server, || {
        drip_until_cut_off(crowd(|| server.tcp(), b""), b"\r\n");
    });
}

/// Asks for more than the kernel holds for one who does not read, and reads none of it.
#[test]
fn in_taking_the_response() {
    let server = impatient();
    let requests = [get("/page/app.js").repeat(150), upgrade("/ws/slow")].concat();
    with_a_healthy_pair(&server, || {
        let connect = || {
            let stream = narrow(&server);
            stream.set_nonblocking(true).unwrap();
            stream
        };
        // Not all of the requests may fit, as the server stops to read.
        let unread: Vec<TcpStream> = (0..CROWD)
            .map(|_| {
                let mut stream = connect();
                let _ = stream.write(requests.as_bytes());
                stream.set_nonblocking(false).unwrap();
                stream
            })
            .collect();
        drip_until_cut_off(unread, b"G");
    });
}

/// Falls silent inside of a frame, where no pong can be sent.
#[test]
fn in_a_frame() {
    let server = impatient();
    let large = frame(FIN | BINARY, &noise(1, 65_000));
    let fragment = frame(TEXT, &[b'a'; 60_000]);
    let beginnings = [
        large[..1].to_vec(),
        large[..3].to_vec(),
        large[..7].to_vec(),
        large[..64_000].to_vec(),
        fragment.clone(),
        [&fragment, &frame(CONTINUATION, b"more")[..3]].concat(),
    ];
    with_a_healthy_pair(&server, || {
        thread::scope(|scope| {
            for first in &beginnings {
                let silent = crowd(|| server.tcp(), &upgraded(first));
                scope.spawn(move || {
                    for stream in silent {
                        let mut client = RawClient::upgrading(stream);
                        while client.try_next().is_some_and(|it| it.first != FIN | CLOSE) {}
                        client.expect_end_or_reset();
                    }
                });
            }
        });
    });
}

/// Whoever is slow and not silent is a member like others, and is heard when its message is whole.
#[test]
fn in_a_message_that_comes_byte_by_byte() {
    // The time for the handshake is over long before.
    let server = Server::start(&["--handshake-timeout", "0.2"]);
    let text = "one byte at a time";
    let bytes = [
        frame(TEXT, &text.as_bytes()[..9]),
        frame(FIN | CONTINUATION, &text.as_bytes()[9..]),
    ]
    .concat();
    with_a_healthy_pair(&server, || {
        let mut witness = server.raw("/ws/slow");
        let mut slow: Vec<RawClient> = (0..CROWD).map(|_| server.raw("/ws/slow")).collect();
        for byte in &bytes {
            slow.iter_mut().for_each(|client| client.send([*byte]));
            thread::sleep(PACE);
        }
        for _ in 0..CROWD {
            witness.expect(FIN | TEXT, text.as_bytes());
        }
    });
}

/// Breaks a rule, does not answer the Close, and goes on.
#[test]
fn in_the_close_handshake() {
    let server = impatient();
    with_a_healthy_pair(&server, || {
        let first = upgraded(&frame(FIN | 0xb, b""));
        drip_until_cut_off(crowd(|| server.tcp(), &first), &frame(FIN | TEXT, b"but"));
    });
}

/// Has been told everything, and does not go.
#[test]
fn in_leaving() {
    let server = impatient();
    let beginnings = [
        upgraded(&frame(FIN | CLOSE, &1000u16.to_be_bytes())),
        b"this is no request\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
    ];
    with_a_healthy_pair(&server, || {
        thread::scope(|scope| {
            for first in &beginnings {
                let server = &server;
                scope.spawn(move || drip_until_cut_off(crowd(|| server.tcp(), first), b"but"));
            }
        });
    });
}
