//! Whom a request is for: the authority of its target or its Host (RFC 9112 section 3.2, RFC 3986 section 3.2).

use std::fmt;
// What an address is, not what one can do with a socket.
use ::core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and a port, as a client names the server it has connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port, unless it is the scheme's own.
    pub port: Option<u16>,
}

/// A host, of which only a name is looked up before a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// An IPv4 address, or an IPv6 address in brackets.
    Address(IpAddr),
    /// Anything else.
    Name(&'a str),
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:` or `host:port`; `None` for anything else, an empty host and a user among it.
    pub fn parse(text: &'a str) -> Option<Self> {
        // The last colon may stand within an address in brackets.
        let end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(end);
        Some(Self {
            host: Host::parse(host)?,
            port: parse_port(port)?,
        })
    }

    /// Whether a browser that connects to this port without a proxy says this: it leaves out 80 for `http:`, and 443 for
    /// `https:`.
    pub fn may_be_at(&self, port: u16) -> bool {
        match self.port {
            Some(named) => named == port,
            None => matches!(port, 80 | 443),
        }
    }
}

impl<'a> Host<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Some(Self::Address(address.into())),
            Err(_) if is_registered_name(text) => Some(Self::Name(text)),
            Err(_) => None,
        }
    }

    /// Whether it names the machine that the client is on whoever answers for names: an address is looked up nowhere, and
    /// `localhost` is nobody else's (RFC 6761 section 6.3).
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Address(_)) || self.is_this_machine()
    }

    /// Whether every machine has this name or address for itself.
    pub fn is_this_machine(&self) -> bool {
        match self {
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => {
                let last = without_root(name).rsplit('.').next().unwrap_or_default();
                last.eq_ignore_ascii_case("localhost")
            }
        }
    }

    /// Whether it is this name, in any case.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if without_root(own).eq_ignore_ascii_case(without_root(name)))
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A name without the dot of the root, which makes no difference.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// What follows the host: nothing, a colon, or a colon and a port.
fn parse_port(text: &str) -> Option<Option<u16>> {
    match text.strip_prefix(':') {
        None if text.is_empty() => Some(None),
        None => None,
        Some("") => Some(None),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().map(Some)
        }
        Some(_) => None,
    }
}

/// RFC 3986 section 3.2.2, and not empty (RFC 9110 section 4.2.1).
fn is_registered_name(text: &str) -> bool {
    let mut parts = text.split('%');
    let is_plain = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte))
    };
    let is_escaped = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) && is_plain(part)
    };
    !text.is_empty() && parts.next().is_some_and(is_plain) && parts.all(is_escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, Option<u16>)> {
        let Authority { host, port } = Authority::parse(text)?;
        let host = match host {
            Host::Address(address) => format!("address {address}"),
            Host::Name(name) => name.to_owned(),
        };
        Some((host, port))
    }

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("a", "a", None),
            ("a:", "a", None),
            ("Chat.example:8080", "Chat.example", Some(8080)),
            ("my_box-1.local.", "my_box-1.local.", None),
            ("%C3%A9", "%C3%A9", None),
            ("127.0.0.1:1", "address 127.0.0.1", Some(1)),
            ("[::1]", "address ::1", None),
            ("[::1]:65535", "address ::1", Some(65535)),
            ("127.1", "127.1", None),
        ] {
            assert_eq!(parse(text), Some((host.to_owned(), port)), "{text}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "u@a",
            "u:p@a",
            "a/b",
            "a?b",
            "a#b",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[]",
            "[a]",
            "[127.0.0.1]",
            "[::1%25lo]",
            "x:abc",
            "x:1:2",
            "x:+1",
            "x:65536",
            "x: 1",
            "a\\b",
            "a\"",
            "%zz",
            "a%4",
            "\u{e9}",
            "a\t",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_no_name_server_decides() {
        let is_fixed = |text| Authority::parse(text).unwrap().host.is_fixed();
        for text in [
            "127.0.0.1",
            "192.0.2.1:80",
            "[::1]",
            "localhost",
            "LocalHost.:80",
            "tea.localhost",
        ] {
            assert!(is_fixed(text), "{text}");
        }
        for text in [
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "127.1",
        ] {
            assert!(!is_fixed(text), "{text}");
        }
    }

    #[test]
    fn what_every_machine_has_for_itself() {
        let is_this_machine = |text| Authority::parse(text).unwrap().host.is_this_machine();
        for text in [
            "localhost",
            "LocalHost:8080",
            "plant.localhost",
            "127.0.0.1:80",
            "127.8.9.10",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_this_machine(text), "{text}");
        }
        for text in [
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "192.0.2.1",
            "[fd00::1]:80",
            "127.0.0.1.evil.example",
            "[::]",
            "0.0.0.0:8080",
        ] {
            assert!(!is_this_machine(text), "{text}");
        }
    }

    #[test]
    fn names_in_any_case() {
        let is_name = |text, name| Authority::parse(text).unwrap().host.is_name(name);
        assert!(is_name("Chat.example:80", "chat.EXAMPLE"));
        assert!(is_name("chat.example.", "chat.example"));
        assert!(!is_name("chat.example.evil", "chat.example"));
        assert!(!is_name("127.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn the_port_that_a_browser_would_name() {
        let may_be_at = |text, port| Authority::parse(text).unwrap().may_be_at(port);
        assert!(may_be_at("a:8080", 8080) && may_be_at("a", 80) && may_be_at("a", 443));
        assert!(!may_be_at("a:8080", 80) && !may_be_at("a", 8080) && !may_be_at("a:80", 8080));
    }
}
