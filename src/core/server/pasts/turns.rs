//! Whose numbers are read next: those who want some take turns, so that nobody waits behind all that somebody else wants.

use std::collections::{BTreeMap, VecDeque};

use crate::core::chat::Owner;
use crate::core::store::Ticket;

/// What each wants, in their order. There are `limits::MAX_PASTS_EACH` of one at most.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: BTreeMap<Owner, VecDeque<Ticket>>,
    /// Those who want something, the next one first.
    order: VecDeque<Owner>,
    count: usize,
}

impl Turns {
    /// What somebody wants, the next first.
    pub(super) fn of(&self, owner: &Owner) -> impl Iterator<Item = Ticket> {
        self.lines.get(owner).into_iter().flatten().copied()
    }

    /// How much all want, what more than one want as often as that.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Somebody wants this, too.
    pub(super) fn add(&mut self, owner: &Owner, ticket: Ticket) {
        let line = self.lines.entry(owner.clone()).or_default();
        if line.is_empty() {
            self.order.push_back(owner.clone());
        }
        line.push_back(ticket);
        self.count += 1;
    }

    /// What is to be read next.
    pub(super) fn next(&mut self) -> Option<Ticket> {
        let owner = self.order.pop_front()?;
        let line = self.lines.get_mut(&owner)?;
        let ticket = line.pop_front();
        self.count -= 1;
        match line.is_empty() {
            true => drop(self.lines.remove(&owner)),
            false => self.order.push_back(owner),
        }
        ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_much_waits_for_those_who_want_little() {
        let [busy, other, late] = [1, 2, 3].map(|it| Owner::at([10, 0, 0, it].into()));
        let mut turns = Turns::default();
        for number in 0..4 {
            turns.add(&busy, Ticket::for_test(number));
        }
        turns.add(&other, Ticket::for_test(10));
        let mut next = || turns.next();
        assert_eq!(next(), Some(Ticket::for_test(0)));
        assert_eq!(next(), Some(Ticket::for_test(10)));
        turns.add(&late, Ticket::for_test(20));
        let rest: Vec<Ticket> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(rest, [1, 20, 2, 3].map(Ticket::for_test));
        assert_eq!((turns.count(), turns.of(&busy).count()), (0, 0));
    }
}
