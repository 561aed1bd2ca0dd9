//! permessage-deflate (RFC 7692): what is agreed on with a peer, and messages made small and large again.
//!
//! Neither side keeps its window from one message to the next. So a message is compressed once for all who read it, and
//! a connection between messages holds no memory for it.
//!
//! The server decides that alone: it may answer `client_no_context_takeover` to any offer, and the client has to obey
//! (section 7.1.1.2). No offer can say that its client insists on its window. Chromium, Python's websockets and npm's ws
//! do as the response says; ws given `clientNoContextTakeover: false` sends the same offer as without, and takes the
//! response for an error. So no connection ever has a window of its own to pay for, and who keeps one regardless is
//! closed at the first message that refers to an earlier one.
//!
//! `client_max_window_bits` is understood and not answered: a smaller window of the client's would save memory where each
//! connection has one to inflate with, but here all share a single one of the largest size.

mod effort;
mod offer;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::reason::CloseReason;
pub use effort::{Effort, Readers};
pub use offer::{Agreement, negotiate};
use offer::{NARROW_BITS, WIDE_BITS};

/// What ends a message's last block, and is not sent (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The inflated message grows by at least this much at a time.
const INFLATE_STEP: usize = 4 << 10;

/// A buffer that has held more is given back.
const KEPT_BYTES: usize = 256 << 10;

/// Compresses messages, each by itself.
#[derive(Debug, Default)]
pub struct Deflater {
    /// By effort and window, each made when it is first needed.
    compressors: [[Option<Compress>; 2]; 2],
    out: Vec<u8>,
}

impl Deflater {
    /// The payload of the compressed message; `None` where that would not be shorter. `is_narrow`: some who read it have
    /// a smaller window than usual.
    pub fn deflate(&mut self, payload: &[u8], is_narrow: bool, effort: Effort) -> Option<&[u8]> {
        let compress = &mut self.compressors[effort as usize][usize::from(is_narrow)];
        let compress = compress.get_or_insert_with(|| {
            let bits = if is_narrow { NARROW_BITS } else { WIDE_BITS };
            Compress::new_with_window_bits(effort.level(), false, bits)
        });
        compress.reset();
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
        // Whatever does not fit has not become shorter.
        self.out.reserve(payload.len() + TAIL.len());
        compress
            .compress_vec(payload, &mut self.out, FlushCompress::Sync)
            .expect("deflating fails for no input");
        let length = self.out.strip_suffix(&TAIL)?.len();
        let is_whole = compress.total_in() == payload.len() as u64;
        (is_whole && length < payload.len()).then(|| &self.out[..length])
    }
}

impl Deflater {
    /// Appends a piece of a message, compressed: whole blocks that end with a byte and refer to nothing before them, so
    /// that they suit every message. `END` comes behind the last piece.
    pub fn deflate_piece(
        &mut self,
        piece: &[u8],
        is_narrow: bool,
        effort: Effort,
        out: &mut Vec<u8>,
    ) {
        match self.deflate(piece, is_narrow, effort) {
            Some(small) => {
                out.extend_from_slice(small);
                out.extend_from_slice(&TAIL);
            }
            None => store_piece(piece, out),
        }
    }
}

/// Appends a piece of a compressed message as it is, in blocks without compression (RFC 1951 section 3.2.4).
pub fn store_piece(piece: &[u8], out: &mut Vec<u8>) {
    for block in piece.chunks(usize::from(u16::MAX)) {
        let length = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// Bytes that `store_piece` makes of so many.
pub fn stored_length(length: usize) -> usize {
    length + 5 * length.div_ceil(usize::from(u16::MAX))
}

/// What ends a message made of pieces: an empty block without its `TAIL` (RFC 7692 section 7.2.3.6).
pub const END: u8 = 0;

/// Inflates messages, each by itself.
#[derive(Debug)]
pub struct Inflater {
    decompress: Decompress,
    out: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            decompress: Decompress::new_with_window_bits(false, WIDE_BITS),
            out: Vec::new(),
        }
    }
}

impl Inflater {
    /// The message of a compressed payload, of at most `max_message` bytes: no more than that is ever inflated.
    ///
    /// # Errors
    /// 1009 for a longer message, 1007 for what is not DEFLATE.
    pub fn inflate(&mut self, payload: &[u8], max_message: usize) -> Result<&[u8], CloseReason> {
        self.decompress.reset(false);
        self.out.clear();
        for part in [payload, &TAIL] {
            self.inflate_part(part, max_message)?;
        }
        Ok(&self.out)
    }

    fn inflate_part(&mut self, mut input: &[u8], max_message: usize) -> Result<(), CloseReason> {
        loop {
            if self.out.len() == self.out.capacity() {
                let step = self.out.len().max(INFLATE_STEP);
                self.out
                    .reserve_exact(step.min(max_message + 1 - self.out.len()));
            }
            let before = self.decompress.total_in();
            let status = self
                .decompress
                .decompress_vec(input, &mut self.out, FlushDecompress::Sync)
                .map_err(|_| CloseReason::InvalidDeflate)?;
            let taken = self.decompress.total_in() - before;
            input = &input[taken as usize..];
            if self.out.len() > max_message {
                return Err(CloseReason::TooBig);
            }
            match status {
                // A last block may be followed by others (section 7.2.3.5).
                Status::StreamEnd => self.decompress.reset(false),
                // All is taken, and there is room that was not needed.
                _ if input.is_empty() && self.out.len() < self.out.capacity() => return Ok(()),
                _ if taken == 0 && self.out.len() < self.out.capacity() => {
                    return Err(CloseReason::InvalidDeflate);
                }
                _ => {}
            }
            if status == Status::StreamEnd && input.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives the buffer back when a long message has left a large one.
    pub fn shrink(&mut self, keep: usize) {
        if self.out.capacity() > keep {
            self.out = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let mut inflater = Inflater::default();
        for compressed in [
            // Section 7.2.3.1: one block; 7.2.3.3: without compression; 7.2.3.4: BFINAL; 7.2.3.5: two blocks.
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[
                0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ] {
            assert_eq!(inflater.inflate(compressed, 5), Ok(&b"Hello"[..]));
        }
        assert_eq!(inflater.inflate(&[0], 0), Ok(&b""[..]));
    }

    #[test]
    fn a_fast_one_is_compressed_too() {
        let text = "one reading is much like another, ".repeat(100);
        let mut deflater = Deflater::default();
        let lengths = [Effort::Fast, Effort::Best].map(|effort| {
            deflater
                .deflate(text.as_bytes(), false, effort)
                .unwrap()
                .len()
        });
        assert!(
            lengths.iter().all(|length| *length < text.len() / 10),
            "{lengths:?}"
        );
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut deflater = Deflater::default();
        let bomb = deflater
            .deflate(&vec![0; 64 << 20], false, Effort::Best)
            .unwrap()
            .to_vec();
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&bomb, 65_536), Err(CloseReason::TooBig));
        assert!(
            inflater.out.capacity() <= 2 * 65_537,
            "{}",
            inflater.out.capacity()
        );
        assert_eq!(
            inflater.inflate(b"\xff\xff", 100),
            Err(CloseReason::InvalidDeflate)
        );
    }

    #[test]
    fn a_long_piece_is_stored_in_several_blocks() {
        let text = vec![7; 200_000];
        let mut message = Vec::new();
        store_piece(&text, &mut message);
        assert_eq!(message.len(), stored_length(text.len()));
        message.push(END);
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&message, text.len()), Ok(&text[..]));
    }

    #[test]
    fn nothing_refers_to_an_earlier_message() {
        // A client that keeps its window.
        let mut client = Compress::new(Compression::default(), false);
        let mut compress = |text: &[u8]| {
            let mut out = Vec::with_capacity(1000);
            let done = client.compress_vec(text, &mut out, FlushCompress::Sync);
            done.unwrap();
            out.truncate(out.len() - TAIL.len());
            out
        };
        let text = b"a secret that someone else has said";
        let (first, second) = (compress(text), compress(text));
        assert!(second.len() < first.len() / 2);
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&first, 100), Ok(&text[..]));
        let refused = inflater.inflate(&second, 100);
        assert_eq!(refused, Err(CloseReason::InvalidDeflate));
        assert_eq!(inflater.inflate(&first, 100), Ok(&text[..]));
    }

    proptest! {
        #[test]
        fn what_is_deflated_is_inflated(
            words in prop::collection::vec("[a-d]{1,8}", 0..2000), is_narrow: bool, is_fast: bool,
        ) {
            let text = words.join(" ");
            let effort = if is_fast { Effort::Fast } else { Effort::Best };
            let mut deflater = Deflater::default();
            if let Some(small) = deflater.deflate(text.as_bytes(), is_narrow, effort) {
                prop_assert!(small.len() < text.len());
                let mut inflater = Inflater::default();
                prop_assert_eq!(inflater.inflate(small, text.len()), Ok(text.as_bytes()));
                // The receiver of a narrow one may have no larger window.
                let bits = if is_narrow { NARROW_BITS } else { WIDE_BITS };
                inflater.decompress = Decompress::new_with_window_bits(false, bits);
                prop_assert_eq!(inflater.inflate(small, text.len()), Ok(text.as_bytes()));
                prop_assert!(text.is_empty() || inflater.inflate(small, text.len() - 1) == Err(CloseReason::TooBig));
            }
        }

        #[test]
        fn pieces_make_a_message(pieces in prop::collection::vec(("[a-d]{0,300}", any::<bool>()), 0..9), is_narrow: bool) {
            let mut deflater = Deflater::default();
            let mut message = Vec::new();
            for (piece, is_deflated) in &pieces {
                match is_deflated {
                    true => deflater.deflate_piece(piece.as_bytes(), is_narrow, Effort::Best, &mut message),
                    false => store_piece(piece.as_bytes(), &mut message),
                }
            }
            message.push(END);
            let whole: String = pieces.into_iter().map(|(piece, _)| piece).collect();
            let bits = if is_narrow { NARROW_BITS } else { WIDE_BITS };
            let mut inflater = Inflater { decompress: Decompress::new_with_window_bits(false, bits), out: Vec::new() };
            prop_assert_eq!(inflater.inflate(&message, whole.len()), Ok(whole.as_bytes()));
        }

        #[test]
        fn anything_is_inflated_or_refused(payload: Vec<u8>) {
            let mut inflater = Inflater::default();
            if let Ok(message) = inflater.inflate(&payload, 1000) {
                prop_assert!(message.len() <= 1000);
            }
        }
    }
}
