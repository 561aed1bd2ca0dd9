//! Something that is to be told to those who are still to be looked for.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::notice::Notice;
use super::told::{AlarmKey, Shown};
use crate::core::chat::Author;

/// An alarm, on its way through the subscriptions.
#[derive(Debug)]
pub(super) struct AlarmWalk {
    pub(super) notice: Rc<Notice>,
    pub(super) author: Author,
    pub(super) alarm: AlarmKey,
    pub(super) shown: Shown,
    /// Who was told of it before.
    pub(super) before: BTreeSet<u64>,
    /// Those of them who were told by an escalation.
    pub(super) escalated: BTreeSet<u64>,
    /// Whom an escalation names, and nobody else is told; `None`: it is none.
    pub(super) named: Option<BTreeSet<u64>>,
    /// Those who were are not told the same again.
    pub(super) is_known: bool,
    /// Who is told now.
    pub(super) told: BTreeSet<u64>,
    /// The last subscription that was looked at.
    pub(super) after: u64,
}

/// A message of a room, on its way through the subscriptions.
#[derive(Debug)]
pub(super) struct MessageWalk {
    pub(super) notice: Rc<Notice>,
    pub(super) author: Author,
    /// Those who are told already that it names them.
    pub(super) named: BTreeSet<u64>,
    pub(super) after: u64,
}
