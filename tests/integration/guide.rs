//! The guide over HTTP. `tests/links.py` follows its links, and `tests/browser` looks at it.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::common::{SECRET, Server, TestFile, get, post, upgrade};

const PAGES: [(&str, &str); 4] = [
    ("/guide", "The parlor guide"),
    ("/guide/", "The parlor guide"),
    ("/guide/tokens", "Tokens"),
    ("/guide/close-codes", "Close codes"),
];

#[test]
fn the_guide_is_served_like_the_page() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let page = http.ask(get("/"));
    for (path, title) in PAGES {
        let response = http.ask(get(path));
        assert_eq!(response.status, 200, "{path}");
        for name in [
            "content-type",
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cache-control",
            "vary",
        ] {
            assert_eq!(response.header(name), page.header(name), "{path} {name}");
        }
        let html = String::from_utf8(response.body).unwrap();
        assert!(
            html.contains(&format!("<title>{title} · parlor</title>")),
            "{path}"
        );
        assert!(html.contains(&format!(">{title}</h1>")), "{path}");
        let sheets = html.split("<link rel=\"stylesheet\" href=\"").skip(1);
        let mut count = 0;
        for sheet in sheets.map(|rest| rest.split('"').next().unwrap()) {
            // From a page in `/guide/`; the index has the root beside it.
            let sheet = sheet.trim_start_matches("../").trim_start_matches("./");
            assert_eq!(http.ask(get(&format!("/{sheet}"))).status, 200, "{sheet}");
            count += 1;
        }
        assert_eq!(count, 2, "{path}");
        for forbidden in ["style=", "<style", "<script", "{{"] {
            assert!(!html.contains(forbidden), "{path} has {forbidden}");
        }
    }
    let style = http.ask(get("/guide/guide.css"));
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[test]
fn a_browser_that_has_a_page_of_the_guide_is_told_so() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for (path, _) in PAGES {
        let etag = http
            .ask(get(path))
            .header("etag")
            .expect("an ETag")
            .to_owned();
        let known =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}\r\n\r\n");
        assert_eq!(http.ask(known).status, 304, "{path}");
        http.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = http.head();
        assert_eq!(
            (head.status, head.header("etag")),
            (200, Some(&*etag)),
            "{path}"
        );
    }
}

#[test]
fn the_guide_is_compressed_for_those_who_take_it() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let plain = http.ask(get("/guide/flags"));
    let compressed =
        http.ask("GET /guide/flags HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(2 * compressed.body.len() < plain.body.len());
    let mut inflated = Vec::new();
    GzDecoder::new(&*compressed.body)
        .read_to_end(&mut inflated)
        .unwrap();
    assert_eq!(inflated, plain.body);
}

#[test]
fn a_page_that_the_guide_does_not_have_is_answered_with_a_hint() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for path in [
        "/guide/nothing",
        "/guide/tokens.md",
        "/guide/tokens/",
        "/guide//tokens",
    ] {
        let response = http.ask(get(path));
        response.expect_problem(404);
        let body = String::from_utf8(response.body).unwrap();
        assert!(body.contains("/guide lists all of them"), "{path}: {body}");
    }
    let elsewhere = http.ask(get("/guides"));
    elsewhere.expect_problem(404);
    let body = String::from_utf8(elsewhere.body).unwrap();
    assert!(body.contains("the guide at /guide"), "{body}");
}

#[test]
fn the_guide_can_only_be_read() {
    let server = Server::start(&[]);
    let refused = server.http().ask(post("/guide/tokens", "", "text"));
    refused.expect_problem(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    server.http().ask(upgrade("/guide")).expect_problem(404);
}

#[test]
fn the_guide_needs_no_token_and_keeps_to_the_names_of_the_server() {
    let secret = TestFile::new(SECRET);
    let server = Server::start(&[
        "--allow-host",
        "chat.example",
        "--secret-file",
        secret.path(),
    ]);
    let asked_as = |host: &str| {
        let request = format!("GET /guide/tokens HTTP/1.1\r\nHost: {host}\r\n\r\n");
        server.http().ask(request).status
    };
    assert_eq!(asked_as("chat.example"), 200);
    assert_eq!(asked_as("evil.example"), 421);
}
