//! What somebody shows who comes back.

use crate::core::chat::person::PublicId;

/// Who somebody says they are, and the secret that proves it.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Shown {
    pub(in crate::core) person: PublicId,
    pub(in crate::core::chat) secret: u128,
}

impl Shown {
    /// What a secret for `resume` says.
    pub(in crate::core) fn parse(token: &str) -> Option<Self> {
        let (number, secret) = token.split_once('.')?;
        let number = u64::from_str_radix(number, 16).ok()?;
        Some(Self {
            person: PublicId::of_number(number),
            secret: u128::from_str_radix(secret, 16).ok()?,
        })
    }
}
