//! A message that a room has from now on.

use rusqlite::Connection;

use super::error::StoreError;
use super::room_row::RoomRow;
use super::{messages, state};
use crate::core::store::Stored;

/// Keeps the next message of a room, and the state of its key if it is one.
pub(super) fn append(
    connection: &Connection,
    row: &mut RoomRow,
    stored: &Stored,
) -> Result<(), StoreError> {
    messages::insert(connection, row.id, stored)?;
    row.offset = stored.offset;
    row.count += 1;
    row.bytes += stored.record.body.len() as i64;
    match stored.record.retain {
        true => state::set(connection, row.id, stored),
        false => Ok(()),
    }
}
