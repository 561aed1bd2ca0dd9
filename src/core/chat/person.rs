//! Who someone is: a number that lasts, and a name that people see.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::core::id::ConnectionId;

/// A person, by the number of the connection they first came with: a guest for as long as that lasts, or one who has
/// logged in and may have several. No other person of this process has it. What others are told is their [`PublicId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) struct PersonId(pub(in crate::core) u64);

/// How others know a person: no restart of this server gives it again, and no other server. 22 bits by chance tell the
/// process, and 42, which begin anywhere, the person: two processes that have had a million people each have one in common
/// with a probability of about 10^-13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) struct PublicId(u64);

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:016x}", self.0)
    }
}

/// A person as they were when they said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct Author {
    pub(in crate::core) id: PublicId,
    pub(in crate::core) name: Name,
}

/// What people see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum Name {
    /// A guest's name follows from their number, and takes no memory.
    Guest(GuestName),
    Chosen(Rc<str>),
}

/// `guest-`, and so many digits of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct GuestName {
    number: u64,
    digits: Digits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Digits {
    Four = 4,
    Nine = 9,
}

/// The guests of this process, from the first on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Guests {
    first: PersonId,
    process: u64,
    /// Those of other nodes are in the same rooms.
    #[serde(default)]
    is_shared: bool,
}

impl Guests {
    /// The first guest has, or will have, this number. `random` tells their process from others.
    pub(super) fn starting_at(first: PersonId, random: u64) -> Self {
        Self {
            first,
            process: random & !ConnectionId::NUMBER_MASK,
            is_shared: false,
        }
    }

    /// From now on no short names are given: another node may give the same.
    pub(super) fn share(&mut self) {
        self.is_shared = true;
    }

    /// How others know a person of this process.
    pub(super) fn public_id(self, id: PersonId) -> PublicId {
        PublicId(self.process | id.0)
    }

    /// This guest. The first million have short names: their numbers differ in the 20 bits that four digits tell.
    pub(super) fn author(self, id: PersonId) -> Author {
        let before = id.0.wrapping_sub(self.first.0) & ConnectionId::NUMBER_MASK;
        let digits = match before < 1 << 20 && !self.is_shared {
            true => Digits::Four,
            false => Digits::Nine,
        };
        let number = id.0;
        Author {
            id: self.public_id(id),
            name: Name::Guest(GuestName { number, digits }),
        }
    }
}

impl PersonId {
    /// Somebody's number at the node that they came to first, and at every other that knows them.
    pub(in crate::core) fn of_public(id: PublicId) -> Self {
        Self(id.0 & ConnectionId::NUMBER_MASK)
    }
}

impl PublicId {
    /// That of this number.
    pub(in crate::core) fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// The number that it shows.
    pub(in crate::core) fn number(self) -> u64 {
        self.0
    }

    /// That which is shown so.
    pub(super) fn parse(shown: &str) -> Option<Self> {
        let digits = shown.strip_prefix('p')?;
        let number = u64::from_str_radix(digits, 16).ok().map(Self)?;
        (number.to_string() == shown).then_some(number)
    }
}

impl Author {
    /// Whoever has said something that was kept, by the number of their public id.
    pub(in crate::core) fn stored(id: u64, name: &str) -> Self {
        Self {
            id: PublicId(id),
            name: Name::Chosen(name.into()),
        }
    }
}

#[cfg(test)]
impl Author {
    /// A guest, for tests that have one or a few.
    pub(in crate::core) fn guest(id: PersonId) -> Self {
        Guests::starting_at(PersonId(0), 0).author(id)
    }
}

/// What every guest's name begins with, and no other.
pub(super) const GUEST_PREFIX: &str = "guest-";

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(name) => f.write_str(name),
            Self::Guest(guest) => guest.fmt(f),
        }
    }
}

/// Digits and letters without those that are taken for each other (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// No two guests have the same, and neighbours' look nothing alike, because the number is first put through a
/// permutation.
impl fmt::Display for GuestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits as u32;
        let bits = 5 * digits;
        let mask = (1_u64 << bits) - 1;
        let mut mixed = self.number & mask;
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
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names of guests with these numbers, counted from the first, where the first has the number `first`.
    fn names(first: u64, numbers: impl Iterator<Item = u64>) -> BTreeSet<String> {
        let guests = Guests::starting_at(PersonId(first), 0);
        let id = |number| PersonId((first + number) & ConnectionId::NUMBER_MASK);
        numbers
            .map(|number| guests.author(id(number)).name.to_string())
            .collect()
    }

    #[test]
    fn no_two_guests_have_one_name() {
        // Where nothing wraps, where four digits do, and where numbers do.
        for first in [0, (1 << 20) - 7, ConnectionId::NUMBER_MASK - 7] {
            let numbers = (0..200_000).chain((1 << 20)..(1 << 20) + 100_000);
            let names = names(first, numbers);
            assert_eq!(names.len(), 300_000);
            assert!(names.iter().any(|name| name.len() == "guest-xxxx".len()));
        }
    }

    #[test]
    fn another_process_names_its_guests_otherwise() {
        let [ours, theirs] = [3_000_000_017, 77_000_123_456].map(|first| names(first, 0..10_000));
        assert!(ours.is_disjoint(&theirs));
    }
}
