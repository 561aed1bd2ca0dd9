//! Names at every door: who looks like somebody who is here, what is not seen in a name, and who speaks by POST.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use crate::common::{
    JsonClient, PATIENCE, SECRET, Server, TestFile, eventually, get, post, token_of, upgrade,
    upgrade_with,
};

const JSON_DOOR: &str = "Sec-WebSocket-Protocol: parlor.v1.json\r\n";

fn port_of(line: &str) -> u16 {
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// What someone at the line port is told after these lines, in a line that begins so.
fn told_on_line(port: u16, lines: &str, beginning: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    let mut told = BufReader::new(stream).lines();
    told.find_map(|line| line.ok().filter(|line| line.starts_with(beginning)))
        .expect("a line that begins so")
}

#[test]
fn nobody_comes_in_who_looks_like_somebody_who_is_here() {
    let file = TestFile::new(SECRET);
    let flags = ["--secret-file", file.path(), "--line-port", "0"];
    let server = Server::start(&[&flags[..], &["--udp-port", "0"]].concat());
    let lines = port_of(&server.next_line());
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let udp_port = port_of(&server.next_line());
    // At the plain door, at the JSON door, and at a stream of events.
    let _plain = server.client(&format!("/ws/tea?token={}", token_of("carol")));
    let _json = JsonClient::new(&server, &format!("/ws?token={}", token_of("dave")));
    let mut stream = server.http();
    stream.send(get(&format!(
        "/rooms/tea/events?token={}",
        token_of("erin")
    )));
    assert_eq!(stream.head().status, 200);
    let mut dropped = 0;
    for (other, own) in [
        ("CAROL", "carol"),
        ("c\u{430}rol", "carol"),
        ("DAVE", "dave"),
        ("d\u{430}ve", "dave"),
        ("Erin", "erin"),
        ("\u{435}rin", "erin"),
    ] {
        let [theirs, owns] = [other, own].map(token_of);
        for (token, is_let_in) in [(&theirs, false), (&owns, true)] {
            let mut http = server.http();
            let mut status = |request: Vec<u8>| http.ask(request).status;
            let posted = status(post(&format!("/rooms/tea?token={token}"), "", "hello"));
            assert_eq!(posted, if is_let_in { 200 } else { 409 }, "{other} by POST");
            let target = format!("/ws/tea?token={token}");
            for request in [upgrade(&target), upgrade_with(&target, JSON_DOOR)] {
                let status = server.http().ask(request).status;
                assert_eq!(status, if is_let_in { 101 } else { 409 }, "{other}");
            }
            let mut events = server.http();
            events.send(get(&format!("/rooms/tea/events?token={token}")));
            let status = events.head().status;
            assert_eq!(status, if is_let_in { 200 } else { 409 }, "{other}");
            let login = format!("/login {token}\n");
            match is_let_in {
                true => told_on_line(lines, &login, &format!("* you are {own}")),
                false => told_on_line(lines, &login, "! somebody else is here"),
            };
            let datagram = format!("{token} tea hello");
            udp.send_to(datagram.as_bytes(), (Ipv4Addr::LOCALHOST, udp_port))
                .unwrap();
            dropped += u64::from(!is_let_in);
        }
    }
    let metric = "parlor_datagrams_total{result=\"name_taken\"}";
    let metrics = || {
        let mut http = server.http();
        let token = crate::common::token(json!({"sub": "root", "admin": true}));
        let response = http.ask(get(&format!("/metrics?token={token}")));
        String::from_utf8(response.body).unwrap()
    };
    eventually("six datagrams are dropped", || {
        metrics().contains(&format!("{metric} {dropped}\n"))
    });
}

#[test]
fn a_name_is_free_when_its_last_connection_is_gone() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    let carol = server.client(&format!("/ws/tea?token={}", token_of("carol")));
    let status = || {
        let target = format!("/ws/tea?token={}", token_of("CAROL"));
        server.http().ask(upgrade(&target)).status
    };
    assert_eq!(status(), 409);
    carol.leave();
    eventually("carol is gone", || status() == 101);
}

#[test]
fn a_token_may_name_people_of_any_script() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    for sub in [
        "می\u{200c}خواهم",
        "അവന്\u{200d}",
        "👨\u{200d}👩\u{200d}👧\u{200d}👦",
        "Анна",
    ] {
        let client = JsonClient::new(&server, &format!("/ws?token={}", token_of(sub)));
        assert_eq!(client.welcome["you"]["name"], sub);
    }
}

#[test]
fn what_is_not_seen_is_in_no_name_of_a_person_or_a_room() {
    let server = Server::start(&["--line-port", "0"]);
    let lines = port_of(&server.next_line());
    let mut client = JsonClient::new(&server, "/ws");
    for unseen in [
        '\u{202e}', '\u{2066}', '\u{200b}', '\u{200c}', '\u{feff}', '\u{3164}',
    ] {
        let name = format!("a{unseen}b");
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = client.ask(json!({"type": "login", "name": name}));
        assert_eq!(answer["code"], "bad_name", "{answer}");
        let answer = client.ask(json!({"type": "join", "room": name}));
        assert_eq!(answer["code"], "bad_room", "{answer}");
        let posted = post(&format!("/rooms/tea?name={encoded}"), "", "x");
        assert_eq!(server.http().ask(posted).status, 400);
        for request in [
            post(&format!("/rooms/{encoded}"), "", "x"),
            get(&format!("/rooms/{encoded}/messages")).into_bytes(),
            upgrade(&format!("/ws/{encoded}")).into_bytes(),
        ] {
            assert_eq!(server.http().ask(request).status, 400, "{unseen:?}");
        }
        let told = told_on_line(lines, &format!("/nick x{name}\n/who\n"), "* 1 in lobby");
        assert!(!told.contains(unseen), "{told}");
    }
}

#[test]
fn a_post_speaks_under_a_name_that_nobody_has() {
    let server = Server::start(&[]);
    let mut member = JsonClient::in_room(&server, "tea").0;
    // Each on a connection of its own, as curl has: a refused POST ends its connection.
    let status = |name: &str| {
        let request = post(&format!("/rooms/tea?name={name}"), "", "hello");
        server.http().ask(request).status
    };
    assert_eq!(status("ci"), 200);
    let said = member.wait_for("message");
    assert_eq!(
        (&said["from"]["name"], &said["data"]),
        (&json!("ci"), &json!("hello"))
    );
    let mut ana = JsonClient::new(&server, "/ws");
    assert_eq!(
        ana.ask(json!({"type": "login", "name": "ana"}))["you"]["name"],
        "ana"
    );
    for taken in ["ana", "ANA", "%D0%B0n%D0%B0"] {
        let expected = if taken.starts_with('%') { 400 } else { 409 };
        assert_eq!(status(taken), expected, "{taken}");
    }
    for bad in ["", "guest-1", "a%0Ab", "*%20bob", &"x".repeat(33)] {
        assert_eq!(status(bad), 400, "{bad}");
    }
    // A POST holds no name.
    assert_eq!(status("ben"), 200);
    assert_eq!(
        ana.ask(json!({"type": "login", "name": "ben"}))["you"]["name"],
        "ben"
    );
    assert_eq!((status("ben"), status("ana")), (409, 200));
}

#[test]
fn the_name_in_a_token_is_the_only_one() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    let status = |name: &str| {
        let target = format!("/rooms/tea?name={name}&token={}", token_of("ana"));
        server.http().ask(post(&target, "", "hello")).status
    };
    assert_eq!(
        (status("ana"), status("Ana"), status("ben")),
        (200, 403, 403)
    );
}

/// A guest's name, and an id, are of one process: another's are not taken for them.
#[test]
fn guests_of_another_process_have_other_names() {
    let you = || -> Value {
        let server = Server::start(&[]);
        JsonClient::new(&server, "/ws").welcome["you"].clone()
    };
    let (before, after) = (you(), you());
    assert_ne!(before["name"], after["name"]);
    assert_ne!(before["id"], after["id"]);
}
