//! What owners have used of their rates, as it is told to the server that takes over. What they hold is counted anew.

use serde::{Deserialize, Serialize};

use super::Ledger;
use super::entry::OwnerId;
use crate::core::chat::owner::Owner;
use crate::core::pace::TokenBucket;

/// How much of its rates an owner has left; `owner` is `None` for all who have no account of their own.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::chat) struct AccountState {
    owner: Option<Owner>,
    begins: TokenBucket,
    posts: TokenBucket,
}

impl Ledger {
    pub(in crate::core::chat) fn accounts(&self) -> impl Iterator<Item = AccountState> {
        self.accounts.iter().map(|(_, account)| AccountState {
            owner: account.owner.clone(),
            begins: account.begins,
            posts: account.posts,
        })
    }

    pub(in crate::core::chat) fn take_over(&mut self, state: &AccountState, now_ms: u64) {
        let id = match &state.owner {
            Some(owner) => self.open(owner, now_ms),
            None => OwnerId::OTHERS,
        };
        let account = &mut self.accounts[id.0 as usize];
        account.begins = state.begins;
        account.posts = state.posts;
    }

    /// Whose account it is; `None` for all who have none of their own.
    pub(in crate::core::chat) fn owner(&self, id: OwnerId) -> Option<&Owner> {
        self.account(id).owner.as_ref()
    }
}
