//! The WebSocket opening handshake, the server's side (RFC 6455 section 4.2), and who may come in from which page.

use tungstenite::handshake::derive_accept_key;

use super::host::{Authority, Host};
use super::request::Request;
use super::response::{Head, Problem, Status};

/// Checks the handshake and gives the `Sec-WebSocket-Accept` that answers it.
///
/// # Errors
/// 405 for a method other than GET, 426 for a plain request or another protocol version, 400 with what is wrong.
pub fn check(request: &Request<'_>) -> Result<String, Problem> {
    if request.method != "GET" {
        let problem = Problem::new(Status::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET");
        return Err(problem.with(&[("Allow", "GET")]));
    }
    if !request.lists("upgrade", "websocket") {
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
        Some(key) if is_sixteen_bytes_in_base64(key) => Ok(derive_accept_key(key.as_bytes())),
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

/// Whether a page from `origin` may open a WebSocket to `server` (RFC 6455 section 10.2): its own server's pages may, and
/// those listed in `allowed` (`*` for all).
pub fn is_origin_allowed(origin: &str, server: Option<Authority<'_>>, allowed: &[String]) -> bool {
    if allowed
        .iter()
        .any(|entry| entry == "*" || entry.eq_ignore_ascii_case(origin))
    {
        return true;
    }
    let Some((scheme, page)) = origin.split_once("://") else {
        return false;
    };
    let (Some(page), Some(server)) = (Authority::parse(page), server) else {
        return false;
    };
    let default_port = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let port = |authority: Authority<'_>| authority.port.unwrap_or(default_port);
    is_same_host(page.host, server.host) && port(page) == port(server)
}

fn is_same_host(one: Host<'_>, other: Host<'_>) -> bool {
    match (one, other) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
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
    fn a_page_of_the_same_host_and_port_may_come_in() {
        let same = |origin, host| is_origin_allowed(origin, Authority::parse(host), &[]);
        assert!(same("http://chat.example:8080", "chat.example:8080"));
        assert!(same("http://Chat.example", "chat.example:80"));
        assert!(same("https://chat.example", "chat.example"));
        assert!(same("http://[::1]:8080", "[::1]:8080"));
        assert!(same("http://[::1]", "[::1]"));
        assert!(!same("http://chat.example:8081", "chat.example:8080"));
        assert!(!same("http://evil.example", "chat.example"));
        assert!(!same("http://chat.example.evil", "chat.example"));
        assert!(!same("null", "chat.example"));
        assert!(!is_origin_allowed("http://chat.example", None, &[]));
    }

    #[test]
    fn more_origins_by_flag() {
        let allowed = ["https://app.example".to_owned()];
        assert!(is_origin_allowed(
            "https://app.example",
            Authority::parse("chat.example"),
            &allowed
        ));
        assert!(!is_origin_allowed(
            "http://app.example",
            Authority::parse("chat.example"),
            &allowed
        ));
        assert!(is_origin_allowed("null", None, &["*".to_owned()]));
    }

    #[test]
    fn keys() {
        assert!(is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZQ"));
        assert!(!is_sixteen_bytes_in_base64("dGhlIHNhbXBsZSBub25jZ==="));
        assert!(!is_sixteen_bytes_in_base64(""));
    }
}
