//! Close codes and the fixed phrases that go with them (RFC 6455 section 7.4).

use std::str;

use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::frame;

/// Why the server ends a WebSocket connection: a close code and a short, fixed phrase, both sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The server is going away (SIGTERM, SIGINT).
    Shutdown,
    /// The peer does not read as fast as the room talks: `--max-queue`.
    TooSlow,
    /// The peer was silent for `--ping-interval` and did not answer in `--pong-timeout`.
    PingTimeout,
    /// The peer was told that it sends more commands than `--rate` allows, and went on.
    TooManyCommands,
    /// No token was shown in `--login-timeout`.
    NoToken,
    /// The token has ended, and no new one was shown before.
    TokenExpired,
    /// A member said something in a room in which its token does not let it speak.
    MayNotPublish,
    /// A new token does not allow what an earlier one did.
    NotAllowed,
    /// An admin has closed this user's connections.
    Removed,
    /// An admin has emptied the room.
    Emptied,
    /// A member at the plain door sends the state of a key, and the room keeps as many as it may.
    TooManyKeys,
    /// `--max-memory` is used up, and this connection held the most of it.
    OutOfMemory,
    /// Something else is used up for now.
    TryAgainLater,
    /// The message is longer than `--max-message`.
    TooBig,
    /// A text message or a close reason is not UTF-8.
    InvalidUtf8,
    /// A compressed message is not DEFLATE.
    InvalidDeflate,
    /// A reserved bit is set, and no extension was agreed on.
    ReservedBit,
    /// The opcode is one of those left for later.
    ReservedOpcode,
    /// A client's frame must be masked.
    MissingMask,
    /// The payload's length does not stand in its shortest form, or is beyond 63 bits.
    LongLength,
    /// A control frame must be whole.
    FragmentedControl,
    /// A control frame's payload is at most 125 bytes.
    LongControl,
    /// A continuation frame came, and nothing was begun.
    StrayContinuation,
    /// A message began before the last one had ended.
    NestedMessage,
    /// A close frame's payload is empty or begins with two bytes of code.
    ShortClose,
    /// The close code must not be sent.
    InvalidCloseCode,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Shutdown,
        Self::TooSlow,
        Self::PingTimeout,
        Self::TooManyCommands,
        Self::NoToken,
        Self::TokenExpired,
        Self::MayNotPublish,
        Self::NotAllowed,
        Self::Removed,
        Self::Emptied,
        Self::TooManyKeys,
        Self::OutOfMemory,
        Self::TryAgainLater,
        Self::TooBig,
        Self::InvalidUtf8,
        Self::InvalidDeflate,
        Self::ReservedBit,
        Self::ReservedOpcode,
        Self::MissingMask,
        Self::LongLength,
        Self::FragmentedControl,
        Self::LongControl,
        Self::StrayContinuation,
        Self::NestedMessage,
        Self::ShortClose,
        Self::InvalidCloseCode,
    ];

    /// The close code.
    pub fn code(self) -> u16 {
        self.describe().0
    }

    /// The phrase, at most 123 bytes.
    pub fn phrase(self) -> &'static str {
        self.describe().1
    }

    /// The close frame for this reason, ready for the wire.
    pub fn to_frame(self) -> Vec<u8> {
        let mut payload = self.code().to_be_bytes().to_vec();
        payload.extend_from_slice(self.phrase().as_bytes());
        close_frame(&payload)
    }

    fn describe(self) -> (u16, &'static str) {
        match self {
            Self::Shutdown => (1001, "server is shutting down"),
            Self::TooSlow => (1008, "too slow"),
            Self::PingTimeout => (1008, "no answer to ping"),
            Self::TooManyCommands => (1008, "too many commands"),
            Self::NoToken => (1008, "no token in time"),
            Self::TokenExpired => (1008, "token expired"),
            Self::MayNotPublish => (1008, "not allowed to speak here"),
            Self::NotAllowed => (1008, "not allowed by your token"),
            Self::Removed => (1008, "closed by an admin"),
            Self::Emptied => (1008, "room emptied by an admin"),
            Self::TooManyKeys => (1008, "too many keys are retained"),
            Self::OutOfMemory => (1013, "server is out of memory, try again later"),
            Self::TryAgainLater => (1013, "try again later"),
            Self::TooBig => (1009, "message too big"),
            Self::InvalidUtf8 => (1007, "invalid UTF-8"),
            Self::InvalidDeflate => (1007, "invalid compressed data, or context takeover"),
            Self::ReservedBit => (1002, "reserved bit set"),
            Self::ReservedOpcode => (1002, "reserved opcode"),
            Self::MissingMask => (1002, "frame without mask"),
            Self::LongLength => (1002, "length not in its shortest form"),
            Self::FragmentedControl => (1002, "fragmented control frame"),
            Self::LongControl => (1002, "control frame too long"),
            Self::StrayContinuation => (1002, "continuation without a message"),
            Self::NestedMessage => (1002, "message inside a fragmented message"),
            Self::ShortClose => (1002, "close frame of one byte"),
            Self::InvalidCloseCode => (1002, "invalid close code"),
        }
    }
}

/// Reads the payload of a close frame (RFC 6455 section 5.5.1): the code, or `None` for an empty frame.
///
/// # Errors
/// 1002 for a payload of one byte or a code that must not be sent, 1007 for a reason that is not UTF-8.
pub fn parse(payload: &[u8]) -> Result<Option<u16>, CloseReason> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(CloseReason::ShortClose),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !may_be_sent(code) {
        return Err(CloseReason::InvalidCloseCode);
    }
    match str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(CloseReason::InvalidUtf8),
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
            assert_eq!(parse(&u16::to_be_bytes(code)).unwrap(), Some(code));
        }
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            let error = parse(&u16::to_be_bytes(code)).unwrap_err();
            assert_eq!(error.code(), 1002, "{code}");
        }
    }

    #[test]
    fn one_byte_and_bad_text_are_refused() {
        assert_eq!(parse(&[3]).unwrap_err().code(), 1002);
        assert_eq!(
            parse(&[3, 232, 0xff]).unwrap_err(),
            CloseReason::InvalidUtf8
        );
    }

    #[test]
    fn the_answer_repeats_the_code() {
        assert_eq!(answer(parse(&[]).unwrap()), [0x88, 0]);
        assert_eq!(
            answer(parse(b"\x0b\xb8bye").unwrap()),
            [0x88, 2, 0x0b, 0xb8]
        );
    }

    #[test]
    fn a_reason_fits_its_frame_and_may_be_sent() {
        for (reason, code) in [
            (CloseReason::Shutdown, 1001),
            (CloseReason::TooSlow, 1008),
            (CloseReason::PingTimeout, 1008),
            (CloseReason::TooManyKeys, 1008),
            (CloseReason::OutOfMemory, 1013),
            (CloseReason::TooBig, 1009),
            (CloseReason::InvalidUtf8, 1007),
            (CloseReason::ReservedBit, 1002),
            (CloseReason::ReservedOpcode, 1002),
            (CloseReason::MissingMask, 1002),
            (CloseReason::LongLength, 1002),
            (CloseReason::FragmentedControl, 1002),
            (CloseReason::LongControl, 1002),
            (CloseReason::StrayContinuation, 1002),
            (CloseReason::NestedMessage, 1002),
            (CloseReason::ShortClose, 1002),
            (CloseReason::InvalidCloseCode, 1002),
        ] {
            let frame = reason.to_frame();
            let [0x88, length, payload @ ..] = &frame[..] else {
                panic!("no Close: {frame:x?}");
            };
            assert!(*length <= 125 && payload.len() == usize::from(*length));
            assert_eq!(parse(payload).unwrap(), Some(code));
            assert_eq!(&payload[2..], reason.phrase().as_bytes());
        }
    }
}
