//! What a message says of an alarm, and what people are told of that.

use std::borrow::Cow;

use serde_json::Value;

use super::notice::{AlarmState, Notice, cut};
use super::told::Shown;
use crate::codec::freshness::ALARM_PREFIX;
use crate::codec::json::push::{PushKind, Severity};
use crate::core::chat::{Content, Message, RoomName};
use crate::limits::{MAX_PUSH_NAME, MAX_PUSH_TEXT};

/// What an alarm is by a message, or by the state of its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    pub(super) state: AlarmState,
    severity: Severity,
    text: Option<String>,
    /// Who has acknowledged it.
    by: Option<String>,
}

impl Alarm {
    /// `None`: it says nothing of one.
    pub(super) fn of(message: &Message<'_>) -> Option<Self> {
        if message.content != Content::Json {
            return None;
        }
        let fields: Value = serde_json::from_slice(message.body).ok()?;
        if fields.is_null() {
            return Some(Self::new(AlarmState::Cleared));
        }
        let state = match fields.get("alarm")?.as_str()? {
            "raised" if fields.get("silent_after").is_some_and(|it| !it.is_null()) => {
                AlarmState::Silent
            }
            "raised" => AlarmState::Raised,
            "acknowledged" => AlarmState::Acknowledged,
            "cleared" => AlarmState::Cleared,
            _ => return None,
        };
        let text = |name| match fields.get(name) {
            Some(Value::String(text)) => Some(cut(text, MAX_PUSH_TEXT)),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let severity = text("severity").and_then(|it| Severity::parse(&it));
        Some(Self {
            severity: severity.unwrap_or(Severity::Warning),
            text: text("text"),
            by: text("by").map(|by| cut(&by, MAX_PUSH_NAME)),
            ..Self::new(state)
        })
    }

    fn new(state: AlarmState) -> Self {
        Self {
            state,
            severity: Severity::Warning,
            text: None,
            by: None,
        }
    }

    /// What of it people are shown, `before` having been shown.
    pub(super) fn shown(&self, epoch: u64, before: Option<&Shown>) -> Shown {
        let known = before.filter(|_| !self.state.is_open());
        let text = self.text.as_deref().map(Into::into);
        // That nothing came is not what is over: something has come.
        let known_text = known.filter(|it| it.state != AlarmState::Silent);
        Shown {
            state: self.state,
            severity: known.map_or(self.severity, |it| it.severity),
            text: text.or_else(|| known_text.and_then(|it| it.text.clone())),
            epoch: Some(epoch),
        }
    }

    /// What is said of it.
    pub(super) fn notice(
        &self,
        (room, epoch): (&RoomName, u64),
        message: &Message<'_>,
        shown: &Shown,
    ) -> Notice {
        let key = message.key.unwrap_or_default();
        let name = key.strip_prefix(ALARM_PREFIX).unwrap_or(key);
        let author = message.author.name.to_string();
        let by = match self.state {
            AlarmState::Acknowledged => self.by.clone().unwrap_or(author),
            _ => author,
        };
        let text: Cow<'_, str> = match &shown.text {
            Some(text) if self.state != AlarmState::Silent => (&**text).into(),
            _ if self.state == AlarmState::Silent => format!("{name} is silent").into(),
            _ => name.into(),
        };
        let title = match self.state {
            AlarmState::Raised | AlarmState::Silent => {
                format!("{}: {text}", shown.severity.as_str())
            }
            AlarmState::Acknowledged => format!("Acknowledged by {by}: {text}"),
            AlarmState::Cleared => format!("Over: {text}"),
        };
        Notice {
            kind: PushKind::Alarm,
            room: Some(room.clone()),
            key: Some(key.into()),
            offset: message.offset,
            epoch,
            severity: Some(shown.severity),
            state: Some(self.state),
            is_escalated: false,
            by: by.into(),
            title: title.into(),
            text: format!("{name} in {room}").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::Author;

    fn told(body: &str) -> Option<(AlarmState, String)> {
        let author = Author::stored(7, "ana");
        let message = Message {
            expect: None,
            offset: Some(3),
            at_ms: 0,
            author: &author,
            key: Some("alarm.pump"),
            content: Content::Json,
            body: body.as_bytes(),
        };
        let alarm = Alarm::of(&message)?;
        let room = RoomName::parse("plant").unwrap();
        let notice = alarm.notice((&room, 1), &message, &alarm.shown(1, None));
        Some((alarm.state, notice.title.into()))
    }

    #[test]
    fn each_state_is_said_in_words() {
        for (body, state, title) in [
            (
                r#"{"alarm":"raised","text":"hot","severity":"critical"}"#,
                AlarmState::Raised,
                "critical: hot",
            ),
            (r#"{"alarm":"raised"}"#, AlarmState::Raised, "warning: pump"),
            (
                r#"{"alarm":"raised","text":"silent","severity":"warning","silent_after":3}"#,
                AlarmState::Silent,
                "warning: pump is silent",
            ),
            (
                r#"{"alarm":"acknowledged","by":"ben","text":"hot"}"#,
                AlarmState::Acknowledged,
                "Acknowledged by ben: hot",
            ),
            (
                r#"{"alarm":"acknowledged"}"#,
                AlarmState::Acknowledged,
                "Acknowledged by ana: pump",
            ),
            (
                r#"{"alarm":"cleared","text":4}"#,
                AlarmState::Cleared,
                "Over: 4",
            ),
            ("null", AlarmState::Cleared, "Over: pump"),
        ] {
            assert_eq!(told(body), Some((state, title.to_owned())), "{body}");
        }
        for none in [
            "5",
            "\"raised\"",
            "{}",
            r#"{"alarm":"other"}"#,
            r#"{"alarm":5}"#,
            "{",
        ] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
