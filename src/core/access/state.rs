//! The tokens that were shown, as they are told to the server that takes over. What they allow it finds out by itself.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Access, Claims, Grant, ProviderState, Rights};
use crate::core::chat::PersonName;
use crate::core::id::ConnectionId;
use crate::core::pattern::RoomPatterns;

/// What a connection has shown; nothing of one of whom a token is expected until `due_ms`.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct HolderState {
    id: ConnectionId,
    grant: Option<GrantState>,
    due_ms: u64,
}

/// The claims of a token that was good.
#[derive(Debug, Serialize, Deserialize)]
struct GrantState {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    subscribe: Vec<String>,
    publish: Vec<String>,
    admin: bool,
    ends_ms: u64,
}

impl GrantState {
    fn of(grant: &Grant) -> Self {
        let claims = grant.claims.clone();
        Self {
            sub: claims.sub,
            exp: claims.exp,
            nbf: claims.nbf,
            iat: claims.iat,
            subscribe: claims.subscribe,
            publish: claims.publish,
            admin: claims.admin,
            ends_ms: grant.ends_ms,
        }
    }

    /// `None` if nobody may have that name here.
    fn into_grant(self) -> Option<Grant> {
        Some(Grant {
            name: PersonName::of_token(&self.sub)?,
            subscribe: RoomPatterns::new(&self.subscribe),
            publish: RoomPatterns::new(&self.publish),
            ends_ms: self.ends_ms,
            claims: Claims {
                sub: self.sub,
                exp: self.exp,
                nbf: self.nbf,
                iat: self.iat,
                aud: None,
                subscribe: self.subscribe,
                publish: self.publish,
                admin: self.admin,
            },
        })
    }
}

impl Access {
    pub(in crate::core) fn state(&self) -> Vec<HolderState> {
        let holders = self.holders.iter().map(|(id, holder)| HolderState {
            id: *id,
            grant: holder.grant.as_deref().map(GrantState::of),
            due_ms: holder.due_ms,
        });
        holders.collect()
    }

    /// The keys of the provider, if there are any.
    pub(in crate::core) fn provider_state(&self) -> Option<ProviderState> {
        self.provider.as_ref()?.state()
    }

    pub(in crate::core) fn take_over_provider(&mut self, told: Option<ProviderState>) {
        if let (Some(provider), Some(keys), Some(told)) = (&mut self.provider, &mut self.keys, told)
        {
            provider.take_over(told, keys);
        }
    }

    /// Holders that are not here any more are left out.
    pub(in crate::core) fn take_over(
        &mut self,
        holders: Vec<HolderState>,
        is_here: impl Fn(ConnectionId) -> bool,
    ) {
        for HolderState { id, grant, due_ms } in holders {
            if !is_here(id) {
                continue;
            }
            let rights = match grant.and_then(GrantState::into_grant) {
                Some(grant) => Rights::Granted(Rc::new(grant)),
                None => Rights::Unauthenticated,
            };
            self.admit(id, &rights, due_ms);
        }
    }
}
