//! What goes wrong with a database, and what can be done about it.

use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::shell::error::RunError;

/// Why the database could not do something.
#[derive(Debug)]
pub(in crate::shell) enum StoreError {
    /// There is no space on the disk: it may be tried again.
    Full,
    /// Another program has locked the database for too long: it may be tried again.
    Busy,
    /// There is no place for another room.
    TooManyRooms,
    /// What is kept of this room beside its messages is damaged.
    DamagedRoom(Box<str>),
    /// What is in the file is no database, or is damaged.
    Damaged(String),
    /// It was made by a newer parlor.
    Newer { version: i64, known: i64 },
    /// The file is not there any more, or is another.
    Gone,
    /// The database does not understand what it was asked: a fault of this program, which harms nothing that is kept.
    Misunderstood(String),
    /// It took too long, and was given up.
    TooLong,
    /// Anything else, such as a write or a sync that failed. What the file holds now is not known.
    Failed(String),
}

impl StoreError {
    /// Whether it may be tried again, and nothing is known to be wrong with the file.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }

    /// What whoever runs the server can do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Full => "make space on the disk",
            Self::Busy => "end the program that uses the database, or wait for it",
            Self::Damaged(_) => {
                "start on a backup of it, or move parlor.db away to begin without what it holds"
            }
            Self::Newer { .. } => {
                "start a parlor that is at least as new, or name another directory"
            }
            Self::TooManyRooms => "empty rooms that nobody uses",
            Self::DamagedRoom(_) => "start the server again, which gives the room a new epoch",
            Self::Gone | Self::TooLong | Self::Misunderstood(_) | Self::Failed(_) => {
                "look at the disk and at the rights of the file"
            }
        }
    }

    /// The same as the reason why the server does not start.
    pub(in crate::shell) fn at_start(self, path: &Path) -> RunError {
        let what = format!("cannot use {}/parlor.db", path.display());
        RunError::new(what, io::Error::other(self.to_string()), self.advice())
    }
}

/// What goes wrong with the bytes of files.
impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::Unknown) => Self::Misunderstood(error.to_string()),
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What was read of a row; `None` if it cannot be what was written: one damaged row is not a damaged file.
pub(super) fn readable<T>(read: rusqlite::Result<T>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::FromSqlConversionFailure(..),
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("there is no space on the disk"),
            Self::TooManyRooms => f.write_str("there are too many rooms for another"),
            Self::DamagedRoom(name) => write!(f, "what is kept of the room {name} is damaged"),
            Self::Busy => f.write_str("another program has locked the database"),
            Self::Damaged(detail) => write!(f, "the file is damaged ({detail})"),
            Self::Newer { version, known } => write!(
                f,
                "it was made by a newer parlor: its schema has version {version}, and this one knows {known}"
            ),
            Self::Gone => f.write_str("the file was removed or replaced"),
            Self::TooLong => f.write_str("it took too long"),
            Self::Misunderstood(detail) | Self::Failed(detail) => f.write_str(detail),
        }
    }
}
