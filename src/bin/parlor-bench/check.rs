//! Checks that each receiver gets every message of every sender in its room once and in order.
//!
//! O(1) per delivery: one expected sequence number per receiver and sender. Only what is missing is remembered
//! one by one, to tell a late message (reordered) from a second one (duplicate).

use std::collections::HashMap;
use std::ops::Range;

/// A receiver that joined in the middle: its first message of a sender says where that sender stands.
const UNSEEN: u32 = u32::MAX;

/// A receiver that gets none of a sender's messages: they are its own, and go to others only.
const EXEMPT: u32 = u32::MAX - 1;

/// Ranges of missing messages kept per receiver and sender; beyond it, late ones are taken for duplicates.
const MAX_HOLES: usize = 1_024;

/// What one delivery was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    InOrder,
    /// In order, but these before it have not come.
    AfterGap(Range<u32>),
    /// One that was counted as lost and came after all.
    Late,
    Duplicate,
}

/// What went wrong, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// Messages of another room.
    pub(crate) strayed: u64,
    /// Messages in another order than at other receivers, of different senders.
    pub(crate) disordered: u64,
}

/// The expected sequence numbers of all receivers. Senders are numbered within the receiver's room.
#[derive(Debug)]
pub(crate) struct Checker {
    senders: usize,
    expected: Vec<u32>,
    holes: HashMap<(usize, u16), Vec<Range<u32>>>,
    pub(crate) faults: Faults,
}

impl Checker {
    pub(crate) fn new(senders: usize) -> Checker {
        Checker {
            senders,
            expected: Vec::new(),
            holes: HashMap::new(),
            faults: Faults::default(),
        }
    }

    /// A receiver that must see everything from the first message on.
    pub(crate) fn add(&mut self, receiver: usize) {
        self.set(receiver, 0);
    }

    /// A receiver that joins in the middle and must see everything after the first message it sees.
    pub(crate) fn add_late(&mut self, receiver: usize) {
        self.set(receiver, UNSEEN);
    }

    /// Of its own messages this receiver gets none; one that comes all the same counts as a duplicate.
    pub(crate) fn exempt(&mut self, receiver: usize, sender: u16) {
        self.expected[receiver * self.senders + usize::from(sender)] = EXEMPT;
    }

    fn set(&mut self, receiver: usize, expected: u32) {
        let end = (receiver + 1) * self.senders;
        if self.expected.len() < end {
            self.expected.resize(end, UNSEEN);
        }
        self.expected[end - self.senders..end].fill(expected);
        if !self.holes.is_empty() {
            self.holes.retain(|&(other, _), _| other != receiver);
        }
    }

    /// One message has come.
    #[inline]
    pub(crate) fn check(&mut self, receiver: usize, sender: u16, sequence: u32) -> Verdict {
        let expected = &mut self.expected[receiver * self.senders + usize::from(sender)];
        if *expected == sequence {
            *expected += 1;
            return Verdict::InOrder;
        }
        self.check_unexpected(receiver, sender, sequence)
    }

    #[cold]
    fn check_unexpected(&mut self, receiver: usize, sender: u16, sequence: u32) -> Verdict {
        let expected = &mut self.expected[receiver * self.senders + usize::from(sender)];
        if *expected == UNSEEN {
            *expected = sequence + 1;
            return Verdict::InOrder;
        }
        if sequence > *expected {
            let gap = *expected..sequence;
            *expected = sequence + 1;
            self.faults.lost += u64::from(sequence - gap.start);
            let holes = self.holes.entry((receiver, sender)).or_default();
            if holes.len() < MAX_HOLES {
                holes.push(gap.clone());
            }
            return Verdict::AfterGap(gap);
        }
        if self.fill_hole(receiver, sender, sequence) {
            self.faults.lost -= 1;
            self.faults.reordered += 1;
            return Verdict::Late;
        }
        self.faults.duplicated += 1;
        Verdict::Duplicate
    }

    fn fill_hole(&mut self, receiver: usize, sender: u16, sequence: u32) -> bool {
        let Some(holes) = self.holes.get_mut(&(receiver, sender)) else {
            return false;
        };
        let Some(at) = holes.iter().position(|hole| hole.contains(&sequence)) else {
            return false;
        };
        let hole = holes.swap_remove(at);
        holes.extend(
            [hole.start..sequence, sequence + 1..hole.end]
                .into_iter()
                .filter(|part| !part.is_empty()),
        );
        true
    }

    /// What a receiver has not seen of a sender that has sent `sent` messages; counted as lost from now on.
    pub(crate) fn close(&mut self, receiver: usize, sender: u16, sent: u32) -> Range<u32> {
        let expected = &mut self.expected[receiver * self.senders + usize::from(sender)];
        let missing = (*expected).min(sent)..sent;
        *expected = sent;
        self.faults.lost += missing.len() as u64;
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sequences: &[u32]) -> (Checker, Vec<Verdict>) {
        let mut checker = Checker::new(2);
        checker.add(0);
        checker.add(1);
        let verdicts = sequences
            .iter()
            .map(|&sequence| checker.check(1, 1, sequence))
            .collect();
        (checker, verdicts)
    }

    #[test]
    fn every_message_once_and_in_order_is_no_fault() {
        let (mut checker, verdicts) = run(&[0, 1, 2, 3]);
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::InOrder));
        assert!(checker.close(1, 1, 4).is_empty());
        assert_eq!(checker.faults, Faults::default());
    }

    #[test]
    fn a_planted_loss_is_counted() {
        let (checker, verdicts) = run(&[0, 3, 4]);
        assert_eq!(verdicts[1], Verdict::AfterGap(1..3));
        assert_eq!(
            checker.faults,
            Faults {
                lost: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_loss_at_the_end_is_counted() {
        let (mut checker, _) = run(&[0, 1]);
        assert_eq!(checker.close(1, 1, 5), 2..5);
        assert_eq!(checker.close(0, 0, 1), 0..1);
        assert_eq!(checker.faults.lost, 4);
    }

    #[test]
    fn a_planted_duplicate_is_counted() {
        let (checker, verdicts) = run(&[0, 1, 1, 0, 2]);
        assert_eq!(verdicts[2..4], [Verdict::Duplicate, Verdict::Duplicate]);
        assert_eq!(
            checker.faults,
            Faults {
                duplicated: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_planted_reordering_is_counted_and_is_no_loss() {
        let (checker, verdicts) = run(&[0, 4, 2, 2, 1, 3]);
        assert_eq!(
            verdicts[2..],
            [
                Verdict::Late,
                Verdict::Duplicate,
                Verdict::Late,
                Verdict::Late
            ]
        );
        assert_eq!(
            checker.faults,
            Faults {
                duplicated: 1,
                reordered: 3,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_late_joiner_is_checked_from_its_first_message_on() {
        let mut checker = Checker::new(1);
        checker.add_late(7);
        assert_eq!(checker.check(7, 0, 100), Verdict::InOrder);
        assert_eq!(checker.check(7, 0, 102), Verdict::AfterGap(101..102));
        checker.add_late(7);
        assert_eq!(checker.check(7, 0, 101), Verdict::InOrder);
        assert_eq!(checker.faults.lost, 1);
    }
    #[test]
    fn who_gets_none_of_its_own_messages_misses_none() {
        let mut checker = Checker::new(2);
        checker.add(0);
        checker.exempt(0, 1);
        assert_eq!(checker.check(0, 0, 0), Verdict::InOrder);
        assert!(checker.close(0, 1, 5).is_empty());
        assert_eq!(checker.faults, Faults::default());
        checker.exempt(0, 1);
        assert_eq!(checker.check(0, 1, 4), Verdict::Duplicate);
    }
}
