//! Server-Sent Events: a room as a stream.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use serde_json::json;

use crate::common::{Events, JsonClient, Server, eventually, get};

#[test]
fn a_stream_begins_with_where_it_is() {
    let server = Server::start(&[]);
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    let joined = events.next();
    assert_eq!((joined.kind.as_str(), joined.has_id), ("joined", true));
    assert_eq!(
        (&joined.data["room"], &joined.data["offset"]),
        (&json!("tea"), &json!(0))
    );
    let mut plain = server.client("/ws/tea");
    plain.say("two\nlines");
    let message = events.message();
    assert_eq!(
        (&message["data"], &message["offset"]),
        (&json!("two\nlines"), &json!(1))
    );
    assert!(events.last_id.ends_with("-1"));
}

#[test]
fn who_was_cut_off_goes_on_where_they_were() {
    let server = Server::start(&["--history", "5"]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    events.next();
    sender.say("tea", 1);
    assert_eq!(events.message()["data"], 1);
    let last_id = events.last_id.clone();
    drop(events);
    for number in 2..=6 {
        sender.say("tea", number);
    }
    let mut events = Events::open(&server, "/rooms/tea/events", &last_id);
    assert_eq!(events.next().data["recovered"], true);
    sender.say("tea", 7);
    for number in 2..=7 {
        assert_eq!(events.message()["data"], number);
    }
    let mut late = Events::open(&server, "/rooms/tea/events?last=2", &last_id);
    assert_eq!(
        late.next().data["recovered"],
        false,
        "the second message is forgotten"
    );
    assert_eq!(
        [
            late.message()["data"].clone(),
            late.message()["data"].clone()
        ],
        [6, 7]
    );
}

#[test]
fn who_is_cut_off_while_catching_up_misses_nothing() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    for number in 1..=3 {
        sender.say("tea", number);
    }
    let mut events = Events::open(&server, "/rooms/tea/events?last=2", "");
    events.next();
    // Not even the first message has come: the position is the one before it.
    let mut again = Events::open(&server, "/rooms/tea/events", &events.last_id);
    again.next();
    assert_eq!(again.message()["data"], 2);
}

#[test]
fn the_state_of_keys_does_not_move_the_position() {
    let server = Server::start(&[]);
    let mut sensor = JsonClient::new(&server, "/ws");
    let publish =
        json!({"type": "publish", "room": "plant", "key": "a", "data": 1, "retain": true});
    sensor.ask(publish);
    sensor.say("plant", "x");
    let mut events = Events::open(&server, "/rooms/plant/events", "");
    // Whoever is cut off before the last of the state has no position yet, and is told all of it again.
    assert!(!events.next().has_id);
    assert_eq!(events.next().data["key"], "a");
    assert!(events.last_id.ends_with("-2"));
}

#[test]
fn a_reader_is_present_until_it_goes() {
    let server = Server::start(&[]);
    let (mut watcher, _) = JsonClient::in_room(&server, "tea");
    let count = |watcher: &mut JsonClient| {
        watcher.ask(json!({"type": "members", "room": "tea"}))["count"].clone()
    };
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    events.next();
    assert_eq!(count(&mut watcher), 2);
    drop(events);
    eventually("the reader is gone", || count(&mut watcher) == 1);
}

#[test]
fn a_silent_stream_has_a_heartbeat() {
    let server = Server::start(&["--ping-interval", "0.1"]);
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    events.next();
    for _ in 0..3 {
        while events.line() != ":" {}
    }
}

#[test]
fn a_shutdown_says_when_to_come_back() {
    let server = Server::start(&[]);
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    events.next();
    server.signal("TERM");
    let bye = events.next();
    assert_eq!(
        (bye.kind.as_str(), &bye.data["code"]),
        ("bye", &json!(1001))
    );
    let mut rest = String::new();
    assert_eq!(events.stream.read_line(&mut rest).unwrap(), 0, "{rest}");
}

#[test]
fn what_is_no_stream() {
    let server = Server::start(&[]);
    for (request, status) in [
        (get("/rooms/a%20b/events"), 400),
        (get("/rooms/tea/events?last=many"), 400),
        (get("/rooms/tea/events").replace("GET", "POST"), 405),
        (
            get("/rooms/tea/events").replace("\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n"),
            403,
        ),
    ] {
        assert_eq!(server.http().ask(&request).status, status, "{request}");
    }
}

#[test]
fn proxies_are_asked_to_pass_events_on() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send(get("/rooms/tea/events"));
    let head = http.head();
    let cache: Vec<&str> = head.list("cache-control");
    assert!(
        cache.contains(&"no-store") && cache.contains(&"no-transform"),
        "{cache:?}"
    );
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("content-encoding"), None);
}

/// No empty line but at the end of an event: some clients take each for one.
#[test]
fn an_empty_line_ends_an_event() {
    let server = Server::start(&["--ping-interval", "0.1"]);
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    let mut lines = Vec::new();
    while lines.iter().filter(|line| *line == ":").count() < 3 {
        lines.push(events.line());
    }
    assert_eq!(lines[0], "retry: 2000");
    for pair in lines.windows(2) {
        assert!(
            !pair[1].is_empty() || pair[0].starts_with("data: "),
            "{lines:?}"
        );
    }
}

/// An `EventSource` comes back from a stream that has ended, and never from an error.
#[test]
fn who_is_to_come_back_later_gets_a_stream() {
    let come_back = |response: &mut BufReader<TcpStream>, code: u16| {
        let mut text = String::new();
        std::io::Read::read_to_string(response, &mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(
            text.contains("Content-Type: text/event-stream\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\n\r\nretry: "), "{text}");
        assert!(text.contains("\nevent: bye\n"), "{text}");
        assert!(text.contains(&format!("\"code\":{code},")), "{text}");
        text
    };
    let ask = |server: &Server, request: String| {
        let mut http = server.http();
        http.send(request);
        http.into_reader()
    };
    let full = Server::start(&[
        "--max-connections",
        "1",
        "--allow-origin",
        "https://app.example",
    ]);
    let _member = full.client("/ws/tea");
    let request =
        get("/rooms/tea/events").replace("\r\n\r\n", "\r\nOrigin: https://app.example\r\n\r\n");
    let text = come_back(&mut ask(&full, request), 1013);
    assert!(
        text.contains("Access-Control-Allow-Origin: https://app.example\r\n"),
        "{text}"
    );
    let rooms = Server::start(&["--max-rooms", "1"]);
    let _member = rooms.client("/ws/tea");
    come_back(&mut ask(&rooms, get("/rooms/milk/events")), 1013);
    // Others than streams are told by the status.
    full.http()
        .ask(get("/rooms/tea/messages"))
        .expect_problem(503);
    // What will not change is an error.
    rooms
        .http()
        .ask(get("/rooms/a%20b/events"))
        .expect_problem(400);
}

#[test]
fn the_position_may_stand_in_the_address() {
    let server = Server::start(&[]);
    let mut sender = JsonClient::new(&server, "/ws");
    let mut events = Events::open(&server, "/rooms/tea/events", "");
    events.next();
    for number in 1..=3 {
        sender.say("tea", number);
        assert_eq!(events.message()["data"], number);
    }
    let epoch = events.last_id.split('-').next().unwrap();
    let target = format!("/rooms/tea/events?lastEventId={epoch}-1");
    let mut again = Events::open(&server, &target, "");
    assert_eq!(again.next().data["recovered"], true);
    assert_eq!(again.message()["data"], 2);
    // What a browser says when it comes back is newer than its address.
    let mut again = Events::open(&server, &target, &format!("{epoch}-2"));
    again.next();
    assert_eq!(again.message()["data"], 3);
}

#[test]
fn pages_of_listed_origins_may_send_credentials() {
    let server = Server::start(&[
        "--allow-origin",
        "https://app.example",
        "--allow-origin",
        "*",
    ]);
    for (origin, allowed) in [
        ("https://app.example", Some("true")),
        ("https://any.example", None),
    ] {
        for method in ["OPTIONS", "GET"] {
            let request = format!(
                "{method} /rooms/tea/events HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: GET\r\n\
                 Access-Control-Request-Headers: cache-control, last-event-id\r\n\r\n"
            );
            let mut http = server.http();
            http.send(request);
            let head = http.head();
            assert_eq!(head.header("access-control-allow-origin"), Some(origin));
            assert_eq!(
                head.header("access-control-allow-credentials"),
                allowed,
                "{origin}"
            );
            if method == "OPTIONS" {
                let headers = head.list("access-control-allow-headers");
                for wanted in ["Cache-Control", "Last-Event-ID"] {
                    assert!(headers.contains(&wanted), "{headers:?}");
                }
            }
        }
    }
}
