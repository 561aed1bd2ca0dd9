//! From one message to all members of its room: encoded once for each format in use, gathered with the others of its
//! tick, and delivered in slices, so that a room of 20,000 does not delay a room of two.
//!
//! While a fan-out of a room is being delivered, what is published there gathers in the next batch. So the further a
//! room is behind, the more messages each system call carries.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::chat::{AudienceId, Chat, Format, Member, RoomId};
use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::net::frames::{FrameKind, Frames, Meter};
use crate::core::net::write_queue::Chunk;
use crate::limits::{
    FANOUT_SLICE, FANOUT_SLICE_BYTES, READ_BUFFER, ROOM_BACKLOG, ROOM_BACKLOG_MESSAGES,
};

/// A spare buffer of at most this many bytes is kept by a room, so that the steady path does not allocate.
const SPARE_BYTES: usize = 2 << 10;

#[derive(Debug)]
pub(in crate::core) struct Broadcast {
    /// By audience index.
    outboxes: Vec<Outbox>,
    /// Audiences with a batch to send, and no fan-out in progress.
    ready: Vec<AudienceId>,
    fanouts: VecDeque<Fanout>,
    /// How many connections are paused.
    paused_count: usize,
    meter: Meter,
}

/// The next batch of an audience.
#[derive(Debug, Default)]
struct Outbox {
    batch: Batch,
    fanout_in_progress: bool,
    /// The last batch, for its buffer.
    last: Option<Rc<Frames>>,
    /// Members that are not read until this batch starts, first come first.
    paused: Vec<ConnectionId>,
}

/// Pieces that are delivered together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Number of the first piece in the audience's sequence.
    first: u64,
    count: u64,
    /// Offset of the first message among them, or of the next one if there is none.
    first_offset: u64,
    /// Members who joined while it gathered: after which piece, and at which offset.
    entries: Vec<(u64, u64)>,
}

/// A batch that is being delivered to the members of the time when it started.
#[derive(Debug)]
pub(in crate::core) struct Fanout {
    audience: AudienceId,
    frames: Rc<Frames>,
    first: u64,
    count: u64,
    first_offset: u64,
    entries: Vec<(u64, u64)>,
    members: Rc<Vec<Member>>,
    /// The sequence numbers at which members joined cannot have changed since it started.
    is_steady: bool,
    next_member: usize,
}

/// What one member gets of a batch.
#[derive(Debug)]
pub(in crate::core) struct Delivery {
    pub(in crate::core) chunk: Chunk,
    pub(in crate::core) messages: u64,
    /// Number of the last of them in the audience's sequence.
    pub(in crate::core) last: u64,
    /// Offset of the first message of the batch.
    pub(in crate::core) first_offset: u64,
}

impl Broadcast {
    pub(in crate::core) fn new(meter: Meter) -> Self {
        Self {
            outboxes: Vec::new(),
            ready: Vec::new(),
            fanouts: VecDeque::new(),
            paused_count: 0,
            meter,
        }
    }

    /// Adds the piece of number `sequence` to the next batch of its audience. `offset` is that of the message, or that
    /// of the next message for a piece that is none.
    pub(in crate::core) fn append(
        &mut self,
        audience: AudienceId,
        sequence: u64,
        offset: u64,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let index = audience.index();
        if self.outboxes.len() <= index {
            self.outboxes.resize_with(index + 1, Outbox::default);
        }
        let outbox = &mut self.outboxes[index];
        if outbox.batch.count == 0 {
            outbox.batch.first = sequence;
            outbox.batch.first_offset = offset;
            if !outbox.fanout_in_progress {
                self.ready.push(audience);
            }
        }
        outbox.batch.count += 1;
        let held = outbox.batch.bytes.capacity();
        encode(&mut outbox.batch.bytes);
        self.meter.add(outbox.batch.bytes.capacity() - held);
    }

    /// A member has been sent, in its answer, everything up to this piece and this offset.
    pub(in crate::core) fn note_entry(&mut self, audience: AudienceId, sequence: u64, offset: u64) {
        let outbox = self.outboxes.get_mut(audience.index());
        if let Some(Outbox { batch, .. }) = outbox.filter(|outbox| outbox.batch.count > 0)
            && batch.entries.last() != Some(&(sequence, offset))
        {
            batch.entries.push((sequence, offset));
        }
    }

    /// The offset of the first message published so far that a member still has to get from a batch or a fan-out;
    /// `None` if there is none. `index` is that of the member in its audience now.
    pub(in crate::core) fn first_undelivered(
        &self,
        audience: AudienceId,
        member: Member,
        index: usize,
    ) -> Option<u64> {
        let outbox = self.outboxes.get(audience.index())?;
        let mut fanouts = self.fanouts.iter();
        let fanout = match outbox.fanout_in_progress {
            true => fanouts.find(|fanout| fanout.audience == audience),
            false => None,
        };
        let on_its_way = fanout
            .filter(|fanout| fanout.is_undelivered(member.id, index))
            .and_then(|it| {
                first_after(
                    member.after,
                    it.first,
                    it.count,
                    it.first_offset,
                    &it.entries,
                )
            });
        let batch = &outbox.batch;
        on_its_way.or_else(|| {
            first_after(
                member.after,
                batch.first,
                batch.count,
                batch.first_offset,
                &batch.entries,
            )
        })
    }

    /// The audience of the room, if there is one, that is so far behind that the room's publishers are paused.
    pub(in crate::core) fn congested(&self, room: RoomId) -> Option<AudienceId> {
        let audiences = Format::ALL.map(|format| room.audience(format));
        audiences.into_iter().find(|audience| {
            self.outboxes
                .get(audience.index())
                .is_some_and(|Outbox { batch, .. }| {
                    batch.bytes.len() >= ROOM_BACKLOG || batch.count >= ROOM_BACKLOG_MESSAGES
                })
        })
    }

    /// Pauses a publisher in a room with a congested audience. Its next message waits in the kernel.
    pub(in crate::core) fn pause(&mut self, audience: AudienceId, id: ConnectionId) {
        self.outboxes[audience.index()].paused.push(id);
        self.paused_count += 1;
    }

    /// Starts a fan-out for each gathered batch. Called at the end of a tick. Returns the connections that were paused
    /// until then.
    pub(in crate::core) fn start_fanouts(&mut self, chat: &Chat) -> Vec<ConnectionId> {
        let mut released = Vec::new();
        for audience in self.ready.drain(..) {
            let Some(members) = chat.members(audience) else {
                continue;
            };
            let outbox = &mut self.outboxes[audience.index()];
            let Batch {
                first,
                count,
                first_offset,
                ..
            } = outbox.batch;
            let entries = std::mem::take(&mut outbox.batch.entries);
            let frames = outbox.seal(audience.format, &self.meter);
            outbox.fanout_in_progress = true;
            self.paused_count -= outbox.paused.len();
            released.append(&mut outbox.paused);
            self.fanouts.push_back(Fanout {
                audience,
                frames,
                first,
                count,
                first_offset,
                entries,
                members,
                is_steady: audience.format.is_plain() && !chat.conflates(audience.room),
                next_member: 0,
            });
        }
        released
    }

    /// The fan-out whose turn it is. Give it back with `put_back` after a slice.
    pub(in crate::core) fn take_fanout(&mut self) -> Option<Fanout> {
        self.fanouts.pop_front()
    }

    /// Puts a fan-out behind the others, or ends it after its last member.
    pub(in crate::core) fn put_back(&mut self, fanout: Fanout, chat: &Chat) {
        if fanout.next_member < fanout.members.len() {
            self.fanouts.push_back(fanout);
            return;
        }
        if chat.members(fanout.audience).is_none() {
            return;
        }
        let outbox = &mut self.outboxes[fanout.audience.index()];
        outbox.fanout_in_progress = false;
        if outbox.batch.count > 0 {
            self.ready.push(fanout.audience);
        }
    }

    /// Drops the batch of a room that has ended. Returns the connections that it paused.
    pub(in crate::core) fn forget(&mut self, room: RoomId) -> Vec<ConnectionId> {
        let mut paused = Vec::new();
        for format in Format::ALL {
            if let Some(outbox) = self.outboxes.get_mut(room.audience(format).index()) {
                let mut ended = std::mem::take(outbox);
                self.meter.subtract(ended.batch.bytes.capacity());
                self.paused_count -= ended.paused.len();
                paused.append(&mut ended.paused);
            }
        }
        paused
    }

    /// Frees the buffers that rooms keep for their next batch.
    pub(in crate::core) fn release_spares(&mut self) {
        for outbox in &mut self.outboxes {
            outbox.last = None;
            if outbox.batch.count == 0 {
                self.meter
                    .subtract(std::mem::take(&mut outbox.batch.bytes).capacity());
            }
        }
    }

    /// All frames that are held here, for the check of the meter.
    pub(in crate::core) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let last = self
            .outboxes
            .iter()
            .filter_map(|outbox| outbox.last.as_ref());
        last.chain(self.fanouts.iter().map(|fanout| &fanout.frames))
    }

    /// Bytes of memory that gathered batches hold, for the check of the meter.
    pub(in crate::core) fn gathering_bytes(&self) -> usize {
        self.outboxes
            .iter()
            .map(|outbox| outbox.batch.bytes.capacity())
            .sum()
    }

    /// Checks that no audience has gathered more than allowed: its backlog, and one message that passed it, of which
    /// JSON may write each byte in six.
    pub(in crate::core) fn check(&self, max_message: usize) -> Result<(), String> {
        let most = |index: usize| {
            let is_plain = index % Format::COUNT == Format::Plain as usize;
            let message = if is_plain {
                max_message
            } else {
                6 * max_message
            };
            ROOM_BACKLOG + message + READ_BUFFER
        };
        let mut outboxes = self.outboxes.iter().enumerate();
        ensure(
            outboxes.all(|(index, outbox)| outbox.batch.bytes.len() < most(index)),
            "a batch is too large",
        )
    }

    pub(in crate::core) fn paused_count(&self) -> usize {
        self.paused_count
    }

    /// All paused connections, for the check of the lists.
    pub(in crate::core) fn paused(&self) -> impl Iterator<Item = ConnectionId> {
        self.outboxes
            .iter()
            .flat_map(|outbox| outbox.paused.iter().copied())
    }

    /// Whether anything is gathered or being delivered.
    pub(in crate::core) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || !self.fanouts.is_empty()
    }
}

/// The offset of the first message of a batch for a member who joined after piece `after`; `None` if the batch has none
/// for it.
fn first_after(
    after: u64,
    first: u64,
    count: u64,
    first_offset: u64,
    entries: &[(u64, u64)],
) -> Option<u64> {
    if after + 1 >= first + count {
        return None;
    }
    if after < first {
        return Some(first_offset);
    }
    let entry = entries.iter().find(|(sequence, _)| *sequence == after);
    Some(entry.map_or(first_offset, |(_, offset)| offset + 1))
}

impl Outbox {
    /// Turns the gathered bytes into shared frames. Allocates once for the frames, and not at all when those of the
    /// last batch have all been written. The meter has counted the buffers either way: they only change hands.
    fn seal(&mut self, format: Format, meter: &Meter) -> Rc<Frames> {
        let kind = FrameKind::of(format);
        let bytes = std::mem::take(&mut self.batch).bytes;
        let keep = bytes.capacity() <= SPARE_BYTES;
        let frames = match self.last.take() {
            Some(mut last) => match Frames::reuse(&mut last, bytes) {
                Ok(spare) => {
                    self.batch.bytes = spare;
                    last
                }
                Err(bytes) => Frames::metered(bytes, kind, meter),
            },
            None => Frames::metered(bytes, kind, meter),
        };
        if keep {
            self.last = Some(Rc::clone(&frames));
        }
        frames
    }
}

impl Fanout {
    /// The next members to deliver to.
    pub(in crate::core) fn next_slice(&mut self) -> std::ops::Range<usize> {
        let from = self.next_member;
        let slice = (FANOUT_SLICE_BYTES / self.frames.bytes().len()).clamp(1, FANOUT_SLICE);
        self.next_member = (from + slice).min(self.members.len());
        from..self.next_member
    }

    /// The room of the fan-out.
    pub(in crate::core) fn room(&self) -> RoomId {
        self.audience.room
    }

    /// Whether each of its readers gets what it wants of it.
    pub(in crate::core) fn is_for_feeds(&self) -> bool {
        self.audience.format == Format::Feed
    }

    /// Whether the members are those of the start, but for some who have left: members at the plain door stay in one
    /// room, and elsewhere nobody has joined or left.
    pub(in crate::core) fn is_as_it_set_out(&self, chat: &Chat) -> bool {
        self.is_steady || chat.has_members(self.audience, &self.members)
    }

    /// A member to deliver to.
    pub(in crate::core) fn member(&self, index: usize) -> Member {
        self.members[index]
    }

    /// Whether a member, at `index` in its audience now, has not been delivered to. An index only changes to a lower
    /// one.
    fn is_undelivered(&self, id: ConnectionId, index: usize) -> bool {
        let is_there = self.members.get(index).is_some_and(|it| it.id == id);
        match is_there {
            true => index >= self.next_member,
            false => self.members[self.next_member..]
                .iter()
                .any(|it| it.id == id),
        }
    }

    /// What a member gets who joined after piece `after`; `None` if it joined after the whole batch.
    pub(in crate::core) fn delivery(&self, after: u64) -> Option<Delivery> {
        let known = (after + 1).saturating_sub(self.first);
        if known >= self.count {
            return None;
        }
        let frames = Rc::clone(&self.frames);
        let chunk = if known == 0 {
            Chunk::whole(frames)
        } else {
            Chunk::without_first(frames, known)
        };
        Some(Delivery {
            chunk,
            messages: self.count - known,
            last: self.first + self.count - 1,
            first_offset: self.first_offset,
        })
    }
}
