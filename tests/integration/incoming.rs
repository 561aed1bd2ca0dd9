//! What other services POST with `?as=`, as they send it: payloads of tests/payloads.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Response, Server, post};

fn payload(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    fs::read_to_string(folder.join(path)).unwrap()
}

fn send(server: &Server, source: &str, fields: &str, body: &str) -> (u16, Value) {
    let fields = format!("Content-Type: application/json\r\n{fields}");
    let request = post(&format!("/rooms/ops?as={source}"), &fields, body);
    let Response { status, body, .. } = server.http().ask(request);
    (status, serde_json::from_slice(&body).expect("JSON"))
}

/// Sends a file as the source that its folder names.
fn send_file(server: &Server, path: &str) -> Value {
    let (source, name) = path.split_once('/').unwrap();
    let event = name.split('.').next().unwrap();
    let events = [
        "push",
        "workflow_run",
        "issues",
        "pull_request",
        "release",
        "ping",
        "star",
    ];
    let event = events.into_iter().find(|it| event.starts_with(it));
    let fields = event.map_or(String::new(), |event| {
        format!("X-GitHub-Event: {event}\r\nX-GitHub-Delivery: {name}\r\n")
    });
    let (status, answer) = send(server, source, &fields, &payload(path));
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn check_alarms(server: &Server) {
    let (mut member, _) = JsonClient::in_room(server, "ops");
    let answer = send_file(server, "alertmanager/firing.json");
    assert_eq!(
        (&answer["room"], &answer["messages"]),
        (
            &json!("ops"),
            &json!([
                {"key": "alarm.1a30ba71cca2921f", "offset": 1},
                {"key": "alarm.948c667b1fc76492", "offset": 2},
                {"key": "alarm.4e4c4c3d872bf6d8", "offset": 3},
            ])
        )
    );
    let raised = member.wait_for("message");
    assert_eq!(
        (&raised["offset"], &raised["data"]["alarm"]),
        (&json!(1), &json!("raised"))
    );
    assert_eq!(raised["data"]["severity"], "critical");
    // Somebody acknowledges; it is told again, because the group has another alert: that changes nothing.
    let data = json!({"alarm": "acknowledged", "by": "ana"});
    let acknowledged = member.ask(json!({"type": "publish", "room": "ops", "data": data,
        "key": "alarm.1a30ba71cca2921f", "retain": true, "if_offset": 1}));
    assert_eq!(acknowledged["offset"], 4, "{acknowledged}");
    let again = send_file(server, "alertmanager/firing.json");
    assert_eq!(
        again["messages"],
        json!([
            {"key": "alarm.1a30ba71cca2921f", "offset": 4, "unchanged": true},
            {"key": "alarm.948c667b1fc76492", "offset": 2, "unchanged": true},
            {"key": "alarm.4e4c4c3d872bf6d8", "offset": 3, "unchanged": true},
        ])
    );
    let resolved = send_file(server, "alertmanager/resolved.json");
    assert_eq!(
        resolved["messages"],
        json!([{"key": "alarm.1a30ba71cca2921f", "offset": 5}])
    );
    let (_, joined) = JsonClient::in_room(server, "ops");
    let retained = joined["retained"].as_array().unwrap();
    let state = retained.iter().find(|it| it["offset"] == 5).unwrap();
    assert_eq!(
        (
            &state["data"]["alarm"],
            &state["data"]["by"],
            &state["data"]["raised_at"]
        ),
        (
            &json!("cleared"),
            &json!("ana"),
            &json!(1_772_967_765_828_u64)
        )
    );
    assert_eq!(state["data"]["links"][1]["text"], "Runbook");
}

#[test]
fn alerts_are_alarms() {
    check_alarms(&Server::start(&[]));
}

#[test]
fn they_are_the_same_with_messages_on_disk() {
    let data = Data::new();
    check_alarms(&data.serve(&[]));
}

#[test]
fn a_monitor_that_goes_on_being_down_stays_acknowledged() {
    let server = Server::start(&[]);
    assert_eq!(
        send_file(&server, "uptime-kuma/down.json")["messages"][0]["offset"],
        1
    );
    let mut client = JsonClient::new(&server, "/ws");
    client.ask(
        json!({"type": "publish", "room": "ops", "data": {"alarm": "acknowledged"},
        "key": "alarm.uptime-kuma.3", "retain": true}),
    );
    let still = send_file(&server, "uptime-kuma/still_down.json");
    assert_eq!(still["messages"][0]["unchanged"], true, "{still}");
    assert_eq!(
        send_file(&server, "uptime-kuma/up.json")["messages"][0]["offset"],
        3
    );
    // Down once more, it is raised anew.
    assert_eq!(
        send_file(&server, "uptime-kuma/down.json")["messages"][0]["offset"],
        4
    );
}

#[test]
fn what_is_no_alarm_is_a_message() {
    let server = Server::start(&[]);
    let (mut member, _) = JsonClient::in_room(&server, "ops");
    for (path, part) in [
        ("slack/blocks.json", "Incident 42"),
        ("github/workflow_run_failed.json", "CI #163 failed on main"),
        ("uptime-kuma/test.json", "parlor Testing"),
    ] {
        let answer = send_file(&server, path);
        let message = member.wait_for("message");
        assert!(
            message["data"].as_str().unwrap().contains(part),
            "{message}"
        );
        assert_eq!(answer["messages"], json!([{"offset": message["offset"]}]));
    }
    // The same delivery again, as when GitHub did not hear the answer.
    let again = send_file(&server, "github/workflow_run_failed.json");
    assert_eq!(again["messages"], json!([{"offset": 2}]));
    let nothing = send_file(&server, "github/star.json");
    assert_eq!(nothing["messages"], json!([]));
}

#[test]
fn what_tells_of_nothing_begins_no_room() {
    let server = Server::start(&[]);
    assert_eq!(
        send_file(&server, "github/star.json"),
        json!({"room": "ops", "messages": []})
    );
}

#[test]
fn a_wrong_payload_is_refused_with_what_is_wrong() {
    let server = Server::start(&[]);
    let grafana = payload("grafana/firing.json");
    for (source, fields, body, part) in [
        (
            "teams",
            "",
            "{}",
            "as is one of alertmanager, grafana, slack, github, uptime-kuma",
        ),
        (
            "alertmanager",
            "",
            "{",
            "this is no payload of Alertmanager: EOF",
        ),
        ("alertmanager", "", &grafana, "as=grafana"),
        (
            "alertmanager",
            "",
            r#"{"version":"4"}"#,
            "missing field `alerts`",
        ),
        (
            "slack",
            "",
            r#"{"channel":"ops"}"#,
            "the message says nothing",
        ),
        ("github", "", "{}", "X-GitHub-Event is missing"),
        (
            "github",
            "X-GitHub-Event: push\r\n",
            "{}",
            "this push has no ref",
        ),
        ("uptime-kuma", "", "{}", "missing field `msg`"),
        ("slack&key=a", "", r#"{"text":"x"}"#, "key"),
        ("slack&retain", "", r#"{"text":"x"}"#, "retain"),
    ] {
        let (status, problem) = send(&server, source, fields, body);
        assert_eq!(status, 400, "{source} {body}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{source} {body}: {detail}");
    }
}

#[test]
fn if_one_of_several_is_refused_each_is_named() {
    let server = Server::start(&["--max-keys", "2"]);
    let (status, problem) = send(
        &server,
        "alertmanager",
        "",
        &payload("alertmanager/firing.json"),
    );
    assert_eq!(
        (status, &problem["title"]),
        (507, &json!("Insufficient Storage"))
    );
    let messages = problem["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(
        messages[0],
        json!({"key": "alarm.1a30ba71cca2921f", "offset": 1})
    );
    assert_eq!(
        (&messages[2]["key"], &messages[2]["code"]),
        (&json!("alarm.4e4c4c3d872bf6d8"), &json!("too_many_keys"))
    );
}
