//! One message in several rooms: each room's right, limit and answer is its own.

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Redis, SECRET, Server, TestFile, get, post, token};

/// The answer to a POST, with its status.
fn send(server: &Server, path: &str, fields: &str, body: impl AsRef<[u8]>) -> (u16, Value) {
    let response = server.http().ask(post(path, fields, body));
    let json = serde_json::from_slice(&response.body).expect("JSON");
    (response.status, json)
}

/// The rooms of an answer, each with its offset.
fn offsets(answer: &Value) -> Vec<(&str, Option<u64>)> {
    let rooms = answer["rooms"].as_array().expect("rooms");
    let pair = |it: &'static str| move |room: &Value| room[it].as_u64();
    let offset = pair("offset");
    rooms
        .iter()
        .map(|room| (room["room"].as_str().unwrap(), offset(room)))
        .collect()
}

fn check_rooms(server: &Server) {
    let mut member = server.client("/ws/b");
    let (status, answer) = send(server, "/rooms/a,b%2Cc", "", "hello");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        offsets(&answer),
        [("a", Some(1)), ("b", Some(1)), ("c", Some(1))]
    );
    assert_eq!(answer["rooms"][1]["status"], 200);
    member.expect("hello");
    let epochs: Vec<&str> = answer["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| room["epoch"].as_str().unwrap())
        .collect();
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);

    let mut client = JsonClient::new(server, "/ws");
    let publish = json!({"type": "publish", "rooms": ["b", "d"], "data": {"n": 1}, "dedup": "x"});
    let told = client.ask(publish.clone());
    assert_eq!(told["type"], "ok", "{told}");
    assert_eq!(offsets(&told), [("b", Some(2)), ("d", Some(1))]);
    assert_eq!(
        offsets(&client.ask(publish)),
        [("b", Some(2)), ("d", Some(1))]
    );
    member.expect("{\"n\":1}");

    // One of two has a state already.
    client.ask(json!({"type": "publish", "room": "b", "key": "k", "retain": true, "data": 1}));
    let (status, answer) = send(server, "/rooms/b,c?key=k&retain&if_new", "", "2");
    assert_eq!(status, 207, "{answer}");
    let [refused, taken] = [&answer["rooms"][0], &answer["rooms"][1]];
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&json!(412), &json!("conflict"))
    );
    assert_eq!(refused["current"]["data"], 1);
    assert_eq!(
        (&taken["status"], &taken["offset"]),
        (&json!(200), &json!(2))
    );
    let (status, answer) = send(server, "/rooms/b,c?key=k&retain&if_new", "", "3");
    assert_eq!(
        (status, &answer["rooms"][1]["current"]["data"]),
        (412, &json!("2"))
    );
    let told = client.ask(
        json!({"type": "publish", "rooms": ["b"], "key": "k", "retain": true, "data": 1, "if_new": true}),
    );
    assert_eq!(
        (&told["type"], &told["code"]),
        (&json!("error"), &json!("conflict"))
    );
    assert_eq!(told["rooms"][0]["current"]["offset"], 3);
}

#[test]
fn each_room_is_answered_by_itself() {
    check_rooms(&Server::start(&[]));
}

#[test]
fn it_is_the_same_with_messages_on_disk() {
    let data = Data::new();
    let server = data.serve(&[]);
    check_rooms(&server);
    drop(server);
    let server = data.serve(&[]);
    let (_, answer) = send(&server, "/rooms/a,b,c,d", "", "again");
    assert_eq!(
        offsets(&answer),
        [
            ("a", Some(2)),
            ("b", Some(4)),
            ("c", Some(3)),
            ("d", Some(2))
        ]
    );
}

#[test]
fn it_is_the_same_in_redis() {
    let redis = Redis::start(&[]);
    check_rooms(&Server::start(&["--redis", &redis.url()]));
}

#[test]
fn rights_are_those_of_each_room() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    let ana = token(json!({"sub": "ana", "subscribe": ["*"], "publish": ["tea-*"]}));
    let bearer = format!("Authorization: Bearer {ana}\r\n");
    let (status, answer) = send(&server, "/rooms/tea-1,ops,tea-2", &bearer, "x");
    assert_eq!(status, 207);
    assert_eq!(
        offsets(&answer),
        [("tea-1", Some(1)), ("ops", None), ("tea-2", Some(1))]
    );
    let refused = &answer["rooms"][1];
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&json!(403), &json!("not_allowed"))
    );
    assert_eq!(send(&server, "/rooms/ops,lobby", &bearer, "x").0, 403);
    assert_eq!(send(&server, "/rooms/tea-1,tea-2", "", "x").0, 401);
    let mut client = JsonClient::new(&server, &format!("/ws?token={ana}"));
    let told = client.ask(json!({"type": "publish", "rooms": ["ops", "tea-1"], "data": "y"}));
    assert_eq!(told["type"], "ok");
    assert_eq!(offsets(&told), [("ops", None), ("tea-1", Some(2))]);
    let told = client.ask(json!({"type": "publish", "rooms": ["ops"], "data": "y"}));
    assert_eq!(
        (&told["type"], &told["code"]),
        (&json!("error"), &json!("not_allowed"))
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start(&[]);
    let many: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
    let many = format!("/rooms/{}", many.join(","));
    let long = "x".repeat(60_000);
    for (path, body, part) in [
        ("/rooms/a,b,a", "x", "the room a is named twice"),
        (&many, "x", "at most 32 rooms"),
        ("/rooms/a,,b", "x", "a room is named by"),
        (
            "/rooms/a,b?key=k&retain&if_offset=1",
            "x",
            "if_offset is that of one room",
        ),
        (
            "/rooms/a,b?as=slack",
            "{\"text\":\"x\"}",
            "goes into one room",
        ),
        ("/rooms/a,b,c,d,e", &long, "at most 52428 bytes"),
    ] {
        let (status, problem) = send(&server, path, "", body);
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 400 && detail.contains(part), "{path}: {detail}");
    }
    assert_eq!(server.http().ask(get("/rooms/a,b")).status, 405);
    let mut client = JsonClient::new(&server, "/ws");
    for (fields, part) in [
        (json!({"rooms": []}), "at least one room"),
        (json!({"rooms": ["a"], "room": "b"}), "and not both"),
        (json!({"rooms": ["a", "b b"]}), "a room is named by"),
        (json!({"rooms": ["a", "a"]}), "named twice"),
    ] {
        let mut command = json!({"type": "publish", "data": 1});
        command
            .as_object_mut()
            .unwrap()
            .append(&mut fields.as_object().unwrap().clone());
        let told = client.ask(command);
        let message = told["message"].as_str().unwrap();
        assert!(
            told["type"] == "error" && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn each_room_counts_against_the_rate() {
    let server = Server::start(&["--rate", "2"]);
    let mut client = JsonClient::new(&server, "/ws");
    let told = client.ask(json!({"type": "publish", "rooms": ["a", "b", "c", "d"], "data": 1}));
    assert_eq!(told["type"], "ok");
    let told = client.ask(json!({"type": "publish", "room": "a", "data": 1}));
    assert_eq!(told["code"], "rate_limited", "{told}");
}
