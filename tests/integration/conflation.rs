//! Rooms in which a slow reader misses messages instead of being closed: `--overflow`.

use serde_json::{Value, json};

use crate::common::{Client, JsonClient, Server, TestFile, narrow};

/// Together more than the kernel takes for a socket that is not read.
const ROUNDS: usize = 600;
const SENSORS: usize = 4;

/// The measurement of a sensor in a round, of some size.
fn measurement(round: usize) -> Value {
    json!({"value": round, "padding": "x".repeat(4_000)})
}

/// All sensors report in all rounds.
fn measure(server: &Server) {
    let mut feed = JsonClient::new(server, "/ws");
    for round in 1..=ROUNDS {
        for sensor in 0..SENSORS {
            let key = format!("sensor-{sensor}");
            let publish = json!({"type": "publish", "room": "plant-1", "key": key, "data": measurement(round)});
            assert_eq!(feed.ask(publish)["type"], "ok");
        }
    }
}

#[test]
fn a_slow_reader_gets_the_latest_of_each_key() {
    expect_the_latest(&["--overflow", "lobby=close", "--overflow", "plant*=latest"]);
}

#[test]
fn so_it_does_in_a_room_whose_pattern_says_so() {
    let text =
        "[[rooms]]\npattern = \"lobby\"\n[[rooms]]\npattern = \"plant*\"\noverflow = \"latest\"\n";
    let file = TestFile::new(text);
    expect_the_latest(&["--config", file.path()]);
}

fn expect_the_latest(flags: &[&str]) {
    let server = Server::start(&[flags, &["--max-queue", "100000", "--rate", "0"]].concat());
    let mut slow = JsonClient::over(narrow(&server), "/ws/plant-1");
    slow.expect("joined");
    measure(&server);
    let mut latest = [0; SENSORS];
    let mut expected = 1;
    let mut gaps = 0;
    while latest.iter().any(|round| *round < ROUNDS as u64) {
        let event = slow.next();
        let messages = match event["type"].as_str() {
            Some("gap") => {
                assert_eq!(event["from"], expected, "from the first that was missed");
                gaps += 1;
                let joined = slow.expect("joined");
                assert_eq!(
                    (&joined["recovered"], &joined["offset"]),
                    (&json!(false), &event["to"])
                );
                expected = event["to"].as_u64().unwrap() + 1;
                joined["messages"].as_array().unwrap().clone()
            }
            _ => {
                assert_eq!(
                    event["offset"], expected,
                    "without a hole that was not told"
                );
                expected += 1;
                vec![event]
            }
        };
        for message in messages {
            let key = message["key"].as_str().unwrap();
            let sensor: usize = key["sensor-".len()..].parse().unwrap();
            let value = message["data"]["value"].as_u64().unwrap();
            assert!(value > latest[sensor], "never back in time");
            latest[sensor] = value;
        }
    }
    assert!(gaps > 0, "nothing was missed");
}

#[test]
fn a_plain_reader_of_such_a_room_is_not_closed_either() {
    let server = Server::start(&[
        "--overflow",
        "plant*=latest",
        "--max-queue",
        "100000",
        "--rate",
        "0",
    ]);
    let mut slow = Client::over(narrow(&server), "/ws/plant-1").unwrap();
    measure(&server);
    let last = measurement(ROUNDS).to_string();
    let mut seen = 0;
    while seen < SENSORS {
        let message = slow.next();
        seen += usize::from(message.to_text().unwrap() == last);
    }
    slow.say("and on it goes");
}

#[test]
fn who_was_away_learns_that_a_key_is_gone_and_who_has_left() {
    let flags = [
        "--overflow",
        "plant*=latest",
        "--max-queue",
        "100000",
        "--rate",
        "0",
        "--history",
        "10",
    ];
    let server = Server::start(&flags);
    let (mut feed, _) = JsonClient::in_room(&server, "plant-1");
    let alarm = |data: Value| json!({"type": "publish", "room": "plant-1", "key": "alarm", "data": data, "retain": true});
    feed.ask(alarm(json!("on")));
    let mut slow = JsonClient::over(narrow(&server), "/ws/plant-1");
    let joined = slow.expect("joined");
    assert_eq!(
        (&joined["retained"][0]["data"], &joined["count"]),
        (&json!("on"), &json!(2))
    );
    feed.ask(alarm(Value::Null));
    drop(feed);
    measure(&server);
    let joined = slow.wait_for("joined");
    assert_eq!(
        (&joined["retained"], &joined["count"]),
        (&json!([]), &json!(1))
    );
}
