//! The senders of datagrams, as they are told to the server that takes over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Source, Sources};
use crate::core::network::Network;

/// Who sends from which address, and what it has used of its rate.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct SourcesState {
    by_address: BTreeMap<Network, Source>,
    others: Option<Source>,
}

impl Sources {
    pub(in crate::core) fn state(&self) -> SourcesState {
        SourcesState {
            by_address: self.by_address.clone(),
            others: self.others.clone(),
        }
    }

    pub(in crate::core) fn take_over(&mut self, state: SourcesState) {
        self.by_address = state.by_address;
        self.others = state.others;
    }
}
