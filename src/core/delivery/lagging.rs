//! Slow readers in rooms that conflate: they miss messages until their queue is empty, and are then told what counts.

use std::collections::{BTreeMap, VecDeque};

use crate::core::chat::RoomId;
use crate::core::id::ConnectionId;

/// Who is behind, and where.
#[derive(Debug, Default)]
pub(in crate::core) struct Lagging {
    behind: BTreeMap<ConnectionId, Behind>,
    /// How many entries those have in all.
    behind_count: usize,
    /// Up to which offset someone was told at once, in coming or in catching up: of a batch that had begun to gather
    /// before, they miss only the rest.
    sent_upto: BTreeMap<(ConnectionId, RoomId), u64>,
    /// Those who have read all that was queued, first come first.
    drained: VecDeque<ConnectionId>,
}

/// Where someone is behind.
#[derive(Debug, Default)]
struct Behind {
    rooms: BTreeMap<RoomId, Missed>,
    /// Waits among the drained to be told.
    is_drained: bool,
}

/// What someone has missed in a room.
#[derive(Clone, Copy, Debug)]
struct Missed {
    /// The offset of the first message.
    from: u64,
    /// The store is asked for what came before, and they are told all of it when it answers.
    waits_for_store: bool,
}

impl Lagging {
    /// Whether someone misses what is said in a room for now.
    pub(in crate::core) fn is_behind(&self, id: ConnectionId, room: RoomId) -> bool {
        !self.behind.is_empty()
            && self
                .behind
                .get(&id)
                .is_some_and(|behind| behind.rooms.contains_key(&room))
    }

    /// The offset of the first message that someone has missed in a room and was not told of.
    pub(in crate::core) fn missed_from(&self, id: ConnectionId, room: RoomId) -> Option<u64> {
        Some(self.behind.get(&id)?.rooms.get(&room)?.from)
    }

    /// Someone in a room that conflates has been told all up to this offset, whatever they missed before.
    pub(in crate::core) fn on_sent_upto(&mut self, id: ConnectionId, room: RoomId, offset: u64) {
        self.forget(id, room);
        self.sent_upto.insert((id, room), offset);
    }

    /// Someone misses a batch whose first message has this offset.
    pub(in crate::core) fn fall_behind(&mut self, id: ConnectionId, room: RoomId, offset: u64) {
        let sent_upto = self
            .sent_upto
            .get(&(id, room))
            .map_or(0, |offset| offset + 1);
        let offset = offset.max(sent_upto);
        let missed = Missed {
            from: offset,
            waits_for_store: false,
        };
        self.miss(id, room, missed);
    }

    /// Someone has come back to a room, and is told nothing before the store has found what they had missed until then.
    pub(in crate::core) fn wait_for_store(&mut self, id: ConnectionId, room: RoomId, from: u64) {
        self.forget(id, room);
        let missed = Missed {
            from,
            waits_for_store: true,
        };
        self.miss(id, room, missed);
    }

    fn miss(&mut self, id: ConnectionId, room: RoomId, missed: Missed) {
        let behind = self.behind.entry(id).or_default();
        let before = behind.rooms.len();
        behind.rooms.entry(room).or_insert(missed);
        behind.is_drained = false;
        self.behind_count += behind.rooms.len() - before;
    }

    /// A queue is empty again.
    pub(in crate::core) fn on_drained(&mut self, id: ConnectionId) {
        if !self.behind.is_empty()
            && let Some(behind) = self.behind.get_mut(&id)
            && !std::mem::replace(&mut behind.is_drained, true)
        {
            self.drained.push_back(id);
        }
    }

    /// Someone has left a room.
    pub(in crate::core) fn forget(&mut self, id: ConnectionId, room: RoomId) {
        self.sent_upto.remove(&(id, room));
        if let Some(behind) = self.behind.get_mut(&id) {
            self.behind_count -= usize::from(behind.rooms.remove(&room).is_some());
            if behind.rooms.is_empty() {
                self.behind.remove(&id);
            }
        }
    }

    /// Someone who can be told what they have missed in a room, and since which offset.
    pub(in crate::core) fn take_drained(&mut self) -> Option<(ConnectionId, RoomId, u64)> {
        while let Some(&id) = self.drained.front() {
            // Who has fallen behind again meanwhile is told when their queue is empty again.
            if let Some(behind) = self.behind.get_mut(&id).filter(|it| it.is_drained)
                && let Some((&room, &Missed { from, .. })) =
                    behind.rooms.iter().find(|(_, it)| !it.waits_for_store)
            {
                behind.rooms.remove(&room);
                self.behind_count -= 1;
                if behind.rooms.is_empty() {
                    self.behind.remove(&id);
                }
                return Some((id, room, from));
            }
            self.drained.pop_front();
        }
        None
    }

    /// Whether there is someone to be told.
    pub(in crate::core) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// In how many rooms someone is behind, each counted by itself.
    pub(in crate::core) fn count(&self) -> usize {
        self.behind_count
    }

    /// Everyone who is behind, for the check.
    pub(in crate::core) fn all(&self) -> impl Iterator<Item = (ConnectionId, RoomId)> {
        self.behind
            .iter()
            .flat_map(|(id, behind)| behind.rooms.keys().map(|room| (*id, *room)))
    }

    /// Whether someone is told when the store has answered.
    pub(in crate::core) fn waits_for_store(&self, id: ConnectionId, room: RoomId) -> bool {
        let behind = self.behind.get(&id);
        behind.is_some_and(|it| it.rooms.get(&room).is_some_and(|it| it.waits_for_store))
    }
}
