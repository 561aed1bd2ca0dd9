//! The output queue of one socket: references to shared frames, and the position in the first of them.

pub(in crate::core) mod state;

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::mem;
use std::rc::Rc;

use crate::core::ensure::ensure;
use crate::core::net::frames::{FrameKind, Frames, Meter};
use crate::limits::{CHUNK_OVERHEAD, MAX_SLICES, MAX_WAITING_CONTROL};

/// Chunks in the order in which they leave. The first one is held inline, so that a connection that keeps up never
/// allocates, and an empty queue owns no memory.
#[derive(Debug, Default)]
pub(in crate::core) struct WriteQueue {
    first: Option<Chunk>,
    #[expect(
        clippy::box_collection,
        reason = "8 bytes instead of 32 in each of 100,000 idle connections"
    )]
    rest: Option<Box<VecDeque<Chunk>>>,
    /// Bytes of the data chunks as they were queued, overhead included; control chunks do not count.
    queued_bytes: usize,
}

/// A part of shared frames that is still to be written.
#[derive(Clone, Debug)]
pub(in crate::core) struct Chunk {
    frames: Rc<Frames>,
    /// Where writing goes on, in bytes; moves as the kernel takes them.
    position: usize,
    /// Where writing began: `position == start` means that no frame is cut.
    start: usize,
}

/// The result of pushing a chunk.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Enqueue {
    Queued,
    /// The queue's limit is reached; nothing was queued.
    Full,
}

/// How far a flush got.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Flush {
    /// The queue is empty.
    Drained,
    /// The kernel takes no more for now.
    Blocked,
}

impl Chunk {
    pub(in crate::core) fn whole(frames: Rc<Frames>) -> Self {
        Self {
            frames,
            position: 0,
            start: 0,
        }
    }

    /// All but the first `count` pieces.
    pub(in crate::core) fn without_first(frames: Rc<Frames>, count: u64) -> Self {
        let mut start = 0;
        for _ in 0..count {
            start = frames.end_of_piece(start);
        }
        Self {
            frames,
            position: start,
            start,
        }
    }

    /// What is not written of it.
    pub(in crate::core) fn remaining(&self) -> &[u8] {
        &self.frames.bytes()[self.position..]
    }

    fn is_control(&self) -> bool {
        self.frames.kind() == FrameKind::Control
    }

    /// Whether nothing may go before it: it is being written, its frame is, or it is the response that opens the
    /// WebSocket.
    fn keeps_its_place(&self) -> bool {
        self.is_begun() || self.goes_on() || self.frames.kind() == FrameKind::Response
    }

    /// Whether it continues the frame or the response that the chunk before it has begun.
    fn goes_on(&self) -> bool {
        self.frames.kind().goes_on()
    }

    fn is_begun(&self) -> bool {
        self.position > self.start
    }

    /// What the chunk counts against the queue's limit; the same from push to end.
    fn cost(&self) -> usize {
        if self.is_control() || self.frames.is_answer() {
            0
        } else {
            self.frames.bytes().len() - self.start + CHUNK_OVERHEAD
        }
    }

    /// The rest of the frame that is being written, alone.
    fn rest_of_frame(&self, meter: &Meter) -> Option<Self> {
        let bytes = self.frames.bytes();
        let kind = self.frames.kind();
        let mut boundary = match kind {
            FrameKind::Response => bytes.len(),
            _ if kind.goes_on() => bytes.len(),
            _ => self.start,
        };
        while boundary < self.position {
            boundary = self.frames.end_of_piece(boundary);
        }
        let rest = bytes[self.position..boundary].to_vec();
        (!rest.is_empty()).then(|| Self::whole(Frames::new(rest, kind, meter)))
    }
}

impl WriteQueue {
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The number of queued chunks, the one that is being written included.
    pub(in crate::core) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// Bytes of metered memory that the queue holds. Shared frames count by its part.
    pub(in crate::core) fn weight(&self) -> usize {
        let chunks = self
            .first
            .iter()
            .chain(self.rest.iter().flat_map(|rest| rest.iter()));
        chunks
            .map(|chunk| chunk.frames.weight() / Rc::strong_count(&chunk.frames))
            .sum()
    }

    /// Bytes that count against the limit.
    #[cfg(test)]
    pub(in crate::core) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether the limit allows a chunk. An empty queue takes any: a message may be larger than the limit.
    pub(in crate::core) fn takes(&self, chunk: &Chunk, max_queue: usize) -> bool {
        self.queued_bytes == 0 || self.queued_bytes + chunk.cost() <= max_queue
    }

    /// Appends a chunk, if the limit allows it.
    pub(in crate::core) fn push(&mut self, chunk: Chunk, max_queue: usize) -> Enqueue {
        if !self.takes(&chunk, max_queue) {
            return Enqueue::Full;
        }
        self.append(chunk);
        Enqueue::Queued
    }

    /// Appends a chunk whatever the limit: a response, or a close frame, which is the last chunk.
    pub(in crate::core) fn append(&mut self, chunk: Chunk) {
        self.queued_bytes += chunk.cost();
        match &self.first {
            None => self.first = Some(chunk),
            Some(_) => self.rest.get_or_insert_default().push_back(chunk),
        }
    }

    /// Puts a ping or a pong before the data, but not into a batch that is being written, and behind other control
    /// frames. Of too many the oldest is dropped: the newest stands for it (RFC 6455 section 5.5.3).
    pub(in crate::core) fn push_control(&mut self, frames: Rc<Frames>) {
        let mut begin = usize::from(self.first.as_ref().is_some_and(Chunk::keeps_its_place));
        while begin > 0 && self.get(begin).is_some_and(Chunk::goes_on) {
            begin += 1;
        }
        let mut end = begin;
        while self.get(end).is_some_and(Chunk::is_control) {
            end += 1;
        }
        self.insert(end, Chunk::whole(frames));
        if end - begin == MAX_WAITING_CONTROL {
            self.remove(begin);
        }
    }

    /// Drops all but the frame that is being written, or the response that opens the WebSocket, so that a close frame
    /// can follow.
    pub(in crate::core) fn cut_to_frame(&mut self, meter: &Meter) {
        let kept = self.first.take().filter(Chunk::keeps_its_place);
        let rest = mem::take(self)
            .rest
            .map_or_else(VecDeque::new, |rest| *rest);
        if let Some(chunk) = kept {
            let goes_on = rest.into_iter().take_while(Chunk::goes_on);
            for chunk in chunk.rest_of_frame(meter).into_iter().chain(goes_on) {
                self.append(chunk);
            }
        }
    }

    /// Drops everything.
    pub(in crate::core) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes until the queue is empty and the socket has nothing unsent, or the kernel takes no more. One system call,
    /// unless the kernel takes only a part. Adds the bytes written to `written`.
    ///
    /// # Errors
    /// Those of the socket. The connection is lost then.
    pub(in crate::core) fn flush(
        &mut self,
        socket: &mut impl Write,
        written: &mut u64,
    ) -> io::Result<Flush> {
        loop {
            let result = match (&self.first, &self.rest) {
                (Some(first), None) => socket.write(first.remaining()),
                (Some(first), Some(rest)) => write_many(socket, first, rest),
                (None, _) => socket.flush().map(|()| 0),
            };
            match result {
                Ok(0) if self.is_empty() => return Ok(Flush::Drained),
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    *written += count as u64;
                    self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flush::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The frames of all chunks, for the check of the meter.
    pub(in crate::core) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        self.chunks().map(|chunk| &chunk.frames)
    }

    /// Whether the limit holds. One chunk may be longer than it, and the response that opens a stream or a WebSocket
    /// may precede it.
    pub(in crate::core) fn is_within(&self, max_queue: usize) -> bool {
        let counted = self
            .chunks()
            .filter(|chunk| chunk.cost() > 0 && chunk.frames.kind() != FrameKind::Response);
        self.queued_bytes <= max_queue || counted.count() <= 1
    }

    /// Checks that the bytes are counted right, and that only the first chunk is partly written.
    pub(in crate::core) fn check(&self) -> Result<(), String> {
        let cost: usize = self.chunks().map(Chunk::cost).sum();
        ensure(cost == self.queued_bytes, "queued bytes are miscounted")?;
        ensure(
            !self.chunks().skip(1).any(Chunk::is_begun),
            "a later chunk is begun",
        )?;
        ensure(
            !self.chunks().any(|chunk| chunk.remaining().is_empty()),
            "an empty chunk is queued",
        )?;
        let rest = self.rest.as_ref().map_or(1, |rest| rest.len());
        ensure(rest > 0, "an empty rest is kept")?;
        let pairs = self.chunks().zip(self.chunks().skip(1));
        ensure(
            pairs.into_iter().all(|(first, next)| {
                let is_response = first.frames.kind() == FrameKind::Response;
                match next.goes_on() {
                    true => first.frames.kind().is_cut() || is_response,
                    false => !first.frames.kind().is_cut(),
                }
            }),
            "something stands between the parts of a frame",
        )?;
        let control = self.chunks().filter(|chunk| chunk.is_control()).count();
        ensure(
            control <= MAX_WAITING_CONTROL + 1,
            "too many pings and pongs wait",
        )
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.first
            .iter()
            .chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    fn get(&self, index: usize) -> Option<&Chunk> {
        match index {
            0 => self.first.as_ref(),
            _ => self.rest.as_ref()?.get(index - 1),
        }
    }

    /// Makes `chunk` the one at `index`, which is at most the number of chunks.
    fn insert(&mut self, index: usize, chunk: Chunk) {
        let (index, chunk) = match (index, self.first.take()) {
            (0, None) => {
                self.first = Some(chunk);
                return;
            }
            (0, Some(old)) => {
                self.first = Some(chunk);
                (0, old)
            }
            (_, first) => {
                self.first = first;
                (index - 1, chunk)
            }
        };
        self.rest.get_or_insert_default().insert(index, chunk);
    }

    /// Drops the control chunk at `index`.
    fn remove(&mut self, index: usize) {
        match index {
            0 => self.first = self.rest.as_mut().and_then(|rest| rest.pop_front()),
            _ => drop(self.rest.as_mut().and_then(|rest| rest.remove(index - 1))),
        }
    }

    /// Counts `count` written bytes off the front.
    fn advance(&mut self, mut count: usize) {
        while let Some(first) = &mut self.first {
            let remaining = first.remaining().len();
            if count < remaining {
                first.position += count;
                return;
            }
            count -= remaining;
            self.queued_bytes -= first.cost();
            self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
            if self.rest.as_ref().is_some_and(|rest| rest.is_empty()) {
                self.rest = None;
            }
            if count == 0 {
                return;
            }
        }
    }
}

fn write_many(socket: &mut impl Write, first: &Chunk, rest: &VecDeque<Chunk>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(std::iter::once(first).chain(rest)) {
        *slice = IoSlice::new(chunk.remaining());
        count += 1;
    }
    socket.write_vectored(&slices[..count])
}

#[cfg(test)]
mod tests;
