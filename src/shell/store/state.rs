//! The table of the state of keys.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::error::{StoreError, readable};
use super::messages::{checksum, code_of, content_of};
use super::room_row::RoomRow;
use crate::core::store::{Record, Stored, state_after};

const COLUMNS: &str = "key, offset, at_ms, author_id, author_name, content, owner, body, checksum";

/// A message is to be retained: its key has another state from now on.
pub(super) fn set(connection: &Connection, room: i64, stored: &Stored) -> Result<(), StoreError> {
    let Some(key) = stored.record.key.as_deref() else {
        return Ok(());
    };
    let before = get(connection, room, key)?;
    let Some(state) = state_after(before.as_ref(), stored) else {
        return remove(connection, room, key, stored.offset);
    };
    let sql = "INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let state = without_id(state);
    let record = &state.record;
    connection.prepare_cached(sql)?.execute((
        room,
        key,
        state.offset as i64,
        state.at_ms as i64,
        record.author_id as i64,
        &*record.author_name,
        code_of(record.content),
        &*record.owner,
        &record.body,
        checksum(&state),
    ))?;
    Ok(())
}

/// Removes the state of a key, unless it was set after this offset.
pub(super) fn remove(
    connection: &Connection,
    room: i64,
    key: &str,
    upto: u64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM state WHERE room = ?1 AND key = ?2 AND offset <= ?3";
    connection
        .prepare_cached(sql)?
        .execute((room, key, upto as i64))?;
    Ok(())
}

/// The state of all keys of a room, in the order of their offsets. What is damaged is left out, and logged.
pub(super) fn all(
    connection: &Connection,
    (name, room): (&str, &RoomRow),
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM state WHERE room = ?1 ORDER BY offset");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([room.id])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match readable(state(row))?.flatten() {
            Some(state) => all.push(state),
            None => log::error!(
                "the state of a key on disk is damaged and left out: offset {} of the room {name}",
                row.get::<_, i64>(1)?
            ),
        }
    }
    Ok(all)
}

/// The offset of the state that a room was given last; 0 if it has none.
pub(super) fn last_offset(connection: &Connection, room: i64) -> Result<u64, StoreError> {
    let sql = "SELECT ifnull(max(offset), 0) FROM state WHERE room = ?1";
    let last: i64 = connection.query_row(sql, [room], |row| row.get(0))?;
    Ok(last as u64)
}

fn get(connection: &Connection, room: i64, key: &str) -> Result<Option<Stored>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM state WHERE room = ?1 AND key = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row((room, key), state).optional();
    Ok(readable(found)?.flatten().flatten())
}

/// `None` if its checksum is wrong.
fn state(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let record = Record {
        author_id: row.get::<_, i64>(3)? as u64,
        author_name: row.get(4)?,
        key: Some(row.get(0)?),
        content: content_of(row.get(5)?),
        body: row.get(7)?,
        retain: true,
        owner: row.get(6)?,
        sent: None,
    };
    let stored = Stored {
        offset: row.get::<_, i64>(1)? as u64,
        at_ms: row.get::<_, i64>(2)? as u64,
        record,
    };
    let is_sound = checksum(&stored) == row.get::<_, i64>(8)?;
    Ok(is_sound.then_some(stored))
}

/// The state of a key goes on without its sender's own id of the message.
fn without_id(mut stored: Stored) -> Stored {
    stored.record.sent = None;
    stored
}
