//! The keys that tokens are checked with: a shared secret, and public keys of others (RFC 7517).

use std::borrow::Cow;
use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::limits::MAX_KEYS_TRIED;

/// Bytes of the shortest secret that is taken (RFC 7518 section 3.2): what is shorter can be guessed.
pub const MIN_SECRET: usize = 32;

/// Bytes of the shortest RSA modulus that is taken (RFC 7518 section 3.3).
const MIN_MODULUS: usize = 256;

/// The keys whose tokens are taken, and for whom these have to be made.
#[derive(Default)]
pub struct Keys {
    keys: Vec<Key>,
    /// Those of a provider who is asked for them again and again.
    fetched: Vec<Key>,
    audience: Option<String>,
}

/// A key that is good for one algorithm.
pub(super) struct Key {
    /// What tokens call it.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A JSON Web Key Set (RFC 7517 section 5), its keys not looked at: one that nobody can read spoils none of the others.
#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// What may stand in front of JSON, and says nothing (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Signatures by Ed25519, by the name that RFC 9864 gives them; the older name is that of all Edwards curves.
const ED25519: &str = "Ed25519";

/// The fields of a key that are strings (RFC 7517 section 4, RFC 7518 section 6).
const TEXTS: [&str; 9] = ["kty", "use", "alg", "kid", "crv", "n", "e", "x", "y"];

impl Keys {
    /// No keys yet. With an `audience` a token must be made for it; without one, for nobody in particular.
    pub fn new(audience: Option<String>) -> Self {
        Self {
            audience,
            ..Self::default()
        }
    }

    /// Takes tokens signed with a shared secret, by HS256.
    ///
    /// # Errors
    /// It is too short.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), Cow<'static, str>> {
        let key = DecodingKey::from_secret(check_secret(secret)?);
        self.keys.push(Key {
            id: None,
            algorithm: Algorithm::HS256,
            key,
        });
        Ok(())
    }

    /// Takes tokens signed by the owners of these public keys, a JSON Web Key Set: RS256, ES256 and EdDSA. Keys for other
    /// purposes are passed over; so are those that cannot be used, of which is told why (RFC 7517 section 5).
    ///
    /// # Errors
    /// It is no such set, or there is nothing in it that can be used.
    pub fn add_jwks(&mut self, json: &[u8]) -> Result<Vec<String>, Cow<'static, str>> {
        let (keys, passed_over) = read_set(json)?;
        self.keys.extend(keys);
        Ok(passed_over)
    }

    /// The same of a provider: these take the place of those that it had before.
    ///
    /// # Errors
    /// The same; those of before stay.
    pub fn set_fetched(&mut self, json: &[u8]) -> Result<Vec<String>, Cow<'static, str>> {
        let (keys, passed_over) = read_set(json)?;
        self.fetched = keys;
        Ok(passed_over)
    }

    /// There is another provider.
    pub fn forget_fetched(&mut self) {
        self.fetched.clear();
    }

    /// How many keys of the provider there are.
    pub fn fetched_count(&self) -> usize {
        self.fetched.len()
    }

    /// Whether a key of the provider has this id.
    pub fn has_fetched(&self, id: &str) -> bool {
        self.fetched.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// For whom tokens have to be made.
    pub(super) fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    pub(super) fn of_algorithm(&self, name: &str) -> impl Iterator<Item = &Key> {
        let algorithm = match name {
            ED25519 => Some(Algorithm::EdDSA),
            _ => name.parse().ok(),
        };
        self.keys
            .iter()
            .chain(&self.fetched)
            .filter(move |key| Some(key.algorithm) == algorithm)
    }
}

impl Key {
    /// Whether a token that names this key, or none, may have been signed with it.
    pub(super) fn may_be(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        }
    }

    /// Whether a token's signature, in base 64, was made with this key.
    pub(super) fn has_signed(&self, signed: &str, signature: &str) -> bool {
        let verified =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, self.algorithm);
        verified.unwrap_or(false)
    }
}

/// Keys are not shown, whoever prints what holds them.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.keys.len() + self.fetched.len())
    }
}

/// The secret in a file, without the end of its line.
pub(super) fn check_secret(secret: &[u8]) -> Result<&[u8], Cow<'static, str>> {
    let line = secret.strip_suffix(b"\n").unwrap_or(secret);
    let secret = line.strip_suffix(b"\r").unwrap_or(line);
    if secret.len() < MIN_SECRET {
        return Err(format!(
            "a secret has at least {MIN_SECRET} bytes, this one {}",
            secret.len()
        )
        .into());
    }
    Ok(secret)
}

/// The keys of a set that can be used, and why others cannot.
fn read_set(json: &[u8]) -> Result<(Vec<Key>, Vec<String>), Cow<'static, str>> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    let set: Set<'_> = serde_json::from_slice(json).map_err(|error| why_no_set(&error))?;
    let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
    for (index, jwk) in set.keys.into_iter().enumerate() {
        let number = index + 1;
        match read_key(jwk) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => {}
            Err(why) => passed_over.push(format!("key {number}: {why}")),
        }
    }
    match keys.len() {
        0 => {
            let why = passed_over
                .first()
                .map_or(String::new(), |why| format!("; {why}"));
            Err(format!("there is no key for RS256, ES256 or EdDSA in it{why}").into())
        }
        // Each may have to be tried.
        count if count > MAX_KEYS_TRIED => {
            Err(format!("there are more than {MAX_KEYS_TRIED} keys in it").into())
        }
        _ => Ok((keys, passed_over)),
    }
}

/// In words of the format, not of this program.
fn why_no_set(error: &serde_json::Error) -> String {
    let why = match error.classify() {
        Category::Data => "it has no list \"keys\"".to_owned(),
        _ => format!("it is not JSON: {error}"),
    };
    format!("this is not a JSON Web Key Set, as in {{\"keys\":[{{\"kty\":\"RSA\",…}}]}}: {why}")
}

/// The same of a key. `None`: it may be one.
fn why_no_key(jwk: &Value) -> Option<Cow<'static, str>> {
    let Some(fields) = jwk.as_object() else {
        return Some("it is not an object, as in {\"kty\":\"RSA\",…}".into());
    };
    let mut texts = TEXTS
        .iter()
        .filter_map(|name| Some((name, fields.get(*name)?)));
    let wrong = texts.find(|(_, value)| !value.is_string() && !value.is_null());
    wrong.map(|(name, _)| format!("its \"{name}\" is not a string").into())
}

/// Whether keys of a set are good for the algorithm of this name.
pub(super) fn is_of_set(algorithm: &str) -> bool {
    matches!(algorithm, "RS256" | "ES256" | "EdDSA" | ED25519)
}

/// A key of a set; `None` for one that is for something else.
fn read_key(jwk: &RawValue) -> Result<Option<Key>, Cow<'static, str>> {
    let jwk = serde_json::from_str(jwk.get());
    let mut jwk: Value = jwk.map_err(|error| format!("it cannot be read: {error}"))?;
    if let Some(why) = why_no_key(&jwk) {
        return Err(why);
    }
    if let Some(name) = jwk.get_mut("alg").filter(|name| **name == ED25519) {
        *name = "EdDSA".into();
    }
    let is_known = matches!(jwk["kty"].as_str(), None | Some("RSA" | "EC" | "OKP"));
    let jwk: Jwk = serde_json::from_value(jwk)
        .map_err(|_| "a field of it is not what RFC 7517 says, as \"key_ops\" that is no list")?;
    if is_known && matches!(jwk.algorithm, AlgorithmParameters::Other(_)) {
        return Err("its kty or its curve is not known, or a part of it is missing".into());
    }
    let Some(algorithm) = algorithm_of(&jwk) else {
        return Ok(None);
    };
    let key = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
    check_length(&jwk, &key)?;
    let id = jwk.common.key_id;
    Ok(Some(Key { id, algorithm, key }))
}

/// What a public key is good for; `None` for one that is not for signatures, or of no kind that is taken.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let is_for_it = jwk.common.key_algorithm.is_none_or(|own| own == name);
    is_for_it.then_some(algorithm)
}

fn check_length(jwk: &Jwk, key: &DecodingKey) -> Result<(), Cow<'static, str>> {
    use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
    let is_long_enough = match (key.kind(), &jwk.algorithm) {
        (RsaModulusExponent { n, .. }, _) => n.len() >= MIN_MODULUS,
        (SecretOrDer(point), AlgorithmParameters::EllipticCurve(_)) => point.len() == 65,
        (SecretOrDer(point), _) => point.len() == 32,
    };
    if is_long_enough {
        Ok(())
    } else {
        Err("it has the wrong length; RSA keys have at least 2048 bits".into())
    }
}
