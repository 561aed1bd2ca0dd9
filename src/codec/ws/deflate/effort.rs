//! When a message is compressed, and how hard.

use flate2::Compression;

/// The shortest answer to one peer that is compressed: it takes a fast compressor some 50 µs, and a line of 10 Mbit/s
/// 13 ms.
const LONG_ANSWER: usize = 16 << 10;
/// Bytes of a message that, when it is compressed, save the server a nanosecond for each who reads it.
const BYTES_SAVED_IN_A_NS: usize = 16;

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

    pub(super) fn level(self) -> Compression {
        match self {
            Self::Fast => Compression::fast(),
            Self::Best => Compression::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
