//! Push: what many subscriptions cost a tick, services that are slow, fail and lie, and another server that goes on.

use std::collections::{BTreeMap, BTreeSet};

use parlor::core::Server;
use parlor::core::push::{PushCall, PushOutcome, PushResult};
use parlor::core::site::Site;
use parlor::core::store::KeptPush;
use parlor::limits::{MAX_PUSH_CALLS, MAX_PUSH_SUBSCRIPTIONS, TICK};
use parlor::settings::Limits;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::random::Random;

/// A piece of work that is small beside a tick.
const SMALL: u64 = TICK / 4;

/// As many subscriptions as there may be, of which every second is for the room.
fn kept(count: usize, unix_ms: u64) -> KeptPush {
    let subscriptions = (1..=count as u64).map(|number| {
        let room = ["room-*", "other"][number as usize % 2];
        let service = number % 5;
        let text = json!({
            "endpoint": format!("https://push{service}.example/{number}"),
            "keys": {"public": vec![4; 65], "auth": vec![1; 16]},
            "rooms": [room],
            "kinds": ["alarm", "message"],
            "severity": "info",
            "quiet": null,
            "page": null,
            "person": null,
            "owner": {"Address": {"V4": 2_130_706_433}},
            "id": null,
            "renewed_ms": unix_ms,
        });
        (number, text.to_string().into())
    });
    KeptPush {
        subscriptions: subscriptions.collect(),
        told: Vec::new(),
    }
}

fn hall(count: usize) -> (Hall, GuestId) {
    let mut hall = Hall::new(&["--rate", "0"]);
    hall.server.use_push("key", kept(count, hall.now.unix_ms));
    let guest = hall.connect(usize::MAX);
    (hall, guest)
}

fn request_of(key: &str, change: &Value) -> Vec<u8> {
    let body = change.to_string();
    let length = body.len();
    format!(
        "POST /rooms/room-0?key=alarm.{key}&retain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn alarm(hall: &mut Hall, guest: GuestId, key: &str, change: &Value) {
    assert_eq!(hall.ask(guest, &request_of(key, change)), 200);
}

fn outcome(call: &PushCall, status: u16) -> PushOutcome {
    PushOutcome {
        number: call.number,
        result: PushResult::Answered {
            status,
            retry_ms: None,
        },
    }
}

/// What the calls that leave now say: the number of their subscription, and the state.
fn told(call: &PushCall) -> (u64, String) {
    let payload: Value = serde_json::from_slice(&call.payload).unwrap();
    let (_, number) = call.endpoint.rsplit_once('/').unwrap();
    let state = payload["parlor"]["state"].as_str().unwrap();
    (number.parse().unwrap(), state.to_owned())
}

#[test]
fn those_who_are_told_are_looked_for_over_several_ticks() {
    let (mut hall, guest) = hall(MAX_PUSH_SUBSCRIPTIONS);
    let raised = json!({"alarm": "raised"});
    hall.request(guest, &request_of("pump", &raised));
    let mut ticks = 0;
    while ticks == 0 || hall.server.has_work() {
        hall.whole_tick(TICK);
        let checked = hall.server.check_budget(SMALL);
        checked.unwrap_or_else(|error| panic!("tick {ticks}: {error}"));
        ticks += 1;
    }
    assert!(ticks > 1, "it was no work");
    let mut reached = BTreeSet::new();
    while let Some(call) = hall.server.next_push(hall.now) {
        reached.insert(told(&call).0);
        hall.server.on_push_outcome(&outcome(&call, 201), hall.now);
    }
    assert_eq!(reached.len(), MAX_PUSH_SUBSCRIPTIONS / 2);
    hall.server.check_invariants().unwrap();
}

/// What each subscription was told, and what became of it.
#[derive(Default)]
struct Services {
    on_their_way: Vec<PushCall>,
    /// The last state that arrived.
    shown: BTreeMap<u64, String>,
    gone: BTreeSet<u64>,
}

impl Services {
    /// Calls leave, and some are answered, in any order: well, badly, twice, or not at all for a while.
    fn run(&mut self, hall: &mut Hall, random: &mut Random, is_well: bool) {
        while let Some(call) = hall.server.next_push(hall.now) {
            let (number, _) = told(&call);
            assert!(!self.gone.contains(&number), "it is over");
            let is_there = |it: &&PushCall| it.endpoint == call.endpoint;
            assert!(
                self.on_their_way.iter().find(is_there).is_none(),
                "one at a time"
            );
            self.on_their_way.push(call);
        }
        assert!(self.on_their_way.len() <= MAX_PUSH_CALLS);
        let mut kept = Vec::new();
        for call in std::mem::take(&mut self.on_their_way) {
            let (number, state) = told(&call);
            match random.below(8) {
                0 | 1 if !is_well => kept.push(call),
                2 if !is_well => hall.server.on_push_outcome(&outcome(&call, 503), hall.now),
                3 if !is_well => {
                    // It has arrived, and the service says that it has not.
                    self.shown.insert(number, state);
                    let result = PushResult::Failed("a lie".to_owned());
                    let lie = PushOutcome {
                        number: call.number,
                        result,
                    };
                    hall.server.on_push_outcome(&lie, hall.now);
                }
                4 if !is_well && number % 40 == 0 => {
                    self.gone.insert(number);
                    hall.server.on_push_outcome(&outcome(&call, 410), hall.now);
                }
                _ => {
                    self.shown.insert(number, state);
                    hall.server.on_push_outcome(&outcome(&call, 201), hall.now);
                    hall.server.on_push_outcome(&outcome(&call, 410), hall.now);
                }
            }
            let unknown = PushOutcome {
                number: random.below(1_000) as u64 + 1_000_000,
                result: PushResult::Failed(String::new()),
            };
            hall.server.on_push_outcome(&unknown, hall.now);
        }
        self.on_their_way = kept;
        hall.server.check_invariants().unwrap();
    }
}

/// Whatever services do, in the end each subscription that is not over has been told how the alarm is.
#[test]
fn services_that_are_slow_fail_and_lie_are_told_the_last_in_the_end() {
    for seed in 0..10 {
        let (mut hall, guest) = hall(200);
        let (mut random, mut services) = (Random::new(seed, 0), Services::default());
        for round in 0..60 {
            if round % 10 == 0 {
                let state = ["raised", "acknowledged", "cleared"][random.below(3)];
                let change = json!({"alarm": state, "text": format!("round {round}")});
                alarm(&mut hall, guest, "pump", &change);
            }
            if round == 35 {
                let limits = Limits::of_flags(&[]);
                let mut next = Server::new(limits, Vec::new(), Site::new(&[]), [7; 32], hall.now);
                next.use_push("key", KeptPush::default());
                hall.server.hold();
                while !hall.server.is_quiet() {
                    hall.whole_tick(TICK);
                }
                hall.hand_over_to(next, |_| true).unwrap();
                services.on_their_way.clear();
            }
            hall.whole_tick(TICK);
            services.run(&mut hall, &mut random, false);
            hall.now.ms += 5_000;
            hall.now.unix_ms += 5_000;
        }
        alarm(
            &mut hall,
            guest,
            "pump",
            &json!({"alarm": "raised", "text": "at last"}),
        );
        for _ in 0..1_000 {
            hall.whole_tick(TICK);
            services.run(&mut hall, &mut random, true);
            hall.now.ms += 5_000;
            hall.now.unix_ms += 5_000;
        }
        let shown: BTreeSet<u64> = services.shown.keys().copied().collect();
        let all = shown.union(&services.gone).count();
        assert_eq!(all, 100, "seed {seed}");
        for (number, state) in &services.shown {
            let is_last = state == "raised" || services.gone.contains(number);
            assert!(is_last, "seed {seed}: {number} is shown {state}");
        }
    }
}

/// A name belongs to whoever has used it last, by whatever way.
#[test]
fn who_posts_under_a_free_name_ends_what_is_told_to_the_one_before() {
    let mut hall = Hall::new(&["--rate", "0"]);
    let mut before = kept(1, hall.now.unix_ms);
    let mut ana: Value = serde_json::from_str(&before.subscriptions[0].1).unwrap();
    ana["kinds"] = json!(["direct"]);
    ana["person"] = json!({"Visitor": {"id": 7, "name": "ana"}});
    before.subscriptions[0].1 = ana.to_string().into();
    hall.server.use_push("key", before);
    let (ben, poster) = (hall.connect(usize::MAX), hall.connect(usize::MAX));
    hall.enter_json(ben);
    let is_told = |hall: &mut Hall| {
        hall.say(ben, 1, br#"{"type":"direct","to":"ana","data":"hello"}"#);
        hall.tick(u64::MAX);
        hall.discard(&[ben]);
        let call = hall.server.next_push(hall.now);
        let call = call.inspect(|it| hall.server.on_push_outcome(&outcome(it, 201), hall.now));
        call.is_some()
    };
    let post = |name: &str| {
        format!("POST /rooms/room-0?name={name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
            .into_bytes()
    };
    assert_eq!(hall.ask(poster, &post("cy")), 200);
    assert!(is_told(&mut hall));
    assert_eq!(hall.ask(poster, &post("ANA")), 200);
    assert!(!is_told(&mut hall));
}
