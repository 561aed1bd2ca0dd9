//! The provider of keys, `--jwks-url`: when it is asked for them, and what is known of those that it does not have.
//!
//! A token that names an unknown key has the provider asked, and is refused with a code that says to try again. Once the provider
//! has answered without that key, it is refused for good for a while. Whoever makes up keys makes one request in ten seconds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::token::{Keys, Signer};
use crate::limits::{
    JWKS_AGE_MS, JWKS_UNKNOWN_MS, MAX_JWKS_RETRY_MS, MAX_UNKNOWN_KEYS, MIN_JWKS_AGE_MS,
    MIN_JWKS_PAUSE_MS,
};
use crate::settings::without_query;

/// Milliseconds after which a client shows a token again for which the provider is being asked.
const ANSWER_MS: u64 = 1_000;

/// What a provider has answered.
#[derive(Debug)]
pub struct FetchedKeys {
    /// A JSON Web Key Set.
    pub json: Vec<u8>,
    /// Milliseconds for which it is good, if the provider says so (`Cache-Control: max-age`).
    pub max_age_ms: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Provider {
    url: Box<str>,
    /// The last good set.
    set: Option<Vec<u8>>,
    /// It is being asked.
    is_asked: bool,
    /// When it is asked next, and when it was last.
    due_ms: u64,
    asked_ms: Option<u64>,
    /// How often it has not answered well since it did.
    failures: u32,
    /// Ids of keys that it is to be asked for, and of those that it is being asked for.
    wanted: BTreeSet<Box<str>>,
    awaited: BTreeSet<Box<str>>,
    /// Ids of keys that it did not have, and for how long that is taken to be so.
    unknown: BTreeMap<Box<str>, u64>,
}

/// What the server that takes over is told of it.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct ProviderState {
    url: Box<str>,
    set: ByteBuf,
}

impl Provider {
    /// One that is to be asked at once.
    pub(super) fn new(url: &str, now_ms: u64) -> Self {
        Self {
            url: url.into(),
            set: None,
            is_asked: false,
            due_ms: now_ms,
            asked_ms: None,
            failures: 0,
            wanted: BTreeSet::new(),
            awaited: BTreeSet::new(),
            unknown: BTreeMap::new(),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The address as the log may have it.
    fn shown(&self) -> String {
        without_query(&self.url)
    }

    /// It is to be asked as soon as it may be.
    pub(super) fn ask_again(&mut self, now_ms: u64) {
        let earliest_ms = self.asked_ms.map_or(0, |it| it + MIN_JWKS_PAUSE_MS);
        self.due_ms = self.due_ms.min(earliest_ms.max(now_ms));
    }

    /// Gives the last good set to other keys, which have none yet.
    pub(super) fn give_to(&self, keys: &mut Keys) {
        if let Some(set) = &self.set {
            // It was read before.
            let _ = keys.set_fetched(set);
        }
    }

    /// Begins with a set that was good before a restart; one that is not any more is as good as none.
    pub(super) fn begin_with(&mut self, set: Vec<u8>, keys: &mut Keys) {
        if self.set.is_none() && keys.set_fetched(&set).is_ok() {
            self.set = Some(set);
        }
    }

    /// Whether it is to be asked now. What it answers is told by [`on_answer`](Self::on_answer).
    pub(super) fn is_due(&mut self, now_ms: u64) -> bool {
        if self.is_asked || self.due_ms > now_ms {
            return false;
        }
        self.is_asked = true;
        self.asked_ms = Some(now_ms);
        self.awaited = std::mem::take(&mut self.wanted);
        true
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        (!self.is_asked).then_some(self.due_ms)
    }

    /// Nobody knows the key that has signed a token. Gives the milliseconds after which that may be another, or `None`: the
    /// provider does not have it.
    pub(super) fn on_unknown(&mut self, signer: &Signer, now_ms: u64) -> Option<u64> {
        match &signer.key_id {
            Some(id) => {
                let is_known_not = |until_ms: &u64| *until_ms > now_ms;
                if self.unknown.get(&**id).is_some_and(is_known_not) {
                    return None;
                }
                if self.wanted.len() < MAX_UNKNOWN_KEYS && !self.awaited.contains(&**id) {
                    self.wanted.insert(id.as_str().into());
                }
                self.ask_again(now_ms);
            }
            None if self.set.is_some() => return None,
            None => {}
        }
        let wait_ms = match self.is_asked {
            true => 0,
            false => self.due_ms.saturating_sub(now_ms),
        };
        Some(wait_ms + ANSWER_MS)
    }

    /// It has answered, or why it has not. Says whether there are keys in it.
    pub(super) fn on_answer(
        &mut self,
        answer: Result<FetchedKeys, String>,
        keys: &mut Keys,
        now_ms: u64,
    ) -> bool {
        self.is_asked = false;
        let awaited = std::mem::take(&mut self.awaited);
        let taken = answer.and_then(|FetchedKeys { json, max_age_ms }| {
            let passed_over = keys.set_fetched(&json)?;
            for why in passed_over {
                log::warn!("passed over a key of {}: {why}", self.shown());
            }
            self.set = Some(json);
            Ok(max_age_ms)
        });
        let is_ok = taken.is_ok();
        match taken {
            Ok(max_age_ms) => {
                let age_ms = max_age_ms.unwrap_or(JWKS_AGE_MS);
                self.due_ms = now_ms + age_ms.clamp(MIN_JWKS_AGE_MS, JWKS_AGE_MS);
                if std::mem::take(&mut self.failures) > 0 {
                    log::info!("{} answers with keys again", self.shown());
                }
                self.note_unknown(awaited, keys, now_ms);
                self.wanted.retain(|id| !keys.has_fetched(id));
            }
            Err(why) => {
                self.due_ms = now_ms + retry_ms(self.failures);
                self.failures = self.failures.saturating_add(1);
                let left = match self.set.is_some() {
                    true => "the last keys stay",
                    false => {
                        "there are none, and tokens of this provider are refused until it answers"
                    }
                };
                log::warn!("cannot get keys from {}: {why}; {left}", self.shown());
            }
        }
        if !self.wanted.is_empty() {
            self.ask_again(now_ms);
        }
        is_ok
    }

    /// Of the keys that it was asked for those are unknown that it does not have.
    fn note_unknown(&mut self, awaited: BTreeSet<Box<str>>, keys: &Keys, now_ms: u64) {
        self.unknown.retain(|_, until_ms| *until_ms > now_ms);
        for id in awaited {
            if !keys.has_fetched(&id) && self.unknown.len() < MAX_UNKNOWN_KEYS {
                self.unknown.insert(id, now_ms + JWKS_UNKNOWN_MS);
            }
        }
    }

    pub(super) fn state(&self) -> Option<ProviderState> {
        let set = self.set.clone()?;
        Some(ProviderState {
            url: self.url.clone(),
            set: ByteBuf::from(set),
        })
    }

    /// Another server had these keys, of this provider or another one.
    pub(super) fn take_over(&mut self, told: ProviderState, keys: &mut Keys) {
        if told.url == self.url {
            self.begin_with(told.set.into_vec(), keys);
        }
    }
}

/// Twice as long after each failure.
fn retry_ms(failures: u32) -> u64 {
    let wait_ms = MIN_JWKS_PAUSE_MS << failures.min(8);
    wait_ms.min(MAX_JWKS_RETRY_MS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A set of one key of this id: a point that was made once.
    fn set(id: &str) -> Vec<u8> {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": id});
        json!({"keys": [key]}).to_string().into_bytes()
    }

    fn answer(id: &str) -> Result<FetchedKeys, String> {
        Ok(FetchedKeys {
            json: set(id),
            max_age_ms: None,
        })
    }

    fn named(id: &str) -> Signer {
        Signer {
            key_id: Some(id.to_owned()),
        }
    }

    fn begun() -> (Provider, Keys) {
        let mut provider = Provider::new("https://idp.example/keys", 0);
        assert!(provider.is_due(0) && !provider.is_due(0));
        (provider, Keys::default())
    }

    #[test]
    fn an_unknown_key_is_asked_for_once_in_a_while() {
        let (mut provider, mut keys) = begun();
        provider.on_answer(answer("one"), &mut keys, 100);
        assert_eq!(provider.next_ms(), Some(100 + JWKS_AGE_MS));
        let wait_ms = provider.on_unknown(&named("two"), 1_000).unwrap();
        assert_eq!(provider.next_ms(), Some(MIN_JWKS_PAUSE_MS));
        assert_eq!(wait_ms, MIN_JWKS_PAUSE_MS - 1_000 + ANSWER_MS);
        assert!(!provider.is_due(MIN_JWKS_PAUSE_MS - 1) && provider.is_due(MIN_JWKS_PAUSE_MS));
        // Shown again meanwhile, it has nobody asked once more.
        assert_eq!(provider.on_unknown(&named("two"), 10_500), Some(ANSWER_MS));
        provider.on_answer(answer("two"), &mut keys, 11_000);
        assert!(keys.has_fetched("two") && !keys.has_fetched("one"));
        assert_eq!(provider.next_ms(), Some(11_000 + JWKS_AGE_MS));
    }

    #[test]
    fn what_the_provider_does_not_have_is_refused_for_a_while() {
        let (mut provider, mut keys) = begun();
        assert!(provider.on_unknown(&named("late"), 10).is_some());
        provider.on_answer(answer("one"), &mut keys, 100);
        // It came while the provider was asked, which may not have known it yet.
        assert_eq!(provider.next_ms(), Some(MIN_JWKS_PAUSE_MS));
        assert!(provider.is_due(MIN_JWKS_PAUSE_MS));
        provider.on_answer(answer("one"), &mut keys, 11_000);
        assert_eq!(provider.on_unknown(&named("late"), 12_000), None);
        assert!(provider.on_unknown(&named("other"), 12_000).is_some());
        let later_ms = 11_000 + JWKS_UNKNOWN_MS;
        assert!(provider.on_unknown(&named("late"), later_ms).is_some());
    }

    #[test]
    fn names_that_are_made_up_take_no_memory() {
        let (mut provider, mut keys) = begun();
        provider.on_answer(answer("one"), &mut keys, 100);
        for index in 0..1_000 {
            let id = index.to_string();
            assert!(provider.on_unknown(&named(&id), 200).is_some());
        }
        assert_eq!(provider.wanted.len(), MAX_UNKNOWN_KEYS);
        assert!(provider.is_due(MIN_JWKS_PAUSE_MS));
        provider.on_answer(answer("new"), &mut keys, 11_000);
        assert!(provider.unknown.len() <= MAX_UNKNOWN_KEYS && keys.has_fetched("new"));
    }

    #[test]
    fn the_last_good_set_stays_and_the_provider_is_left_alone() {
        let (mut provider, mut keys) = begun();
        let nobody = Signer { key_id: None };
        assert!(provider.on_unknown(&nobody, 10).is_some(), "there are none");
        provider.on_answer(answer("one"), &mut keys, 100);
        assert_eq!(provider.on_unknown(&nobody, 10), None);
        let mut now_ms = 100 + JWKS_AGE_MS;
        let mut waits = Vec::new();
        for why in ["it does not answer", "{}", "[]", "timeout", "", "again"] {
            assert!(provider.is_due(now_ms));
            let garbage = Ok(FetchedKeys {
                json: why.into(),
                max_age_ms: None,
            });
            provider.on_answer(garbage, &mut keys, now_ms);
            waits.push(provider.next_ms().unwrap() - now_ms);
            now_ms = provider.next_ms().unwrap();
        }
        assert_eq!(waits, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000]);
        assert!(keys.has_fetched("one"));
    }

    #[test]
    fn the_provider_says_within_bounds_how_long_keys_are_good() {
        for (max_age_ms, wait_ms) in [(1, 60_000), (90_000, 90_000), (u64::MAX, 3_600_000)] {
            let (mut provider, mut keys) = begun();
            let answer = FetchedKeys {
                json: set("one"),
                max_age_ms: Some(max_age_ms),
            };
            provider.on_answer(Ok(answer), &mut keys, 100);
            assert_eq!(provider.next_ms(), Some(100 + wait_ms));
        }
    }

    #[test]
    fn the_set_is_that_of_its_provider_alone() {
        let (mut provider, mut keys) = begun();
        provider.on_answer(answer("one"), &mut keys, 100);
        let (mut next, mut its) = begun();
        next.take_over(provider.state().unwrap(), &mut its);
        assert!(its.has_fetched("one"));
        let mut other = Provider::new("https://other.example/keys", 0);
        let mut none = Keys::default();
        other.take_over(provider.state().unwrap(), &mut none);
        assert!(!none.has_fetched("one") && other.state().is_none());
    }
}
