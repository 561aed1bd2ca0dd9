//! What is found at both doors by its words, and by whom.

use serde_json::{Value, json};

use crate::common::{Data, JsonClient, SECRET, Server, TestFile, get, post, token};

/// The status and the answer to a search over HTTP.
fn find(server: &Server, query: &str) -> (u16, Value) {
    let response = server
        .http()
        .ask(get(&format!("/rooms/tea/search?{query}")));
    let answer = serde_json::from_slice(&response.body).unwrap();
    (response.status, answer)
}

fn said(found: &Value) -> Vec<&str> {
    let messages = found["messages"].as_array().expect("there is a list");
    messages
        .iter()
        .map(|it| it["data"].as_str().unwrap())
        .collect()
}

/// A server on a directory, with as many messages as one answer takes, and one more, that say `kettle`.
fn filled(data: &Data) -> Server {
    let server = data.serve(&["--rate", "0"]);
    let mut http = server.http();
    for number in 1..=301 {
        let body = format!("kettle number{number}");
        assert_eq!(http.ask(post("/rooms/tea", "", body)).status, 200);
    }
    server
}

#[test]
fn pages_of_what_is_found_are_the_same_at_both_doors_and_after_a_restart() {
    let data = Data::new();
    let mut server = filled(&data);
    for _ in 0..2 {
        let mut client = JsonClient::new(&server, "/ws");
        for (query, count, first, more) in [
            ("q=kettle", 50, 252, true),
            ("q=kettle&limit=2", 2, 300, true),
            ("q=kettle&limit=2&before=3", 2, 1, false),
            ("q=kettle&limit=100000", 300, 2, true),
            ("q=ket", 50, 252, true),
            ("q=KETTLE+number7+", 1, 7, false),
            ("q=teapot", 0, 0, false),
        ] {
            let (status, found) = find(&server, query);
            assert_eq!(status, 200, "{found}");
            assert_eq!((said(&found).len(), &found["more"]), (count, &more.into()));
            if count > 0 {
                assert_eq!(found["messages"][0]["offset"], first, "{query}");
            }
            let mut command = json!({"type": "search", "room": "tea"});
            for field in query.split('&') {
                let (name, value) = field.split_once('=').unwrap();
                command[name] = match value.parse::<u64>() {
                    Ok(number) => number.into(),
                    Err(_) => value.replace('+', " ").into(),
                };
            }
            let mut answer = client.ask(command);
            answer.as_object_mut().unwrap().remove("id");
            assert_eq!(answer, found, "{query}");
        }
        server.signal("KILL");
        server.wait();
        server = data.serve(&[]);
    }
}

#[test]
fn what_cannot_be_searched_for_is_refused_with_what_to_do() {
    let data = Data::new();
    let server = data.serve(&[]);
    let mut client = JsonClient::new(&server, "/ws");
    let words = |count| vec!["a1"; count].join(" ");
    for (q, reason) in [
        (String::new(), "1 to 256 bytes"),
        (" - ".to_owned(), "a letter or a digit"),
        ("x".repeat(257), "1 to 256 bytes"),
        (words(17), "more than 16 words"),
    ] {
        let (status, problem) = find(&server, &format!("q={}", q.replace(' ', "+")));
        assert_eq!(status, 400, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{problem}");
        let error = client.ask(json!({"type": "search", "room": "tea", "q": q}));
        assert_eq!(
            (&error["type"], &error["code"]),
            (&"error".into(), &"bad_command".into())
        );
        assert_eq!(error["message"], detail);
    }
    assert_eq!(find(&server, "").0, 400);
    assert_eq!(find(&server, "q=a&limit=no").0, 400);
    let (status, found) = find(&server, &format!("q={}", words(16).replace(' ', "+")));
    assert_eq!((status, said(&found).len()), (200, 0));
}

#[test]
fn a_server_without_a_disk_says_what_is_missing() {
    let server = Server::start(&[]);
    let (status, problem) = find(&server, "q=kettle");
    assert_eq!(status, 501);
    assert!(problem["detail"].as_str().unwrap().contains("--data"));
    let mut client = JsonClient::new(&server, "/ws");
    let error = client.ask(json!({"type": "search", "room": "tea", "q": "kettle"}));
    assert_eq!(error["code"], "not_kept");
}

#[test]
fn who_may_read_a_room_may_search_it_and_nobody_else() {
    let (data, file) = (Data::new(), TestFile::new(SECRET));
    let server = data.serve(&["--secret-file", file.path()]);
    let may = |subscribe: &[&str]| {
        token(json!({"sub": "ana", "subscribe": subscribe, "publish": ["tea"]}))
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (reader, other) = (may(&["tea"]), may(&["milk"]));
    let mut http = server.http();
    assert_eq!(
        http.ask(post("/rooms/tea", &bearer(&other), "kettle"))
            .status,
        200
    );
    let mut status = |path: &str, token: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            bearer(token)
        );
        http.ask(request).status
    };
    for path in ["/rooms/tea/search?q=kettle", "/rooms/tea/messages"] {
        assert_eq!(status(path, &reader), 200, "{path}");
        assert_eq!(status(path, &other), 403, "{path}");
        assert_eq!(server.http().ask(get(path)).status, 401, "{path}");
    }
    for (token, is_found) in [(&reader, true), (&other, false)] {
        let mut client = JsonClient::new(&server, &format!("/ws?token={token}"));
        let answer = client.ask(json!({"type": "search", "room": "tea", "q": "kettle"}));
        match is_found {
            true => assert_eq!(said(&answer), ["kettle"]),
            false => assert_eq!(answer["code"], "not_allowed"),
        }
    }
    let mut stranger = JsonClient::stranger(server.tcp(), "/ws");
    let error = stranger.ask(json!({"type": "search", "room": "tea", "q": "kettle"}));
    assert_eq!(error["code"], "token_needed");
}
