//! Alarms that are told to people whom an escalation names.

use serde_json::json;

use super::world::{ALARM, MINUTE_MS, World, holder, room, wanted};
use crate::codec::json::push::{PushKind, Severity, Wanted};
use crate::core::chat::{Author, Content, Message};
use crate::core::push::Subscriber;

impl World {
    /// The alarm that was raised is told to these. Gives who is unknown.
    pub(super) fn escalate(&mut self, names: &[&str], minutes: u64) -> Vec<Box<str>> {
        let author = Author::stored(9, "device");
        let body = json!({"alarm": "raised", "text": "hot", "severity": "warning"}).to_string();
        let state = Message {
            expect: None,
            offset: Some(41),
            at_ms: 0,
            author: &author,
            key: Some("alarm.pump"),
            content: Content::Json,
            body: body.as_bytes(),
        };
        let names: Vec<Box<str>> = names.iter().map(|it| (*it).into()).collect();
        self.with(|push, those, now| {
            let place = (&room("plant"), 5);
            let unknown = push.on_escalated(place, &state, &names, minutes * MINUTE_MS);
            while push.has_work() {
                push.step(those, now);
            }
            unknown
        })
    }
}

/// Who wants nothing but critical alarms of the office, and nothing at this time of the day.
fn other() -> Wanted {
    let quiet = json!({"from": "00:00", "to": "02:00"});
    Wanted {
        severity: Severity::Critical,
        quiet: serde_json::from_value(quiet).unwrap(),
        ..wanted(&["office"], &[PushKind::Message])
    }
}

fn reader(name: &str, rooms: &str) -> Subscriber {
    Subscriber {
        readable: vec![rooms.to_owned()],
        ..holder(name)
    }
}

#[test]
fn whom_an_escalation_names_is_told_and_it_is_withdrawn_from_them() {
    let mut world = World::new();
    for name in ["ana", "ben", "cy"] {
        world.subscribe(name, reader(name, "p*"), other());
    }
    world.raise("warning");
    assert!(world.escalate(&["ana"], 5).is_empty());
    world.deliver();
    assert!(world.escalate(&["ben"], 10).is_empty());
    world.deliver();
    assert!(world.escalate(&["ben"], 20).is_empty());
    world.deliver();
    let told = &world.got["https://ben"][1]["notification"];
    assert_eq!(told["title"], "Escalated: warning: hot");
    assert_eq!(told["body"], "Not acknowledged for 20 min: pump in plant");
    assert_eq!(
        (&told["tag"], &told["silent"]),
        (&json!("plant/alarm.pump"), &json!(false))
    );
    world.alarm("dan", &json!({"alarm": "acknowledged"}));
    world.deliver();
    world.alarm("device", &json!({"alarm": "cleared"}));
    world.deliver();
    assert_eq!(world.got("ana"), ["raised", "acknowledged", "cleared"]);
    let of_ben = ["raised", "raised", "acknowledged", "cleared"];
    assert_eq!(world.got("ben"), of_ben);
    assert_eq!(world.got("cy"), [""; 0]);
}

#[test]
fn who_may_not_read_the_room_is_not_told_and_who_is_unknown_is_named() {
    let mut world = World::new();
    world.subscribe("ana", reader("ana", "office"), other());
    world.subscribe("ben", holder("ben"), wanted(&["plant"], ALARM));
    assert_eq!(world.escalate(&["ana", "ben", "zoe"], 5), ["zoe".into()]);
    world.deliver();
    assert_eq!(world.got("ana"), [""; 0]);
    assert_eq!(world.got("ben"), ["raised"]);
}
