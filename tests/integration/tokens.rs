//! Where a token is wanted: what it lets one do at each door, and what happens when it ends.

use std::io::{Read, Write};

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tungstenite::Error;

use crate::common::{
    Client, JsonClient, PATIENCE, SECRET, Server, TestFile, close_of, get, post, token, token_by,
    token_of, unix_seconds, upgrade_with,
};

fn guarded(flags: &[&str]) -> (Server, TestFile) {
    let file = TestFile::new(SECRET);
    let server = Server::start(&[&["--secret-file", file.path()], flags].concat());
    (server, file)
}

/// May read in `tea-…` and the lobby, and speak in `tea-1`.
fn limited(sub: &str) -> String {
    token(json!({"sub": sub, "subscribe": ["tea-*", "lobby"], "publish": ["tea-1"]}))
}

/// A token of someone who may do everything, for a moment.
fn short_lived(sub: &str, seconds: f64) -> String {
    token(
        json!({"sub": sub, "subscribe": ["*"], "publish": ["*"], "exp": unix_seconds() + seconds}),
    )
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The status of an upgrade at the plain door that is refused; 101 for one that is not.
fn plain_status(server: &Server, path: &str) -> u16 {
    match Client::over(server.tcp(), path) {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_page_and_health_are_for_everyone() {
    let (server, _file) = guarded(&[]);
    let mut http = server.http();
    for path in ["/", "/parlor.js", "/healthz", "/readyz"] {
        assert_eq!(http.ask(get(path)).status, 200, "{path}");
    }
    let preflight =
        "OPTIONS /rooms/tea HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n";
    assert_eq!(http.ask(preflight).status, 204);
}

#[test]
fn who_shows_none_is_asked_for_one() {
    let (server, _file) = guarded(&[]);
    let mut http = server.http();
    for path in [
        "/rooms/tea/messages",
        "/rooms/tea/members",
        "/rooms/tea/events",
    ] {
        let response = http.ask(get(path));
        assert_eq!(response.status, 401, "{path}");
        let wanted = response.header("www-authenticate");
        assert_eq!(wanted, Some("Bearer realm=\"parlor\""));
    }
    assert_eq!(http.ask(post("/rooms/tea", "", "x")).status, 401);
    assert_eq!(plain_status(&server, "/ws/tea"), 401);
}

#[test]
fn rights_at_every_door() {
    let (server, _file) = guarded(&[]);
    let token = limited("alice");
    let status = |request: Vec<u8>| server.http().ask(request).status;
    for (room, read, speak) in [("tea-1", 200, 200), ("tea-2", 200, 403), ("tea", 403, 403)] {
        let messages = get(&format!("/rooms/{room}/messages?token={token}"));
        assert_eq!(status(messages.into_bytes()), read, "{room}");
        let members = get(&format!("/rooms/{room}/members?token={token}"));
        assert_eq!(status(members.into_bytes()), read, "{room}");
        let said = post(&format!("/rooms/{room}"), &bearer(&token), "x");
        assert_eq!(status(said), speak, "{room}");
        let upgraded = if read == 200 { 101 } else { 403 };
        let path = format!("/ws/{room}?token={token}");
        assert_eq!(plain_status(&server, &path), upgraded, "{room}");
        let mut events = server.http();
        events.send(get(&format!("/rooms/{room}/events?token={token}")));
        assert_eq!(events.head().status, read, "{room}");
    }
}

#[test]
fn a_stranger_at_the_json_door_logs_in_first() {
    let (server, _file) = guarded(&[]);
    let mut client = JsonClient::stranger(server.tcp(), "/ws/tea-1");
    assert_eq!(client.expect("error")["code"], "token_needed");
    for command in [
        json!({"type": "join", "room": "tea-1"}),
        json!({"type": "publish", "room": "tea-1", "data": 1}),
        json!({"type": "direct", "to": "bob", "data": 1}),
        json!({"type": "history", "room": "tea-1"}),
        json!({"type": "members", "room": "tea-1"}),
        json!({"type": "rooms"}),
        json!({"type": "login", "name": "alice"}),
        json!({"type": "close", "name": "alice"}),
        json!({"type": "empty", "room": "tea-1"}),
    ] {
        assert_eq!(
            client.ask(command.clone())["code"],
            "token_needed",
            "{command}"
        );
    }
    assert_eq!(client.ask(json!({"type": "ping"}))["type"], "pong");
    let welcome = client.ask(json!({"type": "login", "token": limited("Alice")}));
    assert_eq!(welcome["you"]["name"], "Alice");
    assert_eq!(welcome["rights"]["subscribe"], json!(["tea-*", "lobby"]));
    assert_eq!(welcome["rights"]["admin"], false);
    assert!(welcome["rights"]["expires"].as_f64().unwrap() > unix_seconds() * 1000.0);
}

#[test]
fn rights_of_commands() {
    let (server, _file) = guarded(&[]);
    let path = format!("/ws/tea-1?token={}", limited("alice"));
    let mut alice = JsonClient::new(&server, &path);
    alice.expect("joined");
    for (command, code) in [
        (json!({"type": "join", "room": "tea-2"}), Value::Null),
        (
            json!({"type": "join", "room": "secret"}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "history", "room": "secret"}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "members", "room": "secret"}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "publish", "room": "tea-1", "data": 1}),
            Value::Null,
        ),
        (
            json!({"type": "publish", "room": "tea-2", "data": 1}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "login", "name": "bob"}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "login", "token": limited("bob")}),
            json!("bad_token"),
        ),
        (
            json!({"type": "close", "name": "alice"}),
            json!("not_allowed"),
        ),
        (
            json!({"type": "empty", "room": "tea-1"}),
            json!("not_allowed"),
        ),
    ] {
        assert_eq!(alice.ask(command.clone())["code"], code, "{command}");
    }
    let said = post("/rooms/secret", &bearer(&token_of("bob")), "x");
    assert_eq!(server.http().ask(said).status, 200);
    let rooms = alice.ask(json!({"type": "rooms"}));
    let names: Vec<&Value> = rooms["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["tea-1", "tea-2"], "those that one may see");
}

#[test]
fn the_name_is_the_servers_word_at_every_door() {
    let (server, _file) = guarded(&[]);
    let mut tab = JsonClient::new(&server, &format!("/ws/tea?token={}", token_of("Alice")));
    tab.expect("joined");
    let other = JsonClient::new(&server, &format!("/ws?token={}", token_of("Alice")));
    assert_eq!(other.welcome["you"], tab.welcome["you"], "one person");
    let mut plain = server.client(&format!("/ws/tea?token={}", token_of("bob")));
    plain.say("from plain");
    let message = tab.expect("message");
    assert_eq!(
        (&message["from"]["name"], &message["data"]),
        (&json!("bob"), &json!("from plain"))
    );
    server
        .http()
        .ask(post("/rooms/tea", &bearer(&token_of("Alice")), "from curl"));
    let message = tab.expect("message");
    assert_eq!(message["from"]["id"], tab.welcome["you"]["id"]);
    plain.expect("from curl");
}

#[test]
fn who_may_not_speak_at_the_plain_door_is_told_in_the_close() {
    let (server, _file) = guarded(&[]);
    let mut reader = server.client(&format!("/ws/tea-2?token={}", limited("alice")));
    let said = post("/rooms/tea-2", &bearer(&token_of("bob")), "hello");
    assert_eq!(server.http().ask(said).status, 200);
    reader.expect("hello");
    reader.send("me too");
    let close = close_of(&reader.next());
    assert_eq!(close, (1008, "not allowed to speak here".into()));
    let target = format!("/rooms/tea-2/messages?token={}", token_of("bob"));
    let kept = server.http().ask(get(&target)).body;
    assert!(!String::from_utf8(kept).unwrap().contains("me too"));
}

#[test]
fn a_connection_ends_with_its_token() {
    let (server, _file) = guarded(&[]);
    let token = short_lived("alice", 1.5);
    let mut plain = server.client(&format!("/ws/tea?token={token}"));
    let mut json = JsonClient::new(&server, &format!("/ws/tea?token={token}"));
    let mut events = server.tcp();
    write!(
        events,
        "GET /rooms/tea/events?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    assert_eq!(close_of(&plain.next()), (1008, "token expired".into()));
    let bye = json.wait_for("bye");
    assert_eq!(
        (&bye["code"], &bye["reason"]),
        (&json!(1008), &json!("token expired"))
    );
    assert_eq!(
        close_of(&json.socket().next()),
        (1008, "token expired".into())
    );
    let mut stream = String::new();
    events.set_read_timeout(Some(PATIENCE)).unwrap();
    events.read_to_string(&mut stream).unwrap();
    assert!(
        stream.contains("event: bye") && stream.contains("token expired"),
        "{stream}"
    );
}

#[test]
fn a_new_token_in_time_lets_one_stay() {
    let (server, _file) = guarded(&[]);
    let mut alice = JsonClient::new(&server, &format!("/ws?token={}", short_lived("alice", 1.5)));
    for room in ["tea-1", "secret"] {
        assert_eq!(
            alice.ask(json!({"type": "join", "room": room}))["type"],
            "joined"
        );
    }
    let mut witness = JsonClient::new(&server, &format!("/ws?token={}", short_lived("bob", 1.5)));
    alice.send(&json!({"type": "login", "token": limited("alice"), "id": 1}));
    let left = alice.wait_for("left");
    assert_eq!(
        left,
        json!({"type": "left", "room": "secret", "reason": "not allowed by your token"})
    );
    assert_eq!(alice.expect("welcome")["id"], 1);
    // By now hers would have ended, too.
    witness.wait_for("bye");
    assert_eq!(
        alice.ask(json!({"type": "publish", "room": "tea-1", "data": 1}))["type"],
        "ok"
    );
}

#[test]
fn strangers_do_not_stay_for_long() {
    let (server, _file) = guarded(&["--login-timeout", "0.2"]);
    let mut client = JsonClient::stranger(server.tcp(), "/ws");
    assert_eq!(client.expect("error")["code"], "token_needed");
    assert_eq!(client.expect("bye")["reason"], "no token in time");
    assert_eq!(
        close_of(&client.socket().next()),
        (1008, "no token in time".into())
    );
}

#[test]
fn without_a_secret_a_token_is_not_looked_at() {
    let server = Server::start(&[]);
    assert!(server.announcement.contains("open to everyone"));
    let mut client = JsonClient::new(&server, "/ws?token=whatever");
    let answer = client.ask(json!({"type": "login", "name": "alice", "token": "whatever"}));
    assert_eq!(answer["you"]["name"], "alice");
    assert!(answer.get("rights").is_none());
}

#[test]
fn sighup_reads_the_keys_again() {
    let (server, file) = guarded(&["-v"]);
    let mut member = server.client(&format!("/ws/tea?token={}", token_of("alice")));
    let other = "another secret of at least 32 bytes, too";
    let theirs = token_by(
        &Header::new(Algorithm::HS256),
        other,
        json!({"sub": "bob", "subscribe": ["*"]}),
    );
    let status = |token: &str| {
        let target = format!("/rooms/tea/members?token={token}");
        server.http().ask(get(&target)).status
    };
    assert_eq!((status(&token_of("bob")), status(&theirs)), (200, 401));
    std::fs::write(file.path(), other).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("the keys for tokens were read again"));
    assert_eq!((status(&token_of("bob")), status(&theirs)), (401, 200));
    member.say("who is here may stay");
    std::fs::write(file.path(), "short").unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("the old keys for tokens stay"));
    assert_eq!(status(&theirs), 200);
}

#[test]
fn a_name_that_only_looks_the_same_is_somebody_elses() {
    let (server, _file) = guarded(&[]);
    let mut alice = JsonClient::new(&server, &format!("/ws?token={}", token_of("alice")));
    for other in ["ALICE", "\u{ff41}lice", "al\u{131}ce"] {
        let mut stranger = JsonClient::stranger(server.tcp(), "/ws");
        stranger.expect("error");
        let refused = stranger.ask(json!({"type": "login", "token": token_of(other)}));
        assert_eq!(refused["code"], "name_taken", "{refused}");
        let told = stranger.ask(json!({"type": "rooms"}));
        assert_eq!(told["code"], "token_needed", "it stays a stranger");
    }
    let upgrade = upgrade_with(
        &format!("/ws?token={}", token_of("ALICE")),
        "Sec-WebSocket-Protocol: parlor.v1.json\r\n",
    );
    assert_eq!(server.http().ask(upgrade).status, 409);
    let renewed = alice.ask(json!({"type": "login", "token": token_of("Alice")}));
    assert_eq!(renewed["code"], "bad_token", "not even in a new token");
    let again = alice.ask(json!({"type": "login", "token": token_of("alice")}));
    assert_eq!(again["type"], "welcome");
}

#[test]
fn names_of_others_may_be_longer() {
    let (server, _file) = guarded(&[]);
    let sub = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let client = JsonClient::new(&server, &format!("/ws?token={}", token_of(sub)));
    assert_eq!(client.welcome["you"]["name"], sub);
}

/// A retry may come at another door.
#[test]
fn an_id_of_a_message_is_its_senders_at_every_door() {
    let (server, _file) = guarded(&[]);
    let token = token_of("alice");
    let mut client = JsonClient::new(&server, &format!("/ws?token={token}"));
    let publish = json!({"type": "publish", "room": "tea", "data": "x", "dedup": "d1"});
    assert_eq!(client.ask(publish)["offset"], 1);
    let again = post("/rooms/tea?dedup=d1", &bearer(&token), "x");
    let answer: Value = serde_json::from_slice(&server.http().ask(again).body).unwrap();
    assert_eq!(answer["offset"], 1);
}

/// Whoever guesses the id of another's message does not have it taken for said.
#[test]
fn ids_of_messages_are_their_senders_own() {
    let (server, _file) = guarded(&[]);
    let offset = |sub: &str| {
        let said = post("/rooms/tea?dedup=8131", &bearer(&token_of(sub)), sub);
        let answer: Value = serde_json::from_slice(&server.http().ask(said).body).unwrap();
        answer["offset"].as_u64().unwrap()
    };
    assert_eq!(
        ["mallory", "alice", "alice", "mallory"].map(offset),
        [1, 2, 2, 1]
    );
}
