//! Bans: who may not come in, into which rooms, and until when.
//!
//! A ban is of a person, by the name in their tokens, or of a network. It is found by whom it is of and where it holds: another
//! one for the same takes its place.

mod book;
mod one;

pub(super) use book::{Bans, TooManyBans};
pub(super) use one::{Ban, Whom, id_of_target};

#[cfg(test)]
mod tests;
