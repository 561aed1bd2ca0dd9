//! Web Push: messages encrypted for one receiver (RFC 8291, RFC 8188), who sends them (VAPID, RFC 8292), and where they go.

mod cryptographer;
mod keys;
#[cfg(test)]
mod tests;
mod vapid;

pub use keys::{parse_auth, parse_public};
pub use vapid::VapidKey;

use cryptographer::AwsLc;

/// Bytes of an encrypted message that each push service takes (RFC 8030, section 7.2).
const MAX_MESSAGE: usize = 4096;

/// Encrypts a message for the receiver that has the private key of `public` (`p256dh`), and `auth`. It is filled up to a
/// multiple of 128 bytes, so that its length says little.
///
/// # Errors
/// It is empty or too long, or `public` is no point of P-256.
pub fn encrypt(public: &[u8; 65], auth: &[u8; 16], message: &[u8]) -> Result<Vec<u8>, String> {
    // The first call sets it; the others find it set.
    let _ = ece::crypto::set_cryptographer(&AwsLc);
    let encrypted = ece::encrypt(public, auth, message);
    let encrypted = encrypted.map_err(|error| format!("a push cannot be encrypted: {error}"))?;
    match encrypted.len() {
        ..=MAX_MESSAGE => Ok(encrypted),
        length => Err(format!(
            "a push has {length} bytes when it is encrypted; push services take {MAX_MESSAGE}"
        )),
    }
}

/// The origin of a subscription's address, as RFC 6454 writes it: what a VAPID token is for.
///
/// # Errors
/// What is expected of an address.
pub fn origin(endpoint: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    let rest = endpoint.strip_prefix("https://");
    let rest = rest.ok_or("the address of a push service begins with https://")?;
    if !endpoint.bytes().all(is_plain) {
        return Err("the address of a push service has characters that are not for addresses");
    }
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.strip_suffix(":443").unwrap_or(host);
    if host.is_empty() || host.starts_with(':') || host.contains('@') {
        return Err("the address of a push service needs a host, and no user or password");
    }
    Ok(format!("https://{}", host.to_ascii_lowercase()))
}
