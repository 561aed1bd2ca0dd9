//! The books of a run: what came, checked, counted and timed.

use std::collections::BTreeMap;

use super::client::Role;
use crate::check::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::record::Recorder;
use crate::scan::Sink;
use crate::stamp::{PROBE, STAMP_BYTES, Stamp};

/// Everything that a delivery touches.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) run: u64,
    pub(super) checker: Checker,
    pub(super) ledger: Ledger,
    pub(super) recorder: Recorder,
    /// Messages of nobody in this run, or of a wrong size.
    pub(super) foreign: u64,
    /// By receiver: whether a probe has come. Those that wait for one.
    pub(super) probed: Vec<bool>,
    pub(super) unprobed: usize,
    /// Readers that the server has cut off, by reason.
    pub(super) disconnected: BTreeMap<String, u64>,
}

impl Books {
    /// A reader is gone: what it has not seen, it never will.
    pub(super) fn reader_gone(&mut self, receiver: usize, reason: String) {
        self.ledger.receivers -= 1;
        for sender in 0..self.ledger.senders() {
            let missing = self
                .checker
                .close(receiver, sender, self.ledger.sent(sender));
            missing.for_each(|sequence| self.ledger.settle(receiver, sender, sequence));
        }
        *self.disconnected.entry(reason).or_default() += 1;
        if self.probed.get(receiver) == Some(&false) {
            self.unprobed -= 1;
        }
    }

    /// After the last delivery: what this reader has not seen is lost.
    pub(super) fn close(&mut self, receiver: usize) {
        for sender in 0..self.ledger.senders() {
            self.checker
                .close(receiver, sender, self.ledger.sent(sender));
        }
    }

    fn probe_came(&mut self, receiver: usize) {
        if let Some(probed @ false) = self.probed.get_mut(receiver) {
            *probed = true;
            self.unprobed -= 1;
        }
    }
}

/// What one read brought to one connection.
pub(super) struct Incoming<'a> {
    pub(super) books: &'a mut Books,
    pub(super) receiver: usize,
    pub(super) role: Role,
    pub(super) now_ns: u64,
    pub(super) control: &'a mut Vec<(u8, Vec<u8>)>,
}

impl Sink for Incoming<'_> {
    #[inline]
    fn message(&mut self, bytes: &[u8; STAMP_BYTES]) {
        let stamp = Stamp::read(bytes);
        let books = &mut *self.books;
        if stamp.run != books.run || stamp.sender >= books.ledger.senders() {
            if stamp.run == books.run && stamp.sender == PROBE {
                books.probe_came(self.receiver);
            } else {
                books.foreign += 1;
            }
            return;
        }
        if stamp.sequence >= books.ledger.sent(stamp.sender) {
            books.foreign += 1;
            return;
        }
        if self.role == Role::Staller {
            // A server may well leave out what it could not send to one that stalled.
            return books.recorder.delivered_aside();
        }
        let verdict = books
            .checker
            .check(self.receiver, stamp.sender, stamp.sequence);
        if self.role == Role::Visitor {
            return books.recorder.delivered_aside();
        }
        match verdict {
            Verdict::InOrder => books
                .ledger
                .settle(self.receiver, stamp.sender, stamp.sequence),
            Verdict::AfterGap(gap) => (gap.start..=stamp.sequence)
                .for_each(|sequence| books.ledger.settle(self.receiver, stamp.sender, sequence)),
            // Settled when it was missed.
            Verdict::Late => {}
            Verdict::Duplicate => return,
        }
        books.recorder.delivered(stamp.time_ns, self.now_ns);
    }

    fn foreign(&mut self) {
        self.books.foreign += 1;
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.control.push((opcode, payload.to_vec()));
    }
}
