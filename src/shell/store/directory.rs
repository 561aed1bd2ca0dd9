//! The directory that the store is in, which one server has at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::shell::error::RunError;

/// A directory that no other server uses as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked; the kernel unlocks it when the process ends, however that is.
    lock: File,
}

impl Directory {
    /// Makes the directory if there is none, for nobody but this user, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, RunError> {
        let shown = path.display();
        make(path).map_err(|error| {
            RunError::new(
                format!("cannot make the directory {shown}"),
                error,
                "name one with --data that this user may write to",
            )
        })?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|error| {
                RunError::new(
                    format!("cannot write to the directory {shown}"),
                    error,
                    "name one with --data that this user may write to",
                )
            })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(is_in_use(path, &mut lock)),
            Err(TryLockError::Error(error)) => {
                return Err(RunError::new(
                    format!("cannot lock {shown}/lock"),
                    error,
                    "",
                ));
            }
        }
        write_pid(&mut lock).map_err(|error| {
            RunError::new(
                format!("cannot write to {shown}/lock"),
                error,
                "is the disk full?",
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// The directory that another server has locked, which has given this one its lock.
    pub(super) fn take_over(path: &Path, lock: OwnedFd) -> Self {
        Self {
            path: path.to_owned(),
            lock: lock.into(),
        }
    }

    /// The lock, to be given to a server that takes over.
    pub(super) fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// From now on it is this process that others are told of.
    pub(super) fn claim(&mut self) -> io::Result<()> {
        write_pid(&mut self.lock)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the bytes of files are.
    pub(super) fn files(&self) -> PathBuf {
        Self::files_in(&self.path)
    }

    /// Where they are in such a directory.
    pub(super) fn files_in(path: &Path) -> PathBuf {
        path.join("files")
    }

    pub(super) fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// Where the database of such a directory is.
    pub(super) fn database_in(path: &Path) -> PathBuf {
        path.join("parlor.db")
    }
}

/// Makes a directory, and those above it that are missing, for nobody but this user. A sync of each one's parent keeps its
/// name: without it a power cut may take the directory with all that was synced in it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make(parent)?;
    DirBuilder::new().mode(0o700).create(path)?;
    File::open(parent)?.sync_all()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn is_in_use(path: &Path, lock: &mut File) -> RunError {
    let mut pid = String::new();
    // What cannot be read is not told.
    let _ = lock.read_to_string(&mut pid);
    let by = match pid.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    let what = format!("the directory {} is used by {by}", path.display());
    let error = io::Error::new(io::ErrorKind::ResourceBusy, "it is locked");
    RunError::new(&what, error, "each server needs a --data of its own")
}
