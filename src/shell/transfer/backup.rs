//! `parlor backup`: what a data directory has at one moment, for a server to be started on.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::shell::error::RunError;
use crate::shell::store::{Archive, StoreError};

/// Where the copy goes.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// File to write, without the files that people sent, or directory, with them, if it ends with a slash; it must not be
    /// there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Copies what a data directory has at one moment, also while a server goes on to write to it.
///
/// # Errors
/// There is no such directory; or the copy is there already, or cannot be written.
pub fn backup(path: &Path, args: &BackupArgs) -> Result<(), RunError> {
    let archive = Archive::open(path)?;
    let part = Part::create(&args.file)?;
    let failed = |error: io::Error| {
        RunError::new(
            format!("cannot write {}", args.file.display()),
            error,
            "is there space on its disk?",
        )
    };
    let not_copied = |error: StoreError| failed(io::Error::other(error.to_string()));
    let left_out = match part.kind {
        Kind::Directory => {
            archive.copy_all_to(&part.path).map_err(not_copied)?;
            0
        }
        Kind::File => archive.copy_to(&part.path).map_err(not_copied)?.len(),
    };
    part.finish().map_err(failed)?;
    if left_out > 0 {
        log::warn!(
            "files that people sent are not in {}: {left_out}; to have them, end its name with a slash, which makes it a directory",
            args.file.display()
        );
    }
    Ok(())
}

/// What a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The database alone.
    File,
    /// A data directory.
    Directory,
}

/// A copy that is being written, under another name; it is removed unless it is finished.
struct Part {
    kind: Kind,
    path: PathBuf,
    /// Its name once it is whole.
    target: PathBuf,
}

impl Part {
    fn create(target: &Path) -> Result<Self, RunError> {
        let kind = match target.as_os_str().as_bytes().ends_with(b"/") {
            true => Kind::Directory,
            false => Kind::File,
        };
        // Without the slash.
        let target: PathBuf = target.components().collect();
        let mut name = OsString::from(&target);
        name.push(".part");
        let path = PathBuf::from(name);
        let there = |path: &Path, advice| {
            let what = format!("{} is there already", path.display());
            RunError {
                what,
                cause: None,
                advice,
            }
        };
        if target.exists() {
            return Err(there(&target, "remove it, or choose another name"));
        }
        let made = match kind {
            Kind::Directory => DirBuilder::new().mode(0o700).create(&path),
            Kind::File => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                options.open(&path).map(|_| ())
            }
        };
        match made {
            Ok(()) => Ok(Self { kind, path, target }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(there(
                &path,
                "another backup is being written, or one was broken off: then remove it",
            )),
            Err(error) => Err(RunError::new(
                format!("cannot write {}", path.display()),
                error,
                "choose another directory",
            )),
        }
    }

    /// Gives it its name, once all of it is on the disk.
    fn finish(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        let folder = self.target.parent();
        let folder = folder.filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more once it has its name.
        let _ = match self.kind {
            Kind::File => fs::remove_file(&self.path),
            Kind::Directory => fs::remove_dir_all(&self.path),
        };
    }
}
