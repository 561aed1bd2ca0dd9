//! The table of the state of keys.

use crc32fast::Hasher;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::error::{StoreError, readable};
use super::messages::{self, code_of, content_of};
use super::room_row::RoomRow;
use crate::core::escalation::is_open;
use crate::core::store::{Freshness, Record, Stored, state_after};
use crate::limits::{MAX_ESCALATED, MAX_ESCALATED_ROOM};

const COLUMNS: &str =
    "key, offset, at_ms, author_id, author_name, content, owner, body, checksum, expect, ttl";

/// A message is to be retained: its key has another state from now on.
pub(super) fn set(connection: &Connection, room: i64, stored: &Stored) -> Result<(), StoreError> {
    let Some(key) = stored.record.key.as_deref() else {
        return Ok(());
    };
    let before = get(connection, room, key)?;
    let Some(state) = state_after(before.as_ref(), stored) else {
        return remove(connection, room, key, stored.offset);
    };
    let sql =
        "INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
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
        record.freshness.expect.unwrap_or(0),
        record.freshness.ttl.unwrap_or(0),
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

/// The states of alarms that are open, of some rooms, each with the name of its room. What is damaged is left out: of that it is said
/// when the room is loaded.
pub(super) fn alarms(
    connection: &Connection,
    is_for: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Box<str>, Stored)>, StoreError> {
    let mut rooms = connection.prepare("SELECT id, name FROM rooms")?;
    let sql = format!(
        "SELECT {COLUMNS} FROM state WHERE room = ?1 AND key >= 'alarm.' AND key < 'alarm/'"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut found = rooms.query([])?;
    let mut alarms = Vec::new();
    while let Some(row) = found.next()?
        && alarms.len() < MAX_ESCALATED
    {
        let Some(name) = readable(row.get::<_, Box<str>>(1))?.filter(|name| is_for(name)) else {
            continue;
        };
        let before = alarms.len();
        let mut rows = statement.query([row.get::<_, i64>(0)?])?;
        while let Some(row) = rows.next()?
            && alarms.len() - before < MAX_ESCALATED_ROOM
        {
            let state = readable(state(row))?.flatten().filter(is_open);
            alarms.extend(state.map(|state| (name.clone(), state)));
        }
    }
    Ok(alarms)
}

/// The offset of the state that a room was given last; 0 if it has none.
pub(super) fn last_offset(connection: &Connection, room: i64) -> Result<u64, StoreError> {
    let sql = "SELECT ifnull(max(offset), 0) FROM state WHERE room = ?1";
    let last: i64 = connection.query_row(sql, [room], |row| row.get(0))?;
    Ok(last as u64)
}

/// The state of a key; `None` if it has none, or it is damaged.
pub(super) fn get(
    connection: &Connection,
    room: i64,
    key: &str,
) -> Result<Option<Stored>, StoreError> {
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
        freshness: Freshness {
            expect: said(row.get(9)?),
            ttl: said(row.get(10)?),
        },
    };
    let stored = Stored {
        offset: row.get::<_, i64>(1)? as u64,
        at_ms: row.get::<_, i64>(2)? as u64,
        record,
    };
    let is_sound = checksum(&stored) == row.get::<_, i64>(8)?;
    Ok(is_sound.then_some(stored))
}

/// Seconds, of which there are none if they are 0.
fn said(seconds: u32) -> Option<u32> {
    Some(seconds).filter(|it| *it > 0)
}

/// The CRC-32 of all that is kept of the state of a key: that of its message, if nothing is said of how long it is good for.
fn checksum(stored: &Stored) -> i64 {
    let of_message = messages::checksum(stored);
    let Freshness { expect, ttl } = stored.record.freshness;
    if (expect, ttl) == (None, None) {
        return of_message;
    }
    let mut hasher = Hasher::new();
    hasher.update(&of_message.to_le_bytes());
    for seconds in [expect, ttl] {
        hasher.update(&seconds.unwrap_or(0).to_le_bytes());
    }
    hasher.finalize().into()
}

/// The names of the rooms in which a value is expected or ends, each with when the first is late or ends, in milliseconds
/// since 1970. A room whose name is damaged is left out: of that it is said where the names are.
pub(super) fn deadlines(connection: &Connection) -> Result<Vec<(Box<str>, u64)>, StoreError> {
    let sql = "
        SELECT name, min(at_ms + 1000 * CASE
            WHEN expect > 0 AND (ttl = 0 OR expect < ttl) THEN expect ELSE ttl END)
        FROM state JOIN rooms ON rooms.id = state.room
        WHERE expect > 0 OR ttl > 0 GROUP BY room";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut deadlines = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(name) = readable(row.get(0))? {
            deadlines.push((name, row.get::<_, i64>(1)? as u64));
        }
    }
    Ok(deadlines)
}

/// The state of a key goes on without its sender's own id of the message.
fn without_id(mut stored: Stored) -> Stored {
    stored.record.sent = None;
    stored
}
