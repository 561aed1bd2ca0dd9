//! Bytes ready for the wire, made once and shared by all who get them, and the meter of the memory that they hold.

use std::cell::Cell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::codec::sse;
use crate::codec::ws::frame;
use crate::core::chat::Format;

/// Counts the bytes of memory that messages in flight hold, in and out; `--max-memory` is its limit.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Meter(Rc<Cell<usize>>);

impl Meter {
    pub(in crate::core) fn add(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes);
    }

    pub(in crate::core) fn subtract(&self, bytes: usize) {
        self.0.set(self.0.get() - bytes);
    }

    pub(in crate::core) fn used(&self) -> usize {
        self.0.get()
    }
}

/// Encoded frames, or a piece of an HTTP response. The meter counts them until the last reference is dropped.
#[derive(Debug)]
pub(in crate::core) struct Frames {
    bytes: Vec<u8>,
    kind: FrameKind,
    meter: Meter,
    permanent: bool,
    /// An answer: it does not count against the queue's limit, which is for what others publish.
    is_answer: bool,
}

/// How a queue treats these frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum FrameKind {
    /// WebSocket frames: count against the queue's limit and keep their place.
    Data,
    /// Server-Sent Events: the same.
    Event,
    /// Lines of text: the same.
    Line,
    /// A ping or a pong: goes before data, and is not counted.
    Control,
    /// A piece of an HTTP response: like data, but not made of frames.
    Response,
    /// The beginning of a WebSocket frame that goes on in the next chunk: its header, at least.
    Begin,
    /// The middle of such a frame, or of a response, which may be shared with others.
    Middle,
    /// The end of such a frame, or of a response.
    End,
}

impl FrameKind {
    /// The kind of a whole message in this format.
    pub(in crate::core) fn of(format: Format) -> Self {
        match format {
            Format::Events | Format::Feed => Self::Event,
            Format::Lines => Self::Line,
            _ => Self::Data,
        }
    }

    /// Whether it continues what the chunk before it has begun.
    pub(in crate::core) fn goes_on(self) -> bool {
        matches!(self, Self::Middle | Self::End)
    }

    /// Whether the next chunk continues it.
    pub(in crate::core) fn is_cut(self) -> bool {
        matches!(self, Self::Begin | Self::Middle)
    }
}

impl Frames {
    pub(in crate::core) fn new(bytes: Vec<u8>, kind: FrameKind, meter: &Meter) -> Rc<Self> {
        meter.add(bytes.capacity());
        Self::metered(bytes, kind, meter)
    }

    /// The same for bytes that the meter has counted already.
    pub(in crate::core) fn metered(bytes: Vec<u8>, kind: FrameKind, meter: &Meter) -> Rc<Self> {
        Rc::new(Self {
            bytes,
            kind,
            meter: meter.clone(),
            permanent: false,
            is_answer: false,
        })
    }

    /// The answer to a command of the client that gets it.
    pub(in crate::core) fn answer(bytes: Vec<u8>, kind: FrameKind, meter: &Meter) -> Rc<Self> {
        meter.add(bytes.capacity());
        Rc::new(Self {
            bytes,
            kind,
            meter: meter.clone(),
            permanent: false,
            is_answer: true,
        })
    }

    /// Bytes that live as long as the server, such as the page. They are not counted.
    pub(in crate::core) fn permanent(bytes: &[u8]) -> Rc<Self> {
        let meter = Meter::default();
        meter.add(bytes.len());
        Rc::new(Self {
            bytes: bytes.to_vec(),
            kind: FrameKind::Response,
            meter,
            permanent: true,
            is_answer: false,
        })
    }

    /// Replaces the frames, which no queue needs any more, by `bytes`, which the meter has counted already, and gives
    /// the old buffer back empty. Allocates nothing. `Err` gives `bytes` back when the frames are still shared.
    pub(in crate::core) fn reuse(
        shared: &mut Rc<Self>,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, Vec<u8>> {
        let Some(frames) = Rc::get_mut(shared) else {
            return Err(bytes);
        };
        let mut old = std::mem::replace(&mut frames.bytes, bytes);
        old.clear();
        Ok(old)
    }

    pub(in crate::core) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of memory that these frames hold.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(in crate::core) fn is_metered_by(&self, meter: &Meter) -> bool {
        Rc::ptr_eq(&self.meter.0, &meter.0)
    }

    /// Bytes that the meter counts: none of what lasts as long as the server.
    pub(in crate::core) fn weight(&self) -> usize {
        if self.permanent {
            0
        } else {
            self.bytes.capacity()
        }
    }

    pub(in crate::core) fn is_answer(&self) -> bool {
        self.is_answer
    }

    pub(in crate::core) fn kind(&self) -> FrameKind {
        self.kind
    }

    /// Where the piece ends that begins at `start`: a frame or an event. A response, or a part of a frame, is one
    /// piece.
    pub(in crate::core) fn end_of_piece(&self, start: usize) -> usize {
        let rest = &self.bytes[start..];
        let length = match self.kind {
            FrameKind::Data | FrameKind::Control => frame::first_frame_length(rest),
            FrameKind::Event => sse::first_length(rest),
            FrameKind::Line => rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1),
            FrameKind::Response | FrameKind::Begin | FrameKind::Middle | FrameKind::End => {
                Some(rest.len())
            }
        };
        start + length.expect("frames are whole")
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.meter.subtract(self.bytes.capacity());
    }
}
