//! What all nodes know of who was told of alarms. Each node tells the others what it knows, and takes from them what it does
//! not: in whatever order that comes, all know the same in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::notice::AlarmState;
use super::told::{AlarmKey, Shown};
use crate::limits::{MAX_PUSH_TOLD, MAX_PUSH_TOLD_ALARMS};

/// Who was told of an alarm, by all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Everywhere {
    /// That of the room. Offsets of another say nothing.
    epoch: u64,
    /// That of the newest message of it which a node has told.
    offset: u64,
    /// What that has said.
    shown: Shown,
    /// What was told before this offset was of an alarm that is over.
    since: u64,
    /// The offset of what each subscription has got last.
    told: BTreeMap<u64, u64>,
    /// Those that were told by an escalation.
    escalated: BTreeSet<u64>,
}

impl Everywhere {
    /// One that nobody was told of yet.
    pub(super) fn new(epoch: u64, offset: u64, shown: Shown) -> Self {
        let mut this = Self {
            epoch,
            offset: 0,
            shown: shown.clone(),
            since: 0,
            told: BTreeMap::new(),
            escalated: BTreeSet::new(),
        };
        this.advance(epoch, offset, shown);
        this
    }

    /// A later message says this of it.
    pub(super) fn advance(&mut self, epoch: u64, offset: u64, shown: Shown) {
        if epoch != self.epoch {
            (self.epoch, self.offset, self.since) = (epoch, 0, 0);
            self.told.values_mut().for_each(|told| *told = 0);
        }
        if offset >= self.offset {
            (self.offset, self.shown) = (offset, shown);
        }
        self.tidy();
    }

    /// A subscription has got what an offset says.
    pub(super) fn tell(
        &mut self,
        subscription: u64,
        (epoch, offset): (u64, u64),
        is_escalated: bool,
    ) {
        if epoch == self.epoch {
            let told = self.told.entry(subscription).or_default();
            *told = offset.max(*told);
            if is_escalated {
                self.escalated.insert(subscription);
            }
        }
        self.tidy();
    }

    /// Takes what another node knows. Of two epochs that is later which was said later.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.epoch != other.epoch {
            self.advance(other.epoch, other.offset, other.shown.clone());
        }
        if other.offset > self.offset {
            (self.offset, self.shown) = (other.offset, other.shown.clone());
        }
        self.since = self.since.max(other.since);
        for (subscription, offset) in &other.told {
            let told = self.told.entry(*subscription).or_default();
            *told = (*offset).max(*told);
        }
        self.escalated.extend(&other.escalated);
        self.tidy();
    }

    /// Forgets those who were told of what is over, once it is another alarm.
    fn tidy(&mut self) {
        if self.is_over() {
            self.since = self.since.max(self.offset + 1);
        } else {
            let since = self.since;
            self.told.retain(|_, told| *told >= since);
        }
        let told = &self.told;
        self.escalated.retain(|it| told.contains_key(it));
    }

    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    pub(super) fn is_over(&self) -> bool {
        self.shown.state == AlarmState::Cleared
    }

    pub(super) fn is_open(&self) -> bool {
        self.shown.state.is_open()
    }

    /// Whether this is its newest message.
    pub(super) fn is_at(&self, (epoch, offset): (u64, u64)) -> bool {
        (self.epoch, self.offset) == (epoch, offset)
    }

    /// Whether this is newer than all that it knows, or of another epoch.
    pub(super) fn is_before(&self, (epoch, offset): (u64, u64)) -> bool {
        self.epoch != epoch || self.offset < offset
    }

    /// Whether it has a newer message than this.
    pub(super) fn is_after(&self, (epoch, offset): (u64, u64)) -> bool {
        self.epoch == epoch && self.offset > offset
    }

    /// Whether a subscription has got this, or something newer.
    pub(super) fn has_got(&self, subscription: u64, (epoch, offset): (u64, u64)) -> bool {
        let told = self.told.get(&subscription);
        self.epoch == epoch && told.is_some_and(|told| *told >= offset)
    }

    /// Those who were told of it.
    pub(super) fn told(&self) -> BTreeSet<u64> {
        self.told.keys().copied().collect()
    }

    pub(super) fn escalated(&self) -> &BTreeSet<u64> {
        &self.escalated
    }

    /// Whether somebody was told of it, and not what has become of it.
    pub(super) fn is_late(&self) -> bool {
        !self.is_open() && self.told.values().any(|told| *told < self.offset)
    }
}

/// All alarms of which a node knows that.
#[derive(Debug, Default)]
pub(super) struct AllEverywhere {
    alarms: BTreeMap<AlarmKey, (u64, Everywhere)>,
    /// In the order in which they changed.
    order: BTreeMap<u64, AlarmKey>,
    serial: u64,
    /// Pairs of an alarm and a subscription.
    count: usize,
}

impl AllEverywhere {
    pub(super) fn get(&self, alarm: &AlarmKey) -> Option<&Everywhere> {
        self.alarms.get(alarm).map(|(_, it)| it)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &AlarmKey> {
        self.alarms.keys()
    }

    /// Puts one there, and forgets those that have not changed for longest if there are too many.
    pub(super) fn put(&mut self, alarm: AlarmKey, it: Everywhere) {
        self.remove(&alarm);
        self.serial += 1;
        self.count += it.told.len();
        self.order.insert(self.serial, alarm.clone());
        self.alarms.insert(alarm, (self.serial, it));
        while (self.count > MAX_PUSH_TOLD || self.alarms.len() > MAX_PUSH_TOLD_ALARMS)
            && self.alarms.len() > 1
            && let Some(oldest) = self.order.values().next().cloned()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, alarm: &AlarmKey) {
        if let Some((serial, it)) = self.alarms.remove(alarm) {
            self.order.remove(&serial);
            self.count -= it.told.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::push::Severity;

    fn shown(state: AlarmState) -> Shown {
        Shown {
            state,
            severity: Severity::Warning,
            text: None,
            epoch: Some(1),
        }
    }

    fn at(offset: u64, state: AlarmState) -> Everywhere {
        Everywhere::new(1, offset, shown(state))
    }

    fn merged(one: &Everywhere, other: &Everywhere) -> Everywhere {
        let mut one = one.clone();
        one.merge(other);
        one
    }

    #[test]
    fn nodes_know_the_same_in_whatever_order_they_hear() {
        let mut raised = at(5, AlarmState::Raised);
        raised.tell(1, (1, 5), false);
        let mut late = raised.clone();
        late.tell(2, (1, 5), true);
        let mut seen = at(7, AlarmState::Acknowledged);
        seen.tell(1, (1, 7), false);
        let cleared = at(8, AlarmState::Cleared);
        let mut again = at(9, AlarmState::Raised);
        again.tell(3, (1, 9), false);
        let all = [&raised, &late, &seen, &cleared, &again];
        let forward = all.iter().fold(raised.clone(), |sum, it| merged(&sum, it));
        let back = all
            .iter()
            .rev()
            .fold(again.clone(), |sum, it| merged(&sum, it));
        assert_eq!(forward, back);
        assert_eq!(
            forward.told(),
            [3].into(),
            "the others were told of what is over"
        );
        assert!(forward.is_open() && !forward.is_late());
    }

    #[test]
    fn who_was_told_late_has_not_got_what_has_become_of_it() {
        let mut seen = at(7, AlarmState::Acknowledged);
        seen.tell(1, (1, 7), false);
        assert!(!seen.is_late());
        let mut late = at(5, AlarmState::Raised);
        late.tell(2, (1, 5), true);
        seen.merge(&late);
        assert!(seen.is_late() && seen.has_got(1, (1, 7)) && !seen.has_got(2, (1, 7)));
        assert!(seen.is_at((1, 7)) && seen.is_after((1, 5)));
        assert_eq!(*seen.escalated(), [2].into());
        let cleared = merged(&seen, &at(8, AlarmState::Cleared));
        assert!(cleared.is_late() && cleared.is_over());
    }

    #[test]
    fn in_a_room_that_began_anew_offsets_are_others() {
        let mut raised = at(50, AlarmState::Raised);
        raised.tell(1, (1, 50), false);
        raised.advance(2, 3, shown(AlarmState::Acknowledged));
        assert!(raised.is_at((2, 3)) && raised.is_late());
        assert!(!raised.is_after((1, 2)), "it is not comparable");
    }

    #[test]
    fn so_many_alarms_are_known() {
        let mut all = AllEverywhere::default();
        let room = crate::core::chat::RoomName::parse("plant").unwrap();
        for n in 0..=MAX_PUSH_TOLD_ALARMS as u64 {
            let key = (room.clone(), n.to_string().into());
            all.put(key, at(n, AlarmState::Raised));
        }
        assert_eq!(all.keys().count(), MAX_PUSH_TOLD_ALARMS);
        assert!(all.get(&(room, "0".into())).is_none());
    }
}
