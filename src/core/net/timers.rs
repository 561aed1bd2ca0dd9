//! Deadlines at a cost that does not grow with their number: a wheel of slots (Varghese and Lauck, 1987).
//!
//! A connection has one deadline, which mostly moves to a later time. Then its entry stays where it is, and is moved
//! when its old time comes. So input from a peer costs the timers nothing.

use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;

/// Width of a slot in milliseconds: a deadline fires at most this much late.
const SLOT_MS: u64 = 64;
/// Slots of the wheel, which goes round in 65 s; a later deadline comes by more than once.
const SLOTS: u64 = 1024;

/// When an entry fires, counted in slots since the clock's origin, of which there are enough for eight years. Names the
/// entry among a connection's stale ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct Slot(u32);

impl Default for Slot {
    fn default() -> Self {
        Self::NEVER
    }
}

impl Slot {
    /// Later than any entry: the connection has none.
    pub(in crate::core) const NEVER: Self = Self(u32::MAX);

    /// The slot in which a deadline fires: the first that begins at or after it.
    pub(in crate::core) fn of_deadline(ms: u64) -> Self {
        Self::nth(ms.div_ceil(SLOT_MS))
    }

    fn nth(number: u64) -> Self {
        u32::try_from(number).map_or(Self::NEVER, Self)
    }
}

#[derive(Debug)]
pub(in crate::core) struct Timers {
    wheel: Vec<Vec<ConnectionId>>,
    /// The slot that is being emptied.
    current: u64,
    entries: usize,
}

impl Timers {
    pub(in crate::core) fn new(now_ms: u64) -> Self {
        let wheel = (0..SLOTS).map(|_| Vec::new()).collect();
        Self {
            wheel,
            current: now_ms / SLOT_MS,
            entries: 0,
        }
    }

    /// Timers to which a deadline at this time can be added, although it may have passed.
    pub(in crate::core) fn before(ms: u64) -> Self {
        Self::new(ms.saturating_sub(SLOT_MS))
    }

    /// Adds an entry for `slot`, or as late as the wheel reaches, and returns the slot that it went to.
    pub(in crate::core) fn add(&mut self, id: ConnectionId, slot: Slot) -> Slot {
        let slot = u64::from(slot.0).clamp(self.current + 1, self.current + SLOTS - 1);
        self.wheel[(slot % SLOTS) as usize].push(id);
        self.entries += 1;
        Slot::nth(slot)
    }

    /// Takes out an entry that is due, and its slot; `None` when there is no more.
    pub(in crate::core) fn take_due(&mut self, now_ms: u64) -> Option<(Slot, ConnectionId)> {
        let now = now_ms / SLOT_MS;
        loop {
            let due = &mut self.wheel[(self.current % SLOTS) as usize];
            if let Some(id) = due.pop() {
                self.entries -= 1;
                return Some((Slot::nth(self.current), id));
            }
            // A burst's memory returns.
            *due = Vec::new();
            if self.entries == 0 {
                self.current = self.current.max(now);
            }
            if self.current >= now {
                return None;
            }
            self.current += 1;
        }
    }

    /// When the next entry fires, in milliseconds on the clock of `Now::ms`.
    pub(in crate::core) fn next_ms(&self) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        let mut slots = self.current..self.current + SLOTS;
        slots
            .find(|slot| !self.wheel[(slot % SLOTS) as usize].is_empty())
            .map(|slot| slot * SLOT_MS)
    }

    /// Checks that the count of entries is right.
    pub(in crate::core) fn check(&self) -> Result<(), String> {
        let entries: usize = self.wheel.iter().map(Vec::len).sum();
        ensure(entries == self.entries, "timers are miscounted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> ConnectionId {
        ConnectionId::new(index as usize, 0)
    }

    #[test]
    fn an_entry_fires_at_its_deadline_and_not_before() {
        let mut timers = Timers::new(1_000);
        let slot = timers.add(id(1), Slot::of_deadline(3_000));
        let due = timers.next_ms().unwrap();
        assert!((3_000..3_000 + SLOT_MS).contains(&due));
        assert_eq!(timers.take_due(due - 1), None);
        assert_eq!(timers.take_due(due), Some((slot, id(1))));
        assert_eq!((timers.take_due(u64::MAX), timers.next_ms()), (None, None));
    }

    #[test]
    fn a_slot_may_be_emptied_in_several_goes() {
        let mut timers = Timers::new(0);
        let slot = timers.add(id(1), Slot::of_deadline(3_000));
        timers.add(id(2), slot);
        let due = timers.next_ms().unwrap();
        assert_eq!(timers.take_due(due), Some((slot, id(2))));
        assert_eq!(timers.next_ms(), Some(due));
        // What is added meanwhile comes later.
        timers.add(id(3), slot);
        assert_eq!(timers.take_due(due), Some((slot, id(1))));
        assert_eq!(timers.take_due(due), None);
        assert_eq!(timers.next_ms(), Some(due + SLOT_MS));
    }

    #[test]
    fn a_far_deadline_comes_by_early() {
        let mut timers = Timers::new(0);
        let slot = timers.add(id(1), Slot::of_deadline(10_000_000));
        assert!(slot < Slot::of_deadline(10_000_000));
        assert_eq!(timers.take_due(10_000_000), Some((slot, id(1))));
    }

    #[test]
    fn a_past_deadline_fires_in_the_next_slot() {
        let mut timers = Timers::new(10_000);
        timers.add(id(1), Slot::of_deadline(5));
        assert_eq!(timers.take_due(10_000), None);
        assert!(timers.take_due(10_000 + SLOT_MS).is_some());
    }
}
