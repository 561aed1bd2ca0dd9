//! Many who come into a room at once, or fall behind in it: what they all get is made once.

use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::reader::Seen;

const TEXT: u8 = 1;
const KEYS: usize = 1_000;

fn command(hall: &mut Hall, guest: GuestId, command: &Value) {
    hall.say(guest, TEXT, command.to_string().as_bytes());
}

/// The events that have come for someone at the JSON door.
fn events(hall: &mut Hall, guest: GuestId) -> Vec<Value> {
    let seen = hall.read(guest).into_iter();
    let events = seen.filter_map(|seen| match seen {
        Seen::Message { payload, .. } => serde_json::from_slice(&payload).ok(),
        _ => None,
    });
    events.collect()
}

fn enter(hall: &mut Hall, capacity: usize) -> GuestId {
    let guest = hall.connect(capacity);
    hall.enter_json(guest);
    guest
}

/// A room of which the state of so many keys is known.
fn fill(hall: &mut Hall, room: &str) -> GuestId {
    let speaker = enter(hall, usize::MAX);
    for key in 0..KEYS {
        let publish = json!({"type": "publish", "room": room, "key": format!("sensor.{key}"),
            "retain": true, "data": {"value": key, "unit": "°C", "note": "a reading like any other"}});
        command(hall, speaker, &publish);
        if key % 100 == 0 {
            hall.tick(u64::MAX);
            hall.discard(&[speaker]);
        }
    }
    hall.tick(u64::MAX);
    hall.discard(&[speaker]);
    speaker
}

/// The state of a room was made anew for each who came, and held for each.
#[test]
fn the_state_of_a_room_is_held_once_however_many_come() {
    let mut hall = Hall::new(&["--rate", "0"]);
    fill(&mut hall, "plant");
    let before = hall.server.memory_used();
    let comers: Vec<GuestId> = (0..200).map(|_| enter(&mut hall, 1_000)).collect();
    for &comer in &comers {
        command(&mut hall, comer, &json!({"type": "join", "room": "plant"}));
    }
    hall.tick(u64::MAX);
    let held = hall.server.memory_used() - before;
    assert!(
        held < 2_000_000,
        "{held} bytes for {} of them",
        comers.len()
    );
    hall.widen();
    for _ in 0..5 {
        hall.tick(u64::MAX);
    }
    for comer in comers {
        let joined = events(&mut hall, comer);
        let joined = joined.iter().find(|event| event["type"] == "joined");
        let retained = joined.expect("it has joined")["retained"].as_array();
        assert_eq!(retained.map(Vec::len), Some(KEYS));
    }
}

/// What had changed since somebody else came was not told.
#[test]
fn who_comes_later_is_told_how_it_is_then() {
    let mut hall = Hall::new(&["--rate", "0"]);
    let speaker = fill(&mut hall, "plant");
    for round in 0..5 {
        let comer = enter(&mut hall, usize::MAX);
        command(&mut hall, comer, &json!({"type": "join", "room": "plant"}));
        hall.tick(u64::MAX);
        let seen = events(&mut hall, comer);
        let joined = seen.iter().find(|event| event["type"] == "joined").unwrap();
        let retained = joined["retained"].as_array().unwrap();
        let value = |key: &str| {
            let message = retained.iter().find(|message| message["key"] == key);
            message.map(|message| message["data"].clone())
        };
        let expected = (round > 0).then(|| json!(round - 1));
        assert_eq!(value("round"), expected);
        assert_eq!(retained.len(), KEYS - round + usize::from(round > 0));
        let is_member = |who: &Value| who["id"].is_string();
        assert_eq!(
            joined["members"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|who| is_member(who))
                .count() as u64,
            joined["count"]
        );
        let remove = json!({"type": "publish", "room": "plant", "key": format!("sensor.{round}"),
            "retain": true, "data": null});
        command(&mut hall, speaker, &remove);
        let publish = json!({"type": "publish", "room": "plant", "key": "round", "retain": true, "data": round});
        command(&mut hall, speaker, &publish);
        hall.tick(u64::MAX);
        hall.discard(&[speaker]);
    }
}

/// The second answer announced an offset that was delivered behind it, and parlor.js dropped that message.
#[test]
fn who_joins_twice_misses_nothing_that_is_said_in_between() {
    for (joins_late, last) in [(false, 0), (true, 0), (true, 5)] {
        let mut hall = Hall::new(&[]);
        let [one, other] = [(); 2].map(|()| enter(&mut hall, usize::MAX));
        let join = json!({"type": "join", "room": "tea", "last": last});
        let publish = |n: u64| json!({"type": "publish", "room": "tea", "data": n});
        if joins_late {
            command(&mut hall, one, &join);
            command(&mut hall, other, &publish(1));
            hall.tick(u64::MAX);
        }
        hall.discard(&[other]);
        command(&mut hall, other, &publish(2));
        hall.begin_tick();
        command(&mut hall, one, &join);
        hall.begin_tick();
        command(&mut hall, other, &publish(3));
        hall.begin_tick();
        command(&mut hall, one, &join);
        hall.begin_tick();
        hall.end_tick(u64::MAX);
        let mut position = 0;
        let mut heard = Vec::new();
        for event in events(&mut hall, one) {
            let offset = event["offset"].as_u64().unwrap_or_default();
            match event["type"].as_str() {
                Some("joined") => {
                    assert!(offset >= position, "{event}");
                    position = offset;
                }
                Some("message") => {
                    assert_eq!(offset, position + 1, "{event} at {position}");
                    position = offset;
                    heard.push(offset);
                }
                _ => {}
            }
        }
        assert_eq!(heard.last(), Some(&if joins_late { 3 } else { 2 }));
    }
}
