//! What outlives a server that keeps its messages: rooms, offsets, values, names, and ids of messages.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, Server, get, post, run};

fn stop(mut server: Server, signal: &str) {
    server.signal(signal);
    server.wait();
}

fn join_since(client: &mut JsonClient, epoch: &Value, offset: u64) -> Value {
    let since = json!({"epoch": epoch, "offset": offset});
    client.ask(json!({"type": "join", "room": "tea", "since": since}))
}

fn data_of(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().expect("there is a list").iter();
    messages.map(|it| it["data"].as_str().unwrap()).collect()
}

#[test]
fn who_comes_back_to_another_server_has_missed_nothing() {
    for signal in ["KILL", "TERM"] {
        let data = Data::new();
        let server = data.serve(&["--history", "2"]);
        let (mut one, joined) = JsonClient::in_room(&server, "tea");
        assert_eq!(one.welcome["durability"], "disk");
        for number in 1..=5 {
            assert_eq!(one.say("tea", format!("m{number}")), number);
        }
        stop(server, signal);
        let server = data.serve(&["--history", "2"]);
        let mut back = JsonClient::new(&server, "/ws");
        let again = join_since(&mut back, &joined["epoch"], 1);
        assert_eq!(again["recovered"], true, "{signal}: {again}");
        assert_eq!(data_of(&again["messages"]), ["m2", "m3", "m4", "m5"]);
        assert_eq!(back.say("tea", "m6"), 6);
        let page = server.http().ask(get("/rooms/tea/messages?limit=100"));
        let page: Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(
            data_of(&page["messages"]),
            ["m1", "m2", "m3", "m4", "m5", "m6"]
        );
    }
}

#[test]
fn names_secrets_values_and_ids_outlive_a_server() {
    let data = Data::new();
    let server = data.serve(&[]);
    let mut ana = JsonClient::new(&server, "/ws");
    let welcome = ana.ask(json!({"type": "login", "name": "ana"}));
    let post_once = |server: &Server| {
        let path = "/rooms/tea?key=kettle&retain&dedup=once";
        server.http().ask(post(path, "", "warm")).body
    };
    let answer = post_once(&server);
    stop(server, "KILL");
    let server = data.serve(&[]);
    assert_eq!(
        post_once(&server),
        answer,
        "the same id is the same message"
    );
    let mut thief = JsonClient::new(&server, "/ws");
    let taken = thief.ask(json!({"type": "login", "name": "Ana"}));
    assert_eq!(taken["code"], "name_taken", "{taken}");
    let mut back = JsonClient::new(&server, "/ws");
    let again = back.ask(json!({"type": "login", "resume": welcome["resume"]}));
    assert_eq!(again["you"], welcome["you"]);
    assert_eq!(again["resume"], welcome["resume"]);
    let joined = back.ask(json!({"type": "join", "room": "tea"}));
    assert_eq!(joined["retained"][0]["data"], "warm");
    assert_eq!(joined["offset"], 1);
}

#[test]
fn a_room_that_was_emptied_stays_empty() {
    let data = Data::new();
    let server = data.serve(&[]);
    let (mut one, joined) = JsonClient::in_room(&server, "tea");
    one.say("tea", "gone");
    let emptied = server
        .http()
        .ask("DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(emptied.status, 204, "{:?}", emptied.body);
    stop(server, "TERM");
    let server = data.serve(&[]);
    let mut back = JsonClient::new(&server, "/ws");
    let again = join_since(&mut back, &joined["epoch"], 1);
    assert_eq!(again["recovered"], false);
    assert_eq!(
        (&again["messages"], &again["offset"]),
        (&json!([]), &json!(0))
    );
}

#[test]
fn written_behind_means_a_new_epoch_after_an_end_without_order() {
    let data = Data::new();
    let flags = ["--durability", "memory"];
    let server = data.serve(&flags);
    let (mut one, joined) = JsonClient::in_room(&server, "tea");
    assert_eq!(one.welcome["durability"], "memory");
    one.say("tea", "a");
    stop(server, "TERM");
    let server = data.serve(&flags);
    let mut back = JsonClient::new(&server, "/ws");
    let again = join_since(&mut back, &joined["epoch"], 0);
    assert_eq!(
        (&again["recovered"], data_of(&again["messages"])),
        (&json!(true), vec!["a"])
    );
    stop(server, "KILL");
    let server = data.serve(&flags);
    server.wait_for_log(|log| log.contains("every room has a new epoch"));
    let mut back = JsonClient::new(&server, "/ws");
    let again = join_since(&mut back, &joined["epoch"], 0);
    assert_eq!(again["recovered"], false);
    assert_ne!(again["epoch"], joined["epoch"]);
}

#[test]
fn a_directory_that_cannot_be_used_is_said_in_one_line() {
    let data = Data::new();
    let server = data.serve(&[]);
    assert!(
        server.announcement.contains("kept in"),
        "{}",
        server.announcement
    );
    let mode = fs::metadata(data.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let used = run(&["--port", "0", "--data", data.path()]);
    let by = format!("is used by process {}", server.pid());
    assert!(
        !used.status.success() && used.stderr.contains(&by),
        "{}",
        used.stderr
    );
    assert_eq!(used.stderr.lines().count(), 1, "{}", used.stderr);
    stop(server, "KILL");
    drop(data.serve(&[]));
    let file = data.folder().join("lock");
    let under = file.join("below").display().to_string();
    let refused = run(&["--port", "0", "--data", &under]);
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("cannot make the directory"),
        "{}",
        refused.stderr
    );
    fs::write(
        data.folder().join("parlor.db"),
        "this is no database, and long enough to be looked at",
    )
    .unwrap();
    for name in ["parlor.db-wal", "parlor.db-shm"] {
        let _ = fs::remove_file(data.folder().join(name));
    }
    let damaged = run(&["--port", "0", "--data", data.path()]);
    assert!(!damaged.status.success());
    assert!(damaged.stderr.contains("backup"), "{}", damaged.stderr);
}

#[test]
fn a_directory_that_is_removed_ends_the_server_or_its_keeping() {
    for (flag, goes_on) in [("stop", false), ("memory", true)] {
        let data = Data::new();
        let mut server = data.serve(&["--on-disk-error", flag]);
        let (mut one, joined) = JsonClient::in_room(&server, "tea");
        one.say("tea", "kept");
        fs::remove_dir_all(data.folder()).unwrap();
        let log = server.wait_for_log(|log| log.contains("the file was removed or replaced"));
        assert!(log.contains("cannot keep messages in"), "{log}");
        if !goes_on {
            assert!(!server.wait().success());
            continue;
        }
        let again = one.wait_for("joined");
        assert_eq!(again["recovered"], false);
        assert_ne!(again["epoch"], joined["epoch"]);
        assert_eq!(one.say("tea", "in memory"), 2);
    }
}
