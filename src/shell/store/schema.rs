//! The tables, and how those of an older version become these.

use rusqlite::Connection;

use super::error::StoreError;
use super::rooms;

/// A step from one version to the next.
struct Step {
    sql: &'static [&'static str],
    /// What is done then to rows that are there.
    then: Option<Change>,
}

/// A change of rows that SQL alone cannot make.
type Change = fn(&Connection) -> Result<(), StoreError>;

/// What makes each version of the one before, from an empty file on. A step is never changed once it was published.
///
/// The id of a message is that of its room and its offset (`messages::id_of`): a page of a room is a range of ids.
const STEPS: [Step; 7] = [
    Step::new(&[TABLES, SEARCH]),
    Step::new(&[FILES]),
    Step {
        sql: &[CHECKSUMS],
        then: Some(rooms::seal_all),
    },
    Step::new(&[FRESHNESS]),
    Step::new(&[HOOKS]),
    Step::new(&[PUSH]),
    Step::new(&[BANS]),
];

impl Step {
    const fn new(sql: &'static [&'static str]) -> Self {
        Self { sql, then: None }
    }
}

const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        count INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        used_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        author_name TEXT NOT NULL,
        key TEXT,
        content INTEGER NOT NULL,
        retain INTEGER NOT NULL,
        owner TEXT NOT NULL,
        sender TEXT,
        sent_id TEXT,
        body BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE state (
        room INTEGER NOT NULL,
        key TEXT NOT NULL,
        offset INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        author_name TEXT NOT NULL,
        content INTEGER NOT NULL,
        owner TEXT NOT NULL,
        body BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (room, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE people (
        number INTEGER PRIMARY KEY,
        public_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        secret_hash BLOB NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT;
    -- Rooms that were forgotten, and of which messages are left.
    CREATE TABLE leftovers (room INTEGER PRIMARY KEY) STRICT;
";

/// What messages are found by (`terms`), under their ids. The texts themselves are in the messages alone.
pub(super) const SEARCH: &str = "
    CREATE VIRTUAL TABLE search USING fts5(
        terms, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
";

/// What is known of files; `message` is the id of the one that tells of each.
const FILES: &str = "
    CREATE TABLE files (
        id TEXT PRIMARY KEY,
        message INTEGER NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        width INTEGER,
        height INTEGER,
        owner TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_by_message ON files (message);
";

/// Whether a room is as it was written.
const CHECKSUMS: &str = "ALTER TABLE rooms ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0";

/// How long values are good for, in seconds: until the next has to come, and until they end; 0 for ever. The index is for the
/// start, which looks for the first that is late or ends in each room.
const FRESHNESS: &str = "
    ALTER TABLE state ADD COLUMN expect INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN ttl INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX state_deadlines ON state (room, at_ms, expect, ttl) WHERE expect > 0 OR ttl > 0;
";

/// Webhooks, by their keys; up to which offset the messages of each room are in deliveries, or are not to be; and deliveries
/// that have not arrived.
const HOOKS: &str = "
    CREATE TABLE hooks (key INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE hook_rooms (
        webhook INTEGER NOT NULL,
        room TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        PRIMARY KEY (webhook, room)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hook_rooms_by_room ON hook_rooms (room);
    CREATE TABLE hook_deliveries (
        number INTEGER PRIMARY KEY,
        webhook INTEGER NOT NULL,
        room TEXT NOT NULL,
        id TEXT NOT NULL UNIQUE,
        stream INTEGER NOT NULL,
        events INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
";

/// Push subscriptions by their numbers, and which of them were told of alarms; each in JSON.
const PUSH: &str = "
    CREATE TABLE push_subscriptions (number INTEGER PRIMARY KEY, subscription TEXT NOT NULL) STRICT;
    CREATE TABLE push_told (
        room TEXT NOT NULL,
        key TEXT NOT NULL,
        told TEXT NOT NULL,
        PRIMARY KEY (room, key)
    ) STRICT, WITHOUT ROWID;
";

/// Bans by their ids; each in JSON.
const BANS: &str =
    "CREATE TABLE bans (id TEXT PRIMARY KEY, ban TEXT NOT NULL) STRICT, WITHOUT ROWID";

/// The version that this parlor writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Whether the tables are those of this parlor.
///
/// # Errors
/// They are newer, or older: then a server has to bring them to this version first.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(StoreError::Newer {
            version,
            known: VERSION,
        }),
        _ => Err(StoreError::Failed(
            "it is not one of this version of parlor, which makes it one when it is started on it"
                .to_owned(),
        )),
    }
}

/// Brings the tables to the version of this parlor, in one transaction.
///
/// # Errors
/// They are newer, or it cannot be done; then they are as they were.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        let known = VERSION;
        return Err(StoreError::Newer { version, known });
    }
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(version as usize) {
        for sql in step.sql {
            transaction.execute_batch(sql)?;
        }
        if let Some(then) = step.then {
            then(&transaction)?;
        }
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
    transaction.commit()?;
    Ok(())
}
