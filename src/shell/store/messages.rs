//! The table of messages.

use crc32fast::Hasher;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::error::{StoreError, readable};
use super::ids::{id_of, offset_of};
use super::index;
use super::room_row::RoomRow;
use crate::core::store::{Answer, Content, Record, Sent, SentMessage, Stored, Ticket};
use crate::limits::MAX_OFFSET;

/// Senders' ids that a room begins with at most.
const MAX_SENT: usize = 10_000;

/// Damaged messages that are passed over for one page.
const MAX_DAMAGED: usize = 1_000;

/// The column of the body.
const BODY: usize = 10;

pub(super) const COLUMNS: &str = "id, at_ms, author_id, author_name, key, content, retain, owner, sender, sent_id, body, checksum";

/// Keeps a message.
pub(super) fn insert(
    connection: &Connection,
    room: i64,
    stored: &Stored,
) -> Result<(), StoreError> {
    if stored.offset > MAX_OFFSET {
        let detail = "a room has more messages than can be kept: empty it";
        return Err(StoreError::Failed(detail.to_owned()));
    }
    let sql = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let record = &stored.record;
    let sent = record.sent.as_ref();
    connection.prepare_cached(sql)?.execute((
        id_of(room, stored.offset),
        stored.at_ms as i64,
        record.author_id as i64,
        &*record.author_name,
        record.key.as_deref(),
        code_of(record.content),
        record.retain,
        &*record.owner,
        sent.map(|sent| &*sent.sender),
        sent.map(|sent| &*sent.id),
        &record.body,
        checksum(stored),
    ))?;
    index::insert(connection, id_of(room, stored.offset), record)
}

/// Messages that were read, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) sound: Vec<Stored>,
    /// The offsets of those that are damaged.
    pub(super) damaged: Vec<u64>,
    /// There are older ones.
    pub(super) more: bool,
}

impl Messages {
    /// Adds an older one. One that is damaged is logged.
    pub(super) fn push(&mut self, row: &Row<'_>, room: &str) -> Result<(), StoreError> {
        match stored(row)? {
            Ok(stored) => self.sound.push(stored),
            Err(offset) => {
                log::error!(
                    "a message on disk is damaged and left out: offset {offset} of the room {room}"
                );
                self.damaged.push(offset);
            }
        }
        Ok(())
    }

    /// The answer to who has asked for them.
    pub(super) fn answer(self, ticket: Ticket) -> Answer {
        Answer::Page {
            ticket,
            messages: self.sound,
            damaged: self.damaged,
            more: self.more,
        }
    }

    /// All were added.
    pub(super) fn end(mut self, more: bool) -> Self {
        self.sound.reverse();
        self.damaged.reverse();
        self.more = more;
        self
    }
}

/// The newest messages of a room between two offsets, at most so many and of so many bytes.
pub(super) fn read(
    connection: &Connection,
    room: (&str, &RoomRow),
    (after, before): (u64, u64),
    limit: usize,
    bytes: usize,
) -> Result<Messages, StoreError> {
    let (name, row) = room;
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id > ?1 AND id < ?2 ORDER BY id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let range = (id_of(row.id, after), id_of(row.id, before));
    let mut rows = statement.query(range)?;
    let (mut messages, mut read_bytes) = (Messages::default(), 0);
    while let Some(row) = rows.next()? {
        let is_full = messages.sound.len() >= limit || messages.damaged.len() >= MAX_DAMAGED;
        if is_full || read_bytes > bytes {
            return Ok(messages.end(true));
        }
        messages.push(row, name)?;
        read_bytes += row.get_ref(BODY)?.as_bytes().map_or(0, <[u8]>::len);
    }
    Ok(messages.end(false))
}

/// The offset of the newest message of a room; 0 if it has none.
pub(super) fn last_offset(connection: &Connection, room: i64) -> Result<u64, StoreError> {
    let sql = "SELECT max(id) FROM messages WHERE id > ?1 AND id <= ?2";
    let range = (id_of(room, 0), id_of(room, MAX_OFFSET));
    let mut statement = connection.prepare_cached(sql)?;
    let last: Option<i64> = statement.query_row(range, |row| row.get(0))?;
    Ok(last.map_or(0, offset_of))
}

/// How many messages a room has, and bytes of their bodies.
pub(super) fn measure(connection: &Connection, room: i64) -> Result<(i64, i64), StoreError> {
    let sql =
        "SELECT count(*), ifnull(sum(length(body)), 0) FROM messages WHERE id > ?1 AND id <= ?2";
    let range = (id_of(room, 0), id_of(room, MAX_OFFSET));
    let measured = connection.query_row(sql, range, |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(measured?)
}

/// What was sent to a room with an id after a time, in the order of the offsets.
pub(super) fn sent_after(
    connection: &Connection,
    room: &RoomRow,
    after_ms: u64,
) -> Result<Vec<SentMessage>, StoreError> {
    let sql = "SELECT id, at_ms, owner, sender, sent_id FROM messages
               WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let range = (
        id_of(room.id, 0),
        id_of(room.id, room.offset),
        MAX_SENT as i64,
    );
    let mut rows = statement.query(range)?;
    let mut sent = Vec::new();
    while let Some(row) = rows.next()? {
        let at_ms = row.get::<_, i64>(1)? as u64;
        if at_ms <= after_ms {
            break;
        }
        // One that is damaged is logged when it is read.
        sent.extend(readable(sent_message(row))?.flatten());
    }
    sent.reverse();
    Ok(sent)
}

fn sent_message(row: &Row<'_>) -> rusqlite::Result<Option<SentMessage>> {
    let (sender, id): (Option<_>, Option<_>) = (row.get(3)?, row.get(4)?);
    let owner = row.get(2)?;
    let offset = offset_of(row.get(0)?);
    let at_ms = row.get::<_, i64>(1)? as u64;
    Ok(sender.zip(id).map(|(sender, id)| SentMessage {
        offset,
        at_ms,
        owner,
        sent: Sent { sender, id },
    }))
}

/// Removes the oldest messages of a room, at most so many. Gives how many there were, and bytes of their bodies.
pub(super) fn remove_oldest(
    connection: &Connection,
    room: i64,
    most: i64,
) -> Result<(i64, i64), StoreError> {
    remove(connection, room, most, i64::MAX)
}

/// Removes the oldest messages of a room that are older than a time, at most so many.
pub(super) fn remove_older(
    connection: &Connection,
    room: i64,
    most: i64,
    before_ms: u64,
) -> Result<(i64, i64), StoreError> {
    // Most rooms have nothing that is too old: then no more than one message is looked at.
    let sql = "SELECT at_ms FROM messages WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1";
    let range = (id_of(room, 0), id_of(room, MAX_OFFSET));
    let mut statement = connection.prepare_cached(sql)?;
    let oldest: Option<i64> = statement.query_row(range, |row| row.get(0)).optional()?;
    if oldest.is_none_or(|at_ms| at_ms >= before_ms as i64) {
        return Ok((0, 0));
    }
    remove(connection, room, most, before_ms as i64)
}

fn remove(
    connection: &Connection,
    room: i64,
    most: i64,
    before_ms: i64,
) -> Result<(i64, i64), StoreError> {
    let sql = "DELETE FROM messages WHERE id IN (
                   SELECT id FROM messages WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3
               ) AND at_ms < ?4 RETURNING id, length(body)";
    let mut statement = connection.prepare_cached(sql)?;
    let range = (id_of(room, 0), id_of(room, MAX_OFFSET), most, before_ms);
    let mut removed = statement.query(range)?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = removed.next()? {
        count += 1;
        bytes += row.get::<_, i64>(1)?;
        index::remove(connection, row.get(0)?)?;
    }
    Ok((count, bytes))
}

/// The message of a row of `COLUMNS`, or its offset if its checksum is wrong.
pub(super) fn stored(row: &Row<'_>) -> Result<Result<Stored, u64>, StoreError> {
    let offset = offset_of(row.get(0)?);
    let sum: i64 = row.get(11)?;
    let stored = readable(unchecked(row, offset))?;
    Ok(stored
        .filter(|stored| checksum(stored) == sum)
        .ok_or(offset))
}

fn unchecked(row: &Row<'_>, offset: u64) -> rusqlite::Result<Stored> {
    let sender: Option<Box<str>> = row.get(8)?;
    let sent_id: Option<Box<str>> = row.get(9)?;
    let record = Record {
        author_id: row.get::<_, i64>(2)? as u64,
        author_name: row.get(3)?,
        key: row.get(4)?,
        content: content_of(row.get(5)?),
        retain: row.get(6)?,
        owner: row.get(7)?,
        sent: sender.zip(sent_id).map(|(sender, id)| Sent { sender, id }),
        body: row.get(BODY)?,
        // That of values is kept beside their state.
        freshness: Default::default(),
    };
    Ok(Stored {
        offset,
        at_ms: row.get::<_, i64>(1)? as u64,
        record,
    })
}

/// How a kind of content is written.
pub(super) fn code_of(content: Content) -> i64 {
    match content {
        Content::Text => 0,
        Content::Json => 1,
        Content::Binary => 2,
    }
}

/// The kind of content that is written so.
pub(super) fn content_of(code: i64) -> Content {
    match code {
        0 => Content::Text,
        1 => Content::Json,
        _ => Content::Binary,
    }
}

/// The CRC-32 of all that is kept of a message. Each text is preceded by its length, so that none can pass into another.
pub(super) fn checksum(stored: &Stored) -> i64 {
    let record = &stored.record;
    let mut hasher = Hasher::new();
    for number in [
        stored.offset,
        stored.at_ms,
        record.author_id,
        code_of(record.content) as u64,
        u64::from(record.retain),
    ] {
        hasher.update(&number.to_le_bytes());
    }
    let sent = record.sent.as_ref();
    let texts = [
        Some(record.author_name.as_bytes()),
        record.key.as_deref().map(str::as_bytes),
        Some(record.owner.as_bytes()),
        sent.map(|sent| sent.sender.as_bytes()),
        sent.map(|sent| sent.id.as_bytes()),
        Some(&record.body),
    ];
    for text in texts {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(text.unwrap_or_default());
    }
    hasher.finalize().into()
}
