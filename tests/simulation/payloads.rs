//! Payloads of other services, each of which becomes several messages, beside a store that is late, refuses some or answers none:
//! each is answered once, and names all of them as they are.

use parlor::core::store::Durability;
use parlor::limits::STORE_TIMEOUT_MS;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::store::{Habit, LateStore};

const ALERTS: usize = 5;

fn payload(number: usize) -> String {
    let alerts = (0..ALERTS).map(|alert| {
        json!({"status": "firing", "labels": {"alertname": format!("{number}")},
            "fingerprint": format!("{number}-{alert}"), "startsAt": "2026-03-08T11:00:00Z"})
    });
    let alerts: Vec<Value> = alerts.collect();
    json!({"version": "4", "alerts": alerts}).to_string()
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /rooms/ops?as=alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What has come for a guest: statuses, each with its body.
fn answers(hall: &mut Hall, guest: GuestId) -> Vec<(u16, Value)> {
    let bytes = String::from_utf8(hall.sip(guest, usize::MAX)).unwrap();
    let answers = bytes.split("HTTP/1.1 ").skip(1).map(|answer| {
        let (head, body) = answer.split_once("\r\n\r\n").expect("it is whole");
        let status = head[..3].parse().expect("a status");
        (status, serde_json::from_str(body).expect("JSON"))
    });
    answers.collect()
}

#[test]
fn each_payload_is_answered_with_what_has_become_of_its_messages() {
    for refused in [0, 150] {
        let (mut done, mut partly) = (0, 0);
        for seed in 0..20 {
            let mut hall = Hall::seeded(seed_bytes(seed), &["--ping-interval", "0", "--rate", "0"]);
            hall.server.use_store(Durability::Disk);
            let habit = Habit {
                refused,
                late_ms: 100,
                ..Habit::default()
            };
            let mut store = LateStore::new(habit, Random::new(seed, 0));
            let posters: Vec<GuestId> = (0..8).map(|_| hall.connect(usize::MAX)).collect();
            for (number, &poster) in posters.iter().enumerate() {
                hall.send(poster, &request(&payload(number)));
                if number == 3 {
                    hall.tick(u64::MAX);
                }
                // One does not wait for the answer.
                if number == 5 {
                    hall.tick(u64::MAX);
                    hall.hang_up(poster);
                }
            }
            for _ in 0..100 {
                hall.tick(u64::MAX);
                store.take(&mut hall.server, hall.now);
                store.answer(&mut hall.server, hall.now);
                hall.end_tick(u64::MAX);
            }
            let kept: Vec<Value> = store
                .bodies_of("ops")
                .iter()
                .map(|body| serde_json::from_slice(body).unwrap())
                .collect();
            for (number, &poster) in posters.iter().enumerate().filter(|(it, _)| *it != 5) {
                let answers = answers(&mut hall, poster);
                let [(status, answer)] = &answers[..] else {
                    panic!("seed {seed}, {number}: {answers:?}");
                };
                let messages = answer["messages"].as_array().unwrap();
                assert_eq!(messages.len(), ALERTS);
                let mut are_all_there = true;
                for (alert, message) in messages.iter().enumerate() {
                    assert_eq!(message["key"], format!("alarm.{number}-{alert}"));
                    match message["offset"].as_u64() {
                        Some(offset) => {
                            let text = kept[offset as usize - 1]["text"].as_str().unwrap();
                            assert_eq!(text.trim(), format!("{number}"));
                        }
                        None => {
                            assert_eq!(message["code"], "unavailable");
                            are_all_there = false;
                        }
                    }
                }
                assert_eq!(*status, if are_all_there { 200 } else { 503 });
                done += usize::from(are_all_there);
                partly += usize::from(!are_all_there);
            }
            assert!(hall.server.is_quiet(), "seed {seed}: something waits");
        }
        assert!(
            done > 20 && (partly > 20) == (refused > 0),
            "{done}, {partly}"
        );
    }
}

#[test]
fn a_store_that_answers_nothing_leaves_nobody_waiting() {
    let mut hall = Hall::new(&["--ping-interval", "0", "--rate", "0"]);
    hall.server.use_store(Durability::Disk);
    let poster = hall.connect(usize::MAX);
    hall.send(poster, &request(&payload(1)));
    hall.tick(u64::MAX);
    assert!(answers(&mut hall, poster).is_empty());
    hall.now.ms += STORE_TIMEOUT_MS;
    hall.tick(u64::MAX);
    let answers = answers(&mut hall, poster);
    assert_eq!((answers.len(), answers[0].0), (1, 503));
    assert_eq!(answers[0].1["messages"][ALERTS - 1]["code"], "unavailable");
}
