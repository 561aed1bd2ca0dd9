//! Keys that a provider is asked for, and tokens that wait for them.

use super::{Access, FetchedKeys, Provider};
use crate::codec::token::{Signer, TokenError};
use crate::core::now::Now;

impl Access {
    /// From now on this provider is asked for keys, or none is. `kept`: a set that it has given before a restart.
    pub(in crate::core) fn fetch_from(
        &mut self,
        url: Option<&str>,
        kept: Option<Vec<u8>>,
        now: Now,
    ) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        let before = self.provider.take();
        let before = before.filter(|it| url == Some(it.url()));
        if before.is_none() {
            keys.forget_fetched();
        }
        let Some(url) = url else {
            return;
        };
        let mut provider = before.unwrap_or_else(|| Provider::new(url, now.ms));
        provider.ask_again(now.ms);
        if let Some(set) = kept {
            provider.begin_with(set, keys);
        }
        self.provider = Some(provider);
    }

    /// When the provider is to be asked next, unless it is being asked.
    pub(in crate::core) fn next_fetch_ms(&self) -> Option<u64> {
        self.provider.as_ref()?.next_ms()
    }

    /// The address of the provider, if it is to be asked now.
    pub(in crate::core) fn next_fetch(&mut self, now: Now) -> Option<&str> {
        let provider = self.provider.as_mut()?;
        provider.is_due(now.ms).then(|| provider.url())
    }

    /// What the provider at this address has answered. One that is not asked any more is ignored. Says whether there are keys in
    /// it.
    pub(in crate::core) fn on_fetched(
        &mut self,
        url: &str,
        answer: Result<FetchedKeys, String>,
        now: Now,
    ) -> Option<bool> {
        let provider = self.provider.as_mut().filter(|it| it.url() == url);
        let (provider, keys) = provider.zip(self.keys.as_mut())?;
        Some(provider.on_answer(answer, keys, now.ms))
    }

    /// Why a token is refused: its key may be one that the provider has.
    pub(super) fn await_keys(&mut self, refused: TokenError, token: &str, now: Now) -> TokenError {
        if !matches!(refused, TokenError::Algorithm | TokenError::UnknownKey) {
            return refused;
        }
        let signer = Signer::of(token);
        let waits = self.provider.as_mut().zip(signer);
        let waits = waits.and_then(|(provider, signer)| provider.on_unknown(&signer, now.ms));
        waits.map_or(refused, |retry_ms| TokenError::KeysAwaited { retry_ms })
    }
}
