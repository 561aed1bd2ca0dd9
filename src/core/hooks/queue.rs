//! The deliveries that wait for one webhook, by rooms: each room's leave in their order, and rooms in turn.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::{Delivery, Lane, Place};
use crate::core::chat::RoomName;
use crate::limits::{MAX_HOOK_QUEUE, MAX_HOOK_QUEUE_BYTES};

/// What a delivery weighs beside its bytes, so that the bounds of their count and of their bytes are one weight each.
const EACH: usize = MAX_HOOK_QUEUE_BYTES / MAX_HOOK_QUEUE;

#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: BTreeMap<Place, Lane>,
    /// Those whose first delivery may leave, and from when on.
    armed: BTreeSet<(u64, Place)>,
    /// Those that have lost events, and have nothing queued that could say so.
    untold: BTreeSet<RoomName>,
    /// Rooms by what they have queued, the lightest first.
    heavy: BTreeSet<(usize, RoomName)>,
    /// The one whose first delivery is on its way.
    leaving: Option<Place>,
    count: usize,
    bytes: usize,
}

/// What was dropped: its ids and the rooms that have lost events, for the store, and how many events that were not dropped before.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) ids: Vec<Box<str>>,
    pub(super) rooms: BTreeSet<RoomName>,
    pub(super) events: u64,
}

impl Queue {
    pub(super) fn from_lanes(lanes: BTreeMap<Place, Lane>, now_ms: u64) -> Self {
        let mut this = Self {
            lanes,
            ..Self::default()
        };
        let places: Vec<Place> = this.lanes.keys().cloned().collect();
        for place in places {
            let queue = this.lanes.get(&place).map(|lane| &lane.queue);
            let queue: Vec<usize> = queue.into_iter().flatten().map(bytes_of).collect();
            let bytes: usize = queue.iter().sum();
            (this.count, this.bytes) = (this.count + queue.len(), this.bytes + bytes);
            this.weigh(&place, bytes + queue.len() * EACH);
            this.arm(&place, now_ms);
        }
        this
    }

    pub(super) fn lanes(&self) -> &BTreeMap<Place, Lane> {
        &self.lanes
    }

    /// That of a room, which begins its numbers in this stream if it is new.
    pub(super) fn lane(&mut self, place: Place, stream: u64) -> &mut Lane {
        self.lanes.entry(place).or_insert_with(|| Lane::new(stream))
    }

    pub(super) fn existing(&mut self, place: &Place) -> Option<&mut Lane> {
        self.lanes.get_mut(place)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A room of which events were lost and nothing is queued, if there is place to say so.
    pub(super) fn next_untold(&self) -> Option<&RoomName> {
        let has_place = self.count < MAX_HOOK_QUEUE && self.bytes < MAX_HOOK_QUEUE_BYTES;
        self.untold.first().filter(|_| has_place)
    }

    /// When the next delivery may leave.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.armed.first().map(|(due_ms, _)| *due_ms)
    }

    /// Adds a delivery to a lane. A room that has too much loses its oldest that are not on their way. If all rooms have too much
    /// together, the one that has the most loses its oldest. What is about no room says how all are: it takes the place of what
    /// has not left.
    pub(super) fn push(&mut self, place: &Place, delivery: Delivery, now_ms: u64) -> Dropped {
        let mut dropped = Dropped::default();
        let Some(lane) = self.lanes.get_mut(place) else {
            return dropped;
        };
        let weight = lane.weight + weight_of(&delivery);
        (self.count, self.bytes) = (self.count + 1, self.bytes + bytes_of(&delivery));
        lane.queue.push_back(delivery);
        self.weigh(place, weight);
        match place {
            Some(room) => while self.has_too_much(room) && self.lose(room, now_ms, &mut dropped) {},
            None => self.replace(&mut dropped),
        }
        while (self.count > MAX_HOOK_QUEUE || self.bytes > MAX_HOOK_QUEUE_BYTES)
            && let Some(room) = self.heaviest()
            && self.lose(&room, now_ms, &mut dropped)
        {}
        self.arm(place, now_ms);
        dropped
    }

    /// Whether a room has more than half of what may wait.
    fn has_too_much(&self, room: &RoomName) -> bool {
        let lane = self.lanes.get(&Some(room.clone()));
        lane.is_some_and(|lane| {
            let count = lane.queue.len();
            count > MAX_HOOK_QUEUE / 2 || lane.weight - count * EACH > MAX_HOOK_QUEUE_BYTES / 2
        })
    }

    /// The room that has the most, and something that is not on its way.
    fn heaviest(&self) -> Option<RoomName> {
        let rooms = self.heavy.iter().rev().map(|(_, room)| room);
        let is_leaving = |room: &RoomName| self.leaving.as_ref() == Some(&Some(room.clone()));
        let mut rooms = rooms.filter(|room| {
            let lane = self.lanes.get(&Some((*room).clone()));
            lane.is_some_and(|lane| lane.queue.len() > usize::from(is_leaving(room)))
        });
        rooms.next().cloned()
    }

    /// Drops the oldest delivery of a room that is not on its way. Says whether there was one.
    fn lose(&mut self, room: &RoomName, now_ms: u64, dropped: &mut Dropped) -> bool {
        let place = Some(room.clone());
        let first = usize::from(self.leaving.as_ref() == Some(&place));
        let Some(oldest) = self.remove(&place, first) else {
            return false;
        };
        if let Some(lane) = self.lanes.get_mut(&place) {
            lane.lose(oldest.events);
        }
        dropped.events += oldest.dropped();
        dropped.ids.push(oldest.id);
        dropped.rooms.insert(room.clone());
        self.arm(&place, now_ms);
        true
    }

    /// Of what is about no room, the newest stays, and what is on its way.
    fn replace(&mut self, dropped: &mut Dropped) {
        let first = usize::from(self.leaving == Some(None));
        while self
            .lanes
            .get(&None)
            .is_some_and(|it| it.queue.len() > first + 1)
            && let Some(older) = self.remove(&None, first)
        {
            dropped.ids.push(older.id);
        }
    }

    /// Takes a delivery out of a lane.
    fn remove(&mut self, place: &Place, index: usize) -> Option<Delivery> {
        let lane = self.lanes.get_mut(place)?;
        let delivery = lane.queue.remove(index)?;
        let weight = lane.weight - weight_of(&delivery);
        (self.count, self.bytes) = (self.count - 1, self.bytes - bytes_of(&delivery));
        self.weigh(place, weight);
        Some(delivery)
    }

    /// What a lane has queued weighs so much now.
    fn weigh(&mut self, place: &Place, weight: usize) {
        let lane = self.lanes.get_mut(place);
        let before = lane.map_or(0, |lane| std::mem::replace(&mut lane.weight, weight));
        if let Some(room) = place {
            self.heavy.remove(&(before, room.clone()));
            if weight > 0 {
                self.heavy.insert((weight, room.clone()));
            }
        }
    }

    /// The first delivery of the lane whose turn it is. It stays first until [`finish`](Self::finish).
    pub(super) fn begin(&mut self, now_ms: u64) -> Option<&Delivery> {
        let (due_ms, _) = self.armed.first()?;
        if self.leaving.is_some() || *due_ms > now_ms {
            return None;
        }
        let (_, place) = self.armed.pop_first()?;
        let lane = self.lanes.get_mut(&place)?;
        lane.armed_ms = None;
        self.leaving = Some(place);
        lane.queue.front()
    }

    /// The delivery that was on its way has arrived. Gives its lane, and its id.
    pub(super) fn finish(&mut self, now_ms: u64) -> Option<(Place, Box<str>)> {
        let place = self.leaving.take()?;
        let delivery = self.remove(&place, 0)?;
        let lane = self.lanes.get_mut(&place)?;
        (lane.attempts, lane.due_ms) = (0, now_ms);
        self.arm(&place, now_ms);
        Some((place, delivery.id))
    }

    /// It has not: it is tried again after the time that is given for its number of attempts. What was made of its room before
    /// `expired_ms`, in milliseconds since 1970, is dropped.
    pub(super) fn fail(
        &mut self,
        wait_ms: impl FnOnce(u32) -> u64,
        expired_ms: u64,
        now_ms: u64,
    ) -> Option<(Place, Dropped)> {
        let place = self.leaving.take()?;
        let lane = self.lanes.get_mut(&place)?;
        lane.attempts = lane.attempts.saturating_add(1);
        lane.due_ms = now_ms + wait_ms(lane.attempts);
        let mut dropped = Dropped::default();
        let is_expired = |lane: &Lane| lane.queue.front().is_some_and(|it| it.at_ms < expired_ms);
        while let Some(room) = &place
            && self.lanes.get(&place).is_some_and(is_expired)
            && self.lose(room, now_ms, &mut dropped)
        {}
        if !dropped.ids.is_empty()
            && let Some(lane) = self.lanes.get_mut(&place)
        {
            lane.attempts = 0;
        }
        self.arm(&place, now_ms);
        Some((place, dropped))
    }

    /// All are dropped. Says how many events they told of, or would have.
    pub(super) fn clear(&mut self) -> u64 {
        let deliveries = self.lanes.values().flat_map(|lane| &lane.queue);
        let events = deliveries.map(|it| it.events).sum();
        *self = Self::default();
        events
    }

    /// The store has a delivery of a lane: it may leave.
    pub(super) fn on_kept(&mut self, place: &Place, id: &str, now_ms: u64) {
        let queue = self.lanes.get_mut(place).map(|lane| &mut lane.queue);
        // The last are those that it did not have.
        let found = queue.and_then(|queue| queue.iter_mut().rev().find(|it| *it.id == *id));
        if let Some(delivery) = found {
            delivery.is_sealing = false;
            self.arm(place, now_ms);
        }
    }

    /// No store has to have anything.
    pub(super) fn stop_keeping(&mut self, now_ms: u64) {
        let places: Vec<Place> = self.lanes.keys().cloned().collect();
        for place in places {
            let queue = self.lanes.get_mut(&place).map(|lane| &mut lane.queue);
            for delivery in queue.into_iter().flatten() {
                delivery.is_sealing = false;
            }
            self.arm(&place, now_ms);
        }
    }

    /// Whether nothing waits for the store.
    pub(super) fn is_kept(&self) -> bool {
        let mut deliveries = self.lanes.values().flat_map(|lane| &lane.queue);
        deliveries.all(|it| !it.is_sealing)
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&RoomName) -> bool) {
        self.lanes
            .retain(|place, lane| !lane.is_idle() || place.as_ref().is_none_or(&is_there));
    }

    /// Puts a lane in the order of those that have something to send, if it has, and takes it out if not.
    fn arm(&mut self, place: &Place, now_ms: u64) {
        let is_leaving = self.leaving.as_ref() == Some(place);
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        if let Some(room) = place {
            match lane.queue.is_empty() && lane.lost() > 0 {
                true => self.untold.insert(room.clone()),
                false => self.untold.remove(room),
            };
        }
        let may_leave = lane.queue.front().is_some_and(|it| !it.is_sealing) && !is_leaving;
        let before = lane.armed_ms;
        lane.armed_ms = match before {
            _ if !may_leave => None,
            // It has waited for its turn since then.
            Some(armed_ms) if armed_ms >= lane.due_ms => Some(armed_ms),
            _ => Some(lane.due_ms.max(now_ms)),
        };
        if lane.armed_ms != before {
            if let Some(armed_ms) = before {
                self.armed.remove(&(armed_ms, place.clone()));
            }
            if let Some(armed_ms) = lane.armed_ms {
                self.armed.insert((armed_ms, place.clone()));
            }
        }
    }
}

fn weight_of(delivery: &Delivery) -> usize {
    bytes_of(delivery) + EACH
}

/// Bytes of memory that a delivery takes, about.
fn bytes_of(delivery: &Delivery) -> usize {
    size_of::<Delivery>() + delivery.id.len() + delivery.body.len()
}
