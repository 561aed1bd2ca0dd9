//! JSON Web Tokens (RFC 7519): who someone is, what they may do, and until when.
//!
//! Each key is good for one algorithm, so that a public key is never taken for a shared secret (RFC 8725 section 3.1).

mod claims;
mod keys;
mod refused;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

pub use claims::Claims;
pub use keys::{Keys, MIN_SECRET};
pub use refused::{Claim, TokenError};

use crate::limits::{CLOCK_SKEW_MS, MAX_TOKEN};

/// What is read of a token before its signature is checked (RFC 7515 section 4.1).
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that have to be understood; none are.
    crit: Option<serde_json::Value>,
}

/// A token's parts, as they are signed and as they are read.
struct Parts<'a> {
    signed: &'a str,
    head: Head,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let json = BASE64URL_NOPAD.decode(head.as_bytes()).ok()?;
        let head: Head = serde_json::from_slice(&json).ok()?;
        head.crit.is_none().then_some(Self {
            signed,
            head,
            claims,
            signature,
        })
    }
}

/// The key that a token says it is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The id of the key (`kid`), if it names one.
    pub key_id: Option<String>,
}

impl Signer {
    /// That of a token whose algorithm is one of the keys of a set; `None` for any other.
    pub fn of(token: &str) -> Option<Self> {
        let parts = Parts::of(token).filter(|_| token.len() <= MAX_TOKEN)?;
        let Head { alg, kid, .. } = parts.head;
        keys::is_of_set(&alg).then_some(Self { key_id: kid })
    }
}

impl Keys {
    /// Checks a token at the time `now_unix_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &str, now_unix_ms: u64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let parts = Parts::of(token).ok_or(TokenError::Malformed)?;
        self.check_signature(&parts)?;
        let json = BASE64URL_NOPAD.decode(parts.claims.as_bytes());
        let json = json.map_err(|_| TokenError::Malformed)?;
        let claims = Claims::read(&json, self.audience())?;
        check_times(&claims, now_unix_ms)?;
        Ok(claims)
    }

    /// Looks for the key that has signed a token.
    fn check_signature(&self, parts: &Parts<'_>) -> Result<(), TokenError> {
        let mut refused = TokenError::Algorithm;
        for key in self.of_algorithm(&parts.head.alg) {
            if !key.may_be(parts.head.kid.as_deref()) {
                refused = TokenError::UnknownKey;
                continue;
            }
            match key.has_signed(parts.signed, parts.signature) {
                true => return Ok(()),
                false => refused = TokenError::Signature,
            }
        }
        Err(refused)
    }
}

/// One that has ended has ended; one may begin a little early, because clocks differ.
fn check_times(claims: &Claims, now_unix_ms: u64) -> Result<(), TokenError> {
    if claims.expires_unix_ms() <= now_unix_ms {
        return Err(TokenError::Expired);
    }
    if claims.begins_unix_ms() > now_unix_ms.saturating_add(CLOCK_SKEW_MS) {
        return Err(TokenError::NotYet);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
