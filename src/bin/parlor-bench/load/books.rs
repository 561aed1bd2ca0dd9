//! The books of a run: what came, checked, counted and timed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::client::Role;
use super::lives::Lives;
use crate::check::{Checker, Verdict};
use crate::door::Joined;
use crate::ledger::Ledger;
use crate::order::Order;
use crate::record::Recorder;
use crate::scan::{Event, Sink};
use crate::stamp::{PROBE, STAMP_BYTES, Stamp};

/// Everything that a delivery touches.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) run: u64,
    pub(super) checker: Checker,
    /// Where the server is more than one process.
    pub(super) order: Option<Order>,
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
    /// A reader of that room is gone: what it has not seen, it never will.
    pub(super) fn reader_gone(&mut self, receiver: usize, room: usize, reason: String) {
        self.ledger.lose_receiver(room);
        for (number, sender) in (0..).zip(self.senders_in(room)) {
            let missing = self
                .checker
                .close(receiver, number, self.ledger.sent(sender));
            missing.for_each(|sequence| self.ledger.settle(receiver, sender, sequence));
        }
        *self.disconnected.entry(reason).or_default() += 1;
        if self.probed.get(receiver) == Some(&false) {
            self.unprobed -= 1;
        }
    }

    /// After the last delivery: what this reader has not seen is lost.
    pub(super) fn close(&mut self, receiver: usize, room: usize) {
        for (number, sender) in (0..).zip(self.senders_in(room)) {
            self.checker
                .close(receiver, number, self.ledger.sent(sender));
        }
    }

    fn senders_in(&self, room: usize) -> Range<u16> {
        let first = self.first_sender(room);
        first..first + self.ledger.senders_each()
    }

    #[inline]
    fn first_sender(&self, room: usize) -> u16 {
        room as u16 * self.ledger.senders_each()
    }

    /// Whether a reader got a message where all others get it.
    #[inline]
    fn check_order(
        &mut self,
        verdict: &Verdict,
        (room, receiver): (usize, usize),
        stamp: &Stamp,
        offset: Option<u64>,
    ) {
        let Some(order) = &mut self.order else {
            return;
        };
        if *verdict != Verdict::InOrder && offset.is_none() {
            return order.make_unsure(receiver);
        }
        // What came late or twice is counted as that.
        if matches!(verdict, Verdict::InOrder | Verdict::AfterGap(_)) {
            order.check((room, receiver), (stamp.sender, stamp.sequence), offset);
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
    pub(super) room: usize,
    pub(super) node: usize,
    /// Of the next message, where the door tells it.
    pub(super) offset: Option<u64>,
    /// Of a visitor at the JSON door.
    pub(super) life: Option<usize>,
    pub(super) now_ns: u64,
    pub(super) control: &'a mut Vec<(u8, Vec<u8>)>,
    /// Bytes that the server wants.
    pub(super) answers: &'a mut Vec<u8>,
    pub(super) entered: &'a mut bool,
}

impl Incoming<'_> {
    /// A probe, or a message that nobody of this room has sent.
    #[cold]
    fn take_other(&mut self, stamp: &Stamp) {
        let books = &mut *self.books;
        let is_ours = stamp.run == books.run;
        let is_probe = is_ours && stamp.sender == PROBE;
        if is_probe && stamp.sequence as usize == self.room {
            books.probe_came(self.receiver);
        } else if is_probe || is_ours && stamp.sender < books.ledger.senders() {
            books.checker.faults.strayed += 1;
        } else {
            books.foreign += 1;
        }
    }
}

impl Sink for Incoming<'_> {
    #[inline]
    fn message(&mut self, bytes: &[u8; STAMP_BYTES]) {
        let stamp = Stamp::read(bytes);
        let offset = self.offset.take();
        let books = &mut *self.books;
        let number = stamp.sender.wrapping_sub(books.first_sender(self.room));
        if stamp.run != books.run || number >= books.ledger.senders_each() {
            return self.take_other(&stamp);
        }
        if stamp.sequence >= books.ledger.sent(stamp.sender) {
            books.foreign += 1;
            return;
        }
        if self.role == Role::Staller {
            // A server may well leave out what it could not send to one that stalled.
            return books.recorder.delivered_aside(self.node);
        }
        let verdict = books.checker.check(self.receiver, number, stamp.sequence);
        if self.role == Role::Visitor {
            return books.recorder.delivered_aside(self.node);
        }
        books.check_order(&verdict, (self.room, self.receiver), &stamp, offset);
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
        books
            .recorder
            .delivered(self.node, stamp.time_ns, self.now_ns);
    }

    fn foreign(&mut self) {
        self.offset = None;
        self.books.foreign += 1;
    }

    #[inline]
    fn offset(&mut self, offset: u64) {
        self.offset = Some(offset);
        if let Some(life) = self.life {
            self.books.lives.message(life, offset);
        } else if self.role == Role::Speaker {
            (self.books.heard, self.books.last_said) = (self.books.heard + 1, offset);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match (event, self.life) {
            (Event::Asks(mut bytes), _) => self.answers.append(&mut bytes),
            (Event::Entered, _) => *self.entered = true,
            (Event::Joined(json), Some(life)) => match Joined::read(json) {
                Ok(joined) => self.books.lives.joined(life, joined, self.now_ns),
                Err(reason) => self.books.refusal = Some(reason),
            },
            (Event::Joined(_), None) => {}
            (Event::Refused(reason), _) => self.books.refusal = Some(reason),
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.control.push((opcode, payload.to_vec()));
    }
}
