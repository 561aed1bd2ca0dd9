//! Other protocols than lines of text, whose clients are led to the line port.

/// Another protocol, whose client has been led to the line port: what it says is not for the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A request of HTTP, behind whose head a web page may have written lines.
    Http,
    /// A TLS handshake.
    Tls,
}

/// Methods of HTTP that a browser or a tool begins a request with.
const METHODS: [&[u8]; 10] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI",
];

/// Looks whether what a connection begins with is another protocol. A request of HTTP is known by its first line, as
/// Redis knows it, so that what stands behind is not obeyed.
pub fn recognize(beginning: &[u8]) -> Option<Foreign> {
    // RFC 8446 section 5.1: a record of the handshake, of version 3.
    if beginning.starts_with(&[22, 3]) {
        return Some(Foreign::Tls);
    }
    let beginning = beginning.trim_ascii_start();
    let end = beginning.iter().position(|&byte| byte == b'\n')?;
    is_request_line(beginning[..end].trim_ascii_end()).then_some(Foreign::Http)
}

/// Whether a line is the first of a request (RFC 9112 section 3), of a version before 1.0 too, or its Host.
pub fn is_request_line(line: &[u8]) -> bool {
    let begins = |part: &[u8], with: &[u8]| {
        let part = part.get(..with.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(with))
    };
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, .., last] = words[..] else {
        return begins(line, b"host:");
    };
    let is_known = METHODS.contains(&method);
    let has_version = words.len() > 2 && begins(last, b"http/");
    let has_target = words[1].starts_with(b"/")
        || words[1] == b"*"
        || words[1].windows(3).any(|part| part == b"://");
    let is_any_two = [is_known, has_version, has_target]
        .into_iter()
        .filter(|&it| it)
        .count()
        >= 2;
    is_any_two || begins(line, b"host:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols() {
        let fetch = "POST / HTTP/1.1\r\nHost: localhost:7000\r\n\r\n/nick Admin\nhello\n";
        for input in [
            fetch,
            "\r\n\r\nGET / HTTP/1.1\r\n",
            "GET /\r\n",
            "get / http/1.0\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT a:80 HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "POST http://a/ HTTP/1.1\n",
            "PROPFIND /a b HTTP/1.1\n",
            "Host: a\r\n",
            "hOST:a\n",
        ] {
            assert_eq!(recognize(input.as_bytes()), Some(Foreign::Http), "{input}");
        }
        assert_eq!(recognize(b"\x16\x03\x01\x02"), Some(Foreign::Tls));
        for input in [
            "hello\n",
            "/nick Admin\n",
            "PUT that down\n",
            "GET\n",
            "POST",
            "POST / HTTP/1.1",
            "the host: is me\n",
            "http/ is a protocol\n",
            "I speak HTTP/1.1\n",
        ] {
            assert_eq!(recognize(input.as_bytes()), None, "{input}");
        }
    }
}
