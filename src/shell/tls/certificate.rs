//! The server's certificate and its key, from files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

use crate::shell::error::RunError;
use crate::shell::input_file;
use crate::shell::timestamp::rfc3339;

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
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

/// Warns if clients will not accept a certificate at this time. It is served all the same: a server that starts, if only
/// for those who do not care, is easier to put right than one that does not.
fn check_dates(path: &Path, chain: &[CertificateDer<'_>]) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let path = path.display();
    for (index, certificate) in chain.iter().enumerate() {
        let what = match index {
            0 => "the certificate".to_owned(),
            _ => format!("certificate {} of the chain", index + 1),
        };
        match validity(certificate, UnixTime::since_unix_epoch(now)) {
            Validity::Current => {}
            Validity::Expired { not_after } => log::warn!(
                "{what} in {path} expired on {}, and clients will refuse it: renew it and send SIGHUP",
                date(not_after)
            ),
            Validity::Future { not_before } => log::warn!(
                "{what} in {path} is not valid before {}, and clients will refuse it until then",
                date(not_before)
            ),
            Validity::Unknown => {
                log::warn!("cannot tell until when {what} in {path} is valid");
            }
        }
    }
}

/// How a time and the dates of a certificate go together (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Current,
    Expired { not_after: UnixTime },
    Future { not_before: UnixTime },
    Unknown,
}

/// Asks the verifier of a TLS client, which is told to trust nobody: it looks at the dates first, and at who has signed
/// the certificate after that.
fn validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Validity {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return Validity::Unknown;
    };
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, &[]) {
        Err(Error::InvalidCertificate(error)) => match error {
            CertificateError::ExpiredContext { not_after, .. } => Validity::Expired { not_after },
            CertificateError::NotValidYetContext { not_before, .. } => {
                Validity::Future { not_before }
            }
            // No dates, or the second is before the first.
            CertificateError::BadEncoding | CertificateError::Expired => Validity::Unknown,
            _ => Validity::Current,
        },
        _ => Validity::Current,
    }
}

fn date(time: UnixTime) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// 2000-01-01.
    const BEGIN: u64 = 946_684_800;
    /// 2001-01-01.
    const END: u64 = 978_307_200;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["parlor.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn the_dates_of_every_kind_of_certificate_are_looked_at() {
        let server = certificate(|_| {});
        let authority =
            certificate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        for certificate in [&server, &authority] {
            let (not_before, not_after) = (at(BEGIN), at(END));
            assert_eq!(
                validity(certificate, at(BEGIN - 1)),
                Validity::Future { not_before }
            );
            assert_eq!(validity(certificate, at(BEGIN)), Validity::Current);
            assert_eq!(validity(certificate, at(END)), Validity::Current);
            assert_eq!(
                validity(certificate, at(END + 1)),
                Validity::Expired { not_after }
            );
        }
        assert_eq!(date(at(END)), "2001-01-01T00:00:00Z");
    }

    #[test]
    fn dates_that_make_no_sense_are_unknown() {
        let reversed = certificate(|params| params.not_after = date_time_ymd(1999, 1, 1));
        assert_eq!(validity(&reversed, at(BEGIN)), Validity::Unknown);
        let garbage = CertificateDer::from(vec![0x30, 0]);
        assert_eq!(validity(&garbage, at(BEGIN)), Validity::Unknown);
    }
}
