//! The port for datagrams, with what every language has: a socket that sends.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use serde_json::json;
use tungstenite::Message;

use crate::common::{
    Finished, JsonClient, SECRET, Server, TestFile, close_of, eventually, get, run, token,
    token_of, unix_seconds, with_a_healthy_pair,
};

/// A server with a port for datagrams, and the line that names it.
fn start(flags: &[&str]) -> (Server, String) {
    let server = Server::start(&[&["--udp-port", "0"], flags].concat());
    let line = server.next_line();
    (server, line)
}

fn port_of(line: &str) -> u16 {
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Something that sprays datagrams at a server on this machine.
struct Sprayer(UdpSocket);

impl Sprayer {
    fn new(line: &str) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, line)
    }

    /// One that sends from this address.
    fn from(address: impl Into<IpAddr>, line: &str) -> Self {
        let address = address.into();
        let socket = UdpSocket::bind(SocketAddr::new(address, 0)).unwrap();
        let loopback = match address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        socket.connect((loopback, port_of(line))).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn sends(&self, datagram: impl AsRef<[u8]>) {
        self.0.send(datagram.as_ref()).expect("it goes out");
    }

    /// Nothing has come back.
    fn heard_nothing(&self) {
        let error = self.0.recv(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

/// How many datagrams have come to this.
fn count(server: &Server, result: &str) -> u64 {
    count_by(server, result, "")
}

/// The same, asked for with a token.
fn count_by(server: &Server, result: &str, token: &str) -> u64 {
    let path = match token {
        "" => "/metrics".to_owned(),
        token => format!("/metrics?token={token}"),
    };
    let text = String::from_utf8(server.http().ask(get(&path)).body).unwrap();
    let name = format!("parlor_datagrams_total{{result=\"{result}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_datagram_is_a_message() {
    let (server, line) = start(&[]);
    assert!(line.starts_with("parlor listening for datagrams on 127.0.0.1:"));
    let mut plain = server.client("/ws/plant");
    let (mut json, _) = JsonClient::in_room(&server, "plant");
    let sensor = Sprayer::new(&line);
    sensor.sends("plant 21.5\n");
    plain.expect("21.5");
    let first = json.wait_for("message");
    assert_eq!(
        (&first["data"], &first["offset"]),
        (&json!("21.5"), &json!(1))
    );
    let name = first["from"]["name"].as_str().unwrap();
    assert!(name.starts_with("guest-"), "{name}");
    // The same address is the same guest, whatever the port.
    Sprayer::new(&line).sends("plant  two\nlines ");
    plain.expect(" two\nlines ");
    assert_eq!(json.wait_for("message")["from"], first["from"]);
    // A room begins with it, and remembers it.
    sensor.sends("茶室 grün");
    eventually("it is said", || count(&server, "taken") == 3);
    let path = "/rooms/%E8%8C%B6%E5%AE%A4/messages";
    let history = String::from_utf8(server.http().ask(get(path)).body).unwrap();
    assert!(history.contains("\"data\":\"grün\""), "{history}");
    sensor.heard_nothing();
}

#[test]
fn both_loopback_addresses_are_the_port() {
    let (server, line) = start(&[]);
    let mut member = server.client("/ws/plant");
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        assert!(!line.contains(" and "), "{line}");
        return;
    }
    assert!(line.contains(" and [::1]:"), "{line}");
    Sprayer::from(Ipv6Addr::LOCALHOST, &line).sends("plant six");
    member.expect("six");
    Sprayer::new(&line).sends("plant four");
    member.expect("four");
}

#[test]
fn it_is_bound_where_it_is_told_to_be() {
    for flags in [["--bind", "127.0.0.1"], ["--udp-bind", "127.0.0.1"]] {
        let (server, line) = start(&flags);
        assert!(!line.contains(" and "), "{line}");
        let mut member = server.client("/ws/plant");
        Sprayer::new(&line).sends("plant here");
        member.expect("here");
    }
    let (server, line) = start(&["--bind", "127.0.0.1", "--udp-bind", "0.0.0.0"]);
    assert!(line.contains(" 0.0.0.0:"), "{line}");
    let mut member = server.client("/ws/plant");
    Sprayer::from(Ipv4Addr::new(127, 0, 0, 9), &line).sends("plant anywhere");
    member.expect("anywhere");
}

#[test]
fn what_cannot_be_taken_is_dropped_and_counted() {
    let (server, line) = start(&["--max-message", "100", "--max-rooms", "1", "-vv"]);
    let mut member = server.client("/ws/plant");
    let sensor = Sprayer::new(&line);
    let long = format!("plant {}", "x".repeat(101));
    for (datagram, result) in [
        (&b""[..], "no_text"),
        (b"\n", "no_text"),
        (b"plant", "no_text"),
        (b"plant \n", "no_text"),
        (b"plant \xff\xfe", "not_utf8"),
        (b"pl\xc3 21.5", "not_utf8"),
        (b" 21.5", "bad_room"),
        (b"../plant 21.5", "bad_room"),
        (b"plant\n21.5 degrees", "bad_room"),
        (long.as_bytes(), "too_long"),
        (&[b'x'; 60_000], "no_text"),
        (b"tea full", "too_many_rooms"),
    ] {
        let before = count(&server, result);
        sensor.sends(datagram);
        let what = String::from_utf8_lossy(&datagram[..datagram.len().min(20)]);
        eventually(&format!("{what} is {result}"), || {
            count(&server, result) == before + 1
        });
    }
    sensor.sends(&long[..106]);
    member.expect("x".repeat(100).as_str());
    assert_eq!(count(&server, "taken"), 1);
    assert_eq!(server.metric("parlor_messages_received_total"), 1);
    sensor.heard_nothing();
    // Each with its reason, and none with what it said.
    let line = server.wait_for_log(|line| line.contains("bytes=13 result=bad_room"));
    assert!(
        line.contains("dropped a datagram peer=127.0.0.1:"),
        "{line}"
    );
    server.wait_for_log(|line| line.contains("result=too_many_rooms"));
    let log = server.log();
    assert!(!log.contains("degrees"), "{log}");
}

#[test]
fn the_longest_datagram_there_is() {
    let (server, line) = start(&["--max-message", "1000000"]);
    let mut member = server.client("/ws/plant");
    // An IPv4 packet has 65535 bytes, 28 of which are headers.
    let text = "x".repeat(65_507 - "plant ".len());
    Sprayer::new(&line).sends(format!("plant {text}"));
    member.expect(text.as_str());
}

#[test]
fn who_sends_too_fast_is_not_heard_and_others_are() {
    let (server, line) = start(&["--rate", "5"]);
    let mut member = server.client("/ws/plant");
    let fast = Sprayer::new(&line);
    for number in 0..100 {
        fast.sends(format!("plant {number}"));
    }
    for number in 0..10 {
        member.expect(number.to_string().as_str());
    }
    eventually("all are counted", || {
        count(&server, "taken") + count(&server, "rate_limited") == 100
    });
    assert!(count(&server, "rate_limited") > 50);
    Sprayer::from(Ipv4Addr::new(127, 0, 0, 2), &line).sends("plant patient");
    while member.next() != Message::text("patient") {}
}

#[test]
fn a_flood_leaves_the_others_alone() {
    for flags in [&["--rate", "0"][..], &[]] {
        let (server, line) = start(flags);
        with_a_healthy_pair(&server, || {
            let flooder = Sprayer::new(&line);
            let long = format!("flood {}", "0123456789".repeat(6000));
            let mut sent = 0;
            while sent < 100_000 {
                // Some wait in the kernel, and some do not find a place there.
                flooder.sends("flood small");
                flooder.sends(if sent % 100 == 0 { &long } else { "flood" });
                sent += 2;
            }
        });
        assert!(count(&server, "taken") > 100);
        assert!(count(&server, "no_text") > 100 || count(&server, "rate_limited") > 100);
    }
}

#[test]
fn where_a_token_is_wanted_it_comes_first() {
    let file = TestFile::new(SECRET);
    let (server, line) = start(&["--secret-file", file.path(), "-vv"]);
    let alice = token_of("alice");
    let mut member = server.client(&format!("/ws/plant?token={alice}"));
    let sensor = Sprayer::new(&line);
    let boiler =
        |exp| token(json!({"sub": "boiler", "subscribe": [], "publish": ["plant"], "exp": exp}));
    let good = boiler(unix_seconds() + 3600.0);
    for (datagram, result) in [
        ("plant 21.5".to_owned(), "no_text"),
        ("plant 21.5 degrees".to_owned(), "bad_token"),
        (format!("{good}x plant 21.5"), "bad_token"),
        (
            format!("{} plant 21.5", boiler(unix_seconds() - 60.0)),
            "bad_token",
        ),
        (format!("{good} tea 21.5"), "not_allowed"),
        (format!("{good} plant"), "no_text"),
    ] {
        let before = count_by(&server, result, &alice);
        sensor.sends(&datagram);
        eventually(result, || count_by(&server, result, &alice) == before + 1);
    }
    sensor.sends(format!("{good} plant 21.5\n"));
    member.expect("21.5");
    let path = format!("/rooms/plant/messages?token={alice}");
    let history = String::from_utf8(server.http().ask(get(&path)).body).unwrap();
    assert!(history.contains("\"name\":\"boiler\""), "{history}");
    assert!(!server.log().contains(&good[..20]));
}

#[test]
fn it_ends_with_the_server() {
    let (mut server, line) = start(&["--close-timeout", "60", "--drain-timeout", "60"]);
    let mut member = server.client("/ws/plant");
    let sensor = Sprayer::new(&line);
    server.signal("TERM");
    assert_eq!(close_of(&member.next()).0, 1001);
    // Nobody is there any more, of which the machine itself tells.
    eventually("the port is free", || sensor.0.send(b"plant 21.5").is_err());
    drop(member);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_port_in_use_is_said_so() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let Finished { status, stderr, .. } = run(&["--port", "0", "--udp-port", &port]);
    assert_eq!(status.code(), Some(1));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = format!("parlor: cannot receive datagrams on 127.0.0.1:{port}: ");
    assert!(
        stderr.starts_with(&expected) && stderr.contains("--udp-port"),
        "{stderr}"
    );
    let usage = run(&["--port", "0", "--udp-bind", "127.0.0.1"]);
    assert_eq!(usage.status.code(), Some(2), "{}", usage.stderr);
    assert!(usage.stderr.contains("--udp-port"), "{}", usage.stderr);
}
