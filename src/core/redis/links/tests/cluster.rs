//! A cluster as far as the connections need one: its slots move, and its servers die.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::rand_core::Rng;

use super::redis::{Wire, bulk, take_commands};
use super::*;

const SERVERS: u16 = 4;
const FIRST_PORT: u16 = 7_000;
/// The slots that are used.
const SLOTS: [u16; 3] = [0, 5_000, 16_383];
const ALL: u16 = Slot::COUNT - 1;

/// Keys of each slot that are used.
const KEYS: u64 = 3;

/// A slot and who has it; who takes it over, which keys are there already, and whether a command meets keys of both.
#[derive(Default)]
struct Shard {
    master: u16,
    next: Option<u16>,
    moved: BTreeSet<u64>,
    is_split: bool,
}

impl Shard {
    fn stay(&mut self) {
        self.next = None;
        self.is_split = false;
        self.moved.clear();
    }

    fn finish(&mut self) {
        if let Some(next) = self.next {
            self.master = next;
        }
        self.stay();
    }
}

struct Cluster {
    shards: BTreeMap<u16, Shard>,
    wires: Vec<(u16, Wire)>,
    /// Those of which the next command is announced.
    asking: BTreeSet<usize>,
    /// Those on which a channel was asked for.
    listeners: BTreeSet<usize>,
    dead: BTreeSet<u16>,
    /// The one that does not say who has which slots.
    refuses_slots: Option<u16>,
    /// What was carried out on each key of a slot.
    done: BTreeMap<(u16, u64), Vec<u64>>,
}

struct Node {
    links: Links<Wire>,
    cluster: Cluster,
    now_ms: u64,
    tokens: u64,
    random: ChaCha8Rng,
    at_once: usize,
    /// Tokens, and whether they were carried out as far as is said: `None` if that is not known.
    ended: BTreeMap<u64, Option<bool>>,
    heard: BTreeSet<Box<str>>,
}

impl Cluster {
    fn answer(&mut self, number: usize, words: &[String]) -> String {
        let port = self.wires[number].0;
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        match words[..] {
            ["CLIENT", "ID"] => format!(":{}\r\n", number + 100),
            ["INFO", "server"] => {
                let mode = match port % 2 {
                    0 => "redis_mode:cluster",
                    _ => "server_mode:cluster",
                };
                bulk(&format!(
                    "redis_version:7.0.15\r\nrun_id:{port}\r\n{mode}\r\n"
                ))
            }
            ["INFO", ..] => bulk("role:slave"),
            ["SCRIPT", "LOAD", _] => bulk("digest"),
            ["CLUSTER", "SLOTS"] if self.refuses_slots == Some(port) => "-NOPERM no\r\n".to_owned(),
            ["CLUSTER", "SLOTS"] => self.slots(),
            ["ASKING"] => {
                self.asking.insert(number);
                "+OK\r\n".to_owned()
            }
            ["EVALSHA", .., word] => self.run_script(number, word),
            ["SSUBSCRIBE", channel] => {
                self.listeners.insert(number);
                let slot = channel.parse().unwrap();
                match self.shards[&slot].master {
                    master if master != port => format!("-MOVED {slot} 127.0.0.1:{master}\r\n"),
                    _ => format!("*3\r\n{}{}:1\r\n", bulk("ssubscribe"), bulk(channel)),
                }
            }
            ["SUNSUBSCRIBE", channel] => {
                format!("*3\r\n{}{}:0\r\n", bulk("sunsubscribe"), bulk(channel))
            }
            _ => "+OK\r\n".to_owned(),
        }
    }

    fn run_script(&mut self, number: usize, word: &str) -> String {
        let port = self.wires[number].0;
        let is_announced = self.asking.remove(&number);
        let mut words = word.split(' ').map(|it| it.parse::<u64>().unwrap());
        let [slot, key, token] = [(); 3].map(|()| words.next().unwrap());
        let slot = u16::try_from(slot).unwrap();
        let shard = &self.shards[&slot];
        let is_next = is_announced && shard.next == Some(port);
        // It would be carried out on nothing.
        let is_elsewhere = is_next && !shard.moved.contains(&key);
        assert!(
            !is_elsewhere,
            "{word} is asked of who does not have the key"
        );
        if port != shard.master && !is_next {
            return format!("-MOVED {slot} 127.0.0.1:{}\r\n", shard.master);
        }
        if shard.is_split {
            return "-TRYAGAIN Multiple keys request\r\n".to_owned();
        }
        let is_moved = shard.moved.contains(&key);
        if let Some(next) = shard.next.filter(|_| is_moved && !is_next) {
            return format!("-ASK {slot} 127.0.0.1:{next}\r\n");
        }
        self.done.entry((slot, key)).or_default().push(token);
        "+OK\r\n".to_owned()
    }

    fn slots(&self) -> String {
        let mut text = format!("*{}\r\n", self.shards.len());
        let mut first = 0;
        for (&last, shard) in &self.shards {
            let host = bulk("127.0.0.1");
            text += &format!(
                "*3\r\n:{first}\r\n:{last}\r\n*2\r\n{host}:{}\r\n",
                shard.master
            );
            first = last + 1;
        }
        text
    }

    fn run(&mut self) {
        for number in 0..self.wires.len() {
            let (port, wire) = self.wires[number].clone();
            if self.dead.contains(&port) {
                continue;
            }
            for words in take_commands(&wire) {
                let answer = self.answer(number, &words);
                wire.say(answer.as_bytes());
            }
        }
    }

    fn kill(&mut self, port: u16) {
        self.dead.insert(port);
        let of_it = self.wires.iter().filter(|(it, _)| *it == port);
        of_it.for_each(|(_, wire)| wire.cut());
    }
}

impl Node {
    fn new(seed: u8) -> Self {
        let mut random = ChaCha8Rng::from_seed([seed; 32]);
        let ports = FIRST_PORT..FIRST_PORT + SERVERS;
        let target = Target {
            addresses: ports.map(|port| ("127.0.0.1".into(), port)).collect(),
            master: None,
            user: None,
            password: None,
            db: 0,
        };
        assert_eq!(SLOTS.last(), Some(&ALL));
        let shards = (0..).zip(SLOTS).map(|(number, slot)| {
            let shard = Shard {
                master: FIRST_PORT + number % 3,
                ..Shard::default()
            };
            (slot, shard)
        });
        let cluster = Cluster {
            shards: shards.collect(),
            wires: Vec::new(),
            asking: BTreeSet::new(),
            listeners: BTreeSet::new(),
            dead: BTreeSet::new(),
            refuses_slots: None,
            done: BTreeMap::new(),
        };
        let at_once = [1, 5, 64, usize::MAX][random.next_u64() as usize % 4];
        Self {
            links: Links::new(target, &SCRIPTS, [seed; 32]),
            cluster,
            now_ms: 1_000,
            tokens: 0,
            random,
            at_once,
            ended: BTreeMap::new(),
            heard: BTreeSet::new(),
        }
    }

    fn below(&mut self, most: u64) -> u64 {
        self.random.next_u64() % most
    }

    fn tick(&mut self) {
        while let Some(connect) = self.links.next_connect(self.now_ms) {
            let socket = match self.cluster.dead.contains(&connect.port) {
                true => Err(io::ErrorKind::ConnectionRefused.into()),
                false => {
                    let wire = Wire::new(self.at_once);
                    self.cluster.wires.push((connect.port, wire.clone()));
                    Ok(wire)
                }
            };
            self.links.on_connected(&connect, socket, self.now_ms);
        }
        let ready = Ready {
            readable: true,
            writable: true,
            ending: false,
        };
        for link in 0..usize::from(SERVERS + 1) * PLACES {
            self.links.on_ready(LinkId(link), ready);
        }
        let budget = Budget::default();
        budget.begin_tick(1_000_000);
        self.links.run(&budget, self.now_ms);
        self.links.flush(&budget, self.now_ms);
        self.cluster.run();
        while let Some(event) = self.links.next_event() {
            self.take(event);
        }
    }

    fn take(&mut self, event: LinkEvent) {
        let (token, is_done) = match event {
            LinkEvent::Reply { token, reply } => {
                assert!(!reply.is_error(), "{reply}");
                (token, Some(true))
            }
            LinkEvent::Failed { token, is_sent } => (token, (!is_sent).then_some(false)),
            LinkEvent::Subscribed { channel } => {
                self.heard.insert(channel);
                return;
            }
            LinkEvent::Unsubscribed { channel } => {
                self.heard.remove(&channel);
                return;
            }
            LinkEvent::Message { .. } => return,
        };
        let before = self.ended.insert(token, is_done);
        assert_eq!(before, None, "{token} has ended twice");
    }

    fn send(&mut self, slot: u16) {
        let key = self.below(KEYS);
        self.send_of(slot, key);
    }

    fn send_of(&mut self, slot: u16, key: u64) {
        self.tokens += 1;
        let word = format!("{slot} {key} {}", self.tokens).into_bytes();
        let keys = vec![format!("{{{slot}}}{key}").into_bytes().into()];
        let command = Command::script(&SCRIPT, keys, vec![word.into()]);
        self.links
            .send(Slot(slot), command, self.tokens, self.now_ms);
    }

    fn is_ready(&self) -> bool {
        self.links.servers.is_cluster() && self.links.servers.is_whole()
    }

    fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if is_so(self) {
                return;
            }
            self.now_ms += 10;
            self.tick();
        }
        panic!("it does not come: {:?}", self.ended);
    }

    fn disturb(&mut self) {
        let slot = SLOTS[self.below(3) as usize];
        let other = FIRST_PORT + self.below(u64::from(SERVERS)) as u16;
        let (what, key) = (self.below(9), self.below(KEYS));
        let is_dead = self.cluster.dead.contains(&other);
        let shard = self.cluster.shards.get_mut(&slot).unwrap();
        match what {
            0 if shard.next.is_none() && other != shard.master && !is_dead => {
                shard.next = Some(other);
            }
            1 => shard.is_split = shard.next.is_some() && !shard.is_split,
            2 if shard.next.is_some() => shard.finish(),
            5 | 6 if shard.next.is_some() => {
                shard.moved.insert(key);
            }
            // It is given up.
            7 if key == 0 => shard.stay(),
            3 => {
                self.cluster.dead.clear();
            }
            4 if self.below(3) == 0 => {
                self.cluster.kill(other);
                for shard in self.cluster.shards.values_mut() {
                    let heir = FIRST_PORT + (other - FIRST_PORT + 1) % SERVERS;
                    if shard.next == Some(other) {
                        shard.stay();
                    }
                    if shard.master == other {
                        shard.stay();
                        shard.master = heir;
                    }
                }
                self.cluster
                    .dead
                    .remove(&(FIRST_PORT + (other - FIRST_PORT + 1) % SERVERS));
            }
            _ => {}
        }
    }

    /// Each command ends once, was carried out at most once and in its order, and what is said of it is true.
    fn check(&self) {
        for (slot, done) in &self.cluster.done {
            let is_in_order = done.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(is_in_order, "{slot:?}: {done:?}");
        }
        let done: BTreeSet<u64> = self.cluster.done.values().flatten().copied().collect();
        for (token, is_done) in &self.ended {
            if let Some(is_done) = is_done {
                assert_eq!(done.contains(token), *is_done, "{token}");
            }
        }
    }
}

#[test]
fn each_master_gets_what_is_its_own() {
    let mut node = Node::new(1);
    node.run_until(Node::is_ready);
    for slot in SLOTS {
        node.links.subscribe(Slot(slot), &slot.to_string());
        node.send(slot);
    }
    node.run_until(|node| node.heard.len() == 3 && node.ended.len() == 3);
    assert!(
        node.ended.values().all(|it| *it == Some(true)),
        "{:?}",
        node.ended
    );
    assert!(node.cluster.done.values().all(|done| done.len() == 1));
}

#[test]
fn a_slot_that_moves_is_followed_without_a_loss() {
    let mut node = Node::new(2);
    node.run_until(Node::is_ready);
    node.links.subscribe(Slot(0), "0");
    node.run_until(|node| node.heard.len() == 1);
    for step in 0..4 {
        let shard = node.cluster.shards.get_mut(&0).unwrap();
        match step {
            0 => {
                shard.next = Some(FIRST_PORT + 3);
                shard.moved = [0].into();
            }
            1 => shard.is_split = true,
            2 => shard.is_split = false,
            _ => shard.finish(),
        }
        for key in [0, 1, 0, 1, 0] {
            node.send_of(0, key);
            node.now_ms += 10;
            node.tick();
        }
    }
    // The old master says that it has the channel no more.
    let gone = format!("*3\r\n{}{}:0\r\n", bulk("sunsubscribe"), bulk("0"));
    for number in &node.cluster.listeners {
        let (port, wire) = &node.cluster.wires[*number];
        if *port == FIRST_PORT {
            wire.say(gone.as_bytes());
        }
    }
    node.run_until(|node| node.ended.len() == 20 && node.heard.len() == 1);
    node.check();
    assert_eq!(node.cluster.done.values().map(Vec::len).sum::<usize>(), 20);
}

#[test]
fn whatever_happens_to_the_cluster_commands_are_carried_out_once_and_in_order() {
    for seed in 0..16 {
        let mut node = Node::new(seed);
        node.run_until(Node::is_ready);
        for slot in SLOTS {
            node.links.subscribe(Slot(slot), &slot.to_string());
        }
        for _ in 0..400 {
            for _ in 0..node.below(4) {
                let slot = SLOTS[node.below(3) as usize];
                node.send(slot);
            }
            if node.below(4) == 0 {
                node.disturb();
            }
            node.now_ms += node.below(60);
            node.tick();
        }
        node.cluster.dead.clear();
        for shard in node.cluster.shards.values_mut() {
            shard.stay();
        }
        let count = usize::try_from(node.tokens).unwrap();
        node.run_until(|node| node.ended.len() == count && node.is_ready());
        node.check();
        let before = node.cluster.done.values().map(Vec::len).sum::<usize>();
        for slot in SLOTS {
            node.send(slot);
        }
        node.run_until(|node| node.ended.len() == count + 3 && node.heard.len() == 3);
        let after = node.cluster.done.values().map(Vec::len).sum::<usize>();
        assert_eq!(after, before + 3, "seed {seed}");
        assert!(before > count / 4, "seed {seed}: {before} of {count}");
    }
}

#[test]
fn a_slot_that_nobody_takes_over_is_its_masters() {
    let mut node = Node::new(3);
    node.run_until(Node::is_ready);
    // The one that is to take it over is not there.
    let shard = node.cluster.shards.get_mut(&0).unwrap();
    shard.next = Some(FIRST_PORT + 3);
    shard.moved = [0].into();
    node.cluster.kill(FIRST_PORT + 3);
    node.send_of(0, 0);
    node.send_of(0, 1);
    node.run_until(|node| node.ended.len() == 2);
    assert_eq!(node.ended[&1], Some(false));
    node.cluster.shards.get_mut(&0).unwrap().stay();
    node.send_of(0, 0);
    node.run_until(|node| node.ended.len() == 3);
    assert_eq!(node.ended[&3], Some(true));
    assert!(node.links.held.is_empty());
}

#[test]
fn a_master_that_does_not_say_who_has_what_takes_nothing_from_the_others() {
    let mut node = Node::new(4);
    node.run_until(Node::is_ready);
    node.cluster.refuses_slots = Some(FIRST_PORT + 1);
    node.cluster.kill(FIRST_PORT + 1);
    node.cluster.dead.clear();
    for _ in 0..500 {
        node.now_ms += 10;
        node.tick();
        node.send(0);
    }
    node.run_until(|node| node.ended.len() == 500);
    assert!(
        node.ended.values().all(|it| *it == Some(true)),
        "{:?}",
        node.ended
    );
}
