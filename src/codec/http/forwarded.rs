//! For whom a proxy asks: `X-Forwarded-For`, which has no specification but what proxies do.

// What an address is, not what one can do with a socket.
use ::core::net::{IpAddr, SocketAddr};

use super::request::Request;

/// Who is behind the peer that a request came from, as far as those who say so are trusted.
///
/// Each proxy appends whom it was asked by, so the list is read from its right end: what a trusted one has said counts,
/// and what stands left of the first that is not trusted may be anyone's invention. When a trusted proxy has said
/// nothing that is an address, it counts itself.
pub fn client(request: &Request<'_>, peer: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for said in request.items("x-forwarded-for").rev() {
        if !is_trusted(client) {
            break;
        }
        let Some(ip) = parse(said) else {
            break;
        };
        client = ip;
    }
    client
}

/// An address, with a port behind it or not, as some proxies have it.
fn parse(said: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(said).ok()?;
    let ip = text
        .parse()
        .ok()
        .or_else(|| text.parse().map(|it: SocketAddr| it.ip()).ok())
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(IpAddr::to_canonical(&ip))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::http::request::HeadLimits;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The proxies are those of 10.0.0.0/8 and ::1.
    fn client_of(peer: &str, fields: &[impl AsRef<str>]) -> IpAddr {
        let fields: String = fields
            .iter()
            .map(|field| format!("X-Forwarded-For: {}\r\n", field.as_ref()))
            .collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let limits = HeadLimits {
            head: 1 << 16,
            uri: 1 << 16,
        };
        let (request, _) = Request::parse(head.as_bytes(), 0, limits).unwrap().unwrap();
        client(&request, ip(peer), |it| {
            it == ip("::1") || matches!(it, IpAddr::V4(it) if it.octets()[0] == 10)
        })
    }

    #[test]
    fn the_right_hop_counts() {
        for (fields, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            // What a client has sent itself is left of what the proxy has seen.
            (&["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.7, 203.0.113.9"], "203.0.113.9"),
            // Through two proxies, one of which begins a field of its own.
            (&["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            (&["6.6.6.6", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            (&["203.0.113.9,10.0.0.2 ,\t10.0.0.3"], "203.0.113.9"),
            // Someone who is at a proxy.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9, ::1"], "203.0.113.9"),
            (&["127.0.0.1"], "127.0.0.1"),
        ] {
            assert_eq!(client_of("10.0.0.1", fields), ip(expected), "{fields:?}");
        }
    }

    #[test]
    fn garbage_counts_for_the_proxy_that_has_said_it() {
        for (fields, expected) in [
            (&["unknown"][..], "10.0.0.1"),
            (&["203.0.113.9, unknown"], "10.0.0.1"),
            (&["203.0.113.9, _hidden, 10.0.0.2"], "10.0.0.2"),
            (&[""], "10.0.0.1"),
            (&["203.0.113.999"], "10.0.0.1"),
            (&["\u{e9}"], "10.0.0.1"),
        ] {
            assert_eq!(client_of("10.0.0.1", fields), ip(expected), "{fields:?}");
        }
        assert_eq!(client_of("10.0.0.1", &[""; 0]), ip("10.0.0.1"));
    }

    #[test]
    fn nobody_else_is_believed() {
        let peer = "198.51.100.4";
        assert_eq!(client_of(peer, &["203.0.113.9"]), ip(peer));
        assert_eq!(client_of(peer, &["203.0.113.9, 10.0.0.1"]), ip(peer));
    }

    proptest! {
        /// Whatever a client sends, it does not change what the proxy adds.
        #[test]
        fn a_client_cannot_be_another(said in "[ -~]{0,40}") {
            let honest = "203.0.113.9".to_owned();
            prop_assert_eq!(client_of("10.0.0.1", &[said.clone(), honest.clone()]), ip(&honest));
            let appended = format!("{said}, {honest}");
            prop_assert_eq!(client_of("10.0.0.1", &[appended]), ip(&honest));
            prop_assert_eq!(client_of("203.0.113.9", &[said]), ip(&honest));
        }
    }
}
