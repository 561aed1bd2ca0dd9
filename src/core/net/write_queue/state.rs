//! A queue as it is told to the server that takes over: frames that many queues share are told once.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Chunk, WriteQueue};
use crate::core::handover::Bytes;
use crate::core::net::frames::{FrameKind, Frames, Meter};

/// Frames, with the bytes that they hold.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct FramesState<'a> {
    bytes: Bytes<'a>,
    kind: FrameKind,
    is_answer: bool,
}

/// A chunk: the place of its frames in the list, and those of its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct ChunkState {
    frames: usize,
    position: usize,
    start: usize,
}

/// The frames of all queues.
#[derive(Debug, Default)]
pub(in crate::core) struct SharedFrames<'a> {
    places: BTreeMap<*const Frames, usize>,
    all: Vec<FramesState<'a>>,
}

impl<'a> SharedFrames<'a> {
    /// All that `WriteQueue::state` has found.
    pub(in crate::core) fn into_states(self) -> Vec<FramesState<'a>> {
        self.all
    }

    fn place(&mut self, frames: &'a Rc<Frames>) -> usize {
        *self.places.entry(Rc::as_ptr(frames)).or_insert_with(|| {
            self.all.push(FramesState {
                bytes: Bytes::of(frames.bytes()),
                kind: frames.kind(),
                is_answer: frames.is_answer(),
            });
            self.all.len() - 1
        })
    }
}

impl FramesState<'_> {
    /// The frames, counted by this meter.
    pub(in crate::core) fn into_frames(self, meter: &Meter) -> Rc<Frames> {
        let bytes = self.bytes.into_vec();
        match self.is_answer {
            true => Frames::answer(bytes, self.kind, meter),
            false => Frames::new(bytes, self.kind, meter),
        }
    }
}

impl WriteQueue {
    /// Its chunks. Their frames are added to `shared`.
    pub(in crate::core) fn state<'a>(&'a self, shared: &mut SharedFrames<'a>) -> Vec<ChunkState> {
        let chunks = self.chunks().map(|chunk| ChunkState {
            frames: shared.place(&chunk.frames),
            position: chunk.position,
            start: chunk.start,
        });
        chunks.collect()
    }

    /// The queue of these chunks; `None` if one of them is not in its frames.
    pub(in crate::core) fn from_state(chunks: Vec<ChunkState>, all: &[Rc<Frames>]) -> Option<Self> {
        let mut queue = Self::default();
        for state in chunks {
            let frames = Rc::clone(all.get(state.frames)?);
            let is_inside = state.start <= state.position && state.position < frames.bytes().len();
            if !is_inside {
                return None;
            }
            queue.append(Chunk {
                frames,
                position: state.position,
                start: state.start,
            });
        }
        Some(queue)
    }
}
