//! The table of people: names, and hashes of the secrets by which they come back.

use rusqlite::{Connection, Row};

use super::error::{StoreError, readable};
use crate::core::store::Person;

/// All of them, those who came last first. One that is damaged is left out, and logged.
pub(super) fn all(connection: &Connection) -> Result<Vec<Person>, StoreError> {
    let sql =
        "SELECT number, public_id, name, secret_hash, seen_ms FROM people ORDER BY seen_ms DESC";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        match readable(person(row))? {
            Some(person) => people.push(person),
            None => log::error!(
                "a person on disk is damaged and left out: {:?}",
                row.get_ref(0)?
            ),
        }
    }
    Ok(people)
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        number: row.get::<_, i64>(0)? as u64,
        public_id: row.get::<_, i64>(1)? as u64,
        name: row.get(2)?,
        secret_hash: row.get(3)?,
        seen_ms: row.get::<_, i64>(4)? as u64,
    })
}

pub(super) fn keep(connection: &Connection, person: &Person) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO people VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute((
        person.number as i64,
        person.public_id as i64,
        &*person.name,
        person.secret_hash,
        person.seen_ms as i64,
    ))?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, number: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM people WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([number as i64])?;
    Ok(())
}
