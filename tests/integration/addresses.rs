//! The limits of each address. This machine has none, so everyone here comes by a proxy, which is the test itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::json;

use crate::common::{
    FIN, Http, JsonClient, PATIENCE, RawClient, SECRET, Server, TEXT, TestFile, eventually, get,
    post, run, token, token_of, upgrade, upgrade_with,
};

const TRUST: [&str; 4] = ["--trusted-proxy", "127.0.0.1", "--connect-rate", "0"];

fn start(flags: &[&str]) -> Server {
    Server::start(&[&TRUST, flags].concat())
}

/// A WebSocket handshake that comes through proxies which say so.
fn upgrade_for(client: &str) -> String {
    upgrade_with("/ws/tea", &format!("X-Forwarded-For: {client}\r\n"))
}

/// A member whom a proxy brings in.
fn member(server: &Server, client: &str) -> RawClient {
    let mut http = server.http();
    http.send(upgrade_for(client));
    RawClient::after(http)
}

/// What a request is answered that comes through proxies.
fn status_for(http: &mut Http, request: &str, client: &str) -> u16 {
    let field = format!("X-Forwarded-For: {client}\r\nHost:");
    http.ask(request.replace("Host:", &field)).status
}

#[track_caller]
fn expect_refusal(http: &mut Http, request: impl AsRef<[u8]>) {
    let response = http.ask(request);
    response.expect_problem(429);
    assert_eq!(response.header("retry-after"), Some("5"), "{response:?}");
}

#[test]
fn one_more_than_an_address_may_have_is_told_so() {
    let server = start(&["--max-per-address", "2"]);
    let first = member(&server, "203.0.113.9");
    let _second = member(&server, "6.6.6.6, 203.0.113.9");
    expect_refusal(&mut server.http(), upgrade_for("203.0.113.9"));
    let _other = member(&server, "203.0.113.10");
    let refused = "parlor_refused_total{reason=\"address_connections\"}";
    assert_eq!(server.metric(refused), 1);
    drop(first);
    eventually("the first one's place is free", || {
        let mut http = server.http();
        http.send(upgrade_for("203.0.113.9"));
        http.head().status == 101
    });
}

#[test]
fn who_comes_too_often_is_told_so() {
    let server = Server::start(&["--trusted-proxy", "127.0.0.1", "--connect-rate", "1"]);
    let mut http = server.http();
    let mut statuses = Vec::new();
    while !statuses.contains(&429) {
        assert!(statuses.len() < 100, "{statuses:?}");
        http.send(upgrade_for("203.0.113.9"));
        statuses.push(http.head().status);
        if statuses.ends_with(&[101]) {
            http = server.http();
        }
    }
    assert!(statuses.starts_with(&[101, 101]), "{statuses:?}");
}

/// After so many bad tokens none of that address is looked at, were it a good one; whoever is elsewhere does not notice.
#[test]
fn who_guesses_tokens_is_not_listened_to() {
    let secret = TestFile::new(SECRET);
    let flags = ["--secret-file", secret.path(), "--max-failed-tokens", "2"];
    let server = start(&flags);
    let ask = |client: &str, token: &str| {
        let path = format!("/rooms/tea/messages?token={token}");
        let field = format!("X-Forwarded-For: {client}\r\nHost:");
        server.http().ask(get(&path).replace("Host:", &field))
    };
    let good = token_of("ann");
    let expired = token(json!({"sub": "ann", "exp": 1}));
    assert_eq!(ask("203.0.113.9", &good).status, 200);
    for _ in 0..5 {
        ask("203.0.113.9", &expired).expect_problem(401);
    }
    for _ in 0..2 {
        ask("203.0.113.9", "guess").expect_problem(401);
    }
    for token in ["guess", &good] {
        let refused = ask("203.0.113.9", token);
        refused.expect_problem(429);
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    assert_eq!(ask("203.0.113.10", &good).status, 200);
    // At the JSON door, too.
    let mut http = connection(&server, &proxy_header([203, 0, 113, 9], 1));
    http.send(upgrade_with(
        "/ws",
        "Sec-WebSocket-Protocol: parlor.v1.json\r\n",
    ));
    let mut stranger = RawClient::after(http);
    assert!(text_of(&mut stranger).contains("\"token_needed\""));
    let login = json!({"type": "login", "token": good}).to_string();
    stranger.send_frame(FIN | TEXT, login.as_bytes());
    assert!(text_of(&mut stranger).contains("\"rate_limited\""));
    let unseen = "parlor_tokens_total{result=\"not_looked_at\"}";
    assert_eq!(server.metric(unseen), 3);
}

fn text_of(client: &mut RawClient) -> String {
    String::from_utf8(client.next().payload).expect("it is text")
}

#[test]
fn a_whole_ipv6_network_of_64_bits_is_one() {
    let server = start(&["--max-per-address", "1"]);
    let _first = member(&server, "2001:db8:0:1::1");
    expect_refusal(&mut server.http(), upgrade_for("2001:db8:0:1:ffff::9"));
    let _other = member(&server, "2001:db8:0:2::1");
}

#[test]
fn a_stream_of_events_counts_too() {
    let server = start(&["--max-per-address", "1"]);
    let events = get("/rooms/tea/events").replace("Host:", "X-Forwarded-For: 203.0.113.9\r\nHost:");
    let mut reader = server.http();
    reader.send(&events);
    assert_eq!(reader.head().status, 200);
    // An EventSource would not come back after an error.
    let mut refused = server.http();
    refused.send(&events);
    assert_eq!(refused.head().status, 200);
    let mut stream = String::new();
    refused.into_reader().read_to_string(&mut stream).unwrap();
    assert!(
        stream.contains("event: bye") && stream.contains("too many connections"),
        "{stream}"
    );
    expect_refusal(&mut server.http(), upgrade_for("203.0.113.9"));
    let mut http = server.http();
    assert_eq!(
        status_for(&mut http, &get("/rooms/tea/members"), "203.0.113.9"),
        200
    );
}

/// A proxy sends the requests of many over one connection.
#[test]
fn each_request_has_a_client_of_its_own() {
    let server = start(&["--max-per-address", "1", "-v"]);
    let _first = member(&server, "203.0.113.9");
    expect_refusal(&mut server.http(), upgrade_for("203.0.113.9"));
    let mut http = server.http();
    assert_eq!(status_for(&mut http, &get("/"), "203.0.113.9"), 200);
    assert_eq!(http.ask(post("/rooms/tea", "", "hi")).status, 200);
    http.send(upgrade_for("203.0.113.10"));
    let mut other = RawClient::after(http);
    other.send_frame(FIN | TEXT, b"hello");
    other.expect(FIN | TEXT, b"hello");
    server.wait_for_log(|line| line.contains("opened peer=203.0.113.10 room=tea"));
    drop(other);
    server.wait_for_log(|line| line.contains("closed peer=203.0.113.10 room=tea"));
}

#[test]
fn who_is_not_trusted_is_not_believed() {
    for flags in [&[][..], &["--trusted-proxy", "192.0.2.0/24"]] {
        let flags = [&["--max-per-address", "1", "-v"], flags].concat();
        let server = Server::start(&flags);
        let _members = [(); 3].map(|()| member(&server, "203.0.113.9"));
        server.wait_for_log(|line| line.contains("opened peer=127.0.0.1:"));
        let mut http = server.http();
        http.send(proxy_header([203, 0, 113, 9], 4711));
        http.send(get("/"));
        http.response().expect_problem(400);
        http.expect_end();
    }
}

/// A PROXY header of version 2 for a client at an IPv4 address.
fn proxy_header(client: [u8; 4], port: u16) -> Vec<u8> {
    let ports = [port.to_be_bytes(), [0x1f, 0x90]].concat();
    let addresses = [&client[..], &[127, 0, 0, 1], &ports].concat();
    header(0x21, 0x11, &addresses)
}

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let fixed = [command, family, 0, rest.len() as u8];
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &fixed, rest].concat()
}

/// A connection that begins so.
fn connection(server: &Server, bytes: &[u8]) -> Http {
    let mut http = server.http();
    http.send(bytes);
    http
}

#[test]
fn a_proxy_says_at_the_beginning_for_whom_it_speaks() {
    let server = start(&["--max-per-address", "2", "-v"]);
    let here = proxy_header([203, 0, 113, 9], 4711);
    let mut first = connection(&server, &here);
    assert_eq!(first.ask(get("/")).status, 200);
    // In however many parts.
    let mut second = server.tcp();
    let request = [&here[..], upgrade("/ws/tea").as_bytes()].concat();
    for byte in &request {
        second.write_all(&[*byte]).unwrap();
    }
    let second = RawClient::upgrading(second);
    server.wait_for_log(|line| line.contains("opened peer=203.0.113.9:4711 room=tea"));
    let mut third = connection(&server, &here);
    expect_refusal(&mut third, get("/"));
    third.expect_end();
    // Whoever is at the other end of that is no proxy.
    let mut liar = connection(&server, &proxy_header([203, 0, 113, 10], 1));
    liar.send(upgrade_for("198.51.100.1"));
    let _liar = RawClient::after(liar);
    server.wait_for_log(|line| line.contains("opened peer=203.0.113.10:1 "));
    drop(second);
    server.wait_for_log(|line| line.contains("closed peer=203.0.113.9:4711 room=tea"));
    let mut fourth = connection(&server, &here);
    assert_eq!(fourth.ask(get("/")).status, 200);
}

/// One proxy behind another: the outer one has a field, the inner one a header.
#[test]
fn a_chain_of_proxies_is_followed() {
    let server = start(&["--trusted-proxy", "10.0.0.0/8", "-v"]);
    let mut http = connection(&server, &proxy_header([10, 0, 0, 7], 1));
    http.send(upgrade_for("203.0.113.9"));
    let _member = RawClient::after(http);
    server.wait_for_log(|line| line.contains("opened peer=203.0.113.9 room=tea"));
}

#[test]
fn a_proxy_that_names_nobody() {
    let server = start(&["--max-per-address", "1"]);
    // For itself, and for someone at a Unix socket.
    for beginning in [header(0x20, 0, &[]), header(0x21, 0x31, &[1; 216])] {
        let mut members = [(); 2].map(|()| connection(&server, &beginning));
        for member in &mut members {
            assert_eq!(member.ask(get("/healthz")).status, 200);
        }
    }
}

/// What is only for this machine is not for those whom a proxy speaks for, whatever address they have.
#[test]
fn nobody_behind_a_proxy_is_on_this_machine() {
    let server = start(&[]);
    let metrics = get("/metrics");
    let status = |beginning: &[u8]| connection(&server, beginning).ask(&metrics).status;
    assert_eq!(status(b""), 200);
    assert_eq!(status(&header(0x20, 0, &[])), 200, "the proxy itself");
    assert_eq!(status(&proxy_header([127, 0, 0, 1], 1)), 403);
    assert_eq!(status(&proxy_header([203, 0, 113, 9], 1)), 403);
    assert_eq!(status(&header(0x21, 0x31, &[1; 216])), 403);
    let mut http = server.http();
    for client in ["127.0.0.1", "203.0.113.9", "unknown"] {
        assert_eq!(status_for(&mut http, &metrics, client), 403, "{client}");
    }
}

#[test]
fn a_bad_header_ends_the_connection_and_the_log_says_why() {
    let server = start(&[]);
    let mut http = connection(&server, &header(0x2e, 0x11, &[0; 12]));
    http.expect_end_or_reset();
    server.wait_for_log(|line| {
        line.contains("bad PROXY header: its command is neither LOCAL nor PROXY")
            && line.contains("peer=127.0.0.1:")
    });
}

#[test]
fn a_header_has_to_arrive_in_time() {
    let server = start(&["--handshake-timeout", "0.2", "-v"]);
    let whole = proxy_header([203, 0, 113, 9], 4711);
    for end in [1, 15, 16, 27] {
        connection(&server, &whole[..end]).expect_end();
    }
}

#[test]
fn typists_are_counted_when_their_proxy_has_named_them() {
    let server = start(&["--max-per-address", "2", "--line-port", "0", "-v"]);
    let line = server.next_line();
    let port: u16 = line.rsplit_once(':').unwrap().1.parse().unwrap();
    let connect = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(&proxy_header([203, 0, 113, 9], 4711))
            .unwrap();
        BufReader::new(stream)
            .lines()
            .map(|line| line.expect("a line in time"))
    };
    let mut members = [(); 2].map(|()| connect());
    for member in &mut members {
        // Those who have been told that are counted when the next one comes: by then they were read.
        assert!(member.any(|line| line.starts_with("* /help")));
    }
    eventually("both are counted", || {
        server.metric("parlor_addresses") == 1
    });
    let last = connect().last();
    assert_eq!(
        last.as_deref(),
        Some("! too many connections from your address")
    );
    server.wait_for_log(|line| line.contains("closed peer=203.0.113.9:4711 "));
}

#[test]
fn what_is_no_network_is_told_so() {
    let refused = run(&["--trusted-proxy", "nginx"]);
    assert_eq!(refused.status.code(), Some(2));
    let advice = "expected an address or a network, such as 127.0.0.1";
    assert!(refused.stderr.contains(advice), "{}", refused.stderr);
}

#[test]
fn bad_tokens_of_others_do_not_keep_one_from_the_next() {
    let file = TestFile::new(SECRET);
    let flags = ["--secret-file", file.path(), "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&[&flags[..], &["--max-failed-tokens", "2"]].concat());
    let mut stream = server.tcp();
    stream
        .write_all(&proxy_header([203, 0, 113, 20], 4711))
        .unwrap();
    let path = format!("/ws?token={}", token_of("alice"));
    let mut alice = JsonClient::over(stream, &path);
    let fields = "\r\nX-Forwarded-For: 203.0.113.20\r\nAuthorization: Bearer x\r\n\r\n";
    let request = get("/rooms/tea/members").replace("\r\n\r\n", fields);
    let mut http = server.http();
    let mut tries = 0;
    while http.ask(&request).status != 429 {
        tries += 1;
        assert!(tries < 10, "there is no end of tries");
    }
    let renewed = alice.ask(json!({"type": "login", "token": token_of("alice")}));
    assert_eq!(renewed["type"], "welcome", "{renewed}");
}
