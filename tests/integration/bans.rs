//! Bans: who is put out, who is refused at which door, and how a ban ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use crate::common::{
    Data, Events, JsonClient, PATIENCE, SECRET, Server, TestFile, close_of, eventually, get, post,
    token, token_of,
};

pub(crate) fn admin() -> String {
    token(json!({"sub": "root", "admin": true, "subscribe": ["*"], "publish": ["*"]}))
}

fn guarded(flags: &[&str]) -> (Server, TestFile) {
    let file = TestFile::new(SECRET);
    let flags = [&["--secret-file", file.path()], flags].concat();
    (Server::start(&flags), file)
}

fn with_token(request: &str, token: &str) -> String {
    request.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1)
}

fn put(body: &Value, fields: &str) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "PUT /bans HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Bans somebody, and gives the ban.
pub(crate) fn ban(server: &Server, body: &Value) -> Value {
    let response = server.http().ask(with_token(&put(body, ""), &admin()));
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_slice(&response.body).unwrap()
}

/// Lifts a ban, and gives the status.
pub(crate) fn lift(server: &Server, query: &str) -> u16 {
    let request = format!("DELETE /bans?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.http().ask(with_token(&request, &admin())).status
}

pub(crate) fn list(server: &Server) -> Value {
    let response = server.http().ask(with_token(&get("/bans"), &admin()));
    serde_json::from_slice(&response.body).unwrap()
}

/// What somebody is answered who asks over HTTP.
fn asks(server: &Server, request: &str, token: &str) -> (u16, Value) {
    let response = server.http().ask(with_token(request, token));
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status, body)
}

const CLOSED: (u16, &str) = (1008, "banned by an admin");

#[test]
fn a_ban_from_the_server_closes_every_door() {
    let (server, _file) = guarded(&[]);
    let mallory = token_of("Mallory");
    let mut json = JsonClient::new(&server, &format!("/ws/tea?token={mallory}"));
    json.expect("joined");
    let mut plain = server.client(&format!("/ws/tea?token={mallory}"));
    let mut events = Events::open(&server, &format!("/rooms/tea/events?token={mallory}"), "");
    let mut feed = Events::open(&server, &format!("/events?room=tea&token={mallory}"), "");
    let mut bob = JsonClient::new(&server, &format!("/ws/tea?token={}", token_of("bob")));
    let told = ban(&server, &json!({"name": "mallory", "reason": "spam"}));
    assert_eq!(
        (&told["name"], &told["by"]),
        (&json!("mallory"), &json!("root"))
    );
    let error = json.wait_for("error");
    assert_eq!(error["code"], "banned", "{error}");
    assert_eq!(error["message"], "you are banned here: spam");
    assert_eq!(error["ban"], json!({"reason": "spam"}));
    assert_eq!(json.wait_for("bye")["reason"], CLOSED.1);
    for socket in [json.socket(), &mut plain] {
        assert_eq!(close_of(&socket.next()), (CLOSED.0, CLOSED.1.into()));
    }
    for stream in [&mut events, &mut feed] {
        while stream.next().kind != "bye" {}
    }
    // They do not come back.
    let mut json = JsonClient::stranger(server.tcp(), &format!("/ws?token={mallory}"));
    assert_eq!(json.expect("error")["code"], "banned");
    assert_eq!(json.expect("bye")["reason"], CLOSED.1);
    let mut late = JsonClient::stranger(server.tcp(), "/ws");
    late.expect("error");
    let refused = late.ask(json!({"type": "login", "token": mallory}));
    assert_eq!(refused["code"], "banned");
    assert_eq!(late.expect("bye")["reason"], CLOSED.1);
    for path in [
        "/rooms/tea/messages",
        "/rooms/tea/members",
        "/rooms/tea/events",
        "/events?room=tea",
        "/events?room=t*",
    ] {
        let (status, problem) = asks(&server, &get(path), &mallory);
        assert_eq!(
            (status, &problem["ban"]["reason"]),
            (403, &json!("spam")),
            "{path}"
        );
    }
    let said = post("/rooms/tea", "", "buy now");
    let said = String::from_utf8(said).unwrap();
    assert_eq!(asks(&server, &said, &mallory).0, 403);
    assert_eq!(
        bob.ask(json!({"type": "members", "room": "tea"}))["count"],
        1
    );
    // Until that is lifted, by any name that looks the same.
    assert_eq!(lift(&server, "name=MALLORY"), 204);
    assert_eq!(lift(&server, "name=MALLORY"), 404);
    assert_eq!(asks(&server, &said, &mallory).0, 200);
    server.wait_for_log(|line| line.contains("root bans mallory everywhere"));
    server.wait_for_log(|line| line.contains("root lifts the ban of mallory everywhere"));
}

#[test]
fn a_ban_from_a_room_leaves_the_others() {
    let (server, _file) = guarded(&[]);
    let mallory = token_of("mallory");
    let mut json = JsonClient::new(&server, &format!("/ws?token={mallory}"));
    for room in ["tea", "tea-2", "coffee"] {
        assert_eq!(
            json.ask(json!({"type": "join", "room": room}))["type"],
            "joined"
        );
    }
    let mut plain = server.client(&format!("/ws/tea?token={mallory}"));
    let mut root = JsonClient::new(&server, &format!("/ws?token={}", admin()));
    let done = root.ask(json!({"type": "ban", "name": "mallory", "room": "tea*", "seconds": 600}));
    assert_eq!(done["type"], "ok", "{done}");
    let mut left = Vec::new();
    for _ in 0..2 {
        let error = json.expect("error");
        assert_eq!(error["code"], "banned");
        assert_eq!(error["ban"]["room"], "tea*");
        assert!(error["ban"]["until"].is_u64());
        let event = json.expect("left");
        assert_eq!(event["reason"], CLOSED.1);
        left.push(event["room"].as_str().unwrap().to_owned());
    }
    left.sort();
    assert_eq!(left, ["tea", "tea-2"]);
    assert_eq!(close_of(&plain.next()), (CLOSED.0, CLOSED.1.into()));
    for command in [
        json!({"type": "join", "room": "tea"}),
        json!({"type": "publish", "room": "tea", "data": "x"}),
        json!({"type": "history", "room": "tea"}),
        json!({"type": "members", "room": "tea"}),
    ] {
        assert_eq!(json.ask(command.clone())["code"], "banned", "{command}");
    }
    let copies = json.ask(json!({"type": "publish", "rooms": ["tea", "coffee"], "data": "x"}));
    let told = copies["rooms"].as_array().unwrap();
    assert_eq!(
        (&told[0]["code"], &told[0]["ban"]["room"]),
        (&json!("banned"), &json!("tea*"))
    );
    assert!(told[1]["offset"].is_u64(), "{copies}");
    let said = post("/rooms/tea,coffee", "", "x");
    let (status, body) = asks(&server, &String::from_utf8(said).unwrap(), &mallory);
    assert_eq!((status, &body["rooms"][0]["status"]), (207, &json!(403)));
    assert_eq!(asks(&server, &get("/rooms/tea/messages"), &mallory).0, 403);
    assert_eq!(
        asks(&server, &get("/rooms/coffee/messages"), &mallory).0,
        200
    );
    // A pattern leads into the others alone.
    assert_eq!(
        json.ask(json!({"type": "leave", "room": "coffee"}))["type"],
        "ok"
    );
    assert_eq!(json.ask(json!({"type": "join", "room": "*"}))["type"], "ok");
    assert_eq!(json.wait_for("joined")["room"], "coffee");
    let bans = root.ask(json!({"type": "bans"}));
    assert_eq!(bans["bans"][0]["room"], "tea*", "{bans}");
    assert_eq!(list(&server)["bans"], bans["bans"]);
    let lifted = json!({"type": "unban", "name": "mallory", "room": "tea*"});
    assert_eq!(json.ask(lifted.clone())["code"], "not_allowed");
    assert_eq!(root.ask(lifted)["type"], "ok");
    assert_eq!(
        json.ask(json!({"type": "join", "room": "tea"}))["type"],
        "joined"
    );
}

#[test]
fn a_ban_ends_in_its_time() {
    let (server, _file) = guarded(&[]);
    let mallory = token_of("mallory");
    ban(&server, &json!({"name": "mallory", "seconds": 1}));
    assert_eq!(asks(&server, &get("/rooms/tea/messages"), &mallory).0, 403);
    eventually("it has ended", || {
        asks(&server, &get("/rooms/tea/messages"), &mallory).0 == 200
    });
    assert_eq!(list(&server)["bans"], json!([]));
}

#[test]
fn an_admin_is_never_banned() {
    let (server, _file) = guarded(&[]);
    let mut root = JsonClient::new(&server, &format!("/ws/tea?token={}", admin()));
    ban(&server, &json!({"address": "127.0.0.0/8"}));
    ban(&server, &json!({"name": "root"}));
    assert_eq!(root.ask(json!({"type": "ping"}))["type"], "pong");
    assert_eq!(
        asks(&server, &get("/rooms/tea/messages"), &token_of("bob")).0,
        403
    );
    assert_eq!(asks(&server, &get("/rooms/tea/messages"), &admin()).0, 200);
    assert_eq!(lift(&server, "address=127.0.0.0/8"), 204);
}

#[test]
fn addresses_are_those_of_clients_behind_a_trusted_proxy() {
    let server = Server::start(&["--trusted-proxy", "127.0.0.1"]);
    let status = |request: &str, client: &str| {
        let field = format!("X-Forwarded-For: {client}\r\nHost:");
        server
            .http()
            .ask(request.replacen("Host:", &field, 1))
            .status
    };
    let read = get("/rooms/tea/messages");
    // Without tokens, this machine bans.
    let body = json!({"address": "203.0.113.0/24"});
    assert_eq!(status(&put(&body, ""), "198.51.100.1"), 403);
    assert_eq!(server.http().ask(put(&body, "")).status, 200);
    assert_eq!(status(&read, "203.0.113.9"), 403);
    assert_eq!(status(&read, "198.51.100.1"), 200);
    assert_eq!(server.http().ask(get("/")).status, 200);
    let response = server.http().ask(put(&json!({"name": "mallory"}), ""));
    let problem: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(response.status, 403);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("names are free here")
    );
    let lifted = "DELETE /bans?name=mallory HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(server.http().ask(lifted).status, 404);
}

#[test]
fn lines_and_datagrams_are_refused_too() {
    let (server, _file) = guarded(&["--line-port", "0", "--udp-port", "0"]);
    let port = |line: String| -> u16 {
        let digits = line.split_once("127.0.0.1:").unwrap().1;
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse().unwrap()
    };
    let (mut lines, mut datagrams) = (None, None);
    for _ in 0..2 {
        let line = server.next_line();
        match line.contains("datagrams") {
            true => datagrams = Some(port(line)),
            false => lines = Some(line.rsplit_once(':').unwrap().1.parse::<u16>().unwrap()),
        }
    }
    let mallory = token_of("mallory");
    let type_in = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, lines.unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut typist = BufReader::new(stream);
        writeln!(typist.get_mut(), "/login {mallory}").unwrap();
        typist
    };
    let sees = |typist: &mut BufReader<TcpStream>, wanted: &str| {
        let mut line = String::new();
        while !line.starts_with(wanted) {
            line.clear();
            assert!(
                typist.read_line(&mut line).unwrap() > 0,
                "the end, before {wanted:?}"
            );
        }
    };
    let mut typist = type_in();
    sees(&mut typist, "* you are mallory in lobby");
    ban(&server, &json!({"name": "mallory", "room": "lobby"}));
    sees(&mut typist, "* you are out of lobby: banned by an admin");
    writeln!(typist.get_mut(), "/join lobby").unwrap();
    sees(&mut typist, "! you are banned from lobby");
    ban(&server, &json!({"name": "mallory"}));
    sees(&mut typist, "! you are banned here");
    assert_eq!(typist.read_line(&mut String::new()).unwrap(), 0);
    let mut typist = type_in();
    sees(&mut typist, "! you are banned here");
    assert_eq!(typist.read_line(&mut String::new()).unwrap(), 0);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .send_to(
            format!("{mallory} tea 21.5").as_bytes(),
            (Ipv4Addr::LOCALHOST, datagrams.unwrap()),
        )
        .unwrap();
    eventually("the datagram is counted", || {
        let metrics = server.http().ask(with_token(&get("/metrics"), &admin()));
        let text = String::from_utf8(metrics.body).unwrap();
        assert!(text.contains("parlor_bans 2"));
        text.contains("parlor_datagrams_total{result=\"banned\"} 1")
    });
}

#[test]
fn what_is_wrong_with_a_ban_is_said() {
    let (server, _file) = guarded(&[]);
    for (body, part) in [
        (json!({}), "name says who"),
        (
            json!({"name": "a", "address": "192.0.2.1"}),
            "name says who",
        ),
        (json!({"address": "nowhere"}), "192.0.2.0/24"),
        (json!({"name": "a", "room": "a b"}), "no room"),
        (json!({"name": "a", "seconds": 0}), "leave it out"),
        (json!({"name": "a", "reason": "x".repeat(301)}), "300 bytes"),
        (json!({"nick": "a"}), "nick"),
        (json!(["a"]), "an object"),
    ] {
        let (status, problem) = asks(&server, &put(&body, ""), &admin());
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(
            status == 400 && detail.contains(part),
            "{body}: {status} {detail}"
        );
    }
    assert_eq!(
        asks(&server, &put(&json!({"name": "a"}), ""), &token_of("bob")).0,
        403
    );
    assert_eq!(
        server.http().ask(put(&json!({"name": "a"}), "")).status,
        401
    );
    let afar = get("/bans").replace("Host:", "X-Forwarded-For: 192.0.2.1\r\nHost:");
    assert_eq!(asks(&server, &afar, &token_of("bob")).0, 403);
    assert_eq!(asks(&server, &get("/bans?name=a"), &admin()).0, 400);
    let foreign = put(&json!({"name": "a"}), "Origin: http://elsewhere\r\n");
    assert_eq!(asks(&server, &foreign, &admin()).0, 403);
    assert_eq!(lift(&server, "name=a"), 404);
    assert_eq!(lift(&server, ""), 400);
}

#[test]
fn bans_outlive_a_server_until_they_end() {
    let file = TestFile::new(SECRET);
    let data = Data::new();
    let flags = ["--secret-file", file.path()];
    let mut server = data.serve(&flags);
    for body in [
        json!({"name": "mallory", "room": "tea", "reason": "spam"}),
        json!({"name": "trudy", "seconds": 1}),
        json!({"address": "192.0.2.0/24"}),
        json!({"name": "bob"}),
    ] {
        ban(&server, &body);
    }
    assert_eq!(lift(&server, "name=bob"), 204);
    server.signal("TERM");
    server.wait();
    let mut server = data.serve(&flags);
    let read = get("/rooms/tea/messages");
    let (status, problem) = asks(&server, &read, &token_of("mallory"));
    assert_eq!((status, &problem["ban"]["reason"]), (403, &json!("spam")));
    assert_eq!(asks(&server, &read, &token_of("bob")).0, 200);
    eventually("the short one has ended", || {
        asks(&server, &read, &token_of("trudy")).0 == 200
    });
    server.signal("TERM");
    server.wait();
    let server = data.serve(&flags);
    let bans = list(&server);
    let mut whom: Vec<String> = bans["bans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{}{}", it["name"], it["address"]))
        .collect();
    whom.sort();
    assert_eq!(whom, ["\"mallory\"null", "null\"192.0.2.0/24\""]);
}
