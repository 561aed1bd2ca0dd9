//! The bytes of one answer, in pieces: some are written for one reader alone, others are shared with all who get the
//! same.

use std::rc::Rc;

use crate::codec::ws::{deflate, frame};
use crate::core::chat::Reading;
use crate::core::delivery::encode::Encoder;
use crate::core::net::frames::{FrameKind, Frames, Meter};
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// A shorter piece is copied: a chunk of its own in the queue would cost as much.
const SHARE_BYTES: usize = 1 << 10;

/// The pieces in their order.
#[derive(Debug, Default)]
pub(in crate::core) struct Rope {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Shared(Shared),
}

/// A piece that is shared.
#[derive(Clone, Debug)]
pub(in crate::core) struct Shared {
    pub(in crate::core) bytes: Rc<Frames>,
    /// The same as a piece of a compressed message, if the reader has agreed to that.
    pub(in crate::core) deflated: Option<Rc<Frames>>,
}

impl Rope {
    /// The buffer for bytes that are for this reader alone.
    pub(in crate::core) fn own(&mut self) -> &mut Vec<u8> {
        if !matches!(self.pieces.last(), Some(Piece::Own(_))) {
            self.pieces.push(Piece::Own(Vec::new()));
        }
        match self.pieces.last_mut() {
            Some(Piece::Own(bytes)) => bytes,
            _ => unreachable!("it was pushed just now"),
        }
    }

    /// Adds a shared piece.
    pub(in crate::core) fn share(&mut self, shared: Shared) {
        if shared.bytes.bytes().is_empty() {
            // An empty chunk would never be written.
        } else if shared.bytes.bytes().len() < SHARE_BYTES {
            self.own().extend_from_slice(shared.bytes.bytes());
        } else {
            self.pieces.push(Piece::Shared(shared));
        }
    }

    pub(in crate::core) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The bytes of each piece, in their order.
    pub(in crate::core) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Own(bytes) => &bytes[..],
            Piece::Shared(shared) => shared.bytes.bytes(),
        })
    }

    /// Bytes before compression.
    pub(in crate::core) fn len(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Own(bytes) => bytes.len(),
            Piece::Shared(shared) => shared.bytes.bytes().len(),
        };
        self.pieces.iter().map(length).sum()
    }

    /// The chunks of a text message at the JSON door.
    pub(in crate::core) fn into_message(
        self,
        reading: Reading,
        encoder: &mut Encoder,
        meter: &Meter,
    ) -> Vec<Rc<Frames>> {
        let is_deflated = self.deflated_length() < self.len();
        let pieces = match (is_deflated, &self.pieces[..]) {
            (true, _) => self.into_deflated(),
            (false, [Piece::Own(json)]) => {
                let frame = encoder.text_frame(reading, json);
                return vec![Frames::answer(frame, FrameKind::Data, meter)];
            }
            (false, _) => self.pieces,
        };
        in_frame(pieces, is_deflated, meter)
    }

    /// The chunks of whole frames, events or lines.
    pub(in crate::core) fn into_frames(self, kind: FrameKind, meter: &Meter) -> Vec<Rc<Frames>> {
        let pieces = self.pieces.into_iter().map(|piece| match piece {
            Piece::Own(bytes) => Frames::answer(bytes, kind, meter),
            Piece::Shared(shared) => shared.bytes,
        });
        pieces.collect()
    }

    /// The chunks of the body of a response.
    pub(in crate::core) fn into_body(self, meter: &Meter) -> Vec<Rc<Frames>> {
        in_chunks(self.pieces, meter)
    }

    /// Bytes of the message that `into_deflated` makes.
    fn deflated_length(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Own(bytes) => deflate::stored_length(bytes.len()),
            Piece::Shared(shared) => match &shared.deflated {
                Some(deflated) => deflated.bytes().len(),
                None => deflate::stored_length(shared.bytes.bytes().len()),
            },
        };
        1 + self.pieces.iter().map(length).sum::<usize>()
    }

    /// The pieces of a compressed message. Those for this reader alone are stored without compression.
    fn into_deflated(self) -> Vec<Piece> {
        let mut rope = Self::default();
        for piece in self.pieces {
            match piece {
                Piece::Own(json) => deflate::store_piece(&json, rope.own()),
                Piece::Shared(Shared {
                    deflated: Some(bytes),
                    ..
                }) => rope.share(Shared {
                    bytes,
                    deflated: None,
                }),
                Piece::Shared(shared) => deflate::store_piece(shared.bytes.bytes(), rope.own()),
            }
        }
        rope.own().push(deflate::END);
        rope.pieces
    }
}

/// Puts the pieces of a payload into one frame.
fn in_frame(pieces: Vec<Piece>, is_deflated: bool, meter: &Meter) -> Vec<Rc<Frames>> {
    let payload = Rope { pieces };
    let length = payload.len();
    let mut begin = Vec::with_capacity(frame::MAX_SERVER_HEADER);
    frame::encode_header(is_deflated, OpCode::Data(Data::Text), length, &mut begin);
    let mut pieces = payload.pieces.into_iter().peekable();
    if let Some(Piece::Own(first)) = pieces.next_if(|piece| matches!(piece, Piece::Own(_))) {
        begin.extend_from_slice(&first);
    }
    let begin_kind = match pieces.peek() {
        Some(_) => FrameKind::Begin,
        None => FrameKind::Data,
    };
    let begin = Frames::answer(begin, begin_kind, meter);
    let rest = in_chunks(pieces.collect(), meter);
    std::iter::once(begin).chain(rest).collect()
}

/// Pieces that follow the beginning of a frame or a response. Shared ones are in its middle, and the last is the
/// reader's own.
fn in_chunks(pieces: Vec<Piece>, meter: &Meter) -> Vec<Rc<Frames>> {
    let last = pieces.len().saturating_sub(1);
    let pieces = pieces.into_iter().enumerate();
    let chunks = pieces.map(|(index, piece)| match piece {
        Piece::Own(bytes) if index == last => Frames::answer(bytes, FrameKind::End, meter),
        Piece::Own(bytes) => Frames::answer(bytes, FrameKind::Middle, meter),
        Piece::Shared(shared) => shared.bytes,
    });
    chunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ws::deflate::{Deflater, Effort, Inflater};
    use crate::core::budget::Budget;
    use crate::core::chat::Format;
    use crate::settings::Compression;

    /// A shared piece, with or without its compressed form.
    fn shared(text: &str, is_deflated: bool, meter: &Meter) -> Shared {
        let mut small = Vec::new();
        Deflater::default().deflate_piece(text.as_bytes(), false, Effort::Best, &mut small);
        Shared {
            bytes: Frames::answer(text.into(), FrameKind::Middle, meter),
            deflated: is_deflated.then(|| Frames::answer(small, FrameKind::Middle, meter)),
        }
    }

    fn message(format: Format, is_deflated: bool) -> (usize, Vec<u8>) {
        let meter = Meter::default();
        let mut rope = Rope::default();
        rope.own().extend_from_slice(b"[");
        rope.share(shared(&"\"long\",".repeat(1000), is_deflated, &meter));
        rope.own().extend_from_slice(b"1,");
        rope.share(shared("\"short\"", is_deflated, &meter));
        rope.own().extend_from_slice(b"]");
        let length = rope.len();
        let mut encoder = Encoder::new(Some(Compression::WherePays), Budget::default());
        let chunks = rope.into_message(format.into(), &mut encoder, &meter);
        let frame: Vec<u8> = chunks.iter().flat_map(|it| it.bytes().to_vec()).collect();
        assert_eq!(frame::first_frame_length(&frame), Some(frame.len()));
        let header = frame.len() - payload_length(&frame);
        let payload = match frame[0] & 0x40 {
            0 => frame[header..].to_vec(),
            _ => Inflater::default()
                .inflate(&frame[header..], length)
                .unwrap()
                .to_vec(),
        };
        assert_eq!(payload.len(), length);
        (chunks.len(), payload)
    }

    /// Of a frame whose length takes two bytes, or less.
    fn payload_length(frame: &[u8]) -> usize {
        match frame[1] {
            126 => frame.len() - 4,
            _ => frame.len() - 2,
        }
    }

    #[test]
    fn however_it_is_written_it_is_one_message() {
        let expected = format!("[{}1,\"short\"]", "\"long\",".repeat(1000)).into_bytes();
        let (chunks, payload) = message(Format::Json, false);
        assert_eq!((chunks, &payload), (3, &expected));
        let (_, payload) = message(Format::JsonDeflated, false);
        assert_eq!(payload, expected);
        let (_, payload) = message(Format::JsonDeflated, true);
        assert_eq!(payload, expected);
    }

    #[test]
    fn what_is_all_its_own_is_one_frame() {
        let meter = Meter::default();
        let mut rope = Rope::default();
        rope.own().extend_from_slice(b"{}");
        let mut encoder = Encoder::new(None, Budget::default());
        let chunks = rope.into_message(Format::Json.into(), &mut encoder, &meter);
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].bytes(), b"\x81\x02{}");
    }
}
