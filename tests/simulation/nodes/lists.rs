//! What people are told who ask for the rooms.

use parlor::limits::{NODE_TTL_MS, RENEW_MS};
use serde_json::{Value, json};

use crate::nodes::circle::{Circle, Place};
use crate::nodes::scenes::{drinker, told};
use crate::reader::Seen;

/// The rooms that somebody is told of, with how many are in each.
fn rooms(circle: &mut Circle, place: Place) -> Vec<(String, u64)> {
    let listed = circle.ask(place, &json!({"type": "rooms"}));
    assert_eq!(listed["more"], false, "{listed}");
    let rooms = listed["rooms"].as_array().expect("a list").iter();
    let rooms = rooms.map(|room| (room["name"].as_str(), room["count"].as_u64()));
    rooms
        .map(|(name, count)| (name.expect("a name").to_owned(), count.expect("a count")))
        .collect()
}

#[test]
fn the_rooms_of_all_nodes_are_listed() {
    let mut circle = Circle::new(9, 3);
    let ana = drinker(&mut circle, 0, "ana");
    let bob = drinker(&mut circle, 1, "bob");
    for room in ["ale", "bar", "gin", "rum", "zoo"] {
        circle.ask(bob, &json!({"type": "join", "room": room}));
    }
    let post = b"POST /rooms/mate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    let hall = circle.hall(2);
    let poster = hall.connect(usize::MAX);
    hall.request(poster, post);
    circle.pass(2_000);
    let names = ["ale", "bar", "gin", "mate", "rum", "tea", "zoo"];
    let expected = names.map(|name| {
        let count = match name {
            "mate" => 0,
            "tea" => 2,
            _ => 1,
        };
        (name.to_owned(), count)
    });
    for node in 0..3 {
        let place = circle.come(node);
        assert_eq!(rooms(&mut circle, place), expected, "at node {node}");
    }
    let hall = circle.hall(2);
    let reader = hall.connect(usize::MAX);
    hall.request(reader, b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n");
    circle.pass(1_000);
    let response = circle.hall(2).read(reader);
    let [Seen::Response { body, .. }] = &response[..] else {
        panic!("{response:?}");
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["rooms"].as_array().unwrap().len(), names.len());
    assert_eq!(body["rooms"][5], json!({"name": "tea", "count": 2}));
    // Those of a node that dies are gone.
    circle.kill(1);
    circle.pass(NODE_TTL_MS + RENEW_MS);
    let expected = [("mate".to_owned(), 0), ("tea".to_owned(), 1)];
    assert_eq!(rooms(&mut circle, ana), expected);
}

#[test]
fn who_holds_a_token_is_told_of_the_rooms_that_it_names() {
    use parlor::core::access::{Claims, Keys, issue};
    const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";
    let mut circle = Circle::new(10, 2);
    let mut holder = |node: usize, sub: &str, rooms: &[&str]| {
        let mut keys = Keys::default();
        keys.add_secret(SECRET).unwrap();
        circle.hall(node).server.require_tokens(keys);
        let claims = Claims {
            sub: sub.to_owned(),
            exp: (circle.hall(node).now.unix_ms + 3_600_000) as f64 / 1000.0,
            nbf: None,
            iat: None,
            aud: None,
            subscribe: rooms.iter().map(|it| (*it).to_owned()).collect(),
            publish: vec![],
            admin: false,
        };
        let token = issue(&claims, SECRET).unwrap();
        let place = circle.come_with(node, Some(&token));
        circle.pass(300);
        place
    };
    let ann = holder(0, "ann", &["*"]);
    let bob = holder(1, "bob", &["b?r", "gin", "t*e"]);
    let nobody = holder(1, "cem", &[]);
    for room in [
        "ale", "bar", "bier", "gin", "tae", "tea", "tee", "the", "zoo",
    ] {
        circle.ask(ann, &json!({"type": "join", "room": room}));
    }
    circle.pass(1_000);
    let listed = rooms(&mut circle, bob).into_iter();
    let names: Vec<String> = listed.map(|(name, _)| name).collect();
    assert_eq!(names, ["bar", "gin", "tae", "tee", "the"]);
    assert_eq!(rooms(&mut circle, nobody), []);
}

#[test]
fn while_the_log_is_away_no_list_is_told_as_if_it_were_whole() {
    let mut circle = Circle::new(11, 2);
    let ana = drinker(&mut circle, 0, "ana");
    circle.log.habit.is_away = true;
    let answer = circle.ask(ana, &json!({"type": "rooms"}));
    assert_eq!(answer["code"], "unavailable", "{answer}");
    let hall = circle.hall(0);
    let reader = hall.connect(usize::MAX);
    hall.request(reader, b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n");
    circle.pass(500);
    let response = circle.hall(0).read(reader);
    let [Seen::Response { status, .. }] = &response[..] else {
        panic!("{response:?}");
    };
    assert_eq!(*status, 503);
    circle.log.habit.is_away = false;
    assert_eq!(rooms(&mut circle, ana), [("tea".to_owned(), 1)]);
}

#[test]
fn many_who_ask_at_once_are_all_told() {
    let mut circle = Circle::new(12, 2);
    circle.log.habit.late_ms = 300;
    drinker(&mut circle, 0, "ana");
    let all: Vec<Place> = (0..40).map(|_| circle.come(1)).collect();
    circle.pass(1_000);
    for place in &all {
        circle.read(*place);
        circle.say(*place, &json!({"type": "rooms", "id": 7}));
    }
    circle.pass(3_000);
    for place in all {
        let told = told(&mut circle, place, "rooms");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["rooms"], json!([{"name": "tea", "count": 1}]));
    }
}
