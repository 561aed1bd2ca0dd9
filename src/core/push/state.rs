//! Push as it is told to the server that takes over, and as a store has kept it over a restart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Push;
use super::counts::Counts;
use super::line::Line;
use super::subscription::Subscription;
use super::told::{AlarmKey, Told};
use crate::core::chat::RoomName;
use crate::core::store::KeptPush;

/// Subscriptions, what waits for them, and who was told of which alarm.
#[derive(Debug, Serialize)]
pub(in crate::core) struct PushState<'a> {
    subscriptions: &'a BTreeMap<u64, Subscription>,
    last: u64,
    told: Vec<(&'a AlarmKey, &'a Told)>,
    lines: &'a BTreeMap<u64, Line>,
    last_call: u64,
    pauses: Vec<(&'a str, u64)>,
    counts: Counts,
}

/// The same as it is read.
#[derive(Debug, Default, Deserialize)]
pub(in crate::core) struct ToldPush {
    subscriptions: BTreeMap<u64, Subscription>,
    last: u64,
    told: Vec<(AlarmKey, Told)>,
    lines: BTreeMap<u64, Line>,
    last_call: u64,
    #[serde(default)]
    pauses: Vec<(String, u64)>,
    counts: Counts,
}

impl Push {
    /// All that is known. To be called when nobody is to be looked for.
    pub(in crate::core) fn state(&self) -> PushState<'_> {
        PushState {
            subscriptions: self.subscriptions.all(),
            last: self.subscriptions.last(),
            told: self.told.all().collect(),
            lines: self.calls.lines(),
            last_call: self.calls.last(),
            pauses: self.calls.pauses(),
            counts: self.counts,
        }
    }

    /// Begins with what another server has known.
    pub(in crate::core) fn take_over(&mut self, state: ToldPush) {
        self.subscriptions.count_from(state.last);
        for (number, mut one) in state.subscriptions {
            one.begin();
            self.subscriptions.restore(number, one);
        }
        for (alarm, told) in state.told {
            self.told.insert(alarm, told);
        }
        self.calls.take_over(state.lines, state.last_call);
        self.calls.take_over_pauses(state.pauses);
        self.counts = state.counts;
    }

    /// Begins with what a store has kept. What cannot be read is left out.
    pub(in crate::core) fn restore(&mut self, kept: KeptPush) {
        for (number, text) in kept.subscriptions {
            match serde_json::from_str::<Subscription>(&text) {
                Ok(mut one) => {
                    one.begin();
                    self.subscriptions.restore(number, one);
                }
                Err(error) => log::error!("a push subscription on disk is left out: {error}"),
            }
        }
        for (room, key, text) in kept.told {
            let told = serde_json::from_str::<Told>(&text);
            match (RoomName::parse(&room), told) {
                (Some(room), Ok(mut told)) => {
                    // What waited is gone: said again, it is told again.
                    told.shown.epoch = None;
                    let last = told.subscriptions.last().copied();
                    self.subscriptions.count_from(last.unwrap_or(0));
                    self.told.insert((room, key), told);
                }
                _ => log::error!("on disk it cannot be read who was told of an alarm by push"),
            }
        }
    }
}
