//! Alarms in a quiet time.

use proptest::prelude::*;
use serde_json::json;

use super::world::{ALARM, MINUTE_MS, World, holder, wanted};
use crate::codec::json::push::Wanted;
use crate::core::push::{Push, Subscriber};
use crate::core::store::KeptPush;

/// From the first minute of the day on.
const QUIET_MS: u64 = 120 * MINUTE_MS;

fn quiet() -> Wanted {
    let quiet = json!({"from": "00:00", "to": "02:00"});
    Wanted {
        quiet: serde_json::from_value(quiet).unwrap(),
        ..wanted(&["*"], ALARM)
    }
}

fn world() -> World {
    let mut world = World::new();
    let ana = Subscriber {
        readable: vec!["*".to_owned()],
        ..holder("ana")
    };
    world.subscribe("ana", ana, quiet());
    world
}

#[test]
fn an_alarm_that_is_still_raised_when_the_quiet_time_ends_is_told_then() {
    let mut world = world();
    world.raise("warning");
    world.raise("critical");
    world.deliver();
    assert_eq!(world.push.next_due_ms(), Some(world.now.ms + QUIET_MS));
    world.pass(QUIET_MS);
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
    let told = &world.got["https://ana"][0];
    assert_eq!(told["parlor"]["severity"], "critical");
}

#[test]
fn it_is_told_once_also_by_the_server_that_takes_over() {
    let mut world = world();
    world.raise("warning");
    world.deliver();
    let state = rmp_serde::to_vec_named(&world.push.state()).unwrap();
    world.push = Push::new(KeptPush::default(), false, [8; 32]);
    world.push.take_over(rmp_serde::from_slice(&state).unwrap());
    world.raise("warning");
    world.deliver();
    assert_eq!(world.push.next_due_ms(), Some(world.now.ms + QUIET_MS));
    world.pass(QUIET_MS);
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
}

#[test]
fn what_waits_for_the_end_keeps_no_escalation() {
    let mut world = world();
    world.say("device", Some("alarm.fan"), r#"{"alarm":"raised"}"#);
    world.raise("warning");
    world.deliver();
    assert!(world.escalate(&["ana"], 5).is_empty());
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
    world.pass(QUIET_MS);
    world.deliver();
    let keys = world.got["https://ana"]
        .iter()
        .map(|it| it["parlor"]["key"].as_str());
    let keys: Vec<&str> = keys.flatten().collect();
    assert_eq!(keys, ["alarm.pump", "alarm.fan"], "it was told by that");
}

#[test]
fn who_ends_their_quiet_time_is_told_at_once() {
    let mut world = world();
    world.raise("warning");
    world.deliver();
    world.subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    world.deliver();
    assert_eq!(world.got("ana"), ["raised"]);
}

proptest! {
    /// Whatever becomes of an alarm in the quiet time, nothing is told in it; and after it, that the alarm is raised, once, if it is.
    #[test]
    fn it_is_told_once_if_it_is_raised_and_else_never(
        steps in prop::collection::vec((0..3_usize, 0..3_usize, 0..10_u64), 1..12),
    ) {
        let mut world = world();
        let mut is_raised = false;
        for (state, severity, minutes) in steps {
            let state = ["raised", "acknowledged", "cleared"][state];
            let severity = ["info", "warning", "critical"][severity];
            world.alarm("device", &json!({"alarm": state, "severity": severity, "text": "hot"}));
            is_raised = state == "raised";
            world.pass(minutes * MINUTE_MS);
            world.deliver();
            prop_assert_eq!(world.got("ana"), [""; 0]);
        }
        for _ in 0..2 {
            world.pass(QUIET_MS);
            world.deliver();
            let expected: &[&str] = if is_raised { &["raised"] } else { &[] };
            prop_assert_eq!(world.got("ana"), expected);
        }
        // It is known to have been told: what becomes of it is, too.
        world.alarm("device", &json!({"alarm": "cleared"}));
        world.deliver();
        let expected: &[&str] = if is_raised { &["raised", "cleared"] } else { &[] };
        prop_assert_eq!(world.got("ana"), expected);
    }
}
