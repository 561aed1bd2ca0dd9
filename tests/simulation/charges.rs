//! What one asks for is paid by oneself: much work goes on in parts between the turns of others, counts as many commands,
//! and leaves the order of one's answers as it is.

use parlor::core::access::{Claims, Keys, issue};
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;

const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";
const TEXT: u8 = 1;

/// A room with something in it, from another address each time, so that no rate holds it up.
fn fill(hall: &mut Hall, room: &str, text: &str) {
    let address = [
        10,
        0,
        (hall.server.room_count() >> 8) as u8,
        hall.server.room_count() as u8,
    ];
    let datagram = format!("{room} {text}");
    hall.server
        .on_datagram((address, 1).into(), datagram.as_bytes(), hall.now);
}

fn guard(hall: &mut Hall) {
    let mut keys = Keys::new(None);
    keys.add_secret(SECRET).unwrap();
    hall.server.guard(keys);
}

fn token(hall: &Hall, name: &str, subscribe: Vec<String>) -> String {
    let claims = Claims {
        sub: name.to_owned(),
        exp: hall.now.unix_ms as f64 / 1000.0 + 600.0,
        nbf: None,
        iat: None,
        aud: None,
        subscribe,
        publish: Vec::new(),
        admin: false,
    };
    issue(&claims, SECRET).unwrap()
}

fn command(hall: &mut Hall, guest: GuestId, command: &Value) {
    hall.say(guest, TEXT, command.to_string().as_bytes());
}

fn events(hall: &mut Hall, guest: GuestId) -> Vec<Value> {
    let messages = hall.read(guest).into_iter().filter_map(|seen| match seen {
        Seen::Message { payload, .. } => Some(serde_json::from_slice(&payload).expect("JSON")),
        _ => None,
    });
    messages.collect()
}

/// 200 of them in one packet, each of which tried 99 patterns on every room, stopped the server for seconds.
#[test]
fn a_listing_takes_turns() {
    const ROOMS: usize = 1_000;
    let mut hall = Hall::new(&[]);
    for room in 0..ROOMS {
        fill(&mut hall, &format!("room-{room}"), "x");
    }
    guard(&mut hall);
    let globs = (0..99).map(|number| format!("*m-{number}?7"));
    let token = token(&hall, "ann", globs.collect());
    let guest = hall.connect(usize::MAX);
    hall.enter_json(guest);
    command(&mut hall, guest, &json!({"type": "login", "token": token}));
    hall.tick(u64::MAX);
    assert_eq!(events(&mut hall, guest).last().unwrap()["type"], "welcome");
    for id in 0..200 {
        command(&mut hall, guest, &json!({"type": "rooms", "id": id}));
    }
    let (mut ticks, mut answers) = (0, Vec::new());
    while answers.is_empty() {
        // No time is left in any of them.
        hall.tick(1);
        ticks += 1;
        assert!(ticks < 1_000, "no answer came");
        answers = events(&mut hall, guest);
    }
    // A part a tick, of 1,024 rooms and patterns.
    assert!(ticks > 70, "answered after {ticks} ticks");
    assert_eq!(
        (&answers[0]["type"], &answers[0]["id"]),
        (&json!("rooms"), &json!(0))
    );
    let listed = answers[0]["rooms"].as_array().unwrap().len();
    assert_eq!((listed, &answers[0]["more"]), (90, &json!(false)));
    for _ in 0..3 {
        hall.tick(u64::MAX);
        answers.extend(events(&mut hall, guest));
    }
    assert_eq!(answers.len(), 200, "none is lost");
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id, "in their order");
        assert!(id == 0 || answer["code"] == "rate_limited", "{answer}");
    }
    assert!(
        answers[1]["retry_ms"].as_u64().unwrap() > 1_000,
        "{}",
        answers[1]
    );
}

/// A long answer was charged as it went over the wire, so that what compresses well cost next to nothing.
#[test]
fn answers_are_charged_before_they_are_compressed() {
    for extension in ["", "Sec-WebSocket-Extensions: permessage-deflate\r\n"] {
        let mut hall = Hall::new(&[]);
        for _ in 0..50 {
            fill(&mut hall, "room-0", &"x".repeat(4_000));
        }
        let guest = hall.connect(usize::MAX);
        hall.enter_json_with(guest, extension);
        for id in 0..150 {
            command(
                &mut hall,
                guest,
                &json!({"type": "history", "room": "room-0", "id": id}),
            );
        }
        let mut answered = 0;
        for _ in 0..10 {
            hall.tick(u64::MAX);
            let events = events(&mut hall, guest);
            answered += events.iter().filter(|it| it["type"] == "history").count();
        }
        // 200 commands at once, 20 in these ticks; 50 and more for each answer.
        assert!(
            (2..=5).contains(&answered),
            "{answered} answers, {extension}"
        );
    }
}
