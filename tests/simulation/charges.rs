//! What one asks for is paid by oneself: much work goes on in parts between the turns of others, counts as many commands,
//! and leaves the order of one's answers as it is.

use parlor::core::access::{Claims, Keys, issue};
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;
use crate::units;

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
    hall.server.require_tokens(keys);
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
        hall.tick(0);
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

/// What is looked at is more than three points say; what many ask for is looked at once.
#[test]
fn the_values_that_a_series_is_made_of_are_charged() {
    let mut hall = Hall::new(&[]);
    for number in 0..3_000_u16 {
        let [high, low] = number.to_be_bytes();
        let address = ([10, 0, high, low], 1);
        hall.server
            .on_datagram(address.into(), b"plant/level 21.5", hall.now);
    }
    let joined = |hall: &mut Hall, points: fn(u64) -> u64| {
        let guest = hall.connect(usize::MAX);
        hall.enter_json(guest);
        for id in 0..100 {
            let series = json!({"seconds": 60, "points": points(id)});
            let join = json!({"type": "join", "room": "plant", "id": id, "series": series});
            command(hall, guest, &join);
        }
        let mut joined = 0;
        for _ in 0..10 {
            hall.tick(u64::MAX);
            let events = events(hall, guest);
            let series = events.iter().filter(|it| it["type"] == "joined");
            joined += series
                .filter(|it| it["series"][0]["key"] == "level")
                .count();
        }
        joined
    };
    // 200 commands at once, 20 in these ticks; 46 for each that looks.
    let looked = joined(&mut hall, |id| 3 + id);
    assert!((2..=6).contains(&looked), "{looked}");
    assert_eq!(joined(&mut hall, |_| 2), 100);
}

/// A message to someone with many connections went out to all of them at once, 200 times in one turn.
#[test]
fn a_message_to_many_connections_takes_turns() {
    const CONNECTIONS: usize = 200;
    const COMMANDS: usize = 20;
    let mut hall = Hall::new(&["--rate", "10"]);
    let mut theirs = Vec::new();
    let mut resume = json!(null);
    for _ in 0..CONNECTIONS {
        let guest = hall.connect(usize::MAX);
        hall.enter_json(guest);
        command(
            &mut hall,
            guest,
            &json!({"type": "login", "resume": resume}),
        );
        hall.tick(u64::MAX);
        let welcome = events(&mut hall, guest).pop().unwrap();
        assert_eq!(welcome["type"], "welcome");
        resume = welcome["resume"].clone();
        theirs.push((guest, welcome["you"]["name"].clone()));
    }
    let sender = hall.connect(usize::MAX);
    hall.enter_json(sender);
    events(&mut hall, sender);
    for id in 0..COMMANDS {
        let direct = json!({"type": "direct", "to": theirs[0].1, "data": id, "id": id});
        command(&mut hall, sender, &direct);
    }
    let answered = |hall: &mut Hall| -> Vec<Value> {
        let mut events = events(hall, sender);
        // The sender sees what it has said, too.
        events.retain(|it| it["type"] == "ok" || it["type"] == "error");
        events
    };
    let (mut ticks, mut answers) = (0, Vec::new());
    while answers.len() < 2 {
        // No time is left in any of them.
        hall.tick(0);
        ticks += 1;
        answers.extend(answered(&mut hall));
    }
    // The first part of each is told at once; two of them take four parts each. Each tick writes to one of those told.
    assert!((6..=2 * CONNECTIONS + 8).contains(&ticks), "{ticks} ticks");
    for _ in 0..COMMANDS * CONNECTIONS {
        hall.tick(0);
        answers.extend(answered(&mut hall));
    }
    let done = answers.iter().filter(|it| it["type"] == "ok").count();
    assert_eq!(answers.len(), COMMANDS, "each is answered");
    assert!(answers.iter().enumerate().all(|(id, it)| it["id"] == id));
    // Each counts as four, of which there are twenty at once, and ten a second.
    assert!((5..=8).contains(&done), "{done} were obeyed");
    for (guest, _) in theirs {
        let told: Vec<Value> = events(&mut hall, guest)
            .into_iter()
            .filter(|it| it["type"] == "direct")
            .map(|it| it["data"].clone())
            .collect();
        let expected: Vec<Value> = answers
            .iter()
            .filter(|it| it["type"] == "ok")
            .map(|it| it["id"].clone())
            .collect();
        assert_eq!(told, expected);
    }
}

/// The limit holds at every door, for those who come with a token and those who come back with a secret.
#[test]
fn a_person_has_so_many_connections() {
    let mut hall = Hall::new(&["--max-per-person", "2"]);
    let resume = |hall: &mut Hall, secret: &Value| -> Value {
        let guest = hall.connect(usize::MAX);
        hall.enter_json(guest);
        command(hall, guest, &json!({"type": "login", "resume": secret}));
        hall.tick(u64::MAX);
        events(hall, guest).pop().unwrap()
    };
    let welcome = resume(&mut hall, &Value::Null);
    assert_eq!(resume(&mut hall, &welcome["resume"])["you"], welcome["you"]);
    assert_eq!(
        resume(&mut hall, &welcome["resume"])["code"],
        "too_many_connections"
    );

    guard(&mut hall);
    let token = token(&hall, "ann", vec!["*".to_owned()]);
    let with_token = |request: Vec<u8>, path: &str| -> Vec<u8> {
        let request = String::from_utf8(request).unwrap();
        request
            .replacen(&format!("{path} "), &format!("{path}?token={token} "), 1)
            .into_bytes()
    };
    let plain = with_token(units::upgrade(0), "/ws/room-0");
    let first = hall.connect(usize::MAX);
    assert_eq!(hall.ask(first, &plain), 101);
    let second = hall.connect(usize::MAX);
    hall.enter_json(second);
    let login = json!({"type": "login", "token": token});
    for _ in 0..2 {
        // Who is in may show another one.
        command(&mut hall, second, &login);
        hall.tick(u64::MAX);
        assert_eq!(events(&mut hall, second).pop().unwrap()["type"], "welcome");
    }
    let events_path = "/rooms/room-0/events";
    let stream = format!("GET {events_path}?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let json = with_token(units::json_upgrade("/ws"), "/ws");
    for request in [&plain, &json] {
        let guest = hall.connect(usize::MAX);
        assert_eq!(hall.ask(guest, request), 429);
    }
    // An EventSource does not come back after a 429, but it does after a stream that ends.
    let guest = hall.connect(usize::MAX);
    hall.send(guest, stream.as_bytes());
    hall.tick(u64::MAX);
    let answer = String::from_utf8(hall.sip(guest, usize::MAX)).unwrap();
    assert!(
        answer.contains("\r\n\r\nretry: ") || answer.contains("event: bye\n"),
        "{answer}"
    );
    assert!(hall.has_ended(guest));
    let third = hall.connect(usize::MAX);
    hall.enter_json(third);
    command(&mut hall, third, &login);
    hall.tick(u64::MAX);
    let refusal = events(&mut hall, third).pop().unwrap();
    assert_eq!(refusal["code"], "too_many_connections");
    // Another's going makes room.
    hall.end(first);
    hall.tick(u64::MAX);
    command(&mut hall, third, &login);
    hall.tick(u64::MAX);
    assert_eq!(events(&mut hall, third).pop().unwrap()["type"], "welcome");
}

/// Just enough was freed, so that the next byte took another walk over all connections.
#[test]
fn an_eighth_of_the_memory_is_freed() {
    const MOST: usize = 1 << 20;
    let mut hall = Hall::new(&["--max-memory", &MOST.to_string()]);
    let rooms = 1..=30;
    for room in rooms.clone() {
        hall.enter_with(room, 600);
    }
    let speakers: Vec<GuestId> = rooms.map(|room| hall.enter(room)).collect();
    for &speaker in speakers.iter().cycle().take(3_000) {
        let before = hall.server.memory_used();
        hall.say(speaker, TEXT, &[b'.'; 4_000]);
        hall.tick(u64::MAX);
        hall.discard(&[speaker]);
        let after = hall.server.memory_used();
        if after < before {
            assert!(before > MOST - 8_000, "{before} bytes are within the limit");
            assert!(after <= MOST / 8 * 7, "{after} bytes are still held");
            return;
        }
    }
    panic!("nobody is closed");
}
