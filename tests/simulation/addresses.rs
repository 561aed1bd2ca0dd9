//! Guests of a few addresses, who come by themselves and through a proxy, against a model of what each address may.

use std::net::IpAddr;

use parlor::limits::REFUSAL_SLOTS;

use crate::hall::{GuestId, Hall};
use crate::random::Random;
use crate::units;

const PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PROXY: &str = "10.0.0.1";

/// Each of them is another address to the limits; the last two are one.
const ADDRESSES: [&str; 5] = [
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "2001:db8:0:1::1",
    "2001:db8:0:1:ffff::1",
];

/// What an address has done, and has.
#[derive(Clone, Default)]
struct Address {
    connections: usize,
    came: Vec<u64>,
}

struct World {
    hall: Hall,
    random: Random,
    most: usize,
    rate: u64,
    addresses: [Address; 4],
    here: Vec<Here>,
}

/// A connection, and what it is counted for.
struct Here {
    guest: GuestId,
    counts: Counts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    For(usize),
    ForNobody,
    AsRefused,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let most = random.between(1, 4);
        // Of which each has a time in whole milliseconds.
        let rate = random.pick(&[0, 2, 5, 10]);
        let flags = [
            ("--max-per-address", most.to_string()),
            ("--connect-rate", rate.to_string()),
            ("--trusted-proxy", "10.0.0.0/8".to_owned()),
            // Nobody goes by themselves.
            ("--handshake-timeout", "0".to_owned()),
            ("--close-timeout", "0".to_owned()),
            ("--ping-interval", "0".to_owned()),
        ];
        let flags: Vec<&str> = flags
            .iter()
            .flat_map(|(flag, value)| [*flag, value])
            .collect();
        Self {
            hall: Hall::new(&flags),
            random,
            most,
            rate,
            addresses: Default::default(),
            here: Vec::new(),
        }
    }

    /// Says whether one more may come now, who is counted then.
    fn may_come(&mut self, who: usize) -> bool {
        let (now_ms, rate) = (self.hall.now.ms, self.rate);
        let address = &mut self.addresses[who];
        let has_place = address.connections < self.most;
        let came = &address.came;
        let keeps_rate = (0..came.len()).all(|first| {
            let count = (came.len() - first + 1) as u64;
            count <= 2 * rate + (now_ms - came[first]) * rate / 1000
        });
        let may_come = has_place && (rate == 0 || keeps_rate);
        if may_come {
            address.connections += 1;
            address.came.push(now_ms);
        }
        may_come
    }

    fn refused(&self) -> usize {
        let refused = |here: &&Here| here.counts == Counts::AsRefused;
        self.here.iter().filter(refused).count()
    }

    /// A connection by itself.
    fn come(&mut self, text: &str, who: usize) {
        let may_come = self.may_come(who);
        let has_slot = self.refused() < REFUSAL_SLOTS;
        let guest = self.hall.connect_from(ip(text), usize::MAX);
        assert_eq!(guest.is_some(), may_come || has_slot, "{text}");
        if let Some(guest) = guest {
            self.ask_or_wait(guest, who, may_come);
        }
    }

    /// The first request is answered as it has to be, if it is made at all.
    fn ask_or_wait(&mut self, guest: GuestId, who: usize, may_come: bool) {
        let counts = if may_come {
            Counts::For(who)
        } else {
            Counts::AsRefused
        };
        if self.random.chance(600) {
            let status = if may_come { 200 } else { 429 };
            assert_eq!(self.hall.ask(guest, PAGE), status);
        }
        self.here.push(Here { guest, counts });
    }

    /// One that a proxy passes on as it is, having said for whom.
    fn come_by_header(&mut self, text: &str, who: usize) {
        let proxy = self.hall.connect_from(ip(PROXY), usize::MAX);
        let guest = proxy.expect("proxies are not limited");
        let header = units::proxy_header(ip(text));
        let at = self.random.between(0, header.len());
        self.hall.send(guest, &header[..at]);
        self.hall.tick(u64::MAX);
        self.hall.send(guest, &header[at..]);
        // It counts when its last byte is read.
        let has_slot = self.refused() < REFUSAL_SLOTS;
        if at < header.len() {
            self.hall.tick(u64::MAX);
        }
        let may_come = self.may_come(who);
        assert_eq!(self.hall.is_gone(guest), !may_come && !has_slot, "{text}");
        if may_come || has_slot {
            self.ask_or_wait(guest, who, may_come);
        }
    }

    /// Requests on one connection of a proxy, for several. The last asks for a WebSocket, which ends it if it is refused.
    fn come_by_field(&mut self) {
        let proxy = self.hall.connect_from(ip(PROXY), usize::MAX);
        let guest = proxy.expect("proxies are not limited");
        let said = |text: &str, request: &[u8]| {
            let field = format!("X-Forwarded-For: 198.51.100.9, {text}\r\nHost:");
            let request = String::from_utf8(request.to_vec()).expect("it is text");
            request.replace("Host:", &field).into_bytes()
        };
        for _ in 0..self.random.below(4) {
            let (text, _) = self.someone();
            assert_eq!(self.hall.ask(guest, &said(text, PAGE)), 200);
        }
        let (text, who) = self.someone();
        let status = self.hall.ask(guest, &said(text, &units::upgrade(0)));
        let may_come = self.may_come(who);
        assert_eq!(status, if may_come { 101 } else { 429 }, "{text}");
        let counts = if may_come {
            Counts::For(who)
        } else {
            assert!(self.hall.has_ended(guest), "{text}");
            Counts::ForNobody
        };
        self.here.push(Here { guest, counts });
    }

    fn go(&mut self, place: usize) {
        let Here { guest, counts } = self.here.swap_remove(place);
        self.hall.end(guest);
        self.hall.tick(u64::MAX);
        assert!(self.hall.is_gone(guest));
        if let Counts::For(who) = counts {
            self.addresses[who].connections -= 1;
        }
    }

    /// Someone's address, and whose it is to the limits.
    fn someone(&mut self) -> (&'static str, usize) {
        let which = self.random.below(ADDRESSES.len());
        (ADDRESSES[which], which.min(3))
    }

    fn step(&mut self) {
        let (text, who) = self.someone();
        match self.random.below(8) {
            0..=2 => self.come(text, who),
            3 => self.come_by_header(text, who),
            4 => self.come_by_field(),
            5 => {
                for _ in 0..self.random.below(20) {
                    self.hall.tick(u64::MAX);
                }
            }
            _ if self.here.is_empty() => {}
            _ => {
                let place = self.random.below(self.here.len());
                self.go(place);
            }
        }
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn each_address_gets_what_it_may_and_no_more() {
    let mut refused_most = 0;
    for seed in 0..300 {
        let mut world = World::new(seed);
        println!(
            "seed {seed}: {} at once, {} a second",
            world.most, world.rate
        );
        for _ in 0..150 {
            world.step();
            refused_most = refused_most.max(world.refused());
        }
        while !world.here.is_empty() {
            world.go(0);
        }
        assert_eq!(world.hall.server.connection_count(), 0);
    }
    assert_eq!(refused_most, REFUSAL_SLOTS, "the slots were never used up");
}
