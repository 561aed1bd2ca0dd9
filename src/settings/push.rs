//! Where push services write to the people who run a server.

use std::fmt;
use std::str::FromStr;

/// What is expected of it.
const EXPECTED: &str = "expected mailto:ops@example.org, or an https:// address: push services write there if something is wrong";

/// The address of the people who run a server (RFC 8292, section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushContact(Box<str>);

impl PushContact {
    /// The address as it is given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PushContact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_mail = |it: &str| {
            it.split_once('@')
                .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
        };
        let is_address = match (text.strip_prefix("mailto:"), text.strip_prefix("https://")) {
            (Some(mail), _) => is_mail(mail),
            (_, Some(host)) => !host.is_empty(),
            _ => false,
        };
        match is_address && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.into())),
            false => Err(EXPECTED.to_owned()),
        }
    }
}

impl fmt::Display for PushContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_of_people() {
        for right in ["mailto:ops@example.org", "https://example.org/contact"] {
            let contact: PushContact = right.parse().unwrap();
            assert_eq!((contact.as_str(), &*contact.to_string()), (right, right));
        }
        for wrong in [
            "",
            "ops@example.org",
            "mailto:ops",
            "mailto:@x",
            "http://example.org",
            "https://",
            "mailto:a b@c",
        ] {
            let error = wrong.parse::<PushContact>().unwrap_err();
            assert!(error.contains("mailto:"), "{wrong}");
        }
    }
}
