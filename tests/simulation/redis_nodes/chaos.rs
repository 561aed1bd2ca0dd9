//! People who publish and read at several nodes, come back to others, and Redis and nodes that fail, as a seed has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::random::Random;
use crate::redis_model::Kept;
use crate::redis_nodes::cluster::{Cluster, Place};
use crate::redis_nodes::judge::{At, Judge, Reader};

const ROOMS: usize = 3;
const STEPS: usize = 250;
const PEOPLE: usize = 8;

/// Seeds of the short form; `SEEDS` says how many there are in a longer one.
const SEEDS: u64 = 10;

/// Milliseconds until all is as it was: links are tried again after 2 s at most, commands end after 5 s, and positions are
/// compared every 30 s.
const REST_MS: u64 = 45_000;

/// What may go wrong in a run; chances in a thousand for each step.
#[derive(Clone, Copy, Debug)]
struct Plan {
    nodes: usize,
    wait_ms: u64,
    cuts: usize,
    stalls: usize,
    lost: usize,
    /// Redis starts again: with all, or with less.
    restarts: usize,
    losses: usize,
    /// It stands still, reads its data, takes no writes, or is away.
    outages: usize,
    deaths: usize,
    holds: usize,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0x70_6c_61_6e);
        let mut chance = |most: usize| random.pick(&[0, 0, most / 3, most]);
        let (cuts, stalls, lost) = (chance(30), chance(15), chance(40));
        let (restarts, losses, outages) = (chance(15), chance(10), chance(15));
        let (deaths, holds) = (chance(8), chance(20));
        Self {
            nodes: random.between(2, 4),
            wait_ms: random.pick(&[0, 5_000]),
            cuts,
            stalls,
            lost,
            restarts,
            losses,
            outages,
            deaths,
            holds,
        }
    }
}

/// Somebody, across connections.
#[derive(Default)]
struct Someone {
    place: Option<Place>,
    /// Who they are, once they were told, and the secret by which they come back.
    id: Option<String>,
    resume: Value,
    /// They were welcomed here.
    is_known: bool,
    rooms: BTreeMap<String, Reader>,
    /// Where they were in rooms that they have left.
    left: BTreeMap<String, At>,
    /// Where they have said that they were, by the id of the command.
    since: BTreeMap<String, Option<At>>,
    /// What is not acknowledged: the number, and the command.
    pending: BTreeMap<u64, Value>,
}

struct Chaos {
    cluster: Cluster,
    random: Random,
    judge: Judge,
    people: Vec<Someone>,
    asked: u64,
    sent: u64,
    refused: u64,
    acknowledged: BTreeSet<u64>,
    /// When Redis is to be well again, in steps.
    well_in: Option<usize>,
    /// A seed is repeated: what clients are told is printed.
    traces: bool,
}

impl Chaos {
    fn new(seed: u64, plan: &Plan) -> Self {
        Self {
            cluster: Cluster::new(seed, plan.nodes, plan.wait_ms),
            random: Random::new(seed, 7),
            judge: Judge::default(),
            people: (0..PEOPLE).map(|_| Someone::default()).collect(),
            asked: 0,
            sent: 0,
            refused: 0,
            acknowledged: BTreeSet::new(),
            well_in: None,
            traces: std::env::var_os("SEED").is_some(),
        }
    }

    fn run(&mut self, plan: &Plan) {
        self.cluster.pass(1_000);
        for _ in 0..STEPS {
            let who = self.random.below(PEOPLE);
            self.act(who);
            self.fail(plan);
            let ms = self.random.pick(&[20, 20, 20, 100, 300]);
            self.cluster.tick(ms);
            self.read_all();
        }
        self.come_to_rest();
    }

    fn act(&mut self, who: usize) {
        let Some(place) = self.people[who].place else {
            return self.come(who);
        };
        let room = format!("room-{}", self.random.below(ROOMS));
        let kind = self.random.below(10);
        match kind {
            0 if self.random.chance(300) => self.leave(who),
            0 => self.go(who),
            1..=3 if !self.people[who].rooms.contains_key(&room) => self.join(who, &room),
            4 => {
                let command =
                    json!({"type": "publish", "room": room, "data": 0, "ephemeral": true});
                self.cluster.say(place, &command);
            }
            5 => self.send_again(who),
            _ => self.publish(who, &room),
        }
    }

    fn come(&mut self, who: usize) {
        let node = self.random.below(self.cluster.nodes());
        let place = self.cluster.come(node);
        let someone = &mut self.people[who];
        someone.place = Some(place);
        if someone.id.is_some() {
            let login = json!({"type": "login", "resume": someone.resume, "id": "back"});
            self.cluster.say(place, &login);
        }
        let rooms: Vec<String> = self.people[who].left.keys().cloned().collect();
        for room in rooms {
            if self.random.chance(700) {
                self.join(who, &room);
            }
        }
    }

    fn join(&mut self, who: usize, room: &str) {
        self.asked += 1;
        let id = format!("join-{} {room}", self.asked);
        let someone = &mut self.people[who];
        let Some(place) = someone.place else {
            return;
        };
        let since = someone.left.get(room).cloned();
        let mut command = json!({"type": "join", "room": room, "id": id});
        if let Some(At { epoch, offset }) = &since {
            command["since"] = json!({"epoch": epoch, "offset": offset});
        }
        someone.since.insert(id, since);
        self.cluster.say(place, &command);
    }

    /// Goes out of a room, and knows where they were when they are told that they are out.
    fn leave(&mut self, who: usize) {
        let someone = &self.people[who];
        let room = someone.rooms.keys().next().cloned();
        if let Some((room, place)) = room.zip(someone.place) {
            let id = format!("leave {room}");
            let command = json!({"type": "leave", "room": room, "id": id});
            self.cluster.say(place, &command);
        }
    }

    /// Closes the connection, having read all that came before.
    fn go(&mut self, who: usize) {
        let Some(place) = self.people[who].place else {
            return;
        };
        self.read(who);
        self.cluster.hang_up(place);
        self.people[who].lose();
    }

    /// Says something new, once it is known who says it: it may be sent again as the same person.
    fn publish(&mut self, who: usize, room: &str) {
        let someone = &self.people[who];
        let Some(place) = someone.place.filter(|_| someone.is_known) else {
            return;
        };
        self.sent += 1;
        let number = self.sent;
        let mut command = json!({
            "type": "publish", "room": room, "data": number, "dedup": number.to_string(), "id": number,
        });
        if self.random.chance(250) {
            command["key"] = json!(format!("key-{}", self.random.below(3)));
            command["retain"] = json!(true);
        }
        self.cluster.say(place, &command);
        self.people[who].pending.insert(number, command);
    }

    /// Sends what was not acknowledged again: as the same person, or it would be another message.
    fn send_again(&mut self, who: usize) {
        let someone = &self.people[who];
        let Some(place) = someone.place.filter(|_| someone.is_known) else {
            return;
        };
        for command in someone.pending.values() {
            self.cluster.say(place, command);
        }
    }

    fn read_all(&mut self) {
        for who in 0..self.people.len() {
            self.read(who);
        }
    }

    fn read(&mut self, who: usize) {
        if let Some(place) = self.people[who].place {
            for event in self.cluster.read(place) {
                self.note(who, &event);
            }
        }
    }

    fn note(&mut self, who: usize, event: &Value) {
        if self.traces {
            println!("{who} {:?} {event}", self.people[who].place);
        }
        let someone = &mut self.people[who];
        let room = event["room"].as_str().unwrap_or_default();
        let id = event["id"].as_str().unwrap_or_default();
        match event["type"].as_str().expect("a type") {
            "welcome" => {
                let person = event["you"]["id"].as_str().expect("an id").to_owned();
                if someone.id.is_none() {
                    someone.id = Some(person.clone());
                }
                // The first welcome is a stranger's.
                someone.is_known = someone.id.as_ref() == Some(&person);
                if someone.is_known {
                    someone.resume = event["resume"].clone();
                }
            }
            "joined" => {
                let since = someone.since.remove(id).flatten();
                let reader = self.judge.on_joined(since.as_ref(), event);
                someone.rooms.insert(room.to_owned(), reader);
            }
            "left" => someone.forget(room),
            "ok" => match (event["id"].as_u64(), id.strip_prefix("leave ")) {
                (Some(number), _) => {
                    let Some(command) = someone.pending.remove(&number) else {
                        return;
                    };
                    self.acknowledged.insert(number);
                    let room = command["room"].as_str().expect("a room");
                    let offset = event["offset"].as_u64().expect("an offset");
                    self.judge.on_ok(number, room, offset);
                }
                (_, Some(room)) => someone.forget(room),
                _ => {}
            },
            "error" => {
                let code = event["code"].as_str().expect("a code");
                let expected = [
                    "unavailable",
                    "bad_resume",
                    "not_joined",
                    "busy",
                    "already_joined",
                ];
                assert!(expected.contains(&code), "{event}");
                self.refused += u64::from(code == "unavailable" && event["id"].is_u64());
                if let Some((_, room)) = id.split_once(' ').filter(|_| id.starts_with("join-")) {
                    // Whoever was in the room already is not any more: nobody knows what they have missed.
                    someone.forget(room);
                }
                if code == "bad_resume" {
                    someone.id = None;
                    someone.pending.clear();
                }
            }
            _ => {
                if let Some(reader) = someone.rooms.get_mut(room) {
                    self.judge.on_told(reader, event);
                }
            }
        }
    }

    fn fail(&mut self, plan: &Plan) {
        if let Some(steps) = self.well_in {
            self.well_in = steps.checked_sub(1);
            if steps == 0 {
                self.heal();
            }
        }
        if self.random.chance(plan.cuts) {
            self.cluster.redis.cut_one();
        }
        if self.random.chance(plan.stalls) {
            self.cluster.redis.stall_one();
        }
        if self.random.chance(plan.lost) {
            let count = self.random.between(1, 4);
            self.cluster.redis.lose_messages(count);
        }
        if self.random.chance(plan.restarts) {
            self.cluster.redis.start(Kept::All);
        }
        if self.random.chance(plan.losses) {
            self.judge.may_lose = true;
            let kept = self.random.pick(&[Kept::Nothing, Kept::Saved]);
            self.judge.may_fork |= kept == Kept::Saved;
            self.cluster.redis.start(kept);
        }
        if self.random.chance(100) {
            self.cluster.redis.save();
        }
        if self.well_in.is_none() && self.random.chance(plan.outages) {
            match self.random.below(4) {
                0 => self.cluster.redis.pause(),
                1 => self.cluster.redis.load(),
                2 => self.cluster.redis.demote(),
                _ => self.cluster.redis.stop(),
            }
            self.well_in = Some(self.random.between(1, 60));
        }
        if self.random.chance(plan.deaths) {
            self.kill();
        }
        if self.random.chance(plan.holds) {
            let node = self.random.below(self.cluster.nodes());
            self.cluster.hold(node);
        }
    }

    fn heal(&mut self) {
        self.well_in = None;
        self.cluster.redis.heal();
    }

    fn kill(&mut self) {
        let node = self.random.below(self.cluster.nodes());
        self.read_all();
        self.cluster.kill(node);
        for someone in &mut self.people {
            if someone.place.is_some_and(|(at, _)| at == node) {
                someone.lose();
            }
        }
    }

    /// Nothing goes wrong any more. Everybody who is there is to know all, and every node has what Redis has.
    fn come_to_rest(&mut self) {
        self.heal();
        self.cluster.redis.lose_messages(0);
        for _ in 0..REST_MS / 100 {
            self.cluster.tick(100);
            self.read_all();
        }
        self.check_what_nodes_have();
        for someone in &self.people {
            for (room, reader) in &someone.rooms {
                assert!(!reader.is_paused, "{room} is not resumed");
                let there = self.cluster.redis.position(room);
                let (epoch, offset) = there.unwrap_or_default();
                let at = (reader.at.epoch.as_str(), reader.at.offset);
                assert_eq!(
                    at,
                    (epoch.as_str(), offset),
                    "a reader in {room} at {:?}",
                    someone.place
                );
            }
        }
        self.judge.check_end();
    }

    /// A stranger at each node is told the same of each room, and it is what is in Redis.
    fn check_what_nodes_have(&mut self) {
        let places: Vec<Place> = (0..self.cluster.nodes())
            .map(|it| self.cluster.come(it))
            .collect();
        for room in (0..ROOMS).map(|room| format!("room-{room}")) {
            let command = json!({"type": "join", "room": room, "last": 1000, "id": "look"});
            for place in &places {
                self.cluster.say(*place, &command);
            }
            self.cluster.pass(2_000);
            let told = places.iter().map(|place| {
                let events = self.cluster.read(*place);
                let joined = events
                    .iter()
                    .find(|it| it["id"] == "look" && it["type"] == "joined");
                let joined = joined.unwrap_or_else(|| panic!("{room} at {place:?}: {events:?}"));
                self.judge.on_joined(None, joined);
                let parts = ["epoch", "offset", "messages", "retained"];
                parts.map(|part| joined[part].clone())
            });
            let told: Vec<[Value; 4]> = told.collect();
            for (node, other) in told.iter().enumerate() {
                let [epoch, offset, ..] = other;
                assert!(
                    told[0] == *other,
                    "nodes differ in {room}: node 0 is at {} of {}, node {node} at {offset} of {epoch}, Redis at {:?}",
                    told[0][1],
                    told[0][0],
                    self.cluster.redis.position(&room)
                );
            }
            self.check_with_redis(&room, &told[0]);
        }
    }

    fn check_with_redis(&self, room: &str, [epoch, offset, messages, retained]: &[Value; 4]) {
        let redis = &self.cluster.redis;
        let there = redis.position(room).expect("somebody is in it");
        assert_eq!(
            (epoch, offset),
            (&json!(there.0), &json!(there.1)),
            "{room}"
        );
        let offsets = |list: &Value| {
            let list = list.as_array().expect("a list").iter();
            list.map(|it| it["offset"].as_u64().expect("an offset"))
                .collect::<BTreeSet<u64>>()
        };
        assert_eq!(offsets(messages), redis.log(room), "the log of {room}");
        let keys = retained.as_array().expect("a list").iter();
        let keys: BTreeSet<String> = keys
            .map(|it| it["key"].as_str().expect("a key").to_owned())
            .collect();
        assert_eq!(keys, redis.state_keys(room), "the state of {room}");
    }
}

impl Someone {
    /// They are in a room no more, and may come back to where they were.
    fn forget(&mut self, room: &str) {
        if let Some(reader) = self.rooms.remove(room) {
            self.left.insert(room.to_owned(), reader.at);
        }
    }

    /// The connection is gone.
    fn lose(&mut self) {
        for (room, reader) in std::mem::take(&mut self.rooms) {
            self.left.insert(room, reader.at);
        }
        self.place = None;
        self.is_known = false;
        self.since.clear();
    }
}

fn seeds() -> std::ops::Range<u64> {
    let only = std::env::var("SEED").ok().and_then(|it| it.parse().ok());
    let count = std::env::var("SEEDS").ok().and_then(|it| it.parse().ok());
    match only {
        Some(seed) => seed..seed + 1,
        None => 0..count.unwrap_or(SEEDS),
    }
}

#[test]
fn nodes_on_one_redis_tell_one_story() {
    let (mut told, mut gaps, mut recovered, mut paused, mut handovers) = (0, 0, 0, 0, 0);
    for seed in seeds() {
        let plan = Plan::new(seed);
        let mut chaos = Chaos::new(seed, &plan);
        crate::catch(|| {
            chaos.run(&plan);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("SEED={seed}, {plan:?}: {error}"));
        told += chaos.judge.told;
        gaps += chaos.judge.gaps;
        recovered += chaos.judge.recovered;
        paused += chaos.judge.paused;
        handovers += chaos.cluster.handovers;
    }
    println!(
        "told {told}, gaps {gaps}, recovered {recovered}, paused {paused}, handovers {handovers}"
    );
    assert!(told > 0 && recovered > 0, "the runs show nothing");
}
