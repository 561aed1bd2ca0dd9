//! Which subscriptions were told of which alarm: what becomes of it is told to them, and to nobody else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::notice::AlarmState;
use crate::codec::json::push::Severity;
use crate::core::chat::RoomName;
use crate::limits::MAX_PUSH_TOLD;

/// An alarm: its room and its key.
pub(super) type AlarmKey = (RoomName, Box<str>);

/// What people were shown of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) state: AlarmState,
    pub(super) severity: Severity,
    pub(super) text: Option<Box<str>>,
    /// That of its room: in a room that began anew it is another alarm. `None`: it is not known whether it has arrived.
    #[serde(default)]
    pub(super) epoch: Option<u64>,
}

/// Who was told of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) shown: Shown,
    /// The numbers of subscriptions.
    pub(super) subscriptions: BTreeSet<u64>,
    /// Those of them that were told by an escalation.
    #[serde(default)]
    pub(super) escalated: BTreeSet<u64>,
}

/// All alarms of which somebody was told, and that are not over.
#[derive(Debug, Default)]
pub(super) struct ToldAlarms {
    alarms: BTreeMap<AlarmKey, (u64, Told)>,
    /// In the order in which they were told.
    order: BTreeMap<u64, AlarmKey>,
    serial: u64,
    /// Pairs of an alarm and a subscription.
    count: usize,
}

impl ToldAlarms {
    pub(super) fn get(&self, alarm: &AlarmKey) -> Option<&Told> {
        self.alarms.get(alarm).map(|(_, told)| told)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&AlarmKey, &Told)> {
        let in_order = self.order.values();
        in_order.filter_map(|alarm| Some((alarm, self.get(alarm)?)))
    }

    pub(super) fn remove(&mut self, alarm: &AlarmKey) -> Option<Told> {
        let (serial, told) = self.alarms.remove(alarm)?;
        self.order.remove(&serial);
        self.count -= told.subscriptions.len();
        Some(told)
    }

    /// One subscription was not told of an alarm. Says whether it was the only one.
    pub(super) fn forget(&mut self, alarm: &AlarmKey, subscription: u64) -> bool {
        let Some((_, told)) = self.alarms.get_mut(alarm) else {
            return false;
        };
        if !told.subscriptions.remove(&subscription) {
            return false;
        }
        self.count -= 1;
        told.subscriptions.is_empty() && self.remove(alarm).is_some()
    }

    /// Keeps who was told. Gives the alarms that are forgotten for it.
    pub(super) fn insert(&mut self, alarm: AlarmKey, told: Told) -> Vec<AlarmKey> {
        self.remove(&alarm);
        self.serial += 1;
        self.count += told.subscriptions.len();
        self.order.insert(self.serial, alarm.clone());
        self.alarms.insert(alarm, (self.serial, told));
        let mut forgotten = Vec::new();
        while (self.count > MAX_PUSH_TOLD || self.alarms.len() > MAX_PUSH_TOLD / 10)
            && self.alarms.len() > 1
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some((_, told)) = self.alarms.remove(&oldest) {
                self.count -= told.subscriptions.len();
            }
            forgotten.push(oldest);
        }
        forgotten
    }
}
