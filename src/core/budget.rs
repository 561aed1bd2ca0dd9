//! What a tick may cost. Time is a budget, like memory: every loop that a client can make long spends of it.
//!
//! A unit is about a nanosecond of work on the machine on which the costs in [`cost`] were measured. In the shell the
//! units only decide when the clock is looked at, and what the clock says counts. In the simulation there is no clock:
//! the units themselves are counted, so that a run repeats, and the simulation asserts after every tick that no more
//! than the bound was spent.
//!
//! How to charge work to it, in two rules:
//!
//! - Whoever does work says so where it is done, with [`Budget::spend`]: the encoder for the bytes that it makes, a flush
//!   for its system call. A command costs what it makes the server look at and encode, before compression, whatever it
//!   sends back.
//! - Whoever loops over what clients can make many asks [`Budget::is_left`] before each piece, leaves the rest in its list
//!   when there is none, and has `Server::has_work` tell of that list. The first piece of a stage is always allowed, so
//!   that nothing waits for ever.
//!
//! A loop that only a fixed limit makes long (the formats of a room, the rooms of one connection) need not ask, but its
//! work is spent like any other.

pub mod cost;
mod stage;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

pub use stage::{LongTick, Stage};

/// The turn of one connection, however much it has sent, before the others of its line get theirs: this part of a tick.
const TURNS: u64 = 8;

/// Units that may be spent before the clock is looked at again.
const LOOK_EVERY: u64 = 20_000;

/// The same at the end of a stage, so that what it took is known unless it was next to nothing.
const LOOK_AFTER_STAGE: u64 = 1_000;

/// Nanoseconds of a clock that never goes back; its origin means nothing.
pub type Clock = fn() -> u64;

/// What is left of a tick. Its clones are of one budget, as those of `Meter` are of one meter.
#[derive(Clone, Debug, Default)]
pub struct Budget(Rc<State>);

#[derive(Debug, Default)]
struct State {
    clock: Cell<Option<Clock>>,
    /// What the clock said when the tick began.
    began: Cell<u64>,
    /// Units that the tick may take.
    length: Cell<u64>,
    /// Units spent in this tick.
    spent: Cell<u64>,
    /// Of these, what was spent after the clock was looked at.
    unseen: Cell<u64>,
    /// The stage, and where it began and where it ends, in units of the tick.
    stage: Cell<Stage>,
    stage_began: Cell<u64>,
    stage_end: Cell<u64>,
    /// The stage has not done anything yet.
    is_first: Cell<bool>,
    /// What each stage has taken.
    took: [Cell<u64>; Stage::COUNT],
    /// Where the turn of a connection ends.
    turn_end: Cell<u64>,
    /// Where the piece of work began that is being done, and the most that one of this tick has taken.
    piece_began: Cell<u64>,
    longest_piece: Cell<u64>,
}

impl Budget {
    /// From now on the clock counts, not the units.
    pub fn use_clock(&self, clock: Clock) {
        self.0.clock.set(Some(clock));
    }

    /// A tick begins, which may take so many units.
    pub fn begin_tick(&self, length: u64) {
        let state = &self.0;
        if let Some(clock) = state.clock.get() {
            state.began.set(clock());
        }
        state.length.set(length);
        let zeros = [
            &state.spent,
            &state.unseen,
            &state.stage_began,
            &state.piece_began,
            &state.longest_piece,
        ];
        for cell in zeros.into_iter().chain(&state.took) {
            cell.set(0);
        }
        self.begin_stage(Stage::Noting, 0);
    }

    /// The tick goes on with this stage.
    pub fn enter(&self, stage: Stage) {
        let spent = self.end_stage();
        self.begin_stage(stage, spent);
    }

    /// The tick has ended: what each stage has taken, if it was longer than `most` units.
    pub fn end_tick(&self, most: u64) -> Option<LongTick> {
        let spent = self.end_stage();
        (spent > most).then(|| LongTick {
            took: self.0.took.each_ref().map(Cell::get),
        })
    }

    /// Work has been done, or is about to be: so much of it.
    pub fn spend(&self, units: u64) {
        self.0.spent.set(self.0.spent.get().saturating_add(units));
        self.0.unseen.set(self.0.unseen.get().saturating_add(units));
    }

    /// Whether the stage may do another piece of work: its first one always.
    pub fn is_left(&self) -> bool {
        self.spend(cost::SCAN);
        let spent = self.end_piece(LOOK_EVERY);
        self.0.is_first.replace(false) || spent < self.0.stage_end.get()
    }

    /// It is the turn of one connection.
    pub fn begin_turn(&self) {
        let turn = self.0.length.get() / TURNS;
        let end = self.0.spent.get().saturating_add(turn);
        self.0.turn_end.set(end.min(self.0.stage_end.get()));
    }

    /// Whether it may go on after what it has done so far. Ask after the first piece of the turn.
    pub fn has_turn(&self) -> bool {
        self.spend(cost::SCAN);
        self.end_piece(LOOK_EVERY) < self.0.turn_end.get()
    }

    /// Checks, where there is no clock, that no piece of work of this tick was longer than `most` units, and that the tick
    /// took no more than it may, and one piece for each stage.
    pub(super) fn check(&self, most: u64) -> Result<(), String> {
        let spent = self.end_piece(LOOK_EVERY);
        let longest = self.0.longest_piece.get();
        if longest > most {
            return Err(format!(
                "a piece of work took {longest} units, which may take {most}"
            ));
        }
        let length = self.0.length.get();
        if spent > length.saturating_add(most * Stage::COUNT as u64) {
            return Err(format!("a tick of {length} units took {spent}"));
        }
        Ok(())
    }

    fn begin_stage(&self, stage: Stage, spent: u64) {
        let state = &self.0;
        state.stage.set(stage);
        state.stage_end.set(stage.end(state.length.get(), spent));
        state.is_first.set(true);
    }

    /// Notes what the stage has taken. Says what was spent so far.
    fn end_stage(&self) -> u64 {
        let state = &self.0;
        let spent = self.end_piece(LOOK_AFTER_STAGE);
        let took = spent.saturating_sub(state.stage_began.replace(spent));
        let stage = &state.took[state.stage.get() as usize];
        stage.set(stage.get() + took);
        spent
    }

    /// A piece of work is done, and the clock is looked at if so many units were spent since. Says what was spent so far.
    fn end_piece(&self, look_after: u64) -> u64 {
        let state = &self.0;
        if let Some(clock) = state.clock.get()
            && state.unseen.get() >= look_after
        {
            state.unseen.set(0);
            state.spent.set(clock() - state.began.get());
        }
        let spent = state.spent.get();
        let piece = spent.saturating_sub(state.piece_began.replace(spent));
        let longest = state.longest_piece.get().max(piece);
        state.longest_piece.set(longest);
        spent
    }
}
