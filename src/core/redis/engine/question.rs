//! Why something about people was asked.

use crate::core::store::{KnownPresence, Ticket};

/// Why something about people was asked.
#[derive(Debug)]
pub(super) enum Question {
    Tell(Box<str>),
    Compare(KnownPresence),
    Look(Ticket, Box<str>),
    Rooms(Ticket),
    /// How many are in these rooms?
    Count(Ticket, Vec<Box<str>>),
    Whose(Ticket),
    Claim(Ticket),
    Keep(u64),
    Renew,
    Find(Ticket),
    Direct(Option<Ticket>),
    /// Nobody waits for the answer.
    Nothing,
}
