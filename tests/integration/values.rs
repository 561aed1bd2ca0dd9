//! Values that must keep coming, and values that end.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Redis, Server, get, post};

fn port_of(line: &str) -> u16 {
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The next message with this key.
fn next_of(member: &mut JsonClient, key: &str) -> Value {
    loop {
        let message = member.wait_for("message");
        if message["key"] == key {
            return message;
        }
    }
}

/// Waits until a key is told to be silent, after the value at an offset.
fn wait_for_silence(member: &mut JsonClient, key: &str) -> Value {
    let value = next_of(member, key);
    let alarm = next_of(member, &format!("alarm.{key}"));
    let expected = json!({"alarm": "raised", "text": "silent", "severity": "warning", "silent_after": value["offset"]});
    assert_eq!(
        (&alarm["data"], &alarm["from"]["name"]),
        (&expected, &json!("parlor"))
    );
    let waited = alarm["at"].as_u64().unwrap() - value["at"].as_u64().unwrap();
    assert!((990..10_000).contains(&waited), "{waited} ms");
    alarm
}

#[test]
fn a_silent_key_raises_an_alarm_at_every_door() {
    let server = Server::start(&["--line-port", "0", "--udp-port", "0"]);
    let lines = port_of(&server.next_line());
    let datagrams = (Ipv4Addr::LOCALHOST, port_of(&server.next_line()));
    let (mut member, _) = JsonClient::in_room(&server, "plant");
    let (mut sensor, _) = JsonClient::in_room(&server, "tea");
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, lines)).unwrap();
    let path = "/rooms/plant?key=by.post&retain&expect=1";
    assert_eq!(server.http().ask(post(path, "", "1")).status, 200);
    wait_for_silence(&mut member, "by.post");
    let publish = |data: u32| json!({"type": "publish", "room": "plant", "key": "by.json", "retain": true, "data": data});
    let mut first = publish(1);
    first["expect"] = json!(1);
    sensor.ask(first);
    wait_for_silence(&mut member, "by.json");
    udp.send_to(b"plant/by.udp?expect=1 1", datagrams).unwrap();
    wait_for_silence(&mut member, "by.udp");
    line.write_all(b"plant/by.line?expect=1 1\n").unwrap();
    wait_for_silence(&mut member, "by.line");
    line.write_all(b"/set plant/by.set?expect=1 on\n").unwrap();
    wait_for_silence(&mut member, "by.set");
    // The next value ends it, and says nothing of the one after it.
    sensor.ask(publish(2));
    assert_eq!(
        next_of(&mut member, "alarm.by.json")["data"],
        json!({"alarm": "cleared"})
    );
    wait_for_silence_again(&mut member, "by.json");
    assert_eq!(server.metric("parlor_values_total{what=\"silent\"}"), 6);
    assert_eq!(server.metric("parlor_values_total{what=\"heard\"}"), 1);
    let (_, joined) = JsonClient::in_room(&server, "plant");
    let state = joined["retained"].as_array().unwrap();
    let alarm = state
        .iter()
        .find(|it| it["key"] == "alarm.by.json")
        .unwrap();
    assert_eq!(alarm["data"]["alarm"], "raised");
}

/// What was said of the key before goes for the next value, too.
fn wait_for_silence_again(member: &mut JsonClient, key: &str) {
    let alarm = next_of(member, &format!("alarm.{key}"));
    assert_eq!(alarm["data"]["text"], "silent");
}

#[test]
fn what_cannot_be_said_of_a_value_is_refused() {
    let server = Server::start(&[]);
    for (query, detail) in [
        ("key=k&expect=1", "expect and ttl need key and retain"),
        ("key=k&ttl=1", "expect and ttl need key and retain"),
        ("key=k&retain&expect=604801", "1 to 604800"),
        ("key=k&retain&ttl=0", "1 to 31622400"),
        ("key=k&retain&expect=soon", "expect is a whole number"),
    ] {
        let response = server
            .http()
            .ask(post(&format!("/rooms/plant?{query}"), "", "1"));
        let body = String::from_utf8(response.body).unwrap();
        assert!(
            response.status == 400 && body.contains(detail),
            "{query}: {body}"
        );
    }
    let mut client = JsonClient::new(&server, "/ws");
    let long = "k".repeat(123);
    let publish = json!({"type": "publish", "room": "plant", "key": long, "retain": true, "data": 1, "expect": 1});
    let refused = client.ask(publish);
    assert_eq!(refused["code"], "bad_command");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("at most 122 bytes"),
        "{refused}"
    );
}

#[test]
fn a_value_that_ends_is_removed_as_by_hand() {
    let server = Server::start(&[]);
    let (mut member, _) = JsonClient::in_room(&server, "plant");
    let path = "/rooms/plant?key=door&retain&ttl=1";
    server.http().ask(post(path, "", "open"));
    assert_eq!(next_of(&mut member, "door")["data"], "open");
    let removed = next_of(&mut member, "door");
    assert_eq!(
        (&removed["data"], &removed["from"]["name"]),
        (&Value::Null, &json!("parlor"))
    );
    let (_, joined) = JsonClient::in_room(&server, "plant");
    assert_eq!(joined["retained"], json!([]));
    assert_eq!(server.metric("parlor_values_watched"), 0);
}

#[test]
fn readers_are_told_what_is_expected() {
    let server = Server::start(&[]);
    let (mut member, _) = JsonClient::in_room(&server, "plant");
    for (query, expect) in [("&expect=60", json!(60)), ("", Value::Null)] {
        let path = format!("/rooms/plant?key=temp&retain{query}");
        server.http().ask(post(&path, "", "1"));
        assert_eq!(next_of(&mut member, "temp")["expect"], expect);
    }
    let (mut late, joined) = JsonClient::in_room(&server, "plant");
    assert_eq!(joined["retained"][0]["expect"], 60, "it goes on");
    let page = server.http().ask(get("/rooms/plant/messages"));
    let page: Value = serde_json::from_slice(&page.body).unwrap();
    let told: Vec<&Value> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["expect"])
        .collect();
    assert_eq!(told, [&json!(60), &Value::Null]);
    server
        .http()
        .ask(post("/rooms/plant?key=temp&retain&expect=0", "", "1"));
    assert_eq!(next_of(&mut late, "temp")["expect"], 0);
    let (_, joined) = JsonClient::in_room(&server, "plant");
    assert_eq!(joined["retained"][0].get("expect"), None);
}

#[test]
fn the_removal_of_a_value_clears_its_alarm() {
    let server = Server::start(&[]);
    let (mut member, _) = JsonClient::in_room(&server, "plant");
    let (path, json) = (
        "/rooms/plant?key=temp&retain",
        "Content-Type: application/json\r\n",
    );
    server
        .http()
        .ask(post(&format!("{path}&expect=1"), json, "1"));
    assert_eq!(
        next_of(&mut member, "alarm.temp")["data"]["alarm"],
        "raised"
    );
    server.http().ask(post(path, json, "null"));
    assert_eq!(
        next_of(&mut member, "alarm.temp")["data"],
        json!({"alarm": "cleared"})
    );
    let (_, joined) = JsonClient::in_room(&server, "plant");
    let state = joined["retained"].as_array().unwrap();
    assert!(
        state
            .iter()
            .all(|it| it["key"] == "alarm.temp" && it["data"]["alarm"] == "cleared")
    );
}

#[test]
fn deadlines_outlive_a_server() {
    for signal in ["KILL", "TERM"] {
        let data = Data::new();
        let mut server = data.serve(&[]);
        for path in ["key=temp&retain&expect=2", "key=door&retain&ttl=2"] {
            let path = format!("/rooms/plant?{path}");
            assert_eq!(server.http().ask(post(&path, "", "1")).status, 200);
        }
        server.signal(signal);
        server.wait();
        let server = data.serve(&[]);
        // Nobody has come for the room yet.
        crate::common::eventually("both are told", || {
            let said = |what| server.metric(&format!("parlor_values_total{{what=\"{what}\"}}"));
            (said("silent"), said("ended")) == (1, 1)
        });
        let page = server.http().ask(get("/rooms/plant/messages"));
        let page: Value = serde_json::from_slice(&page.body).unwrap();
        let told: Vec<(&Value, &Value)> = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["key"], &it["data"]))
            .collect();
        assert!(told.contains(&(&json!("door"), &Value::Null)), "{told:?}");
        let alarm =
            json!({"alarm": "raised", "text": "silent", "severity": "warning", "silent_after": 1});
        assert!(told.contains(&(&json!("alarm.temp"), &alarm)), "{told:?}");
        assert_eq!(told.len(), 4, "{told:?}");
    }
}

/// All nodes that have the room may say it, and it is said once.
#[test]
fn on_redis_a_silence_is_told_once() {
    let redis = Redis::start(&["--save", ""]);
    let [one, other] = [(); 2].map(|()| Server::start(&["--redis", &redis.url()]));
    let (mut here, _) = JsonClient::in_room(&one, "plant");
    let (_there, _) = JsonClient::in_room(&other, "plant");
    let key = "alarm.temp";
    for value in 1..=3 {
        let path = "/rooms/plant?key=temp&retain&expect=1";
        let response = other.http().ask(post(path, "", value.to_string()));
        assert_eq!(response.status, 200);
        if value > 1 {
            let cleared = next_of(&mut here, key);
            assert_eq!(cleared["data"], json!({"alarm": "cleared"}));
        }
        let alarm = next_of(&mut here, key);
        assert_eq!(alarm["data"]["text"], "silent");
    }
    // Both have looked at it again.
    let last = other
        .http()
        .ask(post("/rooms/plant?key=end&retain&ttl=2", "", "1"));
    assert_eq!(last.status, 200);
    assert_eq!(next_of(&mut here, "end")["data"], "1");
    assert_eq!(next_of(&mut here, "end")["data"], Value::Null);
    for node in [one, other] {
        let said = |what| node.metric(&format!("parlor_values_total{{what=\"{what}\"}}"));
        assert_eq!((said("silent"), said("heard"), said("ended")), (3, 2, 1));
    }
}

/// The points of each key, as an answer has them.
fn points(answer: &Value) -> Vec<(&str, Vec<f64>)> {
    let series = answer["series"].as_array().expect("it was asked for");
    let values = |it: &Value| {
        let points = it["points"].as_array().unwrap().iter();
        points.map(|point| point[1].as_f64().unwrap()).collect()
    };
    series
        .iter()
        .map(|it| (it["key"].as_str().unwrap(), values(it)))
        .collect()
}

/// A room that remembers three messages has the rest on disk.
#[test]
fn a_chart_goes_back_beyond_what_a_room_remembers() {
    let data = Data::new();
    let flags = ["--history", "3"];
    let mut server = data.serve(&flags);
    let send = |server: &Server, values: &[i32]| {
        for value in values {
            for key in ["boiler.temp", "pump"] {
                let path = format!("/rooms/plant?key={key}&retain");
                let sent = server.http().ask(post(&path, "", value.to_string()));
                assert_eq!(sent.status, 200);
            }
        }
    };
    send(&server, &[1, 2, 99, 4, 5, -7, 6]);
    for is_restarted in [false, true] {
        if is_restarted {
            server.signal("KILL");
            server.wait();
            server = data.serve(&flags);
        }
        let all = vec![1.0, 2.0, 99.0, 4.0, 5.0, -7.0, 6.0];
        let mut board = JsonClient::new(&server, "/ws");
        let joined =
            board.ask(json!({"type": "join", "room": "plant", "series": {"seconds": 3600}}));
        assert_eq!(
            points(&joined),
            [("boiler.temp", all.clone()), ("pump", all.clone())]
        );
        let one = board
            .ask(json!({"type": "history", "room": "plant", "keys": ["boi*"], "seconds": 3600}));
        assert_eq!(
            (&one["type"], points(&one)),
            (&json!("history"), vec![("boiler.temp", all.clone())])
        );
        let few = board.ask(json!({"type": "history", "room": "plant", "key": "pump", "seconds": 3600, "points": 3}));
        assert_eq!(points(&few), [("pump", vec![99.0, -7.0, 6.0])]);
        let path = "/rooms/plant/series?keys=boiler.*,door&seconds=3600&points=100";
        let response = server.http().ask(get(path));
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(points(&answer), [("boiler.temp", all)]);
    }
    // What has come since is there, though the rest was read before.
    send(&server, &[8]);
    let response = server
        .http()
        .ask(get("/rooms/plant/series?keys=pump&seconds=3600"));
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(points(&answer)[0].1.len(), 8);
    let mut board = JsonClient::new(&server, "/ws");
    let refused = board.ask(json!({"type": "history", "room": "plant", "key": "pump"}));
    assert_eq!(refused["code"], "bad_command", "{refused}");
    let refused = server.http().ask(get("/rooms/plant/series?key=pump"));
    assert_eq!(refused.status, 400);
}

#[test]
fn a_chart_of_some_keys_from_memory() {
    let server = Server::start(&[]);
    for (key, value) in [("a.1", "1"), ("b", "2"), ("a.2", "3")] {
        server
            .http()
            .ask(post(&format!("/rooms/plant?key={key}"), "", value));
    }
    let mut board = JsonClient::new(&server, "/ws");
    let series = json!({"seconds": 60, "keys": ["a.?"]});
    let joined = board.ask(json!({"type": "join", "room": "plant", "series": series}));
    assert_eq!(points(&joined), [("a.1", vec![1.0]), ("a.2", vec![3.0])]);
    let many = vec!["k"; 17];
    let series = json!({"seconds": 60, "keys": many});
    let refused = board.ask(json!({"type": "join", "room": "plant", "series": series}));
    assert_eq!(refused["code"], "bad_command");
}
