//! What an admin's token allows.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::common::{
    JsonClient, PATIENCE, SECRET, Server, TestFile, close_of, get, post, token, token_of,
};

fn guarded() -> (Server, TestFile) {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    (server, file)
}

fn admin() -> String {
    token(json!({"sub": "root", "admin": true}))
}

fn delete(path: &str, token: &str) -> String {
    format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[test]
fn an_admin_closes_a_user_at_every_door() {
    let (server, _file) = guarded();
    let mallory = token_of("Mallory");
    let mut json = JsonClient::new(&server, &format!("/ws/tea?token={mallory}"));
    json.expect("joined");
    let mut plain = server.client(&format!("/ws/tea?token={mallory}"));
    let mut events = server.tcp();
    events.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        events,
        "GET /rooms/tea/events?token={mallory} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut bystander = server.client(&format!("/ws/tea?token={}", token_of("bob")));
    // The stream is open once its reader is told of what is said.
    bystander.say("hello");
    let mut first = [0; 15];
    events.read_exact(&mut first).unwrap();

    let mut root = JsonClient::new(&server, &format!("/ws?token={}", admin()));
    let done = root.ask(json!({"type": "close", "name": "mallory"}));
    assert_eq!(done["type"], "ok", "{done}");
    let closed = (1008, "closed by an admin".into());
    assert_eq!(json.wait_for("bye")["reason"], "closed by an admin");
    assert_eq!(close_of(&json.socket().next()), closed);
    plain.expect("hello");
    assert_eq!(close_of(&plain.next()), closed);
    let mut stream = String::new();
    events.read_to_string(&mut stream).unwrap();
    assert!(stream.contains("closed by an admin"), "{stream}");
    bystander.say("still here");
    let nobody = root.ask(json!({"type": "close", "name": "mallory"}));
    assert_eq!(nobody["code"], "no_such_user");
    server.wait_for_log(|line| line.contains("root closes mallory"));
}

#[test]
fn an_admin_empties_a_room() {
    let (server, _file) = guarded();
    let (mut alice, joined) = {
        let mut alice = JsonClient::new(&server, &format!("/ws?token={}", token_of("alice")));
        let joined = alice.ask(json!({"type": "join", "room": "tea"}));
        (alice, joined)
    };
    let mut plain = server.client(&format!("/ws/tea?token={}", token_of("bob")));
    plain.say("to be forgotten");
    let status = |request: String| server.http().ask(request).status;
    assert_eq!(status(delete("/rooms/tea", &token_of("bob"))), 403);
    assert_eq!(status(delete("/rooms/tea", &admin())), 204);
    let left = alice.wait_for("left");
    assert_eq!(left["reason"], "room emptied by an admin");
    assert_eq!(
        close_of(&plain.next()),
        (1008, "room emptied by an admin".into())
    );
    let again = alice.ask(json!({"type": "join", "room": "tea", "last": 10}));
    assert_ne!(again["epoch"], joined["epoch"]);
    assert_eq!(
        (&again["messages"], &again["count"]),
        (&json!([]), &json!(1))
    );
}

#[test]
fn an_admin_sees_all_rooms() {
    let (server, _file) = guarded();
    let said = post(
        "/rooms/secret",
        &format!("Authorization: Bearer {}\r\n", token_of("bob")),
        "x",
    );
    assert_eq!(server.http().ask(said).status, 200);
    let mut root = JsonClient::new(&server, &format!("/ws?token={}", admin()));
    let rooms = root.ask(json!({"type": "rooms"}));
    assert_eq!(rooms["rooms"], json!([{"name": "secret", "count": 0}]));
    // As seen through a proxy, which tells for whom it asks.
    let ask = |path: &str, token: &str| {
        let fields =
            format!("\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer {token}\r\n\r\n");
        server
            .http()
            .ask(get(path).replace("\r\n\r\n", &fields))
            .status
    };
    for path in ["/metrics", "/rooms"] {
        assert_eq!(
            (ask(path, &admin()), ask(path, &token_of("bob"))),
            (200, 403),
            "{path}"
        );
    }
}

#[test]
fn what_only_an_admin_may() {
    let (server, _file) = guarded();
    let status = |request: &str| server.http().ask(request).status;
    for path in ["/people/bob", "/rooms/tea"] {
        let stranger = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(status(&stranger), 401);
        assert_eq!(status(&delete(path, &token_of("bob"))), 403);
        let foreign = delete(path, &admin())
            .replace("Host: localhost", "Host: localhost\r\nOrigin: http://b");
        assert_eq!(status(&foreign), 403);
    }
    assert_eq!(status(&delete("/people/nobody", &admin())), 404);
    assert_eq!(status(&get("/people/bob")), 405);
    let path = format!("/ws?token={}", token_of("b\u{e9} b"));
    let mut client = JsonClient::new(&server, &path);
    assert_eq!(status(&delete("/people/B%C3%89%20b", &admin())), 204);
    assert_eq!(client.wait_for("bye")["code"], 1008);
}

#[test]
fn an_open_parlor_has_no_admins() {
    let server = Server::start(&[]);
    let response = server.http().ask(delete("/people/bob", &admin()));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body["status"], 403);
    assert!(body["detail"].as_str().unwrap().contains("--secret-file"));
    let mut client = JsonClient::new(&server, "/ws");
    let refused = client.ask(json!({"type": "empty", "room": "tea"}));
    assert_eq!(refused["code"], "not_allowed");
}
