//! The tables of push: subscriptions, and who was told of which alarm.

use rusqlite::Connection;

use super::error::{StoreError, readable};
use crate::core::store::{KeptPush, PushRequest};

/// Does what is asked for.
pub(super) fn carry_out(connection: &Connection, request: &PushRequest) -> Result<(), StoreError> {
    match request {
        // A log that several servers share is asked for these.
        PushRequest::Begin | PushRequest::PutBack { .. } => {}
        PushRequest::Keep { number, text } => {
            let sql = "INSERT OR REPLACE INTO push_subscriptions VALUES (?1, ?2)";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute((*number as i64, &**text))?;
        }
        PushRequest::Forget { number } => {
            let sql = "DELETE FROM push_subscriptions WHERE number = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute([*number as i64])?;
        }
        PushRequest::Told { room, key, text } => match text {
            Some(text) => {
                let sql = "INSERT OR REPLACE INTO push_told VALUES (?1, ?2, ?3)";
                let mut statement = connection.prepare_cached(sql)?;
                statement.execute((&**room, &**key, &**text))?;
            }
            None => {
                let sql = "DELETE FROM push_told WHERE room = ?1 AND key = ?2";
                let mut statement = connection.prepare_cached(sql)?;
                statement.execute((&**room, &**key))?;
            }
        },
    }
    Ok(())
}

/// All that is kept. What is damaged is left out, and logged.
pub(super) fn all(connection: &Connection) -> Result<KeptPush, StoreError> {
    let mut kept = KeptPush::default();
    let sql = "SELECT number, subscription FROM push_subscriptions ORDER BY number";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        match readable(row.get(1))? {
            Some(text) => kept.subscriptions.push((number as u64, text)),
            None => log::error!("a push subscription on disk is damaged and left out"),
        }
    }
    let mut statement = connection.prepare("SELECT room, key, told FROM push_told")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        match readable(read())? {
            Some(told) => kept.told.push(told),
            None => log::error!("on disk it is damaged who was told of an alarm by push"),
        }
    }
    Ok(kept)
}
