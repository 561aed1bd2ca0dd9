//! What addresses have used of their rates, as it is told to the server that takes over. Their connections are counted anew.

use serde::{Deserialize, Serialize};

use super::{Account, Addresses};
use crate::core::network::Network;
use crate::core::pace::TokenBucket;

/// The rates of one address.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct AddressState {
    network: Network,
    connects: TokenBucket,
    failed_tokens: TokenBucket,
    queries: TokenBucket,
}

impl Addresses {
    pub(in crate::core) fn state(&self) -> Vec<AddressState> {
        let known = self.known.iter().map(|(network, account)| AddressState {
            network: *network,
            connects: account.connects,
            failed_tokens: account.failed_tokens,
            queries: account.queries,
        });
        known.collect()
    }

    pub(in crate::core) fn take_over(&mut self, addresses: Vec<AddressState>) {
        for state in addresses {
            let account = Account {
                connects: state.connects,
                failed_tokens: state.failed_tokens,
                queries: state.queries,
                ..Account::default()
            };
            self.known.insert(state.network, account);
            self.list_if_quiet(state.network);
        }
    }
}
