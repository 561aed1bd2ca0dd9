//! The WebSocket handshake: what is agreed to, and what is refused with which answer.

use tungstenite::Error;

use crate::common::{
    Client, FIN, RawClient, Server, TEXT, eventually, frame, get, upgrade, upgrade_with,
};

#[test]
fn the_example_of_rfc_6455() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send(upgrade("/ws"));
    let response = http.head();
    assert_eq!(response.status, 101);
    assert_eq!(
        response.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        response
            .header("upgrade")
            .is_some_and(|v| v.eq_ignore_ascii_case("websocket"))
    );
    assert!(
        response
            .header("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("upgrade"))
    );
    assert_eq!(response.header("content-length"), None);
    assert_eq!(response.header("sec-websocket-protocol"), None);
}

#[test]
fn tokens_are_compared_as_http_says() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nUPGRADE: h2c, WebSocket\r\n\
         Connection: keep-alive, uPgRaDe\r\nsec-websocket-version:13\r\n\
         Sec-WebSocket-Key:   dGhlIHNhbXBsZSBub25jZQ==  \r\n\r\n",
    );
    let mut member = RawClient::after(http);
    member.send_frame(FIN | TEXT, b"well");
    member.expect(FIN | TEXT, b"well");
}

#[test]
fn unknown_subprotocols_and_extensions_are_not_agreed_to() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send(upgrade_with(
        "/ws",
        "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: x-nothing; a=1\r\n",
    ));
    let response = http.head();
    assert_eq!(response.status, 101);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    assert_eq!(response.header("sec-websocket-extensions"), None);
}

#[test]
fn a_subprotocol_is_agreed_to_as_it_is_written() {
    let server = Server::start(&[]);
    for (offers, agreed) in [
        ("parlor.v1.json", Some("parlor.v1.json")),
        ("chat, parlor.v1.json", Some("parlor.v1.json")),
        ("Parlor.V1.JSON", None),
        ("PARLOR.V1.JSON, chat", None),
        ("parlor.v1.json2", None),
    ] {
        let mut http = server.http();
        http.send(upgrade_with(
            "/ws",
            &format!("Sec-WebSocket-Protocol: {offers}\r\n"),
        ));
        let response = http.head();
        assert_eq!(response.status, 101, "{offers}");
        assert_eq!(
            response.header("sec-websocket-protocol"),
            agreed,
            "{offers}"
        );
    }
}

#[test]
fn a_handshake_with_a_fault_is_400() {
    let server = Server::start(&[]);
    let good = upgrade("/ws");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (part, instead) in [
        (key, ""),
        (key, "Sec-WebSocket-Key: c2hvcnQ=\r\n"),
        (
            key,
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXMgYXJlIGxvbmc=\r\n",
        ),
        (key, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"),
        (key, "Sec-WebSocket-Key: \r\n"),
        (key, &key.repeat(2)),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n"),
    ] {
        assert!(good.contains(part));
        server
            .http()
            .ask(good.replace(part, instead))
            .expect_problem(400);
    }
}

#[test]
fn a_plain_request_for_the_room_is_told_to_upgrade() {
    let server = Server::start(&[]);
    let response = server.http().ask(get("/ws"));
    response.expect_problem(426);
    assert_eq!(response.header("upgrade"), Some("websocket"));
}

/// Whoever sends Upgrade must name it in Connection (RFC 9110 section 7.8).
#[test]
fn a_426_lists_its_upgrade_in_connection() {
    let server = Server::start(&[]);
    for (request, besides) in [
        (get("/ws"), "keep-alive"),
        (
            get("/ws").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
            "close",
        ),
    ] {
        let response = server.http().ask(request);
        response.expect_problem(426);
        let options = format!("upgrade, {besides}");
        assert_eq!(response.header("connection"), Some(&*options));
    }
}

#[test]
fn another_version_is_426() {
    let server = Server::start(&[]);
    for version in [
        "Sec-WebSocket-Version: 8\r\n",
        "Sec-WebSocket-Version: 14\r\n",
        "",
    ] {
        let request = upgrade("/ws").replace("Sec-WebSocket-Version: 13\r\n", version);
        let response = server.http().ask(request);
        if version.is_empty() && response.status == 400 {
            response.expect_problem(400);
            continue;
        }
        response.expect_problem(426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
}

#[test]
fn a_body_is_not_taken_for_frames() {
    let server = Server::start(&[]);
    for headers in ["Content-Length: 11\r\n", "Transfer-Encoding: chunked\r\n"] {
        let body = frame(FIN | TEXT, b"smug!");
        let mut http = server.http();
        http.send([upgrade_with("/ws", headers).as_bytes(), &body].concat());
        http.response().expect_problem(400);
        http.expect_end();
    }
}

#[test]
fn another_method_is_405() {
    let server = Server::start(&[]);
    for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
        let request = upgrade("/ws").replacen("GET", method, 1);
        let response = server.http().ask(request);
        response.expect_problem(405);
        assert!(
            response
                .header("allow")
                .is_some_and(|allow| allow.contains("GET")),
            "{response:?}"
        );
    }
}

#[test]
fn http_1_0_cannot_upgrade() {
    let server = Server::start(&[]);
    let response = server
        .http()
        .ask(upgrade("/ws").replace("HTTP/1.1", "HTTP/1.0"));
    assert!(matches!(response.status, 400 | 426 | 505), "{response:?}");
}

#[test]
fn after_a_refusal_the_client_may_try_again() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let old = upgrade("/ws").replace("Version: 13", "Version: 8");
    http.ask(&old).expect_problem(426);
    http.expect_end();
    let mut http = server.http();
    http.send(upgrade("/ws"));
    let mut member = RawClient::after(http);
    member.send_frame(FIN | TEXT, b"at last");
    member.expect(FIN | TEXT, b"at last");
}

#[test]
fn a_full_server_says_when_to_come_back() {
    let server = Server::start(&["--max-connections", "2"]);
    let mut first = server.client("/ws");
    let second = server.client("/ws");
    let mut http = server.http();
    http.send(upgrade("/ws"));
    let refused = http.response();
    refused.expect_problem(503);
    let seconds = refused.header("retry-after").expect("a Retry-After");
    assert!(
        seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0),
        "{seconds}"
    );
    drop(http);
    first.say("we are two");
    second.leave();
    eventually("the place of who left", || {
        match Client::over(server.tcp(), "/ws") {
            Ok(_) => true,
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 503);
                false
            }
            Err(_) => false,
        }
    });
    first.say("and two again");
}

#[test]
fn a_room_in_the_query_is_not_taken_for_the_lobby() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.ask(get("/ws?room=tea")).expect_problem(400);
    http.ask(get("/ws/%20")).expect_problem(400);
    http.ask(get("/ws/%2e%2e")).expect_problem(400);
}

#[test]
fn a_handshake_at_another_address_is_told_the_right_one() {
    let server = Server::start(&[]);
    for path in [
        "/",
        "/page/app.js",
        "/rooms/tea",
        "/rooms",
        "/healthz",
        "/metrics",
        "/wss",
        "/socket",
    ] {
        let mut http = server.http();
        let response = http.ask(upgrade(path));
        response.expect_problem(404);
        assert!(
            str::from_utf8(&response.body).unwrap().contains("/ws"),
            "{response:?}"
        );
        assert_eq!(response.header("connection"), Some("close"));
        http.expect_end();
    }
}

/// Some clients wait for the end of the connection.
#[test]
fn a_refused_handshake_ends_the_connection() {
    let server = Server::start(&["--max-rooms", "1"]);
    let _member = server.client("/ws/tea");
    let foreign = "Origin: http://evil.example\r\n";
    for (request, status) in [
        (upgrade("/ws/a%20b"), 400),
        (upgrade("/ws/milk"), 503),
        (upgrade("/ws?token=%FF"), 400),
        (upgrade_with("/ws", foreign), 403),
        (upgrade("/ws").replace("Version: 13", "Version: 8"), 426),
        (upgrade("/ws").replace("GET", "POST"), 405),
    ] {
        let mut http = server.http();
        let response = http.ask(&request);
        assert_eq!(response.status, status, "{request}");
        assert!(
            response.list("connection").contains(&"close"),
            "{response:?}"
        );
        http.expect_end();
    }
}
