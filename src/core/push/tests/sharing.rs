//! Several nodes that share subscriptions, and who was told of alarms.

use std::collections::BTreeMap;

use serde_json::json;

use super::world::{ALARM, MINUTE_MS, World, holder, wanted};
use crate::codec::json::push::{Quiet, Wanted};
use crate::core::push::Push;
use crate::core::store::{PushNews, PushRequest};

/// What is kept, by a name.
#[derive(Default)]
struct Log(BTreeMap<String, PushNews>);

impl Log {
    /// What all nodes are told of a request.
    fn take(&mut self, request: PushRequest) -> Option<PushNews> {
        let (name, news) = match request {
            PushRequest::Begin => return None,
            PushRequest::PutBack { number, .. } if self.0.contains_key(&number.to_string()) => {
                return None;
            }
            PushRequest::Keep { number, text } | PushRequest::PutBack { number, text } => {
                (number.to_string(), PushNews::Kept { number, text })
            }
            PushRequest::Forget { number } => {
                let gone = self.0.remove(&number.to_string());
                return gone.map(|_| PushNews::Forgotten { number });
            }
            PushRequest::Told { room, key, text } => {
                let text = text.expect("it is never forgotten");
                (format!("{room} {key}"), PushNews::Told { room, key, text })
            }
        };
        self.0.insert(name, news.clone());
        Some(news)
    }
}

struct Nodes {
    worlds: Vec<World>,
    log: Log,
    offset: u64,
}

impl Nodes {
    fn new() -> Self {
        let mut this = Self {
            worlds: Vec::new(),
            log: Log::default(),
            offset: 40,
        };
        for _ in 0..3 {
            this.begin(false);
        }
        this
    }

    /// One more node, which is told all. `is_other`: what is kept is not what was told before.
    fn begin(&mut self, is_other: bool) {
        let mut world = World::new();
        world.push = Push::shared([7; 32]);
        self.worlds.push(world);
        self.tell_all(self.worlds.len() - 1, is_other);
    }

    fn tell_all(&mut self, node: usize, is_other: bool) {
        let push = &mut self.worlds[node].push;
        push.on_news(PushNews::Begun);
        for news in self.log.0.values() {
            push.on_news(news.clone());
        }
        push.on_news(PushNews::Known { is_other });
    }

    /// All nodes hear what the others have to say.
    fn hear(&mut self) {
        loop {
            let mut news = Vec::new();
            for world in &mut self.worlds {
                world.push.tell_nodes(true, world.now);
                while let Some(request) = world.push.next_request() {
                    news.extend(self.log.take(request));
                }
                world.push.on_news(PushNews::Written);
            }
            if news.is_empty() {
                return;
            }
            for world in &mut self.worlds {
                news.iter().for_each(|it| world.push.on_news(it.clone()));
                world.look();
            }
        }
    }

    /// Somebody says something of the alarm at a node.
    fn alarm(&mut self, node: usize, change: &serde_json::Value) {
        self.offset += 1;
        self.worlds[node].offset = self.offset;
        self.worlds[node].alarm("device", change);
    }

    fn raise(&mut self, node: usize, text: &str) {
        self.alarm(node, &json!({"alarm": "raised", "text": text}));
    }

    fn acknowledge(&mut self, node: usize) {
        self.alarm(node, &json!({"alarm": "acknowledged"}));
    }

    fn deliver(&mut self) {
        self.worlds.iter_mut().for_each(World::deliver);
    }

    /// All is heard and delivered until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.hear();
            self.deliver();
        }
    }

    fn pass(&mut self, ms: u64) {
        self.worlds.iter_mut().for_each(|it| it.pass(ms));
    }

    /// What each node has delivered to one.
    fn got(&self, endpoint: &str) -> Vec<Vec<String>> {
        self.worlds.iter().map(|it| it.got(endpoint)).collect()
    }
}

fn at_night() -> Wanted {
    let quiet: Quiet = serde_json::from_value(json!({"from": "00:00", "to": "01:00"})).unwrap();
    Wanted {
        quiet: Some(quiet),
        ..wanted(&["*"], ALARM)
    }
}

#[test]
fn the_node_that_takes_a_message_tells_of_it_whoever_has_told_before() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    nodes.raise(1, "hot");
    nodes.settle();
    nodes.acknowledge(2);
    nodes.settle();
    let none: Vec<String> = Vec::new();
    let expected = [
        none.clone(),
        vec!["raised".into()],
        vec!["acknowledged".into()],
    ];
    assert_eq!(nodes.got("ana"), expected);
    nodes.alarm(0, &json!({"alarm": "cleared"}));
    nodes.settle();
    assert_eq!(nodes.got("ana")[0], ["cleared"]);
    for world in &nodes.worlds {
        let tag = &world.got["https://ana"][0]["notification"]["tag"];
        assert_eq!(tag, "plant/alarm.pump");
    }
    // One that knows nothing but what is kept.
    nodes.begin(true);
    nodes.raise(3, "hot");
    nodes.settle();
    assert_eq!(nodes.got("ana")[3], ["raised"]);
}

#[test]
fn what_arrives_after_an_acknowledgement_is_withdrawn_by_whoever_has_taken_that() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    nodes.raise(1, "hot");
    let calls = nodes.worlds[1].leaving();
    // The one node has not heard yet what the other does.
    nodes.acknowledge(2);
    nodes.settle();
    assert!(nodes.got("ana").concat().is_empty());
    nodes.worlds[1].answer(&calls[0], 201);
    nodes.settle();
    assert_eq!(nodes.got("ana")[1..], [["raised"], ["acknowledged"]]);
    nodes.settle();
    assert_eq!(nodes.got("ana").concat().len(), 2, "once");
}

#[test]
fn what_was_not_taken_is_not_tried_again_once_it_is_over() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    nodes.raise(1, "hot");
    let calls = nodes.worlds[1].leaving();
    nodes.worlds[1].answer(&calls[0], 503);
    nodes.hear();
    nodes.alarm(2, &json!({"alarm": "cleared"}));
    nodes.hear();
    nodes.pass(MINUTE_MS);
    nodes.settle();
    // It may have arrived.
    assert_eq!(nodes.got("ana")[1..], [vec![], vec!["cleared".to_owned()]]);
}

/// Nobody is looked for yet at the node that was told of it when it is over.
#[test]
fn an_alarm_that_comes_again_is_told_again_by_the_node_that_had_it_before() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    let raised = json!({"alarm": "raised"});
    nodes.worlds[1].say_only("device", &raised);
    nodes.alarm(2, &raised);
    nodes.alarm(2, &json!({"alarm": "cleared"}));
    nodes.hear();
    nodes.settle();
    nodes.alarm(1, &raised);
    nodes.settle();
    assert_eq!(nodes.got("ana").concat(), ["raised"]);
}

#[test]
fn an_alarm_that_waits_at_one_node_is_told_once_or_not_at_all() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), at_night());
    nodes.hear();
    nodes.raise(1, "hot");
    nodes.settle();
    nodes.acknowledge(2);
    nodes.settle();
    nodes.pass(61 * MINUTE_MS);
    nodes.settle();
    assert!(nodes.got("ana").concat().is_empty());
    // Two nodes have it to tell.
    nodes.pass(23 * 60 * MINUTE_MS);
    nodes.raise(1, "hot");
    nodes.settle();
    nodes.raise(2, "hotter");
    nodes.settle();
    nodes.pass(61 * MINUTE_MS);
    nodes.settle();
    assert_eq!(nodes.got("ana")[1..], [vec![], vec!["raised".to_owned()]]);
}

#[test]
fn an_end_holds_everywhere_and_whose_it_is_too() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.worlds[1].subscribe("ben", holder("ben"), at_night());
    nodes.hear();
    nodes.raise(2, "hot");
    let calls = nodes.worlds[2].leaving();
    nodes.worlds[2].answer(&calls[0], 410);
    // The browser is somebody else's now: what waits there is not for them.
    nodes.worlds[0].subscribe("ben", holder("cy"), wanted(&["*"], ALARM));
    nodes.settle();
    for world in &nodes.worlds {
        assert_eq!(world.push.figures().subscriptions, 1);
    }
    assert_eq!(nodes.worlds[2].push.figures().queued, 0);
    assert!(nodes.got("ana").concat().is_empty() && nodes.got("ben").concat().is_empty());
}

#[test]
fn what_redis_has_lost_is_put_back_and_what_has_ended_meanwhile_is_not() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    nodes.raise(0, "hot");
    nodes.settle();
    nodes.log = Log::default();
    for node in 0..3 {
        nodes.tell_all(node, true);
    }
    nodes.settle();
    assert_eq!(nodes.log.0.len(), 2, "the subscription, and who was told");
    nodes.begin(true);
    nodes.acknowledge(3);
    nodes.settle();
    assert_eq!(nodes.got("ana")[3], ["acknowledged"]);
    // One node has not heard for a while.
    nodes.log.0.clear();
    nodes.tell_all(1, false);
    assert_eq!(nodes.worlds[1].push.figures().subscriptions, 0);
}

#[test]
fn nothing_is_taken_or_told_before_all_is_known() {
    let mut nodes = Nodes::new();
    nodes.worlds[0].subscribe("ana", holder("ana"), wanted(&["*"], ALARM));
    nodes.hear();
    let mut world = World::new();
    world.push = Push::shared([8; 32]);
    nodes.worlds.push(world);
    assert!(!nodes.worlds[3].push.takes_subscriptions());
    nodes.raise(3, "hot");
    assert!(!nodes.worlds[3].push.is_quiet());
    nodes.tell_all(3, true);
    assert!(nodes.worlds[3].push.takes_subscriptions());
    nodes.worlds[3].look();
    nodes.settle();
    assert_eq!(nodes.got("ana")[3], ["raised"]);
    assert!(nodes.worlds[3].push.is_quiet());
    nodes.worlds[3].push.on_news(PushNews::Away);
    assert!(!nodes.worlds[3].push.takes_subscriptions());
    nodes.worlds[3].push.on_news(PushNews::Back);
    assert!(nodes.worlds[3].push.takes_subscriptions());
}
