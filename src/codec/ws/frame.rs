//! One frame: its header and its mask (RFC 6455 section 5.2).

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

use serde::{Deserialize, Serialize};

use super::reason::CloseReason;

/// The header of an unmasked frame is at most this long, in bytes.
pub const MAX_SERVER_HEADER: usize = 10;

/// A control frame's payload is at most this long, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The header of a frame from a client, checked against every rule that needs no memory of earlier frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The first reserved bit: the message is compressed, if that was agreed on (RFC 7692 section 6).
    pub compressed: bool,
    /// What the frame carries.
    #[serde(with = "opcode")]
    pub opcode: OpCode,
    /// The masking key.
    pub mask: [u8; 4],
    /// Length of the payload in bytes.
    pub length: u64,
}

/// An opcode as the number that stands in a frame.
mod opcode {
    use serde::{Deserialize, Deserializer, Serializer};
    use tungstenite::protocol::frame::coding::OpCode;

    pub(super) fn serialize<S: Serializer>(
        opcode: &OpCode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8((*opcode).into())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OpCode, D::Error> {
        u8::deserialize(deserializer).map(OpCode::from)
    }
}

impl Header {
    /// Reads a header from the start of `input`; `None` while it is not whole. Also says how long the header is.
    ///
    /// # Errors
    /// 1002, for reserved bits, but the first, and opcodes, frames without a mask, lengths that are not minimal, and control frames
    /// that are fragmented or too long. `FrameHeader::parse` checks only the opcode.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, CloseReason> {
        let mut cursor = Cursor::new(input);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            // The only error there is: reading from a slice does not fail.
            Err(_) => return Err(CloseReason::ReservedOpcode),
        };
        if header.rsv2 || header.rsv3 {
            return Err(CloseReason::ReservedBit);
        }
        let Some(mask) = header.mask else {
            return Err(CloseReason::MissingMask);
        };
        let size = usize::try_from(cursor.position()).expect("a header is at most 14 bytes");
        if size != header.len(length) || length > i64::MAX as u64 {
            return Err(CloseReason::LongLength);
        }
        if matches!(header.opcode, OpCode::Control(_)) {
            if !header.is_final {
                return Err(CloseReason::FragmentedControl);
            }
            if length > MAX_CONTROL_PAYLOAD as u64 {
                return Err(CloseReason::LongControl);
            }
        }
        Ok(Some((
            Self {
                fin: header.is_final,
                compressed: header.rsv1,
                opcode: header.opcode,
                mask,
                length,
            },
            size,
        )))
    }
}

/// What is needed of a header to pass its frame over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skimmed {
    /// Whether it is a close frame.
    pub is_close: bool,
    /// Length of the header in bytes.
    pub size: usize,
    /// Length of the payload in bytes.
    pub length: u64,
}

/// Reads a header from the start of `input`, whatever rules it breaks; `None` while it is not whole.
pub fn skim(input: &[u8]) -> Option<Skimmed> {
    let [first, second, rest @ ..] = input else {
        return None;
    };
    let (extended, length) = match second & 0x7f {
        126 => (2, u16::from_be_bytes(*rest.first_chunk()?).into()),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        short => (0, short.into()),
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let size = 2 + extended + mask;
    (input.len() >= size).then_some(Skimmed {
        is_close: first & 0x0f == 0x8,
        size,
        length,
    })
}

/// Appends an unmasked, unfragmented frame, as a server sends it.
pub fn encode(opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    encode_with(false, opcode, payload, out);
}

/// The same of a payload that is compressed (RFC 7692 section 6.1).
pub fn encode_compressed(opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    encode_with(true, opcode, payload, out);
}

/// Appends the header of an unmasked, unfragmented frame, whose payload of `length` bytes follows by itself.
pub fn encode_header(is_compressed: bool, opcode: OpCode, length: usize, out: &mut Vec<u8>) {
    let header = FrameHeader {
        rsv1: is_compressed,
        opcode,
        ..FrameHeader::default()
    };
    header
        .format(length as u64, out)
        .expect("writing to a Vec does not fail");
}

fn encode_with(is_compressed: bool, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    encode_header(is_compressed, opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Length in bytes of the first of the server's own frames in `frames`; `None` unless its header is whole.
pub fn first_frame_length(frames: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(frames);
    let (_, payload) = FrameHeader::parse(&mut cursor).ok()??;
    usize::try_from(cursor.position() + payload).ok()
}

/// Unmasks `payload` in place, or masks it (RFC 6455 section 5.3). `position` counts the payload's bytes before these.
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4], position: u64) {
    let mut mask = mask;
    mask.rotate_left((position % 4) as usize);
    // Eight bytes at a time: the compiler turns this into vector instructions.
    let wide = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::coding::{Control, Data};

    use super::*;

    fn phrase(input: &[u8]) -> &'static str {
        Header::parse(input).unwrap_err().phrase()
    }

    #[test]
    fn a_header_is_read_when_it_is_whole() {
        let input = [0x81, 0xfe, 0x01, 0x00, 1, 2, 3, 4];
        for cut in 0..input.len() {
            assert_eq!(Header::parse(&input[..cut]), Ok(None));
        }
        let text = OpCode::Data(Data::Text);
        let header = Header {
            fin: true,
            compressed: false,
            opcode: text,
            mask: [1, 2, 3, 4],
            length: 256,
        };
        assert_eq!(Header::parse(&input), Ok(Some((header, 8))));
    }

    #[test]
    fn what_a_client_must_not_send() {
        assert_eq!(phrase(&[0x81, 0x00]), "frame without mask");
        assert_eq!(phrase(&[0xa1, 0x80, 0, 0, 0, 0]), "reserved bit set");
        assert_eq!(phrase(&[0x83, 0x80, 0, 0, 0, 0]), "reserved opcode");
        assert_eq!(phrase(&[0x8b, 0x80, 0, 0, 0, 0]), "reserved opcode");
        assert_eq!(
            phrase(&[0x09, 0x80, 0, 0, 0, 0]),
            "fragmented control frame"
        );
        assert_eq!(
            phrase(&[0x89, 0xfe, 0, 126, 0, 0, 0, 0]),
            "control frame too long"
        );
    }

    #[test]
    fn a_length_is_in_its_shortest_form() {
        assert_eq!(
            phrase(&[0x82, 0xfe, 0, 125, 0, 0, 0, 0]),
            "length not in its shortest form"
        );
        let mut long = vec![0x82, 0xff];
        long.extend_from_slice(&0xffff_u64.to_be_bytes());
        long.extend_from_slice(&[0; 4]);
        assert_eq!(phrase(&long), "length not in its shortest form");
        long[2] = 0x80;
        assert_eq!(phrase(&long), "length not in its shortest form");
    }

    proptest! {
        #[test]
        fn a_mask_applied_in_two_parts_is_the_mask(payload: Vec<u8>, mask: [u8; 4], at: usize) {
            let cut = at % (payload.len() + 1);
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            let mut masked = payload;
            let (left, right) = masked.split_at_mut(cut);
            apply_mask(left, mask, 0);
            apply_mask(right, mask, cut as u64);
            prop_assert_eq!(masked, expected);
        }

        #[test]
        fn the_first_frame_is_as_long_as_it_was_made(payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let mut out = Vec::new();
            encode(OpCode::Data(Data::Binary), &payload, &mut out);
            let length = out.len();
            encode(OpCode::Control(Control::Ping), b"next", &mut out);
            prop_assert_eq!(first_frame_length(&out), Some(length));
            prop_assert!(out[..length].ends_with(&payload));
        }
    }
}
