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

use std::fmt::Write as _;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::CloseReason;

/// The smallest window of which zlib makes use; a message that is compressed with it suits every larger one.
const NARROW_BITS: u8 = 9;
/// The largest, which is meant when nothing is said.
const WIDE_BITS: u8 = 15;
/// What ends a message's last block, and is not sent (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The inflated message grows by at least this much at a time.
const INFLATE_STEP: usize = 4 << 10;

/// The shortest answer to one peer that is compressed: it takes a fast compressor some 50 µs, and a line of 10 Mbit/s
/// 13 ms.
const LONG_ANSWER: usize = 16 << 10;
/// Bytes of a message that, when it is compressed, save the server a nanosecond for each who reads it.
const BYTES_SAVED_IN_A_NS: usize = 16;

/// A buffer that has held more is given back.
const KEPT_BYTES: usize = 256 << 10;

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The peer's window is smaller than usual: `server_max_window_bits` below 15.
    pub is_narrow: bool,
    /// The value of `Sec-WebSocket-Extensions` in the response.
    pub response: String,
}

/// Takes the first offer among the values of `Sec-WebSocket-Extensions` that can be met, or none: then messages go
/// uncompressed. An offer is declined for a parameter that is unknown, stands twice or has a wrong value (section 7.1),
/// and for a window of 2^8 bytes, of which no compressor here makes use.
pub fn negotiate<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Agreement> {
    values
        .filter_map(|value| str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .find_map(accept)
}

fn accept(offer: &str) -> Option<Agreement> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    let mut server_bits = None;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        let index = match (name, value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some(bits)) => {
                server_bits = Some(parse_bits(bits).filter(|bits| *bits >= NARROW_BITS)?);
                2
            }
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(bits)) => parse_bits(bits).map(|_| 3)?,
            _ => return None,
        };
        if std::mem::replace(&mut seen[index], true) {
            return None;
        }
    }
    let mut response =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(bits) = server_bits {
        // Writing to a String does not fail.
        let _ = write!(response, "; server_max_window_bits={bits}");
    }
    Some(Agreement {
        is_narrow: server_bits.is_some_and(|bits| bits < WIDE_BITS),
        response,
    })
}

/// 8 to 15, without zeros in front (section 7.1.2).
fn parse_bits(text: &str) -> Option<u8> {
    let bits: u8 = text.parse().ok()?;
    ((8..=15).contains(&bits) && text == bits.to_string()).then_some(bits)
}

/// Who reads a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// So many members of a room, who get the same bytes.
    Members(usize),
    /// One peer, who has asked for it.
    One,
}

/// How hard a message is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Two thirds as much time to begin with, a quarter for each byte, and a third more bytes that are left.
    Fast,
    /// What most others do.
    Best,
}

impl Effort {
    /// How hard to compress a message, if at all: any message may go uncompressed (RFC 7692 section 6).
    ///
    /// For members it must save more of the server's time than it costs: each `send()` is cheaper by the bytes that are
    /// not copied, and the message is compressed once. One who has asked waits less for a long answer, and
    /// pays with the server's time: short ones are not compressed.
    pub fn worthwhile(bytes: usize, readers: Readers) -> Option<Self> {
        match readers {
            Readers::One => (bytes >= LONG_ANSWER).then_some(Self::Fast),
            Readers::Members(members) => {
                let saved_ns = bytes.saturating_mul(members) / BYTES_SAVED_IN_A_NS;
                [Self::Best, Self::Fast]
                    .into_iter()
                    .find(|effort| saved_ns >= effort.cost_ns(bytes))
            }
        }
    }

    /// What it takes to compress so many bytes of JSON.
    fn cost_ns(self, bytes: usize) -> usize {
        match self {
            Self::Fast => 8_000 + bytes * 5 / 2,
            Self::Best => 12_000 + bytes * 10,
        }
    }

    fn level(self) -> Compression {
        match self {
            Self::Fast => Compression::fast(),
            Self::Best => Compression::default(),
        }
    }
}

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
    use proptest::prelude::*;

    use super::*;

    const NO_CONTEXT: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn response(offers: &str) -> Option<String> {
        negotiate([offers.as_bytes()].into_iter()).map(|agreement| agreement.response)
    }

    #[test]
    fn the_first_offer_that_can_be_met() {
        let chrome = "permessage-deflate; client_max_window_bits";
        assert_eq!(response(chrome).as_deref(), Some(NO_CONTEXT));
        assert_eq!(
            response("x-other, Permessage-Deflate").as_deref(),
            Some(NO_CONTEXT)
        );
        let narrow = "permessage-deflate; server_max_window_bits=\"9\"; client_max_window_bits=15";
        let expected = format!("{NO_CONTEXT}; server_max_window_bits=9");
        assert_eq!(response(narrow), Some(expected));
        let second = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
        assert_eq!(response(second).as_deref(), Some(NO_CONTEXT));
        assert!(
            negotiate([narrow.as_bytes()].into_iter())
                .unwrap()
                .is_narrow
        );
    }

    #[test]
    fn offers_that_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        ] {
            assert_eq!(response(offer), None, "{offer}");
        }
    }

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
    fn what_is_compressed_pays() {
        use Readers::{Members, One};
        for (bytes, readers, expected) in [
            // A room of ten, whatever is said there.
            (128, Members(10), None),
            (1 << 10, Members(10), None),
            (64 << 10, Members(10), None),
            // Many save more than it costs to try hard, fewer what little costs.
            (1 << 10, Members(100), None),
            (1 << 10, Members(200), Some(Effort::Fast)),
            (1 << 10, Members(1_000), Some(Effort::Best)),
            (16 << 10, Members(100), Some(Effort::Fast)),
            (16 << 10, Members(300), Some(Effort::Best)),
            // The shorter a message, the more must read it.
            (128, Members(300), None),
            (128, Members(20_000), Some(Effort::Best)),
            (64 << 10, Members(1), None),
            // What comes with a connect, and what is long.
            (4 << 10, One, None),
            (100 << 10, One, Some(Effort::Fast)),
        ] {
            assert_eq!(
                Effort::worthwhile(bytes, readers),
                expected,
                "{bytes} bytes, {readers:?}"
            );
        }
        assert_eq!(
            Effort::worthwhile(1 << 30, Members(usize::MAX)),
            Some(Effort::Best)
        );
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
