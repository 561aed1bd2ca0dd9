//! TLS as a client: which servers are trusted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::SendError;

/// Where systems keep the certificates that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// How a client speaks TLS that trusts the certificates of a file, else those that the system trusts. `setting`: the name of the
/// one that names the file.
///
/// # Errors
/// There are none, and what to do.
pub(crate) fn client_config(
    ca_file: Option<&Path>,
    setting: &str,
) -> Result<Arc<ClientConfig>, SendError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::new(format!("cannot speak TLS: {error}")))?
        .with_root_certificates(roots(ca_file, setting)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificates that are trusted: those of the file, else the system's. `setting`: the same.
///
/// # Errors
/// The same.
pub(crate) fn trusted(
    ca_file: Option<&Path>,
    setting: &str,
) -> Result<Vec<CertificateDer<'static>>, SendError> {
    let system = || SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
    let Some(path) = ca_file.map(Path::to_owned).or_else(system) else {
        return Err(SendError::new(format!(
            "this system's trusted certificates were not found; name a file of them with {setting}"
        )));
    };
    let pem = fs::read(&path).map_err(|error| SendError::of_file(&path, &error))?;
    let found = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let found: Vec<CertificateDer<'static>> = found.collect();
    match found.is_empty() {
        true => Err(SendError::new(format!(
            "there are no certificates in PEM format in {}; see {setting}",
            path.display()
        ))),
        false => Ok(found),
    }
}

fn roots(ca_file: Option<&Path>, setting: &str) -> Result<RootCertStore, SendError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted(ca_file, setting)?);
    match added {
        0 => Err(SendError::new(format!(
            "none of the certificates can be used that are trusted; see {setting}"
        ))),
        _ => Ok(roots),
    }
}
