//! A room as the tables have it.

/// A room as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoomRow {
    pub(super) id: i64,
    pub(super) epoch: u64,
    /// The offset of its newest message.
    pub(super) offset: u64,
    /// How many messages are kept, and bytes of their bodies.
    pub(super) count: i64,
    pub(super) bytes: i64,
    /// It is what was written. Of a row that is not so, nothing may be published, or removed by its counts.
    pub(super) is_sound: bool,
}
