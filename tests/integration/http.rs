//! The page over HTTP: how requests may arrive, and what the answers carry.

use std::io::Read;
use std::net::Shutdown;

use flate2::read::GzDecoder;

use crate::common::{FIN, Http, PING, PONG, RawClient, Server, TEXT, frame, get, upgrade};

#[test]
fn the_page_and_its_files() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for (path, kind) in [
        ("/", "text/html"),
        ("/page/app.js", "text/javascript"),
        ("/page/style.css", "text/css"),
    ] {
        let response = http.ask(get(path));
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(
            response.header("content-type"),
            Some(&*format!("{kind}; charset=utf-8"))
        );
        assert!(!response.body.is_empty(), "{path}");
    }
}

#[test]
fn the_page_carries_security_headers() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for path in ["/", "/page/app.js", "/page/style.css"] {
        let response = http.ask(get(path));
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert!(response.header("referrer-policy").is_some(), "{path}");
    }
    let page = http.ask(get("/"));
    let policy = page
        .header("content-security-policy")
        .expect("a Content-Security-Policy");
    assert!(policy.contains("default-src"), "{policy}");
    assert!(!policy.contains("unsafe-"), "{policy}");
}

#[test]
fn a_query_does_not_change_the_page() {
    let server = Server::start(&[]);
    let mut http = server.http();
    assert_eq!(http.ask(get("/?room=tea")).body, http.ask(get("/")).body);
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let get = http.ask(get("/"));
    http.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = http.head();
    assert_eq!(head.status, 200);
    for name in [
        "content-type",
        "content-length",
        "etag",
        "content-security-policy",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    http.send("HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(http.head().status, 404);
    assert_eq!(
        http.ask(crate::common::get("/")).status,
        200,
        "the stream is still in step"
    );
}

#[test]
fn a_known_etag_is_answered_with_304() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let etag = http
        .ask(get("/page/app.js"))
        .header("etag")
        .expect("an ETag")
        .to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let ask = |condition: &str| {
        format!(
            "GET /page/app.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {condition}\r\n\r\n"
        )
    };
    for condition in [
        &*etag,
        "*",
        &format!("W/{etag}"),
        &format!("\"other\", {etag}"),
    ] {
        let response = http.ask(ask(condition));
        assert_eq!(response.status, 304, "{condition}");
        assert_eq!(response.header("etag"), Some(&*etag), "{condition}");
    }
    assert_eq!(http.ask(ask("\"other\"")).status, 200);
    assert_eq!(
        http.ask(get("/page/style.css")).status,
        200,
        "the stream is still in step"
    );
}

/// A request for a file by who takes these codings.
fn taking(codings: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {codings}\r\n{more}\r\n")
}

#[test]
fn files_are_compressed_for_those_who_take_it() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for path in ["/", "/page/app.js", "/page/style.css"] {
        let plain = http.ask(get(path));
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert_eq!(plain.header("vary"), Some("Accept-Encoding"), "{path}");
        let compressed = http.ask(taking("gzip, deflate, br, zstd", path, ""));
        assert_eq!(compressed.status, 200);
        assert_eq!(
            compressed.header("content-encoding"),
            Some("gzip"),
            "{path}"
        );
        for name in [
            "content-type",
            "vary",
            "content-security-policy",
            "cache-control",
        ] {
            assert_eq!(compressed.header(name), plain.header(name), "{path} {name}");
        }
        assert_ne!(compressed.header("etag"), plain.header("etag"), "{path}");
        assert!(2 * compressed.body.len() < plain.body.len(), "{path}");
        let mut inflated = Vec::new();
        GzDecoder::new(&*compressed.body)
            .read_to_end(&mut inflated)
            .unwrap();
        assert_eq!(inflated, plain.body, "{path}");
        let declined = http.ask(taking("br, gzip;q=0", path, ""));
        assert_eq!(declined.header("content-encoding"), None, "{path}");
        assert_eq!(declined.body, plain.body, "{path}");
    }
}

#[test]
fn each_form_of_a_file_has_its_own_etag() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let mut etag = |codings: &str| {
        let response = http.ask(taking(codings, "/page/app.js", ""));
        response.header("etag").expect("an ETag").to_owned()
    };
    let (plain, compressed) = (etag("identity"), etag("gzip"));
    for (codings, condition, status) in [
        ("gzip", &compressed, 304),
        ("identity", &plain, 304),
        ("gzip", &plain, 200),
        ("identity", &compressed, 200),
    ] {
        let condition = format!("If-None-Match: {condition}\r\n");
        let response = http.ask(taking(codings, "/page/app.js", &condition));
        assert_eq!(response.status, status, "{codings} {condition}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    }
    http.send(taking("gzip", "/page/app.js", "").replace("GET", "HEAD"));
    let head = http.head();
    assert_eq!(head.header("etag"), Some(&*compressed));
    assert_eq!(head.header("content-encoding"), Some("gzip"));
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for byte in get("/").bytes() {
        http.send([byte]);
    }
    assert_eq!(http.response().status, 200);
    for byte in upgrade("/ws").bytes() {
        http.send([byte]);
    }
    let mut member = RawClient::after(http);
    for byte in frame(FIN | TEXT, b"letter by letter") {
        member.send([byte]);
    }
    member.expect(FIN | TEXT, b"letter by letter");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let requests = [
        get("/"),
        get("/nowhere"),
        get("/page/app.js"),
        upgrade("/ws"),
    ]
    .concat();
    let mut bytes = requests.into_bytes();
    bytes.extend(frame(FIN | TEXT, b"all in one segment"));
    bytes.extend(frame(FIN | TEXT, b"the second too"));
    http.send(bytes);
    assert_eq!(http.response().status, 200);
    http.response().expect_problem(404);
    assert_eq!(http.response().status, 200);
    let mut member = RawClient::after(http);
    member.expect(FIN | TEXT, b"all in one segment");
    member.expect(FIN | TEXT, b"the second too");
}

#[test]
fn a_thousand_pipelined_requests_are_all_answered() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let writer = http.stream().try_clone().unwrap();
    let sending =
        std::thread::spawn(move || Http::new(writer).send(get("/page/app.js").repeat(1000)));
    for _ in 0..1000 {
        assert_eq!(http.response().status, 200);
    }
    sending.join().unwrap();
    assert_eq!(http.ask(get("/nowhere")).status, 404);
}

#[test]
fn a_ping_may_come_with_the_upgrade() {
    let server = Server::start(&[]);
    let mut http = server.http();
    http.send([upgrade("/ws").into_bytes(), frame(FIN | PING, b"quick")].concat());
    RawClient::after(http).expect(FIN | PONG, b"quick");
}

#[test]
fn half_a_frame_may_come_with_the_upgrade() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let message = frame(FIN | TEXT, b"torn in two");
    let (now, later) = message.split_at(3);
    http.send([upgrade("/ws").as_bytes(), now].concat());
    let mut member = RawClient::after(http);
    member.send(later);
    member.expect(FIN | TEXT, b"torn in two");
}

#[test]
fn connections_are_kept_or_closed_as_asked() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for _ in 0..3 {
        assert_eq!(http.ask(get("/")).status, 200);
    }
    let last = http.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(last.status, 200);
    assert_eq!(
        last.header("connection")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("close")
    );
    http.expect_end();
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let server = Server::start(&[]);
    let mut http = server.http();
    assert_eq!(http.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
    http.expect_end();
    let mut http = server.http();
    let kept = http.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(kept.status, 200);
    if kept
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("keep-alive"))
    {
        assert_eq!(http.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
    }
    http.expect_end();
}

#[test]
fn a_client_that_sends_no_more_gets_its_answers() {
    let server = Server::start(&["--handshake-timeout", "600"]);
    let mut http = server.http();
    http.send([get("/"), get("/page/app.js")].concat());
    http.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(http.response().status, 200);
    assert_eq!(http.response().status, 200);
    http.expect_end();
}

#[test]
fn unknown_paths_and_wrong_methods() {
    let server = Server::start(&[]);
    let mut http = server.http();
    for path in [
        "/nowhere",
        "/index.html/",
        "/../etc/passwd",
        "/page/app.js/",
        "//",
        "/wsx",
        "/WS",
    ] {
        http.ask(get(path)).expect_problem(404);
    }
    for (method, path) in [
        ("POST", "/"),
        ("DELETE", "/page/app.js"),
        ("PUT", "/page/style.css"),
        ("BREW", "/"),
    ] {
        let response = http.ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ));
        response.expect_problem(405);
        assert_eq!(
            response.header("allow"),
            Some("GET, HEAD"),
            "{method} {path}"
        );
    }
}

#[test]
fn an_absolute_target_and_leading_empty_lines_are_http_too() {
    let server = Server::start(&[]);
    let mut http = server.http();
    // RFC 9112, section 3.2.2 and section 2.2.
    assert_eq!(
        http.ask("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status,
        200
    );
    assert_eq!(http.ask(format!("\r\n{}", get("/"))).status, 200);
}

#[test]
fn pages_of_other_servers_may_load_the_client() {
    let server = Server::start(&[]);
    let response = server.http().ask(get("/parlor.js"));
    let kind = response.header("content-type");
    assert_eq!(kind, Some("text/javascript; charset=utf-8"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    let client = String::from_utf8(response.body).unwrap();
    let loads_another = client.lines().any(|line| line.starts_with("import "));
    assert!(!loads_another, "it is one file, to take along");
}

#[test]
fn what_the_server_can_do_at_all() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let response = http.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(response.status, 204);
    assert_eq!(
        response.list("allow"),
        ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]
    );
    assert_eq!(http.ask(get("/healthz")).status, 200, "it goes on");
}

#[test]
fn a_body_that_is_not_encoded_may_say_so() {
    let server = Server::start(&[]);
    for (encoding, status) in [
        ("identity", 200),
        ("Identity", 200),
        ("gzip", 415),
        ("identity, gzip", 415),
    ] {
        let header = format!("Content-Encoding: {encoding}\r\n");
        let response = server
            .http()
            .ask(crate::common::post("/rooms/tea", &header, "x"));
        assert_eq!(response.status, status, "{encoding}");
    }
}

#[test]
fn a_chart_alone_may_be_framed_by_pages_of_allowed_origins() {
    let ancestors = |server: &Server, path: &str| {
        let page = server.http().ask(get(path));
        let policy = page.header("content-security-policy").expect("a policy");
        let (_, ancestors) = policy.split_once("frame-ancestors ").expect("ancestors");
        ancestors.to_owned()
    };
    let chart = "/?room=plant&view=board&key=boiler.temp";
    assert_eq!(ancestors(&Server::start(&[]), chart), "'none'");
    let allowing = Server::start(&[
        "--allow-origin",
        "https://a.example",
        "--allow-origin",
        "http://b.example:8080/",
    ]);
    let both = "https://a.example http://b.example:8080";
    assert_eq!(ancestors(&allowing, chart), both);
    for other in [
        "/",
        "/?room=plant&view=board",
        "/?room=plant&view=board&key=",
        "/?key=boiler.temp",
        "/guide?view=board&key=a",
    ] {
        assert_eq!(ancestors(&allowing, other), "'none'", "{other}");
    }
}

#[test]
fn the_service_worker_is_a_script_at_the_root() {
    let server = Server::start(&[]);
    let mut http = server.http();
    let worker = http.ask(get("/sw.js"));
    assert_eq!(worker.status, 200);
    let kind = worker.header("content-type");
    assert_eq!(kind, Some("text/javascript; charset=utf-8"));
    assert_eq!(worker.header("cache-control"), Some("no-cache"));
    let policy = worker.header("content-security-policy").unwrap_or_default();
    for directive in [
        "worker-src 'self';",
        "manifest-src 'self';",
        "connect-src 'self';",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    let text = String::from_utf8(worker.body).expect("UTF-8");
    assert!(text.starts_with("const VERSION = \""), "{text}");
    let manifest = http.ask(get("/manifest.webmanifest"));
    let kind = manifest.header("content-type");
    assert_eq!(kind, Some("application/manifest+json"));
}
