//! What somebody is told, and its form: JSON for a service worker, and for browsers that show it by themselves.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Urgency;
use crate::codec::json::epoch::Epoch;
use crate::codec::json::escaped_bytes;
use crate::codec::json::push::{PushKind, Severity};
use crate::core::chat::RoomName;
use crate::limits::{MAX_PUSH_PAYLOAD, MAX_PUSH_TEXT};

/// What stays as it is in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':');

/// What an alarm says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AlarmState {
    Raised,
    /// Raised by the server, because no value has come.
    Silent,
    Acknowledged,
    Cleared,
}

impl AlarmState {
    /// Whether somebody has to do something.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Raised | Self::Silent)
    }
}

/// Something to be told, to whoever wants to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) kind: PushKind,
    /// `None` for a direct message.
    pub(super) room: Option<RoomName>,
    /// That of an alarm.
    pub(super) key: Option<Box<str>>,
    pub(super) offset: Option<u64>,
    pub(super) epoch: u64,
    /// Of an alarm that is raised.
    pub(super) severity: Option<Severity>,
    pub(super) state: Option<AlarmState>,
    /// It is told whatever somebody has subscribed to, also in their quiet time.
    #[serde(default)]
    pub(super) is_escalated: bool,
    /// Who has said it.
    pub(super) by: Box<str>,
    pub(super) title: Box<str>,
    pub(super) text: Box<str>,
}

impl Notice {
    /// The same, told whatever somebody has subscribed to.
    pub(super) fn as_escalated(&self) -> Self {
        Self {
            is_escalated: true,
            ..self.clone()
        }
    }

    /// Notifications of one tag replace each other.
    pub(super) fn tag(&self) -> String {
        match (&self.room, &self.key) {
            (Some(room), Some(key)) => format!("{room}/{key}"),
            (Some(room), None) => room.as_str().to_owned(),
            (None, _) => format!("@{}", self.by),
        }
    }

    /// Whether it only says what has become of an alarm that somebody was told of.
    pub(super) fn is_withdrawal(&self) -> bool {
        self.state.is_some_and(|state| !state.is_open())
    }

    pub(super) fn urgency(&self) -> Urgency {
        match self.kind {
            PushKind::Alarm | PushKind::Direct => Urgency::High,
            PushKind::Mention | PushKind::Message => Urgency::Normal,
        }
    }

    /// The payload for somebody whose page this is: `MAX_PUSH_PAYLOAD` bytes at most.
    pub(super) fn payload(&self, page: Option<&str>) -> Vec<u8> {
        let bare = self.json("", "", page);
        let left = MAX_PUSH_PAYLOAD.saturating_sub(bare.len());
        let title = cut(&self.title, left.min(MAX_PUSH_TEXT / 2));
        let left = left.saturating_sub(escaped_bytes(&title));
        self.json(&title, &cut(&self.text, left.min(MAX_PUSH_TEXT)), page)
    }

    fn json(&self, title: &str, text: &str, page: Option<&str>) -> Vec<u8> {
        let mut notification = json!({
            "title": title,
            "body": text,
            "tag": self.tag(),
            "silent": self.is_withdrawal(),
        });
        if let Some(page) = page {
            notification["navigate"] = self.address(page).into();
        }
        let mut parlor = json!({"kind": self.kind, "by": self.by});
        let room = self.room.as_ref().map(RoomName::as_str);
        let more = [
            ("room", room.map(Into::into)),
            ("key", self.key.as_deref().map(Into::into)),
            ("offset", self.offset.map(Into::into)),
            ("epoch", room.map(|_| json!(Epoch(self.epoch)))),
            ("severity", self.severity.map(|it| json!(it))),
            ("state", self.state.map(|it| json!(it))),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                parlor[name] = value;
            }
        }
        let payload = json!({"web_push": 8030, "notification": notification, "parlor": parlor});
        payload.to_string().into_bytes()
    }

    /// The address that shows it.
    fn address(&self, page: &str) -> String {
        let Some(room) = &self.room else {
            return page.to_owned();
        };
        let room = utf8_percent_encode(room.as_str(), ENCODED);
        let at = self
            .offset
            .map_or(String::new(), |offset| format!("&at={offset}"));
        format!("{page}?room={room}{at}")
    }
}

/// As much of a text as takes so many bytes in a JSON string.
pub(super) fn cut(text: &str, most: usize) -> String {
    if escaped_bytes(text) <= most {
        return text.to_owned();
    }
    let Some(most) = most.checked_sub("…".len()) else {
        return String::new();
    };
    let mut bytes = 0;
    let kept = text.chars().take_while(|c| {
        bytes += escaped_bytes(c.encode_utf8(&mut [0; 4]));
        bytes <= most
    });
    let mut kept: String = kept.collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::limits::MAX_PUSH_NAME;

    fn notice() -> Notice {
        Notice {
            kind: PushKind::Alarm,
            room: RoomName::parse("plänt"),
            key: Some("alarm.pump".into()),
            offset: Some(41),
            epoch: 7,
            severity: Some(Severity::Critical),
            state: Some(AlarmState::Raised),
            is_escalated: false,
            by: "ana".into(),
            title: "critical: too hot".into(),
            text: "pump".into(),
        }
    }

    #[test]
    fn a_payload_says_where_it_is_and_what_it_replaces() {
        let payload = notice().payload(Some("https://host.example/"));
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let expected = json!({
            "web_push": 8030,
            "notification": {
                "title": "critical: too hot",
                "body": "pump",
                "tag": "plänt/alarm.pump",
                "silent": false,
                "navigate": "https://host.example/?room=pl%C3%A4nt&at=41",
            },
            "parlor": {
                "kind": "alarm",
                "room": "plänt",
                "key": "alarm.pump",
                "offset": 41,
                "epoch": Epoch(7),
                "severity": "critical",
                "state": "raised",
                "by": "ana",
            },
        });
        assert_eq!(payload, expected);
        let cleared = Notice {
            state: Some(AlarmState::Cleared),
            ..notice()
        };
        let payload: Value = serde_json::from_slice(&cleared.payload(None)).unwrap();
        assert_eq!(payload["notification"]["silent"], true);
        assert_eq!(payload["notification"]["navigate"], Value::Null);
    }

    proptest! {
        #[test]
        fn a_payload_is_never_too_long(
            key in "\\PC{0,128}|[\\x00-\\x1f]{128}", by in "[\\x00-\\u{ffff}]{0,300}", title: String, text in "[\\x00-\\u{ffff}]{0,4000}",
        ) {
            let notice = Notice {
                key: Some(key.chars().scan(0, |bytes, c| {
                    *bytes += c.len_utf8();
                    (*bytes <= 128).then_some(c)
                }).collect::<String>().into()),
                by: cut(&by, MAX_PUSH_NAME).into(),
                title: title.into(),
                text: text.into(),
                ..notice()
            };
            let page = "https://host.example/".to_owned() + &"x".repeat(100);
            let payload = notice.payload(Some(&page));
            prop_assert!(payload.len() <= MAX_PUSH_PAYLOAD, "{}", payload.len());
            prop_assert!(serde_json::from_slice::<Value>(&payload).is_ok());
        }
    }
}
