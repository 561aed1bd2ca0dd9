//! Slow readers in rooms that conflate. They skip messages until their queue is empty, and then get the latest of each
//! key.

mod state;

use std::collections::{BTreeMap, VecDeque};

use crate::core::chat::RoomId;
use crate::core::id::ConnectionId;

/// In place of the offset of a message that was missed: the room has another epoch, and all of it is new.
pub(in crate::core) const ANEW: u64 = 0;

/// The members that are behind, and in which rooms.
#[derive(Debug, Default)]
pub(in crate::core) struct Lagging {
    behind: BTreeMap<ConnectionId, Behind>,
    /// The number of entries in all.
    behind_count: usize,
    /// The offset up to which a member was sent a snapshot, on joining or catching up. Of a batch that had begun to
    /// gather before, it skips only the rest.
    sent_upto: BTreeMap<(ConnectionId, RoomId), u64>,
    /// Members whose queue is empty again, first come first.
    drained: VecDeque<ConnectionId>,
}

/// Where one connection is behind.
#[derive(Debug, Default)]
struct Behind {
    rooms: BTreeMap<RoomId, Missed>,
    /// Waits among the drained to be told.
    is_drained: bool,
}

/// What someone has missed in a room.
#[derive(Clone, Copy, Debug)]
struct Missed {
    /// The offset of the first message, or [`ANEW`].
    from: u64,
    /// The store is asked for what came before, and they are told all of it when it answers.
    waits_for_store: bool,
}

impl Lagging {
    /// Whether a member skips what is published in a room now.
    pub(in crate::core) fn is_behind(&self, id: ConnectionId, room: RoomId) -> bool {
        !self.behind.is_empty()
            && self
                .behind
                .get(&id)
                .is_some_and(|behind| behind.rooms.contains_key(&room))
    }

    /// The offset of the first message in a room that a member has skipped.
    pub(in crate::core) fn missed_from(&self, id: ConnectionId, room: RoomId) -> Option<u64> {
        Some(self.behind.get(&id)?.rooms.get(&room)?.from)
    }

    /// A member of a room that conflates has been sent everything up to this offset, whatever it skipped before.
    pub(in crate::core) fn on_sent_upto(&mut self, id: ConnectionId, room: RoomId, offset: u64) {
        self.forget(id, room);
        self.sent_upto.insert((id, room), offset);
    }

    /// A member skips a batch whose first message has this offset.
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

    /// A member is told anew where a room is, and what is there, once it has read what is queued for it.
    pub(in crate::core) fn begin_anew(&mut self, id: ConnectionId, room: RoomId) {
        self.forget(id, room);
        let missed = Missed {
            from: ANEW,
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
        // Nothing is queued for who waits for the store: where else they are behind, they can be told.
        behind.is_drained &= missed.waits_for_store;
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

    /// A member has left a room.
    pub(in crate::core) fn forget(&mut self, id: ConnectionId, room: RoomId) {
        self.sent_upto.remove(&(id, room));
        if let Some(behind) = self.behind.get_mut(&id) {
            self.behind_count -= usize::from(behind.rooms.remove(&room).is_some());
            if behind.rooms.is_empty() {
                self.behind.remove(&id);
            }
        }
    }

    /// The next member whose queue is empty, a room in which it is behind, and the first offset that it skipped.
    pub(in crate::core) fn take_drained(&mut self) -> Option<(ConnectionId, RoomId, u64)> {
        while let Some(&id) = self.drained.front() {
            // A member that has fallen behind again waits until its queue is empty again.
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

    /// Whether a member can catch up.
    pub(in crate::core) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// The number of members that are behind, counted once for each room.
    pub(in crate::core) fn count(&self) -> usize {
        self.behind_count
    }

    /// All that are behind, for the check.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_the_store_in_one_room_is_told_of_another() {
        let mut lagging = Lagging::default();
        let (id, one) = (ConnectionId::new(0, 1), RoomId::default());
        let mut other = one;
        other.index = 1;
        lagging.begin_anew(id, one);
        lagging.on_drained(id);
        lagging.wait_for_store(id, other, 5);
        assert_eq!(lagging.take_drained(), Some((id, one, ANEW)));
        assert_eq!(lagging.take_drained(), None);
        assert!(lagging.waits_for_store(id, other));
    }
}
