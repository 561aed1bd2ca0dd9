//! The files that say whose tokens are taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{RunError, input_file};
use crate::core::access::Keys;

/// Where the keys are, read at the start and again on SIGHUP.
#[derive(Args, Clone, Debug)]
pub struct KeyFiles {
    /// Ask everyone for a JSON Web Token (HS256) signed with the secret in this file [default: the parlor is open]
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// The same for tokens of others, whose public keys are in this file, a JSON Web Key Set (RS256, ES256, EdDSA)
    #[arg(long, value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,

    /// Take only tokens that are made for this audience [default: those made for nobody in particular]
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,
}

impl KeyFiles {
    /// The keys; `None` if there are to be none, and the parlor is open.
    pub(super) fn load(&self) -> Result<Option<Keys>, RunError> {
        let mut keys = Keys::new(self.audience.clone());
        if let Some(path) = &self.secret_file {
            let secret = read_secret(path)?;
            let added = keys.add_secret(&secret);
            added.map_err(|what| unusable("secret", path, &what, SECRET_ADVICE))?;
        }
        if let Some(path) = &self.jwks_file {
            let added = keys.add_jwks(&input_file::read(path, JWKS_ADVICE)?);
            for why in added.map_err(|what| unusable("keys", path, &what, JWKS_ADVICE))? {
                log::warn!("passed over a key in {}: {why}", path.display());
            }
        }
        let is_guarded = self.secret_file.is_some() || self.jwks_file.is_some();
        if self.audience.is_some() && !is_guarded {
            return Err(RunError {
                what: "--audience is of tokens, and none are asked for".to_owned(),
                cause: None,
                advice: "see --secret-file and --jwks-file",
            });
        }
        Ok(is_guarded.then_some(keys))
    }
}

const SECRET_ADVICE: &str = "`openssl rand -hex 32` makes a secret";
const JWKS_ADVICE: &str = "--jwks-file is to name a JSON Web Key Set of public keys (RFC 7517)";

/// The secret in a file, which is nobody else's business.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, RunError> {
    let secret = input_file::read(path, SECRET_ADVICE)?;
    let is_exposed =
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_exposed {
        log::warn!("others may read the secret: chmod 600 {}", path.display());
    }
    Ok(secret)
}

fn unusable(what: &str, path: &Path, why: &str, advice: &'static str) -> RunError {
    RunError {
        what: format!("cannot use the {what} in {}: {why}", path.display()),
        cause: None,
        advice,
    }
}
