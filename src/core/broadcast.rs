//! From one message to everyone in its room: encoded once, gathered with the others of its tick, and handed out in
//! slices, so that a room of 20,000 does not hold up a room of two.
//!
//! While a room's fan-out is going out, what is said there gathers for the next one. So the more a room is behind, the
//! more messages each system call carries.

use std::collections::VecDeque;
use std::rc::Rc;

use super::chat::{Chat, Member, RoomId};
use super::frames::{FrameKind, Frames, Meter};
use super::write_queue::Chunk;
use crate::codec::ws::frame;
use crate::codec::ws::message::Kind;
use crate::limits::{FANOUT_SLICE, ROOM_BACKLOG};

/// A spare buffer of at most this many bytes is kept by a room, so that the steady path does not allocate.
const SPARE_BYTES: usize = 2 << 10;

#[derive(Debug)]
pub(super) struct Broadcast {
    /// By room index.
    streams: Vec<Stream>,
    /// Rooms that have something to say and no fan-out going out.
    ready: Vec<RoomId>,
    fanouts: VecDeque<Fanout>,
    meter: Meter,
}

/// What a room is about to say.
#[derive(Debug, Default)]
struct Stream {
    batch: Batch,
    fanout_in_progress: bool,
    /// The last batch, for its buffer.
    last: Option<Rc<Frames>>,
}

/// Messages that go out together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Offset of the first message.
    first_offset: u64,
    count: u64,
}

/// A batch on its way to those who were members when it set out.
#[derive(Debug)]
pub(super) struct Fanout {
    room: RoomId,
    frames: Rc<Frames>,
    first_offset: u64,
    count: u64,
    members: Rc<Vec<Member>>,
    served: usize,
}

/// What one member gets of a batch.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) chunk: Chunk,
    pub(super) messages: u64,
    /// Offset of the last of them.
    pub(super) last_offset: u64,
}

impl Broadcast {
    pub(super) fn new(meter: Meter) -> Self {
        Self {
            streams: Vec::new(),
            ready: Vec::new(),
            fanouts: VecDeque::new(),
            meter,
        }
    }

    /// Adds a message to what its room says next.
    pub(super) fn append(&mut self, room: RoomId, offset: u64, kind: Kind, payload: &[u8]) {
        if self.streams.len() <= room.index {
            self.streams.resize_with(room.index + 1, Stream::default);
        }
        let stream = &mut self.streams[room.index];
        if stream.batch.count == 0 {
            stream.batch.first_offset = offset;
            if !stream.fanout_in_progress {
                self.ready.push(room);
            }
        }
        stream.batch.count += 1;
        frame::encode(kind.opcode(), payload, &mut stream.batch.bytes);
    }

    /// The room is so far behind that its publishers should wait.
    pub(super) fn is_congested(&self, room: RoomId) -> bool {
        self.streams
            .get(room.index)
            .is_some_and(|stream| stream.batch.bytes.len() >= ROOM_BACKLOG)
    }

    /// Sends what has gathered on its way.
    pub(super) fn start_fanouts(&mut self, chat: &Chat) {
        for room in self.ready.drain(..) {
            let Some(members) = chat.members(room) else {
                continue;
            };
            let stream = &mut self.streams[room.index];
            let (first_offset, count) = (stream.batch.first_offset, stream.batch.count);
            let frames = stream.seal(&self.meter);
            stream.fanout_in_progress = true;
            self.fanouts.push_back(Fanout {
                room,
                frames,
                first_offset,
                count,
                members,
                served: 0,
            });
        }
    }

    /// The fan-out whose turn it is; give it back with `put_back` after a slice.
    pub(super) fn take_fanout(&mut self) -> Option<Fanout> {
        self.fanouts.pop_front()
    }

    /// Puts a fan-out behind the others, or ends it when everyone was served.
    pub(super) fn put_back(&mut self, fanout: Fanout, chat: &Chat) {
        if fanout.served < fanout.members.len() {
            self.fanouts.push_back(fanout);
            return;
        }
        if chat.members(fanout.room).is_none() {
            return;
        }
        let stream = &mut self.streams[fanout.room.index];
        stream.fanout_in_progress = false;
        if stream.batch.count > 0 {
            self.ready.push(fanout.room);
        }
    }

    /// Drops what a room that has ended was about to say.
    pub(super) fn forget(&mut self, room: RoomId) {
        if let Some(stream) = self.streams.get_mut(room.index) {
            *stream = Stream::default();
        }
    }

    /// All frames that are held here, for the check of the meter.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let last = self
            .streams
            .iter()
            .filter_map(|stream| stream.last.as_ref());
        last.chain(self.fanouts.iter().map(|fanout| &fanout.frames))
    }

    /// Whether anything is waiting or on its way.
    pub(super) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || !self.fanouts.is_empty()
    }
}

impl Stream {
    /// Turns what has gathered into frames to share. Allocates once for the frames, and not at all when those of the
    /// last batch have all been written.
    fn seal(&mut self, meter: &Meter) -> Rc<Frames> {
        let bytes = std::mem::take(&mut self.batch).bytes;
        let keep = bytes.capacity() <= SPARE_BYTES;
        let frames = match self.last.take() {
            Some(mut last) => match Frames::reuse(&mut last, bytes) {
                Ok(spare) => {
                    self.batch.bytes = spare;
                    last
                }
                Err(bytes) => Frames::new(bytes, FrameKind::Data, meter),
            },
            None => Frames::new(bytes, FrameKind::Data, meter),
        };
        if keep {
            self.last = Some(Rc::clone(&frames));
        }
        frames
    }
}

impl Fanout {
    /// The next members to serve.
    pub(super) fn next_slice(&mut self) -> std::ops::Range<usize> {
        let from = self.served;
        self.served = (from + FANOUT_SLICE).min(self.members.len());
        from..self.served
    }

    /// A member by its index and what it gets; `None` for who came in after all of it was said.
    pub(super) fn delivery(&self, index: usize) -> (Member, Option<Delivery>) {
        let member = self.members[index];
        let frames = Rc::clone(&self.frames);
        let known = (member.since + 1).saturating_sub(self.first_offset);
        if known >= self.count {
            return (member, None);
        }
        let chunk = if known == 0 {
            Chunk::whole(frames)
        } else {
            Chunk::without_first(frames, known)
        };
        let last_offset = self.first_offset + self.count - 1;
        (
            member,
            Some(Delivery {
                chunk,
                messages: self.count - known,
                last_offset,
            }),
        )
    }
}
