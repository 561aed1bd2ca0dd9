//! The index of words by which messages are found.

use rusqlite::Connection;

use super::error::StoreError;
use super::terms;
use crate::core::store::{Content, Record};

/// A message can be found by its words from now on. Values of keys cannot: they are data, and come often.
pub(super) fn insert(connection: &Connection, id: i64, record: &Record) -> Result<(), StoreError> {
    if record.key.is_some() {
        return Ok(());
    }
    let terms = match record.content {
        Content::Text => terms::indexed(&String::from_utf8_lossy(&record.body)),
        Content::Json => terms::indexed(&terms::strings_of(&record.body)),
        Content::Binary => return Ok(()),
    };
    let sql = "INSERT INTO search (rowid, terms) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute((id, terms))?;
    Ok(())
}

/// It cannot be found any more.
pub(super) fn remove(connection: &Connection, id: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM search WHERE rowid = ?1";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}
