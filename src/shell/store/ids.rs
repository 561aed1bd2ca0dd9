//! The id of a message: the id of its room, and its offset.

use crate::limits::MAX_OFFSET;

/// Bits of an id that are its offset.
const OFFSET_BITS: u32 = MAX_OFFSET.trailing_ones();

/// The largest id of a room: what is left of 63 bits.
pub(super) const MAX_ROOM: i64 = (1 << (63 - OFFSET_BITS)) - 1;

/// The id of a message: those of a room are a range, in the order of their offsets.
pub(super) fn id_of(room: i64, offset: u64) -> i64 {
    room << OFFSET_BITS | offset.min(MAX_OFFSET) as i64
}

/// The room of a message.
pub(super) fn room_of(id: i64) -> i64 {
    id >> OFFSET_BITS
}

/// The offset of a message.
pub(super) fn offset_of(id: i64) -> u64 {
    id as u64 & MAX_OFFSET
}
