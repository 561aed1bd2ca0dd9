//! VAPID tokens, one for each push service, signed when they are needed and used for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::core::push::{VapidKey, origin};
use crate::limits::{MAX_PUSH_SERVICES, VAPID_S, VAPID_USED_S};

/// Who signs, shared by the threads.
pub(super) struct Signer {
    key: VapidKey,
    /// `mailto:` or `https:`.
    contact: Box<str>,
    /// By origin.
    tokens: Mutex<BTreeMap<String, Token>>,
}

struct Token {
    /// The field `Authorization`.
    field: String,
    /// Seconds since 1970.
    signed_at: u64,
}

impl Token {
    /// A clock that was set back makes a new one too.
    fn is_of_use(&self, now: u64) -> bool {
        (self.signed_at..self.signed_at + VAPID_USED_S).contains(&now)
    }
}

impl Signer {
    pub(super) fn new(key: VapidKey, contact: &str) -> Self {
        Self {
            key,
            contact: contact.into(),
            tokens: Mutex::default(),
        }
    }

    /// The field `Authorization` of a request to this address, at this time in seconds since 1970.
    ///
    /// # Errors
    /// The address is none, or nothing can be signed.
    pub(super) fn authorization(&self, endpoint: &str, now: u64) -> Result<String, String> {
        let origin = origin(endpoint)?;
        // What is in it is whole even if a thread has panicked.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(&origin).filter(|token| token.is_of_use(now)) {
            return Ok(token.field.clone());
        }
        let field = self
            .key
            .authorization(&origin, now + VAPID_S, &self.contact)?;
        if tokens.len() >= MAX_PUSH_SERVICES {
            tokens.clear();
        }
        let token = Token {
            field: field.clone(),
            signed_at: now,
        };
        tokens.insert(origin, token);
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_for_a_while_at_its_origin() {
        let key = VapidKey::from_pem(VapidKey::generate_pem().unwrap()).unwrap();
        let signer = Signer::new(key, "mailto:ops@example.org");
        let at = |endpoint: &str, now| signer.authorization(endpoint, now).unwrap();
        let first = at("https://a.example/1", 1_000_000);
        assert_eq!(
            at("https://a.example/2", 1_000_000 + VAPID_USED_S - 1),
            first
        );
        assert_ne!(at("https://b.example/1", 1_000_000), first);
        let second = at("https://a.example/1", 1_000_000 + VAPID_USED_S);
        assert_ne!(second, first);
        assert_ne!(at("https://a.example/1", 500_000), second, "set back");
        for host in 0..2 * MAX_PUSH_SERVICES {
            at(&format!("https://{host}.example"), 1_000_000);
            assert!(signer.tokens.lock().unwrap().len() <= MAX_PUSH_SERVICES);
        }
        assert!(signer.authorization("http://a.example/1", 0).is_err());
    }
}
