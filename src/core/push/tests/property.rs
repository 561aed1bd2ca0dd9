//! Whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{ALL, World, holder, wanted};
use crate::codec::json::push::{PushKind, Severity, Wanted};
use crate::limits::MAX_PUSH_CALLS;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, usize, Vec<PushKind>, Severity),
    Unsubscribe(usize),
    Say(usize, String),
    Alarm(usize, usize, &'static str),
    Come(usize),
    Go(usize),
    Answer(u16),
    Pass(u64),
}

const NAMES: [&str; 4] = ["ana", "ben", "cy", "dan"];
const ROOMS: [&str; 4] = ["*", "plant", "pl*", "office"];
const STATES: [&str; 3] = ["raised", "acknowledged", "cleared"];

fn kinds() -> impl Strategy<Value = Vec<PushKind>> {
    prop::sample::subsequence(ALL, 1..=4)
}

fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(vec![Severity::Info, Severity::Warning, Severity::Critical])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize, 0..4_usize, kinds(), severity())
            .prop_map(|(who, room, kinds, least)| Step::Subscribe(who, room, kinds, least)),
        (0..4_usize).prop_map(Step::Unsubscribe),
        (0..4_usize, "(@(ana|ben|cy) )?hi").prop_map(|(who, text)| Step::Say(who, text)),
        (
            0..4_usize,
            0..3_usize,
            prop::sample::select(vec!["info", "warning", "critical"])
        )
            .prop_map(|(who, state, severity)| Step::Alarm(who, state, severity)),
        (0..4_usize).prop_map(Step::Come),
        (0..4_usize).prop_map(Step::Go),
        prop::sample::select(vec![201, 201, 201, 429, 500, 410, 404, 400, 302])
            .prop_map(Step::Answer),
        (0..400_000_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens, and whatever services answer: who is told has asked for it, for that room, kind and severity, and has
    /// not said it; and what becomes of an alarm is told only to those who were told of it.
    #[test]
    fn nobody_is_told_what_they_have_not_asked_for(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        // What somebody has asked for at their address.
        let mut asked: BTreeMap<usize, (usize, Vec<PushKind>, Severity)> = BTreeMap::new();
        let mut raised: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Subscribe(who, room, kinds, least) => {
                    let wanted = Wanted { severity: least, ..wanted(&[ROOMS[room]], &kinds) };
                    world.subscribe(NAMES[who], holder(NAMES[who]), wanted);
                    asked.insert(who, (room, kinds, least));
                }
                Step::Unsubscribe(who) => {
                    world.push.unsubscribe(&format!("https://{}", NAMES[who]));
                    asked.remove(&who);
                    prop_assert_eq!(world.push.check(), Ok(()));
                }
                Step::Say(who, text) => world.say(NAMES[who], None, &text),
                Step::Alarm(who, state, severity) => {
                    let change = json!({"alarm": STATES[state], "severity": severity, "text": severity});
                    world.alarm(NAMES[who], &change);
                }
                Step::Come(who) => drop(world.people.here.insert(NAMES[who].to_owned())),
                Step::Go(who) => drop(world.people.here.remove(NAMES[who])),
                Step::Pass(ms) => world.pass(ms),
                Step::Answer(status) => {
                    let calls = world.leaving();
                    prop_assert!(calls.len() <= MAX_PUSH_CALLS);
                    for call in calls {
                        let payload: Value = serde_json::from_slice(&call.payload).unwrap();
                        let parlor = &payload["parlor"];
                        let kind: PushKind = serde_json::from_value(parlor["kind"].clone()).unwrap();
                        let who = call.endpoint.strip_prefix("https://").unwrap();
                        let index = NAMES.iter().position(|name| *name == who).unwrap();
                        let (room, kinds, least) = &asked[&index];
                        let is_open = matches!(parlor["state"].as_str(), Some("raised"));
                        let severity = serde_json::from_value(parlor["severity"].clone()).ok();
                        let is_asked = kinds.contains(&kind)
                            && ROOMS[*room] != "office"
                            && (!is_open || severity.is_none_or(|it: Severity| it >= *least));
                        prop_assert!(is_asked, "{} {}", who, payload);
                        prop_assert!(
                            parlor["state"].is_string() && !is_open || parlor["by"] != who,
                            "{} has said it: {}", who, payload
                        );
                        match parlor["state"].as_str() {
                            Some("raised") => drop(raised.insert(who.to_owned())),
                            Some(_) => prop_assert!(raised.contains(who), "{} was not told", who),
                            None => {}
                        }
                        world.answer(&call, status);
                    }
                }
            }
        }
    }
}
