//! Close frames: the server's own, and what a client's may hold (RFC 6455 sections 5.5.1 and 7.4).

use std::str;

use tungstenite::protocol::frame::coding::{Control, OpCode};

pub use super::reason::CloseReason;

use super::frame;

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

/// The close frame for a reason: its code and its phrase.
pub fn encode(reason: CloseReason) -> Vec<u8> {
    let mut payload = reason.code().to_be_bytes().to_vec();
    payload.extend_from_slice(reason.phrase().as_bytes());
    close_frame(&payload)
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
            let frame = encode(reason);
            let [0x88, length, payload @ ..] = &frame[..] else {
                panic!("no Close: {frame:x?}");
            };
            assert!(*length <= 125 && payload.len() == usize::from(*length));
            assert_eq!(parse(payload).unwrap(), Some(code));
            assert_eq!(&payload[2..], reason.phrase().as_bytes());
        }
    }
}
