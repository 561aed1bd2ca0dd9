//! Writes that want the state of a key to be what their sender knows: in memory, beside a store that is late, and at nodes on one
//! Redis. Of those that want the same state one is published, and none over a newer one.

use std::collections::BTreeMap;

use parlor::core::store::Durability;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::redis_nodes::cluster::{Cluster, Place};
use crate::store::{Habit, LateStore};

const FLAGS: [&str; 4] = ["--ping-interval", "0", "--rate", "0"];
const KEYS: [&str; 3] = ["alarm.boiler", "alarm.pump", "mode"];
const PEOPLE: usize = 6;
const STEPS: usize = 120;

/// Where messages are put in their order.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Parlor {
    Alone(Hall, Option<LateStore>),
    Nodes(Cluster),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Memory,
    Store { refused: usize },
    Nodes,
}

const KINDS: [Kind; 4] = [
    Kind::Memory,
    Kind::Store { refused: 0 },
    Kind::Store { refused: 100 },
    Kind::Nodes,
];

impl Parlor {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut hall = Hall::seeded(seed_bytes(seed), &FLAGS);
        match kind {
            Kind::Memory => Self::Alone(hall, None),
            Kind::Store { refused } => {
                hall.server.use_store(Durability::Disk);
                let late_ms = 60;
                let habit = Habit {
                    refused,
                    late_ms,
                    ..Habit::default()
                };
                let store = LateStore::new(habit, Random::new(seed, 0));
                Self::Alone(hall, Some(store))
            }
            Kind::Nodes => {
                let mut cluster = Cluster::new(seed, 3, 0);
                cluster.pass(1_000);
                Self::Nodes(cluster)
            }
        }
    }

    fn come(&mut self, number: usize) -> Place {
        match self {
            Self::Alone(hall, _) => {
                let guest = hall.connect(usize::MAX);
                hall.enter_json(guest);
                (0, guest)
            }
            Self::Nodes(cluster) => cluster.come(number % cluster.nodes()),
        }
    }

    fn say(&mut self, place: Place, command: &Value) {
        match self {
            Self::Alone(hall, _) => hall.say(place.1, 1, command.to_string().as_bytes()),
            Self::Nodes(cluster) => cluster.say(place, command),
        }
    }

    fn tick(&mut self) {
        match self {
            Self::Alone(hall, store) => {
                hall.tick(u64::MAX);
                if let Some(store) = store {
                    store.take(&mut hall.server, hall.now);
                    store.answer(&mut hall.server, hall.now);
                    hall.end_tick(u64::MAX);
                }
            }
            Self::Nodes(cluster) => cluster.tick(20),
        }
    }

    fn rest(&mut self) {
        for _ in 0..100 {
            self.tick();
        }
    }

    fn read(&mut self, place: Place) -> Vec<Value> {
        match self {
            Self::Alone(hall, _) => events(hall, place.1),
            Self::Nodes(cluster) => cluster.read(place),
        }
    }
}

fn events(hall: &mut Hall, guest: GuestId) -> Vec<Value> {
    let seen = hall.read(guest);
    let events = seen.iter().filter_map(|seen| match seen {
        Seen::Message { payload, .. } => serde_json::from_slice(payload).ok(),
        _ => None,
    });
    events.collect()
}

/// What was asked for: of this key, if its state has this offset, or none. `None`: whatever it is.
type Wish = (&'static str, Option<Option<u64>>);

struct World {
    parlor: Parlor,
    random: Random,
    people: Vec<Place>,
    /// What each of them knows of each key, and knew before.
    known: Vec<BTreeMap<&'static str, Vec<Option<u64>>>>,
    wishes: Vec<Wish>,
    /// The log: the key of each message, and the wish it came of, if it does not remove the key.
    log: BTreeMap<u64, (String, Option<usize>)>,
    /// The offsets of those that were answered with one.
    accepted: BTreeMap<u64, usize>,
    /// Those that were refused because of a state, and the offset of that.
    conflicts: Vec<(usize, Option<u64>)>,
}

impl World {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut parlor = Parlor::new(kind, seed);
        let people: Vec<Place> = (0..PEOPLE).map(|number| parlor.come(number)).collect();
        parlor.rest();
        for &place in &people {
            parlor.say(place, &json!({"type": "join", "room": "plant"}));
        }
        parlor.rest();
        let known = KEYS.map(|key| (key, vec![None])).into();
        Self {
            parlor,
            random: Random::new(seed, 0x1f),
            known: people.iter().map(|_| BTreeMap::clone(&known)).collect(),
            people,
            wishes: Vec::new(),
            log: BTreeMap::new(),
            accepted: BTreeMap::new(),
            conflicts: Vec::new(),
        }
    }

    /// Somebody sets or removes a key: mostly if it is as they know it, now and then as they knew it before.
    fn write(&mut self, who: usize, key: &'static str) {
        let known = &self.known[who][key];
        let back = usize::from(self.random.chance(150)).min(known.len() - 1);
        let state = known[known.len() - 1 - back];
        let wish = (!self.random.chance(150)).then_some(state);
        let number = self.wishes.len();
        self.wishes.push((key, wish));
        let is_removal = self.random.chance(150);
        let data = match is_removal {
            true => Value::Null,
            false => json!({"alarm": "raised", "n": number}),
        };
        let mut command = json!({"type": "publish", "room": "plant", "key": key, "retain": true,
            "data": data, "id": number});
        match wish {
            Some(Some(offset)) => command["if_offset"] = offset.into(),
            Some(None) => command["if_new"] = true.into(),
            None => {}
        }
        self.parlor.say(self.people[who], &command);
    }

    fn learn(&mut self, who: usize, key: &str, offset: Option<u64>) {
        let key = KEYS.into_iter().find(|it| *it == key).expect("a key");
        let known = self.known[who].entry(key).or_default();
        // What was refused may be told before what has come between.
        if offset.is_none() || known.iter().all(|it| *it < offset) {
            known.push(offset);
        }
    }

    fn read_all(&mut self) {
        for who in 0..PEOPLE {
            for event in self.parlor.read(self.people[who]) {
                self.take(who, &event);
            }
        }
    }

    fn take(&mut self, who: usize, event: &Value) {
        let offset = event["offset"].as_u64();
        let number = event["id"].as_u64().map(|it| it as usize);
        match (event["type"].as_str(), number) {
            (Some("message"), _) => {
                let key = event["key"].as_str().expect("it has a key").to_owned();
                let number = event["data"]["n"].as_u64().map(|it| it as usize);
                let state = offset.filter(|_| !event["data"].is_null());
                self.learn(who, &key, state);
                let entry = (key, number);
                let offset = offset.expect("it is kept");
                assert_eq!(self.log.entry(offset).or_insert(entry.clone()), &entry);
            }
            (Some("ok"), Some(number)) => {
                let before = self.accepted.insert(offset.expect("it is kept"), number);
                assert_eq!(before, None, "{offset:?} was given twice");
            }
            (Some("error"), Some(number)) if event["code"] == "conflict" => {
                let (key, wish) = self.wishes[number];
                let current = &event["current"];
                let offset = current["offset"].as_u64();
                assert_ne!(wish, Some(offset), "it was refused without a reason");
                assert_eq!(current.is_null(), offset.is_none(), "{event}");
                assert!(current.is_null() || current["key"] == key, "{event}");
                self.conflicts.push((number, offset));
                self.learn(who, key, offset);
            }
            (Some("error"), Some(_)) => assert_eq!(event["code"], "unavailable", "{event}"),
            _ => {}
        }
    }

    /// Replays the log: what was published was what its sender wanted, and what was told of a key was so once.
    fn judge(&self) {
        let mut state: BTreeMap<&str, Vec<Option<u64>>> = KEYS.map(|it| (it, vec![None])).into();
        for (offset, (key, number)) in &self.log {
            let number = number.or_else(|| self.accepted.get(offset).copied());
            let states = state.get_mut(&**key).expect("a key");
            if let Some((key_of_it, Some(wish))) = number.map(|it| self.wishes[it]) {
                assert_eq!(key_of_it, key);
                let now = *states.last().expect("one");
                assert_eq!(wish, now, "{offset}: over another state of {key}");
            }
            let is_removed = self.log[offset].1.is_none();
            states.push((!is_removed).then_some(*offset));
        }
        for (number, current) in &self.conflicts {
            let (key, _) = self.wishes[*number];
            assert!(state[key].contains(current), "{key} was never {current:?}");
        }
    }
}

#[test]
fn nothing_is_published_over_another_state_than_its_sender_knows() {
    for kind in KINDS {
        let (mut accepted, mut conflicts) = (0, 0);
        for seed in 0..40 {
            let mut world = World::new(kind, seed);
            for _ in 0..STEPS {
                let key = world.random.pick(&KEYS);
                for _ in 0..world.random.between(1, 4) {
                    let who = world.random.below(PEOPLE);
                    world.write(who, key);
                }
                if world.random.chance(600) {
                    world.parlor.tick();
                    world.read_all();
                }
            }
            world.parlor.rest();
            world.read_all();
            world.judge();
            accepted += world.accepted.len();
            conflicts += world.conflicts.len();
        }
        assert!(accepted > 1_000, "{kind:?}: {accepted} were accepted");
        assert!(conflicts > 1_000, "{kind:?}: {conflicts} were refused");
    }
}

#[test]
fn of_those_that_want_the_same_state_one_is_published() {
    for kind in [Kind::Memory, Kind::Store { refused: 0 }, Kind::Nodes] {
        for seed in 0..20 {
            let mut world = World::new(kind, seed);
            for round in 0..5 {
                for who in 0..PEOPLE {
                    let known = *world.known[who]["mode"].last().expect("one");
                    let number = world.wishes.len();
                    world.wishes.push(("mode", Some(known)));
                    let mut command = json!({"type": "publish", "room": "plant", "key": "mode",
                        "retain": true, "data": {"n": number}, "id": number});
                    match known {
                        Some(offset) => command["if_offset"] = offset.into(),
                        None => command["if_new"] = true.into(),
                    }
                    world.parlor.say(world.people[who], &command);
                }
                world.parlor.rest();
                world.read_all();
                assert_eq!(world.accepted.len(), round + 1, "{kind:?}, seed {seed}");
                let last = world.accepted.keys().last().copied();
                let told = world.conflicts.split_off(0);
                assert_eq!(told.len(), PEOPLE - 1, "{kind:?}, seed {seed}");
                assert!(told.iter().all(|(_, current)| *current == last));
            }
            world.judge();
        }
    }
}

#[test]
fn an_offset_of_another_epoch_is_no_offset_of_this_one() {
    for kind in [Kind::Memory, Kind::Store { refused: 0 }, Kind::Nodes] {
        let mut world = World::new(kind, 1);
        let place = world.people[0];
        let publish = |data: &str, epoch: Option<&str>| {
            let mut command = json!({"type": "publish", "room": "plant", "key": "mode",
                "retain": true, "data": data, "id": data});
            if let Some(epoch) = epoch {
                command["if_offset"] = 1.into();
                command["if_epoch"] = epoch.into();
            }
            command
        };
        world.parlor.read(place);
        world.parlor.say(place, &publish("first", None));
        world.parlor.rest();
        world
            .parlor
            .say(place, &json!({"type": "history", "room": "plant"}));
        world.parlor.rest();
        let events = world.parlor.read(place);
        let history = events.iter().find(|it| it["type"] == "history").unwrap();
        let epoch = history["epoch"].as_str().unwrap();
        let commands = [("0123456789abcdef", "conflict"), (epoch, "ok")];
        for (epoch, _) in commands {
            let command = publish(
                if epoch.starts_with("0123") {
                    "no"
                } else {
                    "yes"
                },
                Some(epoch),
            );
            world.parlor.say(place, &command);
        }
        world.parlor.rest();
        let events = world.parlor.read(place);
        let answer = |id: &str| events.iter().find(|it| it["id"] == id).unwrap();
        assert_eq!(answer("no")["code"], "conflict", "{kind:?}");
        assert_eq!(answer("no")["current"]["data"], "first", "{kind:?}");
        assert_eq!(answer("yes")["type"], "ok", "{kind:?}");
    }
}
