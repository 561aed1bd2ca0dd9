mod full;
mod world;

use serde_json::{Value, json};

use super::*;
use crate::core::chat::{Author, PersonId};
use crate::limits::{
    HOOK_PATIENCE_MS, HOOK_RETRY_MS, MAX_HOOK_PAUSE_MS, MAX_HOOK_QUEUE, MAX_HOOK_RETRY_MS,
};
use world::{Habit, World};

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn people(numbers: &[u64]) -> Here {
    let people = numbers.iter().map(|it| Author::guest(PersonId(*it)));
    let people: Vec<Author> = people.collect();
    Here {
        count_here: people.len(),
        listed: people.clone(),
        count: people.len(),
        people,
    }
}

/// Whatever the receiver does, and whenever the server is killed: each message arrives, in the order of its room, and what
/// arrives twice has the same id.
#[test]
fn nothing_is_lost_and_all_is_in_order() {
    for seed in 0..200 {
        let habit = Habit {
            fails: [0, 100, 500, 900][seed as usize % 4],
            lies: [0, 200][seed as usize / 4 % 2],
            late_ms: [1, 20_000][seed as usize / 8 % 2],
            kills: [0, 5][seed as usize / 16 % 2],
        };
        let mut world = World::new(seed, habit);
        for _ in 0..400 {
            world.step();
        }
        world.settle();
        world
            .check()
            .unwrap_or_else(|error| panic!("seed {seed}, {habit:?}: {error}"));
    }
}

/// The same where nothing is kept, and nothing is killed.
#[test]
fn without_a_store_nothing_is_lost_either() {
    for seed in 0..50 {
        let habit = Habit {
            fails: 500,
            lies: 200,
            late_ms: 5_000,
            kills: 0,
        };
        let mut world = World::without_store(seed, habit);
        for _ in 0..400 {
            world.step();
        }
        world.settle();
        world
            .check()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// A desk at which one webhook is served by hand.
struct Desk {
    hooks: Hooks,
    now: Now,
    offset: u64,
}

impl Desk {
    fn new(events: &[HookEvent]) -> Self {
        let mut hooks = Hooks::new("n1", false, [7; 32]);
        hooks.set_targets(vec![world::target(events)]);
        Self {
            hooks,
            now: Now {
                ms: 1_000,
                unix_ms: 1_700_000_000_000,
            },
            offset: 0,
        }
    }

    fn all() -> Self {
        Self::new(&HookEvent::ALL.map(|(event, _)| event))
    }

    fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_ms += ms;
    }

    fn say(&mut self, room: &RoomName, kind: HookEvent) {
        self.offset += 1;
        let position = HookPosition {
            epoch: 1,
            offset: self.offset,
        };
        let json = json!({"offset": self.offset}).to_string();
        let write = |out: &mut Vec<u8>| out.extend_from_slice(json.as_bytes());
        self.hooks
            .on_message(room, (position, Some(kind)), write, self.now);
    }

    /// The next call, once what is due was told with these here.
    fn call(&mut self, here: &Here) -> Option<Call> {
        while let Some(name) = self.hooks.take_due(self.now) {
            self.hooks.flush(&name, here, self.now);
        }
        self.hooks.next_call(self.now)
    }

    fn answer(&mut self, call: &Call, status: u16, retry_ms: Option<u64>) {
        let outcome = CallOutcome {
            webhook: call.webhook,
            number: call.number,
            result: CallResult::Answered { status, retry_ms },
        };
        self.hooks.on_outcome(&outcome, self.now);
    }

    fn figures(&self) -> Figures {
        self.hooks.figures().next().unwrap()
    }
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn types(call: &Call) -> Vec<String> {
    let body = body(call);
    let events = body["data"]["events"].as_array().unwrap().iter();
    events
        .map(|it| it["type"].as_str().unwrap_or("message").to_owned())
        .collect()
}

#[test]
fn an_outcome_of_a_webhook_that_was_taken_out_does_not_count_for_the_one_that_is_back() {
    let mut desk = Desk::all();
    let tea = room("tea");
    desk.say(&tea, HookEvent::Message);
    let before = desk.call(&people(&[])).unwrap();
    let target = world::target(&[HookEvent::Message]);
    desk.hooks.set_targets(Vec::new());
    desk.hooks.set_targets(vec![target]);
    desk.say(&tea, HookEvent::Message);
    desk.pass(HOOK_GATHER_MS);
    let now = desk.call(&people(&[])).unwrap();
    desk.answer(&before, 200, None);
    assert_eq!(desk.figures().queued, 1, "it has not arrived");
    desk.answer(&now, 200, None);
    assert_eq!((desk.figures().queued, desk.figures().delivered), (0, 1));
}

#[test]
fn what_is_dropped_when_it_is_read_again_is_forgotten_on_disk_and_counted() {
    let mut desk = Desk::all();
    desk.hooks.keeps = true;
    let webhook = desk.hooks.keys()[0];
    for number in 0..=MAX_HOOK_QUEUE / 2 {
        let kept = KeptDelivery {
            webhook,
            room: "tea".into(),
            id: format!("msg_{number}").into(),
            stream: 1,
            events: 2,
            at_ms: desk.now.unix_ms,
            body: b"{}".to_vec(),
        };
        desk.hooks.restore(kept, desk.now);
    }
    assert_eq!(desk.figures().dropped, 2);
    let requests: Vec<HookRequest> = std::iter::from_fn(|| desk.hooks.next_request()).collect();
    assert!(
        matches!(&requests[..], [HookRequest::Note(HookNote { lost: 2, .. }), HookRequest::Done { id, .. }] if &**id == "msg_0"),
        "{requests:?}"
    );
}

#[test]
fn a_body_is_signed_once_with_each_secret() {
    let mut desk = Desk::all();
    let mut target = world::target(&[HookEvent::Message]);
    target.secrets.extend(target.secrets.clone());
    desk.hooks.set_targets(vec![target]);
    desk.say(&room("tea"), HookEvent::Message);
    let call = desk.call(&people(&[])).unwrap();
    assert_eq!(call.signed_bytes(), 2 * call.body.len());
}

#[test]
fn what_happens_in_a_second_is_told_at_once_with_who_is_there() {
    let mut desk = Desk::all();
    let tea = room("tea");
    desk.hooks.on_stirred(&tea, desk.now);
    let first = desk.call(&people(&[1])).unwrap();
    assert_eq!(types(&first), ["occupied", "joined"]);
    desk.answer(&first, 204, None);
    desk.pass(10);
    desk.say(&tea, HookEvent::Message);
    desk.hooks.on_stirred(&tea, desk.now);
    assert!(
        desk.call(&people(&[1, 2])).is_none(),
        "a second has to pass"
    );
    desk.say(&tea, HookEvent::Alarm);
    desk.pass(HOOK_GATHER_MS);
    let second = desk.call(&people(&[2])).unwrap();
    assert_eq!(types(&second), ["message", "message", "joined", "left"]);
    let body = body(&second);
    assert_eq!(body["type"], "room");
    assert_eq!(body["timestamp"], "2023-11-14T22:13:21.010Z");
    let data = &body["data"];
    assert_eq!(
        (&data["room"], &data["node"], &data["number"]),
        (&json!("tea"), &json!("n1"), &json!(2))
    );
    assert_eq!(data["state"]["count"], 1);
    assert_eq!(
        data["state"]["people"][0]["id"],
        Author::guest(PersonId(2)).id.to_string()
    );
    assert_eq!(second.timestamp, "1700000001");
    assert!(second.signature.starts_with("v1,"));
    desk.answer(&second, 200, None);
    desk.hooks.on_stirred(&tea, desk.now);
    desk.pass(HOOK_GATHER_MS);
    let third = desk.call(&people(&[])).unwrap();
    assert_eq!(types(&third), ["left", "vacated"]);
}

#[test]
fn only_what_is_wanted_is_told() {
    let mut desk = Desk::new(&[HookEvent::Alarm, HookEvent::Vacated]);
    let tea = room("tea");
    desk.hooks.on_stirred(&tea, desk.now);
    desk.say(&tea, HookEvent::Message);
    desk.say(&tea, HookEvent::Keyed);
    assert!(desk.call(&people(&[1])).is_none());
    desk.pass(HOOK_GATHER_MS);
    desk.hooks.on_stirred(&tea, desk.now);
    desk.say(&tea, HookEvent::Alarm);
    let call = desk.call(&people(&[])).unwrap();
    assert_eq!(types(&call), ["message", "vacated"]);
    assert_eq!(body(&call)["data"]["number"], 1, "numbers have no holes");
}

#[test]
fn of_a_crowd_the_count_is_told() {
    let mut desk = Desk::all();
    let tea = room("tea");
    let crowd: Vec<u64> = (0..500).collect();
    let here = |count: usize| {
        let mut here = people(&crowd[..count.min(100)]);
        (here.count, here.count_here) = (count, count);
        here
    };
    let told = [
        (500, vec!["occupied", "count"]),
        (499, vec!["count"]),
        (1, vec!["count"]),
        (2, vec!["joined"]),
        (0, vec!["left", "left", "vacated"]),
    ];
    for (count, events) in told {
        desk.hooks.on_stirred(&tea, desk.now);
        let call = desk.call(&here(count)).unwrap();
        assert_eq!(types(&call), events, "{count}");
        desk.answer(&call, 200, None);
        desk.pass(HOOK_GATHER_MS);
    }
}

#[test]
fn a_failure_is_tried_again_with_the_same_id_and_ever_later() {
    let mut desk = Desk::all();
    desk.say(&room("tea"), HookEvent::Message);
    let first = desk.call(&people(&[])).unwrap();
    let (mut call, mut waits) = (first.clone(), Vec::new());
    for _ in 0..25 {
        desk.answer(&call, 500, None);
        let due_ms = desk.hooks.next_deadline_ms().unwrap();
        waits.push(due_ms - desk.now.ms);
        desk.pass(due_ms - desk.now.ms);
        call = desk.call(&people(&[])).unwrap();
        assert_eq!((&call.id, &call.body), (&first.id, &first.body));
    }
    let mut next_ms = HOOK_RETRY_MS;
    for wait_ms in waits {
        let most = next_ms.min(MAX_HOOK_RETRY_MS);
        next_ms = next_ms * 3 / 2;
        assert!((most / 2..=most).contains(&wait_ms), "{wait_ms} of {most}");
    }
    desk.answer(&call, 200, None);
    assert_eq!((desk.figures().delivered, desk.figures().failed), (1, 25));
    assert_eq!(desk.hooks.next_deadline_ms(), None);
}

#[test]
fn a_receiver_may_ask_to_be_left_alone() {
    let mut desk = Desk::all();
    desk.say(&room("tea"), HookEvent::Message);
    let call = desk.call(&people(&[])).unwrap();
    desk.answer(&call, 429, Some(60_000));
    assert_eq!(desk.hooks.next_deadline_ms(), Some(desk.now.ms + 60_000));
    desk.pass(60_000);
    let call = desk.call(&people(&[])).unwrap();
    desk.answer(&call, 503, Some(u64::MAX));
    let due_ms = desk.hooks.next_deadline_ms().unwrap();
    assert_eq!(due_ms, desk.now.ms + MAX_HOOK_PAUSE_MS);
}

#[test]
fn a_delivery_that_is_refused_does_not_hold_other_rooms_up() {
    let mut desk = Desk::all();
    desk.say(&room("bad"), HookEvent::Message);
    desk.say(&room("good"), HookEvent::Message);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..200 {
        desk.pass(500);
        desk.say(&room("good"), HookEvent::Message);
        let Some(call) = desk.call(&people(&[])) else {
            continue;
        };
        let is_bad = body(&call)["data"]["room"] == "bad";
        (good, bad) = (good + u64::from(!is_bad), bad + u64::from(is_bad));
        desk.answer(&call, if is_bad { 400 } else { 200 }, None);
    }
    assert!(good > 50 && (5..20).contains(&bad), "{good} and {bad}");
}

#[test]
fn a_receiver_that_is_gone_is_asked_nothing_more() {
    let mut desk = Desk::all();
    desk.say(&room("tea"), HookEvent::Message);
    let call = desk.call(&people(&[])).unwrap();
    desk.answer(&call, 410, None);
    assert!(desk.figures().is_off);
    desk.say(&room("tea"), HookEvent::Message);
    desk.pass(HOOK_GATHER_MS);
    assert!(desk.call(&people(&[])).is_none());
    assert_eq!(desk.figures().queued, 0);
    // The settings are read again.
    let events = HookEvent::ALL.map(|(event, _)| event);
    assert_eq!(desk.hooks.set_targets(vec![world::target(&events)]), [0]);
    desk.say(&room("tea"), HookEvent::Message);
    desk.pass(HOOK_GATHER_MS);
    assert!(desk.call(&people(&[])).is_some());
}

#[test]
fn a_receiver_that_is_dead_for_a_day_is_switched_off() {
    let mut desk = Desk::all();
    desk.say(&room("tea"), HookEvent::Message);
    let began_ms = desk.now.ms;
    let mut calls = 0;
    while !desk.figures().is_off {
        let due_ms = desk.hooks.next_deadline_ms().unwrap();
        desk.pass(due_ms - desk.now.ms);
        let call = desk.call(&people(&[])).unwrap();
        desk.answer(&call, 500, None);
        calls += 1;
    }
    let took_ms = desk.now.ms - began_ms;
    let patience = HOOK_PATIENCE_MS..HOOK_PATIENCE_MS + MAX_HOOK_RETRY_MS + 1;
    assert!(patience.contains(&took_ms), "{took_ms}");
    assert!((96..300).contains(&calls), "{calls}");
}

#[test]
fn what_waits_for_too_long_is_a_gap() {
    let mut desk = Desk::all();
    desk.say(&room("bad"), HookEvent::Message);
    let mut told = None;
    for _ in 0..100_000 {
        desk.pass(60_000);
        desk.say(&room("good"), HookEvent::Message);
        if let Some(call) = desk.call(&people(&[])) {
            let body = body(&call);
            let is_old = body["data"]["events"][0]["offset"] == 1;
            desk.answer(&call, if is_old { 500 } else { 200 }, None);
            if body["data"]["room"] == "bad" && !is_old {
                told = Some(body);
                break;
            }
        }
    }
    let gap = &told.unwrap()["data"]["events"];
    assert_eq!(*gap, json!([{"type": "gap", "lost": 1}]));
    assert_eq!(desk.figures().dropped, 1);
    assert!(!desk.figures().is_off);
}

#[test]
fn a_room_that_was_forgotten_repeats_no_number() {
    let mut desk = Desk::all();
    let mut told = BTreeSet::new();
    for _ in 0..2 {
        desk.say(&room("tea"), HookEvent::Message);
        let call = desk.call(&people(&[])).unwrap();
        let data = &body(&call)["data"];
        assert!(told.insert((data["stream"].to_string(), data["number"].to_string())));
        desk.answer(&call, 200, None);
        desk.hooks.forget_ended(|_| false);
    }
}

#[test]
fn another_server_goes_on_where_this_one_stops() {
    let mut desk = Desk::all();
    let tea = room("tea");
    desk.hooks.on_stirred(&tea, desk.now);
    let first = desk.call(&people(&[1])).unwrap();
    desk.say(&tea, HookEvent::Message);
    let bytes = rmp_serde::to_vec_named(&desk.hooks.state()).unwrap();
    let mut next = Hooks::new("", false, [8; 32]);
    next.set_targets(vec![world::target(&HookEvent::ALL.map(|(event, _)| event))]);
    let told: ToldHooks = rmp_serde::from_slice(&bytes).unwrap();
    assert_eq!(next.take_over(told, "n1"), [0; 0]);
    desk.hooks = next;
    let again = desk.call(&people(&[1])).unwrap();
    assert_eq!((&again.id, &again.body), (&first.id, &first.body));
    desk.answer(&again, 200, None);
    desk.pass(HOOK_GATHER_MS);
    desk.hooks.on_stirred(&tea, desk.now);
    let second = desk.call(&people(&[1])).unwrap();
    assert_eq!(types(&second), ["message"], "that they are there was told");
    assert_eq!(body(&second)["data"]["number"], 2);
}

#[test]
fn a_webhook_that_is_new_is_not_told_that_those_who_are_there_have_come() {
    let mut desk = Desk::all();
    let tea = room("tea");
    // Nobody was told of the room before.
    desk.hooks
        .tell_snapshot(0, &[(tea.clone(), people(&[1, 2, 3]))], desk.now);
    let snapshot = desk.call(&people(&[])).unwrap();
    desk.answer(&snapshot, 200, None);
    desk.hooks.on_stirred(&tea, desk.now);
    desk.pass(HOOK_GATHER_MS);
    let call = desk.call(&people(&[1, 2])).unwrap();
    let events = body(&call)["data"]["events"].clone();
    let kinds = events.as_array().unwrap().iter().map(|it| &it["type"]);
    assert!(kinds.eq(["left"]), "{events}");
}

#[test]
fn a_ban_is_told_of_its_room_to_those_who_want_to_know() {
    let ban = BanRecord {
        name: Some("mallory".into()),
        address: None,
        room: Some("tea".into()),
        until: Some(1_700_000_060_000),
        reason: Some("spam".into()),
        by: "root".into(),
        at: 1_700_000_000_000,
    };
    let tea = room("tea");
    let mut desk = Desk::new(&[HookEvent::Banned]);
    desk.hooks.on_banned(&tea, &ban, desk.now);
    let call = desk.call(&people(&[1])).unwrap();
    let expected = json!({
        "type": "banned",
        "ban": {
            "name": "mallory", "room": "tea", "until": 1_700_000_060_000_u64, "reason": "spam",
            "by": "root", "at": 1_700_000_000_000_u64
        }
    });
    assert_eq!(body(&call)["data"]["events"], json!([expected]));
    assert_eq!(body(&call)["data"]["state"]["count"], 1);
    let mut other = Desk::new(&[HookEvent::Joined]);
    other.hooks.on_banned(&tea, &ban, other.now);
    assert!(other.call(&people(&[1])).is_none());
}
