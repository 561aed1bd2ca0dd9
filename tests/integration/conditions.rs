//! A message that is published only if the state of its key is what its sender knows.

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Server, post};

/// A publish of the state of one key, with these fields.
fn command(mut fields: Value) -> Value {
    let others = [
        ("type", json!("publish")),
        ("room", json!("plant")),
        ("key", json!("mode")),
        ("retain", json!(true)),
    ];
    for (name, value) in others {
        if fields.get(name).is_none() {
            fields[name] = value;
        }
    }
    fields
}

fn check_commands(server: &Server) {
    let mut client = JsonClient::new(server, "/ws");
    let first = client.ask(command(json!({"data": "auto", "if_new": true})));
    assert_eq!(first, json!({"type": "ok", "id": "ask", "offset": 1}));
    let refused = client.ask(command(json!({"data": "off", "if_new": true})));
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!("conflict"))
    );
    let current = &refused["current"];
    assert_eq!(
        (
            &current["room"],
            &current["offset"],
            &current["data"],
            &current["key"]
        ),
        (&json!("plant"), &json!(1), &json!("auto"), &json!("mode"))
    );
    let second = client.ask(command(json!({"data": "manual", "if_offset": 1})));
    assert_eq!(second["offset"], 2);
    let refused = client.ask(command(json!({"data": null, "if_offset": 1})));
    assert_eq!(refused["current"]["data"], "manual");
    let removed = client.ask(command(json!({"data": null, "if_offset": 2})));
    assert_eq!(removed["offset"], 3);
    let refused = client.ask(command(json!({"data": 1, "if_offset": 2})));
    assert_eq!(
        (&refused["code"], &refused["current"]),
        (&json!("conflict"), &Value::Null)
    );
    // What was published already is not asked for its condition again.
    for _ in 0..2 {
        let again = client.ask(command(json!({"data": 1, "if_new": true, "dedup": "d"})));
        assert_eq!(again["offset"], 4);
    }
}

#[test]
fn a_command_may_want_a_state_of_its_key() {
    check_commands(&Server::start(&[]));
}

#[test]
fn it_is_the_same_with_messages_on_disk() {
    let data = Data::new();
    let server = data.serve(&[]);
    check_commands(&server);
    drop(server);
    let server = data.serve(&[]);
    let mut client = JsonClient::new(&server, "/ws");
    let refused = client.ask(command(json!({"data": 2, "if_offset": 3})));
    assert_eq!(refused["current"]["offset"], 4, "{refused}");
    let taken = client.ask(command(json!({"data": 2, "if_offset": 4})));
    assert_eq!(taken["offset"], 5);
}

#[test]
fn a_post_may_want_a_state_of_its_key() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let mut send = |query: &str, body: &str| {
        let path = format!("/rooms/plant?key=mode&retain&{query}");
        let response = http.ask(post(&path, "", body));
        let json: Value = serde_json::from_slice(&response.body).expect("JSON");
        (response.status, json)
    };
    let (status, first) = send("if_new", "auto");
    assert_eq!((status, &first["offset"]), (200, &json!(1)));
    let (status, refused) = send("if_new", "off");
    assert_eq!(
        (status, &refused["title"]),
        (412, &json!("Precondition Failed"))
    );
    assert_eq!(
        (&refused["current"]["offset"], &refused["current"]["data"]),
        (&json!(1), &json!("auto"))
    );
    assert_eq!(send("if_offset=2", "off").0, 412);
    let epoch = first["epoch"].as_str().unwrap();
    assert_eq!(send("if_offset=1&if_epoch=0123456789abcdef", "off").0, 412);
    assert_eq!(send(&format!("if_offset=1&if_epoch={epoch}"), "off").0, 200);
}

#[test]
fn a_condition_that_makes_no_sense_is_refused() {
    let server = Server::start(&[]);
    for (query, part) in [
        ("if_new", "need key and retain"),
        ("key=a&if_offset=1", "need key and retain"),
        ("key=a&retain&if_offset=x", "if_offset is a whole number"),
        ("key=a&retain&if_offset=%2B2", "if_offset is a whole number"),
        ("key=a&retain&if_offset=1&if_new", "exclude each other"),
        (
            "key=a&retain&if_epoch=0123456789abcdef",
            "if_epoch needs if_offset",
        ),
        ("key=a&retain&if_offset=1&if_epoch=x", "the epoch of a room"),
        ("key=a&retain&if_ofset=1", "if_offset"),
    ] {
        let request = post(&format!("/rooms/plant?{query}"), "", "x");
        let response = server.http().ask(request);
        response.expect_problem(400);
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert!(body.contains(part), "{query}: {body}");
    }
    let mut client = JsonClient::new(&server, "/ws");
    for fields in [
        json!({"data": 1, "if_offset": 1, "if_new": true}),
        json!({"data": 1, "if_offset": "1"}),
        json!({"data": 1, "if_new": true, "retain": false}),
        json!({"data": 1, "if_new": true, "retain": false, "ephemeral": true}),
    ] {
        let refused = client.ask(command(fields.clone()));
        assert_eq!(refused["code"], "bad_command", "{fields}");
    }
}
