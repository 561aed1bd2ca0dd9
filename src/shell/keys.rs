//! The files that say whose tokens are taken.

use std::path::Path;

use super::input_file;
use crate::core::access::Keys;
use crate::settings::Access;
use crate::shell::error::RunError;

/// The keys, read at the start and again on SIGHUP; `None` if there are to be none, and the parlor is open.
pub(super) fn load(access: &Access) -> Result<Option<Keys>, RunError> {
    let mut keys = Keys::new(access.audience.clone());
    if let Some(path) = &access.secret_file {
        let secret = read_secret(path)?;
        let added = keys.add_secret(&secret);
        added.map_err(|what| unusable("secret", path, &what, SECRET_ADVICE))?;
    }
    if let Some(path) = &access.jwks_file {
        let added = keys.add_jwks(&input_file::read(path, JWKS_ADVICE)?);
        for why in added.map_err(|what| unusable("keys", path, &what, JWKS_ADVICE))? {
            log::warn!("passed over a key in {}: {why}", path.display());
        }
    }
    Ok(access.asks_for_tokens().then_some(keys))
}

const SECRET_ADVICE: &str = "`openssl rand -hex 32` makes a secret";
const JWKS_ADVICE: &str = "--jwks-file is to name a JSON Web Key Set of public keys (RFC 7517)";

/// The secret in a file, which is nobody else's business.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, RunError> {
    input_file::read_private(path, SECRET_ADVICE)
}

fn unusable(what: &str, path: &Path, why: &str, advice: &'static str) -> RunError {
    RunError {
        what: format!("cannot use the {what} in {}: {why}", path.display()),
        cause: None,
        advice,
    }
}
