//! The WebSocket opening handshake, the server's side (RFC 6455 section 4.2).

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use data_encoding::BASE64;

use super::request::Request;
use super::response::{Head, Problem, Status};

/// What every server puts behind the client's key before it hashes both.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request asks for a WebSocket, be it at the wrong address.
pub fn is_wanted(request: &Request<'_>) -> bool {
    request.lists("upgrade", "websocket")
}

/// Checks the handshake and gives the `Sec-WebSocket-Accept` that answers it.
///
/// # Errors
/// 405 for a method other than GET, 426 for a plain request or another protocol version, 400 with what is wrong.
pub fn check(request: &Request<'_>) -> Result<String, Problem> {
    if request.method != "GET" {
        let problem = Problem::new(Status::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET");
        return Err(problem.with(&[("Allow", "GET")]));
    }
    if !is_wanted(request) {
        return Err(upgrade_required(
            "this address speaks WebSocket: send Upgrade: websocket",
        ));
    }
    if !request.is_http_11 {
        return Err(Problem::new(
            Status::BAD_REQUEST,
            "a WebSocket handshake needs HTTP/1.1",
        ));
    }
    if request.has_body() {
        return Err(Problem::new(
            Status::BAD_REQUEST,
            "a WebSocket handshake has no body",
        ));
    }
    if !request.lists("connection", "upgrade") {
        return Err(Problem::new(
            Status::BAD_REQUEST,
            "the handshake lacks Connection: Upgrade",
        ));
    }
    if request.value("sec-websocket-version") != Some("13") {
        return Err(upgrade_required("only WebSocket version 13 is spoken"));
    }
    match request.value("sec-websocket-key") {
        Some(key) if is_sixteen_bytes_in_base64(key) => Ok(accept_key(key)),
        _ => Err(Problem::new(
            Status::BAD_REQUEST,
            "Sec-WebSocket-Key must be 16 bytes in base64",
        )),
    }
}

/// The response that completes the handshake, with the subprotocol and the extension that were agreed on.
pub fn accept(
    accept_key: &str,
    subprotocol: Option<&str>,
    extension: Option<&str>,
    unix_ms: u64,
) -> Vec<u8> {
    let mut head = Head::new(Status::SWITCHING_PROTOCOLS, unix_ms);
    head.field("Upgrade", "websocket");
    head.field("Connection", "Upgrade");
    head.field("Sec-WebSocket-Accept", accept_key);
    if let Some(subprotocol) = subprotocol {
        head.field("Sec-WebSocket-Protocol", subprotocol);
    }
    if let Some(extension) = extension {
        head.field("Sec-WebSocket-Extensions", extension);
    }
    head.finish()
}

fn upgrade_required(detail: &'static str) -> Problem {
    Problem::new(Status::UPGRADE_REQUIRED, detail)
        .with(&[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")])
}

/// 16 bytes are 22 base64 digits, of which the last holds four spare bits, and `==`.
fn is_sixteen_bytes_in_base64(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.ends_with("==") && key.bytes().take(22).all(is_digit)
}

/// Shows the client that its handshake was read as one (RFC 6455 section 4.2.2). SHA-1 keeps no secret here.
fn accept_key(key: &str) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    BASE64.encode(hash.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::http::request::HeadLimits;

    #[test]
    fn a_handshake_needs_http_11() {
        let limits = HeadLimits {
            head: 400,
            uri: 100,
        };
        let outcome = |version: &str| {
            let head = format!(
                "GET /ws HTTP/{version}\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            let (request, _) = Request::parse(head.as_bytes(), 0, limits).unwrap().unwrap();
            check(&request).map_err(|problem| problem.status.code)
        };
        assert_eq!(outcome("1.0"), Err(400));
        assert_eq!(outcome("1.1").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys() {
        assert!(is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZQ"));
        assert!(!is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZ==="));
        assert!(!is_sixteen_bytes_in_base64(""));
    }
}
