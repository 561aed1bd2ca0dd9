//! Messages that come by POST: how bodies may arrive, and what the sender is told.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{
    BINARY, FIN, Http, RawClient, Response, Server, TEXT, frame, get, post, post_chunked, upgrade,
};

/// The message was published, as the one with this offset.
#[track_caller]
fn expect_published(response: &Response, room: &str, offset: u64) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let answer: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(answer["room"], room, "{answer}");
    assert_eq!(answer["offset"], offset, "{answer}");
}

/// `request` is answered with `status`, and the connection is closed.
#[track_caller]
fn expect_refusal(server: &Server, request: impl AsRef<[u8]>, status: u16) {
    let mut http = server.http();
    http.ask(request).expect_problem(status);
    http.expect_end();
}

#[test]
fn a_message_reaches_the_members() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    for (offset, text) in [(1, "hello"), (2, ""), (3, "caf\u{e9}\n")] {
        let response = http.ask(post("/rooms/tea", "", text));
        expect_published(&response, "tea", offset);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        member.expect(FIN | TEXT, text.as_bytes());
    }
    let named = server.raw("/ws/%E8%8C%B6");
    let response = http.ask(post("/rooms/%E8%8C%B6", "", "hello"));
    expect_published(&response, "\u{8336}", 1);
    drop(named);
}

#[test]
fn what_is_no_text_is_binary_if_it_says_so() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    let binary = "Content-Type: application/octet-stream\r\n";
    expect_published(&http.ask(post("/rooms/tea", binary, b"\xff\0")), "tea", 1);
    member.expect(FIN | BINARY, b"\xff\0");
    http.ask(post("/rooms/tea", "", b"\xff\0"))
        .expect_problem(400);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    expect_published(&http.ask(post("/rooms/tea", form, "a=b")), "tea", 2);
    member.expect(FIN | TEXT, b"a=b");
    expect_refusal(
        &server,
        post("/rooms/tea", "Content-Encoding: gzip\r\n", "x"),
        415,
    );
}

#[test]
fn a_body_may_come_in_chunks() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    expect_published(
        &http.ask(post_chunked("/rooms/tea", &["hel", "lo"])),
        "tea",
        1,
    );
    member.expect(FIN | TEXT, b"hello");
    let head = "POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "3;a=\"b\"\r\nyes\r\n0\r\nDigest: x\r\n\r\n";
    expect_published(&http.ask([head, body].concat()), "tea", 2);
    member.expect(FIN | TEXT, b"yes");
    assert_eq!(http.ask(get("/")).status, 200);
}

#[test]
fn a_body_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    for request in [
        post("/rooms/tea", "", "hello"),
        post_chunked("/rooms/tea", &["hel", "lo"]),
    ] {
        for byte in request {
            http.send([byte]);
        }
        assert_eq!(http.response().status, 200);
        member.expect(FIN | TEXT, b"hello");
    }
}

#[test]
fn pipelined_messages_are_published_in_order() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    let large = "x".repeat(60_000);
    http.send(
        [
            post("/rooms/tea", "", "one"),
            post_chunked("/rooms/tea", &["t", "wo"]),
            get("/nowhere").into_bytes(),
            post("/rooms/tea", "", &large),
            post("/rooms/tea", "Expect: 100-continue\r\n", "four"),
            upgrade("/ws/tea").into_bytes(),
            frame(FIN | TEXT, b"five"),
        ]
        .concat(),
    );
    expect_published(&http.response(), "tea", 1);
    expect_published(&http.response(), "tea", 2);
    http.response().expect_problem(404);
    expect_published(&http.response(), "tea", 3);
    expect_published(&http.response(), "tea", 4);
    let _upgraded = RawClient::after(http);
    for text in ["one", "two", &large, "four", "five"] {
        member.expect(FIN | TEXT, text.as_bytes());
    }
}

#[test]
fn who_asks_first_is_told_to_go_on() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    let request = post("/rooms/tea", "Expect: 100-continue\r\n", "hello");
    let (head, body) = request.split_at(request.len() - 5);
    for offset in 1..3 {
        assert_eq!(http.ask(head).status, 100);
        http.send(body);
        expect_published(&http.response(), "tea", offset);
        member.expect(FIN | TEXT, b"hello");
    }
    // Not when the body has come already.
    expect_published(&http.ask(&request), "tea", 3);
    // Nor in HTTP/1.0.
    let old = "POST /rooms/tea HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    http.send(old);
    http.send("ok");
    expect_published(&http.response(), "tea", 4);
}

#[test]
fn an_expectation_may_be_disappointed() {
    let server = Server::start(&["--max-message", "4"]);
    let head = |expect: &str, room: &str, length: usize| {
        format!(
            "POST /rooms/{room} HTTP/1.1\r\nHost: localhost\r\nExpect: {expect}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    expect_refusal(&server, head("tea", "tea", 3), 417);
    expect_refusal(&server, head("100-continue", "tea", 5), 413);
    expect_refusal(&server, head("100-continue", "no%20room", 3), 400);
    expect_refusal(&server, get("/").replace("Host", "Expect: x\r\nHost"), 417);
}

#[test]
fn a_body_is_no_longer_than_a_message() {
    let server = Server::start(&["--max-message", "100"]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    let most = "x".repeat(100);
    expect_published(&http.ask(post("/rooms/tea", "", &most)), "tea", 1);
    let halves = &most[..50];
    let chunked = post_chunked("/rooms/tea", &[halves, halves]);
    expect_published(&http.ask(chunked), "tea", 2);
    let head = |length: &str| {
        format!("POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
    };
    expect_refusal(&server, head("101"), 413);
    expect_refusal(&server, head("18446744073709551615"), 413);
    expect_refusal(
        &server,
        post_chunked("/rooms/tea", &[halves, halves, "x"]),
        413,
    );
    let endless = "POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff";
    expect_refusal(&server, endless, 413);
    member.expect(FIN | TEXT, most.as_bytes());
    member.expect(FIN | TEXT, most.as_bytes());
    member.send_frame(FIN | TEXT, b"nothing else came");
    member.expect(FIN | TEXT, b"nothing else came");
}

#[test]
fn a_body_that_is_refused_is_not_taken_for_a_request() {
    let server = Server::start(&["--max-message", "10"]);
    let hidden = get("/hidden");
    for request in [
        post("/rooms/tea", "", &hidden),
        post("/rooms/no%20room", "", "GET / HTTP"),
        post_chunked("/rooms/tea", &[&hidden]),
        b"POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\nGET / HTTP/1.1\r\n".to_vec(),
        b"POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_vec(),
    ] {
        let mut http = server.http();
        http.send([request, get("/").into_bytes()].concat());
        let refused = http.response();
        assert!(matches!(refused.status, 400 | 413 | 501), "{refused:?}");
        assert_eq!(refused.header("connection"), Some("close"));
        http.expect_end();
    }
}

#[test]
fn http_1_0_may_post() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    let kept = "POST /rooms/tea HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi";
    expect_published(&http.ask(kept), "tea", 1);
    let response = http.ask("POST /rooms/tea HTTP/1.0\r\nContent-Length: 2\r\n\r\nho");
    expect_published(&response, "tea", 2);
    http.expect_end();
    member.expect(FIN | TEXT, b"hi");
    member.expect(FIN | TEXT, b"ho");
}

#[test]
fn a_sender_that_has_ended_its_side_is_answered() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let mut http = server.http();
    http.send(post("/rooms/tea", "", "hello"));
    http.stream().shutdown(Shutdown::Write).unwrap();
    expect_published(&http.response(), "tea", 1);
    http.expect_end();
    member.expect(FIN | TEXT, b"hello");
}

#[test]
fn half_a_body_is_no_message() {
    let server = Server::start(&[]);
    let mut member = server.raw("/ws/tea");
    let request = post("/rooms/tea", "", "half of it");
    let mut http = server.http();
    http.send(&request[..request.len() - 3]);
    http.stream().shutdown(Shutdown::Write).unwrap();
    http.expect_end();
    member.send_frame(FIN | TEXT, b"nothing came");
    member.expect(FIN | TEXT, b"nothing came");
}

#[test]
fn a_body_that_does_not_arrive_in_time() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    let _member = server.raw("/ws/tea");
    let request = post("/rooms/tea", "", "hello");
    expect_refusal(&server, &request[..request.len() - 1], 408);
}

#[test]
fn a_dripping_body_does_not_prolong_the_time() {
    let server = Server::start(&["--handshake-timeout", "0.5"]);
    let started = Instant::now();
    let mut http = server.http();
    let request = post("/rooms/tea", "", "x".repeat(10_000));
    http.send(&request[..200]);
    let mut drip = http.stream().try_clone().unwrap();
    let dripping = thread::spawn(move || {
        while drip.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    http.response().expect_problem(408);
    assert!(started.elapsed() >= Duration::from_millis(400));
    http.expect_end_or_reset();
    dripping.join().unwrap();
}

#[test]
fn a_flood_of_messages_arrives_whole() {
    const SENDERS: usize = 10;
    const EACH: usize = 100;
    // A member that is late to read on a busy machine is not too slow.
    let server = Server::start(&["--max-queue", "16000000"]);
    let mut member = server.raw("/ws/tea");
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let mut http = server.http();
            thread::spawn(move || {
                for number in 0..EACH {
                    let text = format!("{sender}:{number}:{}", "x".repeat(10_000));
                    assert_eq!(http.ask(post("/rooms/tea", "", &text)).status, 200);
                }
            })
        })
        .collect();
    let mut next = [0; SENDERS];
    for _ in 0..SENDERS * EACH {
        let text = String::from_utf8(member.next().payload).unwrap();
        let mut parts = text.split(':');
        let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
        let sender = number();
        assert_eq!(number(), next[sender], "of {sender}");
        next[sender] += 1;
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

#[test]
fn a_body_under_way_when_the_server_ends_is_refused() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let request = post("/rooms/tea", "Expect: 100-continue\r\n", "hello");
    assert_eq!(http.ask(&request[..request.len() - 5]).status, 100);
    server.signal("TERM");
    let refused = http.response();
    refused.expect_problem(503);
    assert!(refused.header("retry-after").is_some());
    http.expect_end();
}

#[test]
fn other_methods_are_not_for_rooms() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for method in ["GET", "PUT", "PATCH"] {
        let response = http.ask(get("/rooms/tea").replacen("GET", method, 1));
        response.expect_problem(405);
        assert_eq!(response.header("allow"), Some("DELETE, OPTIONS, POST"));
    }
    http.send(get("/rooms/tea").replacen("GET", "HEAD", 1));
    assert_eq!(http.head().status, 405);
    assert_eq!(http.ask(get("/")).status, 200, "still in step");
}

/// A request to `localhost:8080` that a page at `origin` makes.
fn from_page(server: &Server, request: &[u8], origin: &str) -> Response {
    let request = String::from_utf8(request.to_vec()).unwrap();
    let fields = format!("Host: localhost:8080\r\nOrigin: {origin}\r\n");
    let mut http: Http = server.http();
    http.ask(request.replace("Host: localhost\r\n", &fields))
}

#[test]
fn pages_of_other_origins_ask_first() {
    let server = Server::start(&["--allow-origin", "https://app.example"]);
    let _member = server.raw("/ws/tea");
    let options = get("/rooms/tea").replacen("GET", "OPTIONS", 1);
    for origin in ["https://app.example", "http://localhost:8080"] {
        let answer = from_page(&server, options.as_bytes(), origin);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(
            answer
                .list("access-control-allow-methods")
                .contains(&"POST")
        );
        assert!(
            answer
                .list("access-control-allow-headers")
                .contains(&"Content-Type")
        );
        assert!(answer.header("access-control-max-age").is_some());
        let answer = from_page(&server, &post("/rooms/tea", "", "hi"), origin);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("vary"), Some("Origin"));
        let answer = from_page(&server, &post("/rooms/a%20b", "", ""), origin);
        answer.expect_problem(400);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    // No page at all.
    let answer = server.http().ask(&options);
    assert_eq!(
        (answer.status, answer.header("vary")),
        (204, Some("Origin"))
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn pages_of_foreign_origins_may_not_post() {
    let server = Server::start(&["--allow-origin", "https://app.example"]);
    let mut member = server.raw("/ws/tea");
    let options = get("/rooms/tea").replacen("GET", "OPTIONS", 1);
    for origin in ["https://evil.example", "null", "http://localhost:8081"] {
        for request in [options.as_bytes(), &post("/rooms/tea", "", "hi")] {
            let answer = from_page(&server, request, origin);
            answer.expect_problem(403);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    member.send_frame(FIN | TEXT, b"nothing came");
    member.expect(FIN | TEXT, b"nothing came");
}
