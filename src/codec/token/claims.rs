//! What a token says: read claim by claim, so that a refusal names the one that is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::keys;
use super::refused::{Claim, TokenError};
use crate::limits::{MAX_PATTERNS, MAX_TOKEN, MAX_UNIX_MS};

/// What a token says once its signature has been checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Whom it was made for; not told of one that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Patterns of the rooms to read in.
    pub subscribe: Vec<String>,
    /// Patterns of the rooms to speak in.
    pub publish: Vec<String>,
    /// May close anyone, empty any room, and see all of them.
    pub admin: bool,
}

impl Claims {
    /// When the token ends, in milliseconds since 1970, as far as those who are told of it can count.
    pub fn expires_unix_ms(&self) -> u64 {
        unix_ms(self.exp)
    }

    /// Before when it is not good, in the same.
    pub(super) fn begins_unix_ms(&self) -> u64 {
        self.nbf.map_or(0, unix_ms)
    }

    /// The token that says this, signed with a shared secret (HS256).
    ///
    /// # Errors
    /// Why it cannot be made: one that would not be taken either.
    pub fn sign(&self, secret: &[u8]) -> Result<String, Cow<'static, str>> {
        if self.has_too_many_patterns() {
            return Err(TokenError::Patterns.message().into());
        }
        let key = EncodingKey::from_secret(keys::check_secret(secret)?);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), self, &key)
            .map_err(|error| Cow::from(error.to_string()))?;
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong.message().into());
        }
        Ok(token)
    }

    /// Reads the claims of a genuine token for `audience`, or for nobody in particular. A claim that is `null` is not
    /// there; others than those that are looked at may be anything.
    pub(super) fn read(json: &[u8], audience: Option<&str>) -> Result<Self, TokenError> {
        let json = str::from_utf8(json).map_err(|_| TokenError::Malformed)?;
        let read = Read(serde_json::from_str(json).map_err(|_| TokenError::Malformed)?);
        check_audience(read.claim(Claim::Aud)?.as_ref(), audience)?;
        let claims = Self {
            sub: read.needed(Claim::Sub)?,
            exp: read.needed(Claim::Exp)?,
            nbf: read.claim(Claim::Nbf)?,
            iat: read.claim(Claim::Iat)?,
            aud: None,
            subscribe: read.claim(Claim::Subscribe)?.unwrap_or_default(),
            publish: read.claim(Claim::Publish)?.unwrap_or_default(),
            admin: read.claim(Claim::Admin)?.unwrap_or_default(),
        };
        match claims.has_too_many_patterns() {
            true => Err(TokenError::Patterns),
            false => Ok(claims),
        }
    }

    fn has_too_many_patterns(&self) -> bool {
        self.subscribe.len() + self.publish.len() > MAX_PATTERNS
    }
}

/// The claims as they stand in the token.
struct Read<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl Read<'_> {
    fn claim<T: DeserializeOwned>(&self, claim: Claim) -> Result<Option<T>, TokenError> {
        let Some(json) = self.0.get(claim.name()) else {
            return Ok(None);
        };
        serde_json::from_str(json.get()).map_err(|_| TokenError::Type(claim))
    }

    fn needed<T: DeserializeOwned>(&self, claim: Claim) -> Result<T, TokenError> {
        self.claim(claim)?.ok_or(TokenError::Missing(claim))
    }
}

/// For whom a token was made (RFC 7519 section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// One that is made for somebody is only taken by them, and one that is made for nobody in particular only by those who
/// have no name.
fn check_audience(made_for: Option<&Audience>, ours: Option<&str>) -> Result<(), TokenError> {
    let made_for = match made_for {
        None => &[],
        Some(Audience::One(name)) => std::slice::from_ref(name),
        Some(Audience::Several(names)) => names.as_slice(),
    };
    let is_ours = match ours {
        None => made_for.is_empty(),
        Some(ours) => made_for.iter().any(|name| name == ours),
    };
    is_ours.then_some(()).ok_or(TokenError::Audience)
}

/// Milliseconds of a `NumericDate`: a time before 1970 has passed, and one that is too far away never comes.
fn unix_ms(seconds: f64) -> u64 {
    ((seconds * 1000.0) as u64).min(MAX_UNIX_MS)
}
