//! The table of rooms, and the rows of it that the writer works with.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crc32fast::Hasher;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::error::{StoreError, readable};
use super::ids::MAX_ROOM;
use super::room_row::RoomRow;
use super::{files, messages, state};
use crate::settings::Limits;
use crate::shell::clock::unix_ms;

/// Ids that are tried once the largest was given. Of a database that is nine tenths full one in 40,000 new rooms is refused.
const TRIES: usize = 100;

/// Rows that are remembered at a time. When there are more all are forgotten, and read again as they are needed.
const MAX_CACHED: usize = 10_000;

const COLUMNS: &str = "id, epoch, offset, count, bytes, checksum";

fn room(row: &Row<'_>, name: &str) -> rusqlite::Result<RoomRow> {
    let mut room = RoomRow {
        id: row.get(0)?,
        epoch: row.get::<_, i64>(1)? as u64,
        offset: row.get::<_, i64>(2)? as u64,
        count: row.get(3)?,
        bytes: row.get(4)?,
        is_sound: false,
    };
    room.is_sound = row.get::<_, i64>(5)? == checksum(name, &room);
    Ok(room)
}

/// The CRC-32 of what is kept of a room. An offset or an epoch that is not what was written would have an offset given twice.
fn checksum(name: &str, row: &RoomRow) -> i64 {
    let mut hasher = Hasher::new();
    let counts = [
        row.id as u64,
        row.epoch,
        row.offset,
        row.count as u64,
        row.bytes as u64,
    ];
    for number in counts {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(name.as_bytes());
    hasher.finalize().into()
}

/// The room of a name. Its offset is never below that of its newest message, and is that if its row is damaged.
pub(super) fn find(connection: &Connection, name: &str) -> Result<Option<RoomRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM rooms WHERE name = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([name], |row| room(row, name));
    let Some(mut row) = found.optional()? else {
        return Ok(None);
    };
    let last = messages::last_offset(connection, row.id)?;
    if row.offset < last || !row.is_sound {
        row.offset = last;
    }
    Ok(Some(row))
}

/// With its name in the last column. One that is damaged becomes the name of no room.
fn named_room(row: &Row<'_>) -> rusqlite::Result<(Box<str>, RoomRow)> {
    let name = String::from_utf8_lossy(row.get_ref(6)?.as_bytes()?);
    let room = room(row, &name)?;
    Ok((name.into(), room))
}

/// Gives every room a new epoch, because offsets after those that are here may be known elsewhere.
pub(super) fn renew_epochs(connection: &Connection) -> Result<(), StoreError> {
    rewrite(connection, |name, row| {
        renew_epoch(connection, name, row)?;
        Ok(true)
    })
}

/// What webhooks were told of the room was told.
fn renew_epoch(connection: &Connection, name: &str, row: &mut RoomRow) -> Result<(), StoreError> {
    row.epoch = new_epoch(connection)?;
    let sql = "UPDATE hook_rooms SET epoch = ?2 WHERE room = ?1";
    let values = (name, row.epoch as i64);
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Gives rooms whose rows are damaged a new epoch, because nobody can know which offsets were told in theirs, and takes the
/// rest from what they hold.
pub(super) fn repair(connection: &Connection) -> Result<(), StoreError> {
    rewrite(connection, |name, row| {
        if row.is_sound {
            return Ok(false);
        }
        recount(connection, row)?;
        renew_epoch(connection, name, row)?;
        log::error!(
            "what is kept of the room {name} is damaged: it has a new epoch, and the {} messages that it has",
            row.count
        );
        Ok(true)
    })
}

/// Writes the checksums of all rooms, which an older version did not.
pub(super) fn seal_all(connection: &Connection) -> Result<(), StoreError> {
    rewrite(connection, |_, _| Ok(true))
}

/// Writes the rows that a function says it has changed, with their checksums.
fn rewrite(
    connection: &Connection,
    change: impl Fn(&str, &mut RoomRow) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS}, name FROM rooms ORDER BY id");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // Of a room whose name cannot be read it is said where the names are.
        if row.get_ref(6)?.as_str().is_err() {
            continue;
        }
        let (name, mut row) = named_room(row)?;
        if change(&name, &mut row)? {
            seal(connection, &name, &row)?;
        }
    }
    Ok(())
}

/// Takes the offset and the counts of a room from what it holds.
fn recount(connection: &Connection, row: &mut RoomRow) -> Result<(), StoreError> {
    let state = state::last_offset(connection, row.id)?;
    row.offset = messages::last_offset(connection, row.id)?.max(state);
    (row.count, row.bytes) = messages::measure(connection, row.id)?;
    Ok(())
}

/// Writes a row, with its checksum.
fn seal(connection: &Connection, name: &str, row: &RoomRow) -> Result<(), StoreError> {
    let sql = "UPDATE rooms SET epoch = ?2, offset = ?3, count = ?4, bytes = ?5, checksum = ?6
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        row.id,
        row.epoch as i64,
        row.offset as i64,
        row.count,
        row.bytes,
        checksum(name, row),
    ))?;
    Ok(())
}

/// The name of the first room after this id, and its row.
pub(super) fn next_after(
    connection: &Connection,
    id: i64,
) -> Result<Option<(Box<str>, RoomRow)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, name FROM rooms WHERE id > ?1 ORDER BY id LIMIT 1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([id], named_room);
    Ok(found.optional()?)
}

/// Bytes that a message takes beside its body, about: otherwise many short ones would count for nothing.
pub(super) const MESSAGE_BYTES: i64 = 100;

/// Of the largest rooms so many are looked at for one whose row is sound.
const CANDIDATES: usize = 10;

/// The name of the room whose messages take most, and its row, which is sound.
pub(super) fn largest(connection: &Connection) -> Result<Option<(Box<str>, RoomRow)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, name FROM rooms ORDER BY bytes + {MESSAGE_BYTES} * count DESC
         LIMIT {CANDIDATES}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query_map([], named_room)?;
    let is_sound = |found: &rusqlite::Result<(_, RoomRow)>| match found {
        Ok((_, row)) => row.is_sound,
        Err(_) => true,
    };
    Ok(rows.find(is_sound).transpose()?)
}

/// The names of all rooms. One that is damaged is left out, and logged.
pub(super) fn names(connection: &Connection) -> Result<Vec<Box<str>>, StoreError> {
    let mut statement = connection.prepare("SELECT name, id FROM rooms")?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        match readable(row.get(0))? {
            Some(name) => names.push(name),
            None => log::error!(
                "the name of a room on disk is damaged: {:?}",
                row.get_ref(1)?
            ),
        }
    }
    Ok(names)
}

/// Forgets rooms that nothing is kept of, and that were not used for as long as messages are kept. Only while no server
/// remembers where they are.
pub(super) fn forget_unused(connection: &Connection, limits: &Limits) -> Result<(), StoreError> {
    let Some(before_ms) = limits.retain_time.before(unix_ms()) else {
        return Ok(());
    };
    let sql = "DELETE FROM rooms WHERE count = 0 AND used_ms < ?1
               AND NOT EXISTS (SELECT 1 FROM state WHERE state.room = rooms.id)";
    connection.execute(sql, [before_ms as i64])?;
    Ok(())
}

/// Rooms as they are, the changes of the open transaction included.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rows: HashMap<Box<str>, RoomRow>,
    changed: Vec<Box<str>>,
    /// A room was forgotten, and its messages are left.
    has_forgotten: bool,
}

impl Rooms {
    /// The room of a name.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        name: &str,
    ) -> Result<Option<&mut RoomRow>, StoreError> {
        if !self.rows.contains_key(name) {
            if self.rows.len() >= MAX_CACHED && self.changed.is_empty() {
                self.rows.clear();
            }
            if let Some(row) = find(connection, name)? {
                self.rows.insert(name.into(), row);
            }
        }
        Ok(self.rows.get_mut(name))
    }

    /// The room of a name and an epoch, which begins if there is none, and anew if it has another epoch. One whose row is
    /// damaged is left as it is until the next start.
    pub(super) fn open(
        &mut self,
        connection: &Connection,
        name: &str,
        epoch: u64,
    ) -> Result<&mut RoomRow, StoreError> {
        let found = self.find(connection, name)?;
        if found.as_ref().is_some_and(|row| !row.is_sound) {
            return Err(StoreError::DamagedRoom(name.into()));
        }
        let found = found.map(|row| row.epoch);
        if found.is_some_and(|found| found != epoch) {
            self.forget(connection, name)?;
        }
        if found != Some(epoch) {
            let row = begin(connection, name, epoch)?;
            self.rows.insert(name.into(), row);
        }
        self.changed.push(name.into());
        let row = self.rows.get_mut(name);
        Ok(row.expect("it was found, or has begun"))
    }

    /// Forgets a room and its state at once, and its messages in time.
    pub(super) fn forget(&mut self, connection: &Connection, name: &str) -> Result<(), StoreError> {
        let Some(row) = self.find(connection, name)? else {
            return Ok(());
        };
        let id = row.id;
        for sql in [
            "INSERT OR IGNORE INTO leftovers VALUES (?1)",
            "DELETE FROM state WHERE room = ?1",
            "DELETE FROM rooms WHERE id = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([id])?;
        }
        files::forget_room(connection, id)?;
        let sql = "DELETE FROM hook_rooms WHERE room = ?1";
        connection.prepare_cached(sql)?.execute([name])?;
        self.has_forgotten = true;
        self.rows.remove(name);
        self.changed.retain(|changed| **changed != *name);
        Ok(())
    }

    /// Whether a room was forgotten since this was asked last.
    pub(super) fn take_has_forgotten(&mut self) -> bool {
        std::mem::take(&mut self.has_forgotten)
    }

    /// A row was changed.
    pub(super) fn mark(&mut self, name: &str) {
        self.changed.push(name.into());
    }

    /// Writes the rows that were changed, once each.
    pub(super) fn write(&mut self, connection: &Connection, now_ms: u64) -> Result<(), StoreError> {
        self.changed.sort_unstable();
        self.changed.dedup();
        // A row that is damaged keeps the checksum that says so.
        let sql = "UPDATE rooms SET offset = ?2, count = ?3, bytes = ?4, used_ms = ?5,
                       checksum = ifnull(?6, checksum) WHERE id = ?1";
        for name in self.changed.drain(..) {
            if let Some(row) = self.rows.get(&name) {
                let values = (
                    row.id,
                    row.offset as i64,
                    row.count,
                    row.bytes,
                    now_ms as i64,
                    row.is_sound.then(|| checksum(&name, row)),
                );
                connection.prepare_cached(sql)?.execute(values)?;
            }
        }
        Ok(())
    }

    /// The transaction has failed: what is remembered may not be so.
    pub(super) fn forget_all(&mut self) {
        self.rows.clear();
        self.changed.clear();
    }
}

/// An epoch that no room has had.
pub(super) fn new_epoch(connection: &Connection) -> Result<u64, StoreError> {
    let epoch: i64 = connection.query_row("SELECT random()", [], |row| row.get(0))?;
    Ok(epoch as u64)
}

fn begin(connection: &Connection, name: &str, epoch: u64) -> Result<RoomRow, StoreError> {
    let id = free_id(connection, MAX_ROOM)?.ok_or(StoreError::TooManyRooms)?;
    let row = RoomRow {
        id,
        epoch,
        offset: 0,
        count: 0,
        bytes: 0,
        is_sound: true,
    };
    let sql = "INSERT INTO rooms (id, name, epoch, offset, count, bytes, used_ms, checksum)
               VALUES (?1, ?2, ?3, 0, 0, 0, 0, ?4)";
    let values = (id, name, epoch as i64, checksum(name, &row));
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(row)
}

/// An id that no room has, and that no message has left of it: the next, or any, once the largest was given.
fn free_id(connection: &Connection, largest: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT 1 + max((SELECT ifnull(max(id), 0) FROM rooms),
                              (SELECT ifnull(max(room), 0) FROM leftovers))";
    let next: i64 = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    if next <= largest {
        return Ok(Some(next));
    }
    let mut draw = connection.prepare_cached("SELECT 1 + abs(random() % ?1)")?;
    let mut is_taken = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM rooms WHERE id = ?1)
             OR EXISTS (SELECT 1 FROM leftovers WHERE room = ?1)",
    )?;
    for _ in 0..TRIES {
        let id: i64 = draw.query_row([largest], |row| row.get(0))?;
        if !is_taken.query_row([id], |row| row.get(0))? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
