//! What may be asked over HTTP: what was said, who is here, and how the server is.

use serde_json::{Value, json};

use crate::common::{FIN, Http, JsonClient, Response, Server, TEXT, eventually, get, post};

fn ask(server: &Server, path: &str) -> Value {
    let response = server.http().ask(get(path));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    serde_json::from_slice(&response.body).expect("JSON")
}

/// The answer to a request that a page at `origin` makes of `localhost:8080`.
fn from_page(server: &Server, request: &str, origin: &str) -> Response {
    let fields = format!("Host: localhost:8080\r\nOrigin: {origin}\r\n");
    let mut http: Http = server.http();
    http.send(request.replace("Host: localhost\r\n", &fields));
    http.head()
}

#[test]
fn what_was_said_page_by_page() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for number in 1..=7 {
        let response = http.ask(post("/rooms/tea", "", number.to_string()));
        assert_eq!(response.status, 200);
    }
    let data = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|it| it["data"].as_str().unwrap().to_owned())
            .collect()
    };
    let newest = ask(&server, "/rooms/tea/messages?limit=3");
    assert_eq!(
        (data(&newest), &newest["more"]),
        (vec!["5".into(), "6".into(), "7".into()], &json!(true))
    );
    let first = ask(&server, "/rooms/tea/messages?before=3");
    assert_eq!(
        (data(&first), &first["more"]),
        (vec!["1".into(), "2".into()], &json!(false))
    );
    assert_eq!(first["epoch"], newest["epoch"]);
    assert_eq!(
        ask(&server, "/rooms/nobody/messages")["messages"],
        json!([])
    );
    for query in ["before=x", "limit=-1", "limit=", "limit=1.5"] {
        http.ask(get(&format!("/rooms/tea/messages?{query}")))
            .expect_problem(400);
    }
}

/// 300 messages of control characters made 6 MB of JSON.
#[test]
fn answers_are_bounded_in_bytes() {
    const MOST: usize = 256 << 10;
    let server = Server::start(&[]);
    let mut http = server.http();
    // Six bytes of JSON for each.
    let text = "\u{1}".repeat(20_000);
    for _ in 0..5 {
        assert_eq!(http.ask(post("/rooms/tea", "", text.clone())).status, 200);
    }
    let offsets = |page: &Value| -> Vec<u64> {
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|it| it["offset"].as_u64().unwrap())
            .collect()
    };
    let mut seen = Vec::new();
    let mut before = 6;
    while seen.len() < 5 {
        let path = format!("/rooms/tea/messages?limit=300&before={before}");
        let response = http.ask(get(&path));
        assert!(
            response.body.len() <= MOST + 1_000,
            "{}",
            response.body.len()
        );
        let page: Value = serde_json::from_slice(&response.body).unwrap();
        let is_last = seen.len() == 4;
        let reason = if is_last { Value::Null } else { json!("bytes") };
        assert_eq!(
            (&page["more"], &page["reason"]),
            (&json!(!is_last), &reason)
        );
        before = offsets(&page)[0];
        seen.splice(0..0, offsets(&page));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    let mut json = JsonClient::new(&server, "/ws");
    let page = json.ask(json!({"type": "history", "room": "tea", "limit": 300}));
    assert_eq!(
        (offsets(&page), &page["reason"]),
        (vec![4, 5], &json!("bytes"))
    );
    // One that is longer by itself comes alone.
    let text = "\u{1}".repeat(60_000);
    assert_eq!(http.ask(post("/rooms/tea", "", text)).status, 200);
    let page = json.ask(json!({"type": "history", "room": "tea"}));
    assert_eq!((offsets(&page), &page["more"]), (vec![6], &json!(true)));
}

/// They were not limited in any way.
#[test]
fn who_asks_too_much_is_told_when_to_ask_again() {
    let server = Server::start(&["--rate", "1"]);
    let text = "x".repeat(60_000);
    assert_eq!(server.http().ask(post("/rooms/tea", "", text)).status, 200);
    for path in ["/rooms/tea/messages", "/rooms/tea/members", "/rooms"] {
        let is_first = path.ends_with("messages");
        let response = server.http().ask(get(path));
        if is_first {
            assert_eq!(response.status, 200);
            continue;
        }
        response.expect_problem(429);
        let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=31).contains(&seconds), "{seconds}");
    }
    // What costs nothing is free.
    for path in ["/healthz", "/metrics", "/"] {
        assert_eq!(server.http().ask(get(path)).status, 200, "{path}");
    }
}

/// At this door what had expired was shown until something was said.
#[test]
fn what_has_expired_is_not_shown() {
    let server = Server::start(&["--history-time", "0.1"]);
    // The room stays, with someone in it.
    let (mut ann, _) = JsonClient::in_room(&server, "tea");
    ann.say("tea", "hello");
    eventually("the message is forgotten", || {
        ask(&server, "/rooms/tea/messages")["messages"] == json!([])
    });
}

#[test]
fn who_is_here() {
    let server = Server::start(&[]);
    let (mut ann, _) = JsonClient::in_room(&server, "tea");
    ann.ask(json!({"type": "login", "name": "Ann"}));
    let mut guest = server.raw("/ws/tea");
    guest.send_frame(FIN | TEXT, b"hi");
    guest.expect(FIN | TEXT, b"hi");
    let members = ask(&server, "/rooms/tea/members");
    assert_eq!(members["count"], 2);
    let names = members["members"].to_string();
    assert!(
        names.contains("\"Ann\"") && names.contains("\"guest-"),
        "{names}"
    );
    assert_eq!(
        ask(&server, "/rooms")["rooms"],
        json!([{"name": "tea", "count": 2}])
    );
    assert_eq!(ask(&server, "/rooms/nobody/members")["count"], 0);
}

#[test]
fn what_is_only_for_this_machine() {
    let server = Server::start(&[]);
    for path in ["/rooms", "/metrics"] {
        for field in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"] {
            let request = get(path).replace("Host:", &format!("{field}\r\nHost:"));
            server.http().ask(request).expect_problem(403);
        }
    }
}

#[test]
fn head_gives_the_same_without_the_body() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for path in [
        "/rooms",
        "/rooms/tea/messages",
        "/rooms/tea/members",
        "/healthz",
        "/readyz",
    ] {
        let whole = http.ask(get(path));
        http.send(get(path).replacen("GET", "HEAD", 1));
        let head = http.head();
        assert_eq!(head.status, 200, "{path}");
        for name in ["content-length", "content-type", "cache-control"] {
            assert_eq!(head.header(name), whole.header(name), "{path}");
        }
        let refused = http.ask(get(path).replacen("GET", "PUT", 1));
        refused.expect_problem(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    http.send(get("/rooms/tea/events").replacen("GET", "HEAD", 1));
    let head = http.head();
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    http.expect_end();
    assert_eq!(ask(&server, "/rooms")["rooms"], json!([]), "nobody came in");
    server
        .http()
        .ask(get("/rooms/tea/tables"))
        .expect_problem(404);
    server.http().ask(get("/roomsy")).expect_problem(404);
}

#[test]
fn pages_of_allowed_origins_may_read() {
    let server = Server::start(&["--allow-origin", "https://app.example"]);
    for path in [
        "/rooms/tea/messages",
        "/rooms/tea/members",
        "/rooms/tea/events",
    ] {
        let answer = from_page(&server, &get(path), "https://app.example");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://app.example")
        );
        assert_eq!(answer.header("vary"), Some("Origin"));
        let answer = from_page(&server, &get(path), "https://evil.example");
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (403, None)
        );
        let preflight = get(path).replacen("GET", "OPTIONS", 1);
        let answer = from_page(&server, &preflight, "https://app.example");
        assert_eq!(answer.status, 204);
        assert!(answer.list("access-control-allow-methods").contains(&"GET"));
        assert!(
            answer
                .list("access-control-allow-headers")
                .contains(&"Last-Event-ID")
        );
    }
}

#[test]
fn how_the_server_is() {
    let server = Server::start(&[]);
    let mut http = server.http();
    assert_eq!(http.ask(get("/healthz")).body, b"ok\n");
    assert_eq!(http.ask(get("/readyz")).body, b"ready\n");
}

#[test]
fn what_the_metrics_count() {
    let server = Server::start(&["--max-connections", "100"]);
    let mut plain = server.raw("/ws/tea");
    let (mut json, _) = JsonClient::in_room(&server, "tea");
    for text in ["one", "two"] {
        assert_eq!(server.http().ask(post("/rooms/tea", "", text)).status, 200);
        plain.expect(FIN | TEXT, text.as_bytes());
        json.wait_for("message");
    }
    for (name, value) in [
        ("parlor_connections{door=\"plain\"}", 1),
        ("parlor_connections{door=\"json\"}", 1),
        ("parlor_connections{door=\"events\"}", 0),
        ("parlor_connections_max", 100),
        ("parlor_rooms", 1),
        ("parlor_members", 2),
        ("parlor_people", 1),
        ("parlor_held_connections", 0),
        ("parlor_lagging_members", 0),
        ("parlor_responses_total{status=\"101\"}", 2),
        // Two posts, and the command to join.
        ("parlor_messages_received_total", 3),
    ] {
        assert_eq!(server.metric(name), value, "{name}");
    }
    assert!(server.metric("parlor_messages_sent_total") >= 4);
    assert!(
        server.metric("parlor_bytes_sent_total") > server.metric("parlor_bytes_received_total")
    );
    assert!(server.metric("parlor_history_bytes") > 6);
    assert!(server.metric("parlor_inflight_bytes") < server.metric("parlor_inflight_bytes_max"));
    // Counters do not fall when their connections go.
    let sent = server.metric("parlor_messages_sent_total");
    drop(plain);
    drop(json);
    while server.metric("parlor_members") > 0 {}
    assert!(server.metric("parlor_messages_sent_total") >= sent);
    assert!(server.metric("parlor_closes_total{reason=\"connection lost\"}") >= 1);
}

/// A series that begins with its first event hides that event from `rate()`.
#[test]
fn counters_are_there_from_the_start() {
    let server = Server::start(&[]);
    for name in [
        "parlor_closes_total{reason=\"too slow\"}",
        "parlor_closes_total{reason=\"TLS failed\"}",
        "parlor_responses_total{status=\"429\"}",
        "parlor_tokens_total{result=\"expired\"}",
        "parlor_refused_total{reason=\"full\"}",
        "parlor_datagrams_total{result=\"taken\"}",
        "parlor_messages_sent_total",
        "parlor_escalations_total{result=\"failed\"}",
        "parlor_jwks_requests_total{result=\"failed\"}",
    ] {
        assert_eq!(server.metric(name), 0, "{name}");
    }
}
