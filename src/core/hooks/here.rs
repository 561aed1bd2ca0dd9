//! Who is in a room, as webhooks are told.

use crate::core::chat::Author;

/// Who is in a room now.
#[derive(Debug, Default)]
pub(in crate::core) struct Here {
    /// Some of those at this server, and how many those are.
    pub(in crate::core) people: Vec<Author>,
    pub(in crate::core) count_here: usize,
    /// Some of those at all nodes, and how many those are.
    pub(in crate::core) listed: Vec<Author>,
    pub(in crate::core) count: usize,
}
