//! What a room remembers, and who comes back to it.

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Server, get};

fn offsets(messages: &Value) -> Vec<u64> {
    let messages = messages.as_array().expect("there is a list");
    messages
        .iter()
        .filter_map(|message| message["offset"].as_u64())
        .collect()
}

#[test]
fn who_comes_back_gets_exactly_what_they_missed() {
    let server = Server::start(&["--history", "10"]);
    let (mut one, joined) = JsonClient::in_room(&server, "tea");
    let epoch = &joined["epoch"];
    for number in 1..=12 {
        assert_eq!(one.say("tea", number), number);
    }
    let mut back = JsonClient::new(&server, "/ws");
    let mut join =
        |since: Value| back.ask(json!({"type": "join", "room": "tea", "since": since, "last": 3}));
    let joined = join(json!({"epoch": epoch, "offset": 7}));
    assert_eq!(
        (&joined["recovered"], offsets(&joined["messages"])),
        (&json!(true), vec![8, 9, 10, 11, 12])
    );
    let joined = join(json!({"epoch": epoch, "offset": 12}));
    assert_eq!(
        (&joined["recovered"], offsets(&joined["messages"])),
        (&json!(true), vec![])
    );
    for lost in [
        json!({"epoch": epoch, "offset": 1}),
        json!({"epoch": "x", "offset": 7}),
        json!({"epoch": epoch, "offset": 13}),
    ] {
        let joined = join(lost);
        assert_eq!(
            (&joined["recovered"], offsets(&joined["messages"])),
            (&json!(false), vec![10, 11, 12])
        );
    }
    one.say("tea", 13);
    assert_eq!(back.wait_for("message")["offset"], 13);
}

#[test]
fn what_was_said_before_anyone_came_is_remembered() {
    let server = Server::start(&[]);
    let mut one = JsonClient::new(&server, "/ws");
    one.say("tea", "into the empty room");
    drop(one);
    let mut other = JsonClient::new(&server, "/ws");
    let joined = other.ask(json!({"type": "join", "room": "tea", "last": 1}));
    assert_eq!(joined["messages"][0]["data"], "into the empty room");
}

#[test]
fn history_is_paged() {
    let server = Server::start(&[]);
    let mut one = JsonClient::new(&server, "/ws");
    for number in 1..=10 {
        one.say("tea", number);
    }
    let mut page = |before: Value| {
        one.ask(json!({"type": "history", "room": "tea", "before": before, "limit": 4}))
    };
    let newest = page(Value::Null);
    assert_eq!(
        (offsets(&newest["messages"]), &newest["more"]),
        (vec![7, 8, 9, 10], &json!(true))
    );
    let oldest = page(json!(5));
    assert_eq!(
        (offsets(&oldest["messages"]), &oldest["more"]),
        (vec![1, 2, 3, 4], &json!(false))
    );
}

#[test]
fn the_state_of_keys_is_handed_to_whoever_joins() {
    let server = Server::start(&["--history", "0"]);
    let mut sensor = JsonClient::new(&server, "/ws");
    let mut measure = |key: &str, data: Value| {
        sensor.ask(
            json!({"type": "publish", "room": "plant", "key": key, "data": data, "retain": true}),
        )
    };
    for (key, value) in [
        ("a", json!(1)),
        ("b", json!(2)),
        ("a", json!(3)),
        ("b", Value::Null),
    ] {
        assert_eq!(measure(key, value)["type"], "ok");
    }
    let (_client, joined) = JsonClient::in_room(&server, "plant");
    let retained = joined["retained"].as_array().unwrap();
    assert_eq!(
        (retained.len(), &retained[0]["key"], &retained[0]["data"]),
        (1, &json!("a"), &json!(3))
    );
    server.client("/ws/plant").expect("3");
}

fn publish(client: &mut JsonClient, key: &str, data: &Value) {
    let publish =
        json!({"type": "publish", "room": "plant", "key": key, "data": data, "retain": true});
    assert_eq!(client.ask(publish)["type"], "ok");
}

#[test]
fn who_joins_a_busy_plant_finds_the_chat_and_a_minute_of_values() {
    let server = Server::start(&["--rate", "0"]);
    let mut sensor = JsonClient::new(&server, "/ws");
    sensor.say("plant", "who is on call?");
    for number in 0..1500 {
        publish(&mut sensor, ["a", "b"][number % 2], &json!(number));
    }
    publish(&mut sensor, "note", &json!("no number"));
    let mut late = JsonClient::new(&server, "/ws");
    let join = json!({"type": "join", "room": "plant", "last": 10, "series": {"seconds": 60}});
    let joined = late.ask(join);
    assert_eq!(joined["messages"][0]["data"], "who is on call?");
    let series = joined["series"].as_array().expect("it was asked for");
    let shown = |series: &Value| {
        let points = series["points"].as_array().unwrap();
        let values = points.iter().map(|point| point[1].as_f64().unwrap());
        (series["key"].clone(), values.collect::<Vec<f64>>())
    };
    let values = |first: u32| {
        (first..1500)
            .step_by(2)
            .map(f64::from)
            .collect::<Vec<f64>>()
    };
    let shown: Vec<_> = series.iter().map(shown).collect();
    assert_eq!(shown, [(json!("a"), values(0)), (json!("b"), values(1))]);

    let since = json!({"epoch": joined["epoch"], "offset": joined["offset"]});
    let join = json!({"type": "join", "room": "plant", "since": since, "series": {"seconds": 60}});
    let again = late.ask(join);
    assert_eq!(
        (&again["recovered"], again.get("series")),
        (&json!(true), None)
    );
    let join = json!({"type": "join", "room": "plant", "series": {"seconds": 60, "points": 9}});
    let few = late.ask(join);
    assert!(few["series"][0]["points"].as_array().unwrap().len() <= 9);
    for (wrong, why) in [
        (json!({"points": 9}), "seconds"),
        (json!({"count": 0}), "1 at the least"),
        (json!({"count": 9, "points": 9}), "one of them"),
        (json!({"count": -1}), "count"),
    ] {
        let refused = late.ask(json!({"type": "join", "room": "plant", "series": wrong}));
        assert_eq!(refused["code"], "bad_command");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(why) || why == "count", "{message}");
    }
}

/// From memory, and from the disk: the room remembers few.
#[test]
fn the_newest_values_of_each_key_are_told_however_old_they_are() {
    let data = Data::new();
    let flags = ["--rate", "0", "--history", "4"];
    let mut server = data.serve(&flags);
    let mut sensor = JsonClient::new(&server, "/ws");
    sensor.ask(json!({"type": "join", "room": "plant"}));
    for number in 0..40 {
        publish(&mut sensor, "busy", &json!(number));
        if number % 10 == 0 {
            publish(&mut sensor, "slow", &json!(number));
        }
    }
    let values = |series: &Value| -> Vec<(String, Vec<f64>)> {
        let of_key = |it: &Value| {
            let points = it["points"].as_array().unwrap().iter();
            let points = points.map(|point| point[1].as_f64().unwrap());
            (it["key"].as_str().unwrap().to_owned(), points.collect())
        };
        series.as_array().unwrap().iter().map(of_key).collect()
    };
    let newest = |first: u32, step: usize| -> Vec<f64> {
        (first..40).step_by(step).map(f64::from).collect()
    };
    for _ in 0..2 {
        let mut late = JsonClient::new(&server, "/ws");
        let joined = late.ask(json!({"type": "join", "room": "plant", "series": {"count": 25}}));
        let both = [
            ("busy".to_owned(), newest(15, 1)),
            ("slow".to_owned(), newest(0, 10)),
        ];
        assert_eq!(values(&joined["series"]), both);
        let slow = json!({"type": "history", "room": "plant", "key": "slow", "count": 2});
        let slow = late.ask(slow);
        assert_eq!(
            values(&slow["series"]),
            [("slow".to_owned(), newest(20, 10))]
        );
        let response = server
            .http()
            .ask(get("/rooms/plant/series?keys=busy&count=30"));
        let all: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(values(&all["series"]), [("busy".to_owned(), newest(10, 1))]);
        server.signal("TERM");
        server.wait();
        server = data.serve(&flags);
    }
}

#[test]
fn series_of_very_many_keys_fit_into_an_answer() {
    let server = Server::start(&["--rate", "0", "--history-bytes", "10000000"]);
    let mut sensor = JsonClient::new(&server, "/ws");
    for number in 0..3000 {
        let key = format!("{number:04}{}", "x".repeat(120));
        let publish = json!({"type": "publish", "room": "plant", "key": key, "data": number});
        assert_eq!(sensor.ask(publish)["type"], "ok");
    }
    let mut late = JsonClient::new(&server, "/ws");
    let joined = late.ask(json!({"type": "join", "room": "plant", "series": {"seconds": 60}}));
    let series = joined["series"].as_array().expect("it was asked for");
    assert!((1000..2000).contains(&series.len()), "{}", series.len());
    assert!(joined["series"].to_string().len() <= 256 << 10);
    for (number, series) in series.iter().enumerate() {
        assert_eq!(series["points"][0][1].as_f64(), Some(number as f64));
    }
}

#[test]
fn what_a_change_of_an_alarm_leaves_out_is_there_for_who_comes_later() {
    let server = Server::start(&[]);
    let mut sensor = JsonClient::new(&server, "/ws");
    let (mut here, _) = JsonClient::in_room(&server, "plant");
    let raised = json!({"alarm": "raised", "text": "too hot", "severity": "critical"});
    let cleared = json!({"alarm": "cleared", "raised_at": 5});
    publish(&mut sensor, "alarm.boiler", &raised);
    publish(&mut sensor, "alarm.boiler", &cleared);
    assert_eq!(here.wait_for("message")["data"], raised);
    assert_eq!(here.wait_for("message")["data"], cleared, "as it was sent");
    let mut late = JsonClient::new(&server, "/ws");
    let joined = late.ask(json!({"type": "join", "room": "plant", "last": 1}));
    assert_eq!(joined["messages"][0]["data"], cleared);
    let known =
        json!({"alarm": "cleared", "text": "too hot", "severity": "critical", "raised_at": 5});
    assert_eq!(joined["retained"][0]["data"], known);
}

#[test]
fn what_is_sent_twice_is_published_once() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let publish = json!({"type": "publish", "room": "tea", "data": "x", "dedup": "d1"});
    assert_eq!(one.ask(publish.clone())["offset"], 1);
    let token = one.welcome["resume"].clone();
    drop(one);
    let (mut back, _) = JsonClient::in_room(&server, "tea");
    back.ask(json!({"type": "login", "resume": token}));
    assert_eq!(back.ask(publish)["offset"], 1);
    assert_eq!(back.say("tea", "y"), 2);
}

#[test]
fn long_histories_of_several_rooms_are_recovered() {
    let server = Server::start(&["--rate", "0"]);
    let mut speaker = JsonClient::new(&server, "/ws");
    let mut epochs = Vec::new();
    for room in ["one", "two", "three"] {
        for _ in 0..14 {
            speaker.say(room, "x".repeat(60_000));
        }
        epochs.push(speaker.ask(json!({"type": "join", "room": room}))["epoch"].clone());
    }
    let mut back = JsonClient::new(&server, "/ws");
    for (room, epoch) in ["one", "two", "three"].iter().zip(&epochs) {
        let join = json!({"type": "join", "room": room, "since": {"epoch": epoch, "offset": 0}});
        back.socket().queue(join.to_string());
    }
    back.socket().flush();
    for room in ["one", "two", "three"] {
        let joined = back.expect("joined");
        assert_eq!(
            (&joined["room"], &joined["recovered"]),
            (&json!(room), &json!(true))
        );
        assert_eq!(joined["messages"].as_array().unwrap().len(), 14);
    }
}

#[test]
fn a_position_that_no_room_has_reached_is_not_recovered() {
    let server = Server::start(&[]);
    let (mut one, joined) = JsonClient::in_room(&server, "tea");
    one.say("tea", 1);
    let since = json!({"epoch": joined["epoch"], "offset": u64::MAX});
    let joined = one.ask(json!({"type": "join", "room": "tea", "since": since}));
    assert_eq!(joined["recovered"], false);
}

#[test]
fn what_a_room_retains_is_bounded() {
    let server = Server::start(&["--rate", "0"]);
    let mut one = JsonClient::new(&server, "/ws");
    let text = "x".repeat(60_000);
    let mut retain = |key: usize| {
        let key = format!("key-{key}");
        one.ask(
            json!({"type": "publish", "room": "lobby", "key": key, "data": text, "retain": true}),
        )
    };
    let refused = (0..40)
        .map(&mut retain)
        .find(|answer| answer["type"] == "error");
    assert_eq!(refused.unwrap()["code"], "too_many_keys");
    assert_eq!(retain(0)["type"], "ok", "what is there may change");
    let (_newcomer, joined) = JsonClient::in_room(&server, "lobby");
    assert!(joined["retained"].as_array().unwrap().len() > 10);
}
