//! `parlor backup`: the database of a data directory in one file, on which a server can be started.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::shell::error::RunError;
use crate::shell::store::Archive;

/// Where the copy goes.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// File to write, which must not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Copies what a data directory has at one moment, also while a server goes on to write to it.
///
/// # Errors
/// There is no such directory; or the file is there already, or cannot be written.
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
    let copied = archive.copy_to(part.path());
    copied.map_err(|error| failed(io::Error::other(error.to_string())))?;
    part.finish().map_err(failed)
}

/// A file that is being written, under another name; it is removed unless it is finished.
struct Part {
    path: PathBuf,
    file: PathBuf,
}

impl Part {
    fn create(file: &Path) -> Result<Self, RunError> {
        let mut name = OsString::from(file);
        name.push(".part");
        let part = PathBuf::from(name);
        let there = |path: &Path, advice| {
            let what = format!("{} is there already", path.display());
            RunError {
                what,
                cause: None,
                advice,
            }
        };
        if file.exists() {
            return Err(there(file, "remove it, or choose another name"));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(&part) {
            Ok(_) => Ok(Self {
                path: part,
                file: file.to_owned(),
            }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(there(
                &part,
                "another backup is being written, or one was broken off: then remove it",
            )),
            Err(error) => Err(RunError::new(
                format!("cannot write {}", part.display()),
                error,
                "choose another directory",
            )),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, once all of it is on the disk.
    fn finish(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.file)?;
        let folder = self.file.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more once it has its name.
        let _ = fs::remove_file(&self.path);
    }
}
