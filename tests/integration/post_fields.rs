//! What a POST may say beside its message: JSON, keys, retries, and what cannot be kept.

use serde_json::{Value, json};

use crate::common::{FIN, JsonClient, Response, Server, TEXT, post};

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("JSON")
}

fn detail(response: &Response) -> String {
    json(response)["detail"].as_str().unwrap().to_owned()
}

#[test]
fn json_arrives_as_json() {
    let server = Server::start(&[]);
    let mut plain = server.raw("/ws/tea");
    let mut member = JsonClient::in_room(&server, "tea").0;
    let mut http = server.http();
    let kind = "Content-Type: application/json; charset=utf-8\r\n";
    for (body, data) in [
        (" {\"a\": [1, 2.50]}\n", "{\"a\":[1,2.50]}"),
        ("null", "null"),
        ("\"caf\\u00e9\"", "caf\u{e9}"),
    ] {
        assert_eq!(http.ask(post("/rooms/tea", kind, body)).status, 200);
        plain.expect(FIN | TEXT, data.as_bytes());
    }
    assert_eq!(member.wait_for("message")["data"], json!({"a": [1, 2.5]}));
    assert_eq!(member.wait_for("message")["data"], Value::Null);
    assert_eq!(member.wait_for("message")["data"], "caf\u{e9}");
    for (body, part) in [
        ("{\"a\":", "EOF"),
        ("{} {}", "trailing"),
        ("", "EOF"),
        ("\"\\ud800\"", "hex escape"),
        ("{\"a\":[{\"b\":\"\\ud800\"}]}", "hex escape"),
        ("{\"\\udfff\":1}", "surrogate"),
        ("[1e999]", "out of range"),
        ("{\"a\":1,\"a\":2}", "stands twice"),
        (&"[".repeat(60_000), "EOF"),
    ] {
        let response = http.ask(post("/rooms/tea", kind, body));
        response.expect_problem(400);
        let detail = detail(&response);
        assert!(detail.starts_with("the body is not JSON: "), "{detail}");
        assert!(detail.contains(part), "{detail}");
    }
}

#[test]
fn a_room_begins_with_what_is_posted() {
    let server = Server::start(&["--max-rooms", "1"]);
    let mut http = server.http();
    let first = json(&http.ask(post("/rooms/tea", "", "one")));
    let again = json(&http.ask(post("/rooms/tea", "", "two")));
    assert_eq!((&first["offset"], &again["offset"]), (&json!(1), &json!(2)));
    assert_eq!(first["epoch"], again["epoch"]);
    let mut member = JsonClient::new(&server, "/ws");
    member.send(&json!({"type": "join", "room": "tea", "last": 5}));
    let joined = member.wait_for("joined");
    assert_eq!(joined["epoch"], first["epoch"]);
    assert_eq!(joined["messages"][0]["data"], "one");
    let from = joined["messages"][0]["from"]["name"].as_str().unwrap();
    assert!(from.starts_with("guest-"), "{from}");
    // The only room there may be has a member now.
    let full = http.ask(post("/rooms/milk", "", "one"));
    full.expect_problem(503);
    assert!(full.header("retry-after").is_some());
}

#[test]
fn the_state_of_a_key() {
    let server = Server::start(&["--max-keys", "1"]);
    let mut http = server.http();
    let ok = |response: &Response| assert_eq!(response.status, 200, "{response:?}");
    ok(&http.ask(post("/rooms/tea?key=a%26b&retain", "", "on")));
    let mut member = server.raw("/ws/tea");
    member.expect(FIN | TEXT, b"on");
    http.ask(post("/rooms/tea?key=c&retain=true", "", "on"))
        .expect_problem(507);
    ok(&http.ask(post("/rooms/tea?key=c&retain=false", "", "off")));
    let kind = "Content-Type: application/json\r\n";
    ok(&http.ask(post("/rooms/tea?key=a%26b&retain", kind, "null")));
    ok(&http.ask(post("/rooms/tea?key=c&retain=1", "", "on")));
    for query in [
        "retain",
        "key=&retain",
        "key=a&retain=yes",
        "key=a&retain&ephemeral",
        "dedup=",
    ] {
        let mut http = server.http();
        http.ask(post(&format!("/rooms/tea?{query}"), "", "x"))
            .expect_problem(400);
    }
    let long = "x".repeat(129);
    let refused = http.ask(post(&format!("/rooms/tea?key={long}"), "", "x"));
    refused.expect_problem(400);
    assert_eq!(detail(&refused), "key must be 1 to 128 bytes");
}

#[test]
fn a_retry_is_not_said_twice() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    for _ in 0..3 {
        // Each on a connection of its own.
        let response = server.http().ask(post("/rooms/tea?dedup=7", "", "once"));
        assert_eq!(json(&response)["offset"], 1);
    }
    let next = server.http().ask(post("/rooms/tea?dedup=8", "", "next"));
    assert_eq!(json(&next)["offset"], 2);
    member.expect(FIN | TEXT, b"once");
    member.expect(FIN | TEXT, b"next");
}

/// An id of another address, or of another name, is another's: what is posted is not taken for theirs.
#[test]
fn ids_of_messages_are_of_an_address_and_a_name() {
    let server = Server::start(&["--trusted-proxy", "127.0.0.1"]);
    let offset = |client: &str, name: &str| {
        let path = format!("/rooms/tea?dedup=7{name}");
        let field = format!("X-Forwarded-For: {client}\r\n");
        json(&server.http().ask(post(&path, &field, "x")))["offset"].clone()
    };
    for _ in 0..2 {
        assert_eq!(offset("203.0.113.9", ""), 1);
        assert_eq!(offset("198.51.100.1", ""), 2);
        assert_eq!(offset("198.51.100.1", "&name=ann"), 3);
        assert_eq!(offset("203.0.113.9", "&name=ann"), 4);
    }
}

#[test]
fn what_is_ephemeral_has_no_offset() {
    let server = Server::start(&[]);
    let mut member = JsonClient::in_room(&server, "tea").0;
    let mut http = server.http();
    let answer = json(&http.ask(post("/rooms/tea?ephemeral", "", "typing")));
    assert_eq!(answer.get("offset"), None);
    let event = member.wait_for("message");
    assert_eq!(
        (&event["data"], &event["ephemeral"]),
        (&json!("typing"), &json!(true))
    );
    assert_eq!(json(&http.ask(post("/rooms/tea", "", "x")))["offset"], 1);
}
