//! Those who follow patterns of rooms at one node, and rooms that begin at others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::random::Random;
use crate::redis_model::Kept;
use crate::redis_nodes::cluster::{Cluster, Place};

/// Messages of each room.
const SAID: u64 = 3;

/// Rooms that begin at once: one may be in a hundred.
const ROOMS: usize = 90;

/// Seeds of the short form; `SEEDS` says how many there are in a longer one.
const SEEDS: u64 = 4;

/// Milliseconds until all is as it was.
const REST_MS: u64 = 45_000;

/// Somebody who follows a pattern, and the offsets that they were told in each room.
struct Follower {
    place: Place,
    told: BTreeMap<String, Vec<u64>>,
    is_heard: bool,
}

impl Follower {
    fn new(cluster: &mut Cluster, node: usize, pattern: &str) -> Self {
        let place = cluster.come(node);
        cluster.say(
            place,
            &json!({"type": "join", "room": pattern, "id": "followed"}),
        );
        Self {
            place,
            told: BTreeMap::new(),
            is_heard: false,
        }
    }

    fn read(&mut self, cluster: &mut Cluster) {
        for event in cluster.read(self.place) {
            self.note(&event);
        }
    }

    fn note(&mut self, event: &Value) {
        let room = event["room"].as_str().unwrap_or_default().to_owned();
        let offset = |message: &Value| message["offset"].as_u64().expect("an offset");
        match event["type"].as_str().expect("a type") {
            "ok" => self.is_heard = true,
            "joined" => {
                let messages = event["messages"].as_array().expect("messages");
                // A room that was read anew is told again, with what was missed.
                let told = self.told.entry(room).or_default();
                let last = told.last().copied().unwrap_or(0);
                told.extend(messages.iter().map(offset).filter(|it| *it > last));
            }
            "message" => {
                let told = self.told.get_mut(&room);
                told.expect("a room that it is in").push(offset(event));
            }
            "gap" | "error" => panic!("{event}"),
            _ => {}
        }
    }

    /// It was told all that was said in rooms that have begun since it follows, once and in order.
    fn check(&self, rooms: impl Iterator<Item = String>) {
        let all: Vec<u64> = (1..=SAID).collect();
        for room in rooms {
            assert_eq!(self.told.get(&room), Some(&all), "{room}");
        }
    }
}

/// Somebody who says something in rooms that begin with it, again until it is taken.
struct Beginner {
    place: Place,
    pending: BTreeMap<String, Value>,
}

impl Beginner {
    fn new(cluster: &mut Cluster, node: usize) -> Self {
        Self {
            place: cluster.come(node),
            pending: BTreeMap::new(),
        }
    }

    fn say(&mut self, cluster: &mut Cluster, room: &str, number: u64) {
        let id = format!("{room} {number}");
        let command =
            json!({"type": "publish", "room": room, "data": number, "id": id, "dedup": id});
        cluster.say(self.place, &command);
        self.pending.insert(id, command);
    }

    fn read(&mut self, cluster: &mut Cluster) {
        for event in cluster.read(self.place) {
            match (event["type"].as_str(), event["id"].as_str()) {
                (Some("ok"), Some(id)) => drop(self.pending.remove(id)),
                (Some("error"), Some(id)) => {
                    assert!(
                        event["code"] == "unavailable" || event["code"] == "busy",
                        "{event}"
                    );
                    if let Some(command) = self.pending.get(id) {
                        cluster.say(self.place, command);
                    }
                }
                _ => {}
            }
        }
    }
}

fn follow_all(cluster: &mut Cluster, followers: &mut [Follower]) {
    while !followers.iter().all(|it| it.is_heard) {
        cluster.tick(20);
        followers.iter_mut().for_each(|it| it.read(cluster));
    }
}

#[test]
fn who_follows_a_pattern_hears_rooms_that_begin_at_any_node_from_their_first_message() {
    let mut cluster = Cluster::new(5, 3, 0);
    cluster.pass(1_000);
    let mut beginners = [1, 2].map(|node| Beginner::new(&mut cluster, node));
    beginners[0].say(&mut cluster, "plant-there", 0);
    cluster.pass(2_000);
    let mut followers = [0, 0, 1].map(|node| Follower::new(&mut cluster, node, "plant-*"));
    follow_all(&mut cluster, &mut followers);
    // At once, when the command is answered.
    for number in 0..ROOMS {
        let room = format!("plant-{number}");
        for said in 1..=SAID {
            beginners[number % 2].say(&mut cluster, &room, said);
        }
        if number % 20 == 0 {
            cluster.tick(20);
        }
    }
    beginners[0].say(&mut cluster, "tea", 1);
    while !beginners.iter().all(|it| it.pending.is_empty()) {
        cluster.tick(20);
        beginners.iter_mut().for_each(|it| it.read(&mut cluster));
    }
    // They come into one room after the other, and Redis is far away here.
    cluster.pass(30_000);
    for follower in &mut followers {
        follower.read(&mut cluster);
        follower.check((0..ROOMS).map(|it| format!("plant-{it}")));
        assert_eq!(follower.told["plant-there"], [0; 0], "it was there before");
        assert_eq!(follower.told.len(), ROOMS + 1, "the rest is not theirs");
    }
    // Nobody follows any more: nodes stop to listen after a while, and hear again when somebody comes.
    for follower in &followers {
        cluster.say(
            follower.place,
            &json!({"type": "leave", "room": "plant-*", "id": "left"}),
        );
    }
    cluster.pass(20_000);
    let mut later = [Follower::new(&mut cluster, 2, "plant-2*")];
    follow_all(&mut cluster, &mut later);
    beginners[0].say(&mut cluster, "plant-2-later", 1);
    cluster.pass(5_000);
    later[0].read(&mut cluster);
    assert_eq!(later[0].told["plant-2-later"], [1]);
}

#[test]
fn it_is_so_whatever_goes_wrong_between_nodes_and_redis() {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |it| it.parse().expect("a number"));
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..seeds).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        println!("SEED={seed}");
        run(seed);
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed, 0x70_61_74);
    let wait_ms = random.pick(&[0, 5_000]);
    let mut cluster = Cluster::new(seed, 3, wait_ms);
    cluster.pass(1_000);
    let mut beginners = [0, 1, 2].map(|node| Beginner::new(&mut cluster, node));
    let mut followers = [0, 1].map(|node| Follower::new(&mut cluster, node, "plant-*"));
    follow_all(&mut cluster, &mut followers);
    let (mut rooms, mut well_in) = (BTreeSet::new(), 0);
    for step in 0..120 {
        if random.chance(500) {
            let room = format!("plant-{step}");
            let beginner = random.pick(&[0, 1, 2]);
            for said in 1..=SAID {
                beginners[beginner].say(&mut cluster, &room, said);
            }
            rooms.insert(room);
        }
        match random.below(40) {
            0..=2 => cluster.redis.cut_one(),
            3 => cluster.redis.stall_one(),
            4..=6 => cluster.redis.lose_messages(random.between(1, 6)),
            7 => cluster.redis.start(Kept::All),
            // Another server takes over, with those who follow.
            8 | 9 => cluster.hold(random.below(3)),
            10 if well_in == 0 => {
                cluster.redis.stop();
                well_in = random.between(1, 40);
            }
            _ => {}
        }
        if well_in > 0 {
            well_in -= 1;
            if well_in == 0 {
                cluster.redis.heal();
            }
        }
        cluster.tick(random.pick(&[20, 20, 100, 300]));
        beginners.iter_mut().for_each(|it| it.read(&mut cluster));
        followers.iter_mut().for_each(|it| it.read(&mut cluster));
    }
    cluster.redis.heal();
    for _ in 0..REST_MS / 100 {
        cluster.tick(100);
        beginners.iter_mut().for_each(|it| it.read(&mut cluster));
        followers.iter_mut().for_each(|it| it.read(&mut cluster));
    }
    for beginner in &beginners {
        assert!(beginner.pending.is_empty(), "{:?}", beginner.pending.keys());
    }
    for follower in &followers {
        follower.check(rooms.iter().cloned());
    }
}
