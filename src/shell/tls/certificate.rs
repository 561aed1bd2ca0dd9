//! The server's certificate and its key, from files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

use crate::shell::{RunError, input_file};

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub(in crate::shell) struct Files {
    pub(in crate::shell) certificate: PathBuf,
    pub(in crate::shell) key: PathBuf,
}

/// Reads the certificate, with those behind it, and its key. That clients will refuse it for its dates is a warning.
///
/// # Errors
/// A file is not there, or not what it should be, or they do not belong together.
pub(super) fn load(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, RunError> {
    let chain = read_chain(&files.certificate)?;
    let key = read_key(&files.key)?;
    let certified =
        CertifiedKey::from_der(chain, key, provider).map_err(|error| describe(files, &error))?;
    check_dates(&files.certificate, &certified.cert);
    Ok(certified)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, RunError> {
    let advice = "--tls-cert is to name a file in PEM format with the certificate first, and those that it needs behind it";
    let text = input_file::read(path, advice)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| not_pem(path, &error, advice))?;
    if chain.is_empty() {
        return Err(RunError {
            what: format!("there is no certificate in {}", path.display()),
            cause: None,
            advice,
        });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, RunError> {
    let advice = "--tls-key is to name a file in PEM format with the certificate's private key";
    let text = input_file::read(path, advice)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let is_encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
            Err(RunError {
                what: format!("there is no private key in {}", path.display()),
                cause: None,
                advice: if is_encrypted {
                    "it is encrypted: openssl pkey -in FILE -out FILE writes it as it is needed here"
                } else {
                    advice
                },
            })
        }
        Err(error) => Err(not_pem(path, &error, advice)),
    }
}

fn not_pem(path: &Path, error: &pem::Error, advice: &'static str) -> RunError {
    let what = format!("cannot make sense of {}: {error}", path.display());
    RunError {
        what,
        cause: None,
        advice,
    }
}

fn describe(files: &Files, error: &Error) -> RunError {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let (what, advice) = match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
            format!("the key in {key} is not that of the certificate in {certificate}"),
            "give --tls-cert and --tls-key two files that were made together; the server's own certificate comes first",
        ),
        Error::InvalidCertificate(_) => (
            format!("the certificate in {certificate} cannot be used: {error}"),
            "make a new one (X.509 version 3)",
        ),
        _ => (
            format!("the key in {key} cannot be used: {error}"),
            "make one of ECDSA P-256 or RSA 2048, which every client knows",
        ),
    };
    RunError {
        what,
        cause: None,
        advice,
    }
}

/// Says so if clients will not accept a certificate at this time. It is served all the same: a server that starts, if
/// only for those who do not care, is easier to put right than one that does not.
fn check_dates(path: &Path, chain: &[CertificateDer<'_>]) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    for (index, certificate) in chain.iter().enumerate() {
        let Some((begin, end)) = dates(certificate) else {
            log::warn!(
                "cannot tell until when certificate {} in {} is valid",
                index + 1,
                path.display()
            );
            continue;
        };
        let what = match index {
            0 => "the certificate".to_owned(),
            _ => format!("certificate {} of the chain", index + 1),
        };
        if now > end.0 {
            log::warn!(
                "{what} in {} expired on {}, and clients will refuse it: renew it and send SIGHUP",
                path.display(),
                end.1
            );
        } else if now < begin.0 {
            log::warn!(
                "{what} in {} is not valid before {}, and clients will refuse it until then",
                path.display(),
                begin.1
            );
        }
    }
}

/// A time since 1970, and the same to read.
type Date = (Duration, String);

/// When a certificate begins and ceases to be valid.
fn dates(certificate: &CertificateDer<'_>) -> Option<(Date, Date)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let date = |time: Time| (time.to_unix_duration(), time.to_string());
    Some((date(validity.not_before), date(validity.not_after)))
}
