//! The fields in the query of a request: each known, once, and UTF-8. Otherwise one would be lost without a word.

use serde_json::{Value, json};

use crate::common::{SECRET, Server, TestFile, get, post, token, upgrade};

/// The detail of the refusal of this request.
fn refusal(server: &Server, request: impl AsRef<[u8]>) -> String {
    let response = server.http().ask(request);
    response.expect_problem(400);
    let problem: Value = serde_json::from_slice(&response.body).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

/// All that can be asked for with a query.
fn requests(query: &str) -> Vec<Vec<u8>> {
    let gets = [
        "/rooms",
        "/rooms/tea/members",
        "/rooms/tea/messages",
        "/rooms/tea/events",
        "/metrics",
        "/usage",
    ];
    let mut requests: Vec<String> = gets
        .iter()
        .map(|path| get(&format!("{path}?{query}")))
        .collect();
    requests.extend(
        gets.iter()
            .map(|path| get(&format!("{path}?{query}")).replace("GET", "HEAD")),
    );
    requests.extend(["/ws", "/ws/tea"].map(|path| upgrade(&format!("{path}?{query}"))));
    requests.extend(
        ["/people/ana", "/rooms/tea"]
            .map(|path| get(&format!("{path}?{query}")).replace("GET", "DELETE")),
    );
    let mut requests: Vec<Vec<u8>> = requests.into_iter().map(String::into_bytes).collect();
    requests.push(post(&format!("/rooms/tea?{query}"), "", "x"));
    requests
}

#[test]
fn every_address_refuses_what_it_does_not_know() {
    let server = Server::start(&[]);
    for query in [
        "tokn=a",
        "token=a&token=a",
        "token=%FF",
        "token=100%",
        "%ff",
        "limits=3&x",
    ] {
        for request in requests(query) {
            let text = String::from_utf8_lossy(&request).into_owned();
            let mut http = server.http();
            http.send(&request);
            let response = if text.starts_with("HEAD") {
                http.head()
            } else {
                http.response()
            };
            assert_eq!(response.status, 400, "{text}");
        }
    }
    // What has no fields at all is not looked at: a page's own script may have some.
    for path in [
        "/?room=tea&view=board",
        "/healthz?probe=1",
        "/readyz?1",
        "/parlor.js?v=3",
    ] {
        assert_eq!(server.http().ask(get(path)).status, 200, "{path}");
    }
}

#[test]
fn two_ids_are_not_taken_for_one() {
    let server = Server::start(&[]);
    for field in ["dedup", "key"] {
        for bad in ["%FF", "%FE", "a%C3", "%ED%A0%80"] {
            let detail = refusal(
                &server,
                post(&format!("/rooms/tea?{field}={bad}"), "", "lost"),
            );
            assert!(detail.contains("UTF-8"), "{detail}");
        }
        let detail = refusal(
            &server,
            post(&format!("/rooms/tea?{field}=%zz"), "", "lost"),
        );
        assert!(detail.contains("%25"), "{detail}");
        let detail = refusal(
            &server,
            post(&format!("/rooms/tea?{field}=a&{field}=b"), "", "lost"),
        );
        assert!(detail.contains(&format!("{field} twice")), "{detail}");
    }
    let good = server
        .http()
        .ask(post("/rooms/tea?dedup=%C3%BF", "", "first"));
    assert_eq!(
        serde_json::from_slice::<Value>(&good.body).unwrap()["offset"],
        1
    );
}

#[test]
fn a_misspelt_field_is_named() {
    let server = Server::start(&[]);
    for (request, meant) in [
        (post("/rooms/tea?retian&key=k", "", "x"), "retain"),
        (post("/rooms/tea?Key=k&retain", "", "x"), "key"),
        (post("/rooms/tea?dedupe=1", "", "x"), "dedup"),
        (post("/rooms/tea?ephemerel", "", "x"), "ephemeral"),
        (get("/rooms/tea/messages?limits=3").into_bytes(), "limit"),
        (get("/rooms/tea/messages?befor=3").into_bytes(), "before"),
        (get("/rooms/tea/events?lats=3").into_bytes(), "last"),
        (upgrade("/ws/tea?tokn=x").into_bytes(), "token"),
    ] {
        let detail = refusal(&server, &request);
        assert!(
            detail.ends_with(&format!("did you mean {meant}?")),
            "{detail}"
        );
    }
    let detail = refusal(&server, post("/rooms/tea?x=1", "", "x"));
    assert!(
        detail.contains("key, retain, expect, ttl, dedup, ephemeral, as, if_offset"),
        "{detail}"
    );
}

#[test]
fn a_name_in_a_path_that_is_not_utf_8() {
    let secret = TestFile::new(SECRET);
    let server = Server::start(&["--secret-file", secret.path()]);
    let token = token(json!({"sub": "root", "admin": true}));
    for path in ["/people/%FF", "/rooms/%FF"] {
        let request = get(&format!("{path}?token={token}")).replace("GET", "DELETE");
        refusal(&server, request);
    }
}
