//! The numbers that keys had.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::error::StoreError;
use super::ids::id_of;
use super::messages::content_of;
use super::room_row::RoomRow;
use crate::core::store::{Past, PastReading, ReadPast};
use crate::limits::MAX_PAST_MESSAGES;

/// After so many messages it is looked how long it takes.
const LOOK_EVERY: usize = 1_000;

/// The numbers of a room, as far back as is asked, and as can be read in a time. What is damaged is left out: whoever reads the
/// messages is told of it.
pub(super) fn read(
    connection: &Connection,
    row: &RoomRow,
    request: &ReadPast,
    most: Duration,
) -> Result<Past, StoreError> {
    let began = Instant::now();
    let sql = "SELECT at_ms, key, content, body FROM messages WHERE id > ?1 AND id <= ?2 ORDER BY id DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((id_of(row.id, 0), id_of(row.id, row.offset)))?;
    let mut reading = PastReading::new(request);
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        seen += 1;
        let is_late = seen % LOOK_EVERY == 0 && began.elapsed() > most;
        if is_late || seen > MAX_PAST_MESSAGES {
            break;
        }
        let at_ms = row.get_ref(0)?.as_i64().unwrap_or(0) as u64;
        let key = row.get_ref(1)?.as_str().ok();
        let content = content_of(row.get_ref(2)?.as_i64().unwrap_or(0));
        let body = row.get_ref(3)?.as_bytes().unwrap_or_default();
        if !reading.add(at_ms, key, content, body) {
            break;
        }
    }
    Ok(reading.end(row.offset))
}
