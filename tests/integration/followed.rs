//! Patterns of rooms at the JSON door.

use serde_json::{Value, json};

use crate::common::{JsonClient, Redis, SECRET, Server, TestFile, token};

fn follow(client: &mut JsonClient, fields: &Value) -> Value {
    let mut command = json!({"type": "join"});
    let fields = fields.as_object().unwrap().clone();
    command.as_object_mut().unwrap().extend(fields);
    client.ask(command)
}

/// The room that a client is told it is in now.
fn joined(client: &mut JsonClient) -> Value {
    let event = client.next();
    assert_eq!(event["type"], "joined", "{event}");
    event
}

#[test]
fn rooms_are_joined_as_they_begin_until_the_pattern_is_left() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut client = JsonClient::new(&server, "/ws");
    sender.say("plant-1", "one");
    sender.say("plant-2", "two");
    let answer = follow(&mut client, &json!({"room": "plant-*", "last": 5}));
    assert_eq!(answer["type"], "ok", "{answer}");
    for room in ["plant-1", "plant-2"] {
        let event = joined(&mut client);
        assert_eq!((&event["room"], event.get("id")), (&json!(room), None));
        assert_eq!(event["messages"].as_array().unwrap().len(), 1);
        assert_eq!(event["count"], 1);
    }
    sender.say("plant-3", "first");
    let event = joined(&mut client);
    assert_eq!(
        (&event["room"], &event["recovered"]),
        (&json!("plant-3"), &json!(false))
    );
    assert_eq!(event["messages"][0]["data"], "first");
    sender.say("plant-1", "more");
    assert_eq!(client.expect("message")["data"], "more");

    // A room that is left alone stays left, and one that is joined by its name stays joined.
    assert_eq!(
        client.ask(json!({"type": "leave", "room": "plant-2"}))["type"],
        "ok"
    );
    client.ask(json!({"type": "join", "room": "plant-3"}));
    assert_eq!(
        client.ask(json!({"type": "leave", "room": "plant-*"}))["type"],
        "ok"
    );
    for (room, kind) in [
        ("plant-1", "error"),
        ("plant-2", "error"),
        ("plant-3", "ok"),
    ] {
        let left = client.ask(json!({"type": "leave", "room": room}));
        assert_eq!(left["type"], kind, "{room}: {left}");
    }
    sender.say("plant-4", "x");
    let answer = client.ask(json!({"type": "leave", "room": "plant-*"}));
    assert_eq!(
        answer["code"], "not_joined",
        "nothing has come before: {answer}"
    );
}

#[test]
fn a_room_of_two_patterns_is_joined_once() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut client = JsonClient::new(&server, "/ws");
    follow(&mut client, &json!({"room": "plant-*"}));
    follow(&mut client, &json!({"room": "*-1"}));
    sender.say("plant-1", 1);
    assert_eq!(joined(&mut client)["room"], "plant-1");
    client.ask(json!({"type": "leave", "room": "plant-*"}));
    sender.say("plant-1", 2);
    assert_eq!(
        client.expect("message")["data"],
        2,
        "the other pattern matches, too"
    );
    client.ask(json!({"type": "leave", "room": "*-1"}));
    let left = client.ask(json!({"type": "leave", "room": "plant-1"}));
    assert_eq!(left["code"], "not_joined");
}

#[test]
fn rooms_are_those_that_a_token_allows() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    let all = token(json!({"sub": "root", "subscribe": ["*"], "publish": ["*"]}));
    let mut sender = JsonClient::new(&server, &format!("/ws?token={all}"));
    sender.say("plant-1", 1);
    sender.say("plant-2", 1);
    let ana = |rooms: Value| token(json!({"sub": "ana", "subscribe": rooms}));
    let mut client = JsonClient::new(&server, &format!("/ws?token={}", ana(json!(["plant-1"]))));
    follow(&mut client, &json!({"room": "*"}));
    assert_eq!(joined(&mut client)["room"], "plant-1");
    sender.say("plant-2", 2);
    // With another token it may read more, and is led there.
    let login = json!({"type": "login", "token": ana(json!(["plant-1", "plant-2"]))});
    assert_eq!(client.ask(login)["type"], "welcome");
    assert_eq!(joined(&mut client)["room"], "plant-2");
}

#[test]
fn series_come_with_each_room() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    sender.ask(json!({"type": "publish", "room": "plant-1", "key": "a", "data": 1}));
    let mut client = JsonClient::new(&server, "/ws");
    follow(
        &mut client,
        &json!({"room": "plant-*", "series": {"seconds": 60}}),
    );
    let event = joined(&mut client);
    assert_eq!(event["series"][0]["key"], "a", "{event}");
}

#[test]
fn there_are_no_more_rooms_than_allowed() {
    let server = Server::start(&["--max-joined", "2"]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut client = JsonClient::new(&server, "/ws");
    follow(&mut client, &json!({"room": "plant-*"}));
    for number in 1..=2 {
        sender.say(&format!("plant-{number}"), 1);
        joined(&mut client);
    }
    sender.say("plant-3", 1);
    let refused = client.next();
    assert_eq!(
        (&refused["code"], refused.get("id")),
        (&json!("too_many_rooms"), None),
        "{refused}"
    );
    sender.say("plant-4", 1);
    sender.say("plant-1", 2);
    assert_eq!(client.next()["type"], "message", "it is told once");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start(&[]);
    let mut client = JsonClient::new(&server, "/ws");
    let since = json!({"epoch": "0000000000000001", "offset": 1});
    let answer = follow(&mut client, &json!({"room": "plant-*", "since": since}));
    assert_eq!(answer["code"], "bad_command", "{answer}");
    let long = format!("{}*", "a".repeat(100));
    assert_eq!(
        follow(&mut client, &json!({"room": long}))["code"],
        "bad_room"
    );
    for number in 0..8 {
        let answer = follow(&mut client, &json!({"room": format!("{number}*")}));
        assert_eq!(answer["type"], "ok");
    }
    assert_eq!(
        follow(&mut client, &json!({"room": "8*"}))["code"],
        "too_many_rooms"
    );
    assert_eq!(
        follow(&mut client, &json!({"room": "7*"}))["type"],
        "ok",
        "it follows that"
    );
}

#[test]
fn rooms_of_other_nodes_are_joined_as_they_begin() {
    let redis = Redis::start(&[]);
    let nodes = [(); 2].map(|()| Server::start(&["--redis", &redis.url()]));
    let mut sender = JsonClient::new(&nodes[1], "/ws");
    let mut client = JsonClient::new(&nodes[0], "/ws");
    sender.say("plant-1", "one");
    let answer = follow(&mut client, &json!({"room": "plant-*", "last": 5}));
    assert_eq!(answer["type"], "ok", "{answer}");
    let event = joined(&mut client);
    assert_eq!(
        (&event["room"], &event["messages"][0]["data"]),
        (&json!("plant-1"), &json!("one"))
    );
    sender.say("plant-2", "first");
    sender.say("plant-2", "second");
    let event = joined(&mut client);
    assert_eq!(event["room"], "plant-2");
    let mut messages = event["messages"].as_array().unwrap().clone();
    while messages.len() < 2 {
        messages.push(client.expect("message"));
    }
    let data: Vec<&Value> = messages.iter().map(|it| &it["data"]).collect();
    assert_eq!(data, ["first", "second"]);
    let left = client.ask(json!({"type": "leave", "room": "plant-*"}));
    assert_eq!(left["type"], "ok");
}
