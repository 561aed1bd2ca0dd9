//! A part of the rooms that are in use at any node.

/// Rooms of one partition whose names begin alike: the next ones after a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Page {
    pub(super) partition: u16,
    /// What their names begin with.
    pub(super) head: Box<str>,
    /// The name.
    pub(super) after: Option<Box<str>>,
}
