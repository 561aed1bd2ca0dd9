//! What is left in a folder that several servers share: the rest of uploads that broke off with their server, and files that
//! may have no link. How old something is, the clock of the file system says, which is one for all servers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::core::file::{FileAnswer, FileId};
use crate::limits::ORPHAN_MS;

/// What the name of a file ends in that arrives.
pub(super) const PART: &str = ".part";

/// What the name of a file begins with that is there for a moment, to see that it can be written, and what the clock says.
const PROBE: &str = "probe-";

/// Removes what has arrived of files, and is old, and gives the files that are old. Those that arrive here are as new.
pub(super) fn find(folder: &Path, digit: u8, arriving: &[FileId]) -> FileAnswer {
    let ids = look(folder, digit, arriving).unwrap_or_else(|error| {
        log::error!("cannot look for old files in {}: {error}", folder.display());
        Vec::new()
    });
    FileAnswer::Found { ids }
}

fn look(folder: &Path, digit: u8, arriving: &[FileId]) -> io::Result<Vec<FileId>> {
    let now = clock_of(folder)?;
    for id in arriving {
        touch(&folder.join(format!("{id}{PART}")), now)?;
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let id = FileId::parse(name.strip_suffix(PART).unwrap_or(name));
        // Each search begins with the digit 0.
        let is_probe = digit == 0 && name.starts_with(PROBE);
        let is_looked_at = id.is_some_and(|id| id.first_digit() == digit);
        if !(is_looked_at || is_probe) || !is_old(&entry, now)? {
            continue;
        }
        match id.filter(|_| !name.ends_with(PART)) {
            Some(id) => found.push(id),
            None => {
                log::warn!("removes {name}: it is old, and not whole");
                ignore_missing(fs::remove_file(entry.path()))?;
            }
        }
    }
    Ok(found)
}

fn is_old(entry: &fs::DirEntry, now: SystemTime) -> io::Result<bool> {
    let modified = match entry.metadata() {
        Ok(metadata) => metadata.modified()?,
        // Another server has removed it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let age = now.duration_since(modified).unwrap_or_default();
    Ok(age > Duration::from_millis(ORPHAN_MS))
}

/// Nothing of it may be there yet.
fn touch(path: &Path, now: SystemTime) -> io::Result<()> {
    let opened = OpenOptions::new().append(true).open(path);
    ignore_missing(opened.and_then(|file| file.set_modified(now)))
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What the clock of the file system says: of a file that is written now.
pub(super) fn clock_of(folder: &Path) -> io::Result<SystemTime> {
    let mut number = [0; 8];
    getrandom::fill(&mut number)?;
    let path = folder.join(format!("{PROBE}{:016x}", u64::from_ne_bytes(number)));
    let written = write_probe(&path);
    fs::remove_file(&path)?;
    written
}

fn write_probe(path: &Path) -> io::Result<SystemTime> {
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(b"1")?;
    file.sync_all()?;
    file.metadata()?.modified()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is gone at the end.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("parlor-orphans-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        /// A file that was written so many minutes ago.
        fn put(&self, name: &str, minutes: u64) {
            let file = File::create(self.0.join(name)).unwrap();
            let at = SystemTime::now() - Duration::from_secs(60 * minutes);
            file.set_modified(at).unwrap();
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn id(number: u8) -> FileId {
        FileId::parse(&format!("{number:032x}")).unwrap()
    }

    #[test]
    fn what_is_old_and_not_whole_is_removed() {
        let scratch = Scratch::new("parts");
        let part = |number| format!("{}{PART}", id(number));
        let other = format!("f{:031x}{PART}", 1);
        scratch.put(&part(1), 61);
        scratch.put(&part(2), 59);
        scratch.put(&part(3), 10_000);
        scratch.put(&other, 61);
        scratch.put("probe-1", 61);
        scratch.put("notes.txt", 10_000);
        let found = find(&scratch.0, 0, &[id(3), id(4)]);
        assert_eq!(found, FileAnswer::Found { ids: vec![] });
        let left = [part(2), part(3), other.clone(), "notes.txt".into()];
        assert_eq!(scratch.names(), left, "what arrives here is new");
        find(&scratch.0, 0, &[]);
        assert_eq!(scratch.names(), left);
        find(&scratch.0, 15, &[]);
        assert!(!scratch.names().contains(&other));
    }

    #[test]
    fn files_are_old_in_time() {
        let scratch = Scratch::new("files");
        scratch.put(&id(1).to_string(), 61);
        scratch.put(&id(2).to_string(), 59);
        let found = find(&scratch.0, 0, &[]);
        assert_eq!(found, FileAnswer::Found { ids: vec![id(1)] });
        let found = find(&scratch.0, 1, &[]);
        assert_eq!(found, FileAnswer::Found { ids: vec![] });
        assert_eq!(scratch.names().len(), 2);
    }

    #[test]
    fn a_folder_that_is_gone_has_nothing() {
        let found = find(Path::new("/nowhere/at/all"), 0, &[]);
        assert_eq!(found, FileAnswer::Found { ids: vec![] });
    }
}
