//! Why a token is not taken, and which of its claims is wrong.

use crate::codec::error_code::ErrorCode;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
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
    /// Its key may be one that the provider of keys has, who is asked; or who has not answered.
    KeysAwaited {
        /// Milliseconds after which it may be shown again.
        retry_ms: u64,
    },
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

impl TokenError {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::KeysAwaited { retry_ms: 0 },
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Audience,
        Self::Subject,
        Self::Patterns,
    ];

    /// The error code of a command that shows this token.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            Self::KeysAwaited { .. } => ErrorCode::Unavailable,
            _ => ErrorCode::BadToken,
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
            Self::KeysAwaited { .. } => "keys_awaited",
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
            Self::KeysAwaited { .. } => {
                "the key of the token is not here yet; show it again a little later"
            }
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

/// A claim that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the claim of its name")]
pub enum Claim {
    Sub,
    Exp,
    Nbf,
    Iat,
    Aud,
    Subscribe,
    Publish,
    Admin,
}

impl Claim {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Aud => "aud",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }

    /// That it is not there, for people.
    fn is_missing(self) -> &'static str {
        match self {
            Self::Sub => "the token has no sub, which says whose it is",
            Self::Exp => "the token has no exp, which says when it ends",
            // The others need not be there.
            _ => "the token lacks a claim",
        }
    }

    /// What it is to be and is not, for people.
    fn is_of_another_type(self) -> &'static str {
        match self {
            Self::Sub => "the token's sub is not a string",
            Self::Exp => "the token's exp is not a number of seconds since 1970",
            Self::Nbf => "the token's nbf is not a number of seconds since 1970",
            Self::Iat => "the token's iat is not a number of seconds since 1970",
            Self::Aud => "the token's aud is neither a string nor a list of strings",
            Self::Subscribe => "the token's subscribe is not a list of strings",
            Self::Publish => "the token's publish is not a list of strings",
            Self::Admin => "the token's admin is neither true nor false",
        }
    }
}
