//! People who come, go, take names and write to each other at several nodes, beside a log that is late, loses news or all that
//! it has, or is away, and nodes that die. Once all is quiet everybody knows who is where, and no two have one name.

use std::collections::{BTreeMap, BTreeSet};

use parlor::limits::{NODE_TTL_MS, RENEW_MS};
use serde_json::{Value, json};

use crate::nodes::circle::{Circle, Place};
use crate::random::Random;
use crate::units;

const NODES: usize = 3;
const ROOMS: usize = 3;
const STEPS: usize = 400;
const NAMES: [&str; 6] = ["ana", "bob", "eve", "zoe", "Ana", "b0b"];

/// What may go wrong in a run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    late_ms: usize,
    lost: usize,
    /// Of a thousand steps, in so many a node dies, the log loses all, or goes away or comes back.
    deaths: usize,
    losses: usize,
    absences: usize,
}

/// Somebody at the JSON door of a node, as they have been told.
struct Someone {
    place: Place,
    you: Value,
    resume: Value,
    rooms: BTreeMap<String, View>,
    /// The direct messages that came, each with whom it is for, and who they were themselves.
    directs: Vec<(u64, String, String)>,
    is_gone: bool,
}

/// Those in a room, as somebody has been told.
#[derive(Debug, Default)]
struct View {
    people: BTreeSet<String>,
    count: u64,
}

struct Chaos {
    circle: Circle,
    random: Random,
    people: Vec<Someone>,
    /// Those who only watch, each with their room.
    viewers: Vec<(Place, usize)>,
    /// Direct messages so far, and those that were answered with `ok`.
    sent: u64,
    delivered: BTreeSet<u64>,
    /// The secrets of those who have gone.
    secrets: Vec<Value>,
    /// Until it is noticed that something was lost.
    may_share_names: bool,
    /// What each person was told last that they are called.
    names: BTreeMap<String, String>,
    /// Those who were at several nodes at once.
    scattered: BTreeSet<String>,
}

fn name_of(who: &Value) -> String {
    who["name"].as_str().expect("a name").to_owned()
}

/// What the names of these runs are compared by.
fn look_of(name: &str) -> String {
    name.to_lowercase().replace('0', "o")
}

fn id_of(who: &Value) -> String {
    who["id"].as_str().expect("an id").to_owned()
}

impl Chaos {
    fn new(seed: u64, plan: Plan) -> Self {
        let mut circle = Circle::new(seed, NODES);
        circle.log.habit.late_ms = plan.late_ms;
        circle.log.habit.lost = plan.lost;
        Self {
            circle,
            random: Random::new(seed, 7),
            people: Vec::new(),
            viewers: Vec::new(),
            sent: 0,
            delivered: BTreeSet::new(),
            secrets: Vec::new(),
            may_share_names: plan.losses > 0 || plan.lost > 0,
            names: BTreeMap::new(),
            scattered: BTreeSet::new(),
        }
    }

    fn live(&self) -> Vec<usize> {
        let live = self.people.iter().enumerate();
        live.filter(|(_, it)| !it.is_gone)
            .map(|(place, _)| place)
            .collect()
    }

    fn somebody(&mut self) -> Option<usize> {
        let live = self.live();
        (!live.is_empty()).then(|| self.random.pick(&live))
    }

    fn step(&mut self, plan: &Plan) {
        match self.random.below(12) {
            0 | 1 => self.come(),
            2 => self.watch(),
            3 if self.live().len() > 4 => self.go(),
            4 | 5 => self.take_name(),
            6..=8 => self.move_about(),
            _ => self.write(),
        }
        if self.random.chance(plan.deaths) {
            self.kill();
        }
        if self.random.chance(plan.losses) {
            self.circle.log.lose_all();
        }
        if self.random.chance(plan.absences) {
            self.circle.log.habit.is_away ^= true;
        }
        let ms = self.random.pick(&[20, 20, 100, 700]);
        self.circle.tick(ms);
        self.read_all();
    }

    fn come(&mut self) {
        if self.live().len() >= 10 {
            return;
        }
        let node = self.random.below(NODES);
        let place = self.circle.come(node);
        self.people.push(Someone {
            place,
            you: Value::Null,
            resume: Value::Null,
            rooms: BTreeMap::new(),
            directs: Vec::new(),
            is_gone: false,
        });
        let is_back = !self.secrets.is_empty() && self.random.chance(600);
        if is_back {
            let place_of = self.random.below(self.secrets.len());
            let mut login = json!({"type": "login", "resume": self.secrets[place_of]});
            if self.random.chance(300) {
                login["name"] = json!(self.random.pick(&NAMES));
            }
            self.circle.say(place, &login);
        }
    }

    fn watch(&mut self) {
        if self.viewers.len() >= 4 {
            let (place, _) = self.viewers.swap_remove(self.random.below(4));
            self.circle.hall(place.0).hang_up(place.1);
            return;
        }
        let (node, room) = (self.random.below(NODES), self.random.below(ROOMS));
        let hall = self.circle.hall(node);
        let guest = hall.connect(usize::MAX);
        hall.request(guest, &units::upgrade(room));
        self.viewers.push(((node, guest), room));
    }

    fn go(&mut self) {
        if let Some(somebody) = self.somebody() {
            let someone = &mut self.people[somebody];
            someone.is_gone = true;
            let (node, guest) = someone.place;
            self.secrets.push(someone.resume.clone());
            self.circle.hall(node).hang_up(guest);
        }
    }

    fn take_name(&mut self) {
        if let Some(somebody) = self.somebody() {
            let login = json!({"type": "login", "name": self.random.pick(&NAMES)});
            self.circle.say(self.people[somebody].place, &login);
        }
    }

    fn move_about(&mut self) {
        if let Some(somebody) = self.somebody() {
            let room = format!("room-{}", self.random.below(ROOMS));
            let kind = if self.random.chance(650) {
                "join"
            } else {
                "leave"
            };
            let id = format!("{kind} {room}");
            let command = json!({"type": kind, "room": room, "id": id});
            self.circle.say(self.people[somebody].place, &command);
        }
    }

    fn write(&mut self) {
        let (Some(from), Some(to)) = (self.somebody(), self.somebody()) else {
            return;
        };
        if self.people[to].you.is_null() {
            return;
        }
        self.sent += 1;
        let to = name_of(&self.people[to].you);
        let direct = json!({"type": "direct", "to": to, "data": self.sent, "id": self.sent});
        self.circle.say(self.people[from].place, &direct);
    }

    fn kill(&mut self) {
        let node = self.random.below(NODES);
        self.circle.kill(node);
        for someone in self.people.iter_mut().filter(|it| it.place.0 == node) {
            if !std::mem::replace(&mut someone.is_gone, true) {
                self.secrets.push(someone.resume.clone());
            }
        }
        self.viewers.retain(|(place, _)| place.0 != node);
        self.circle.begin(node);
    }

    fn read_all(&mut self) {
        for somebody in self.live() {
            for event in self.circle.read(self.people[somebody].place) {
                self.note(somebody, &event);
            }
        }
        if !self.may_share_names {
            self.check_names();
        }
    }

    fn note(&mut self, somebody: usize, event: &Value) {
        let someone = &mut self.people[somebody];
        let room = || event["room"].as_str().expect("a room").to_owned();
        match event["type"].as_str().expect("a type") {
            "welcome" => {
                someone.you = event["you"].clone();
                self.names
                    .insert(id_of(&someone.you), name_of(&someone.you));
                someone.resume = event["resume"].clone();
            }
            "joined" => {
                let members = event["members"].as_array().expect("a list");
                let view = View {
                    people: members.iter().map(id_of).collect(),
                    count: event["count"].as_u64().expect("a number"),
                };
                someone.rooms.insert(room(), view);
            }
            "presence" => {
                let view = someone.rooms.get_mut(&room()).expect("they are in it");
                view.count = event["count"].as_u64().expect("a number");
                for who in event["joined"].as_array().into_iter().flatten() {
                    view.people.insert(id_of(who));
                }
                for who in event["left"].as_array().into_iter().flatten() {
                    view.people.remove(&id_of(who));
                }
            }
            "ok" => match event["id"]
                .as_str()
                .and_then(|id| id.strip_prefix("leave "))
            {
                Some(room) => {
                    someone.rooms.remove(room);
                }
                None => self.delivered.extend(event["id"].as_u64()),
            },
            "direct" => {
                let number = event["data"].as_u64().expect("a number");
                let (to, own) = (id_of(&event["to"]), id_of(&someone.you));
                someone.directs.push((number, to, own));
            }
            "error" => {
                let code = event["code"].as_str().expect("a code");
                let expected = [
                    "name_taken",
                    "no_such_user",
                    "unavailable",
                    "bad_resume",
                    "not_joined",
                    "busy",
                ];
                assert!(expected.contains(&code), "{event}");
            }
            _ => {}
        }
    }

    /// No two people have one name, as they have been told. Who was at several nodes may have been told otherwise at another,
    /// and is looked at when all is quiet.
    fn check_names(&mut self) {
        let live = self.live();
        let mut places: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for someone in live.iter().map(|it| &self.people[*it]) {
            if !someone.you.is_null() {
                let nodes = places.entry(id_of(&someone.you)).or_default();
                nodes.insert(someone.place.0);
            }
        }
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        let several = places.iter().filter(|(_, nodes)| nodes.len() > 1);
        self.scattered.extend(several.map(|(id, _)| id.clone()));
        for (id, nodes) in places
            .iter()
            .filter(|(id, _)| !self.scattered.contains(*id))
        {
            let look = look_of(&self.names[id]);
            let owner = owners.entry(look).or_insert_with(|| id.clone());
            assert_eq!(
                owner, id,
                "two have the name {} at {nodes:?}",
                self.names[id]
            );
        }
    }

    /// Nothing goes wrong any more, until everything is known everywhere.
    fn come_to_rest(&mut self) {
        self.circle.log.habit.late_ms = 20;
        self.circle.log.habit.lost = 0;
        self.circle.log.habit.is_away = false;
        for _ in 0..(NODE_TTL_MS + 3 * RENEW_MS) / 500 {
            self.circle.tick(500);
            self.read_all();
        }
    }

    fn check_rest(&mut self) {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let live = self.live();
        for someone in live.iter().copied() {
            let place = self.people[someone].place;
            let welcome = self.circle.ask(place, &json!({"type": "login"}));
            let you = &welcome["you"];
            let name = names.entry(id_of(you)).or_insert_with(|| name_of(you));
            assert_eq!(*name, name_of(you), "one person has two names");
        }
        for room in (0..ROOMS).map(|room| format!("room-{room}")) {
            let inside: Vec<usize> = live
                .iter()
                .copied()
                .filter(|it| self.people[*it].rooms.contains_key(&room))
                .collect();
            let ids = inside.iter().map(|it| id_of(&self.people[*it].you));
            let ids: BTreeSet<String> = ids.collect();
            let watched = |watched: &usize| format!("room-{watched}") == room;
            let viewers = self.viewers.iter().filter(|(_, it)| watched(it)).count();
            let count = (ids.len() + viewers) as u64;
            for somebody in inside {
                let place = self.people[somebody].place;
                let members = self
                    .circle
                    .ask(place, &json!({"type": "members", "room": room}));
                assert_eq!(members["count"], count, "{room}: {members}");
                for who in members["members"].as_array().expect("a list") {
                    let name = names.entry(id_of(who)).or_insert_with(|| name_of(who));
                    assert_eq!(*name, name_of(who), "as told to {place:?}");
                }
                let someone = &self.people[somebody];
                let view = &someone.rooms[&room];
                assert_eq!(view.count, count, "{room} as told to {}", someone.you);
                assert!(
                    ids.is_subset(&view.people) && view.people.len() as u64 == count,
                    "{room} as told to {}: {view:?} and not {ids:?}",
                    someone.you
                );
            }
        }
        let looks = names.values().map(|name| look_of(name));
        let different: BTreeSet<String> = looks.collect();
        assert_eq!(different.len(), names.len(), "two have one name: {names:?}");
    }

    fn check_directs(&self) {
        let mut taken: BTreeSet<u64> = BTreeSet::new();
        for someone in &self.people {
            // A connection may become another person's meanwhile.
            let directs = someone.directs.iter();
            let once: BTreeSet<(u64, &str)> =
                directs.clone().map(|(it, _, own)| (*it, &**own)).collect();
            assert_eq!(once.len(), someone.directs.len(), "a message came twice");
            taken.extend(directs.filter(|(_, to, own)| to == own).map(|it| it.0));
        }
        let gone = self.people.iter().any(|it| it.is_gone);
        let lost = self
            .delivered
            .iter()
            .filter(|it| !taken.contains(it))
            .count();
        assert!(
            lost == 0 || gone,
            "{lost} messages were delivered to nobody"
        );
    }
}

fn run(seed: u64, plan: Plan) -> (u64, usize) {
    let mut chaos = Chaos::new(seed, plan);
    for _ in 0..STEPS {
        chaos.step(&plan);
    }
    chaos.come_to_rest();
    chaos.check_rest();
    chaos.check_directs();
    (chaos.sent, chaos.delivered.len())
}

fn run_all(name: &str, plan: Plan) {
    let seeds = match std::env::var("PARLOR_SEED").ok() {
        Some(wish) => {
            let Some(seed) = wish.strip_prefix(name).and_then(|it| it.strip_prefix(':')) else {
                return;
            };
            let seed: u64 = seed.parse().expect("PARLOR_SEED holds a number");
            seed..seed + 1
        }
        None => 0..8,
    };
    let mut all = (0, 0);
    for seed in seeds {
        eprintln!("repeat with PARLOR_SEED={name}:{seed}");
        let (sent, delivered) = run(seed, plan);
        all = (all.0 + sent, all.1 + delivered);
    }
    assert!(
        all.1 * 4 > all.0 as usize,
        "of {} messages {} were delivered",
        all.0,
        all.1
    );
}

const CALM: Plan = Plan {
    late_ms: 150,
    lost: 0,
    deaths: 0,
    losses: 0,
    absences: 0,
};

#[test]
fn nodes_that_are_late() {
    run_all("nodes_late", CALM);
}

#[test]
fn nodes_that_miss_news() {
    let lost = 150;
    run_all("nodes_lost", Plan { lost, ..CALM });
}

#[test]
fn nodes_that_die() {
    let deaths = 8;
    run_all("nodes_dead", Plan { deaths, ..CALM });
}

#[test]
fn nodes_beside_a_log_that_is_away_or_empty() {
    let (losses, absences) = (5, 8);
    run_all(
        "nodes_away",
        Plan {
            losses,
            absences,
            ..CALM
        },
    );
}
