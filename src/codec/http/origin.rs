//! Origins of pages, which browsers send along (RFC 6454): those that are allowed to come in.

use super::host::{Authority, Host};

/// An origin as a browser sends it: scheme, host, and port unless it is the scheme's own (RFC 6454 section 6.2). Another
/// would never match.
///
/// # Errors
/// What is expected instead.
pub fn parse(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text.contains('*') {
        let expected = "a part of an origin cannot be *: list each, such as https://app.example, or allow all with *";
        return Err(expected.to_owned());
    }
    let expected = || "expected a scheme and a host, such as https://app.example, or *".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(is_scheme) {
        return Err(expected());
    }
    if ["ws", "wss"]
        .iter()
        .any(|ws| scheme.eq_ignore_ascii_case(ws))
    {
        return Err("an origin has the scheme of its page, as in https://app.example".to_owned());
    }
    if !authority.is_ascii() {
        return Err("browsers write other letters of a host as xn--…: so has this".to_owned());
    }
    let Authority { host, port } = Authority::parse(authority).ok_or_else(expected)?;
    let scheme = scheme.to_ascii_lowercase();
    Ok(match port.filter(|_| port != default_port(&scheme)) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Whether a page from `origin` may open a WebSocket to `server` (RFC 6455 section 10.2): its own server's pages may, and
/// those listed in `allowed` (`*` for all).
pub fn is_allowed(origin: &str, server: Option<Authority<'_>>, allowed: &[String]) -> bool {
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
    let Some(default_port) = default_port(scheme) else {
        return false;
    };
    let port = |authority: Authority<'_>| authority.port.unwrap_or(default_port);
    is_same_host(page.host, server.host) && port(page) == port(server)
}

/// The port that is left out; `None` for what no page of ours is fetched by.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}

fn is_same_host(one: Host<'_>, other: Host<'_>) -> bool {
    match (one, other) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_a_browser_may_send() {
        for (text, origin) in [
            ("*", "*"),
            ("https://app.example", "https://app.example"),
            ("https://app.example/", "https://app.example"),
            ("HTTPS://App.example:443", "https://App.example"),
            ("http://app.example:80/", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("http://[0::1]:80", "http://[::1]"),
            ("app://[::1]", "app://[::1]"),
            ("app://box:80", "app://box:80"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(origin), "{text}");
        }
        for bad in [
            "",
            "app.example",
            "https://",
            "https://*.example",
            "https://app.example:*",
            "*://app.example",
            "*.example",
            "https://a/b",
            "https://a//",
            "https://u@a",
            "https://a b",
            "https://a:x",
            "https://a?b",
            "https://a#b",
            "https://\u{e9}.example",
            "://a",
            "wss://app.example",
            "WS://app.example",
            "**",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_of_the_same_host_and_port_may_come_in() {
        let same = |origin, host| is_allowed(origin, Authority::parse(host), &[]);
        assert!(same("http://chat.example:8080", "chat.example:8080"));
        assert!(same("http://Chat.example", "chat.example:80"));
        assert!(same("https://chat.example", "chat.example"));
        assert!(same("http://[::1]:8080", "[::1]:8080"));
        assert!(same("http://[::1]", "[::1]"));
        assert!(!same("http://chat.example:8081", "chat.example:8080"));
        assert!(!same("http://evil.example", "chat.example"));
        assert!(!same("http://chat.example.evil", "chat.example"));
        assert!(!same("null", "chat.example"));
        assert!(!same("app://chat.example", "chat.example"));
        assert!(!is_allowed("http://chat.example", None, &[]));
    }

    #[test]
    fn more_origins_by_flag() {
        let allowed = ["https://app.example".to_owned()];
        assert!(is_allowed(
            "https://app.example",
            Authority::parse("chat.example"),
            &allowed
        ));
        assert!(!is_allowed(
            "http://app.example",
            Authority::parse("chat.example"),
            &allowed
        ));
        assert!(is_allowed("null", None, &["*".to_owned()]));
    }
}
