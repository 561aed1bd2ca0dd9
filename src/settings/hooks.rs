//! Requests that go out: where to, and of webhooks what they are told.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::codec::http::host::{Authority, Host};

/// What is expected of an address.
const EXPECTED: &str = "expected https://host/path, or http:// on a network that nobody else reads; \
    without a user, a password or a fragment";

/// The same of its host.
const HOST: &str = "expected a host behind https://, such as app.example, 192.0.2.7 or [2001:db8::7]; \
    of letters, digits, - and _ with single dots, other letters as xn--…";

/// The same of its port.
const PORT: &str =
    "expected a port of 1 to 65535 behind the host, as in https://app.example:8443/path";

/// Where a request goes: an address by https or http.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Box<str>);

impl HookUrl {
    /// The address as it is given. What is behind the host may be a secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is by https.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for HookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next());
        let authority = authority.filter(|it| !it.is_empty() && !it.contains('@'));
        match authority {
            Some(authority) if text.bytes().all(is_plain) => check_authority(authority)?,
            _ => return Err(EXPECTED.to_owned()),
        }
        Ok(Self(text.into()))
    }
}

/// A host that can be looked up or connected to, and a port that somebody can listen on.
fn check_authority(text: &str) -> Result<(), String> {
    let host_end = text.rfind(']').unwrap_or(0);
    let colon = text[host_end..].find(':').map(|at| host_end + at);
    let (host, port) = match colon {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let is_host = match Authority::parse(host).map(|it| it.host) {
        Some(Host::Address(_)) => true,
        Some(Host::Name(name)) => is_name(name),
        None => false,
    };
    if !is_host {
        return Err(HOST.to_owned());
    }
    let is_port = |port: &str| {
        let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
        is_digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    match port {
        Some(port) if !is_port(port) => Err(PORT.to_owned()),
        _ => Ok(()),
    }
}

/// A name that may be looked up (RFC 1123 section 2.1), with `_`, which some networks use. One whose last part is a number would
/// be taken for an address.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_part = |part: &str| (1..=63).contains(&part.len()) && part.bytes().all(is_letter);
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(is_part) && !is_number
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without the path, which may be a secret.
impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookUrl")
    }
}

/// What a webhook is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookEvent {
    /// A message without a key.
    Message,
    /// A message with a key.
    Keyed,
    /// A message whose key is that of an alarm.
    Alarm,
    /// Somebody has come into a room.
    Joined,
    /// Somebody has gone.
    Left,
    /// The first has come into a room.
    Occupied,
    /// The last has gone.
    Vacated,
    /// Somebody was banned from a room, or put out of it because of a ban.
    Banned,
    /// Nobody has acknowledged an alarm in time. It is told to webhooks that a step of an escalation names, whatever else these
    /// are told.
    Escalated,
}

impl HookEvent {
    /// All of them, with their names.
    pub const ALL: [(Self, &str); 9] = [
        (Self::Message, "message"),
        (Self::Keyed, "keyed"),
        (Self::Alarm, "alarm"),
        (Self::Joined, "joined"),
        (Self::Left, "left"),
        (Self::Occupied, "occupied"),
        (Self::Vacated, "vacated"),
        (Self::Banned, "banned"),
        (Self::Escalated, "escalated"),
    ];
}

impl FromStr for HookEvent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(event, _)| *event).ok_or_else(|| {
            "expected message, keyed, alarm, joined, left, occupied, vacated, banned or escalated"
                .to_owned()
        })
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(event, _)| event == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where it is.
    pub url: HookUrl,
    /// Files with the secrets that it is signed with.
    pub secret_files: Vec<PathBuf>,
    /// Patterns of the rooms that it is told of; none for all.
    pub rooms: Vec<String>,
    /// What it is told of; none for all.
    pub events: Vec<HookEvent>,
}

impl super::Webhooks {
    /// All webhooks: that of the flags first.
    pub fn all(&self) -> Vec<Webhook> {
        let first = self.webhook.clone().map(|url| Webhook {
            url,
            secret_files: self.webhook_secret_file.clone(),
            rooms: self.webhook_rooms.clone(),
            events: self.webhook_events.clone(),
        });
        first.into_iter().chain(self.webhooks.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_or_told_what_is_expected() {
        for right in [
            "https://app.example",
            "http://127.0.0.1:8000/hook?key=1",
            "https://[::1]:8443/a%20b",
        ] {
            let url: HookUrl = right.parse().unwrap();
            assert_eq!(url.to_string(), right);
            assert_eq!(format!("{url:?}"), "HookUrl", "the path may be a secret");
        }
        for wrong in [
            "app.example/hook",
            "ftp://app.example",
            "https://",
            "https:///hook",
            "https://ana:secret@app.example",
            "https://app.example/a b",
            "https://app.example/#there",
        ] {
            let error = wrong.parse::<HookUrl>().unwrap_err();
            assert!(error.contains("https://host"), "{wrong}");
        }
    }

    #[test]
    fn a_host_and_a_port_are_those_that_somebody_can_have() {
        let long = "a".repeat(64);
        let long = format!("https://{long}.example");
        for wrong in [
            "http://:80/",
            "https://a..b",
            "https://.example",
            "https://a.%41",
            "https://300.1.1.1",
            "https://127.1",
            "https://[::1",
            "https://::1",
            "https://[fe80::1%25eth0]",
            &long,
        ] {
            let error = wrong.parse::<HookUrl>().unwrap_err();
            assert!(error.contains("expected a host"), "{wrong}: {error}");
        }
        for wrong in [
            "http://a:99999/",
            "https://a:0",
            "https://a:",
            "https://[::1]:+1",
            "http://a:1:2",
        ] {
            let error = wrong.parse::<HookUrl>().unwrap_err();
            assert!(error.contains("expected a port"), "{wrong}: {error}");
        }
        for right in [
            "https://app.example.",
            "http://node_1:8080",
            "https://xn--bcher-kva.example",
        ] {
            assert!(right.parse::<HookUrl>().is_ok(), "{right}");
        }
    }

    #[test]
    fn events_have_names() {
        for (event, name) in HookEvent::ALL {
            assert_eq!((name.parse(), event.to_string()), (Ok(event), name.into()));
        }
        assert!("msg".parse::<HookEvent>().unwrap_err().contains("keyed"));
    }
}
