use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    head: 400,
    uri: 100,
};

/// Feeds `input` in parts that end at `cuts`, as a connection does.
fn parse_parts(input: &[u8], cuts: &[usize]) -> Result<Option<(String, usize)>, Problem> {
    let mut seen = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        if let Some((request, length)) = Request::parse(&input[..end], seen, LIMITS)? {
            return Ok(Some((format!("{request:?}"), length)));
        }
        seen = end;
    }
    Ok(None)
}

fn problem(input: &str) -> u16 {
    Request::parse(input.as_bytes(), 0, LIMITS)
        .unwrap_err()
        .status
        .code
}

fn request(input: &str) -> Request<'_> {
    Request::parse(input.as_bytes(), 0, LIMITS)
        .unwrap()
        .unwrap()
        .0
}

#[test]
fn a_head_is_read_when_it_is_whole() {
    let input = b"GET /ws/tea?x=1 HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\nrest";
    let (request, length) = Request::parse(input, 0, LIMITS).unwrap().unwrap();
    assert_eq!(
        (request.method, request.path, length),
        ("GET", "/ws/tea", input.len() - 4)
    );
    assert!(request.keep_alive && !request.has_body());
    assert_eq!(request.values("X").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(
        (request.value("host"), request.value("x")),
        (Some("a"), None)
    );
    for end in 0..length {
        assert_eq!(
            Request::parse(&input[..end], end.saturating_sub(1), LIMITS),
            Ok(None),
            "{end}"
        );
    }
}

#[test]
fn when_a_connection_stays_open() {
    assert!(!request("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert!(request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert!(!request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n").keep_alive);
    assert!(request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").keep_alive);
}

#[test]
fn bodies() {
    let body = |fields: &str| request(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).body;
    assert_eq!(body(""), BodyLength::Counted(0));
    assert_eq!(body("Content-Length: 0\r\n"), BodyLength::Counted(0));
    assert_eq!(
        body("Content-Length: 3\r\nContent-Length: 3\r\n"),
        BodyLength::Counted(3)
    );
    assert_eq!(body("Transfer-Encoding: Chunked\r\n"), BodyLength::Chunked);
}

#[test]
fn expectations() {
    let expecting = |minor: u8, what: &str| {
        format!("POST / HTTP/1.{minor}\r\nHost: a\r\nExpect: {what}\r\n\r\n")
    };
    assert!(request(&expecting(1, "100-Continue")).expects_continue);
    assert!(!request(&expecting(0, "100-continue")).expects_continue);
    assert!(!request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expects_continue);
    assert_eq!(problem(&expecting(1, "100-continue, tea")), 417);
}

#[test]
fn fields_of_the_query() {
    let request = request("GET /?key=a%26b+c HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(request.query_value("key").as_deref(), Some("a&b c"));
    assert_eq!(request.check_query(&["key"]), Ok(()));
    assert_eq!(request.check_query(&[]).unwrap_err().status.code, 400);
}

#[test]
fn targets() {
    assert_eq!(
        request("GET http://a:1/b?c HTTP/1.1\r\nHost: a\r\n\r\n").path,
        "/b"
    );
    assert_eq!(
        request("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").path,
        "/"
    );
    assert_eq!(
        request("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n").path,
        "/"
    );
    for absolute in ["HTTP://a/b", "hTTps://a/b", "http://a:80/b?c#d"] {
        let head = format!("GET {absolute} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(request(&head).path, "/b", "{absolute}");
    }
    assert_eq!(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
    for bad in [
        "GET b",
        "GET *",
        "OPTIONS **",
        "OPTIONS *?a",
        "CONNECT a:80",
        "GET ftp://a/",
        "GET http:/a",
        "GET http:///a",
        "GET http://",
        "GET http://u@a/",
        "GET http://a:x/",
        "GET xhttp://a/",
        "GET ://a/",
    ] {
        let head = format!("{bad} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(problem(&head), 400, "{bad}");
    }
}

#[test]
fn whom_a_request_is_for() {
    let port = |head: &str| request(head).authority.map(|authority| authority.port);
    assert_eq!(port("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n"), Some(Some(1)));
    assert_eq!(port("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), Some(None));
    assert_eq!(port("GET / HTTP/1.0\r\n\r\n"), None);
    // The client's URI has no authority.
    assert_eq!(port("GET / HTTP/1.1\r\nHost: \r\n\r\n"), None);
    // RFC 9112 section 3.2.2: the target goes before the Host.
    assert_eq!(
        port("GET http://a:2/ HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        Some(Some(2))
    );
    assert_eq!(
        port("OPTIONS * HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        Some(Some(1))
    );
    for bad in [
        "a b", "u@a", "a/b", "[::1", "x:abc", ":80", "a,b c", "\u{e9}", "a:1:2", "a\tb",
    ] {
        for (method, version) in [("GET /", "1.1"), ("GET /", "1.0"), ("GET http://a/", "1.1")] {
            let head = format!("{method} HTTP/{version}\r\nHost: {bad}\r\n\r\n");
            assert_eq!(problem(&head), 400, "{bad}");
        }
    }
    assert_eq!(problem("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
}

#[test]
fn what_smugglers_send() {
    let with = |fields: &str| problem(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!(with("Content-Length: 1\r\nContent-Length: 2\r\n"), 400);
    assert_eq!(with("Content-Length: +1\r\n"), 400);
    assert_eq!(with("Content-Length: 1, 1\r\n"), 400);
    assert_eq!(
        with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        400
    );
    assert_eq!(with("Transfer-Encoding: chunked, identity\r\n"), 400);
    assert_eq!(with("Transfer-Encoding: \r\n"), 400);
    assert_eq!(with("Transfer-Encoding: gzip, chunked\r\n"), 501);
    assert_eq!(
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        501
    );
    assert_eq!(with("X: a\r\n folded\r\n"), 400);
    assert_eq!(with("X : a\r\n"), 400);
    assert_eq!(with("Host: b\r\n"), 400);
    assert_eq!(problem("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(problem("GET / HTTP/1.1\nHost: a\n\n"), 400);
    assert_eq!(problem("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
    assert_eq!(
        problem("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        400
    );
}

#[test]
fn garbage_is_refused_at_its_first_byte() {
    assert_eq!(problem("\u{16}\u{3}\u{1}"), 400);
    assert_eq!(problem("\n"), 400);
    assert_eq!(problem("GET / HTTP/2.0\r\n"), 505);
}

#[test]
fn limits_hold_before_the_head_ends() {
    assert_eq!(problem(&format!("GET /{}", "a".repeat(400))), 414);
    assert_eq!(
        problem(&format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "a".repeat(100)
        )),
        414
    );
    assert_eq!(
        problem(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}",
            "a".repeat(400)
        )),
        431
    );
    let wide = HeadLimits {
        head: 10_000,
        uri: 100,
    };
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(64));
    assert_eq!(
        Request::parse(many.as_bytes(), 0, wide)
            .unwrap_err()
            .status
            .code,
        431
    );
}

#[test]
fn a_whole_head_is_measured_like_a_part_of_one() {
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "a".repeat(400)
    );
    assert_eq!(problem(&long), 431);
    assert_eq!(problem(&long[..401]), 431);
}

#[test]
fn empty_lines_are_no_request() {
    assert_eq!(problem("\r\n\r\n"), 400);
    assert_eq!(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").path, "/");
}

#[test]
fn a_chunked_body_is_a_body() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(request(chunked).has_body());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_head(
        path in "/[a-z%/?]{0,8}",
        fields in prop::collection::vec(("[A-Za-z-]{1,6}", "[ -~]{0,8}"), 0..6),
        end in prop_oneof![Just("\r\n\r\n"), Just("\n\n"), Just("\r\n \r\n\r\n")],
        cuts in prop::collection::vec(0..100_usize, 0..8),
    ) {
        let mut input = format!("GET {path} HTTP/1.1\r\nHost: a");
        for (name, value) in fields {
            input += &format!("\r\n{name}: {value}");
        }
        input += end;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let whole = parse_parts(input.as_bytes(), &[]);
        let bytes: Vec<usize> = (1..input.len()).collect();
        prop_assert_eq!(parse_parts(input.as_bytes(), &cuts).is_ok(), whole.is_ok());
        if whole.is_ok() {
            prop_assert_eq!(parse_parts(input.as_bytes(), &cuts), whole.clone());
            prop_assert_eq!(parse_parts(input.as_bytes(), &bytes), whole);
        }
    }

    #[test]
    fn any_bytes_are_answered(input in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = Request::parse(&input, 0, LIMITS);
    }
}
