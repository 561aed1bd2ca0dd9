//! One server takes over from another in the middle of a run, now and then: nobody notices.

use std::collections::BTreeMap;

use parlor::core::site::Site;
use parlor::core::store::Durability;
use parlor::core::{Now, Server};
use parlor::settings::Limits;
use rmpv::Value;

use crate::hall::Hall;
use crate::model::Checked;
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::socket::Socket;
use crate::store::LateStore;

/// Ticks that a server is held at most.
const MOST_TICKS: usize = 50;

const TEXT: u8 = 1;

/// The state as a later server may tell it: with a field more in everything that has fields, and a section more.
fn as_later(state: &[u8]) -> Vec<u8> {
    let Value::Map(mut sections) = decode(state) else {
        panic!("the state has sections");
    };
    for (_, section) in &mut sections {
        if let Value::Binary(bytes) = section {
            let mut part = decode(bytes);
            add_fields(&mut part);
            *bytes = encode(&part);
        }
    }
    sections.push(("later".into(), Value::Binary(vec![1])));
    encode(&Value::Map(sections))
}

fn decode(mut bytes: &[u8]) -> Value {
    rmpv::decode::read_value(&mut bytes).expect("it is MessagePack")
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("a vector takes all");
    bytes
}

/// Names of fields begin with a small letter, those of variants do not, and other keys are no names.
fn add_fields(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(add_fields),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| add_fields(value));
            let is_field = |key: &Value| {
                key.as_str()
                    .is_some_and(|it| it.starts_with(char::is_lowercase))
            };
            if !entries.is_empty() && entries.iter().all(|(key, _)| is_field(key)) {
                entries.push(("later".into(), 1.into()));
            }
        }
        _ => {}
    }
}

/// When servers are held, and what becomes of it.
pub(crate) struct Handovers {
    random: Random,
    /// The chance in a thousand that the next tick begins one.
    chance: usize,
    held_for: Option<usize>,
    limits: Limits,
    /// How often a server has taken over.
    count: usize,
}

impl Handovers {
    /// In every third run.
    pub(crate) fn new(seed: u64, limits: &Limits) -> Self {
        let mut random = Random::new(seed, 0x4a4d_0fe4);
        let chance = random.pick(&[0, 0, 100]);
        Self {
            random,
            chance,
            held_for: None,
            limits: limits.clone(),
            count: 0,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.held_for.is_some()
    }

    /// No more of them.
    pub(crate) fn end(&mut self, server: &mut Server<Socket>) {
        self.chance = 0;
        if self.held_for.take().is_some() {
            server.release();
        }
    }

    /// At the end of a tick.
    pub(crate) fn go_on(
        &mut self,
        server: &mut Server<Socket>,
        site: Site,
        store: Option<&LateStore>,
        now: Now,
    ) -> Checked {
        let Some(ticks) = self.held_for else {
            if self.random.chance(self.chance) {
                server.hold();
                self.held_for = Some(0);
            }
            return Ok(());
        };
        self.held_for = Some(ticks + 1);
        let is_quiet = server.is_quiet() && store.is_none_or(|it| it.next_due_ms().is_none());
        if is_quiet {
            self.hand_over(server, site, store, now)?;
        }
        if is_quiet || ticks == MOST_TICKS {
            self.held_for = None;
            server.release();
        }
        Ok(())
    }

    fn hand_over(
        &mut self,
        server: &mut Server<Socket>,
        site: Site,
        store: Option<&LateStore>,
        now: Now,
    ) -> Checked {
        let mut state = server.state().map_err(|error| error.to_string())?;
        if self.random.chance(500) {
            state = as_later(&state);
        }
        let sockets: BTreeMap<usize, Socket> = server
            .sockets()
            .map(|(index, socket)| (index, socket.hand_over()))
            .collect();
        let seed = seed_bytes(self.random.next());
        let mut next = Server::new(self.limits.clone(), Vec::new(), site, seed, now);
        if let Some(store) = store {
            next.use_store(Durability::Disk);
            store.restore_rooms(&mut next, now);
        }
        next.take_over(&state, sockets, now)
            .map_err(|error| error.to_string())?;
        next.check_invariants()
            .map_err(|broken| format!("after a handover: {broken}"))?;
        // One of four does not take it after all, and the first goes on.
        if !self.random.chance(250) {
            self.count += 1;
            *server = next;
        }
        Ok(())
    }
}

/// As those over TLS, whose keys cannot be handed over.
#[test]
fn who_is_not_handed_over_has_left() {
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let [ana, ben] = [(); 2].map(|()| hall.connect(usize::MAX));
    for guest in [ana, ben] {
        hall.enter_json(guest);
        hall.say(guest, TEXT, br#"{"type":"join","room":"tea"}"#);
    }
    for _ in 0..100 {
        hall.tick(u64::MAX);
    }
    hall.read(ben);
    assert!(hall.server.is_quiet());
    hall.hand_over(Limits::default(), |guest| guest == ben)
        .expect("it is taken over");
    assert!(hall.is_gone(ana) && !hall.is_gone(ben));
    for _ in 0..100 {
        hall.tick(u64::MAX);
    }
    let seen: String = hall.read(ben).iter().map(Seen::to_text).collect();
    assert!(seen.contains("presence") && seen.contains("left"), "{seen}");
}

/// Half a frame, half a request, and what a reader has not taken.
#[test]
fn what_is_unfinished_goes_on() {
    let mut hall = Hall::new(&["--ping-interval", "0"]);
    let (speaker, slow) = (hall.enter(0), hall.enter_with(0, 300));
    let poster = hall.connect(usize::MAX);
    hall.say(speaker, TEXT, &[b'a'; 500]);
    hall.tick(u64::MAX);
    let frame = hall.frame(TEXT, b"in two halves");
    hall.send(speaker, &frame[..9]);
    hall.request(
        poster,
        b"POST /rooms/room-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhal",
    );
    hall.tick(u64::MAX);
    hall.hand_over(Limits::default(), |_| true)
        .expect("it is taken over");
    hall.send(speaker, &frame[9..]);
    hall.send(poster, b"f way");
    hall.widen();
    hall.tick(u64::MAX);
    hall.tick(u64::MAX);
    let heard = |hall: &mut Hall, guest| {
        let seen = hall.read(guest).into_iter();
        let payloads = seen.filter_map(|seen| match seen {
            Seen::Message { payload, .. } => Some(payload),
            _ => None,
        });
        payloads.collect::<Vec<_>>()
    };
    let all = [
        vec![b'a'; 500],
        b"half way".to_vec(),
        b"in two halves".to_vec(),
    ];
    assert_eq!(heard(&mut hall, speaker), all);
    assert_eq!(heard(&mut hall, slow), all);
    assert!(matches!(
        hall.read(poster)[..],
        [Seen::Response { status: 200, .. }]
    ));
}

#[test]
fn what_is_no_state_is_refused() {
    let mut hall = Hall::new(&[]);
    let guest = hall.enter(0);
    hall.say(guest, TEXT, b"hello");
    hall.tick(u64::MAX);
    let state = hall.server.state().expect("it can be told");
    for length in 0..state.len() {
        let mut next: Server<Socket> = Server::new(
            Limits::default(),
            Vec::new(),
            Site::new(&[]),
            [1; 32],
            hall.now,
        );
        let taken = next.take_over(&state[..length], BTreeMap::new(), hall.now);
        let error = taken.expect_err("a part of it is not enough").to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
