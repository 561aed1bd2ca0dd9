//! Servers that end at any moment, one after another on the same store, and people who come back to each: what was
//! acknowledged is there, nothing is published twice, and nobody misses anything.

use std::collections::BTreeMap;

use parlor::core::store::Durability;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::store::{Habit, LateStore};

const ROOMS: [&str; 2] = ["tea", "plant"];
const PEOPLE: usize = 4;
const LIVES: usize = 4;
/// A small cache, so that most of what is missed comes from the store.
const FLAGS: [&str; 6] = ["--history", "3", "--ping-interval", "0", "--rate", "0"];

/// Where somebody is in a room.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    epoch: String,
    offset: u64,
}

/// Somebody who comes back to every server.
#[derive(Default)]
struct Guest {
    connection: GuestId,
    name: String,
    resume: Option<String>,
    public_id: Option<String>,
    rooms: BTreeMap<&'static str, Place>,
    /// What it has said, by its own ids: in which room, what, and at which offset if it knows.
    said: Vec<(&'static str, String, Option<u64>)>,
}

struct Run {
    hall: Hall,
    store: LateStore,
    random: Random,
    guests: Vec<Guest>,
    /// What was seen at each offset of a room.
    seen: BTreeMap<(String, u64), String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0x4e57);
        let habit = Habit {
            refused: random.pick(&[0, 0, 30]),
            late_ms: random.pick(&[0, 20, 200]),
            is_dead: false,
        };
        let guests = (0..PEOPLE).map(|number| Guest {
            name: format!("person{number}"),
            ..Guest::default()
        });
        Self {
            hall: hall(seed),
            store: LateStore::new(habit, Random::new(seed, 0x5704e)),
            guests: guests.collect(),
            seen: BTreeMap::new(),
            random,
        }
    }

    fn run(&mut self, seed: u64) {
        for life in 0..LIVES {
            for guest in &mut self.guests {
                guest.connection = self.hall.connect(usize::MAX);
            }
            for guest in 0..PEOPLE {
                self.come(guest);
            }
            for _ in 0..self.random.between(5, 40) {
                let guest = self.random.below(PEOPLE);
                for _ in 0..self.random.below(4) {
                    self.say(guest);
                }
                self.tick();
            }
            if life + 1 < LIVES {
                self.crash(seed + 1000 * (life as u64 + 1));
            }
        }
        self.settle();
        self.check();
    }

    /// The server is gone; another begins on the same store.
    fn crash(&mut self, seed: u64) {
        self.store.crash();
        let now = self.hall.now;
        self.hall = hall(seed);
        self.hall.now.unix_ms = now.unix_ms + 1000;
        self.store.restore(&mut self.hall.server, self.hall.now);
    }

    /// Somebody comes back, to the rooms that they were in and from where they were.
    fn come(&mut self, guest: usize) {
        let it = &self.guests[guest];
        self.hall.enter_json(it.connection);
        let login = match &it.resume {
            Some(resume) => json!({"type": "login", "resume": resume}),
            None => json!({"type": "login", "name": it.name}),
        };
        self.command(guest, &login);
        for room in ROOMS {
            let it = &self.guests[guest];
            let since = it
                .rooms
                .get(room)
                .map(|place| json!({"epoch": place.epoch, "offset": place.offset}));
            let mut join = json!({"type": "join", "room": room});
            if let Some(since) = since {
                join["since"] = since;
            }
            self.command(guest, &join);
        }
        // Who does not know whether it was published sends it again.
        let again: Vec<usize> = (0..self.guests[guest].said.len())
            .filter(|id| self.guests[guest].said[*id].2.is_none())
            .collect();
        for id in again {
            self.publish(guest, id);
        }
        self.tick();
    }

    fn say(&mut self, guest: usize) {
        let room = self.random.pick(&ROOMS);
        let id = self.guests[guest].said.len();
        let data = format!("{guest}-{id}");
        self.guests[guest].said.push((room, data, None));
        self.publish(guest, id);
    }

    fn publish(&mut self, guest: usize, id: usize) {
        let (room, data, _) = self.guests[guest].said[id].clone();
        let dedup = format!("{guest}.{id}");
        let publish =
            json!({"type": "publish", "room": room, "data": data, "dedup": dedup, "id": id});
        self.command(guest, &publish);
    }

    fn command(&mut self, guest: usize, command: &Value) {
        let connection = self.guests[guest].connection;
        self.hall.say(connection, 1, command.to_string().as_bytes());
    }

    fn tick(&mut self) {
        self.hall.tick(u64::MAX);
        let now = self.hall.now;
        self.store.take(&mut self.hall.server, now);
        self.store.answer(&mut self.hall.server, now);
        for guest in 0..PEOPLE {
            for seen in self.hall.read(self.guests[guest].connection) {
                if let Seen::Message { payload, .. } = seen {
                    self.on_event(guest, &serde_json::from_slice(&payload).unwrap());
                }
            }
        }
    }

    /// All that is on its way arrives, and what was refused is sent again.
    fn settle(&mut self) {
        for _ in 0..40 {
            for guest in 0..PEOPLE {
                for id in 0..self.guests[guest].said.len() {
                    if self.guests[guest].said[id].2.is_none() && self.random.chance(300) {
                        self.publish(guest, id);
                    }
                }
            }
            for _ in 0..30 {
                self.tick();
            }
        }
    }

    fn on_event(&mut self, guest: usize, event: &Value) {
        match event["type"].as_str().unwrap() {
            "welcome" => self.on_welcome(guest, event),
            "joined" => self.on_joined(guest, event),
            "message" => self.on_message(guest, event),
            "ok" => {
                if let (Some(id), Some(offset)) = (event["id"].as_u64(), event["offset"].as_u64()) {
                    let said = &mut self.guests[guest].said[id as usize].2;
                    assert!(said.is_none_or(|said| said == offset), "{event}");
                    *said = Some(offset);
                }
            }
            "error" => assert_eq!(event["code"], "unavailable", "{event}"),
            _ => {}
        }
    }

    fn on_welcome(&mut self, guest: usize, event: &Value) {
        let it = &mut self.guests[guest];
        if event["you"]["name"] != it.name {
            // The first welcome of a connection is that of a guest.
            return;
        }
        let public_id = event["you"]["id"].as_str().unwrap().to_owned();
        assert!(it.public_id.as_ref().is_none_or(|id| *id == public_id));
        it.public_id = Some(public_id);
        it.resume = Some(event["resume"].as_str().unwrap().to_owned());
    }

    fn on_joined(&mut self, guest: usize, event: &Value) {
        let room = ROOMS
            .into_iter()
            .find(|room| event["room"] == *room)
            .unwrap();
        let place = Place {
            epoch: event["epoch"].as_str().unwrap().to_owned(),
            offset: event["offset"].as_u64().unwrap(),
        };
        if let Some(before) = self.guests[guest].rooms.get(room).cloned() {
            // Where nothing was ever kept the room may have begun anew.
            if before.offset > 0 {
                assert_eq!(event["recovered"], true, "{event}");
                assert_eq!(before.epoch, place.epoch);
            }
        } else {
            let from = Place {
                offset: place.offset,
                ..place.clone()
            };
            self.guests[guest].rooms.insert(room, from);
        }
        for message in event["messages"].as_array().unwrap() {
            self.on_message(guest, message);
        }
        assert_eq!(
            self.guests[guest].rooms[room].offset, place.offset,
            "{event}"
        );
        self.guests[guest].rooms.insert(room, place);
    }

    fn on_message(&mut self, guest: usize, message: &Value) {
        let name = message["room"].as_str().unwrap();
        let (offset, data) = (
            message["offset"].as_u64().unwrap(),
            message["data"].as_str(),
        );
        let place = self.guests[guest].rooms.get_mut(name).unwrap();
        assert_eq!(offset, place.offset + 1, "a hole or a repeat: {message}");
        place.offset = offset;
        let before = self
            .seen
            .insert((name.to_owned(), offset), data.unwrap().to_owned());
        assert!(
            before.is_none_or(|before| Some(&*before) == data),
            "an offset is used twice"
        );
    }

    fn check(&self) {
        for room in ROOMS {
            let stored = self.store.bodies_of(room);
            for (guest, it) in self.guests.iter().enumerate() {
                let newest = it.rooms.get(room).map_or(0, |place| place.offset);
                assert_eq!(newest, stored.len() as u64, "somebody is behind in {room}");
                for (_, data, offset) in it.said.iter().filter(|(said, ..)| *said == room) {
                    let offset = offset.unwrap_or_else(|| panic!("{data} was never accepted"));
                    let at = |it: &(usize, &Vec<u8>)| it.1 == data.as_bytes();
                    let places: Vec<usize> = stored
                        .iter()
                        .enumerate()
                        .filter(at)
                        .map(|(place, _)| place)
                        .collect();
                    assert_eq!(places, [offset as usize - 1], "{data} of {guest}");
                }
            }
        }
    }
}

fn hall(seed: u64) -> Hall {
    let mut hall = Hall::seeded(seed_bytes(seed), &FLAGS);
    hall.server.use_store(Durability::Disk);
    hall
}

#[test]
fn what_is_acknowledged_outlives_every_server() {
    for seed in 0..150 {
        let run = std::panic::catch_unwind(|| Run::new(seed).run(seed));
        if let Err(panic) = run {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
