//! An HTTP response out of a stream.

use std::io::{self, ErrorKind, Read};

/// Bytes of a head, and of a body: the server's are far shorter, and something else may answer.
const MAX_HEAD: usize = 16 << 10;
const MAX_BODY: u64 = 64 << 10;
const MAX_FIELDS: usize = 64;

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The one that ends the exchange.
    pub(super) fn read_final(stream: &mut impl Read) -> io::Result<Self> {
        loop {
            let response = Self::read(stream)?;
            // RFC 9110 section 15.2.
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// The next one, which may be interim.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte, so that nothing is taken of what follows: a head is short.
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.len() > MAX_HEAD {
                return Err(no_http());
            }
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        parsed.parse(&head).map_err(|_| no_http())?;
        let status = parsed.code.ok_or_else(no_http)?;
        let length = parsed
            .headers
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|it| str::from_utf8(it.value).ok()?.parse().ok());
        let length: u64 = length.unwrap_or(0);
        let mut body = Vec::new();
        stream.take(length.min(MAX_BODY)).read_to_end(&mut body)?;
        Ok(Self { status, body })
    }
}

fn no_http() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "what is there speaks no HTTP; see --server",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_come_before_the_final_one() {
        let mut bytes: &[u8] =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi";
        let all = bytes;
        assert_eq!(Response::read(&mut bytes).unwrap().status, 100);
        let last = Response::read(&mut bytes).unwrap();
        assert_eq!((last.status, &last.body[..]), (201, &b"hi"[..]));
        assert_eq!(Response::read_final(&mut &*all).unwrap().status, 201);
    }

    #[test]
    fn what_is_no_response() {
        let long = [b'x'; 2 * MAX_HEAD];
        for bytes in [&b"hello\r\n\r\n"[..], b"HTTP/1.1 200", b"", &long] {
            assert!(Response::read(&mut &*bytes).is_err());
        }
    }
}
