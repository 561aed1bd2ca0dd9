//! A connection to the database, and how it is opened.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::{files, people, rooms, schema, state};
use crate::core::file::PlacedFile;
use crate::core::store::{Durability, Person};
use crate::settings::Limits;

/// Pages of 4 KiB in the write-ahead log before they are moved into the file: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4_096;

/// KiB that a connection keeps in memory of what it has read.
const CACHE_KIB: u32 = 16 << 10;

/// Milliseconds that a writer waits for a program beside the server, such as one that copies the database.
const BUSY_MS: u32 = 2_000;

/// What the store has when it is opened.
#[derive(Debug)]
pub(in crate::shell) struct Inventory {
    pub(in crate::shell) people: Vec<Person>,
    pub(in crate::shell) rooms: Vec<Box<str>>,
    pub(in crate::shell) files: Vec<PlacedFile>,
    /// Rooms in which values are expected or end, with when the first is late or ends, in milliseconds since 1970.
    pub(in crate::shell) deadlines: Vec<(Box<str>, u64)>,
}

/// A connection to the database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
    /// The file's number in its file system.
    inode: u64,
}

impl Database {
    /// Opens the one connection that writes. The tables are made, or brought to the version of this parlor.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut connection = Connection::open(path)?;
        // Of an empty file; it has no effect later.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -{CACHE_KIB};
             PRAGMA busy_timeout = {BUSY_MS};"
        ))?;
        schema::migrate(&mut connection)?;
        Self::new(connection, path)
    }

    /// Opens one that only reads. The other has made the tables.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch(&format!(
            "PRAGMA cache_size = -{CACHE_KIB}; PRAGMA busy_timeout = {BUSY_MS};"
        ))?;
        Self::new(connection, path)
    }

    fn new(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(64);
        let inode = inode(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            inode,
        })
    }

    /// What is to be done before the first connection. A process that wrote behind what it had published, and did not
    /// end in order, may have told offsets that are not here: every room begins a new epoch then, and a room whose row is
    /// damaged always. Rooms that have held nothing for as long as messages are kept are forgotten. All or nothing of it is
    /// done, so that the next start knows what the last server was.
    pub(super) fn begin(&self, durability: Durability, limits: &Limits) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        rooms::repair(&transaction)?;
        let was_behind = transaction.execute("DELETE FROM meta WHERE key = 'behind'", [])?;
        if was_behind > 0 {
            log::warn!(
                "the last server did not end in order, and may have lost messages: every room has a new epoch"
            );
            rooms::renew_epochs(&transaction)?;
        }
        if durability == Durability::Memory {
            transaction.execute("INSERT OR REPLACE INTO meta VALUES ('behind', 1)", [])?;
        }
        rooms::forget_unused(&transaction, limits)?;
        Ok(transaction.commit()?)
    }

    /// All that was published is here.
    pub(super) fn end_in_order(&self) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM meta WHERE key = 'behind'", [])?;
        Ok(())
    }

    pub(super) fn inventory(&self) -> Result<Inventory, StoreError> {
        Ok(Inventory {
            people: people::all(&self.connection)?,
            rooms: rooms::names(&self.connection)?,
            files: files::all(&self.connection)?,
            deadlines: state::deadlines(&self.connection)?,
        })
    }

    /// Moves what was committed from the write-ahead log into the file, if that is much. SQLite would do it in a commit, who
    /// waits for that would wait for this, and of a sync of the file that fails nothing would be told.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        if self.pages_to_move("PRAGMA wal_checkpoint(NOOP)")? >= CHECKPOINT_PAGES {
            self.pages_to_move("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(())
    }

    /// Does a checkpoint of a kind, and gives how many pages are left in the log.
    fn pages_to_move(&self, sql: &str) -> Result<i64, StoreError> {
        let mut checkpoint = self.connection.prepare_cached(sql)?;
        let left =
            checkpoint.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?;
        Ok(left)
    }

    /// Leaves the files as they are when this is closed, because the disk has failed, or another database is in their place.
    /// Otherwise what is in the log would be moved, and the log removed.
    pub(super) fn leave_as_is(&self) {
        let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(option, true) {
            log::error!("cannot leave the database as it is: {error}");
        }
    }

    /// Whether the file is still where it was opened. What is written to one that was removed is lost.
    pub(super) fn check_is_there(&self) -> Result<(), StoreError> {
        match inode(&self.path) {
            Ok(inode) if inode == self.inode => Ok(()),
            _ => Err(StoreError::Gone),
        }
    }
}

/// Gives every room a new epoch, because offsets after those that are here may be known elsewhere.
pub(super) fn renew_epochs(connection: &Connection) -> Result<(), StoreError> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("DELETE FROM meta WHERE key = 'behind'", [])?;
    rooms::repair(&transaction)?;
    rooms::renew_epochs(&transaction)?;
    Ok(transaction.commit()?)
}

/// Makes the file if there is none, for nobody but this user, as SQLite makes those beside it then: the directory may have
/// been made by someone who lets others read.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.ino())
}
