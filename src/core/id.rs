//! What connections are called for as long as they last, and the numbers of which no two have the same.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_CONNECTIONS, REFUSAL_SLOTS};

/// Names a connection for as long as it lasts: an id kept longer finds nobody. Above, its number, which no other
/// connection of this process has; below, its place in the slab, which a later connection may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId(u64);

/// Bits of a place in the slab.
const INDEX_BITS: u32 = (MAX_CONNECTIONS + REFUSAL_SLOTS).ilog2();

impl ConnectionId {
    /// Places in the slab that an id can name.
    pub(super) const PLACES: usize = 1 << INDEX_BITS;

    /// The bits of a number: enough for three years of 50,000 new connections a second.
    pub(super) const NUMBER_MASK: u64 = u64::MAX >> INDEX_BITS;

    pub(super) fn new(index: usize, number: u64) -> Self {
        debug_assert!(index < Self::PLACES && number <= Self::NUMBER_MASK);
        Self(number << INDEX_BITS | index as u64)
    }

    /// Place in the slab.
    pub(super) fn index(self) -> usize {
        (self.0 % Self::PLACES as u64) as usize
    }

    /// Tells the connections in one place apart.
    pub(super) fn number(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

/// The numbers of connections, and of those who come without one: each is given once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// Numbers from somewhere on: another process, before a restart or beside this one, hardly gives the same.
    pub(super) fn beginning_at(random: u64) -> Self {
        Self(random & ConnectionId::NUMBER_MASK)
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.0
    }

    /// Gives the next number away.
    pub(super) fn take(&mut self) -> u64 {
        let number = self.0;
        self.0 = (number + 1) & ConnectionId::NUMBER_MASK;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_place_and_a_number() {
        for index in [0, 5, MAX_CONNECTIONS + REFUSAL_SLOTS - 1] {
            for number in [0, 1 << 32, (1 << 32) + 1, ConnectionId::NUMBER_MASK] {
                let id = ConnectionId::new(index, number);
                assert_eq!((id.index(), id.number()), (index, number));
            }
        }
    }

    #[test]
    fn numbers_go_on_beyond_32_bits() {
        let mut numbers = Numbers::beginning_at(u64::from(u32::MAX) - 1);
        let taken: Vec<u64> = (0..4).map(|_| numbers.take()).collect();
        assert!(taken.is_sorted_by(|a, b| a + 1 == *b), "{taken:?}");
        let mut last = Numbers::beginning_at(u64::MAX);
        assert_eq!((last.take(), last.take()), (ConnectionId::NUMBER_MASK, 0));
    }
}
