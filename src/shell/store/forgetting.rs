//! What is not kept any longer: it goes in slices, between two commits, so that none waits for long.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::database::Database;
use super::error::StoreError;
use super::room_row::RoomRow;
use super::rooms::Rooms;
use super::{files, messages, rooms};
use crate::core::file::FileId;
use crate::settings::Limits;
use crate::shell::clock::unix_ms;

/// Messages that one slice removes at the least: a few milliseconds. It is twice as many as have come since the last one
/// where those are more, so that a room does not grow for as long as messages come fast.
const SLICE: i64 = 500;

/// Rooms that one slice looks at for what is too old.
const ROOMS_AT_ONCE: usize = 100;

/// How often it is looked for what is too old: a room takes a few microseconds.
const ROUND: Duration = Duration::from_secs(60);

/// How often it is looked whether all takes too much.
const MEASURE: Duration = Duration::from_secs(1);

/// Free pages of 4 KiB that the file gives back to the disk in one slice.
const VACUUM_PAGES: u32 = 1_000;

/// A room may have a part of its limit more, so that not every message removes one.
const SLACK_PART: usize = 100;

pub(super) struct Forgetting {
    limits: Limits,
    /// Rooms that have more than they may.
    overfull: BTreeSet<Box<str>>,
    has_leftovers: bool,
    /// Where a round has come to: the id of the last room that it looked at.
    round: Option<i64>,
    next_round: Instant,
    next_measure: Instant,
    /// Messages that have come since the last slice.
    appended: i64,
    has_free_pages: bool,
    is_over_all: bool,
    /// Files whose messages went in the slice that is done.
    files: Vec<FileId>,
}

impl Forgetting {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            overfull: BTreeSet::new(),
            has_leftovers: true,
            round: None,
            next_round: Instant::now(),
            next_measure: Instant::now(),
            appended: 0,
            has_free_pages: true,
            is_over_all: false,
            files: Vec::new(),
        }
    }

    /// Other limits hold from now on.
    pub(super) fn reconfigure(&mut self, limits: &Limits) {
        self.limits = limits.clone();
        self.next_round = Instant::now();
        self.next_measure = Instant::now();
    }

    /// A room has one message more.
    pub(super) fn note_append(&mut self, name: &str, row: &RoomRow) {
        self.appended += 1;
        if self.excess(name, row, SLACK_PART) > 0 && !self.overfull.contains(name) {
            self.overfull.insert(name.into());
        }
    }

    /// Whether another slice can be done at once.
    pub(super) fn has_work(&self) -> bool {
        self.has_leftovers
            || self.round.is_some()
            || self.is_over_all
            || self.has_free_pages
            || !self.overfull.is_empty()
    }

    /// Does the next slice, if there is anything to do. Gives the files whose messages it has removed.
    pub(super) fn slice(
        &mut self,
        database: &mut Database,
        rooms: &mut Rooms,
    ) -> Result<Vec<FileId>, StoreError> {
        self.files.clear();
        database.check_is_there()?;
        self.has_leftovers |= rooms.take_has_forgotten();
        let now = Instant::now();
        if self.next_round <= now {
            self.next_round = now + ROUND;
            self.round = Some(0);
        }
        if self.next_measure <= now {
            self.next_measure = now + MEASURE;
            self.is_over_all = self.bytes_over(&database.connection)? > 0;
        }
        if !self.has_work() {
            return Ok(Vec::new());
        }
        let connection = &database.connection;
        let transaction = connection.unchecked_transaction()?;
        let most = SLICE.max(2 * std::mem::take(&mut self.appended));
        let removed = self.remove_some(connection, rooms, most)?;
        rooms.write(connection, unix_ms())?;
        transaction.commit()?;
        if removed > 0 {
            self.has_free_pages = true;
        } else if self.has_free_pages {
            self.has_free_pages = give_back(connection)?;
        }
        Ok(std::mem::take(&mut self.files))
    }

    /// Removes what is to go first. Gives how many messages went.
    fn remove_some(
        &mut self,
        connection: &Connection,
        rooms: &mut Rooms,
        most: i64,
    ) -> Result<i64, StoreError> {
        if !self.overfull.is_empty() {
            return self.remove_excess(connection, rooms, most);
        }
        if self.has_leftovers {
            return self.remove_leftovers(connection);
        }
        if self.is_over_all {
            let removed = self.remove_of_largest(connection, rooms, most)?;
            self.is_over_all = removed > 0 && self.bytes_over(connection)? > 0;
            return Ok(removed);
        }
        match self.round {
            Some(after) => self.remove_old(connection, rooms, after),
            None => Ok(0),
        }
    }

    fn remove_leftovers(&mut self, connection: &Connection) -> Result<i64, StoreError> {
        let sql = "SELECT min(room) FROM leftovers";
        let room: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
        let Some(room) = room else {
            self.has_leftovers = false;
            return Ok(0);
        };
        let (count, _) = messages::remove_oldest(connection, room, SLICE)?;
        if count == 0 {
            connection.execute("DELETE FROM leftovers WHERE room = ?1", [room])?;
        }
        Ok(count)
    }

    /// Removes what rooms have more than they may: of one, or a little of many.
    fn remove_excess(
        &mut self,
        connection: &Connection,
        rooms: &mut Rooms,
        most: i64,
    ) -> Result<i64, StoreError> {
        let (mut removed, mut looked_at) = (0, 0);
        while removed + looked_at < most
            && let Some(name) = self.overfull.pop_first()
        {
            removed += self.remove_excess_of(connection, rooms, name, most - removed)?;
            looked_at += 1;
        }
        Ok(removed)
    }

    fn remove_excess_of(
        &mut self,
        connection: &Connection,
        rooms: &mut Rooms,
        name: Box<str>,
        most: i64,
    ) -> Result<i64, StoreError> {
        let Some(row) = rooms.find(connection, &name)? else {
            return Ok(0);
        };
        let most = self.excess(&name, row, usize::MAX).min(most);
        if most == 0 {
            return Ok(0);
        }
        let removed = messages::remove_oldest(connection, row.id, most)?;
        self.files
            .extend(files::forget_without_message(connection, row.id)?);
        subtract(row, removed);
        rooms.mark(&name);
        if removed.0 > 0 {
            self.overfull.insert(name);
        }
        Ok(removed.0)
    }

    /// Removes the oldest messages of the room that takes most.
    fn remove_of_largest(
        &mut self,
        connection: &Connection,
        rooms: &mut Rooms,
        most: i64,
    ) -> Result<i64, StoreError> {
        rooms.write(connection, unix_ms())?;
        let Some((name, found)) = rooms::largest(connection)? else {
            return Ok(0);
        };
        // No more than makes it fit, as far as that is known.
        let each = found.bytes / found.count.max(1) + rooms::MESSAGE_BYTES;
        let needed = self.bytes_over(connection)? / each + 1;
        let removed = messages::remove_oldest(connection, found.id, needed.min(most))?;
        self.files
            .extend(files::forget_without_message(connection, found.id)?);
        if let Some(row) = rooms.find(connection, &name)? {
            subtract(row, removed);
            rooms.mark(&name);
        }
        Ok(removed.0)
    }

    /// Removes what is too old of the next rooms of this round.
    fn remove_old(
        &mut self,
        connection: &Connection,
        rooms: &mut Rooms,
        mut after: i64,
    ) -> Result<i64, StoreError> {
        for _ in 0..ROOMS_AT_ONCE {
            let Some((name, found)) = rooms::next_after(connection, after)? else {
                self.round = None;
                return Ok(0);
            };
            if self.excess(&name, &found, usize::MAX) > 0 {
                self.overfull.insert(name.clone());
            }
            let retain_time = self.limits.retention_of_room(&name).time;
            let before_ms = retain_time.before(unix_ms()).unwrap_or(0);
            let removed = messages::remove_older(connection, found.id, SLICE, before_ms)?;
            if removed.0 > 0 {
                let files = files::forget_without_message(connection, found.id)?;
                self.files.extend(files);
                if let Some(row) = rooms.find(connection, &name)? {
                    subtract(row, removed);
                    rooms.mark(&name);
                }
                // There may be more of it.
                self.round = Some(after);
                return Ok(removed.0);
            }
            after = found.id;
        }
        self.round = Some(after);
        Ok(0)
    }

    /// How many of the oldest messages of a room are to go, about, if it may have `1 / slack` of its limit more.
    fn excess(&self, name: &str, row: &RoomRow, slack: usize) -> i64 {
        if !row.is_sound {
            return 0;
        }
        let kept = self.limits.retention_of_room(name);
        let with_slack = |limit: usize| i64::try_from(limit + limit / slack).unwrap_or(i64::MAX);
        let of = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
        let mut excess = 0;
        if kept.count > 0 && row.count > with_slack(kept.count) {
            excess = row.count - of(kept.count);
        }
        if kept.bytes > 0 && row.bytes > with_slack(kept.bytes) && row.count > 0 {
            let over = row.bytes - of(kept.bytes);
            let each = (row.bytes / row.count).max(1);
            excess = excess.max((over / each).max(1));
        }
        excess
    }

    /// By how many bytes the file is larger than it may be; 0 if it is not.
    fn bytes_over(&self, connection: &Connection) -> Result<i64, StoreError> {
        match i64::try_from(self.limits.max_data) {
            Ok(most) if most > 0 => Ok((used_bytes(connection)? - most).max(0)),
            _ => Ok(0),
        }
    }
}

fn subtract(row: &mut RoomRow, (count, bytes): (i64, i64)) {
    row.count -= count;
    row.bytes -= bytes;
}

/// Bytes of the file that hold something.
fn used_bytes(connection: &Connection) -> Result<i64, StoreError> {
    let pragma = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let pages = pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?;
    Ok(pages * pragma("PRAGMA page_size")?)
}

/// Gives free pages back to the disk, where they are more than a tenth: those that messages will need soon are not moved.
/// Says whether there are more.
fn give_back(connection: &Connection) -> Result<bool, StoreError> {
    let pragma = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let is_worth_it = || {
        Ok::<_, StoreError>(10 * pragma("PRAGMA freelist_count")? > pragma("PRAGMA page_count")?)
    };
    if !is_worth_it()? {
        return Ok(false);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    is_worth_it()
}
