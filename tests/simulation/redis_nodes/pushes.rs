//! Push from several nodes: each message is told once, whichever nodes have taken it and what came before.

use parlor::core::push::{PushOutcome, PushResult};
use parlor::core::store::KeptPush;
use serde_json::{Value, json};

use crate::redis_model::Kept;
use crate::redis_nodes::cluster::{Cluster, Place};
use crate::redis_nodes::rooms::member;

/// Nodes that push, and somebody in a room at each.
fn nodes(seed: u64) -> (Cluster, Vec<Place>) {
    let mut cluster = Cluster::new(seed, 3, 0);
    (0..3).for_each(|node| begin(&mut cluster, node));
    cluster.pass(2_000);
    let people = (0..3).map(|node| member(&mut cluster, node, &["tea"]));
    let people = people.collect();
    (cluster, people)
}

fn begin(cluster: &mut Cluster, node: usize) {
    let server = &mut cluster.hall(node).server;
    server.use_push("key", KeptPush::default());
}

/// What somebody is answered.
fn ask(cluster: &mut Cluster, place: Place, mut command: Value) -> Value {
    cluster.read(place);
    command["id"] = "asked".into();
    cluster.say(place, &command);
    cluster.pass(500);
    let answer = cluster
        .read(place)
        .into_iter()
        .find(|it| it["id"] == "asked");
    answer.expect("it is answered")
}

fn subscribe(cluster: &mut Cluster, place: Place, kinds: &[&str]) -> Value {
    let command = json!({
        "type": "push", "endpoint": "https://push.example/of-ana", "rooms": ["*"], "kinds": kinds,
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    });
    ask(cluster, place, command)
}

fn alarm(cluster: &mut Cluster, place: Place, change: &str) {
    let command = json!({
        "type": "publish", "room": "tea", "key": "alarm.pump", "retain": true, "data": {"alarm": change},
    });
    let answer = ask(cluster, place, command);
    assert_eq!(answer["type"], "ok", "{answer}");
}

/// The states of alarms that each node has pushed since this was asked last, its calls answered with a status.
fn pushed(cluster: &mut Cluster, status: u16) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new(); cluster.nodes()];
    for _ in 0..5 {
        for (node, states) in all.iter_mut().enumerate() {
            let hall = cluster.hall(node);
            while let Some(call) = hall.server.next_push(hall.now) {
                let payload: Value = serde_json::from_slice(&call.payload).unwrap();
                states.push(payload["parlor"]["state"].as_str().unwrap().to_owned());
                let result = PushResult::Answered {
                    status,
                    retry_ms: None,
                };
                let number = call.number;
                let outcome = PushOutcome { number, result };
                hall.server.on_push_outcome(&outcome, hall.now);
            }
        }
        cluster.pass(500);
    }
    all
}

fn subscriptions(cluster: &mut Cluster) -> Vec<usize> {
    let nodes = 0..cluster.nodes();
    nodes
        .map(|node| cluster.hall(node).server.push_subscriptions())
        .collect()
}

#[test]
fn an_alarm_is_pushed_and_withdrawn_by_the_nodes_that_took_it() {
    for seed in 0..8 {
        let (mut cluster, people) = nodes(seed);
        assert_eq!(subscribe(&mut cluster, people[0], &["alarm"])["type"], "ok");
        cluster.pass(500);
        assert_eq!(subscriptions(&mut cluster), [1, 1, 1]);
        alarm(&mut cluster, people[1], "raised");
        assert_eq!(pushed(&mut cluster, 201), [vec![], vec!["raised"], vec![]]);
        alarm(&mut cluster, people[2], "acknowledged");
        let expected = [vec![], vec![], vec!["acknowledged"]];
        assert_eq!(pushed(&mut cluster, 201), expected);
        // A node that begins knows what was told.
        cluster.kill(1);
        begin(&mut cluster, 1);
        cluster.pass(2_000);
        let other = member(&mut cluster, 1, &["tea"]);
        alarm(&mut cluster, other, "cleared");
        assert_eq!(pushed(&mut cluster, 201), [vec![], vec!["cleared"], vec![]]);
        // One is over for all when its push service says so.
        alarm(&mut cluster, people[2], "raised");
        assert_eq!(pushed(&mut cluster, 410), [vec![], vec![], vec!["raised"]]);
        assert_eq!(subscriptions(&mut cluster), [0, 0, 0]);
    }
}

#[test]
fn a_redis_that_is_away_takes_no_subscription_and_one_that_lost_all_gets_them_back() {
    let (mut cluster, people) = nodes(5);
    assert_eq!(subscribe(&mut cluster, people[0], &["alarm"])["type"], "ok");
    alarm(&mut cluster, people[1], "raised");
    cluster.redis.stop();
    cluster.pass(3_000);
    assert_eq!(
        subscribe(&mut cluster, people[1], &["alarm"])["code"],
        "unavailable"
    );
    // What is known is told.
    assert_eq!(pushed(&mut cluster, 201), [vec![], vec!["raised"], vec![]]);
    cluster.redis.heal();
    cluster.pass(5_000);
    alarm(&mut cluster, people[2], "acknowledged");
    let expected = [vec![], vec![], vec!["acknowledged"]];
    assert_eq!(pushed(&mut cluster, 201), expected);
    cluster.redis.stop();
    cluster.redis.start(Kept::Nothing);
    cluster.pass(40_000);
    assert_eq!(subscriptions(&mut cluster), [1, 1, 1]);
    cluster.kill(0);
    begin(&mut cluster, 0);
    cluster.pass(3_000);
    assert_eq!(subscriptions(&mut cluster), [1, 1, 1]);
    // Ended at one node, it is at all.
    assert_eq!(subscribe(&mut cluster, people[1], &[])["type"], "ok");
    cluster.pass(500);
    assert_eq!(subscriptions(&mut cluster), [0, 0, 0]);
}
