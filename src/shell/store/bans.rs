//! The table of bans.

use rusqlite::Connection;

use super::error::{StoreError, readable};
use crate::core::store::BanRequest;

/// Does what is asked for.
pub(super) fn carry_out(connection: &Connection, request: &BanRequest) -> Result<(), StoreError> {
    match request {
        BanRequest::Keep { id, text } => {
            let sql = "INSERT OR REPLACE INTO bans VALUES (?1, ?2)";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute((&**id, &**text))?;
        }
        BanRequest::Forget { id } => {
            let mut statement = connection.prepare_cached("DELETE FROM bans WHERE id = ?1")?;
            statement.execute([&**id])?;
        }
        BanRequest::End { id, text } => {
            let sql = "DELETE FROM bans WHERE id = ?1 AND ban = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute((&**id, &**text))?;
        }
        // A directory has one server.
        BanRequest::Compare => {}
    }
    Ok(())
}

/// All that are kept, in JSON. What is damaged is left out, and logged.
pub(super) fn all(connection: &Connection) -> Result<Vec<Box<str>>, StoreError> {
    let mut statement = connection.prepare("SELECT ban FROM bans ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        match readable(row.get(0))? {
            Some(text) => kept.push(text),
            None => log::error!("a ban on disk is damaged and left out"),
        }
    }
    Ok(kept)
}
