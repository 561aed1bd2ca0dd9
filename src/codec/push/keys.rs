//! The keys of a receiver, as browsers and UnifiedPush applications tell them.

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, ParsedPublicKeyFormat, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;

/// The point that `p256dh` is, in base64url.
///
/// # Errors
/// What is expected instead.
pub fn parse_public(text: &str) -> Result<[u8; 65], &'static str> {
    let expected = "p256dh is expected to be a P-256 public key in base64url: 65 bytes, as the browser gives it";
    let point = decode(text).ok_or("p256dh is not in base64url")?;
    let point = <[u8; 65]>::try_from(point).map_err(|_| expected)?;
    match parse_point(&point) {
        Some(_) => Ok(point),
        None if point[0] == 4 => Err("p256dh is no point of the curve P-256: copy it again"),
        None => Err(expected),
    }
}

/// The secret that `auth` is, in base64url.
///
/// # Errors
/// What is expected instead.
pub fn parse_auth(text: &str) -> Result<[u8; 16], &'static str> {
    let secret = decode(text).ok_or("auth is not in base64url")?;
    let expected = "auth is expected to be 16 bytes in base64url, as the browser gives it";
    <[u8; 16]>::try_from(secret).map_err(|_| expected)
}

/// A point that is uncompressed and on the curve.
pub(super) fn parse_point(bytes: &[u8]) -> Option<ParsedPublicKey> {
    let point = ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, bytes)).ok()?;
    let is_whole = point.format() == ParsedPublicKeyFormat::Uncompressed;
    is_whole.then_some(point)
}

/// With or without padding: applications differ.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}
