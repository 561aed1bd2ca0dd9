//! The counters as they are told to the server that takes over: a counter never goes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Counters;
use crate::core::net::connection::Traffic;

/// All but the connections of now, by the names that metrics have for them.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::server) struct CountersState {
    started_ms: u64,
    traffic: Traffic,
    ended: BTreeMap<String, u64>,
    responses: BTreeMap<u16, u64>,
    tokens: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    datagrams: BTreeMap<String, u64>,
    #[serde(default)]
    said: BTreeMap<String, u64>,
    #[serde(default)]
    escalations: BTreeMap<String, u64>,
    #[serde(default)]
    key_requests: BTreeMap<String, u64>,
}

fn told<K>(series: &BTreeMap<K, u64>, label: impl Fn(&K) -> String) -> BTreeMap<String, u64> {
    let series = series.iter();
    series.map(|(key, count)| (label(key), *count)).collect()
}

/// Series that this server does not have are left out.
fn take<K>(
    series: &mut BTreeMap<K, u64>,
    told: &BTreeMap<String, u64>,
    label: impl Fn(&K) -> String,
) {
    for (key, count) in series {
        *count = told.get(&label(key)).copied().unwrap_or(0);
    }
}

impl Counters {
    pub(in crate::core::server) fn state(&self) -> CountersState {
        CountersState {
            started_ms: self.started_ms,
            traffic: self.traffic,
            ended: told(&self.ended, ToString::to_string),
            responses: self.responses.clone(),
            tokens: told(&self.tokens, ToString::to_string),
            refused: told(&self.refused, |it| it.label().to_owned()),
            datagrams: told(&self.datagrams, ToString::to_string),
            said: told(&self.said, ToString::to_string),
            escalations: told(&self.escalations, ToString::to_string),
            key_requests: told(&self.key_requests, ToString::to_string),
        }
    }

    pub(in crate::core::server) fn take_over(&mut self, state: &CountersState) {
        self.started_ms = state.started_ms;
        self.traffic = state.traffic;
        take(&mut self.ended, &state.ended, ToString::to_string);
        for (status, count) in &mut self.responses {
            *count = state.responses.get(status).copied().unwrap_or(0);
        }
        take(&mut self.tokens, &state.tokens, ToString::to_string);
        take(&mut self.refused, &state.refused, |it| {
            it.label().to_owned()
        });
        take(&mut self.datagrams, &state.datagrams, ToString::to_string);
        take(&mut self.said, &state.said, ToString::to_string);
        take(
            &mut self.escalations,
            &state.escalations,
            ToString::to_string,
        );
        take(
            &mut self.key_requests,
            &state.key_requests,
            ToString::to_string,
        );
    }
}
