//! What somebody wants to be told of while away, and where: a subscription of the Push API, as a client sends it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refused::CommandParseError;
use crate::codec::push::{origin, parse_auth, parse_public};
use crate::limits::{MAX_PATTERNS, MAX_PUSH_ADDRESS, MAX_PUSH_PAGE};

/// What somebody can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// An alarm is raised; and what becomes of one that they were told of.
    Alarm,
    /// A message to them alone.
    Direct,
    /// A message in a room that names them.
    Mention,
    /// Every message without a key in a room.
    Message,
}

/// How bad an alarm is, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// What an alarm is that does not say it.
    Warning,
    /// Something has to be done now.
    Critical,
}

impl Severity {
    /// That of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Info, Self::Warning, Self::Critical];
        all.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| "expected info, warning or critical".to_owned())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A time of each day in which nothing is pushed. It goes on over midnight if it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "QuietText<'_>", into = "QuietText<'static>")]
pub struct Quiet {
    /// Minutes of the day in which it begins, and ends.
    from: u16,
    to: u16,
    /// Minutes by which the clock there is ahead of UTC.
    offset: i16,
}

#[derive(Serialize, Deserialize)]
#[serde(
    expecting = "an object with from and to, as in {\"from\":\"22:00\",\"to\":\"06:30\",\"offset\":60}"
)]
struct QuietText<'a> {
    from: Cow<'a, str>,
    to: Cow<'a, str>,
    #[serde(default)]
    offset: i64,
}

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

impl TryFrom<QuietText<'_>> for Quiet {
    type Error = &'static str;

    fn try_from(text: QuietText<'_>) -> Result<Self, &'static str> {
        let time = "quiet needs from and to, each a time of the day as 22:00";
        let (from, to) = minutes(&text.from).zip(minutes(&text.to)).ok_or(time)?;
        if from == to {
            return Err("quiet has to end at another time than it begins: leave it out for none");
        }
        // From the Line Islands to Baker Island.
        let offset = i16::try_from(text.offset).ok();
        let offset = offset.filter(|minutes| (-12 * 60..=14 * 60).contains(minutes));
        let offset = offset.ok_or("offset is in minutes east of UTC, from -720 to 840")?;
        Ok(Self { from, to, offset })
    }
}

impl From<Quiet> for QuietText<'static> {
    fn from(quiet: Quiet) -> Self {
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60).into();
        Self {
            from: time(quiet.from),
            to: time(quiet.to),
            offset: quiet.offset.into(),
        }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: u16| -> Option<u16> {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_plain)?;
        (number <= most).then_some(number)
    };
    Some(number(hours, 23)? * 60 + number(minutes, 59)?)
}

impl Quiet {
    /// When the quiet time ends that this time is in, both in milliseconds since 1970; `None` if it is in none.
    pub fn end_of(self, unix_ms: u64) -> Option<u64> {
        let utc = i64::try_from(unix_ms / MINUTE_MS).ok()?;
        let minute = (utc + i64::from(self.offset)).rem_euclid(DAY);
        let since = (minute - i64::from(self.from)).rem_euclid(DAY);
        let length = (i64::from(self.to) - i64::from(self.from)).rem_euclid(DAY);
        let left = u64::try_from(length - since)
            .ok()
            .filter(|left| *left > 0)?;
        Some((unix_ms / MINUTE_MS + left) * MINUTE_MS)
    }
}

/// What the messages for somebody are encrypted with (RFC 8291, section 2).
#[derive(Debug, PartialEq, Eq)]
pub struct PushKeys {
    /// `p256dh`: a point of P-256, uncompressed.
    pub public: [u8; 65],
    /// `auth`: a secret.
    pub auth: [u8; 16],
}

/// A subscription.
#[derive(Debug, PartialEq, Eq)]
pub struct Push<'a> {
    /// The address of a push service, or of a UnifiedPush distributor.
    pub endpoint: Cow<'a, str>,
    /// `None` if nothing is to be pushed there any more.
    pub wanted: Option<Wanted>,
}

/// What is to be pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it is encrypted with.
    pub keys: PushKeys,
    /// Patterns of rooms.
    pub rooms: Vec<String>,
    /// What somebody is told of. Not empty.
    pub kinds: Vec<PushKind>,
    /// The least of an alarm.
    pub severity: Severity,
    /// When nothing is pushed.
    pub quiet: Option<Quiet>,
    /// The page that is opened: an address by https.
    pub page: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object with endpoint, keys, rooms and kinds")]
struct Fields<'a> {
    #[serde(borrow)]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    keys: Option<KeyTexts<'a>>,
    #[serde(default)]
    rooms: Vec<String>,
    kinds: Option<Vec<PushKind>>,
    severity: Option<Severity>,
    quiet: Option<Quiet>,
    page: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with p256dh and auth")]
struct KeyTexts<'a> {
    #[serde(borrow)]
    p256dh: Cow<'a, str>,
    #[serde(borrow)]
    auth: Cow<'a, str>,
}

const NO_KEYS: &str = "push needs keys, p256dh and auth: what is pushed is encrypted, also for UnifiedPush; a browser has \
    them in PushSubscription.toJSON(), a UnifiedPush app gets them from its connector, from version 3 on";

const BAD_ENDPOINT: &str = "push needs endpoint, the https:// address of a subscription";

const NO_ROOMS: &str =
    "push needs rooms, patterns as in [\"plant-*\"], for alarms, mentions and messages";

const BAD_PAGE: &str = "page is the https:// address of the page to open, without a query";

/// Reads a subscription: a command, or the body of a request.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Push<'_>, CommandParseError> {
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|error| CommandParseError::of_json(&error))?;
    let endpoint = fields.endpoint.filter(|it| is_address(it));
    let endpoint = endpoint.ok_or_else(|| bad(BAD_ENDPOINT))?;
    let kinds = fields.kinds;
    let mut kinds = kinds
        .ok_or_else(|| bad("push needs kinds: alarm, direct, mention or message; [] ends it"))?;
    if kinds.is_empty() {
        let wanted = None;
        return Ok(Push { endpoint, wanted });
    }
    kinds.sort();
    kinds.dedup();
    if fields.rooms.is_empty() && kinds != [PushKind::Direct] {
        return Err(bad(NO_ROOMS));
    }
    if fields.rooms.len() > MAX_PATTERNS {
        return Err(bad(
            "push takes 100 patterns of rooms at most: use * for many",
        ));
    }
    let is_page =
        |page: &String| is_page(page) && page.len() <= MAX_PUSH_PAGE && !page.contains('?');
    if !fields.page.as_ref().is_none_or(is_page) {
        return Err(bad(BAD_PAGE));
    }
    let keys = fields.keys.ok_or_else(|| bad(NO_KEYS))?;
    let wanted = Wanted {
        keys: keys.decode().map_err(bad)?,
        rooms: fields.rooms,
        kinds,
        severity: fields.severity.unwrap_or(Severity::Info),
        quiet: fields.quiet,
        page: fields.page,
    };
    Ok(Push {
        endpoint,
        wanted: Some(wanted),
    })
}

impl KeyTexts<'_> {
    fn decode(&self) -> Result<PushKeys, &'static str> {
        Ok(PushKeys {
            public: parse_public(&self.p256dh)?,
            auth: parse_auth(&self.auth)?,
        })
    }
}

/// Whether it is an address by https, without a user or a fragment.
fn is_address(text: &str) -> bool {
    text.len() <= MAX_PUSH_ADDRESS && origin(text).is_ok()
}

/// The same of a page, which on this machine may be by http.
fn is_page(text: &str) -> bool {
    let local = text.strip_prefix("http://");
    let host = local.and_then(|rest| rest.split(['/', ':']).next());
    match (local, host) {
        (Some(rest), Some("localhost" | "127.0.0.1")) => is_address(&format!("https://{rest}")),
        _ => is_address(text),
    }
}

fn bad(message: &str) -> CommandParseError {
    CommandParseError::new(message.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::error_code::ErrorCode;

    fn right() -> Value {
        // The receiver of RFC 8291, appendix A.
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        json!({
            "type": "push",
            "id": 1,
            "endpoint": "https://push.example/x",
            "keys": {"p256dh": public, "auth": "BTBZMqHH6r4Tts7J_aSIgg"},
            "rooms": ["plant-*"],
            "kinds": ["message", "alarm", "alarm"],
            "quiet": {"from": "22:00", "to": "06:30", "offset": 60},
            "page": "https://host.example/",
        })
    }

    #[test]
    fn a_subscription_is_read() {
        let text = right().to_string();
        let push = parse(&text).unwrap();
        assert_eq!(push.endpoint, "https://push.example/x");
        let wanted = push.wanted.unwrap();
        assert_eq!(wanted.kinds, [PushKind::Alarm, PushKind::Message]);
        assert_eq!(wanted.severity, Severity::Info);
        let quiet = json!(wanted.quiet.unwrap());
        assert_eq!(quiet, right()["quiet"], "it is written as it is read");
        let end = json!({"type": "push", "endpoint": "https://push.example/x", "kinds": []});
        assert_eq!(parse(&end.to_string()).unwrap().wanted, None);
        for page in [
            "http://localhost:8080/",
            "http://127.0.0.1/",
            "https://a/b/",
        ] {
            let mut local = right();
            local["page"] = page.into();
            assert!(parse(&local.to_string()).is_ok(), "{page}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (field, value, word) in [
            ("endpoint", json!("http://push.example"), "https://"),
            ("endpoint", json!("https://a@b/"), "https://"),
            ("endpoint", json!(null), "https://"),
            (
                "endpoint",
                json!("https://a/".to_owned() + &"x".repeat(MAX_PUSH_ADDRESS)),
                "https://",
            ),
            ("keys", json!(null), "UnifiedPush"),
            ("keys", json!({"p256dh": "AA", "auth": "AA"}), "65 bytes"),
            ("keys", json!(["boiler"]), "p256dh and auth"),
            ("rooms", json!([]), "patterns"),
            ("kinds", json!(["alarms"]), "alarm"),
            ("kinds", json!(null), "kinds"),
            ("severity", json!("high"), "critical"),
            ("quiet", json!({"from": "22", "to": "06:30"}), "22:00"),
            ("quiet", json!({"from": "24:00", "to": "06:30"}), "22:00"),
            (
                "quiet",
                json!({"from": "22:00", "to": "22:00"}),
                "another time",
            ),
            (
                "quiet",
                json!({"from": "22:00", "to": "06:00", "offset": 900}),
                "840",
            ),
            ("page", json!("http://evil.example/"), "https://"),
            ("page", json!("http://localhost.evil.example/"), "https://"),
            ("page", json!("https://host/?room=x"), "query"),
        ] {
            let mut push = right();
            push[field] = value;
            let error = parse(&push.to_string()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadCommand);
            assert!(error.message.contains(word), "{field}: {}", error.message);
        }
    }

    fn quiet(from: &str, to: &str, offset: i64) -> Quiet {
        serde_json::from_value(json!({"from": from, "to": to, "offset": offset})).unwrap()
    }

    #[test]
    fn a_quiet_time_ends_where_it_is_said() {
        let at = |hours: u64, minutes: u64| (10 * 24 * 60 + hours * 60 + minutes) * MINUTE_MS;
        let night = quiet("22:00", "06:30", 60);
        // One hour ahead of UTC.
        assert_eq!(night.end_of(at(20, 59)), None);
        assert_eq!(night.end_of(at(21, 0) + 999), Some(at(29, 30)));
        assert_eq!(night.end_of(at(5, 29)), Some(at(5, 30)));
        assert_eq!(night.end_of(at(5, 30)), None);
        let noon = quiet("12:00", "13:00", -300);
        assert_eq!(noon.end_of(at(17, 30)), Some(at(18, 0)));
        assert_eq!(noon.end_of(at(12, 30)), None);
    }

    proptest! {
        #[test]
        fn the_end_of_a_quiet_time_is_ahead_and_not_quiet(
            from in 0_u16..1440, length in 1_u16..1440, offset in -720_i16..=840, unix_ms in 0_u64..1 << 45,
        ) {
            let quiet = Quiet { from, to: (from + length) % 1440, offset };
            if let Some(end_ms) = quiet.end_of(unix_ms) {
                prop_assert!(end_ms > unix_ms && end_ms - unix_ms <= 24 * 60 * MINUTE_MS);
                prop_assert_eq!(quiet.end_of(end_ms), None);
            }
        }
    }
}
