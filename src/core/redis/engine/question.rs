//! Why something about people was asked.

use crate::core::redis::partition::Partition;
use crate::core::store::{BanRequest, KnownPresence, Ticket};

/// Why something about people was asked.
#[derive(Debug)]
pub(super) enum Question {
    Tell(Box<str>),
    Compare(KnownPresence),
    Look(Ticket, Box<str>),
    Rooms(Ticket),
    /// To put these rooms on the list.
    List(Vec<Box<str>>),
    /// Which rooms of a partition are in use, for those who follow patterns?
    Found(Partition, Ticket),
    /// Which have begun? With the number of the question.
    Begun(Partition, u64),
    /// How many are in these rooms?
    Count(Ticket, Vec<Box<str>>),
    Whose(Ticket),
    Claim(Ticket),
    Keep(u64),
    Renew,
    Find(Ticket),
    Direct(Option<Ticket>),
    Ban(BanRequest),
    CompareBans,
    /// Nobody waits for the answer.
    Nothing,
}
