//! A room that a node follows: how far its server is, what is to be told next, and what has to be asked.
//!
//! What is told has no hole and no repeat. A message whose predecessor is missing is not kept: the log is read from there on,
//! and if it does not reach back so far, the room is loaded anew.

use std::collections::VecDeque;

use crate::core::file::KeptFile;
use crate::core::redis::entry::Place;
use crate::core::store::{Stored, Ticket};
use crate::limits::{MAX_UNTOLD, MAX_UNTOLD_BYTES};

/// How far a room is, as its node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) offset: u64,
}

/// A message that the server is to be told.
#[derive(Debug)]
pub(super) enum Untold {
    /// One of its own, which it has.
    Own {
        ticket: Ticket,
        offset: u64,
        at_ms: u64,
    },
    Foreign(Box<(Stored, Option<Box<KeptFile>>)>),
}

impl Untold {
    fn bytes(&self) -> usize {
        match self {
            Self::Own { .. } => size_of::<Self>(),
            Self::Foreign(message) => message.0.record.held_bytes(),
        }
    }
}

/// What has to be asked of the log next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Where the room is, and what is kept of it. `known`: less must not be there.
    Load { known: Option<Position> },
    /// Whether the room is where it is known to be.
    Compare,
    /// The messages after this offset.
    Fill { after: u64 },
}

/// What becomes of a message that is on the channel, or in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the next one.
    Next,
    /// It is known, or comes again with what is asked for.
    Skip,
}

#[derive(Debug)]
pub(super) struct Follower {
    /// How many `Load`s no `Leave` has undone.
    pub(super) loads: u32,
    /// Who waits for the room to be loaded.
    pub(super) loading: Option<Ticket>,
    /// Up to where messages were told, or are to be told; `None` before the room is loaded.
    position: Option<Position>,
    untold: VecDeque<Untold>,
    untold_bytes: usize,
    /// The newest message that is known to have been published.
    heard: Option<Position>,
    /// The same when the log was asked last: what it has to have.
    heard_when_asked: Option<Position>,
    doubt: Doubt,
    /// The token of what was asked, until it is answered.
    asked: Option<u64>,
    /// When it is looked at again.
    pub(super) due_ms: Option<u64>,
    /// A message of this node's has this offset, and should be on the channel by then.
    pub(super) expected: Option<u64>,
    /// The server was told that the log cannot be reached.
    pub(super) is_paused: bool,
    /// This node has put it on the list of those that are in use, or asks for that.
    pub(super) is_listed: bool,
    /// It is in the queue of rooms with something to tell.
    pub(super) is_queued: bool,
    /// Who waits until all is told that was published before they asked.
    pub(super) syncs: Vec<Ticket>,
    /// Appends that wait for Redis to be there again, in their order.
    pub(super) parked: VecDeque<Ticket>,
}

/// Why the log has to be asked, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    None,
    /// Something may have been missed.
    Stale,
    /// Messages are in the log that are not here.
    Behind,
    /// The epoch is another, or the log does not reach.
    Elsewhere,
}

impl Follower {
    /// One that has to be loaded.
    pub(super) fn new() -> Self {
        Self {
            loads: 0,
            loading: None,
            position: None,
            untold: VecDeque::new(),
            untold_bytes: 0,
            heard: None,
            heard_when_asked: None,
            doubt: Doubt::None,
            asked: None,
            due_ms: None,
            expected: None,
            is_paused: false,
            is_listed: false,
            is_queued: false,
            syncs: Vec::new(),
            parked: VecDeque::new(),
        }
    }

    /// One whose room the server has, up to here.
    pub(super) fn at(position: Position) -> Self {
        Self {
            loads: 1,
            position: Some(position),
            doubt: Doubt::Stale,
            ..Self::new()
        }
    }

    /// The server has forgotten the room, and wants it anew.
    /// Gives what was not told yet.
    pub(super) fn restart(&mut self) -> VecDeque<Untold> {
        self.position = None;
        self.asked = None;
        self.take_all_untold()
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Whether all is known that was published, as far as anyone can say.
    pub(super) fn is_live(&self) -> bool {
        self.position.is_some() && self.doubt == Doubt::None
    }

    /// What has to be asked now, if nothing is asked yet. The log is not read further before what was read is told.
    pub(super) fn next_step(&self) -> Option<Step> {
        if self.asked.is_some() {
            return None;
        }
        let Some(position) = self.position else {
            return Some(Step::Load { known: None });
        };
        match self.doubt {
            Doubt::None => None,
            Doubt::Stale => Some(Step::Compare),
            Doubt::Behind => self.untold.is_empty().then_some(Step::Fill {
                after: position.offset,
            }),
            Doubt::Elsewhere => Some(Step::Load {
                known: Some(position),
            }),
        }
    }

    /// It was asked, under this token.
    pub(super) fn on_asked(&mut self, token: u64) {
        self.asked = Some(token);
        self.heard_when_asked = self.heard;
    }

    /// Whether this is the answer that is waited for. From now on none is.
    pub(super) fn take_asked(&mut self, token: u64) -> bool {
        let is_asked = self.asked == Some(token);
        if is_asked {
            self.asked = None;
        }
        is_asked
    }

    /// The channel is silent: something may be missed from here on. What was asked is not waited for.
    pub(super) fn on_silence(&mut self) {
        self.asked = None;
        self.is_listed = false;
        self.doubt = self.doubt.max(Doubt::Stale);
    }

    /// It is time to look whether something was missed: at what was expected, or at all.
    pub(super) fn look(&mut self) {
        let expected = self.expected.take();
        let is_here = |offset| self.position.is_some_and(|it| it.offset >= offset);
        if !expected.is_some_and(is_here) {
            self.suspect();
        }
    }

    /// Something may have been missed.
    pub(super) fn suspect(&mut self) {
        self.doubt = self.doubt.max(Doubt::Stale);
    }

    /// A message of this place has come on the channel. The caller passes on the message with `tell`.
    pub(super) fn on_message(&mut self, place: &Place) -> Turn {
        self.hear(Position {
            epoch: place.epoch,
            offset: place.offset,
        });
        let Some(position) = self.position else {
            return Turn::Skip;
        };
        if place.epoch != position.epoch {
            self.doubt = Doubt::Elsewhere;
            return Turn::Skip;
        }
        if place.offset <= position.offset || self.doubt > Doubt::Stale {
            return Turn::Skip;
        }
        let has_place = self.untold.len() < MAX_UNTOLD && self.untold_bytes < MAX_UNTOLD_BYTES;
        if place.before != position.offset || !has_place {
            self.doubt = Doubt::Behind;
            return Turn::Skip;
        }
        Turn::Next
    }

    /// A message of this place was read from the log. The caller passes on the message with `tell`.
    pub(super) fn on_read(&mut self, place: &Place) -> Turn {
        let Some(position) = self.position.filter(|_| self.doubt == Doubt::Behind) else {
            return Turn::Skip;
        };
        if place.offset <= position.offset {
            return Turn::Skip;
        }
        if place.before != position.offset {
            self.doubt = Doubt::Elsewhere;
            return Turn::Skip;
        }
        Turn::Next
    }

    /// All that was read is passed on; `is_end`: there was no more.
    pub(super) fn on_read_end(&mut self, is_end: bool) {
        let Some(position) = self.position.filter(|_| self.doubt == Doubt::Behind) else {
            return;
        };
        if !is_after(self.heard, position) {
            self.doubt = Doubt::None;
        } else if is_end && is_after(self.heard_when_asked, position) {
            // It was there, and is not any more.
            self.doubt = Doubt::Elsewhere;
        }
    }

    /// A message is known to have been published.
    fn hear(&mut self, there: Position) {
        match &mut self.heard {
            Some(heard) if heard.epoch == there.epoch => {
                heard.offset = heard.offset.max(there.offset);
            }
            heard => *heard = Some(there),
        }
    }

    /// The next message of the room.
    pub(super) fn tell(&mut self, message: Untold, offset: u64) {
        if let Some(position) = &mut self.position {
            position.offset = offset;
        }
        self.untold_bytes += message.bytes();
        self.untold.push_back(message);
    }

    /// The next message of the room cannot be told.
    pub(super) fn pass_over(&mut self, offset: u64) {
        if let Some(position) = &mut self.position {
            position.offset = offset;
        }
    }

    /// Takes what the server is to be told next.
    pub(super) fn take_untold(&mut self) -> Option<Untold> {
        let message = self.untold.pop_front()?;
        self.untold_bytes -= message.bytes();
        Some(message)
    }

    pub(super) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// The log says where the room is.
    pub(super) fn on_compared(&mut self, there: Option<Position>) {
        let Some(position) = self.position else {
            return;
        };
        self.doubt = match there {
            Some(there) if there.epoch == position.epoch && there.offset >= position.offset => {
                self.hear(there);
                self.doubt_at(position)
            }
            _ => Doubt::Elsewhere,
        };
    }

    /// What is in doubt where the room is known up to here, and the log goes on from there.
    fn doubt_at(&self, position: Position) -> Doubt {
        match is_after(self.heard, position) {
            true => Doubt::Behind,
            false => Doubt::None,
        }
    }

    /// The log has this room, at this position. Gives what was not told yet: it is in what was loaded, or lost with its log.
    pub(super) fn on_loaded(&mut self, position: Position) -> VecDeque<Untold> {
        self.position = Some(position);
        // What was published since is on the channel already.
        self.doubt = self.doubt_at(position);
        self.take_all_untold()
    }

    /// Takes all that was not told yet.
    pub(super) fn take_all_untold(&mut self) -> VecDeque<Untold> {
        self.untold_bytes = 0;
        std::mem::take(&mut self.untold)
    }
}

/// Where the node's own are among messages of one epoch.
pub(super) fn own_among(
    untold: &VecDeque<Untold>,
    epoch: u64,
) -> impl Iterator<Item = (Ticket, Position)> {
    untold.iter().filter_map(move |message| match message {
        Untold::Own { ticket, offset, .. } => Some((
            *ticket,
            Position {
                epoch,
                offset: *offset,
            },
        )),
        Untold::Foreign(_) => None,
    })
}

/// Whether a message of this log is known that comes after a position.
fn is_after(heard: Option<Position>, position: Position) -> bool {
    heard.is_some_and(|heard| heard.epoch == position.epoch && heard.offset > position.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: u64, before: u64, offset: u64) -> Place {
        Place {
            epoch,
            before,
            offset,
            at_ms: 0,
            origin: "n:1".into(),
        }
    }

    fn own(offset: u64) -> Untold {
        Untold::Own {
            ticket: Ticket::for_test(offset),
            offset,
            at_ms: 0,
        }
    }

    fn live(offset: u64) -> Follower {
        let mut follower = Follower::at(Position { epoch: 1, offset });
        follower.on_compared(Some(Position { epoch: 1, offset }));
        assert!(follower.is_live());
        follower
    }

    #[test]
    fn messages_are_told_in_their_order_once() {
        let mut follower = live(5);
        assert_eq!(follower.on_message(&place(1, 5, 6)), Turn::Next);
        follower.tell(own(6), 6);
        assert_eq!(follower.on_message(&place(1, 5, 6)), Turn::Skip);
        assert_eq!(follower.on_message(&place(1, 6, 9)), Turn::Next, "imported");
        follower.tell(own(9), 9);
        assert!(follower.is_live());
        assert_eq!(follower.next_step(), None);
    }

    #[test]
    fn a_hole_is_filled_from_the_log_before_anything_newer_is_told() {
        let mut follower = live(5);
        assert_eq!(follower.on_message(&place(1, 6, 7)), Turn::Skip);
        assert_eq!(follower.next_step(), Some(Step::Fill { after: 5 }));
        follower.on_asked(1);
        assert_eq!(follower.on_message(&place(1, 7, 8)), Turn::Skip);
        assert!(follower.take_asked(1));
        for offset in 6..=7 {
            assert_eq!(follower.on_read(&place(1, offset - 1, offset)), Turn::Next);
            follower.tell(own(offset), offset);
        }
        follower.on_read_end(false);
        assert_eq!(follower.next_step(), None, "what was read is told first");
        while follower.take_untold().is_some() {}
        assert_eq!(follower.next_step(), Some(Step::Fill { after: 7 }));
        assert_eq!(follower.on_read(&place(1, 7, 8)), Turn::Next);
        follower.tell(own(8), 8);
        follower.on_read_end(true);
        assert!(follower.is_live());
    }

    #[test]
    fn a_log_that_does_not_reach_back_is_loaded_anew() {
        let mut follower = live(5);
        follower.on_message(&place(1, 90, 91));
        assert_eq!(follower.on_read(&place(1, 80, 81)), Turn::Skip);
        let known = Some(Position {
            epoch: 1,
            offset: 5,
        });
        assert_eq!(follower.next_step(), Some(Step::Load { known }));
    }

    #[test]
    fn another_epoch_or_less_than_was_told_is_another_log() {
        let mut follower = live(5);
        assert_eq!(follower.on_message(&place(2, 5, 6)), Turn::Skip);
        assert!(matches!(follower.next_step(), Some(Step::Load { .. })));
        for there in [None, Some((1, 4)), Some((2, 5))] {
            let mut follower = live(5);
            follower.on_compared(there.map(|(epoch, offset)| Position { epoch, offset }));
            assert!(matches!(follower.next_step(), Some(Step::Load { .. })));
        }
    }

    #[test]
    fn what_is_published_while_the_log_is_read_is_not_missed() {
        let mut follower = live(5);
        follower.on_message(&place(1, 6, 7));
        follower.on_asked(1);
        follower.on_message(&place(1, 7, 8));
        for offset in 6..=7 {
            follower.on_read(&place(1, offset - 1, offset));
            follower.tell(own(offset), offset);
        }
        follower.on_read_end(true);
        while follower.take_untold().is_some() {}
        follower.take_asked(1);
        assert_eq!(follower.next_step(), Some(Step::Fill { after: 7 }));

        let mut follower = Follower::new();
        follower.on_asked(1);
        follower.on_message(&place(2, 3, 4));
        follower.take_asked(1);
        follower.on_loaded(Position {
            epoch: 2,
            offset: 3,
        });
        assert_eq!(follower.next_step(), Some(Step::Fill { after: 3 }));
    }

    #[test]
    fn what_is_not_told_is_bounded() {
        let mut follower = live(0);
        for offset in 1..=MAX_UNTOLD as u64 {
            assert_eq!(
                follower.on_message(&place(1, offset - 1, offset)),
                Turn::Next
            );
            follower.tell(own(offset), offset);
        }
        let next = MAX_UNTOLD as u64 + 1;
        assert_eq!(follower.on_message(&place(1, next - 1, next)), Turn::Skip);
        assert_eq!(follower.next_step(), None);
        while follower.take_untold().is_some() {}
        assert_eq!(follower.untold_bytes, 0);
        assert_eq!(follower.next_step(), Some(Step::Fill { after: next - 1 }));
    }
}
