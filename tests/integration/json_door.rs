//! The JSON door: commands and their answers.

use serde_json::{Value, json};

use crate::common::{JsonClient, Server, close_of};

#[test]
fn whoever_comes_is_welcomed_as_a_guest() {
    let server = Server::start(&["--max-message", "1000", "--rate", "7"]);
    let client = JsonClient::new(&server, "/ws");
    let welcome = &client.welcome;
    let name = welcome["you"]["name"].as_str().unwrap();
    assert!(name.starts_with("guest-"), "{name}");
    assert!(welcome["resume"].as_str().unwrap().len() > 32);
    assert_eq!(welcome["ping_ms"], 25_000);
    assert_eq!(welcome["limits"]["message"], 1000);
    assert_eq!(
        (&welcome["limits"]["rate"], &welcome["limits"]["burst"]),
        (&json!(7), &json!(14))
    );
}

#[test]
fn a_room_in_the_path_is_joined() {
    let server = Server::start(&[]);
    let mut client = JsonClient::new(&server, "/ws/tea");
    let joined = client.expect("joined");
    assert_eq!(
        (&joined["room"], &joined["offset"], &joined["count"]),
        (&json!("tea"), &json!(0), &json!(1))
    );
}

#[test]
fn a_message_reaches_every_door_from_every_door() {
    let server = Server::start(&[]);
    let mut plain = server.client("/ws/tea");
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    one.send(&json!({"type": "publish", "room": "tea", "data": "hi \"all\"\n", "id": 1}));
    assert_eq!(
        one.expect("ok"),
        json!({"type": "ok", "id": 1, "offset": 1})
    );
    for client in [&mut one, &mut other] {
        let message = client.expect("message");
        assert_eq!(
            (&message["data"], &message["offset"]),
            (&json!("hi \"all\"\n"), &json!(1))
        );
    }
    plain.expect("hi \"all\"\n");
    one.say("tea", json!({"b": [1, 2.50], "a": null}));
    plain.expect("{\"a\":null,\"b\":[1,2.5]}");
    one.wait_for("message");
    assert_eq!(
        other.expect("message")["data"],
        json!({"a": null, "b": [1, 2.5]})
    );
    plain.say("from outside");
    let message = other.expect("message");
    assert_eq!(message["data"], "from outside");
    assert!(
        message["from"]["name"]
            .as_str()
            .unwrap()
            .starts_with("guest-")
    );
    plain.send(vec![0_u8, 255]);
    let message = other.expect("message");
    assert_eq!(
        (&message["binary"], message.get("data")),
        (&json!("AP8="), None)
    );
    other.ask(json!({"type": "publish", "room": "tea", "binary": "AAE="}));
    plain.expect(vec![0_u8, 255]);
    plain.expect(vec![0_u8, 1]);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let server = Server::start(&[]);
    let mut plain = server.client("/ws/tea");
    let mut client = JsonClient::new(&server, "/ws");
    client
        .socket()
        .send(r#"{"type":"publish","room":"tea","data":[ 12345678901234567890123 , 1.10 ]}"#);
    plain.expect("[12345678901234567890123,1.10]");
}

#[test]
fn commands_in_one_segment_are_answered_in_order() {
    let server = Server::start(&["--rate", "0"]);
    let mut client = JsonClient::new(&server, "/ws");
    for number in 0..300 {
        let command = json!({"type": "publish", "room": "r", "data": number, "id": number});
        client.socket().queue(command.to_string());
    }
    client.socket().flush();
    for number in 0..300 {
        let ok = client.expect("ok");
        assert_eq!(
            (&ok["id"], &ok["offset"]),
            (&json!(number), &json!(number + 1))
        );
    }
}

#[test]
fn errors_name_what_is_wrong_and_close_nothing() {
    let server = Server::start(&[]);
    let mut client = JsonClient::new(&server, "/ws");
    for (command, code) in [
        (json!({"type": "dance"}), "bad_command"),
        (json!({"type": "join", "room": "a b"}), "bad_room"),
        (
            json!({"type": "publish", "room": "", "data": 1}),
            "bad_room",
        ),
        (
            json!({"type": "publish", "room": "a", "data": 1, "retain": true}),
            "bad_command",
        ),
        (
            json!({"type": "publish", "room": "a", "data": 1, "key": "x".repeat(129)}),
            "bad_command",
        ),
        (json!({"type": "leave", "room": "tea"}), "not_joined"),
        (
            json!({"type": "direct", "to": "nobody", "data": 1}),
            "no_such_user",
        ),
        (json!({"type": "login", "name": "a\u{202e}b"}), "bad_name"),
        (json!({"type": "login", "name": "guest-1234"}), "bad_name"),
        (json!({"type": "login", "resume": "1.2"}), "bad_resume"),
    ] {
        let error = client.ask(command.clone());
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{command}"
        );
    }
    client.socket().send("{");
    assert_eq!(client.expect("error")["code"], "bad_json");
    client.socket().send(vec![1_u8]);
    assert_eq!(client.expect("error")["code"], "bad_json");
    assert_eq!(
        client.ask(json!({"type": "ping"})),
        json!({"type": "pong", "id": "ask"})
    );
}

#[test]
fn who_sends_too_much_is_told_and_who_goes_on_is_closed() {
    let server = Server::start(&["--rate", "5"]);
    let mut client = JsonClient::new(&server, "/ws");
    for number in 0..21 {
        let ping = json!({"type": "ping", "id": number});
        client.socket().queue(ping.to_string());
    }
    client.socket().flush();
    let answers: Vec<Value> = (0..20).map(|_| client.next()).collect();
    assert!(answers[..10].iter().all(|answer| answer["type"] == "pong"));
    let error = &answers[10];
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("rate_limited"), &json!(10))
    );
    assert!((1..=200).contains(&error["retry_ms"].as_u64().unwrap()));
    assert_eq!(client.next()["type"], "bye");
    assert_eq!(
        close_of(&client.socket().next()),
        (1008, "too many commands".into())
    );
}

#[test]
fn rooms_are_listed_with_their_members() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (_other, joined) = JsonClient::in_room(&server, "tea");
    assert_eq!(
        (
            &joined["count"],
            joined["members"].as_array().unwrap().len()
        ),
        (&json!(2), 2)
    );
    let _plain = server.client("/ws/milk");
    let rooms = one.ask(json!({"type": "rooms"}));
    assert_eq!(
        rooms["rooms"],
        json!([{"name": "milk", "count": 1}, {"name": "tea", "count": 2}])
    );
    let members = one.ask(json!({"type": "members", "room": "tea"}));
    assert_eq!(
        (
            &members["count"],
            members["members"].as_array().unwrap().len()
        ),
        (&json!(2), 2)
    );
}

#[test]
fn who_has_left_a_room_hears_no_more_of_it() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    assert_eq!(
        one.ask(json!({"type": "leave", "room": "tea"}))["type"],
        "ok"
    );
    other.say("tea", "gone?");
    assert_eq!(one.ask(json!({"type": "ping"}))["type"], "pong");
    let joined = one.ask(json!({"type": "join", "room": "tea", "last": 5}));
    assert_eq!(joined["messages"][0]["data"], "gone?");
}

#[test]
fn what_is_ephemeral_is_not_kept_and_is_noise_to_nobody() {
    let server = Server::start(&[]);
    let mut plain = server.client("/ws/tea");
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let ok = one.ask(
        json!({"type": "publish", "room": "tea", "data": {"typing": true}, "ephemeral": true}),
    );
    assert_eq!(ok.get("offset"), None);
    let message = one.expect("message");
    assert_eq!(
        (message.get("offset"), &message["ephemeral"]),
        (None, &json!(true))
    );
    assert_eq!(one.say("tea", "now"), 1);
    plain.expect("now");
    let history = one.ask(json!({"type": "history", "room": "tea"}));
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_script_is_told_when_to_come_back() {
    let server = Server::start(&[]);
    let mut clients: Vec<JsonClient> = (0..8)
        .map(|_| JsonClient::in_room(&server, "tea").0)
        .collect();
    server.signal("TERM");
    let mut delays: Vec<u64> = Vec::new();
    for client in &mut clients {
        let bye = client.wait_for("bye");
        assert_eq!(
            (&bye["code"], &bye["reason"]),
            (&json!(1001), &json!("server is shutting down"))
        );
        delays.push(bye["retry_ms"].as_u64().unwrap());
        assert_eq!(close_of(&client.socket().next()).0, 1001);
    }
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 4, "they come back together: {delays:?}");
}

#[test]
fn a_command_in_a_binary_message_is_told_what_is_wrong() {
    let server = Server::start(&[]);
    let mut client = JsonClient::new(&server, "/ws");
    for payload in [&br#"{"type":"ping","id":7}"#[..], b"\xff\xfe", b""] {
        let message = tungstenite::Message::binary(payload.to_vec());
        client.socket().send(message);
        let error = client.expect("error");
        assert_eq!(error["code"], "bad_json");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("binary"), "{message}");
        assert_eq!(error.get("id").is_some(), payload.len() > 2, "{error}");
    }
    client.send(&json!({"type": "ping"}));
    client.expect("pong");
}
