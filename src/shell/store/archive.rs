//! What is kept, without a server: read and copied beside one, and written where there is none.

use std::collections::HashSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::database::{Database, renew_epochs};
use super::directory::Directory;
use super::error::StoreError;
use super::room_row::RoomRow;
use super::rooms::Rooms;
use super::{append, files, messages, rooms, schema};
use crate::core::chat::RoomName;
use crate::core::export::ImportError;
use crate::core::file::FileId;
use crate::core::store::Stored;
use crate::shell::clock::unix_ms;
use crate::shell::error::RunError;

/// Offsets that are looked at together, where messages are short.
const MOST_TOGETHER: u64 = 1_000;

/// Bytes of the bodies of messages that are in memory together, unless one alone has more.
const MOST_BYTES: usize = 4 << 20;

/// What is in a data directory, which a server may use meanwhile.
#[derive(Debug)]
pub(in crate::shell) struct Archive {
    path: PathBuf,
    database: Database,
}

/// A room of an archive, with the messages that it had when it was asked for.
#[derive(Debug)]
pub(in crate::shell) struct ArchivedRoom {
    pub(in crate::shell) name: Box<str>,
    row: RoomRow,
}

impl ArchivedRoom {
    pub(in crate::shell) fn epoch(&self) -> u64 {
        self.row.epoch
    }
}

impl Archive {
    /// Opens what is in a directory.
    ///
    /// # Errors
    /// There is nothing, or nothing that this parlor can read.
    pub(in crate::shell) fn open(path: &Path) -> Result<Self, RunError> {
        let file = Directory::database_in(path);
        if !file.exists() {
            return Err(RunError {
                what: format!("there is no {}", file.display()),
                cause: None,
                advice: "name the --data of a server",
            });
        }
        let opened = Database::open_to_read(&file);
        let database = opened.and_then(|database| {
            schema::check(&database.connection)?;
            Ok(database)
        });
        let database = database.map_err(|error| error.at_start(path))?;
        let path = path.to_owned();
        Ok(Self { path, database })
    }

    /// The room of a name.
    pub(in crate::shell) fn room(&self, name: &str) -> Result<Option<ArchivedRoom>, StoreError> {
        let found = rooms::find(&self.database.connection, name)?;
        if found.as_ref().is_some_and(|row| !row.is_sound) {
            log::error!("what is kept of the room {name} beside its messages is damaged");
        }
        let name = name.into();
        Ok(found.map(|row| ArchivedRoom { name, row }))
    }

    /// All rooms, by their names.
    pub(in crate::shell) fn rooms(&self) -> Result<Vec<ArchivedRoom>, StoreError> {
        let mut names = rooms::names(&self.database.connection)?;
        names.sort_unstable();
        let rooms = names.iter().map(|name| self.room(name));
        Ok(rooms
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Gives the messages of a room, the oldest first, a few at a time. What is damaged is left out, and logged; what is
    /// removed meanwhile may be.
    pub(in crate::shell) fn pages(
        &self,
        room: &ArchivedRoom,
    ) -> impl Iterator<Item = Result<Vec<Stored>, StoreError>> {
        let mut after = 0;
        let mut together = MOST_TOGETHER;
        std::iter::from_fn(move || {
            while after < room.row.offset {
                let before = (after + together).min(room.row.offset) + 1;
                let page = messages::read(
                    &self.database.connection,
                    (&room.name, &room.row),
                    (after, before),
                    usize::MAX,
                    MOST_BYTES,
                );
                match page {
                    // These are the newest of them.
                    Ok(page) if page.more => together = (together / 2).max(1),
                    Ok(page) => {
                        after = before - 1;
                        together = (together * 2).min(MOST_TOGETHER);
                        if !page.sound.is_empty() {
                            return Some(Ok(page.sound));
                        }
                    }
                    Err(error) => {
                        after = room.row.offset;
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    /// Copies all that is there at one moment into an empty file. Its rooms have new epochs: what is published after that
    /// moment is not in it, and its offsets are given again by a server that starts on the copy. Gives the files that its
    /// messages tell of.
    pub(in crate::shell) fn copy_to(&self, file: &Path) -> Result<Vec<FileId>, StoreError> {
        let mut copy = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // All pages in one step: between two, each commit of a server would make it begin anew. Readers hold up no commit.
        let done = Backup::new(&self.database.connection, &mut copy)?.step(-1)?;
        if !matches!(done, StepResult::Done) {
            return Err(StoreError::Failed("the database is locked".to_owned()));
        }
        renew_epochs(&copy)?;
        // Without a log beside it.
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        let files = files::ids(&copy)?;
        copy.close().map_err(|(_, error)| error)?;
        Ok(files)
    }

    /// Makes such a directory of an empty one: the database, and the files that its messages tell of. Those that are removed
    /// meanwhile are left out.
    pub(in crate::shell) fn copy_all_to(&self, directory: &Path) -> Result<(), StoreError> {
        let database = Directory::database_in(directory);
        private().open(&database)?;
        let ids = self.copy_to(&database)?;
        let (from, to) = (
            Directory::files_in(&self.path),
            Directory::files_in(directory),
        );
        DirBuilder::new().mode(0o700).create(&to)?;
        let copy = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        for id in ids {
            if !copy_file(&from, &to, &id.to_string())? {
                files::forget(&copy, id)?;
            }
        }
        copy.close().map_err(|(_, error)| error)?;
        File::open(&database)?.sync_all()?;
        File::open(&to)?.sync_all()?;
        Ok(File::open(directory)?.sync_all()?)
    }
}

/// A file that nobody else may read, and that was not there.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

/// Copies a file from one folder to another, onto the disk. Says whether it is there.
fn copy_file(from: &Path, to: &Path, name: &str) -> io::Result<bool> {
    let mut file = match File::open(from.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let mut copy = private().open(to.join(name))?;
    io::copy(&mut file, &mut copy)?;
    copy.sync_all()?;
    Ok(true)
}

/// Rooms that come into a data directory, which no server uses meanwhile: all of them, or none.
#[derive(Debug)]
pub(in crate::shell) struct Import {
    database: Database,
    rooms: Rooms,
    /// Rooms that this import has begun.
    begun: HashSet<Box<str>>,
    _directory: Directory,
}

/// Why a message cannot be imported.
#[derive(Debug)]
pub(in crate::shell) enum AddError {
    /// It has no place in its room.
    Refused(ImportError),
    /// It cannot be written.
    Store(StoreError),
}

impl From<StoreError> for AddError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Import {
    /// Begins one into a directory, which is made if there is none.
    ///
    /// # Errors
    /// A server uses it, or it cannot be used.
    pub(in crate::shell) fn begin(path: &Path) -> Result<Self, RunError> {
        let directory = Directory::open(path)?;
        let database =
            Database::open(&directory.database()).map_err(|error| error.at_start(path))?;
        let begun = database.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| StoreError::from(error).at_start(path))?;
        Ok(Self {
            database,
            rooms: Rooms::default(),
            begun: HashSet::new(),
            _directory: directory,
        })
    }

    /// Adds a message to its room, which begins with it, or was begun by one before.
    pub(in crate::shell) fn add(
        &mut self,
        name: &RoomName,
        stored: &Stored,
    ) -> Result<(), AddError> {
        let connection = &self.database.connection;
        let room = name.as_str();
        let found = self.rooms.find(connection, room)?.map(|row| row.epoch);
        let epoch = match found {
            Some(epoch) if self.begun.contains(room) => epoch,
            Some(_) => return Err(AddError::Refused(ImportError::IsThere(name.clone()))),
            None => {
                self.begun.insert(room.into());
                rooms::new_epoch(connection)?
            }
        };
        let row = self.rooms.open(connection, room, epoch)?;
        if stored.offset <= row.offset {
            return Err(AddError::Refused(ImportError::Order {
                room: name.clone(),
                offset: stored.offset,
                last: row.offset,
            }));
        }
        append::append(connection, row, stored)?;
        Ok(())
    }

    /// How many rooms have begun.
    pub(in crate::shell) fn rooms(&self) -> usize {
        self.begun.len()
    }

    /// Keeps all that was added. Without it nothing is.
    pub(in crate::shell) fn commit(mut self) -> Result<(), StoreError> {
        self.rooms.write(&self.database.connection, unix_ms())?;
        self.database.connection.execute_batch("COMMIT")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::store::{Content, Record};

    fn stored(offset: u64, bytes: usize) -> Stored {
        let record = Record {
            author_id: 1,
            author_name: "ana".into(),
            key: None,
            content: Content::Text,
            body: vec![b'x'; bytes],
            retain: false,
            owner: "at 127.0.0.1".into(),
            sent: None,
            freshness: Default::default(),
        };
        Stored {
            offset,
            at_ms: 0,
            record,
        }
    }

    #[test]
    fn pages_have_every_message_once_however_long_they_are() {
        let name = format!("parlor-archive-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        let mut import = Import::begin(&path).unwrap();
        let tea = RoomName::parse("tea").unwrap();
        let mut offsets = Vec::new();
        for offset in (5..2_500).filter(|it| it % 7 != 0) {
            let bytes = if offset % 100 == 0 { 3 << 20 } else { 10 };
            import.add(&tea, &stored(offset, bytes)).unwrap();
            offsets.push(offset);
        }
        let order = import.add(&tea, &stored(2_000, 1)).unwrap_err();
        let said = "offset 2000 of the room tea comes after 2498";
        assert_eq!(order.to_string(), said);
        import.commit().unwrap();

        let archive = Archive::open(&path).unwrap();
        let room = archive.room("tea").unwrap().unwrap();
        let mut seen = Vec::new();
        for page in archive.pages(&room) {
            let page = page.unwrap();
            let bytes: usize = page.iter().map(|it| it.record.body.len()).sum();
            assert!(bytes <= 2 * MOST_BYTES, "{bytes}");
            seen.extend(page.iter().map(|it| it.offset));
        }
        assert_eq!(seen, offsets);
        fs::remove_dir_all(&path).unwrap();
    }
}
