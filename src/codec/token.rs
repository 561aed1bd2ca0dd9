//! JSON Web Tokens (RFC 7519): who someone is, what they may do, and until when.
//!
//! Each key is good for one algorithm, so that a public key is never taken for a shared secret (RFC 8725 section 3.1).

mod keys;

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

pub use keys::{Keys, MIN_SECRET};

use crate::limits::{CLOCK_SKEW_MS, MAX_PATTERNS, MAX_TOKEN};

/// What a token says once its signature has been checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The name of whom it speaks.
    pub sub: String,
    /// When it ends, in seconds since 1970 (`NumericDate`, RFC 7519 section 2).
    pub exp: f64,
    /// Before then it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<f64>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<f64>,
    /// Whom it was made for.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub aud: Option<String>,
    /// Patterns of the rooms to read in.
    #[serde(default)]
    pub subscribe: Vec<String>,
    /// Patterns of the rooms to speak in.
    #[serde(default)]
    pub publish: Vec<String>,
    /// May close anyone, empty any room, and see all of them.
    #[serde(default)]
    pub admin: bool,
}

impl Claims {
    /// When the token ends, in milliseconds since 1970.
    pub fn expires_unix_ms(&self) -> u64 {
        unix_ms(self.exp)
    }

    /// The token that says this, signed with a shared secret (HS256).
    ///
    /// # Errors
    /// Why it cannot be made: one that would not be taken either.
    pub fn sign(&self, secret: &[u8]) -> Result<String, Cow<'static, str>> {
        let key = EncodingKey::from_secret(keys::check_secret(secret)?);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), self, &key)
            .map_err(|error| Cow::from(error.to_string()))?;
        if token.len() > MAX_TOKEN {
            return Err(Refused::TooLong.message().into());
        }
        Ok(token)
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Longer than any honest one.
    TooLong,
    /// Not three parts in base 64, or not the JSON that is wanted in them.
    Malformed,
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
            Self::Malformed => "this is not a JSON Web Token with sub and exp",
            Self::Algorithm => "the token is signed by an algorithm that is not taken here",
            Self::UnknownKey => "the token is signed with a key that is not known here",
            Self::Signature => "the token's signature is not valid",
            Self::Expired => "the token has expired; ask for a new one",
            Self::NotYet => "the token is not valid yet",
            Self::Audience => "the token was made for another audience",
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

impl Head {
    fn of(token: &str) -> Option<Self> {
        let (head, _) = token.split_once('.')?;
        let json = BASE64URL_NOPAD.decode(head.as_bytes()).ok()?;
        serde_json::from_slice(&json).ok()
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
        let head = Head::of(token)
            .filter(|head| head.crit.is_none())
            .ok_or(Refused::Malformed)?;
        let mut refused = Refused::Algorithm;
        for key in self.of_algorithm(&head.alg) {
            if !key.may_be(head.kid.as_deref()) {
                refused = Refused::UnknownKey;
                continue;
            }
            match key.decode(token) {
                Ok(claims) => return check(claims, now_unix_ms),
                Err(error) => refused = error,
            }
            if refused != Refused::Signature {
                break;
            }
        }
        Err(refused)
    }
}

/// What a token that is genuine may not say. One that has ended has ended; one may begin a little early, because clocks differ.
fn check(claims: Claims, now_unix_ms: u64) -> Result<Claims, Refused> {
    if claims.expires_unix_ms() <= now_unix_ms {
        return Err(Refused::Expired);
    }
    let begins_ms = claims.nbf.map_or(0, unix_ms);
    if begins_ms > now_unix_ms.saturating_add(CLOCK_SKEW_MS) {
        return Err(Refused::NotYet);
    }
    if claims.subscribe.len() + claims.publish.len() > MAX_PATTERNS {
        return Err(Refused::Patterns);
    }
    Ok(claims)
}

/// Milliseconds of a `NumericDate`, as far as they can be told: a time before 1970 has passed.
fn unix_ms(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

impl From<jsonwebtoken::errors::Error> for Refused {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Self::Audience,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests;
