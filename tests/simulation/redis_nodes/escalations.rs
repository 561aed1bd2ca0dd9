//! An alarm that was sent to one node, and that somebody at another acknowledges, or nobody.

use parlor::core::escalation::{Escalation, Step};
use parlor::core::hooks::{CallOutcome, CallResult, Secret, Target};
use parlor::core::store::KeptHooks;
use parlor::settings::{HookEvent, Severity};
use serde_json::{Value, json};

use crate::redis_nodes::cluster::{Cluster, Place};
use crate::redis_nodes::rooms::member;

const AFTER_MS: u64 = 60_000;

/// Has a node tell a webhook of alarms that nobody acknowledges.
fn escalate(cluster: &mut Cluster, node: usize) {
    let hall = cluster.hall(node);
    let target = Target {
        url: "https://app.example".into(),
        secrets: vec![Secret::parse(b"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").unwrap()],
        rooms: vec!["*".to_owned()],
        events: vec![HookEvent::Escalated],
    };
    let escalation = Escalation {
        rooms: vec!["*".to_owned()],
        severity: Severity::Info,
        after_ms: AFTER_MS,
        repeat_ms: 10 * AFTER_MS,
        steps: vec![Step::Webhook(target.key())],
    };
    let now = hall.now;
    hall.server
        .use_hooks(vec![target], Some(KeptHooks::default()), now);
    hall.server.escalate_by(vec![escalation], Vec::new(), now);
}

/// The keys of the alarms that a node has told of, its calls answered well.
fn escalated(cluster: &mut Cluster, node: usize) -> Vec<Value> {
    let hall = cluster.hall(node);
    let mut keys = Vec::new();
    while let Some(call) = hall.server.next_call(hall.now) {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let events = body["data"]["events"].as_array().cloned();
        keys.extend(events.into_iter().flatten().map(|it| it["key"].clone()));
        let outcome = CallOutcome {
            webhook: call.webhook,
            number: call.number,
            result: CallResult::Answered {
                status: 204,
                retry_ms: None,
            },
        };
        hall.server.on_call_outcome(&outcome, hall.now);
    }
    keys
}

fn say(cluster: &mut Cluster, place: Place, key: &str, alarm: &str) {
    cluster.read(place);
    cluster.say(
        place,
        &json!({
            "type": "publish", "id": "said", "room": "tea", "key": key, "retain": true,
            "data": {"alarm": alarm},
        }),
    );
    cluster.pass(500);
    let events = cluster.read(place);
    let answer = events.iter().find(|it| it["id"] == "said");
    assert_eq!(answer.expect("it is answered")["type"], "ok", "{events:?}");
}

#[test]
fn the_node_that_took_an_alarm_escalates_it_unless_it_is_acknowledged_anywhere() {
    let mut cluster = Cluster::new(31, 2, 0);
    cluster.pass(2_000);
    for node in 0..2 {
        escalate(&mut cluster, node);
    }
    let ana = member(&mut cluster, 0, &["tea"]);
    let bob = member(&mut cluster, 1, &["tea"]);
    for key in ["alarm.pump", "alarm.fan", "alarm.fire"] {
        say(&mut cluster, ana, key, "raised");
    }
    say(&mut cluster, bob, "alarm.pump", "acknowledged");
    say(&mut cluster, bob, "alarm.fire", "acknowledged");
    // It is another one then, which was sent to the other node.
    say(&mut cluster, bob, "alarm.fire", "raised");
    // Nobody is at the first node any more, which asks for the room when something is due.
    cluster.hang_up(ana);
    cluster.pass(AFTER_MS + 5_000);
    assert_eq!(escalated(&mut cluster, 0), ["alarm.fan"]);
    assert_eq!(escalated(&mut cluster, 1), ["alarm.fire"]);
}
