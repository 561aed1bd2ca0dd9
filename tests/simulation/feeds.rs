//! Readers of several rooms in one stream, who are cut off anywhere and come back with the last id, beside a store that is late,
//! and while one server takes over from another: each is told all of every room that it wants, in order.

use std::collections::{BTreeMap, BTreeSet};

use parlor::core::Server;
use parlor::core::site::Site;
use parlor::core::store::Durability;
use parlor::settings::Limits;
use serde_json::Value;

use crate::hall::{GuestId, Hall};
use crate::random::{Random, seed_bytes};
use crate::store::{Habit, LateStore};

const ROOMS: [&str; 4] = ["plant-1", "plant-2", "plant-3", "other"];
const KEYS: [&str; 3] = ["", "boiler.temp", "pump"];
const FLAGS: [&str; 8] = [
    "--history",
    "4",
    "--ping-interval",
    "0",
    "--rate",
    "0",
    "--max-connections",
    "10000",
];

/// What a reader asks for, and which rooms and keys that is.
const TARGETS: [(&str, &[&str], &[&str]); 4] = [
    ("room=plant-*", &["plant-1", "plant-2", "plant-3"], &KEYS),
    ("room=plant-1&room=other", &["plant-1", "other"], &KEYS),
    ("room=*&keys=boiler.*", &ROOMS, &["boiler.temp"]),
    ("room=plant-?&room=other&keys=p*,nothing", &ROOMS, &["pump"]),
];

/// A message as the room has it: its key and its number.
type Said = (&'static str, u64);

#[derive(Default)]
struct Reader {
    target: usize,
    connection: Option<GuestId>,
    /// What has come and is not taken apart.
    bytes: Vec<u8>,
    last_id: String,
    /// Of each room, the offsets that it has been told since its last `joined` that was not `recovered`; and where that was.
    rooms: BTreeMap<String, Place>,
    /// How often it came back to a room and had missed nothing.
    recoveries: usize,
    /// The epochs of the rooms in which it has ever said where it was: nothing of those is lost where there is a store.
    came_with: BTreeSet<String>,
    has_store: bool,
    /// The store is too slow: it has to come again.
    is_refused: bool,
    /// The state of a room's keys is coming.
    is_in_state: Option<String>,
}

#[derive(Debug, Default)]
struct Place {
    after: u64,
    told: Vec<u64>,
}

struct Run {
    hall: Hall,
    store: Option<LateStore>,
    random: Random,
    sender: GuestId,
    readers: Vec<Reader>,
    /// What was said in each room, by its offsets.
    said: BTreeMap<&'static str, Vec<Said>>,
    number: u64,
    handovers: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0xfeed);
        let mut hall = Hall::seeded(seed_bytes(seed), &FLAGS);
        let has_store = random.chance(500);
        let habit = Habit {
            late_ms: random.pick(&[0, 20]),
            ..Habit::default()
        };
        let store = has_store.then(|| LateStore::new(habit, Random::new(seed, 0x5704e)));
        if has_store {
            hall.server.use_store(Durability::Disk);
        }
        let sender = hall.connect(usize::MAX);
        hall.enter_json(sender);
        let readers = (0..TARGETS.len()).map(|target| Reader {
            target,
            has_store,
            ..Reader::default()
        });
        Self {
            readers: readers.collect(),
            said: BTreeMap::new(),
            number: 0,
            handovers: 0,
            hall,
            store,
            random,
            sender,
        }
    }

    fn tick(&mut self) {
        self.hall.now.ms += 1;
        self.hall.now.unix_ms += 1;
        self.hall.begin_tick();
        if let Some(store) = &mut self.store {
            store.take(&mut self.hall.server, self.hall.now);
            store.answer(&mut self.hall.server, self.hall.now);
        }
        let length = self.random.pick(&[0, 100_000, u64::MAX]);
        self.hall.end_tick(length);
        self.hall.discard(&[self.sender]);
    }

    fn say(&mut self) {
        let (room, key) = (self.random.pick(&ROOMS), self.random.pick(&KEYS));
        self.number += 1;
        let number = self.number;
        let fields = match key {
            "" => String::new(),
            key => format!(r#","key":"{key}","retain":{}"#, self.random.chance(500)),
        };
        let publish = format!(r#"{{"type":"publish","room":"{room}","data":{number}{fields}}}"#);
        self.hall.say(self.sender, 1, publish.as_bytes());
        self.said.entry(room).or_default().push((key, number));
    }

    fn connect(&mut self, reader: usize) {
        let it = &mut self.readers[reader];
        let capacity = self.random.pick(&[usize::MAX, 1 << 10, 100]);
        let connection = self.hall.connect(capacity);
        let target = TARGETS[it.target].0;
        let request = format!(
            "GET /events?{target} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {}\r\n\r\n",
            it.last_id
        );
        self.hall.send(connection, request.as_bytes());
        it.connection = Some(connection);
        it.bytes.clear();
        let epochs = it.last_id.split(',').filter_map(|it| it.split_once('-'));
        it.came_with
            .extend(epochs.map(|(epoch, _)| epoch.to_owned()));
        it.is_in_state = None;
    }

    /// It reads some of what has come, or is cut off.
    fn go_on(&mut self, reader: usize) {
        let Some(connection) = self.readers[reader].connection else {
            return self.connect(reader);
        };
        let most = self.random.pick(&[40, 300, usize::MAX]);
        let bytes = self.hall.sip(connection, most);
        self.readers[reader].take(&bytes, &self.said);
        if std::mem::take(&mut self.readers[reader].is_refused) || self.random.chance(60) {
            self.hall.hang_up(connection);
            self.readers[reader].connection = None;
        }
    }

    fn hand_over(&mut self) {
        self.hall.server.hold();
        for _ in 0..200 {
            self.tick();
            if self.hall.server.is_quiet() {
                let limits = Limits::of_flags(&FLAGS);
                let mut next =
                    Server::new(limits, Vec::new(), Site::new(&[]), [9; 32], self.hall.now);
                if let Some(store) = &self.store {
                    next.use_store(Durability::Disk);
                    store.restore_rooms(&mut next, self.hall.now);
                }
                self.hall
                    .hand_over_to(next, |_| true)
                    .expect("it takes over");
                self.handovers += 1;
                return;
            }
        }
        self.hall.server.release();
    }

    fn run(&mut self) {
        for _ in 0..300 {
            for _ in 0..self.random.below(3) {
                self.say();
            }
            for reader in 0..self.readers.len() {
                if self.random.chance(500) {
                    self.go_on(reader);
                }
            }
            if self.random.chance(10) {
                self.hand_over();
            }
            self.tick();
        }
        // Everyone who is here gets to the end.
        self.hall.widen();
        for reader in 0..self.readers.len() {
            if self.readers[reader].connection.is_none() {
                self.connect(reader);
            }
        }
        for _ in 0..300 {
            self.tick();
            for reader in &mut self.readers {
                let connection = reader.connection.expect("it has connected");
                let bytes = self.hall.sip(connection, usize::MAX);
                reader.take(&bytes, &self.said);
            }
        }
        for reader in &self.readers {
            reader.check_end(&self.said);
        }
    }
}

impl Reader {
    fn take(&mut self, bytes: &[u8], said: &BTreeMap<&'static str, Vec<Said>>) {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = self.bytes.windows(2).position(|it| it == b"\n\n") {
            let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let text = String::from_utf8(event).expect("text");
            self.on_event(&text, said);
        }
    }

    fn on_event(&mut self, text: &str, said: &BTreeMap<&'static str, Vec<Said>>) {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name).map(ToOwned::to_owned))
        };
        let Some(data) = field("data: ") else {
            panic!("{text:?}");
        };
        let data: Value = serde_json::from_str(&data).expect("JSON");
        let id = field("id: ");
        let room = data["room"].as_str().unwrap_or_default().to_owned();
        match field("event: ").as_deref() {
            Some("joined") => {
                let offset = data["offset"].as_u64().expect("an offset");
                let is_recovered = data["recovered"] == true;
                let epoch = data["epoch"].as_str().expect("an epoch");
                let is_known = self.came_with.contains(epoch);
                assert!(is_recovered || !is_known || !self.has_store, "{text}");
                let before = self.rooms.remove(&room);
                let place = match before {
                    Some(place) if is_recovered => {
                        self.recoveries += 1;
                        place
                    }
                    // What it had not been told before may have been told to it with an id alone.
                    _ if is_recovered => panic!("{room}: it was not there before"),
                    _ => Place {
                        after: offset,
                        told: Vec::new(),
                    },
                };
                self.rooms.insert(room.clone(), place);
                self.is_in_state = (id.is_none()).then_some(room);
            }
            Some("position") => {}
            Some("bye")
                if data["reason"]
                    .as_str()
                    .is_some_and(|it| it.contains("cannot be read")) =>
            {
                self.is_refused = true;
            }
            Some(other) => panic!("{other}: {text}"),
            None => {
                let offset = data["offset"].as_u64().expect("an offset");
                let (key, number) = said[&*room][offset as usize - 1];
                assert_eq!(data["data"], number, "{text}");
                let wanted = TARGETS[self.target];
                assert!(
                    wanted.1.contains(&&*room) && wanted.2.contains(&key),
                    "{text}"
                );
                if self.is_in_state.as_ref() == Some(&room) {
                    if id.is_some() {
                        self.is_in_state = None;
                    }
                } else {
                    assert!(id.is_some(), "{text}");
                    let place = self.rooms.get_mut(&room).expect("it is in the room");
                    // What was there before it came may be some of it.
                    if offset > place.after {
                        let last = place.told.last().copied().unwrap_or_default();
                        assert!(offset > last, "{offset} after {last}: {text}");
                        place.told.push(offset);
                    }
                }
            }
        }
        if let Some(id) = id {
            self.last_id = id;
        }
    }

    /// All that came in a room after it was joined, and that it wants, was told.
    fn check_end(&self, said: &BTreeMap<&'static str, Vec<Said>>) {
        let (target, rooms, keys) = TARGETS[self.target];
        for room in rooms {
            let Some(place) = self.rooms.get(*room) else {
                assert!(!said.contains_key(room), "{target}: {room} was not joined");
                continue;
            };
            let said = said.get(room).map_or(&[][..], Vec::as_slice);
            let wanted = (place.after + 1..).zip(said.iter().skip(place.after as usize));
            let wanted = wanted.filter(|(_, (key, _))| keys.contains(key));
            let wanted: Vec<u64> = wanted.map(|(offset, _)| offset).collect();
            assert_eq!(
                place.told, wanted,
                "{target}: {room}, after {}",
                place.after
            );
        }
    }
}

#[test]
fn readers_of_several_rooms_miss_nothing_and_are_told_nothing_twice() {
    let (mut recoveries, mut handovers) = (0, 0);
    for seed in 0..60 {
        let mut run = Run::new(seed);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run()));
        assert!(ran.is_ok(), "seed {seed}");
        recoveries += run.readers.iter().map(|it| it.recoveries).sum::<usize>();
        handovers += run.handovers;
    }
    assert!(
        recoveries > 500 && handovers > 50,
        "{recoveries}, {handovers}"
    );
}
