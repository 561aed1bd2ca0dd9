//! Names, presence, and coming back as who one was.

use serde_json::{Value, json};

use crate::common::{JsonClient, Server};

fn log_in(client: &mut JsonClient, name: &str) -> Value {
    client.ask(json!({"type": "login", "name": name}))
}

#[test]
fn a_name_is_for_the_first_who_takes_it() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    assert_eq!(log_in(&mut one, " Alice ")["you"]["name"], "Alice");
    assert_eq!(log_in(&mut other, "ALICE")["code"], "name_taken");
    assert_eq!(log_in(&mut one, "alice")["you"]["name"], "alice");
    one.say("tea", "it is me");
    let message = other.wait_for("message");
    assert_eq!(message["from"], one.ask(json!({"type": "login"}))["you"]);
}

#[test]
fn who_comes_and_goes_is_told_together() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (mut other, _) = JsonClient::in_room(&server, "tea");
    let id = log_in(&mut other, "bob")["you"]["id"].clone();
    let plain = server.client("/ws/tea");
    let presence = one.wait_for("presence");
    let mut joined = presence["joined"].as_array().unwrap().clone();
    joined.retain(|who| who["id"] == id);
    assert_eq!(joined, [json!({"id": id, "name": "bob"})]);
    assert_eq!(presence["count"], 3);
    plain.leave();
    drop(other);
    let presence = one.wait_for("presence");
    let left = presence["left"].as_array().unwrap();
    assert!(
        left.contains(&json!({"id": id, "name": "bob"})) && left.len() == 2,
        "{presence}"
    );
    assert_eq!(presence["count"], 1);
}

#[test]
fn of_a_crowd_the_number_is_told() {
    let server = Server::start(&[]);
    let _plain: Vec<_> = (0..100).map(|_| server.client("/ws/hall")).collect();
    let (mut one, joined) = JsonClient::in_room(&server, "hall");
    assert_eq!(
        (
            &joined["count"],
            joined["members"].as_array().unwrap().len()
        ),
        (&json!(101), 100)
    );
    let _other = JsonClient::in_room(&server, "hall");
    let presence = one.wait_for("presence");
    assert_eq!(
        (&presence["count"], presence.get("joined")),
        (&json!(102), None)
    );
}

#[test]
fn a_secret_makes_another_connection_the_same_person() {
    let server = Server::start(&[]);
    let (mut one, _) = JsonClient::in_room(&server, "tea");
    let (mut watcher, _) = JsonClient::in_room(&server, "tea");
    let welcome = log_in(&mut one, "alice");
    let mut tab = JsonClient::new(&server, "/ws");
    let again = tab.ask(json!({"type": "login", "resume": welcome["resume"]}));
    assert_eq!(again["you"], welcome["you"]);
    let joined = tab.ask(json!({"type": "join", "room": "tea"}));
    assert_eq!(joined["count"], 2, "two tabs are one person");
    drop(one);
    tab.say("tea", "still here");
    assert_eq!(watcher.wait_for("message")["from"], welcome["you"]);
    assert_eq!(
        watcher.ask(json!({"type": "members", "room": "tea"}))["count"],
        2
    );
}

#[test]
fn who_lost_the_connection_comes_back_under_the_same_name() {
    let server = Server::start(&[]);
    let mut one = JsonClient::new(&server, "/ws");
    let welcome = log_in(&mut one, "alice");
    drop(one);
    let mut thief = JsonClient::new(&server, "/ws");
    assert_eq!(log_in(&mut thief, "alice")["code"], "name_taken");
    let mut back = JsonClient::new(&server, "/ws");
    let again = back.ask(json!({"type": "login", "resume": welcome["resume"]}));
    assert_eq!(again["you"], welcome["you"]);
}

#[test]
fn a_direct_message_is_for_two_alone() {
    let server = Server::start(&[]);
    let (mut alice, _) = JsonClient::in_room(&server, "tea");
    let (mut bob, _) = JsonClient::in_room(&server, "tea");
    let (mut eve, _) = JsonClient::in_room(&server, "tea");
    let alice_is = log_in(&mut alice, "alice")["you"].clone();
    let bob_is = log_in(&mut bob, "bob")["you"].clone();
    alice.send(&json!({"type": "direct", "to": "Bob", "data": {"psst": 1}, "id": 3}));
    for client in [&mut bob, &mut alice] {
        let direct = client.wait_for("direct");
        assert_eq!((&direct["from"], &direct["to"]), (&alice_is, &bob_is));
        assert_eq!(direct["data"], json!({"psst": 1}));
    }
    assert_eq!(alice.expect("ok")["id"], 3);
    eve.send(&json!({"type": "ping"}));
    assert_eq!(eve.next()["type"], "pong");
}

#[test]
fn nobody_is_closed_because_of_one_who_writes_to_them() {
    let server = Server::start(&["--rate", "0"]);
    let mut victim = JsonClient::new(&server, "/ws");
    log_in(&mut victim, "victim");
    let mut attacker = JsonClient::new(&server, "/ws");
    let text = "a".repeat(65_000);
    for number in 0..40 {
        let direct = json!({"type": "direct", "to": "victim", "data": text, "id": number});
        attacker.socket().queue(direct.to_string());
    }
    attacker.socket().flush();
    let mut taken = 0;
    while victim.ask(json!({"type": "ping"}))["type"] != "pong" {}
    for number in 0..40 {
        let answer = loop {
            let event = attacker.next();
            if event["id"] == number {
                break event;
            }
        };
        match answer["type"].as_str() {
            Some("ok") => taken += 1,
            _ => assert_eq!(answer["code"], "busy"),
        }
    }
    assert!(taken > 0);
    assert_eq!(victim.ask(json!({"type": "ping"}))["type"], "pong");
}
