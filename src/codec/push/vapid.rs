//! VAPID (RFC 8292): a push service is told who sends, by a token that is signed with the key that browsers were told.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// The key that a server signs with, and that a subscription is bound to: a subscription made for another key is of no use.
#[derive(Clone)]
pub struct VapidKey {
    signing: EncodingKey,
    public: [u8; 65],
}

/// The key is nobody's business.
impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey")
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

impl VapidKey {
    /// A new key, in PEM format, to be kept where only the server reads it.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate_pem() -> Result<String, &'static str> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let document = document.map_err(|_| "a key cannot be made: no random numbers")?;
        let text = BASE64.encode(document.as_ref());
        let lines = text.as_bytes().chunks(LINE).map(String::from_utf8_lossy);
        let lines = lines.collect::<Vec<_>>().join("\n");
        Ok(format!(
            "-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"
        ))
    }

    /// The key of a file in PEM format: PKCS #8, P-256.
    ///
    /// # Errors
    /// What is in the file instead, and what to do.
    pub fn from_pem(text: impl AsRef<[u8]>) -> Result<Self, &'static str> {
        let key = PrivateKeyDer::from_pem_slice(text.as_ref());
        let key = key.map_err(|_| "it has no private key in PEM format")?;
        let PrivateKeyDer::Pkcs8(key) = key else {
            return Err(
                "its key is not in PKCS #8: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW writes it so",
            );
        };
        let der = key.secret_pkcs8_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let pair = pair.map_err(|_| "its key is not one of the curve P-256, as VAPID needs it")?;
        let public = <[u8; 65]>::try_from(pair.public_key().as_ref());
        Ok(Self {
            signing: EncodingKey::from_ec_der(der),
            public: public.map_err(|_| "its key is not one of the curve P-256")?,
        })
    }

    /// The public key, an uncompressed point: what browsers know as `applicationServerKey`.
    pub fn public(&self) -> [u8; 65] {
        self.public
    }

    /// The same in base64url without padding.
    pub fn public_text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.public)
    }

    /// The field `Authorization` of requests to the push service of an origin, until `exp`, in seconds since 1970. `contact`:
    /// where its people write if something is wrong, `mailto:` or `https:`.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn authorization(&self, origin: &str, exp: u64, contact: &str) -> Result<String, String> {
        let claims = Claims {
            aud: origin,
            exp,
            sub: contact,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing);
        let token = token.map_err(|error| format!("a VAPID token cannot be signed: {error}"))?;
        Ok(format!("vapid t={token}, k={}", self.public_text()))
    }
}
