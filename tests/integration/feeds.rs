//! Several rooms in one stream of Server-Sent Events.

use serde_json::{Value, json};

use crate::common::{
    Data, Events, JsonClient, Redis, SECRET, Server, TestFile, eventually, get, post, token,
};

/// The rooms that a stream tells it is in, as they come.
fn joined(events: &mut Events, count: usize) -> Vec<String> {
    let mut rooms: Vec<String> = (0..count)
        .map(|_| {
            let event = events.next();
            assert_eq!(event.kind, "joined", "{event:?}");
            event.data["room"].as_str().unwrap().to_owned()
        })
        .collect();
    rooms.sort_unstable();
    rooms
}

fn told(message: &Value) -> (&str, u64) {
    let room = message["room"].as_str().expect("a room");
    (room, message["offset"].as_u64().expect("an offset"))
}

fn check_two_rooms(server: &Server) {
    let mut sender = JsonClient::new(server, "/ws");
    let mut events = Events::open(server, "/events?room=a&room=b", "");
    assert_eq!(joined(&mut events, 2), ["a", "b"]);
    sender.say("a", 1);
    sender.say("b", 2);
    sender.say("a", 3);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let message = events.message();
        let (room, offset) = told(&message);
        seen.push((room.to_owned(), offset));
    }
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("a".to_owned(), 1),
            ("a".to_owned(), 2),
            ("b".to_owned(), 1)
        ]
    );
    let last_id = events.last_id.clone();
    assert_eq!(last_id.split(',').count(), 2, "{last_id}");
    drop(events);
    sender.say("b", 4);
    sender.say("a", 5);
    sender.say("b", 6);
    let mut events = Events::open(server, "/events?room=a&room=b", &last_id);
    let mut missed = Vec::new();
    while missed.len() < 3 {
        let event = events.next();
        match event.kind.as_str() {
            "joined" => assert_eq!(event.data["recovered"], true, "{event:?}"),
            _ => missed.push(event.data["data"].as_u64().unwrap()),
        }
    }
    missed.sort_unstable();
    assert_eq!(missed, [4, 5, 6]);
}

#[test]
fn two_rooms_are_one_stream_that_goes_on_where_it_was() {
    check_two_rooms(&Server::start(&[]));
}

#[test]
fn it_is_the_same_with_messages_on_disk() {
    let data = Data::new();
    check_two_rooms(&data.serve(&["--history", "1"]));
    // Both rooms are only on disk now.
    let server = data.serve(&["--history", "1"]);
    check_restored(&server);
}

fn check_restored(server: &Server) {
    let mut events = Events::open(server, "/events?room=a&room=b&last=1", "");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let event = events.next();
        if event.kind.is_empty() {
            seen.push(event.data["data"].as_u64().unwrap());
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [5, 6]);
}

#[test]
fn it_is_the_same_in_redis() {
    let redis = Redis::start(&[]);
    let nodes = [(); 2].map(|()| Server::start(&["--redis", &redis.url()]));
    check_two_rooms(&nodes[0]);
    check_restored(&nodes[1]);
}

#[test]
fn rooms_of_a_pattern_begin_at_another_node() {
    let redis = Redis::start(&[]);
    let nodes = [(); 2].map(|()| Server::start(&["--redis", &redis.url()]));
    let mut sender = JsonClient::new(&nodes[1], "/ws");
    sender.say("plant-0", 0);
    let mut events = Events::open(&nodes[0], "/events?room=plant-*&last=5", "");
    sender.say("plant-1", 1);
    sender.say("tea", 2);
    sender.say("plant-2", 3);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = events.next();
        if event.kind.is_empty() {
            let (room, data) = (&event.data["room"], &event.data["data"]);
            seen.push(format!("{room} {data}"));
        }
    }
    seen.sort();
    assert_eq!(seen, [r#""plant-0" 0"#, r#""plant-1" 1"#, r#""plant-2" 3"#]);
}

#[test]
fn who_is_cut_off_before_the_last_room_has_not_lost_it() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut events = Events::open(&server, "/events?room=a&room=b&room=c", "");
    joined(&mut events, 3);
    for room in ["a", "b", "c"] {
        sender.say(room, 1);
        events.message();
    }
    let last_id = events.last_id.clone();
    drop(events);
    for room in ["a", "b", "c"] {
        sender.say(room, 2);
    }
    // It reads the first room, and is gone.
    let mut events = Events::open(&server, "/events?room=a&room=b&room=c", &last_id);
    while !events.next().kind.is_empty() {}
    let last_id = events.last_id.clone();
    drop(events);
    assert_eq!(last_id.split(',').count(), 3, "{last_id}");
    let mut events = Events::open(&server, "/events?room=a&room=b&room=c", &last_id);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let event = events.next();
        match event.kind.as_str() {
            "joined" => assert_eq!(event.data["recovered"], true, "{event:?}"),
            _ => seen.push(told(&event.data).0.to_owned()),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["b", "c"]);
}

#[test]
fn only_some_keys_are_told() {
    let server = Server::start(&["--ping-interval", "0.2"]);
    let mut sensor = JsonClient::new(&server, "/ws");
    let mut publish = |key: &str, data: u64| {
        sensor.ask(
            json!({"type": "publish", "room": "plant", "key": key, "data": data, "retain": true}),
        );
    };
    publish("boiler.temp", 1);
    publish("pump", 2);
    publish("fan", 3);
    let target = "/events?room=plant&keys=boiler.*,pump&last=5";
    let mut events = Events::open(&server, target, "");
    let opened = events.next();
    assert_eq!((opened.kind.as_str(), opened.has_id), ("joined", false));
    // First the state of the keys, of which the last has the id, then the newest messages.
    let mut key_and_id = || {
        let event = events.next();
        assert_eq!(event.kind, "", "{event:?}");
        (event.data["key"].as_str().unwrap().to_owned(), event.has_id)
    };
    let pairs = [
        ("boiler.temp", false),
        ("pump", true),
        ("boiler.temp", true),
        ("pump", true),
    ];
    for (key, has_id) in pairs {
        assert_eq!(key_and_id(), (key.to_owned(), has_id));
    }
    publish("fan", 4);
    publish("boiler.temp", 5);
    assert_eq!(events.message()["data"], 5);
    assert!(events.last_id.ends_with("-5"), "{}", events.last_id);
    // What it does not want moves its place, too, so that it is not asked for it when it comes back.
    publish("fan", 6);
    let position = events.next();
    assert_eq!(
        (position.kind.as_str(), position.has_id),
        ("position", true)
    );
    assert!(events.last_id.ends_with("-6"), "{}", events.last_id);
}

#[test]
fn rooms_of_a_pattern_are_joined_as_they_begin() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    sender.say("plant-1", "before");
    sender.say("other", "x");
    let mut events = Events::open(&server, "/events?room=plant-*&last=1", "");
    assert_eq!(joined(&mut events, 1), ["plant-1"]);
    assert_eq!(events.message()["data"], "before");
    // The message that a room begins with is told, too.
    sender.say("plant-2", "first");
    assert_eq!(joined(&mut events, 1), ["plant-2"]);
    assert_eq!(events.message()["data"], "first");
    sender.say("plan", "no");
    sender.say("plant-1", "after");
    assert_eq!(events.message()["data"], "after");
    let last_id = events.last_id.clone();
    drop(events);
    sender.say("plant-3", "new");
    sender.say("plant-2", "missed");
    let mut events = Events::open(&server, "/events?room=plant-*", &last_id);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let event = events.next();
        match event.kind.as_str() {
            "joined" => {
                let is_known = event.data["room"] != "plant-3";
                assert_eq!(event.data["recovered"], is_known, "{event:?}");
            }
            _ => seen.push(event.data["data"].as_str().unwrap().to_owned()),
        }
    }
    assert_eq!(seen, ["missed", "new"]);
}

#[test]
fn rights_are_those_of_each_room() {
    let file = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", file.path()]);
    let all = token(json!({"sub": "root", "subscribe": ["*"], "publish": ["*"]}));
    let mut sender = JsonClient::new(&server, &format!("/ws?token={all}"));
    let ana = token(json!({"sub": "ana", "subscribe": ["plant-1", "plant-3"]}));
    for room in ["plant-1", "plant-2"] {
        sender.say(room, 0);
    }
    let target = format!("/events?room=plant-*&token={ana}");
    let mut events = Events::open(&server, &target, "");
    assert_eq!(joined(&mut events, 1), ["plant-1"]);
    sender.say("plant-2", 1);
    sender.say("plant-4", 1);
    sender.say("plant-3", 1);
    assert_eq!(joined(&mut events, 1), ["plant-3"]);
    assert_eq!(told(&events.message()), ("plant-3", 1));
    let ask = |path: &str| server.http().ask(get(path)).status;
    assert_eq!(
        ask(&format!("/events?room=plant-1&room=plant-2&token={ana}")),
        403
    );
    assert_eq!(ask("/events?room=plant-1"), 401);
    assert_eq!(ask("/events?room=plant-*"), 401);
}

#[test]
fn there_are_no_more_rooms_than_an_id_holds() {
    let server = Server::start(&["--max-rooms", "200"]);
    let mut http = server.http();
    for number in 0..70 {
        assert_eq!(
            http.ask(post(&format!("/rooms/r-{number:02}"), "", "x"))
                .status,
            200
        );
    }
    let mut events = Events::open(&server, "/events?room=r-*", "");
    let mut count = 0;
    loop {
        let event = events.next();
        match event.kind.as_str() {
            "joined" => count += 1,
            "too_many_rooms" => {
                assert_eq!(event.data["code"], "too_many_rooms");
                break;
            }
            _ => panic!("{event:?}"),
        }
    }
    while count < 64 {
        assert_eq!(events.next().kind, "joined");
        count += 1;
    }
    http.ask(post("/rooms/r-01", "", "y"));
    assert_eq!(events.message()["data"], "y");
    assert!(events.last_id.len() <= 2 << 10, "{}", events.last_id.len());
    drop(events);
    eventually("all have left", || {
        server.metric("parlor_connections{door=\"events\"}") == 0
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start(&[]);
    let many: Vec<String> = (0..65).map(|number| format!("room=r{number}")).collect();
    let many = format!("/events?{}", many.join("&"));
    let patterns = format!("/events?{}", ["room=a*"; 9].join("&"));
    let long = format!("/events?room={}*", "a".repeat(300));
    for (path, part) in [
        ("/events", "name the rooms"),
        ("/events?room=a%20b", "a room is named by"),
        ("/events?room=a&keys=a&keys=b", "has keys twice"),
        ("/events?room=a&last=x", "last is a whole number"),
        ("/events?rooms=a", "did you mean room"),
        (&many, "at most 64 rooms"),
        (&patterns, "at most 8 patterns"),
        (&long, "no room can have a name"),
    ] {
        let response = server.http().ask(get(path));
        let detail = String::from_utf8(response.body).unwrap();
        assert!(
            response.status == 400 && detail.contains(part),
            "{path}: {detail}"
        );
    }
    assert_eq!(
        server.http().ask(post("/events?room=a", "", "x")).status,
        405
    );
}
