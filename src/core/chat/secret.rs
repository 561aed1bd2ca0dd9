//! What proves that someone is who they were.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// SHA-256: of 128 random bits nobody finds what it was made of.
pub(in crate::core) type SecretHash = [u8; 32];

/// 128 random bits, or what a store has of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Secret {
    Known(u128),
    /// Until it is shown.
    Hash(SecretHash),
}

impl Secret {
    /// What a store keeps.
    pub(super) fn hash(self) -> SecretHash {
        match self {
            Self::Known(secret) => hash(secret),
            Self::Hash(hash) => hash,
        }
    }

    /// What its owner is told, if it is known.
    pub(super) fn shown(self) -> Option<u128> {
        match self {
            Self::Known(secret) => Some(secret),
            Self::Hash(_) => None,
        }
    }

    /// Whether this is it; then it is known.
    pub(super) fn admits(&mut self, secret: u128) -> bool {
        let is_it = match *self {
            // One comparison of two numbers: how long it takes tells nothing of where they differ.
            Self::Known(known) => known ^ secret == 0,
            // Whoever learns where two hashes differ learns nothing of a secret.
            Self::Hash(known) => known == hash(secret),
        };
        if is_it {
            *self = Self::Known(secret);
        }
        is_it
    }
}

fn hash(secret: u128) -> SecretHash {
    let digest = digest(&SHA256, &secret.to_be_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_once_it_is_shown() {
        let mut secret = Secret::Hash(Secret::Known(7).hash());
        assert!(!secret.admits(8));
        assert_eq!(secret.shown(), None);
        assert!(secret.admits(7));
        assert_eq!(secret.shown(), Some(7));
        assert!(!secret.admits(8));
    }
}
