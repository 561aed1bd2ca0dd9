//! permessage-deflate (RFC 7692), as a client: all receivers of a message get the same compressed bytes, because the server
//! keeps no window between messages. So each is inflated once, when the first receiver gets it, and the others' bytes are
//! compared with those.

use std::cell::RefCell;
use std::collections::VecDeque;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::frames::{FrameReader, frame_length, is_control};
use crate::scan::{ProtocolError, Sink, TEXT, header_length};
use crate::stamp::STAMP_BYTES;

/// What is asked of the server. It may not keep its window, or there would be nothing to compare.
pub(crate) const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
/// The bit of a frame's first byte that says that its message is compressed.
pub(crate) const COMPRESSED: u8 = 0x40;
/// What ends a message's last block, and is not sent (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Messages that are kept to be compared, in all rooms and in each at the least; more than any receiver is behind.
const KEPT: usize = 16 * 1024;
const KEPT_EACH: usize = 64;

thread_local! {
    /// One for all rooms: from one message to the next it keeps nothing but its memory.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Whether the response to the offer says what the scanner relies on.
pub(crate) fn is_agreed(extensions: &str) -> bool {
    let mut parts = extensions.split(';').map(str::trim);
    parts.next() == Some("permessage-deflate")
        && parts.any(|part| part == "server_no_context_takeover")
}

/// A message as a compressed payload.
pub(crate) fn deflate(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let done = Compress::new(Compression::default(), false).compress_vec(
        message,
        &mut out,
        FlushCompress::Sync,
    );
    done.expect("deflating fails for no input");
    out.truncate(out.len() - TAIL.len());
    out
}

/// The messages of a room as they came, oldest first.
#[derive(Debug)]
pub(crate) struct Messages {
    /// What each is behind its stamp.
    body: Vec<u8>,
    kept: VecDeque<Known>,
    most_kept: usize,
    /// Number of the oldest that is kept.
    first: u64,
    inflated: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    payload: Box<[u8]>,
    stamp: [u8; STAMP_BYTES],
}

impl Messages {
    /// Messages of a stamp and this, in one of so many rooms.
    pub(crate) fn new(body: &[u8], rooms: usize) -> Messages {
        Messages {
            body: body.to_vec(),
            kept: VecDeque::new(),
            most_kept: (KEPT / rooms).max(KEPT_EACH),
            first: 0,
            inflated: Vec::with_capacity(STAMP_BYTES + body.len() + 1),
        }
    }

    /// The stamp of a compressed message: of the one in the receiver's `place`, if it is the same, or of what it inflates
    /// to. `None` for what is none of the run's.
    fn stamp(&mut self, payload: &[u8], place: &mut Option<u64>) -> Option<[u8; STAMP_BYTES]> {
        let at = place.map(|place| place.wrapping_sub(self.first) as usize);
        let next = at.filter(|at| self.is_at(*at, payload));
        let found = next.or_else(|| {
            (0..self.kept.len())
                .rev()
                .find(|at| self.is_at(*at, payload))
        });
        if let Some(at) = found {
            *place = Some(self.first + at as u64 + 1);
            return Some(self.kept[at].stamp);
        }
        let stamp = self.inflate(payload)?;
        if self.kept.len() == self.most_kept {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Known {
            payload: payload.into(),
            stamp,
        });
        *place = Some(self.first + self.kept.len() as u64);
        Some(stamp)
    }

    fn is_at(&self, at: usize, payload: &[u8]) -> bool {
        self.kept.get(at).is_some_and(|it| *it.payload == *payload)
    }

    fn inflate(&mut self, payload: &[u8]) -> Option<[u8; STAMP_BYTES]> {
        INFLATER.with_borrow_mut(|inflater| {
            inflater.reset(false);
            self.inflated.clear();
            for part in [payload, &TAIL] {
                let flush = FlushDecompress::Sync;
                let before = inflater.total_in();
                let done = inflater.decompress_vec(part, &mut self.inflated, flush);
                done.ok()?;
                if inflater.total_in() - before != part.len() as u64 {
                    return None;
                }
            }
            self.stamp_of(&self.inflated)
        })
    }

    /// The stamp of a message that is whole, and as it was sent.
    fn stamp_of(&self, message: &[u8]) -> Option<[u8; STAMP_BYTES]> {
        let (stamp, body) = message.split_first_chunk()?;
        (body == self.body).then_some(*stamp)
    }
}

/// One connection's place in the byte stream.
#[derive(Debug, Default)]
pub(crate) struct DeflatedScanner {
    frames: FrameReader,
    /// Number of the message that will be the next, if the order is the same for all.
    place: Option<u64>,
}

impl DeflatedScanner {
    /// Takes the next bytes of the stream, cut anywhere.
    pub(crate) fn scan(
        &mut self,
        messages: &mut Messages,
        input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ProtocolError> {
        let Self { frames, place } = self;
        frames.read(input, length_of, |frame| {
            take_frame(messages, place, frame, sink);
        })
    }
}

fn take_frame(
    messages: &mut Messages,
    place: &mut Option<u64>,
    frame: &[u8],
    sink: &mut impl Sink,
) {
    let payload = &frame[header_length(frame[1])..];
    let stamp = match frame[0] & !0x80 {
        TEXT => messages.stamp_of(payload),
        opcode if opcode == TEXT | COMPRESSED => messages.stamp(payload, place),
        opcode => return sink.control(opcode, payload),
    };
    match stamp {
        Some(stamp) => sink.message(&stamp),
        None => sink.foreign(),
    }
}

/// A text message comes in one frame, compressed or not.
fn length_of(input: &[u8]) -> Result<Option<usize>, ProtocolError> {
    frame_length(input, |first, second| {
        first & !COMPRESSED == 0x80 | TEXT || is_control(first, second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tests::{Found, frame};

    const BODY: &[u8] = br#"{"value":81.2,"unit":"C"},{"value":81.3,"unit":"C"}"#;

    fn message(name: char) -> Vec<u8> {
        let stamp = name.to_string().repeat(STAMP_BYTES);
        [stamp.as_bytes(), BODY].concat()
    }

    fn compressed(name: char) -> Vec<u8> {
        frame(0xc1, &deflate(&message(name)))
    }

    fn found(names: &[char]) -> Vec<Vec<u8>> {
        let stamps = names
            .iter()
            .map(|name| name.to_string().repeat(STAMP_BYTES));
        stamps.map(String::into_bytes).collect()
    }

    #[test]
    fn any_split_finds_the_same() {
        let bytes = [
            compressed('a'),
            frame(0x81, &message('b')),
            frame(0x89, b"ping"),
            compressed('c'),
        ]
        .concat();
        for length in 1..=bytes.len() {
            let mut messages = Messages::new(BODY, 1);
            let (mut scanner, mut seen) = (DeflatedScanner::default(), Found::default());
            for piece in bytes.chunks(length) {
                scanner.scan(&mut messages, piece, &mut seen).unwrap();
            }
            assert_eq!(
                seen.messages,
                found(&['a', 'b', 'c']),
                "in pieces of {length}"
            );
            assert_eq!(seen.control, [(9, b"ping".to_vec())]);
        }
    }

    #[test]
    fn each_is_inflated_once_and_what_differs_is_not_ours() {
        let mut messages = Messages::new(BODY, 1);
        let mut read = |names: &[char]| {
            let (mut scanner, mut seen) = (DeflatedScanner::default(), Found::default());
            for name in names {
                scanner
                    .scan(&mut messages, &compressed(*name), &mut seen)
                    .unwrap();
            }
            assert_eq!(seen.messages, found(names));
            messages.kept.len()
        };
        assert_eq!(read(&['a', 'b', 'c']), 3);
        // From the beginning, from the middle, with a hole, and in another order.
        assert_eq!(read(&['a', 'b', 'c', 'd']), 4);
        assert_eq!(read(&['c', 'd']), 4);
        assert_eq!(read(&['a', 'd']), 4);
        assert_eq!(read(&['b', 'a', 'e']), 5);
        let mut other = message('a');
        *other.last_mut().unwrap() ^= 1;
        for bad in [&deflate(&other)[..], &deflate(b"short"), b"\xff\xff", b""] {
            let mut seen = Found::default();
            let mut scanner = DeflatedScanner::default();
            scanner
                .scan(&mut messages, &frame(0xc1, bad), &mut seen)
                .unwrap();
            assert_eq!((seen.messages.len(), seen.foreign), (0, 1), "{bad:?}");
        }
    }

    #[test]
    fn what_was_agreed_on() {
        assert!(is_agreed("permessage-deflate; server_no_context_takeover"));
        assert!(is_agreed(
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
        ));
        assert!(!is_agreed("permessage-deflate"));
        assert!(!is_agreed(""));
    }
}
