//! The size of a WebP picture (RFC 9649 section 2).

use super::{Size, le16};

/// Of one whose first 40 bytes are there.
pub(super) fn size(head: &[u8]) -> Option<Size> {
    let le24 = |at: usize| le16(head, at) | u32::from(head[at + 2]) << 16;
    match &head[12..16] {
        b"VP8X" => super::size(le24(24) + 1, le24(27) + 1),
        // Section 3.4: 14 bits each, behind the signature.
        b"VP8L" if head[20] == 0x2f => {
            let bits = le16(head, 21) | le16(head, 23) << 16;
            super::size((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        // RFC 6386 section 9.1: behind the start code; the upper bits scale.
        b"VP8 " if head[23..26] == [0x9d, 0x01, 0x2a] => {
            super::size(le16(head, 26) & 0x3fff, le16(head, 28) & 0x3fff)
        }
        _ => None,
    }
}
