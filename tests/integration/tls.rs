//! https: and wss:, by clients that trust an authority made here.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::common::tls::{Authority, HOST, TlsClient, connect, shown};
use crate::common::{
    BINARY, FIN, Finished, PATIENCE, Server, TEXT, frame, get, narrow, noise, run, upgrade,
    with_a_healthy_pair,
};

/// A member of a room.
fn member(authority: &Authority, server: &Server, path: &str) -> WebSocket<TlsClient> {
    upgraded(authority.connect(server), path)
}

fn upgraded(stream: TlsClient, path: &str) -> WebSocket<TlsClient> {
    let request = format!("wss://{HOST}{path}").into_client_request().unwrap();
    tungstenite::client(request, stream).expect("an upgrade").0
}

#[track_caller]
fn expect(socket: &mut WebSocket<TlsClient>, message: impl Into<Message>) {
    let message = message.into();
    loop {
        match socket.read().expect("a message") {
            Message::Ping(_) => {}
            other => return assert!(other == message, "{} bytes came", other.len()),
        }
    }
}

fn say(socket: &mut WebSocket<TlsClient>, text: &str) {
    socket.send(text.into()).unwrap();
    expect(socket, text);
}

/// The answer to a request, up to the end of the connection.
fn ask(stream: &mut TlsClient, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a clean end");
    answer
}

const LAST_REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn both_versions_and_the_protocol_is_agreed_on() {
    let authority = Authority::new("versions");
    let server = authority.serve(&[]);
    assert!(
        server
            .announcement
            .starts_with("parlor listening on https://")
    );
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut config = authority.client_config(&[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut client = connect(server.tcp(), HOST, config).unwrap();
        assert_eq!(client.conn.protocol_version(), Some(number));
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = ask(&mut client, LAST_REQUEST);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let mut config = authority.client_config(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(
        connect(server.tcp(), HOST, config).is_err(),
        "h2 is not spoken"
    );
}

#[test]
fn the_guide_is_served_too() {
    let authority = Authority::new("guide");
    let server = authority.serve(&[]);
    let mut client = connect(server.tcp(), HOST, authority.client_config(&[&TLS13])).unwrap();
    let request = "GET /guide/tls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = ask(&mut client, request);
    assert!(answer.contains("<h1 id=\"tls\">TLS</h1>"), "{answer}");
}

#[test]
fn whoever_comes_back_is_known_by_a_ticket() {
    let authority = Authority::new("tickets");
    let server = authority.serve(&[]);
    for version in [&TLS12, &TLS13] {
        let config = authority.client_config(&[version]);
        let kind = |config: &ClientConfig| {
            let mut client = connect(server.tcp(), HOST, config.clone()).unwrap();
            ask(&mut client, LAST_REQUEST);
            client.conn.handshake_kind().unwrap()
        };
        assert_eq!(kind(&config), rustls::HandshakeKind::Full);
        assert_eq!(kind(&config), rustls::HandshakeKind::Resumed);
    }
}

#[test]
fn large_messages_both_ways() {
    let authority = Authority::new("large");
    let server = authority.serve(&["--max-message", "4000000", "--no-deflate"]);
    let (mut one, mut other) = (
        member(&authority, &server, "/ws"),
        member(&authority, &server, "/ws"),
    );
    let large = noise(7, 3_000_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            one.send(large.clone().into()).unwrap();
            expect(&mut one, large.clone());
        });
        expect(&mut other, large.clone());
    });
}

#[test]
fn a_new_certificate_comes_with_sighup_and_nobody_goes() {
    let authority = Authority::new("reload");
    let server = authority.serve(&["-v"]);
    let mut old = member(&authority, &server, "/ws");
    say(&mut old, "before");
    let before = shown(old.get_ref());
    authority.issue(HOST, |_| {});
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("certificate was read again"));
    let mut new = member(&authority, &server, "/ws");
    let after = shown(new.get_ref());
    assert_ne!(before, after);
    say(&mut new, "after");
    expect(&mut old, "after");
    // A file that is no good changes nothing.
    std::fs::write(authority.key(), "no key").unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| {
        line.contains("the old certificate stays") && line.contains("key.pem")
    });
    let third = member(&authority, &server, "/ws");
    assert_eq!(shown(third.get_ref()), after);
    say(&mut old, "still here");
    expect(&mut new, "still here");
}

#[test]
fn without_a_certificate_sighup_ends_nothing() {
    let server = Server::start(&[]);
    let mut client = server.client("/ws");
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("SIGHUP is ignored"));
    client.say("still here");
}

/// A start that failed with one line, which holds each of `words`.
#[track_caller]
fn expect_failure(authority: &Authority, words: &[&str]) {
    let own = authority.flags();
    let flags: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .chain(["--port", "0"])
        .collect();
    let Finished {
        status,
        stdout,
        stderr,
    } = run(&flags);
    assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr:?}");
    }
}

#[test]
fn files_that_are_no_good_are_one_line() {
    let authority = Authority::new("files");
    let (good_certificate, good_key) = (
        std::fs::read(authority.certificate()).unwrap(),
        std::fs::read(authority.key()).unwrap(),
    );
    authority.issue(HOST, |_| {});
    std::fs::write(authority.key(), &good_key).unwrap();
    expect_failure(
        &authority,
        &["key.pem is not that of the certificate", "cert.pem"],
    );
    std::fs::write(authority.certificate(), &good_key).unwrap();
    expect_failure(&authority, &["no certificate in", "cert.pem", "--tls-cert"]);
    std::fs::write(authority.certificate(), &good_certificate).unwrap();
    std::fs::write(authority.key(), &good_certificate).unwrap();
    expect_failure(&authority, &["no private key in", "key.pem", "--tls-key"]);
    std::fs::write(
        authority.key(),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    expect_failure(
        &authority,
        &["no private key in", "encrypted", "openssl pkey"],
    );
    std::fs::write(
        authority.key(),
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    expect_failure(&authority, &["key.pem cannot be used"]);
    std::fs::write(authority.key(), "-----BEGIN PRIVATE KEY-----\n!\n").unwrap();
    expect_failure(&authority, &["make sense of", "key.pem"]);
    std::fs::write(authority.key(), &good_key).unwrap();
    std::fs::write(
        authority.certificate(),
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    expect_failure(&authority, &["cert.pem cannot be used"]);
    std::fs::remove_file(authority.certificate()).unwrap();
    expect_failure(&authority, &["cannot read", "cert.pem", "--tls-cert"]);
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let authority = Authority::new("expired");
    authority.issue_expired();
    let server = authority.serve(&[]);
    let line = server.wait_for_log(|line| line.contains("expired on 2002-03-04"));
    assert!(line.contains("WARN") && line.contains("cert.pem"), "{line}");
    let config = authority.client_config(&[&TLS13]);
    let error = connect(server.tcp(), HOST, config).expect_err("a client that refuses it");
    assert!(error.to_string().contains("xpired"), "{error}");
    authority.issue(HOST, |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    });
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("not valid before 4000-01-01T00:00:00Z"));
}

#[test]
fn a_slow_handshake_is_cut_off() {
    let authority = Authority::new("slow");
    let server = authority.serve(&["-v", "--handshake-timeout", "1"]);
    let mut healthy = member(&authority, &server, "/ws");
    let mut hello = Vec::new();
    let name = HOST.try_into().unwrap();
    let config = std::sync::Arc::new(authority.client_config(&[&TLS13]));
    rustls::ClientConnection::new(config, name)
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    let beginnings = [
        &hello[..0],
        &hello[..1],
        &hello[..hello.len() - 1],
        &hello[..],
    ];
    let mut slow: Vec<_> = beginnings
        .iter()
        .map(|beginning| {
            let mut stream = server.tcp();
            stream.write_all(beginning).unwrap();
            stream
        })
        .collect();
    for stream in &mut slow {
        // Not even with a byte now and then: the end comes, or a reset for what is not read any more.
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let give_up = Instant::now() + PATIENCE;
        let mut space = [0; 4096];
        loop {
            assert!(Instant::now() < give_up, "it is still there");
            match stream.read(&mut space) {
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                _ => {}
            }
        }
    }
    say(&mut healthy, "nobody else noticed");
}

#[test]
fn what_is_no_tls_ends_alone() {
    let authority = Authority::new("garbage");
    let server = authority.serve(&["-v"]);
    let mut healthy = member(&authority, &server, "/ws");
    let mut plain = server.http();
    let answer = plain.ask(get("/"));
    assert_eq!(answer.status, 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("https://"));
    plain.expect_end();
    for seed in 1..50 {
        let mut stream = server.tcp();
        // A record of the handshake by its first byte, or nothing known.
        let first = if seed % 2 == 0 {
            0x16
        } else {
            0x80 + seed as u8
        };
        let _ = stream.write_all(&[&[first, 3, 1, 0, 200][..], &noise(seed, 300)].concat());
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.wait_for_log(|line| line.contains("TLS: ") && line.contains("peer="));
    server.wait_for_log(|line| line.contains("reason=\"TLS failed\""));
    say(&mut healthy, "nobody else noticed");
}

/// TLS to the port for HTTP was so before; this is the other way round, in a crowd.
#[test]
fn strangers_leave_nothing_behind() {
    let authority = Authority::new("strangers");
    let tls = authority.serve(&[]);
    let before = tls.open_files();
    for _ in 0..50 {
        let client = authority.connect(&tls);
        drop(client);
        drop(tls.tcp());
    }
    crate::common::eventually("every descriptor is free", || tls.open_files() == before);
    let plain = Server::start(&[]);
    with_a_healthy_pair(&plain, || {
        for _ in 0..20 {
            assert!(connect(plain.tcp(), HOST, authority.client_config(&[&TLS13])).is_err());
        }
    });
}

#[test]
fn a_slow_reader_is_closed_and_the_others_go_on() {
    let authority = Authority::new("reader");
    let server = authority.serve(&[
        "-v",
        "--max-queue",
        "100000",
        "--close-timeout",
        "1",
        "--no-deflate",
    ]);
    let mut sender = member(&authority, &server, "/ws");
    let stuck = connect(narrow(&server), HOST, authority.client_config(&[&TLS13])).unwrap();
    let mut stuck = upgraded(stuck, "/ws");
    say(&mut sender, "begin");
    expect(&mut stuck, "begin");
    let large = noise(3, 60_000);
    let give_up = Instant::now() + PATIENCE;
    while !server.log().contains("too slow") {
        assert!(Instant::now() < give_up, "nobody was too slow");
        sender.send(large.clone().into()).unwrap();
        expect(&mut sender, large.clone());
    }
    say(&mut sender, "going on");
    // What it had not taken is gone with it: nothing is accounted any more.
    drop(stuck);
    let mut asking = authority.connect(&server);
    crate::common::eventually("memory in flight is free", || {
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        asking.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let mut space = [0; 8192];
        while !text.contains("parlor_uptime_seconds ") || !text.ends_with('\n') {
            let count = asking.read(&mut space).unwrap();
            text.push_str(std::str::from_utf8(&space[..count]).unwrap());
        }
        let line = text
            .lines()
            .find(|line| line.starts_with("parlor_inflight_bytes "));
        let bytes: u64 = line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
        bytes < 10_000
    });
}

#[test]
fn a_drain_says_goodbye_within_tls() {
    let authority = Authority::new("drain");
    let mut server = authority.serve(&[]);
    let mut members: Vec<_> = (0..3).map(|_| member(&authority, &server, "/ws")).collect();
    say(&mut members[0], "last words");
    server.signal("TERM");
    expect(&mut members[1], "last words");
    for socket in &mut members {
        loop {
            match socket.read() {
                Ok(_) => {}
                // After the close frames the end, which TLS has said, too.
                Err(tungstenite::Error::ConnectionClosed) => break,
                Err(error) => panic!("no clean end: {error}"),
            }
        }
    }
    assert!(server.wait().success());
}

/// What a proxy says that passes TLS through comes before the handshake.
#[test]
fn a_proxy_speaks_before_tls() {
    let authority = Authority::new("proxy");
    let server = authority.serve(&["-v", "--trusted-proxy", "127.0.0.1/32"]);
    let mut stream = server.tcp();
    // Version 2 for TCP over IPv4, 12 bytes: both addresses and both ports.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 9, 198, 51, 100, 1]);
    header.extend([4711u16.to_be_bytes(), 443u16.to_be_bytes()].concat());
    stream.write_all(&header).unwrap();
    let mut client = connect(stream, HOST, authority.client_config(&[&TLS13])).unwrap();
    let answer = ask(&mut client, LAST_REQUEST);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(client);
    server.wait_for_log(|line| line.contains("closed peer=203.0.113.9:4711"));
}

/// Frames and requests in one record, and one frame in many.
#[test]
fn records_and_frames_have_nothing_to_do_with_each_other() {
    let authority = Authority::new("records");
    let server = authority.serve(&["--no-deflate"]);
    let mut config = authority.client_config(&[&TLS13]);
    config.max_fragment_size = Some(64);
    let mut client = connect(server.tcp(), HOST, config).unwrap();
    let large = noise(5, 5000);
    let all = [
        upgrade("/ws").as_bytes(),
        &frame(FIN | TEXT, b"one"),
        &frame(FIN | BINARY, &large),
    ]
    .concat();
    client.write_all(&all).unwrap();
    let mut answer = Vec::new();
    let wanted = [
        &[0x81, 3][..],
        b"one",
        &[0x82, 126],
        &5000u16.to_be_bytes(),
        &large,
    ]
    .concat();
    while !answer.ends_with(&wanted) {
        let mut space = [0; 4096];
        let count = client.read(&mut space).unwrap();
        assert_ne!(count, 0, "it ended");
        answer.extend_from_slice(&space[..count]);
    }
}
