//! Requests that are refused: malformed, ambiguous, too large or too slow.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::common::{Server, get, upgrade};

/// `request` is answered with `status`, and the connection is closed.
#[track_caller]
fn expect_refusal(server: &Server, request: impl AsRef<[u8]>, status: u16) {
    let mut http = server.http();
    http.ask(request).expect_problem(status);
    http.expect_end();
}

#[test]
fn malformed_requests() {
    let server = Server::start(&[]);
    for request in [
        "GET / HTTP/1.1\nHost: localhost\n\n",
        "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET / HTTP/1.1\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: one\r\n two\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: one\r\n\ttwo\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : parlor.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Null: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Return: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "G=T / HTTP/1.1\r\nHost: localhost\r\n\r\n\u{7f}",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "hello there\r\n\r\n",
    ] {
        expect_refusal(&server, request, 400);
    }
}

#[test]
fn a_host_that_is_none() {
    let server = Server::start(&[]);
    for host in [
        "a b", "u@a", "u:p@a", "a/b", "[::1", "::1", "x:abc", "x:1:2", ":80", "a?b", "%zz", "a\\b",
        "[v1.a]",
    ] {
        for request in [
            format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n"),
            format!("GET http://localhost/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            upgrade("/ws").replace("localhost", host),
        ] {
            expect_refusal(&server, request, 400);
        }
    }
}

#[test]
fn lengths_that_contradict_or_are_none() {
    let server = Server::start(&[]);
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        expect_refusal(
            &server,
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nhello"),
            400,
        );
    }
}

#[test]
fn a_body_is_never_taken_for_the_next_request() {
    let server = Server::start(&[]);
    let hidden = get("/hidden");
    let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (headers, body) in [
        (format!("Content-Length: {}", hidden.len()), hidden.clone()),
        ("Transfer-Encoding: chunked".to_owned(), chunk),
    ] {
        let mut http = server.http();
        let post = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}");
        http.send([post, get("/")].concat());
        let refused = http.response();
        assert!(matches!(refused.status, 405 | 501), "{refused:?}");
        // Either the body was passed over, or the connection is at its end.
        if refused
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            http.expect_end();
        } else {
            assert_eq!(http.response().status, 200);
        }
    }
}

#[test]
fn another_version_of_http() {
    let server = Server::start(&[]);
    for request in [
        "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut http = server.http();
        let response = http.ask(request);
        assert!(matches!(response.status, 400 | 505), "{response:?}");
        http.expect_end();
    }
}

#[test]
fn too_long_a_target() {
    let server = Server::start(&[]);
    expect_refusal(&server, get(&format!("/{}", "a".repeat(64 * 1024))), 414);
}

#[test]
fn a_target_without_end_is_not_collected() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send(format!("GET /{}", "a".repeat(64 * 1024)));
    http.response().expect_problem(414);
    http.expect_end();
}

#[test]
fn too_much_of_a_header() {
    let server = Server::start(&[]);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    expect_refusal(&server, long, 431);
    let many = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "X: y\r\n".repeat(1000)
    );
    expect_refusal(&server, many, 431);
}

#[test]
fn headers_without_end_are_not_collected() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send("GET / HTTP/1.1\r\nHost: localhost\r\n");
    http.send("X-More: and more\r\n".repeat(4000));
    http.response().expect_problem(431);
    http.expect_end();
}

#[test]
fn a_request_that_does_not_arrive_in_time() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    expect_refusal(&server, "GET / HTTP/1.1\r\nHost: localho", 408);
}

#[test]
fn dripping_bytes_do_not_prolong_the_time() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    let started = Instant::now();
    let mut http = server.http();
    http.send("GET / HTTP/1.1\r\nHost: localhost\r\n");
    let mut drip = http.stream().try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while drip.write_all(b"X-Drip: drop\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    http.response().expect_problem(408);
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    http.expect_end_or_reset();
    dripping.join().unwrap();
}

#[test]
fn a_connection_that_says_nothing_is_ended() {
    let server = Server::start(&["--handshake-timeout", "0.3", "--keep-alive-timeout", "0.3"]);
    server.http().expect_end_or_408();
    let mut kept = server.http();
    assert_eq!(kept.ask(get("/")).status, 200);
    kept.expect_end_or_408();
}
