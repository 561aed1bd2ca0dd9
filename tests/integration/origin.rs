//! Which pages' scripts may enter.

use crate::common::{Http, Response, Server, upgrade};

/// The answer to a handshake from a page at `origin` that used `host` to find the server.
fn knock(server: &Server, host: &str, origin: &str) -> Response {
    let request = upgrade("/ws").replace(
        "Host: localhost\r\n",
        &format!("Host: {host}\r\nOrigin: {origin}\r\n"),
    );
    let mut http: Http = server.http();
    http.send(request);
    let mut response = http.head();
    if let Some(length) = response.header("content-length") {
        let length = length.parse().unwrap();
        response.body = vec![0; length];
        std::io::Read::read_exact(&mut http.into_reader(), &mut response.body).unwrap();
    }
    response
}

#[track_caller]
fn expect_admitted(server: &Server, host: &str, origin: &str) {
    assert_eq!(
        knock(server, host, origin).status,
        101,
        "{origin} at {host}"
    );
}

#[track_caller]
fn expect_forbidden(server: &Server, host: &str, origin: &str) {
    knock(server, host, origin).expect_problem(403);
}

#[test]
fn the_page_of_the_same_host_and_port() {
    let server = Server::start(&["--allow-host", "parlor.example"]);
    expect_admitted(&server, "localhost:8080", "http://localhost:8080");
    expect_admitted(&server, "parlor.example", "http://parlor.example");
    expect_admitted(&server, "parlor.example", "https://parlor.example");
    expect_admitted(&server, "Parlor.Example:8080", "http://parlor.example:8080");
    expect_admitted(&server, "[::1]:8080", "http://[::1]:8080");
    expect_admitted(&server, "parlor.example:80", "http://parlor.example");
}

#[test]
fn any_other_page() {
    let server = Server::start(&[]);
    for origin in [
        "http://evil.example",
        "http://localhost",
        "http://localhost:8081",
        "http://localhost:8080.evil.example",
        "http://evil.example/localhost:8080",
        "http://evil.example#localhost:8080",
        "http://localhost:8080@evil.example",
        "http://evillocalhost:8080",
        "null",
        "localhost:8080",
        "file://",
        "http://",
        "",
    ] {
        expect_forbidden(&server, "localhost:8080", origin);
    }
}

#[test]
fn two_origins_are_not_none() {
    let server = Server::start(&[]);
    let twice = "http://evil.example\r\nOrigin: http://localhost:8080";
    let refused = knock(&server, "localhost:8080", twice);
    assert!(matches!(refused.status, 400 | 403), "{refused:?}");
    expect_forbidden(&server, "localhost:8080", "http://evil.exämple");
}

#[test]
fn pages_that_were_allowed() {
    let server = Server::start(&[
        "--allow-origin",
        "https://app.example",
        "--allow-origin",
        "http://other.example:3000",
    ]);
    expect_admitted(&server, "localhost:8080", "https://app.example");
    expect_admitted(&server, "localhost:8080", "http://other.example:3000");
    expect_admitted(&server, "localhost:8080", "http://localhost:8080");
    expect_forbidden(&server, "localhost:8080", "http://app.example");
    expect_forbidden(&server, "localhost:8080", "https://app.example:444");
    expect_forbidden(
        &server,
        "localhost:8080",
        "https://app.example.evil.example",
    );
    expect_forbidden(&server, "localhost:8080", "https://sub.app.example");
}

#[test]
fn every_page() {
    let server = Server::start(&["--allow-origin", "*"]);
    expect_admitted(&server, "localhost:8080", "https://any.example");
    expect_admitted(&server, "localhost:8080", "null");
}
