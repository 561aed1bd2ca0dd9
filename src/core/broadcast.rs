//! From one message to everyone in its room: encoded once, gathered with the others of its tick, and handed out in
//! slices, so that a room of 20,000 does not hold up a room of two.
//!
//! While a room's fan-out is going out, what is said there gathers for the next one. So the more a room is behind, the
//! more messages each system call carries.

use std::collections::VecDeque;
use std::rc::Rc;

use super::chat::{Chat, Member, RoomId};
use super::connection::ConnectionId;
use super::frames::{FrameKind, Frames, Meter};
use super::server::ensure;
use super::write_queue::Chunk;
use crate::codec::ws::frame;
use crate::codec::ws::message::Kind;
use crate::limits::{
    FANOUT_SLICE, FANOUT_SLICE_BYTES, READ_BUFFER, ROOM_BACKLOG, ROOM_BACKLOG_MESSAGES,
};

/// A spare buffer of at most this many bytes is kept by a room, so that the steady path does not allocate.
const SPARE_BYTES: usize = 2 << 10;

#[derive(Debug)]
pub(super) struct Broadcast {
    /// By room index.
    outboxes: Vec<Outbox>,
    /// Rooms that have something to say and no fan-out going out.
    ready: Vec<RoomId>,
    fanouts: VecDeque<Fanout>,
    meter: Meter,
}

/// What a room is about to say.
#[derive(Debug, Default)]
struct Outbox {
    batch: Batch,
    fanout_in_progress: bool,
    /// The last batch, for its buffer.
    last: Option<Rc<Frames>>,
    /// Members that are not listened to until this batch has set out, first come first.
    held: Vec<ConnectionId>,
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
            outboxes: Vec::new(),
            ready: Vec::new(),
            fanouts: VecDeque::new(),
            meter,
        }
    }

    /// Adds a message to what its room says next.
    pub(super) fn append(&mut self, room: RoomId, offset: u64, kind: Kind, payload: &[u8]) {
        if self.outboxes.len() <= room.index {
            self.outboxes.resize_with(room.index + 1, Outbox::default);
        }
        let outbox = &mut self.outboxes[room.index];
        if outbox.batch.count == 0 {
            outbox.batch.first_offset = offset;
            if !outbox.fanout_in_progress {
                self.ready.push(room);
            }
        }
        outbox.batch.count += 1;
        let held = outbox.batch.bytes.capacity();
        frame::encode(kind.opcode(), payload, &mut outbox.batch.bytes);
        self.meter.add(outbox.batch.bytes.capacity() - held);
    }

    /// The room is so far behind that its publishers should wait.
    pub(super) fn is_congested(&self, room: RoomId) -> bool {
        self.outboxes
            .get(room.index)
            .is_some_and(|Outbox { batch, .. }| {
                batch.bytes.len() >= ROOM_BACKLOG || batch.count >= ROOM_BACKLOG_MESSAGES
            })
    }

    /// Remembers a member of a congested room whose next message has to wait.
    pub(super) fn hold(&mut self, room: RoomId, id: ConnectionId) {
        self.outboxes[room.index].held.push(id);
    }

    /// Sends what has gathered on its way. Returns the members who were held back until then.
    pub(super) fn start_fanouts(&mut self, chat: &Chat) -> Vec<ConnectionId> {
        let mut released = Vec::new();
        for room in self.ready.drain(..) {
            let Some(members) = chat.members(room) else {
                continue;
            };
            let outbox = &mut self.outboxes[room.index];
            let (first_offset, count) = (outbox.batch.first_offset, outbox.batch.count);
            let frames = outbox.seal(&self.meter);
            outbox.fanout_in_progress = true;
            released.append(&mut outbox.held);
            self.fanouts.push_back(Fanout {
                room,
                frames,
                first_offset,
                count,
                members,
                served: 0,
            });
        }
        released
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
        let outbox = &mut self.outboxes[fanout.room.index];
        outbox.fanout_in_progress = false;
        if outbox.batch.count > 0 {
            self.ready.push(fanout.room);
        }
    }

    /// Drops what a room that has ended was about to say. Returns those whom it held back, who have left.
    pub(super) fn forget(&mut self, room: RoomId) -> Vec<ConnectionId> {
        let Some(outbox) = self.outboxes.get_mut(room.index) else {
            return Vec::new();
        };
        let ended = std::mem::take(outbox);
        self.meter.subtract(ended.batch.bytes.capacity());
        ended.held
    }

    /// Gives the buffers back that rooms keep for their next batch.
    pub(super) fn release_spares(&mut self) {
        for outbox in &mut self.outboxes {
            outbox.last = None;
            if outbox.batch.count == 0 {
                self.meter
                    .subtract(std::mem::take(&mut outbox.batch.bytes).capacity());
            }
        }
    }

    /// All frames that are held here, for the check of the meter.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let last = self
            .outboxes
            .iter()
            .filter_map(|outbox| outbox.last.as_ref());
        last.chain(self.fanouts.iter().map(|fanout| &fanout.frames))
    }

    /// Bytes of memory that batches hold which have not set out, for the check of the meter.
    pub(super) fn gathering_bytes(&self) -> usize {
        self.outboxes
            .iter()
            .map(|outbox| outbox.batch.bytes.capacity())
            .sum()
    }

    /// Checks that no room has gathered more than it may: its backlog, and what one read brought that passed it, the end
    /// of a message among it.
    pub(super) fn check(&self, max_message: usize) -> Result<(), String> {
        let most = ROOM_BACKLOG + READ_BUFFER + frame::MAX_SERVER_HEADER + max_message;
        let mut outboxes = self.outboxes.iter();
        ensure(
            outboxes.all(|outbox| outbox.batch.bytes.len() < most),
            "a batch is too large",
        )
    }

    /// Everyone who is held back, for the check of the lists.
    pub(super) fn held(&self) -> impl Iterator<Item = ConnectionId> {
        self.outboxes
            .iter()
            .flat_map(|outbox| outbox.held.iter().copied())
    }

    /// Whether anything is waiting or on its way.
    pub(super) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || !self.fanouts.is_empty()
    }
}

impl Outbox {
    /// Turns what has gathered into frames to share. Allocates once for the frames, and not at all when those of the
    /// last batch have all been written. The meter knows of the buffers either way: they only change hands.
    fn seal(&mut self, meter: &Meter) -> Rc<Frames> {
        let bytes = std::mem::take(&mut self.batch).bytes;
        let keep = bytes.capacity() <= SPARE_BYTES;
        let frames = match self.last.take() {
            Some(mut last) => match Frames::reuse(&mut last, bytes) {
                Ok(spare) => {
                    self.batch.bytes = spare;
                    last
                }
                Err(bytes) => Frames::metered(bytes, FrameKind::Data, meter),
            },
            None => Frames::metered(bytes, FrameKind::Data, meter),
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
        let slice = (FANOUT_SLICE_BYTES / self.frames.bytes().len()).clamp(1, FANOUT_SLICE);
        self.served = (from + slice).min(self.members.len());
        from..self.served
    }

    /// A member by its index and what it gets; `None` for who came in after all of it was said.
    pub(super) fn delivery(&self, index: usize) -> Option<(ConnectionId, Delivery)> {
        let Member { id, since } = self.members[index];
        let known = (since + 1).saturating_sub(self.first_offset);
        if known >= self.count {
            return None;
        }
        let frames = Rc::clone(&self.frames);
        let chunk = if known == 0 {
            Chunk::whole(frames)
        } else {
            Chunk::without_first(frames, known)
        };
        let delivery = Delivery {
            chunk,
            messages: self.count - known,
            last_offset: self.first_offset + self.count - 1,
        };
        Some((id, delivery))
    }
}
