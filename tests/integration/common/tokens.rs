//! A secret in a file, and tokens signed with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A file that is removed with the value.
pub(crate) struct TestFile(PathBuf);

impl TestFile {
    /// A file of its own that only its owner may read.
    pub(crate) fn new(content: impl AsRef<[u8]>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("file-{}-{number}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, content: &str) {
        fs::write(&self.0, content).unwrap();
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("the path is text")
    }

    /// Lets everyone read it.
    pub(crate) fn expose(&self) {
        fs::set_permissions(&self.0, Permissions::from_mode(0o644)).unwrap();
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub(crate) const SECRET: &str = "a secret of at least 32 bytes, as wanted";

/// A token with these claims, and one hour's `exp` if they have none.
pub(crate) fn token(claims: Value) -> String {
    token_by(&Header::new(Algorithm::HS256), SECRET, claims)
}

/// The same with a head and a secret of the test's own.
pub(crate) fn token_by(header: &Header, secret: &str, mut claims: Value) -> String {
    if claims.get("exp").is_none() {
        claims["exp"] = json!(unix_seconds() + 3600.0);
    }
    encode(
        header,
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

/// A token that is good everywhere.
pub(crate) fn token_of(sub: &str) -> String {
    token(json!({"sub": sub, "subscribe": ["*"], "publish": ["*"]}))
}

pub(crate) fn unix_seconds() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64()
}
