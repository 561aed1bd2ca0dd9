//! What is found in the index of words.

use rusqlite::Connection;

use super::error::StoreError;
use super::ids::id_of;
use super::messages::{COLUMNS, Messages};
use super::room_row::RoomRow;
use super::terms;
use crate::core::store::Search;

/// The newest messages of a room that hold all words of a query.
pub(super) fn find(
    connection: &Connection,
    room: &RoomRow,
    search: &Search,
) -> Result<Messages, StoreError> {
    let Some(query) = terms::query(&search.query) else {
        return Ok(Messages::default());
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM messages WHERE id IN (
             SELECT rowid FROM search
             WHERE search MATCH ?1 AND rowid > ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4
         ) ORDER BY id DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (from, to) = (id_of(room.id, 0), id_of(room.id, search.before));
    let most = i64::try_from(search.limit).unwrap_or(i64::MAX - 1) + 1;
    let mut rows = statement.query((query, from, to, most))?;
    let (mut found, mut seen) = (Messages::default(), 0);
    while let Some(row) = rows.next()? {
        seen += 1;
        if seen > search.limit {
            return Ok(found.end(true));
        }
        found.push(row, &search.room)?;
    }
    Ok(found.end(false))
}
