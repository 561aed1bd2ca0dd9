//! JSON Web Tokens (RFC 7519): who someone is, what they may do, and until when.
//!
//! Each key is good for one algorithm, so that a public key is never taken for a shared secret (RFC 8725 section 3.1).

mod claims;
mod keys;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

pub use claims::{Claim, Claims};
pub use keys::{Keys, MIN_SECRET};

use crate::limits::{CLOCK_SKEW_MS, MAX_TOKEN};

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Longer than any honest one.
    TooLong,
    /// Not three parts in base 64, or not JSON objects in them.
    Malformed,
    /// It lacks this claim.
    Missing(Claim),
    /// This claim is something else than it is to be.
    Type(Claim),
    /// Signed by an algorithm of which there is no key, or by none.
    Algorithm,
    /// It names a key that is not known.
    UnknownKey,
    /// Its signature is not that of a known key.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It was made for somebody else's server.
    Audience,
    /// Its `sub` is no name.
    Subject,
    /// It has more patterns of rooms than are looked at.
    Patterns,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Audience,
        Self::Subject,
        Self::Patterns,
    ];

    /// The error code at the JSON door.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            _ => "bad_token",
        }
    }

    /// What is wrong, for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Missing(_) | Self::Type(_) => "claims",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Patterns => "patterns",
        }
    }

    /// What is wrong, for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the token is longer than 4096 bytes",
            Self::Malformed => "this is not a JSON Web Token",
            Self::Missing(claim) => claim.is_missing(),
            Self::Type(claim) => claim.is_of_another_type(),
            Self::Algorithm => "the token is signed by an algorithm that is not taken here",
            Self::UnknownKey => "the token is signed with a key that is not known here",
            Self::Signature => "the token's signature is not valid",
            Self::Expired => "the token has expired; ask for a new one",
            Self::NotYet => "the token is not valid yet, says its nbf",
            Self::Audience => "the token was made for another audience, says its aud",
            Self::Patterns => "the token has more than 100 patterns of rooms; use * in them",
            Self::Subject => {
                "the token's sub is no name: 1 to 64 characters that can be seen, not guest-…"
            }
        }
    }
}

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

impl Keys {
    /// Checks a token at the time `now_unix_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &str, now_unix_ms: u64) -> Result<Claims, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::TooLong);
        }
        let parts = Parts::of(token).ok_or(Refused::Malformed)?;
        self.check_signature(&parts)?;
        let json = BASE64URL_NOPAD.decode(parts.claims.as_bytes());
        let json = json.map_err(|_| Refused::Malformed)?;
        let claims = Claims::read(&json, self.audience())?;
        check_times(&claims, now_unix_ms)?;
        Ok(claims)
    }

    /// Looks for the key that has signed a token.
    fn check_signature(&self, parts: &Parts<'_>) -> Result<(), Refused> {
        let mut refused = Refused::Algorithm;
        for key in self.of_algorithm(&parts.head.alg) {
            if !key.may_be(parts.head.kid.as_deref()) {
                refused = Refused::UnknownKey;
                continue;
            }
            match key.has_signed(parts.signed, parts.signature) {
                true => return Ok(()),
                false => refused = Refused::Signature,
            }
        }
        Err(refused)
    }
}

/// One that has ended has ended; one may begin a little early, because clocks differ.
fn check_times(claims: &Claims, now_unix_ms: u64) -> Result<(), Refused> {
    if claims.expires_unix_ms() <= now_unix_ms {
        return Err(Refused::Expired);
    }
    if claims.begins_unix_ms() > now_unix_ms.saturating_add(CLOCK_SKEW_MS) {
        return Err(Refused::NotYet);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
