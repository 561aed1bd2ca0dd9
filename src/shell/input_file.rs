//! Files that the settings name, and the one of theirs: read whole, as far as such a file may go.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::limits::MAX_INPUT_FILE;
use crate::shell::error::RunError;

/// What is in a file. `advice` is what to do where it cannot be read.
pub(super) fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, RunError> {
    // A pipe would be waited for, on the loop when it is read again.
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error, advice))?;
    if !metadata.is_file() {
        return Err(RunError {
            what: format!("{} is no regular file", path.display()),
            cause: None,
            advice,
        });
    }
    read_once(path, advice)
}

/// The same of a secret, which is nobody else's business.
pub(super) fn read_private(path: &Path, advice: &'static str) -> Result<Vec<u8>, RunError> {
    let secret = read(path, advice)?;
    let is_exposed =
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_exposed {
        log::warn!("others may read the secret: chmod 600 {}", path.display());
    }
    Ok(secret)
}

/// The same of what may be a pipe, as a shell makes of `<(parlor config)`, and is not read again.
pub(super) fn read_once(path: &Path, advice: &'static str) -> Result<Vec<u8>, RunError> {
    let mut content = Vec::new();
    let result =
        File::open(path).and_then(|file| file.take(MAX_INPUT_FILE + 1).read_to_end(&mut content));
    match result {
        Ok(length) if length as u64 > MAX_INPUT_FILE => Err(RunError {
            what: format!("{} is longer than {MAX_INPUT_FILE} bytes", path.display()),
            cause: None,
            advice,
        }),
        Ok(_) => Ok(content),
        Err(error) => Err(unreadable(path, error, advice)),
    }
}

fn unreadable(path: &Path, error: io::Error, advice: &'static str) -> RunError {
    RunError::new(format!("cannot read {}", path.display()), error, advice)
}
