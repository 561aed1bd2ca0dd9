//! Values that must keep coming, and values that end, beside a store that is slow, refuses, and outlives servers, and while
//! one server takes over from another: a silence is told within its time and once, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use parlor::core::Server;
use parlor::core::site::Site;
use parlor::core::store::Durability;
use parlor::settings::Limits;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::store::{Habit, LateStore};

const KEYS: [&str; 4] = ["a", "b", "boiler.temp", "boiler.level"];
const FLAGS: [&str; 6] = ["--history", "1000", "--ping-interval", "0", "--rate", "0"];
const ROOM: &str = "plant";

/// Milliseconds by which something may be told too late: the store takes up to one second, refuses, and a server is gone for up
/// to two; a room that is not here is asked for every ten.
const LATE_MS: u64 = 16_000;

/// By which it may be told too early: a store has a message from when it was sent on, and a server from when it was accepted.
const EARLY_MS: u64 = 3_000;

/// What the room was told, in the order of the offsets.
#[derive(Clone, Debug)]
struct Told {
    offset: u64,
    at: u64,
    key: String,
    data: Value,
    is_server: bool,
    /// What was said of it by whoever has sent it.
    expect: Option<u64>,
    ttl: Option<u64>,
}

struct Run {
    hall: Hall,
    store: Option<LateStore>,
    random: Random,
    sensor: GuestId,
    /// What was said of each value, by the values, which are all different.
    said: BTreeMap<u64, (Option<u64>, Option<u64>)>,
    told: BTreeMap<u64, Told>,
    handovers: usize,
    late_ms: u64,
    early_ms: u64,
}

fn hall(seed: u64, unix_ms: u64) -> Hall {
    // A server that begins now knows what was before.
    let mut hall = Hall::with(366 * 86_400_000, seed_bytes(seed), &FLAGS);
    hall.now.unix_ms = unix_ms;
    hall
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0x5a17);
        let habit = Habit {
            refused: random.pick(&[0, 0, 30]),
            late_ms: random.pick(&[0, 20, 100]),
            is_dead: false,
        };
        let mut hall = hall(seed, 784_111_777_000);
        let has_store = random.chance(700);
        let store = has_store.then(|| LateStore::new(habit, Random::new(seed, 0x5704e)));
        if store.is_some() {
            hall.server.use_store(Durability::Disk);
        }
        let mut run = Self {
            hall,
            store,
            random,
            sensor: 0,
            said: BTreeMap::new(),
            told: BTreeMap::new(),
            handovers: 0,
            late_ms: if has_store { LATE_MS } else { 1_000 },
            early_ms: if has_store { EARLY_MS } else { 0 },
        };
        run.come();
        run
    }

    /// The sensor comes, and is told what there is.
    fn come(&mut self) {
        self.sensor = self.hall.connect(usize::MAX);
        self.hall.enter_json(self.sensor);
        self.command(&json!({"type": "join", "room": ROOM, "last": 300}));
    }

    fn command(&mut self, command: &Value) {
        self.hall
            .say(self.sensor, 1, command.to_string().as_bytes());
    }

    fn run(&mut self, seed: u64) {
        for life in 0..3 {
            for _ in 0..self.random.between(100, 500) {
                if self.random.chance(150) {
                    self.publish();
                }
                self.tick();
                if self.random.chance(4) {
                    self.hand_over();
                }
            }
            if life < 2 && self.store.is_some() {
                self.crash(seed + 1000 * (life + 1));
            }
        }
        if let Some(store) = &mut self.store {
            store.refuse(0);
        }
        // Longer than anything is expected, and than values last.
        for _ in 0..800 {
            self.tick();
        }
        self.check();
    }

    fn publish(&mut self) {
        let key = self.random.pick(&KEYS);
        let value = self.said.len() as u64;
        let expect = self.random.pick(&[None, None, Some(20), Some(40), Some(0)]);
        let ttl = self.random.pick(&[None, None, None, Some(30)]);
        let retain = self.random.chance(800);
        let mut publish =
            json!({"type": "publish", "room": ROOM, "key": key, "data": value, "retain": retain});
        if retain {
            publish["expect"] = json!(expect);
            publish["ttl"] = json!(ttl);
            self.said.insert(value, (expect, ttl));
        } else {
            self.said.insert(value, (None, None));
            publish["data"] = json!([value]);
        }
        self.command(&publish);
    }

    fn tick(&mut self) {
        let later = self.random.between(0, 200) as u64;
        self.hall.now.ms += later;
        self.hall.now.unix_ms += later + crate::hall::TICK_MS;
        let length = self.random.pick(&[u64::MAX, 20_000]);
        self.hall.tick(length);
        let now = self.hall.now;
        if let Some(store) = &mut self.store {
            store.take(&mut self.hall.server, now);
            store.answer(&mut self.hall.server, now);
        }
        for seen in self.hall.read(self.sensor) {
            let Seen::Message { payload, .. } = seen else {
                continue;
            };
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let messages = event["messages"].as_array().cloned();
            for message in messages.unwrap_or_else(|| vec![event.clone()]) {
                self.on_message(&message);
            }
        }
    }

    fn on_message(&mut self, message: &Value) {
        let (Some(offset), Some(key)) = (message["offset"].as_u64(), message["key"].as_str())
        else {
            return;
        };
        let (data, is_server) = (message["data"].clone(), message["from"]["name"] == "parlor");
        let (expect, ttl) = match data.as_u64() {
            Some(value) => self.said[&value],
            None => (None, None),
        };
        self.told.entry(offset).or_insert(Told {
            offset,
            at: message["at"].as_u64().unwrap(),
            key: key.to_owned(),
            data,
            is_server,
            expect,
            ttl,
        });
    }

    /// The server is gone; another begins on the same store. Nobody comes for a while, in some runs.
    fn crash(&mut self, seed: u64) {
        let Some(store) = &mut self.store else { return };
        store.crash();
        let away_ms = self.random.below(2_000) as u64;
        self.hall = hall(seed, self.hall.now.unix_ms + away_ms);
        self.hall.server.use_store(Durability::Disk);
        store.restore(&mut self.hall.server, self.hall.now);
        self.sensor = self.hall.connect(usize::MAX);
        if self.random.chance(500) {
            for _ in 0..self.random.below(400) {
                self.tick();
            }
        }
        self.come();
    }

    fn hand_over(&mut self) {
        if self.store.is_some() {
            return;
        }
        self.hall.server.hold();
        while !self.hall.server.is_quiet() {
            self.tick();
        }
        let limits = Limits::of_flags(&FLAGS);
        let next = Server::new(limits, Vec::new(), Site::new(&[]), [7; 32], self.hall.now);
        self.hall.hand_over_to(next, |_| true).unwrap();
        self.handovers += 1;
    }

    fn check(&self) {
        let told: Vec<&Told> = self.told.values().collect();
        let last = told.last().map_or(0, |it| it.offset);
        assert!(
            told.iter().map(|it| it.offset).eq(1..=last),
            "a message is missing"
        );
        let mut silences: BTreeSet<u64> = BTreeSet::new();
        for key in KEYS {
            self.check_key(key, &told, &mut silences);
        }
        let raised = told
            .iter()
            .filter(|it| it.data["alarm"] == "raised")
            .count();
        assert_eq!(
            raised,
            silences.len(),
            "a silence is told that there was not, or twice"
        );
    }

    /// Goes through what was told of a key.
    fn check_key(&self, key: &str, told: &[&Told], silences: &mut BTreeSet<u64>) {
        let alarm = format!("alarm.{key}");
        let alarms: Vec<&&Told> = told.iter().filter(|it| it.key == alarm).collect();
        let of_key: Vec<&&Told> = told.iter().filter(|it| it.key == key).collect();
        let end = self.hall.now.unix_ms;
        let (mut expected, mut ends): (u64, Option<u64>) = (0, None);
        for (place, it) in of_key.iter().enumerate() {
            let next = of_key.get(place + 1);
            let next_at = next.map_or(end, |next| next.at);
            if it.data.is_null() {
                assert!(it.is_server, "only the server removes values");
                let due = ends.expect("a value is removed that was to stay");
                assert!(it.at + self.early_ms >= due, "{it:?} is removed too early");
                (expected, ends) = (0, None);
                continue;
            }
            if it.data.is_u64() {
                expected = it.expect.unwrap_or(expected);
                ends = it.ttl.map(|ttl| it.at + 1000 * ttl);
            }
            let is_removed = next.is_some_and(|next| next.data.is_null());
            if ends.is_some_and(|due| due + self.late_ms < next_at) {
                assert!(is_removed, "{it:?} is not removed");
            }
            self.check_silence(it, expected, next_at, (&alarms, silences));
        }
    }

    /// A message with a key, after which nothing came up to a time.
    fn check_silence(
        &self,
        it: &Told,
        expected: u64,
        next_at: u64,
        (alarms, silences): (&[&&Told], &mut BTreeSet<u64>),
    ) {
        let tells = |alarm: &&&&Told| alarm.data["silent_after"] == it.offset;
        let raised: Vec<&&&Told> = alarms.iter().filter(tells).collect();
        assert!(raised.len() < 2, "the silence after {it:?} is told twice");
        let due = it.at + 1000 * expected;
        if expected > 0 && due + self.late_ms < next_at {
            assert!(!raised.is_empty(), "the silence after {it:?} is not told");
        }
        if let Some(alarm) = raised.first() {
            assert!(expected > 0, "{it:?} is not expected");
            assert!(
                alarm.is_server && alarm.at + self.early_ms >= due,
                "{alarm:?} is too early"
            );
            assert!(alarm.at <= due + self.late_ms, "{alarm:?} is too late");
            silences.insert(it.offset);
            let heard = next_at + self.late_ms;
            let cleared = alarms.iter().filter(|other| other.offset > alarm.offset);
            let cleared = cleared
                .take_while(|it| it.data["alarm"] != "raised")
                .count();
            assert!(cleared < 2, "{alarm:?} is cleared twice");
            let was_removed = self.told.values().any(|other| {
                other.key == it.key && other.offset > it.offset && other.data.is_null()
            });
            if heard < self.hall.now.unix_ms && !was_removed {
                assert_eq!(cleared, 1, "{alarm:?} is not cleared");
            }
        }
    }
}

#[test]
fn a_silence_is_told_within_its_time_and_once() {
    let (mut silences, mut handovers) = (0, 0);
    for seed in 0..120 {
        let mut run = Run::new(seed);
        let result = crate::catch(|| {
            run.run(seed);
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let told = run.told.values();
        silences += told.filter(|it| it.data["alarm"] == "raised").count();
        handovers += run.handovers;
    }
    assert!(silences > 300, "{silences} silences");
    assert!(handovers > 20, "{handovers} handovers");
}
