//! A WebSocket client that writes and reads single frames, well formed or not.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{Http, upgrade};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const FIN: u8 = 0x80;

const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An upgraded connection.
pub(crate) struct RawClient {
    deflate: bool,
    stream: BufReader<TcpStream>,
}

/// A frame as it came: the first octet with FIN, reserved bits and opcode, and the payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// A masked frame with the first octet and the payload given, its length encoded minimally.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            bytes.push(MASKED | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(octet, mask)| octet ^ mask),
    );
    bytes
}

impl RawClient {
    /// Upgrades `stream` to the room at `path`.
    pub(crate) fn over(stream: TcpStream, path: &str) -> RawClient {
        let mut http = Http::new(stream);
        http.send(upgrade(path));
        RawClient::after(http)
    }

    /// The client of an upgrade request that has been sent over `stream`.
    pub(crate) fn upgrading(stream: TcpStream) -> RawClient {
        RawClient::after(Http::new(stream))
    }

    /// The client of an upgrade request that was sent over `http`.
    pub(crate) fn after(mut http: Http) -> RawClient {
        let response = http.head();
        assert_eq!(response.status, 101, "{response:?}");
        RawClient::over_response(http, false)
    }

    /// The client of an upgrade whose response has been read from `http`. `deflate`: frames may be compressed.
    pub(crate) fn over_response(http: Http, deflate: bool) -> RawClient {
        RawClient {
            deflate,
            stream: http.into_reader(),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the server takes the bytes");
    }

    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(frame(first, payload));
    }

    /// Ends this side of the connection and keeps the other.
    pub(crate) fn finish_sending(&mut self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// The next frame, which must be as a server's frames are.
    pub(crate) fn next(&mut self) -> Frame {
        self.try_next()
            .expect("a frame, not the end of the connection")
    }

    /// The next frame, or `None` where the connection ends between two frames.
    pub(crate) fn try_next(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        match self.stream.read(&mut head[..1]).expect("a frame in time") {
            0 => return None,
            _ => self
                .stream
                .read_exact(&mut head[1..])
                .expect("a frame's second octet"),
        }
        let reserved = if self.deflate { 0x30 } else { 0x70 };
        assert_eq!(head[0] & reserved, 0, "reserved bits are set: {head:x?}");
        assert_eq!(head[1] & MASKED, 0, "a server's frame is not masked");
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.array())),
            127 => u64::from_be_bytes(self.array()),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream
            .read_exact(&mut payload)
            .expect("a frame's payload");
        Some(Frame {
            first: head[0],
            payload,
        })
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream
            .read_exact(&mut bytes)
            .expect("a frame's length");
        bytes
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, first: u8, payload: &[u8]) {
        assert_eq!(
            self.next(),
            Frame {
                first,
                payload: payload.to_vec()
            }
        );
    }

    /// The next frame is a Close with `code`; returns its reason.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) -> String {
        let close = self.next();
        assert_eq!(
            close.first,
            FIN | CLOSE,
            "instead of Close {code}: {close:?}"
        );
        assert!(
            close.payload.len() >= 2,
            "instead of Close {code}: one without a code"
        );
        let got = u16::from_be_bytes([close.payload[0], close.payload[1]]);
        let reason = String::from_utf8(close.payload[2..].to_vec()).expect("the reason is UTF-8");
        assert_eq!(got, code, "{reason}");
        reason
    }

    /// The server fails the connection with `code` and, after the answer to its Close, ends it. The end of this side is
    /// the answer where the Close would be a part of a frame that has not come to its end.
    #[track_caller]
    pub(crate) fn expect_failure(mut self, code: u16) {
        self.expect_close(code);
        // The server may have closed its side by now, or even all of it.
        let _ = self
            .stream
            .get_mut()
            .write_all(&frame(FIN | CLOSE, &code.to_be_bytes()));
        let _ = self.stream().shutdown(Shutdown::Write);
        self.expect_end();
    }

    /// Nothing more comes but the end of the connection, without a reset.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream
            .read_to_end(&mut rest)
            .expect("the connection's end, not a reset");
        assert_eq!(rest, b"", "more came before the end");
    }

    /// The connection ends somehow, whatever comes before.
    #[track_caller]
    pub(crate) fn expect_end_or_reset(&mut self) {
        if let Err(error) = self.stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
    }
}
