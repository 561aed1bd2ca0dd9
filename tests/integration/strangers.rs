//! Who speaks another protocol, or none, and who promises more than it will ever send.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;

use crate::common::{
    BINARY, FIN, Http, PING, RawClient, Server, TEXT, noise, upgrade, with_a_healthy_pair,
};

/// The first flight of a TLS 1.3 client (RFC 8446 section 4.1.2): in its record, with a server name and key shares.
fn client_hello(seed: u64) -> Vec<u8> {
    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = body.len() as u16;
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
    }
    let extensions = [
        extension(0, b"\x00\x0e\x00\x00\x0bparlor.test"),
        extension(10, b"\x00\x04\x00\x1d\x00\x17"),
        extension(13, b"\x00\x04\x04\x03\x08\x04"),
        extension(16, b"\x00\x0c\x02h2\x08http/1.1"),
        extension(43, b"\x02\x03\x04"),
        extension(
            51,
            &[&b"\x00\x24\x00\x1d\x00\x20"[..], &noise(seed, 32)].concat(),
        ),
    ]
    .concat();
    let hello = [
        b"\x03\x03",
        &noise(seed + 1, 32)[..],
        b"\x20",
        &noise(seed + 2, 32),
        b"\x00\x06\x13\x01\x13\x02\x13\x03\x01\x00",
        &(extensions.len() as u16).to_be_bytes(),
        &extensions,
    ]
    .concat();
    let handshake = [
        &b"\x01\x00"[..],
        &(hello.len() as u16).to_be_bytes(),
        &hello,
    ]
    .concat();
    let record = (handshake.len() as u16).to_be_bytes();
    [&b"\x16\x03\x01"[..], &record, &handshake].concat()
}

#[test]
fn a_tls_client_is_told_in_plain_text() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        for seed in 0..300 {
            let mut http = server.http();
            http.ask(client_hello(seed)).expect_problem(400);
            http.expect_end();
        }
    });
}

/// A beginning says nothing yet; what follows it decides.
#[test]
fn a_tls_record_that_stops() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    with_a_healthy_pair(&server, || {
        let hello = client_hello(1);
        let silent: Vec<Http> = (1..hello.len())
            .step_by(3)
            .map(|length| {
                let mut http = server.http();
                http.send(&hello[..length]);
                http
            })
            .collect();
        for mut http in silent {
            http.expect_end_or_reset();
        }
    });
}

#[test]
fn other_protocols_are_refused() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    let greetings: [&[u8]; 9] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO mail.example\r\nMAIL FROM:<a@example>\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x05\x01\0",
        b"OPTIONS rtsp://parlor.test RTSP/1.0\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n",
    ];
    with_a_healthy_pair(&server, || {
        for greeting in greetings {
            let mut http = server.http();
            http.send(greeting);
            let response = http.response();
            assert!(
                (400..600).contains(&response.status),
                "{greeting:?}: {response:?}"
            );
            http.expect_end_or_reset();
        }
    });
}

#[test]
fn garbage_is_refused() {
    let server = Server::start(&[]);
    with_a_healthy_pair(&server, || {
        for seed in 0..100 {
            let mut stream = server.tcp();
            let _ = stream.write_all(&noise(seed, 2000));
            let _ = stream.shutdown(Shutdown::Write);
            Http::new(stream).expect_end_or_reset();

            let mut client = server.raw("/ws/garbage");
            let _ = client.stream().write_all(&noise(seed, 2000));
            let _ = client.stream().shutdown(Shutdown::Write);
            client.expect_end_or_reset();
        }
    });
}

/// A frame's header with `length` in its eight octets.
fn declaring(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()
}

/// Closed before the first octet of the payload, so nothing is ever set aside for it.
#[test]
fn huge_lengths_of_frames_are_refused_by_their_header() {
    let server = Server::start(&[]);
    let refused = [
        (declaring(FIN | BINARY, 65_537), 1009),
        (declaring(FIN | BINARY, i64::MAX as u64), 1009),
        (declaring(TEXT, 1 << 40), 1009),
        (declaring(FIN | TEXT, 1 << 63), 1002),
        (declaring(FIN | BINARY, u64::MAX), 1002),
        (declaring(FIN | PING, 1 << 20), 1002),
    ];
    with_a_healthy_pair(&server, || {
        for _ in 0..30 {
            for (header, code) in &refused {
                let mut client = server.raw("/ws/huge");
                client.send(header);
                client.expect_failure(*code);
            }
        }
    });
}

#[test]
fn huge_lengths_that_are_allowed_cost_what_has_come() {
    let server = Server::start(&["--max-message", "18446744073709551615"]);
    with_a_healthy_pair(&server, || {
        let before = server.resident_bytes();
        let declared: Vec<RawClient> = (0..100)
            .map(|_| {
                let mut client = server.raw("/ws/huge");
                client.send([declaring(FIN | BINARY, i64::MAX as u64), vec![0; 100]].concat());
                client
            })
            .collect();
        // Answered after the headers above were read: the loop takes what is ready in each turn.
        let mut witness = server.client("/ws/witness");
        for _ in 0..10 {
            witness.say("still here");
        }
        let grown = server.resident_bytes().saturating_sub(before);
        assert!(
            grown < 4 << 20,
            "{grown} bytes for {} headers",
            declared.len()
        );
    });
}

#[test]
fn huge_lengths_of_bodies_are_not_waited_for() {
    let server = Server::start(&["--close-timeout", "0.5"]);
    with_a_healthy_pair(&server, || {
        for length in [
            "18446744073709551615",
            "9223372036854775808",
            "99999999999999",
        ] {
            let mut stream = server.tcp();
            let head = upgrade("/ws/huge").replace("\r\n\r\n", "");
            let head = format!("{head}\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut http = Http::new(stream);
            let response = http.response();
            assert!((400..500).contains(&response.status), "{response:?}");
            // Until the server has closed its side it reads on, and forgets.
            let chunk = [0; 10_000];
            let error = loop {
                if let Err(error) = http.stream().write_all(&chunk) {
                    break error;
                }
            };
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ),
                "{error}"
            );
        }
    });
}
