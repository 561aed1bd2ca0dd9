//! Rooms in which a slow reader misses messages instead of being closed: `--overflow`.

use serde_json::{Value, json};

use crate::common::{Client, JsonClient, Server, narrow};

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
    let flags = [
        "--overflow",
        "lobby=close",
        "--overflow",
        "plant*=latest",
        "--max-queue",
        "100000",
        "--rate",
        "0",
    ];
    let server = Server::start(&flags);
    let mut slow = JsonClient::over(narrow(&server), "/ws/plant-1");
    slow.expect("joined");
    measure(&server);
    let mut latest = [0; SENSORS];
    let mut expected = 1;
    let mut gaps = 0;
    while latest.iter().any(|round| *round < ROUNDS as u64) {
        let event = slow.next();
        if event["type"] == "gap" {
            assert_eq!(event["from"], expected, "from the first that was missed");
            expected = event["to"].as_u64().unwrap() + 1;
            gaps += 1;
            continue;
        }
        let offset = event["offset"].as_u64().unwrap();
        let sensor: usize = event["key"].as_str().unwrap()["sensor-".len()..]
            .parse()
            .unwrap();
        let value = event["data"]["value"].as_u64().unwrap();
        assert!(value > latest[sensor], "never back in time");
        latest[sensor] = value;
        // After a gap come the latest of what it spans, then what is new.
        expected = expected.max(offset + 1);
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
