//! Alarms whose subscribers are still to be looked for: rooms take turns, and the one that has most loses first.

use std::collections::{BTreeMap, VecDeque};

use super::told::AlarmKey;
use super::walk::AlarmWalk;
use crate::core::chat::RoomName;
use crate::limits::MAX_PUSH_WALKS;

/// Alarms that wait, in the order in which they changed.
#[derive(Debug, Default)]
pub(super) struct AlarmWalks {
    waiting: VecDeque<AlarmWalk>,
    /// The room whose turn was last.
    last_room: Option<RoomName>,
}

impl AlarmWalks {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The last that waits of an alarm.
    pub(super) fn last_of(&self, alarm: &AlarmKey) -> Option<&AlarmWalk> {
        self.waiting.iter().rev().find(|walk| walk.alarm == *alarm)
    }

    /// An alarm has changed: what was to be told of it before is not. `is_open`: an escalation still is.
    pub(super) fn forget(&mut self, alarm: &AlarmKey, is_open: bool) {
        self.waiting
            .retain(|walk| walk.alarm != *alarm || (is_open && walk.named.is_some()));
    }

    /// Adds one. Gives how many are dropped for it: of the room that has most, the oldest.
    pub(super) fn push(&mut self, walk: AlarmWalk) -> u64 {
        self.waiting.push_back(walk);
        if self.waiting.len() <= MAX_PUSH_WALKS {
            return 0;
        }
        let mut counts: BTreeMap<&RoomName, usize> = BTreeMap::new();
        for walk in &self.waiting {
            *counts.entry(&walk.alarm.0).or_default() += 1;
        }
        let fullest = counts.into_iter().max_by_key(|(_, count)| *count);
        let fullest = fullest.map(|(room, _)| room.clone());
        fullest.map_or(0, |room| u64::from(self.take(&room).is_some()))
    }

    /// The next, of the room whose turn it is.
    pub(super) fn next(&mut self) -> Option<AlarmWalk> {
        let rooms = || self.waiting.iter().map(|walk| &walk.alarm.0);
        let later = rooms().filter(|room| self.last_room.as_ref().is_none_or(|last| *room > last));
        let room = later.min().or_else(|| rooms().min())?.clone();
        let walk = self.take(&room);
        self.last_room = Some(room);
        walk
    }

    fn take(&mut self, room: &RoomName) -> Option<AlarmWalk> {
        let mut waiting = self.waiting.iter();
        let place = waiting.position(|walk| walk.alarm.0 == *room)?;
        self.waiting.remove(place)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
