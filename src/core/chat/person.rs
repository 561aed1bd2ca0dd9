//! Who someone is: a number that lasts, and a name that people see.

use std::fmt::{self, Write as _};
use std::rc::Rc;

/// A person, by the number of the connection they first came with: a guest for as long as that lasts, or one who has
/// logged in and may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct PersonId(pub(in crate::core) u32);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:x}", self.0)
    }
}

/// A person as they were when they said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct Author {
    pub(in crate::core) id: PersonId,
    pub(in crate::core) name: Name,
}

/// What people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum Name {
    /// A guest's name follows from the number, and takes no memory.
    Guest(PersonId),
    Chosen(Rc<str>),
}

impl Author {
    pub(in crate::core) fn guest(id: PersonId) -> Self {
        Self {
            id,
            name: Name::Guest(id),
        }
    }
}

/// What every guest's name begins with, and no other.
pub(super) const GUEST_PREFIX: &str = "guest-";

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(name) => f.write_str(name),
            Self::Guest(id) => write_guest_name(id.0, f),
        }
    }
}

/// Digits and letters without those that are taken for each other (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `guest-` and four characters, and seven beyond the first million: no two guests have the same, and neighbours' look
/// nothing alike, because the number is first put through a permutation.
fn write_guest_name(number: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digits = if number < 1 << 20 { 4 } else { 7 };
    let bits = 5 * digits;
    let mask = (1_u64 << bits) - 1;
    let mut mixed = u64::from(number);
    for factor in [0x9e37_79b1, 0x85eb_ca6b] {
        // An odd factor and a shifted exclusive or: each can be undone, so no two numbers become one.
        mixed = mixed.wrapping_mul(factor) & mask;
        mixed ^= mixed >> (bits / 2);
    }
    f.write_str(GUEST_PREFIX)?;
    for digit in 0..digits {
        f.write_char(DIGITS[(mixed >> (5 * digit)) as usize % 32].into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_guests_have_one_name() {
        let numbers = (0..200_000).chain((1 << 20)..(1 << 20) + 100_000);
        let names: BTreeSet<String> = numbers
            .map(|number| Author::guest(PersonId(number)).name.to_string())
            .collect();
        assert_eq!(names.len(), 300_000);
        assert!(names.iter().any(|name| name.len() == "guest-xxxx".len()));
    }
}
