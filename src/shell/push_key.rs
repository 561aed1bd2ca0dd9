//! The key that pushes are signed with: a file that the settings name, or one in the data directory that is made if there is
//! none.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::core::push::VapidKey;
use crate::settings::Settings;
use crate::shell::error::RunError;
use crate::shell::input_file;

const ADVICE: &str =
    "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out push.pem` makes a key";

/// The name of the file in the data directory.
const NAME: &str = "push.pem";

/// The key, if push is on. `None` also if it is to be made and was not yet.
///
/// # Errors
/// It is no good.
pub(super) fn load(settings: &Settings) -> Result<Option<VapidKey>, RunError> {
    match path(settings) {
        Some(path) if settings.push.push_key.is_some() || path.exists() => read(&path).map(Some),
        _ => Ok(None),
    }
}

/// The key of a server that begins.
pub(super) struct PushKey {
    pub(super) key: VapidKey,
    /// The file in which it was made just now, because there was none.
    pub(super) made: Option<PathBuf>,
}

/// The same where it is made if there is none. The data directory is this server's.
///
/// # Errors
/// It is no good, or cannot be made.
pub(super) fn load_or_make(settings: &Settings) -> Result<Option<PushKey>, RunError> {
    let Some(path) = path(settings) else {
        return Ok(None);
    };
    let mut is_made = false;
    if settings.push.push_key.is_none() {
        is_made = make(&path).map_err(|error| {
            let what = format!("cannot make the key for push in {}", path.display());
            RunError::new(what, error, "is the disk full?")
        })?;
    }
    let key = read(&path)?;
    let made = is_made.then_some(path);
    Ok(Some(PushKey { key, made }))
}

fn path(settings: &Settings) -> Option<PathBuf> {
    settings.push.push_contact.as_ref()?;
    let in_data = |data: &PathBuf| data.join(NAME);
    let named = settings.push.push_key.clone();
    named.or_else(|| settings.keeping.data.as_ref().map(in_data))
}

fn read(path: &Path) -> Result<VapidKey, RunError> {
    let pem = input_file::read_private(path, ADVICE)?;
    VapidKey::from_pem(pem).map_err(|why| RunError {
        what: format!("cannot use the key for push in {}: {why}", path.display()),
        cause: None,
        advice: ADVICE,
    })
}

/// Makes a key if there is none, whole or not at all. Says whether it has.
fn make(path: &Path) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let pem = VapidKey::generate_pem().map_err(io::Error::other)?;
    let begun = path.with_extension("pem.new");
    match std::fs::remove_file(&begun) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&begun)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&begun, path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("parlor-push-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    fn settings(data: &Path, key: Option<&Path>) -> Settings {
        let mut settings = Settings::default();
        settings.push.push_contact = "mailto:ops@example.org".parse().ok();
        settings.push.push_key = key.map(Into::into);
        settings.keeping.data = Some(data.into());
        settings
    }

    #[test]
    fn a_key_is_made_once_and_for_nobody_else() {
        let directory = directory("made");
        let settings = settings(&directory, None);
        assert!(load(&settings).unwrap().is_none());
        let first = load_or_make(&settings).unwrap().unwrap();
        let again = load_or_make(&settings).unwrap().unwrap();
        let public = first.key.public();
        assert_eq!(again.key.public(), public);
        assert_eq!(load(&settings).unwrap().unwrap().public(), public);
        let path = directory.join(NAME);
        assert_eq!((first.made, again.made), (Some(path.clone()), None));
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            load_or_make(&Settings::default()).unwrap().is_none(),
            "push is off"
        );
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let directory = directory("other");
        let file = directory.join("other.pem");
        let settings = settings(&directory, Some(&file));
        assert!(load(&settings).is_err(), "there is none");
        std::fs::write(&file, "no key").unwrap();
        let refused = load_or_make(&settings).err();
        let error = refused.unwrap().to_string();
        assert!(
            error.contains("other.pem") && error.contains("openssl"),
            "{error}"
        );
    }
}
