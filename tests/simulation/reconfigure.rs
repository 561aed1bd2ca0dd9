//! Limits that change at random, while guests say what they like: the invariants hold, whatever held before, and no tick is
//! long.

use std::net::Ipv4Addr;

use parlor::limits::TICK;
use parlor::settings::{Limits, Overflow, RoomRule};

use crate::hall::{GuestId, Hall};
use crate::random::Random;
use crate::reader::Seen;
use crate::units;
use crate::world::longest_piece;

const ROOMS: usize = 4;
const GUESTS: usize = 6;
const STEPS: usize = 300;

const TEXT: u8 = 1;

struct World {
    hall: Hall,
    random: Random,
    guests: Vec<GuestId>,
    /// Units that a piece of work may take: the largest limits that have held decide.
    most: u64,
}

fn random_limits(random: &mut Random) -> Limits {
    let seconds = |text: &str| text.parse().expect("these are seconds");
    let network = "192.0.2.0/30".parse().expect("this is a network");
    let mut limits = Limits {
        max_connections: random.pick(&[3, 100]),
        max_message: random.pick(&[50, 300, 5_000]),
        max_queue: random.pick(&[2_000, 20_000, 1 << 20]),
        max_memory: random.pick(&[20_000, 200_000, 1 << 28]),
        max_per_address: random.pick(&[0, 1, 10]),
        max_rooms: random.between(1, 2 * ROOMS),
        max_joined: random.pick(&[1, 100]),
        rate: random.pick(&[0, 0, 5, 100]),
        history: random.pick(&[0, 1, 10, 1_000]),
        history_bytes: random.pick(&[500, 5_000, 1 << 20]),
        history_time: seconds(random.pick(&["0", "0.01", "5"])),
        history_memory: random.pick(&[2_000, 20_000, 1 << 28]),
        max_keys: random.pick(&[1, 3, 1_000]),
        deflate_min: random.pick(&[None, Some(0)]),
        no_deflate: random.chance(300),
        handshake_timeout: seconds(random.pick(&["0.05", "10"])),
        ping_interval: seconds("0"),
        trusted_proxy: [vec![], vec![network]][random.below(2)].clone(),
        ..Limits::default()
    };
    for _ in 0..random.below(3) {
        let mut rule = RoomRule::new(random.pick(&["room-*", "room-1", "*"]));
        rule.history = random.pick(&[None, Some(0), Some(5)]);
        rule.max_keys = random.pick(&[None, Some(2)]);
        rule.overflow = random.pick(&[None, Some(Overflow::Latest), Some(Overflow::Close)]);
        limits.rooms.push(rule);
    }
    limits
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            hall: Hall::new(&["--ping-interval", "0"]),
            random: Random::new(seed, 37),
            guests: Vec::new(),
            most: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0 => self.reconfigure(),
            1 => self.come(),
            2 => {
                let most = self.random.below(5_000);
                self.read(most);
            }
            3 => self.leave(),
            _ => self.say(),
        }
        self.hall.whole_tick(TICK);
        self.check();
    }

    fn check(&self) {
        let checked = self.hall.server.check_budget(self.most);
        checked.unwrap_or_else(|error| panic!("{error}"));
    }

    fn reconfigure(&mut self) {
        let limits = random_limits(&mut self.random);
        self.most = self.most.max(longest_piece(&limits));
        // Another server may take over with them.
        if self.random.chance(500) && self.hall.server.is_quiet() {
            let taken = self.hall.hand_over(limits, |_| true);
            taken.expect("it is taken over");
        } else {
            self.hall.server.reconfigure(limits, Vec::new());
        }
        self.hall
            .server
            .check_invariants()
            .expect("an invariant, at once");
    }

    /// Someone comes to a plain door, with a small window perhaps, or to the JSON door.
    fn come(&mut self) {
        if self.guests.len() >= GUESTS {
            return;
        }
        let host = self.random.between(1, 6) as u8;
        let capacity = self.random.pick(&[1_000, usize::MAX]);
        let peer = Ipv4Addr::new(192, 0, 2, host).into();
        let Some(guest) = self.hall.connect_from(peer, capacity) else {
            return;
        };
        let request = match self.random.below(2) {
            0 => units::upgrade(self.random.below(ROOMS)),
            _ => units::json_upgrade("/ws"),
        };
        self.hall.send(guest, &request);
        self.guests.push(guest);
    }

    fn leave(&mut self) {
        if !self.guests.is_empty() {
            let place = self.random.below(self.guests.len());
            let guest = self.guests.swap_remove(place);
            self.hall.end(guest);
        }
    }

    /// Says something as it is understood at the plain door and at the JSON door.
    fn say(&mut self) {
        if self.guests.is_empty() {
            return;
        }
        let guest = self.guests[self.random.below(self.guests.len())];
        let room = self.random.below(ROOMS);
        let body = "x".repeat(self.random.pick(&[1, 40, 250, 2_000]));
        let text = match self.random.below(4) {
            0 => format!("{{\"type\":\"join\",\"room\":\"room-{room}\",\"last\":300}}"),
            1 => format!("{{\"type\":\"publish\",\"room\":\"room-{room}\",\"data\":\"{body}\"}}"),
            _ => format!(
                "{{\"type\":\"publish\",\"room\":\"room-{room}\",\"data\":\"{body}\",\"key\":\"k{}\",\"retain\":true}}",
                self.random.below(6)
            ),
        };
        self.hall.say(guest, TEXT, text.as_bytes());
    }

    fn read(&mut self, most: usize) {
        for &guest in &self.guests {
            self.hall.sip(guest, most);
        }
    }

    /// Ticks until there is no more work.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            for &guest in &self.guests {
                self.hall.discard(&[guest]);
            }
            self.hall.whole_tick(TICK);
            self.check();
            if !self.hall.server.has_work() {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

#[test]
fn limits_change_while_guests_are_here() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.most = longest_piece(&Limits::default());
        for _ in 0..STEPS {
            world.step();
        }
        world.rest();
    }
}

/// A room of many messages forgets them over as many ticks as that takes, and whoever talks meanwhile is heard.
#[test]
fn who_talks_is_heard_while_rooms_forget() {
    let mut hall = Hall::new(&["--rate", "0", "--ping-interval", "0"]);
    let (speaker, listener) = (hall.enter(0), hall.enter(0));
    let poster = hall.connect(usize::MAX);
    for room in 1..20 {
        for _ in 0..200 {
            let body = "x".repeat(100);
            let request = format!(
                "POST /rooms/room-{room} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            assert_eq!(hall.ask(poster, request.as_bytes()), 200);
        }
    }
    let limits = Limits {
        max_connections: 100,
        history: 1,
        ..Limits::default()
    };
    hall.server.reconfigure(limits, Vec::new());
    hall.say(speaker, TEXT, b"hello");
    let mut heard_at = None;
    for tick in 1..1_000 {
        hall.whole_tick(TICK / 20);
        let seen = hall.read(listener);
        let is_heard = seen.iter().any(|seen| matches!(seen, Seen::Message { .. }));
        heard_at = heard_at.or(is_heard.then_some(tick));
        if !hall.server.has_work() {
            assert!(tick > 3, "the rooms forget all at once");
            assert_eq!(heard_at, Some(1));
            return;
        }
    }
    panic!("it does not come to rest");
}
