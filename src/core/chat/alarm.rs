//! An alarm as the state of its key: what a change leaves out stays as it was, also for those who come later and get the
//! latest alone.
//!
//! A change is passed on as it was sent. The state that is kept of it goes on with what was known before: its text and
//! its severity, and within one raising when it was raised, who acknowledged it, and when.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::core::chat::message::{Content, Message};

/// Keys of alarms begin so.
const PREFIX: &str = "alarm.";

/// What stays as it was when it is raised anew, too.
const LASTING: [&str; 2] = ["text", "severity"];

/// What belongs to one raising.
const PASSING: [&str; 3] = ["raised_at", "by", "acknowledged_at"];

/// What a message says of an alarm.
struct Alarm(BTreeMap<String, Box<RawValue>>);

impl Alarm {
    /// The alarm that a message tells of, if it does.
    fn of(message: &Message<'_>) -> Option<Self> {
        let is_alarm = message.content == Content::Json
            && message.key.is_some_and(|key| key.starts_with(PREFIX));
        let fields = is_alarm.then(|| serde_json::from_slice(message.body).ok())?;
        fields.map(Self).filter(|it| it.get("alarm").is_some())
    }

    /// A field; `null` is as good as none.
    fn get(&self, name: &str) -> Option<&RawValue> {
        let value = self.0.get(name).map(|value| &**value);
        value.filter(|value| value.get() != "null")
    }

    fn is(&self, state: &str) -> bool {
        let alarm = self.get("alarm").map(RawValue::get);
        alarm.is_some_and(|it| it.trim_matches('"') == state)
    }

    /// Takes over what another says and this one leaves out.
    fn take_over(&mut self, known: &Self, names: &[&str]) {
        for &name in names {
            if let Some(value) = known.get(name).filter(|_| self.get(name).is_none()) {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The body of the state that a change of an alarm makes of what was known; `None` for what is no alarm.
pub(in crate::core) fn completed_state(
    before: Option<&Message<'_>>,
    change: &Message<'_>,
) -> Option<Vec<u8>> {
    let mut alarm = Alarm::of(change)?;
    if let Some(before) = before.and_then(Alarm::of) {
        alarm.take_over(&before, &LASTING);
        if !alarm.is("raised") || before.is("raised") {
            alarm.take_over(&before, &PASSING);
        }
    }
    // What a message says by itself, it says only for as long as it is the latest.
    let at = to_raw_value(&change.at_ms).ok()?;
    let by = to_raw_value(&change.author.name.to_string()).ok()?;
    let moment = if alarm.is("raised") {
        BTreeMap::from([("raised_at".to_owned(), at)])
    } else if alarm.is("acknowledged") {
        BTreeMap::from([("acknowledged_at".to_owned(), at), ("by".to_owned(), by)])
    } else {
        BTreeMap::new()
    };
    alarm.take_over(&Alarm(moment), &PASSING);
    serde_json::to_vec(&alarm.0).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::chat::{Author, PersonId};

    /// What is known of an alarm after these changes, one a second.
    fn after(changes: &[Value]) -> Value {
        let author = Author::guest(PersonId(1));
        let mut known: Option<Vec<u8>> = None;
        for (change, second) in changes.iter().zip(1..) {
            let body = change.to_string();
            let message = |body| Message {
                offset: None,
                at_ms: 1000 * second,
                author: &author,
                key: Some("alarm.boiler"),
                content: Content::Json,
                body,
            };
            let before = known.as_deref().map(message);
            let change = message(body.as_bytes());
            known = completed_state(before.as_ref(), &change).or(Some(body.into_bytes()));
        }
        serde_json::from_slice(&known.unwrap_or_default()).unwrap()
    }

    #[test]
    fn what_a_change_leaves_out_stays_as_it_was() {
        let raised = json!({"alarm": "raised", "text": "too hot", "severity": "critical"});
        let cleared = json!({"alarm": "cleared"});
        assert_eq!(
            after(&[raised.clone(), cleared.clone()]),
            json!({"alarm": "cleared", "text": "too hot", "severity": "critical", "raised_at": 1000})
        );
        let acknowledged = json!({"alarm": "acknowledged", "by": "ben"});
        assert_eq!(
            after(&[raised.clone(), acknowledged, cleared.clone()]),
            json!({"alarm": "cleared", "text": "too hot", "severity": "critical", "raised_at": 1000,
                "by": "ben", "acknowledged_at": 2000})
        );
        let nothing = json!({"alarm": "cleared", "text": null, "unit": "K"});
        let known = after(&[raised.clone(), nothing]);
        assert_eq!(
            (&known["text"], &known["unit"]),
            (&json!("too hot"), &json!("K"))
        );
        // Whoever says nothing of themselves has acknowledged it all the same.
        let known = after(&[raised, json!({"alarm": "acknowledged"}), cleared]);
        assert!(
            known["by"]
                .as_str()
                .is_some_and(|by| by.starts_with("guest"))
        );
    }

    #[test]
    fn what_is_raised_anew_is_a_new_one() {
        let changes = [
            json!({"alarm": "raised", "text": "too hot", "severity": "critical"}),
            json!({"alarm": "acknowledged", "by": "ben"}),
            json!({"alarm": "cleared"}),
            json!({"alarm": "raised", "text": "hot again"}),
        ];
        assert_eq!(
            after(&changes),
            json!({"alarm": "raised", "text": "hot again", "severity": "critical", "raised_at": 4000})
        );
    }

    #[test]
    fn what_is_no_alarm_stays_as_it_is() {
        for change in [
            json!(80),
            json!("raised"),
            json!({}),
            json!([]),
            json!({"text": 1}),
        ] {
            assert_eq!(after(&[json!({"alarm": "raised"}), change.clone()]), change);
        }
    }
}
