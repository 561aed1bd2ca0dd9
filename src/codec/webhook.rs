//! Webhooks as the Standard Webhooks specification (1.0.0) has them: secrets, and the signature of a request.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64;

/// What a secret begins with that is written in base 64.
const PREFIX: &str = "whsec_";

/// Bytes of the shortest and the longest secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a request is signed with.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// The secret is nobody's business.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A secret as it is written: `whsec_`, and 24 to 64 bytes in base 64. Spaces and ends of lines around it do not count.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = text.trim_ascii();
        let encoded = text
            .strip_prefix(PREFIX.as_bytes())
            .ok_or("a secret of a webhook begins with whsec_")?;
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| "what is behind whsec_ is not in base 64")?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err("a secret of a webhook has 24 to 64 bytes");
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, content: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in content {
            context.update(part);
        }
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

/// The field `webhook-signature`: a signature by each secret, so that a receiver may know the old one or the new one while a
/// secret is changed. `timestamp`: the field of that name.
pub fn signatures(secrets: &[Secret], id: &str, timestamp: &str, body: &[u8]) -> String {
    let dot: &[u8] = b".";
    let content = [id.as_bytes(), dot, timestamp.as_bytes(), dot, body];
    let signatures = secrets.iter().map(|secret| secret.sign(&content));
    signatures.collect::<Vec<_>>().join(" ")
}

/// The id of a request, of 16 bytes by chance.
pub fn id(random: [u8; 16]) -> Box<str> {
    format!("msg_{}", data_encoding::HEXLOWER.encode(&random)).into()
}

/// A number for a webhook that sends what happens in rooms of these patterns to this address: the same in every process.
pub fn key(url: &str, rooms: &[String]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(url.as_bytes());
    for pattern in rooms {
        // Neither has one.
        context.update(b"\n");
        context.update(pattern.as_bytes());
    }
    let digest = context.finish();
    let (first, _) = digest.as_ref().split_at(8);
    first
        .iter()
        .fold(0, |key, byte| key << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_request_is_signed() {
        let secret = Secret::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(std::slice::from_ref(&secret), id, "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let twice = signatures(&[secret.clone(), secret], id, "1614265330", body);
        assert_eq!(twice, format!("{signed} {signed}"));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for (text, why) in [
            (&b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"[..], "begins with"),
            (b"whsec_MfKQ9r8GKYqrTwjU!", "base 64"),
            (b"whsec_c2hvcnQ=", "24 to 64"),
        ] {
            let error = Secret::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn another_address_or_pattern_is_another_webhook() {
        let patterns = |patterns: &[&str]| patterns.iter().map(|it| (*it).to_owned()).collect();
        let all: Vec<String> = patterns(&["*"]);
        let plant: Vec<String> = patterns(&["plant-*"]);
        let keys = [
            key("https://a.example", &all),
            key("https://b.example", &all),
            key("https://a.example", &plant),
        ];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }
}
