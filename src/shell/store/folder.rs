//! The bytes of files that people send, in a folder of their own. Two threads do what has no form that does not wait: one
//! writes, and one reads, so that nobody who is sent a file waits for the disk to take another. They decide nothing, and hold
//! no file open between two requests: transfers cost no descriptors.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::directory;
use super::orphans::{self, PART};
use super::thread::spawn;
use crate::core::file::{FileAnswer, FileId, FileRequest};
use crate::shell::error::RunError;

/// Bytes of one file after which the disk is made to write them: the last wait is short then, and nobody's pages pile up. A
/// commit of messages that comes meanwhile waits for as much: so they are few.
const SYNCED_AT_ONCE: u64 = 4 << 20;

/// The folder, and the threads that work in it. They end when it is gone, once they have done what they were asked for.
#[derive(Debug)]
pub(in crate::shell) struct Folder {
    /// As long as the server makes them, which has limits for that.
    writes: Sender<FileRequest>,
    reads: Sender<FileRequest>,
    threads: [JoinHandle<()>; 2],
}

impl Folder {
    /// Opens the folder, which is made if it is missing, and removes what is none of the files that are kept, or arrive: what
    /// was left of transfers when a server ended. Gives those that are there.
    ///
    /// # Errors
    /// The folder cannot be made or read, or there are no threads.
    pub(super) fn open(
        path: &Path,
        kept: &BTreeSet<FileId>,
        arriving: &BTreeSet<FileId>,
        tell: impl Fn(FileAnswer) + Clone + Send + 'static,
    ) -> Result<(Self, BTreeSet<FileId>), RunError> {
        let prepared = directory::make(path).and_then(|()| sweep(path, kept, arriving));
        let found = prepared.map_err(|error| {
            let advice = "it is for the files that people send; see --data";
            RunError::new(format!("cannot use {}", path.display()), error, advice)
        })?;
        Ok((Self::begin(path, tell)?, found))
    }

    /// Opens the folder that other servers use, too: it is made if it is missing. What is none of theirs is looked for later.
    ///
    /// # Errors
    /// The folder cannot be made or written to, or there are no threads.
    pub(in crate::shell) fn share(
        path: &Path,
        tell: impl Fn(FileAnswer) + Clone + Send + 'static,
    ) -> Result<Self, RunError> {
        let prepared = directory::make(path).and_then(|()| orphans::clock_of(path));
        prepared.map_err(|error| {
            let advice = "name a directory with --files that this user may write to, and that all nodes share";
            RunError::new(format!("cannot use {}", path.display()), error, advice)
        })?;
        Self::begin(path, tell)
    }

    fn begin(
        path: &Path,
        tell: impl Fn(FileAnswer) + Clone + Send + 'static,
    ) -> Result<Self, RunError> {
        let (writes, to_write) = channel();
        let (reads, to_read) = channel();
        let work = |requests: Receiver<FileRequest>, carry_out: CarryOut| {
            let (path, tell) = (path.to_owned(), tell.clone());
            move || {
                for request in requests {
                    if let Some(answer) = carry_out(&path, &request) {
                        tell(answer);
                    }
                }
            }
        };
        let threads = [
            spawn("parlor-files-in", work(to_write, write))?,
            spawn("parlor-files-out", work(to_read, read))?,
        ];
        Ok(Self {
            writes,
            reads,
            threads,
        })
    }

    /// Passes on what the server asks for.
    pub(in crate::shell) fn ask(&self, request: FileRequest) {
        let queue = match request {
            FileRequest::Read { .. } => &self.reads,
            _ => &self.writes,
        };
        // A thread that has panicked has said so.
        let _ = queue.send(request);
    }

    /// Does all that it was asked for, and ends.
    pub(in crate::shell) fn close(self) {
        let Self {
            writes,
            reads,
            threads,
        } = self;
        drop((writes, reads));
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a thread that keeps files has panicked");
            }
        }
    }
}

type CarryOut = fn(&Path, &FileRequest) -> Option<FileAnswer>;

/// Removes all but the files that are kept, and what has come of those that arrive. Gives those that are there.
fn sweep(
    folder: &Path,
    kept: &BTreeSet<FileId>,
    arriving: &BTreeSet<FileId>,
) -> io::Result<BTreeSet<FileId>> {
    let is_arriving = |name: &str| {
        let id = name.strip_suffix(PART).and_then(FileId::parse);
        id.is_some_and(|id| arriving.contains(&id))
    };
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str().and_then(FileId::parse) {
            Some(id) if kept.contains(&id) => {
                found.insert(id);
            }
            _ if name.to_str().is_some_and(is_arriving) => {}
            _ => match fs::remove_file(entry.path()) {
                // A server that hands over may remove it, too.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
    }
    let missing = kept.len() - found.len();
    if missing > 0 {
        log::error!("{missing} files are missing in {}", folder.display());
    }
    Ok(found)
}

/// Where a file is.
fn place_of(folder: &Path, id: FileId) -> PathBuf {
    folder.join(id.to_string())
}

/// Where it is while it arrives.
fn arriving(folder: &Path, id: FileId) -> PathBuf {
    folder.join(format!("{id}{PART}"))
}

fn write(folder: &Path, request: &FileRequest) -> Option<FileAnswer> {
    let (id, done) = match request {
        FileRequest::Write { id, bytes } => {
            let (id, count) = (*id, bytes.len());
            let written = append(&arriving(folder, id), bytes);
            (
                id,
                written.map(|()| FileAnswer::Written { id, bytes: count }),
            )
        }
        FileRequest::Finish { id, bytes } => {
            let id = *id;
            let finished = keep(folder, id, *bytes);
            (id, finished.map(|()| FileAnswer::Finished { id }))
        }
        FileRequest::Remove { id } => {
            remove(folder, *id);
            return None;
        }
        FileRequest::Sweep { digit, arriving } => {
            return Some(orphans::find(folder, *digit, arriving));
        }
        FileRequest::Read { .. } => return None,
    };
    Some(done.unwrap_or_else(|error| {
        log::error!("cannot write a file in {}: {error}", folder.display());
        remove(folder, id);
        let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        let is_full = kinds.contains(&error.kind());
        FileAnswer::Failed { id, is_full }
    }))
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    let length = file.metadata()?.len();
    let before = length.saturating_sub(bytes.len() as u64);
    if length / SYNCED_AT_ONCE > before / SYNCED_AT_ONCE {
        file.sync_data()?;
    }
    Ok(())
}

/// All of it is on the disk, and then it has its name there, which the folder's own sync keeps.
fn keep(folder: &Path, id: FileId, bytes: u64) -> io::Result<()> {
    let path = arriving(folder, id);
    let file = File::open(&path)?;
    file.sync_all()?;
    let length = file.metadata()?.len();
    if length != bytes {
        let what = format!("{length} bytes are there of {bytes}: something else has changed it");
        return Err(io::Error::other(what));
    }
    fs::rename(path, place_of(folder, id))?;
    File::open(folder)?.sync_all()
}

fn remove(folder: &Path, id: FileId) {
    for path in [arriving(folder, id), place_of(folder, id)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                log::error!("cannot remove {}: {error}", path.display());
            }
            _ => {}
        }
    }
}

fn read(folder: &Path, request: &FileRequest) -> Option<FileAnswer> {
    let &FileRequest::Read {
        ticket,
        id,
        from,
        length,
    } = request
    else {
        return None;
    };
    let mut bytes = vec![0; length];
    let file = File::open(place_of(folder, id));
    if let Err(error) = file.and_then(|file| file.read_exact_at(&mut bytes, from)) {
        log::error!("cannot read a file in {}: {error}", folder.display());
        bytes.clear();
    }
    Some(FileAnswer::Read { ticket, bytes })
}
