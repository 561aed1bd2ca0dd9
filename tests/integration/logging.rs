//! What is logged, and what never is.

use crate::common::{FIN, Server, TEXT, get};

#[test]
fn a_connection_is_two_lines_at_info() {
    let server = Server::start(&["-v"]);
    let mut client = server.client("/ws/tea");
    let peer = client.stream().local_addr().unwrap().to_string();
    let opened = server.wait_for_log(|line| line.contains(&peer));
    assert!(
        opened.contains("INFO") && opened.contains("tea"),
        "{opened}"
    );
    client.say("one");
    client.say("two");
    client.leave();
    let closed = server.wait_for_log(|line| line.contains(&peer) && line != opened);
    assert!(
        closed.contains("INFO") && closed.contains("tea"),
        "{closed}"
    );
    for word in ["closed by peer", "messages", "bytes", "duration"] {
        assert!(closed.contains(word), "no {word:?} in {closed}");
    }
    assert_eq!(
        server
            .log()
            .lines()
            .filter(|line| line.contains(&peer))
            .count(),
        2
    );
}

#[test]
fn a_line_begins_with_the_time_the_level_and_the_module() {
    let server = Server::start(&["-v"]);
    server.client("/ws/tea").leave();
    let line = server.wait_for_log(|line| line.contains("tea"));
    let (head, _) = line.split_once("] ").unwrap();
    let shape = head.replace(|c: char| c.is_ascii_digit(), "0");
    let module = shape.strip_prefix("[0000-00-00T00:00:00Z INFO  parlor::");
    assert!(module.is_some(), "{line}");
}

#[test]
fn the_reason_of_a_failure_is_logged() {
    let server = Server::start(&["-v"]);
    let mut client = server.raw("/ws/tea");
    let peer = client.stream().local_addr().unwrap().to_string();
    client.send_frame(FIN | TEXT, b"\xff");
    client.expect_failure(1007);
    server.wait_for_log(|line| line.contains(&peer) && line.contains("invalid UTF-8"));
}

#[test]
fn the_status_of_the_last_response_is_logged() {
    let server = Server::start(&["-v"]);
    let mut http = server.http();
    let peer = http.stream().local_addr().unwrap().to_string();
    http.ask(get("/"));
    http.ask("GET / HTTP/2.0\r\n\r\n").expect_problem(505);
    http.expect_end();
    drop(http);
    server.wait_for_log(|line| line.contains(&peer) && line.contains(" status=505 "));
}

#[test]
fn messages_are_never_logged() {
    let server = Server::start_with_environment(&[("RUST_LOG", "trace")], &["-vvv"]);
    let mut client = server.client("/ws/tea");
    client.say("s3cret");
    client.send(b"s3cret".to_vec());
    client.next();
    let mut bad = server.raw("/ws/tea");
    bad.send_frame(FIN | TEXT, b"s3cret \xff");
    bad.expect_failure(1007);
    client.leave();
    server.wait_for_log(|line| line.contains("closed by peer"));
    assert!(!server.log().contains("s3cret"), "{}", server.log());
}

#[test]
fn what_peers_send_cannot_forge_a_line() {
    let server = Server::start_with_environment(&[("RUST_LOG", "trace")], &["-vvv"]);
    server
        .http()
        .ask(get("/%0aERROR-forged"))
        .expect_problem(404);
    server.http().ask(get("/ws/%0aERROR-forged"));
    server
        .http()
        .ask("GET /\x1b[31mERROR-forged HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut client = server.raw("/ws");
    client.send_frame(0x88, b"\x03\xe8bye\nERROR-forged\x1b[31m");
    client.expect_close(1000);
    client.expect_end();
    server.client("/ws/last").leave();
    server.wait_for_log(|line| line.contains("last"));
    assert!(
        server
            .log()
            .lines()
            .all(|line| !line.starts_with("ERROR-forged")),
        "{}",
        server.log()
    );
    assert!(!server.log().contains('\x1b'), "{:?}", server.log());
}

#[test]
fn without_flags_nothing_is_said_of_what_is_normal() {
    let server = Server::start(&[]);
    let mut client = server.client("/ws");
    client.say("hello");
    server.http().ask(get("/nowhere")).expect_problem(404);
    client.leave();
    assert_eq!(server.log(), "");
}
