//! Slow readers in rooms that conflate: they miss messages until their queue is empty, and are then told what counts.

use std::collections::BTreeMap;

use super::chat::RoomId;
use super::connection::ConnectionId;

/// Who is behind, and where.
#[derive(Debug, Default)]
pub(super) struct Lagging {
    /// For each room the offset of the first message that was missed.
    behind: BTreeMap<ConnectionId, BTreeMap<RoomId, u64>>,
    /// Up to which offset someone was told at once, in coming or in catching up: of a batch that had begun to gather
    /// before, they miss only the rest.
    told: BTreeMap<(ConnectionId, RoomId), u64>,
    /// Those who have read all that was queued.
    drained: Vec<ConnectionId>,
}

impl Lagging {
    /// Whether someone misses what is said in a room for now.
    pub(super) fn is_behind(&self, id: ConnectionId, room: RoomId) -> bool {
        !self.behind.is_empty()
            && self
                .behind
                .get(&id)
                .is_some_and(|rooms| rooms.contains_key(&room))
    }

    /// Someone in a room that conflates has been told all up to this offset, whatever they missed before.
    pub(super) fn on_told(&mut self, id: ConnectionId, room: RoomId, offset: u64) {
        self.forget(id, room);
        self.told.insert((id, room), offset);
    }

    /// Someone misses a batch whose first message has this offset.
    pub(super) fn fall_behind(&mut self, id: ConnectionId, room: RoomId, offset: u64) {
        let told = self.told.get(&(id, room)).map_or(0, |told| told + 1);
        let offset = offset.max(told);
        let rooms = self.behind.entry(id).or_default();
        rooms.entry(room).or_insert(offset);
    }

    /// A queue is empty again.
    pub(super) fn on_drained(&mut self, id: ConnectionId) {
        if !self.behind.is_empty() && self.behind.contains_key(&id) {
            self.drained.push(id);
        }
    }

    /// Someone has left a room.
    pub(super) fn forget(&mut self, id: ConnectionId, room: RoomId) {
        self.told.remove(&(id, room));
        if let Some(rooms) = self.behind.get_mut(&id) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.behind.remove(&id);
            }
        }
    }

    /// Someone who can be told what they have missed, and in which rooms since when.
    pub(super) fn take_drained(&mut self) -> Option<(ConnectionId, BTreeMap<RoomId, u64>)> {
        while let Some(id) = self.drained.pop() {
            if let Some(rooms) = self.behind.remove(&id) {
                return Some((id, rooms));
            }
        }
        None
    }

    /// Whether there is someone to be told.
    pub(super) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// Everyone who is behind, for the check.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConnectionId, RoomId)> {
        self.behind
            .iter()
            .flat_map(|(id, rooms)| rooms.keys().map(|room| (*id, *room)))
    }
}
