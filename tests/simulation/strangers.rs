//! Strangers who fill whatever can be filled, at random, and somebody with little: a model of what that one has must
//! hold, whatever the others do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::hall::{GuestId, Hall};
use crate::random::Random;
use crate::reader::Seen;

const STRANGERS: usize = 3;
const ROOMS: usize = 24;
const STEPS: usize = 260;

/// Rooms of the quiet one: within a quarter of all there may be.
const OWN_ROOMS: usize = 5;

struct World {
    hall: Hall,
    random: Random,
    strangers: Vec<GuestId>,
    quiet: GuestId,
    witness: GuestId,
    /// What the quiet one has retained, by room and key, and how often it has said something in each room.
    state: BTreeMap<(usize, usize), String>,
    said: BTreeMap<usize, usize>,
    refused: usize,
    taken: usize,
}

fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, host).into()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut hall = Hall::new(&[
            "--rate",
            "0",
            "--max-rooms",
            &ROOMS.to_string(),
            "--max-keys",
            "8",
            "--history-memory",
            "1048576",
            "--history-bytes",
            "200000",
            "--handshake-timeout",
            "0",
            "--ping-interval",
            "0",
        ]);
        let mut come = |host| hall.connect_from(address(host), usize::MAX).unwrap();
        let strangers = (0..STRANGERS).map(|n| come(10 + n as u8)).collect();
        let (quiet, witness) = (come(1), come(2));
        hall.enter_json(witness);
        hall.read(witness);
        Self {
            hall,
            random: Random::new(seed, 31),
            strangers,
            quiet,
            witness,
            state: BTreeMap::new(),
            said: BTreeMap::new(),
            refused: 0,
            taken: 0,
        }
    }

    fn post(&mut self, guest: GuestId, target: &str, body: &str) -> u16 {
        let request = format!(
            "POST /rooms/{target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.hall.send(guest, request.as_bytes());
        for _ in 0..10 {
            self.hall.tick(u64::MAX);
            if let Some(Seen::Response { status, .. }) = self.hall.read(guest).first() {
                return *status;
            }
        }
        panic!("a POST is not answered");
    }

    /// A stranger says or retains something, small or large, in a room of their own or in one of the quiet one's.
    fn flood(&mut self) {
        let place = self.random.below(STRANGERS);
        let guest = self.strangers[place];
        let length = self.random.pick(&[1, 100, 5_000, 30_000]);
        let number = self.random.below(60);
        let target = match self.random.below(10) {
            0 => format!(
                "quiet-{}?key=stranger-{number}&retain",
                self.random.below(OWN_ROOMS)
            ),
            1..=3 => format!("flood-{place}-{number}"),
            _ => format!("flood-{place}-{number}?key=k{}&retain", number % 12),
        };
        let status = self.post(guest, &target, &"x".repeat(length));
        match status {
            200 => self.taken += 1,
            503 | 507 => self.refused += 1,
            other => panic!("a stranger is answered with {other}"),
        }
    }

    /// The quiet one sets something, which is taken whatever the others have filled.
    fn set(&mut self) {
        let room = self.random.below(OWN_ROOMS);
        let key = self.random.below(2);
        let value = format!("v{}", self.random.below(1_000));
        let status = self.post(
            self.quiet,
            &format!("quiet-{room}?key=own-{key}&retain"),
            &value,
        );
        assert_eq!(status, 200, "the quiet one is refused in room {room}");
        self.state.insert((room, key), value);
        *self.said.entry(room).or_default() += 1;
    }

    /// What a newcomer finds is all that the quiet one has set.
    fn check(&mut self) {
        for room in 0..OWN_ROOMS {
            let join = format!("{{\"type\":\"join\",\"room\":\"quiet-{room}\",\"last\":300}}");
            let leave = format!("{{\"type\":\"leave\",\"room\":\"quiet-{room}\"}}");
            if !self.said.contains_key(&room) {
                continue;
            }
            self.hall.say(self.witness, 1, join.as_bytes());
            self.hall.tick(u64::MAX);
            self.hall.say(self.witness, 1, leave.as_bytes());
            self.hall.tick(u64::MAX);
            let joined = self.joined();
            for key in 0..2 {
                let found = joined["retained"].as_array().unwrap().iter();
                let mut found = found.filter(|it| it["key"] == format!("own-{key}"));
                let found = found.next().and_then(|it| it["data"].as_str());
                let expected = self.state.get(&(room, key)).map(String::as_str);
                assert_eq!(found, expected, "room {room}, key {key}");
            }
        }
    }

    fn joined(&mut self) -> Value {
        let seen = self.hall.read(self.witness).into_iter();
        let mut events = seen.filter_map(|seen| match seen {
            Seen::Message { payload, .. } => serde_json::from_slice::<Value>(&payload).ok(),
            _ => None,
        });
        let joined = events.find(|event| event["type"] == "joined");
        joined.expect("the witness comes in")
    }
}

#[test]
fn strangers_take_nothing_that_somebody_has_within_a_share() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..12 {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            match world.random.below(12) {
                0 => world.set(),
                _ => world.flood(),
            }
        }
        world.check();
        refused += world.refused;
        taken += world.taken;
    }
    assert!(
        refused > 100 && taken > 500,
        "{refused} refused, {taken} taken"
    );
}
