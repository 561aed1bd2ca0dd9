//! Where a token is wanted: whoever comes, with whatever token, nobody hears what theirs does not let them hear, nobody
//! is heard where theirs does not let them speak, nobody speaks under another's name, and nobody stays longer.

use parlor::core::access::{Claims, Keys, issue};
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::random::Random;
use crate::reader::Seen;
use crate::units;

const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";
const ROOMS: usize = 4;
const GUESTS: usize = 8;
const STEPS: usize = 250;
const NAMES: [&str; 4] = ["ana", "bob", "eve", "zoe"];

/// What a token says, as the model keeps it.
#[derive(Clone, Debug)]
struct Pass {
    name: &'static str,
    reads: [bool; ROOMS],
    speaks: [bool; ROOMS],
    ends_ms: u64,
}

impl Pass {
    fn draw(name: &'static str, now_ms: u64, random: &mut Random) -> Self {
        let mut some = || [(); ROOMS].map(|()| random.chance(600));
        let (reads, speaks) = (some(), some());
        Self {
            name,
            reads,
            speaks,
            ends_ms: now_ms + random.between(5, 150) as u64 * TICK_MS,
        }
    }

    fn token(&self, hall: &Hall) -> String {
        let rooms = |which: [bool; ROOMS]| {
            let allowed = (0..ROOMS).filter(|room| which[*room]);
            allowed.map(|room| format!("room-{room}")).collect()
        };
        let left_ms = self.ends_ms - hall.now.ms;
        let claims = Claims {
            sub: self.name.to_owned(),
            exp: (hall.now.unix_ms + left_ms) as f64 / 1000.0,
            nbf: None,
            iat: None,
            aud: None,
            subscribe: rooms(self.reads),
            publish: rooms(self.speaks),
            admin: false,
        };
        issue(&claims, SECRET).unwrap()
    }
}

/// What the holder of a pass says: who it is, where, and whether they may.
fn words(pass: Option<&Pass>, room: usize) -> String {
    match pass {
        Some(pass) if pass.speaks[room] => format!("{}>{room}>may", pass.name),
        Some(pass) => format!("{}>{room}>may not", pass.name),
        None => format!("nobody>{room}>may not"),
    }
}

/// Someone at a door that lasts.
struct Holder {
    guest: GuestId,
    pass: Option<Pass>,
    /// A new pass that is on its way.
    next: Option<Pass>,
    /// The room of the plain door; at the JSON door those it has been told that it is in.
    plain: Option<usize>,
    joined: [bool; ROOMS],
    closed: bool,
}

struct Gate {
    hall: Hall,
    random: Random,
    holders: Vec<Holder>,
    heard: usize,
    refused: usize,
}

impl Gate {
    fn new(seed: u64) -> Self {
        let mut hall = Hall::new(&[
            "--rate",
            "0",
            "--login-timeout",
            "1",
            "--ping-interval",
            "0",
        ]);
        let mut keys = Keys::new(None);
        keys.add_secret(SECRET).unwrap();
        hall.server.require_tokens(keys);
        Self {
            hall,
            random: Random::new(seed, 77),
            holders: Vec::new(),
            heard: 0,
            refused: 0,
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.hall.tick(300_000 * self.random.below(4) as u64);
            for place in 0..self.holders.len() {
                self.read(place);
            }
            self.holders.retain(|holder| !holder.closed);
        }
        // All tokens end, and with them all connections.
        for _ in 0..400 {
            self.hall.tick(u64::MAX);
            for place in 0..self.holders.len() {
                self.read(place);
            }
        }
        assert!(self.holders.iter().all(|holder| holder.closed));
    }

    fn step(&mut self) {
        if self.holders.len() < GUESTS && self.random.chance(300) {
            return self.come_in();
        }
        if self.holders.is_empty() {
            return;
        }
        let place = self.random.below(self.holders.len());
        if self.holders[place].plain.is_some() {
            return self.publish_plain(place);
        }
        let room = self.random.below(ROOMS);
        match self.random.below(10) {
            0 => self.log_in(place),
            1..=3 => self.command(
                place,
                &json!({"type": "join", "room": format!("room-{room}")}),
            ),
            4 => self.command(
                place,
                &json!({"type": "history", "room": format!("room-{room}")}),
            ),
            _ => {
                // A new pass that is on its way comes before what is said after it.
                let holder = &self.holders[place];
                let pass = holder.next.as_ref().or(holder.pass.as_ref());
                let data = words(pass, room);
                let name = format!("room-{room}");
                self.command(
                    place,
                    &json!({"type": "publish", "room": name, "data": data}),
                );
            }
        }
    }

    fn come_in(&mut self) {
        let name = self.random.pick(&NAMES);
        let now_ms = self.hall.now.ms;
        let pass = Pass::draw(name, now_ms, &mut self.random);
        // The token is looked at in the next tick.
        let token = pass.token(&self.hall);
        let guest = self.hall.connect(usize::MAX);
        let room = self.random.below(ROOMS);
        if self.random.chance(500) {
            let path = format!("/ws/room-{room}?token={token}");
            let request = String::from_utf8(units::upgrade(room)).unwrap();
            let request = request.replace(&format!("/ws/room-{room}"), &path);
            let status = self.hall.ask(guest, request.as_bytes());
            assert_eq!(status, if pass.reads[room] { 101 } else { 403 });
            self.refused += usize::from(status == 403);
            if status == 101 {
                self.admit(guest, Some(pass), Some(room));
            }
        } else {
            self.hall.enter_json(guest);
            self.admit(guest, None, None);
        }
    }

    fn admit(&mut self, guest: GuestId, pass: Option<Pass>, plain: Option<usize>) {
        self.holders.push(Holder {
            guest,
            pass,
            next: None,
            plain,
            joined: [false; ROOMS],
            closed: false,
        });
    }

    fn log_in(&mut self, place: usize) {
        let holder = &self.holders[place];
        if holder.next.is_some() {
            return;
        }
        let name = holder
            .pass
            .as_ref()
            .map_or_else(|| self.random.pick(&NAMES), |pass| pass.name);
        let pass = Pass::draw(name, self.hall.now.ms, &mut self.random);
        let token = pass.token(&self.hall);
        self.holders[place].next = Some(pass);
        self.command(place, &json!({"type": "login", "token": token}));
    }

    fn publish_plain(&mut self, place: usize) {
        let holder = &self.holders[place];
        let (Some(pass), Some(room)) = (&holder.pass, holder.plain) else {
            return;
        };
        // Who may not speak is closed for it: seldom, so that there are listeners.
        if pass.speaks[room] || self.random.chance(50) {
            let text = words(Some(pass), room);
            self.hall.say(holder.guest, 1, text.as_bytes());
        }
    }

    fn command(&mut self, place: usize, command: &Value) {
        let guest = self.holders[place].guest;
        self.hall.say(guest, 1, command.to_string().as_bytes());
    }

    fn read(&mut self, place: usize) {
        let guest = self.holders[place].guest;
        for seen in self.hall.read(guest) {
            let holder = &mut self.holders[place];
            assert!(!holder.closed, "something follows a close: {seen:?}");
            match seen {
                Seen::Message { payload, .. } => {
                    let text = String::from_utf8(payload).unwrap();
                    match holder.plain {
                        Some(room) => self.hear(place, room, &text, None),
                        None => self.see(place, &serde_json::from_str(&text).unwrap()),
                    }
                }
                Seen::Close { code, .. } => {
                    assert_eq!(code, Some(1008));
                    holder.closed = true;
                    let answer = self.hall.frame(8, &1008_u16.to_be_bytes());
                    self.hall.send(guest, &answer);
                }
                Seen::Response { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let holder = &self.holders[place];
        if let Some(pass) = &holder.pass {
            let is_late = self.hall.now.ms > pass.ends_ms + 2 * TICK_MS;
            assert!(holder.closed || !is_late, "someone stays: {pass:?}");
        }
    }

    /// An event at the JSON door.
    fn see(&mut self, place: usize, event: &Value) {
        let room = |event: &Value| -> usize {
            let name = event["room"].as_str().unwrap();
            name.strip_prefix("room-").unwrap().parse().unwrap()
        };
        let holder = &mut self.holders[place];
        match event["type"].as_str().unwrap() {
            "welcome" => {
                holder.pass = holder.next.take();
                let pass = holder.pass.as_ref().expect("it has logged in");
                assert_eq!(event["you"]["name"], pass.name);
            }
            "joined" => {
                holder.joined[room(event)] = true;
                assert!(holder.pass.as_ref().unwrap().reads[room(event)]);
            }
            "left" => {
                holder.joined[room(event)] = false;
                let next = holder.next.as_ref().expect("a new pass takes a room away");
                assert!(!next.reads[room(event)]);
            }
            "message" => {
                assert!(holder.joined[room(event)]);
                let from = event["from"]["name"].as_str().unwrap().to_owned();
                self.hear(
                    place,
                    room(event),
                    event["data"].as_str().unwrap(),
                    Some(&from),
                );
            }
            "history" => {
                assert!(holder.pass.as_ref().unwrap().reads[room(event)]);
            }
            "error" => {
                let code = event["code"].as_str().unwrap();
                let is_refusal = ["token_needed", "not_allowed"].contains(&code);
                assert!(is_refusal, "{event}");
                self.refused += 1;
            }
            "ok" | "presence" | "bye" => {}
            other => panic!("{other}"),
        }
    }

    /// A message says who said it and where, which its sender may do at the time.
    fn hear(&mut self, place: usize, room: usize, text: &str, from: Option<&str>) {
        let pass = self.holders[place]
            .pass
            .as_ref()
            .expect("strangers hear nothing");
        assert!(pass.reads[room], "{text} is not for {pass:?}");
        let mut words = text.split('>');
        let who = words.next().unwrap();
        assert_eq!(words.next(), Some(&*room.to_string()), "said elsewhere");
        assert_eq!(words.next(), Some("may"), "not allowed: {text}");
        assert_eq!(from.unwrap_or(who), who, "it is said to be someone else's");
        self.heard += 1;
    }
}

#[test]
fn nobody_does_what_their_token_does_not_allow() {
    let (mut heard, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut gate = Gate::new(seed);
        gate.run();
        heard += gate.heard;
        refused += gate.refused;
    }
    assert!(
        heard > 10_000 && refused > 1_000,
        "{heard} heard, {refused} refused"
    );
}

/// The answer to a command that closes its sender must not follow the close frame.
#[test]
fn nobody_does_hear_more_after_their_own_close() {
    let mut gate = Gate::new(0);
    let hall = &mut gate.hall;
    let claims = Claims {
        sub: "root".to_owned(),
        exp: hall.now.unix_ms as f64 / 1000.0 + 60.0,
        nbf: None,
        iat: None,
        aud: None,
        subscribe: Vec::new(),
        publish: Vec::new(),
        admin: true,
    };
    let token = issue(&claims, SECRET).unwrap();
    let guest = hall.connect(usize::MAX);
    hall.enter_json(guest);
    for command in [
        json!({"type": "login", "token": token}),
        json!({"type": "close", "name": "root"}),
    ] {
        hall.say(guest, 1, command.to_string().as_bytes());
        hall.tick(u64::MAX);
    }
    let seen = hall.read(guest);
    assert!(
        matches!(
            seen.last(),
            Some(Seen::Close {
                code: Some(1008),
                ..
            })
        ),
        "{seen:?}"
    );
}
