//! An alarm as the state of its key: what a change leaves out stays as it was, also for those who come later and get the
//! latest alone.
//!
//! A change is passed on as it was sent. The state that is kept of it goes on with what was known before: its text,
//! its severity and its links, and within one raising when it was raised, who acknowledged it, and when.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::codec::freshness::ALARM_PREFIX;
use crate::core::chat::message::{Content, Message};
use crate::settings::Severity;

/// What stays as it was when it is raised anew, too.
const LASTING: [&str; 3] = ["text", "severity", "links"];

/// What belongs to one raising.
const PASSING: [&str; 4] = ["raised_at", "by", "acknowledged_at", "silent_after"];

/// What a message says of an alarm.
struct Alarm(BTreeMap<String, Box<RawValue>>);

impl Alarm {
    /// The alarm that a message tells of, if it does.
    fn of(message: &Message<'_>) -> Option<Self> {
        let is_alarm = message.content == Content::Json && message.key.is_some_and(is_alarm_key);
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

/// Whether a key is that of an alarm.
pub(in crate::core) fn is_alarm_key(key: &str) -> bool {
    key.starts_with(ALARM_PREFIX)
}

/// Whether a change says nothing that is not known: a monitor tells again of what goes on, and who has acknowledged that has done
/// so. `is_reminder`: it does not say when it was raised, because it says only that it goes on.
pub(super) fn is_known(before: &Message<'_>, change: &Message<'_>, is_reminder: bool) -> bool {
    let (Some(before), Some(change)) = (Alarm::of(before), Alarm::of(change)) else {
        return false;
    };
    let is_same = |name| before.get(name).map(RawValue::get) == change.get(name).map(RawValue::get);
    if change.is("cleared") {
        return before.is("cleared");
    }
    let goes_on = is_reminder || (change.get("raised_at").is_some() && is_same("raised_at"));
    goes_on && (before.is("acknowledged") || (before.is("raised") && is_same("text")))
}

/// The body of the state that a change of an alarm makes of what was known; `None` for what is no alarm.
pub(in crate::core) fn completed_state(
    before: Option<&Message<'_>>,
    change: &Message<'_>,
) -> Option<Vec<u8>> {
    let mut alarm = Alarm::of(change)?;
    let is_silence = alarm.get("silent_after").is_some();
    if let Some(before) = before.and_then(Alarm::of) {
        alarm.take_over(&before, &LASTING);
        if !alarm.is("raised") || before.is("raised") {
            alarm.take_over(&before, &PASSING);
        }
        if alarm.is("raised") && !is_silence {
            // Somebody raises it who knows more than that nothing comes.
            alarm.0.remove("silent_after");
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

/// An alarm that is raised, and that nobody has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct OpenAlarm {
    pub(in crate::core) severity: Severity,
    /// What tells one raising from the next; milliseconds since 1970, or 0 where its sender says something else.
    pub(in crate::core) raised_at: u64,
}

/// The alarm that the state of a key tells of, if it is raised.
pub(in crate::core) fn open_alarm(state: &Message<'_>) -> Option<OpenAlarm> {
    let alarm = Alarm::of(state).filter(|it| it.is("raised"))?;
    let severity = alarm.get("severity").map(RawValue::get);
    let severity = severity.and_then(|it| it.trim_matches('"').parse().ok());
    let raised_at = alarm.get("raised_at");
    Some(OpenAlarm {
        severity: severity.unwrap_or(Severity::Warning),
        raised_at: raised_at.map_or(state.at_ms, |it| it.get().parse().unwrap_or(0)),
    })
}

/// Whether this is the state of an alarm that is not over, and that somebody else than the server has raised.
pub(super) fn is_of_others(state: &Message<'_>) -> bool {
    let alarm = Alarm::of(state);
    alarm.is_some_and(|it| !it.is("cleared") && it.get("silent_after").is_none())
}

/// A silence of which an alarm tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    /// Nothing came after this offset.
    pub(super) after: u64,
    /// The alarm is not cleared.
    pub(super) is_open: bool,
}

/// The silence of which the state of an alarm tells, if it does.
pub(super) fn silence(state: &Message<'_>) -> Option<Silence> {
    let alarm = Alarm::of(state)?;
    let after = alarm.get("silent_after")?;
    Some(Silence {
        after: after.get().parse().ok()?,
        is_open: !alarm.is("cleared"),
    })
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
                expect: None,
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
    fn who_tells_again_of_what_goes_on_says_nothing_new() {
        let author = Author::guest(PersonId(1));
        let says_nothing_new = |before: &Value, change: &Value, is_reminder| {
            let bodies = [before, change].map(ToString::to_string);
            let message = |body| Message {
                offset: Some(1),
                at_ms: 1000,
                author: &author,
                key: Some("alarm.boiler"),
                content: Content::Json,
                body,
                expect: None,
            };
            let [before, change] = bodies.each_ref().map(|it| message(it.as_bytes()));
            is_known(&before, &change, is_reminder)
        };
        let raised = |at| json!({"alarm": "raised", "text": "hot", "raised_at": at});
        let acknowledged =
            json!({"alarm": "acknowledged", "text": "hot", "raised_at": 5, "by": "ben"});
        let cleared = json!({"alarm": "cleared", "text": "hot", "raised_at": 5});
        assert!(says_nothing_new(&acknowledged, &raised(5), false));
        assert!(says_nothing_new(
            &acknowledged,
            &json!({"alarm": "raised", "text": "hotter", "raised_at": 5}),
            false
        ));
        assert!(says_nothing_new(&acknowledged, &raised(9), true));
        assert!(
            says_nothing_new(&raised(5), &raised(5), false)
                && says_nothing_new(&cleared, &cleared, false)
        );
        assert!(
            !says_nothing_new(&acknowledged, &raised(9), false),
            "it was raised anew"
        );
        assert!(!says_nothing_new(
            &acknowledged,
            &json!({"alarm": "raised"}),
            false
        ));
        assert!(!says_nothing_new(
            &raised(5),
            &json!({"alarm": "raised", "text": "hotter", "raised_at": 5}),
            false
        ));
        assert!(
            !says_nothing_new(&cleared, &raised(5), false)
                && !says_nothing_new(&cleared, &raised(5), true)
        );
        assert!(!says_nothing_new(&acknowledged, &cleared, false));
        assert!(!says_nothing_new(&json!(5), &raised(5), true));
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
