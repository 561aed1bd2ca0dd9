//! The table of files: what is known of each, beside the message that tells of it. Their bytes are in a folder.

use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use super::error::StoreError;
use super::ids::{id_of, offset_of, room_of};
use crate::core::file::{FileId, KeptFile, PlacedFile, Size};

/// Keeps a file with its message.
pub(super) fn keep(
    connection: &Connection,
    room: i64,
    offset: u64,
    file: &KeptFile,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute((
        file.id.to_string(),
        id_of(room, offset),
        &*file.name,
        &*file.content_type,
        file.bytes as i64,
        file.size.map(|size| size.width),
        file.size.map(|size| size.height),
        &*file.owner,
        file.at_ms as i64,
    ))?;
    Ok(())
}

/// All files whose messages are kept. Others are forgotten.
pub(super) fn all(connection: &Connection) -> Result<Vec<PlacedFile>, StoreError> {
    let is_lost = "NOT EXISTS (SELECT 1 FROM messages WHERE messages.id = files.message)";
    connection.execute(&format!("DELETE FROM files WHERE {is_lost}"), [])?;
    let mut rooms = connection.prepare("SELECT name, epoch FROM rooms WHERE id = ?1")?;
    let mut statement = connection
        .prepare("SELECT id, message, name, type, bytes, width, height, owner, at_ms FROM files")?;
    let mut rows = statement.query([])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        let message: i64 = row.get(1)?;
        let room = rooms.query_row([room_of(message)], |room| {
            Ok((room.get(0)?, room.get::<_, i64>(1)? as u64))
        });
        let (room, epoch) = match room {
            Ok(room) => room,
            // It was forgotten, and its messages will be.
            Err(rusqlite::Error::QueryReturnedNoRows) => continue,
            Err(error) => return Err(error.into()),
        };
        files.push(PlacedFile {
            room,
            epoch,
            offset: offset_of(message),
            file: file(row)?,
        });
    }
    Ok(files)
}

fn file(row: &Row<'_>) -> rusqlite::Result<KeptFile> {
    let (width, height): (Option<u32>, Option<u32>) = (row.get(5)?, row.get(6)?);
    let size = width.zip(height);
    Ok(KeptFile {
        id: id(row)?,
        name: row.get(2)?,
        content_type: row.get(3)?,
        bytes: row.get::<_, i64>(4)? as u64,
        size: size.map(|(width, height)| Size { width, height }),
        owner: row.get(7)?,
        at_ms: row.get::<_, i64>(8)? as u64,
    })
}

/// The id in the first column.
fn id(row: &Row<'_>) -> rusqlite::Result<FileId> {
    let text: String = row.get(0)?;
    let what = || rusqlite::Error::InvalidColumnType(0, "id".to_owned(), Type::Text);
    FileId::parse(&text).ok_or_else(what)
}

/// The ids of all files.
pub(super) fn ids(connection: &Connection) -> Result<Vec<FileId>, StoreError> {
    let mut statement = connection.prepare("SELECT id FROM files")?;
    let ids = statement.query_map([], id)?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Forgets a file.
pub(super) fn forget(connection: &Connection, id: FileId) -> Result<(), StoreError> {
    let sql = "DELETE FROM files WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([id.to_string()])?;
    Ok(())
}

/// Forgets all files of a room.
pub(super) fn forget_room(connection: &Connection, room: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM files WHERE message > ?1 AND message <= ?2";
    let range = (id_of(room, 0), id_of(room, u64::MAX));
    connection.prepare_cached(sql)?.execute(range)?;
    Ok(())
}

/// Forgets the files of a room whose messages are gone, and says which.
pub(super) fn forget_without_message(
    connection: &Connection,
    room: i64,
) -> Result<Vec<FileId>, StoreError> {
    let sql = "DELETE FROM files WHERE message > ?1 AND message <= ?2
               AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.id = files.message) RETURNING id";
    let mut statement = connection.prepare_cached(sql)?;
    let range = (id_of(room, 0), id_of(room, u64::MAX));
    let forgotten = statement.query_map(range, id)?;
    Ok(forgotten.collect::<Result<_, _>>()?)
}
