//! The files that say whose tokens are taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::RunError;
use super::config::Config;
use crate::core::access::Keys;

/// The keys that the command line names; `None` if it names none, and the parlor is open.
pub(super) fn load(config: &Config) -> Result<Option<Keys>, RunError> {
    let mut keys = Keys::new(config.audience.clone());
    if let Some(path) = &config.secret_file {
        let secret = read_secret(path)?;
        let added = keys.add_secret(&secret);
        added.map_err(|what| unusable("secret", path, &what, SECRET_ADVICE))?;
    }
    if let Some(path) = &config.jwks_file {
        let json = fs::read_to_string(path).map_err(|error| {
            RunError::new(unreadable("the keys", path), error, "see --jwks-file")
        })?;
        let added = keys.add_jwks(&json);
        added.map_err(|what| {
            unusable(
                "keys",
                path,
                &what,
                "it is to hold public keys, as in RFC 7517",
            )
        })?;
    }
    let is_guarded = config.secret_file.is_some() || config.jwks_file.is_some();
    Ok(is_guarded.then_some(keys))
}

const SECRET_ADVICE: &str = "`openssl rand -hex 32` makes one";

/// The secret in a file, which is nobody else's business.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, RunError> {
    let cannot = |error| RunError::new(unreadable("the secret", path), error, SECRET_ADVICE);
    let mode = fs::metadata(path).map_err(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!("others may read the secret: chmod 600 {}", path.display());
    }
    fs::read(path).map_err(cannot)
}

fn unreadable(what: &str, path: &Path) -> String {
    format!("cannot read {what} from {}", path.display())
}

fn unusable(what: &str, path: &Path, why: &str, advice: &'static str) -> RunError {
    RunError {
        what: format!("cannot use the {what} in {}: {why}", path.display()),
        cause: None,
        advice,
    }
}
