//! A request's head: no panic, limits hold, any split gives the same, and who is let in by us is let in by tungstenite.

use std::io::Cursor;

use parlor::codec::http::range::{Part, Wanted};
use parlor::codec::http::request::{BodyLength, HeadLimits, Request};
use parlor::codec::http::response::Problem;
use parlor::codec::http::upgrade;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server;

const LIMITS: HeadLimits = HeadLimits {
    head: 2048,
    uri: 256,
};

/// The first bytes decide where the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let (choices, input) = data.split_at(data.len().min(4));
    let whole = Request::parse(input, 0, LIMITS);
    check_split(input, &super::cuts(input, choices), &whole);
    let bytes: Vec<usize> = (1..=input.len()).collect();
    check_split(input, &bytes, &whole);
    match whole {
        Ok(Some((request, length))) => {
            assert!(length <= LIMITS.head && request.path.len() <= LIMITS.uri);
            assert!(request.path.starts_with('/'));
            assert!(!request.method.is_empty());
            assert!(request.is_http_11 || request.body != BodyLength::Chunked);
            compare_upgrade(&request, &input[..length]);
            check_range(&request);
        }
        Ok(None) => assert!(input.len() <= LIMITS.head),
        Err(problem) => assert!((400..=599).contains(&problem.status.code)),
    }
}

/// A part of a file is within it, however long that is.
fn check_range(request: &Request<'_>) {
    for length in [0, 1, 1000, u64::MAX] {
        if let Part::Range { first, last } = Wanted::of(request, "\"tag\"").part(length) {
            assert!(first <= last && last < length, "{first}-{last} of {length}");
        }
    }
}

/// A head that is good as a whole is good in parts, and one that is not is not. Which of its faults is seen first may
/// differ, and one that is not whole may be refused later: the parser looks again when it has doubled.
fn check_split(
    input: &[u8],
    cuts: &[usize],
    whole: &Result<Option<(Request<'_>, usize)>, Problem>,
) {
    let mut seen = 0;
    for &end in cuts {
        match (Request::parse(&input[..end], seen, LIMITS), whole) {
            (Ok(None), _) => seen = end,
            (Ok(Some(parts)), Ok(Some(whole))) => return assert_eq!(parts, *whole),
            (Err(_), Err(_)) => return,
            (parts, whole) => panic!("{parts:?} in parts, {whole:?} as a whole"),
        }
    }
    let is_unfinished = !input.windows(4).any(|window| window == b"\r\n\r\n");
    assert!(
        matches!(whole, Ok(None)) || whole.is_err() && is_unfinished,
        "{whole:?} as a whole, nothing in parts"
    );
}

/// Whoever we let in, tungstenite lets in with the same key. Not the other way round: it takes a bare LF, several
/// Hosts, bodies, and keys that are not 16 bytes. And not where it is narrower than the RFCs: it looks at one field
/// Connection and takes no list for Upgrade, no key whose last digit has spare bits set, and no target that the `http`
/// crate cannot hold.
fn compare_upgrade(request: &Request<'_>, head: &[u8]) {
    let Ok(accept_key) = upgrade::check(request) else {
        return;
    };
    let is_plain = |name, value: &str| {
        let found = request.value(name);
        found.is_some_and(|found| found.eq_ignore_ascii_case(value))
    };
    let key = request.value("sec-websocket-key").unwrap_or_default();
    let is_exact = ["A==", "Q==", "g==", "w=="]
        .iter()
        .any(|end| key.ends_with(end));
    if !(is_exact && is_plain("connection", "upgrade") && is_plain("upgrade", "websocket")) {
        return;
    }
    let (length, theirs) = match server::Request::try_parse(head) {
        Err(tungstenite::Error::HttpFormat(_)) => return,
        parsed => parsed.expect("theirs is a head").expect("theirs is whole"),
    };
    assert_eq!(length, head.len());
    let response = server::create_response(&theirs).expect("theirs lets it in");
    assert_eq!(
        response.headers()["Sec-WebSocket-Accept"],
        accept_key.as_str()
    );
    let mut written = Vec::new();
    server::write_response(Cursor::new(&mut written), &response).expect("a Vec takes all");
    let ours = upgrade::accept(&accept_key, None, None, 0);
    for line in String::from_utf8_lossy(&written).to_lowercase().lines() {
        let ours = String::from_utf8_lossy(&ours).to_lowercase();
        assert!(
            ours.lines().any(|it| it == line),
            "{line} is missing in {ours}"
        );
    }
}
