//! Names that the server is asked for by: a page whose name was rebound to this machine gets nothing (DNS rebinding).

use crate::common::{SECRET, Server, TestFile, get, post, run, upgrade, upgrade_with};

/// A request to each address that there is, all for `localhost`.
fn requests() -> Vec<Vec<u8>> {
    let gets = [
        "/",
        "/parlor.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/rooms",
        "/rooms/tea/messages",
        "/rooms/tea/members",
        "/rooms/tea/events",
        "/people/ana",
        "/nowhere",
    ];
    let mut requests: Vec<Vec<u8>> = gets.iter().map(|path| get(path).into_bytes()).collect();
    requests.push(b"OPTIONS /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
    requests.push(b"DELETE /rooms/tea HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
    requests.push(post("/rooms/tea", "", "hello"));
    requests.extend(["/ws", "/ws/tea"].map(|path| upgrade(path).into_bytes()));
    let json = upgrade_with("/ws", "Sec-WebSocket-Protocol: parlor.v1.json\r\n");
    requests.push(json.into_bytes());
    requests
}

/// The same request for another host, and with more header lines.
fn for_host(request: &[u8], host: &str, headers: &str) -> Vec<u8> {
    let text = str::from_utf8(request).unwrap();
    text.replacen(
        "Host: localhost\r\n",
        &format!("Host: {host}\r\n{headers}"),
        1,
    )
    .into_bytes()
}

/// The status of the answer, of which nothing more is read.
fn status(server: &Server, request: &[u8]) -> u16 {
    let mut http = server.http();
    http.send(request);
    http.head().status
}

#[test]
fn a_rebound_name_gets_nothing_at_any_address() {
    let secret = TestFile::new(SECRET);
    for flags in [
        &[][..],
        &["--secret-file", secret.path()],
        &["--trusted-proxy", "127.0.0.1"],
    ] {
        let server = Server::start(flags);
        let port = server.port;
        let own_port = format!("evil.example:{port}");
        for request in requests() {
            let text = String::from_utf8_lossy(&request).into_owned();
            for host in [
                "evil.example",
                &own_port,
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "127.1",
            ] {
                assert_eq!(
                    status(&server, &for_host(&request, host, "")),
                    421,
                    "{host}: {text}"
                );
            }
            // A page may write these fields, but not the port in the Host.
            for field in [
                "X-Forwarded-For: 192.0.2.1\r\n",
                "Forwarded: for=192.0.2.1\r\n",
            ] {
                assert_eq!(
                    status(&server, &for_host(&request, &own_port, field)),
                    421,
                    "{field}: {text}"
                );
            }
            for host in [
                "localhost",
                &format!("LOCALHOST:{port}"),
                "tea.localhost",
                "127.0.0.1:1",
                "[::1]",
            ] {
                assert_ne!(
                    status(&server, &for_host(&request, host, "")),
                    421,
                    "{host}: {text}"
                );
            }
        }
        let refused = server
            .http()
            .ask(for_host(get("/rooms").as_bytes(), "evil.example", ""));
        refused.expect_problem(421);
        let body = String::from_utf8(refused.body).unwrap();
        assert!(body.contains("--allow-host evil.example"), "{body}");
        // What is in the target goes before what is in the Host (RFC 9112 section 3.2.2).
        let absolute = get("http://evil.example/rooms");
        server.http().ask(absolute).expect_problem(421);
        // No browser leaves the Host out.
        assert_eq!(status(&server, b"GET /healthz HTTP/1.0\r\n\r\n"), 200);
    }
}

#[test]
fn a_proxy_that_passes_the_host_on_needs_no_flag() {
    let server = Server::start(&[]);
    for request in requests() {
        let text = String::from_utf8_lossy(&request).into_owned();
        for (host, field) in [
            ("chat.example", "X-Forwarded-For: 203.0.113.9\r\n"),
            ("chat.example:8443", "Forwarded: for=203.0.113.9\r\n"),
            ("chat.example", "Via: 1.1 proxy\r\n"),
        ] {
            let status = status(&server, &for_host(&request, host, field));
            assert_ne!(status, 421, "{host} {field} {text}");
        }
    }
    // What is only for this machine is not for whom it speaks for.
    for path in ["/metrics", "/rooms"] {
        let request = for_host(get(path).as_bytes(), "chat.example", "Via: 1.1 proxy\r\n");
        server.http().ask(request).expect_problem(403);
    }
}

#[test]
fn listed_names_and_no_other() {
    let server = Server::start(&["--allow-host", "chat.example", "--allow-host", "Box.lan"]);
    for request in requests() {
        for host in [
            "chat.example",
            "CHAT.example.:8080",
            "box.lan:80",
            "localhost",
            "127.0.0.1",
        ] {
            assert_ne!(
                status(&server, &for_host(&request, host, "")),
                421,
                "{host}"
            );
        }
        for host in [
            "other.example",
            "a.chat.example",
            "chat.example.evil.example",
        ] {
            for field in ["", "X-Forwarded-For: 203.0.113.9\r\n", "Via: 1.1 proxy\r\n"] {
                assert_eq!(
                    status(&server, &for_host(&request, host, field)),
                    421,
                    "{host}"
                );
            }
        }
    }
    // A name that is listed is not this machine.
    let request = for_host(get("/metrics").as_bytes(), "chat.example", "");
    server.http().ask(request).expect_problem(403);
}

#[test]
fn a_name_that_no_browser_sends_is_refused_at_the_start() {
    for name in [
        "",
        "*.example",
        "http://a.example",
        "a.example:8080",
        "a b",
        "a/b",
        "127.0.0.1",
        "::1",
        "\u{e9}.example",
    ] {
        let finished = run(&["--port", "0", "--allow-host", name]);
        assert_eq!(finished.status.code(), Some(2), "{name}");
        assert!(
            finished.stderr.contains("expected a name"),
            "{name}: {}",
            finished.stderr
        );
    }
}
