//! The books of a run: what came, checked, counted and timed.

use std::collections::BTreeMap;

use super::client::Role;
use super::lives::Lives;
use crate::check::{Checker, Verdict};
use crate::door::{Event, Joined};
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
    pub(super) lives: Lives,
    /// Messages of its own that the speaker has got back, and the offset of the last one.
    pub(super) heard: u64,
    pub(super) last_said: u64,
    /// Why a command was refused: the load is not the one that was asked for.
    pub(super) refusal: Option<String>,
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
    /// Of a visitor at the JSON door.
    pub(super) life: Option<usize>,
    pub(super) now_ns: u64,
    pub(super) control: &'a mut Vec<(u8, Vec<u8>)>,
    /// Pings, to be answered.
    pub(super) pings: &'a mut u32,
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

    #[inline]
    fn offset(&mut self, offset: u64) {
        if let Some(life) = self.life {
            self.books.lives.message(life, offset);
        } else if self.role == Role::Speaker {
            (self.books.heard, self.books.last_said) = (self.books.heard + 1, offset);
        }
    }

    fn event(&mut self, json: &[u8]) {
        match (Event::read(json), self.life) {
            (Some(Event::Ping), _) => *self.pings += 1,
            (Some(Event::Joined(json)), Some(life)) => match Joined::read(json) {
                Ok(joined) => self.books.lives.joined(life, joined, self.now_ns),
                Err(reason) => self.books.refusal = Some(reason),
            },
            (Some(Event::Refused(reason)), _) => self.books.refusal = Some(reason),
            _ => {}
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.control.push((opcode, payload.to_vec()));
    }
}
