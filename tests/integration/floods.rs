//! A million of the smallest things there are.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::common::{
    BINARY, CONTINUATION, FIN, PING, PONG, RawClient, Server, TEXT, frame, upgrade,
    with_a_healthy_pair,
};

const MILLION: usize = 1_000_000;
const AT_ONCE: usize = 10_000;

/// Sends `one` a million times, and then `last`, while the caller reads.
fn flood(client: &RawClient, one: &[u8], last: &[u8]) -> thread::JoinHandle<()> {
    let mut stream = client.stream().try_clone().unwrap();
    let many = one.repeat(AT_ONCE);
    let last = last.to_vec();
    thread::spawn(move || {
        for _ in 0..MILLION / AT_ONCE {
            stream.write_all(&many).expect("the flood goes out");
        }
        stream.write_all(&last).expect("the last goes out");
    })
}

#[test]
fn a_million_empty_messages() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut client = server.raw("/ws/flood");
        let flooding = flood(&client, &frame(FIN | TEXT, b""), &frame(FIN | TEXT, b"end"));
        for _ in 0..MILLION {
            client.expect(FIN | TEXT, b"");
        }
        client.expect(FIN | TEXT, b"end");
        flooding.join().unwrap();
    });
}

#[test]
fn a_million_empty_fragments() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut client = server.raw("/ws/flood");
        client.send_frame(TEXT, b"be");
        let end = frame(FIN | CONTINUATION, b"gin");
        let flooding = flood(&client, &frame(CONTINUATION, b""), &end);
        client.expect(FIN | TEXT, b"begin");
        flooding.join().unwrap();
    });
}

#[test]
fn a_message_in_a_million_fragments() {
    let server = Server::start(&["--max-message", "2000000"]);
    with_a_healthy_pair(&server, || {
        let mut client = server.raw("/ws/flood");
        client.send_frame(BINARY, b"");
        let end = frame(FIN | CONTINUATION, b"");
        let flooding = flood(&client, &frame(CONTINUATION, b"x"), &end);
        client.expect(FIN | BINARY, &vec![b'x'; MILLION]);
        flooding.join().unwrap();
    });
}

#[test]
fn a_million_pings() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut client = server.raw("/ws/flood");
        let last = [frame(FIN | PING, b"last"), frame(FIN | TEXT, b"end")].concat();
        let flooding = flood(&client, &frame(FIN | PING, b""), &last);
        let mut pongs = 0;
        // A pong may answer the newest of several pings (RFC 6455 section 5.5.3), and the newest is answered.
        let mut next = client.next();
        while next.payload.is_empty() {
            assert_eq!(next.first, FIN | PONG);
            pongs += 1;
            next = client.next();
        }
        assert!((1..=MILLION).contains(&pongs), "{pongs}");
        assert_eq!((next.first, &next.payload[..]), (FIN | PONG, &b"last"[..]));
        client.expect(FIN | TEXT, b"end");
        flooding.join().unwrap();
    });
}

#[test]
fn a_million_pongs_that_nobody_asked_for() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut client = server.raw("/ws/flood");
        let end = frame(FIN | TEXT, b"end");
        let flooding = flood(&client, &frame(FIN | PONG, b"unasked"), &end);
        client.expect(FIN | TEXT, b"end");
        flooding.join().unwrap();
    });
}

/// Writing stops when the kernel holds no more answers: as many wait in the server as may, which is few.
#[test]
fn pings_of_one_who_reads_no_pong() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let client = server.raw("/ws/flood");
        let mut stream = client.stream();
        stream
            .set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let many = frame(FIN | PING, &[b'?'; 125]).repeat(1000);
        for _ in 0..1000 {
            match stream.write_all(&many) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    break;
                }
            }
        }
    });
}

/// All that a client may send, in segments of one byte.
#[test]
fn one_byte_at_a_time() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        let mut stream = server.tcp();
        let text = "é".repeat(2000);
        let bytes = [
            upgrade("/ws/bytes").into_bytes(),
            frame(TEXT, &text.as_bytes()[..1999]),
            frame(FIN | PING, b"between"),
            frame(FIN | CONTINUATION, &text.as_bytes()[1999..]),
        ]
        .concat();
        for byte in bytes {
            stream.write_all(&[byte]).unwrap();
        }
        let mut client = RawClient::upgrading(stream);
        client.expect(FIN | PONG, b"between");
        client.expect(FIN | TEXT, text.as_bytes());
        client.stream().shutdown(Shutdown::Write).unwrap();
    });
}
