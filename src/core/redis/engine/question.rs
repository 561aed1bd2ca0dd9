//! Why something about people was asked.

use crate::core::store::{KnownPresence, Ticket};

/// Why something about people was asked.
#[derive(Debug)]
pub(super) enum Question {
    Tell(Box<str>),
    Compare(KnownPresence),
    Look(Ticket, Box<str>),
    Claim(Ticket),
    Keep(u64),
    Renew,
    Find(Ticket),
    Direct(Option<Ticket>),
    /// Nobody waits for the answer.
    Nothing,
}
