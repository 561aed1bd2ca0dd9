//! Close codes and the fixed phrases that go with them (RFC 6455 section 7.4).

use std::str;

use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::frame;

/// Why the server ends a WebSocket connection: a close code and a short, fixed phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The close code sent to the peer.
    pub code: u16,
    /// The reason sent to the peer, at most 123 bytes.
    pub phrase: &'static str,
}

impl CloseReason {
    /// The server is going away (SIGTERM, SIGINT).
    pub const SHUTDOWN: Self = Self::new(1001, "server is shutting down");
    /// The peer does not read as fast as the room talks: `--max-queue`.
    pub const TOO_SLOW: Self = Self::new(1008, "too slow");
    /// The peer was silent for `--ping-interval` and did not answer in `--pong-timeout`.
    pub const PING_TIMEOUT: Self = Self::new(1008, "no answer to ping");
    /// The message is longer than `--max-message`.
    pub const TOO_BIG: Self = Self::new(1009, "message too big");
    /// A text message or a close reason is not UTF-8.
    pub const INVALID_UTF8: Self = Self::new(1007, "invalid UTF-8");
    /// `--max-memory` is used up, and this connection held the most of it.
    pub const OUT_OF_MEMORY: Self = Self::new(1013, "server is out of memory, try again later");

    /// A violation of RFC 6455, named by `phrase`.
    pub const fn protocol_error(phrase: &'static str) -> Self {
        Self::new(1002, phrase)
    }

    const fn new(code: u16, phrase: &'static str) -> Self {
        Self { code, phrase }
    }

    /// The close frame for this reason, ready for the wire.
    pub fn to_frame(self) -> Vec<u8> {
        let mut payload = self.code.to_be_bytes().to_vec();
        payload.extend_from_slice(self.phrase.as_bytes());
        close_frame(&payload)
    }
}

/// What a peer said in its close frame: the code, unless the frame was empty, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerClose<'a> {
    /// The close code, already checked; `None` for an empty close frame.
    pub code: Option<u16>,
    /// The reason, already checked to be UTF-8.
    pub reason: &'a str,
}

impl<'a> PeerClose<'a> {
    /// Reads the payload of a close frame (RFC 6455 section 5.5.1).
    ///
    /// # Errors
    /// 1002 for a payload of one byte or a code that must not be sent, 1007 for a reason that is not UTF-8.
    pub fn parse(payload: &'a [u8]) -> Result<Self, CloseReason> {
        let (code, reason) = match payload {
            [] => {
                return Ok(Self {
                    code: None,
                    reason: "",
                });
            }
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
            [_] => return Err(CloseReason::protocol_error("close frame of one byte")),
        };
        if !may_be_sent(code) {
            return Err(CloseReason::protocol_error("invalid close code"));
        }
        let reason = str::from_utf8(reason).map_err(|_| CloseReason::INVALID_UTF8)?;
        Ok(Self {
            code: Some(code),
            reason,
        })
    }
}

/// The answer to a close frame: the same code back, or an empty frame to an empty one (RFC 6455 section 5.5.1).
pub fn answer(code: Option<u16>) -> Vec<u8> {
    match code {
        Some(code) => close_frame(&code.to_be_bytes()),
        None => close_frame(&[]),
    }
}

/// The codes of the IANA registry that may stand in a frame, and those left to libraries and applications (RFC 6455
/// section 7.4). tungstenite's own list lacks 1014.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn close_frame(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + payload.len());
    frame::encode(OpCode::Control(Control::Close), payload, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_be_sent() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999,
        ] {
            assert_eq!(
                PeerClose::parse(&u16::to_be_bytes(code)).unwrap().code,
                Some(code)
            );
        }
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            let error = PeerClose::parse(&u16::to_be_bytes(code)).unwrap_err();
            assert_eq!(error.code, 1002, "{code}");
        }
    }

    #[test]
    fn one_byte_and_bad_text_are_refused() {
        assert_eq!(PeerClose::parse(&[3]).unwrap_err().code, 1002);
        assert_eq!(
            PeerClose::parse(&[3, 232, 0xff]).unwrap_err(),
            CloseReason::INVALID_UTF8
        );
    }

    #[test]
    fn the_answer_repeats_the_code() {
        assert_eq!(answer(PeerClose::parse(&[]).unwrap().code), [0x88, 0]);
        assert_eq!(
            answer(PeerClose::parse(b"\x0b\xb8bye").unwrap().code),
            [0x88, 2, 0x0b, 0xb8]
        );
    }
}
