//! Servers on one Redis, driven as the shell drives them.

use std::collections::BTreeMap;
use std::rc::Rc;

use parlor::core::Server;
use parlor::core::file::FileAnswer;
use parlor::core::redis::links::{Links, Target};
use parlor::core::redis::{Output, Redis, scripts};
use parlor::core::site::Site;
use parlor::settings::Limits;
use serde_json::Value;

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;
use crate::redis_model::RedisModel;
use crate::redis_nodes::folder::Folder;
use crate::socket::{Luck, Shared, Socket};

const HOUR_MS: u64 = 3_600_000;

const MAX_CONNECTIONS: usize = 10_000;

/// Ticks that a node is held at most.
const MOST_HELD: u32 = 100;

const FLAGS: [&str; 6] = [
    "--ping-interval",
    "0",
    "--rate",
    "0",
    "--handshake-timeout",
    "0",
];

/// How the sockets between a node and Redis behave.
const LUCK: Luck = Luck {
    short_read: 100,
    short_write: 100,
    no_read: 50,
    no_write: 50,
    interrupted: 20,
    capacity: 1 << 20,
    keeps: false,
};

/// A guest of a node.
pub(crate) type Place = (usize, GuestId);

/// A server and its end of Redis, while it lasts.
struct Node {
    hall: Hall,
    redis: Redis<Socket>,
    sockets: BTreeMap<usize, Shared>,
    /// What the folder has answered.
    file_answers: Vec<FileAnswer>,
    held_for: Option<u32>,
}

pub(crate) struct Cluster {
    nodes: Vec<Node>,
    pub(crate) redis: RedisModel,
    random: Random,
    /// The files that all nodes share.
    pub(crate) folder: Folder,
    wait_ms: u64,
    flags: Vec<&'static str>,
    begun: u64,
    now_ms: u64,
    /// How often another server has taken over.
    pub(crate) handovers: u32,
}

impl Cluster {
    /// So many nodes. `wait_ms`: how long a message waits for Redis.
    pub(crate) fn new(seed: u64, nodes: usize, wait_ms: u64) -> Self {
        Self::with_flags(seed, nodes, wait_ms, &[])
    }

    /// The same with more flags.
    pub(crate) fn with_flags(
        seed: u64,
        nodes: usize,
        wait_ms: u64,
        flags: &[&'static str],
    ) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            redis: RedisModel::new(seed, LUCK),
            random: Random::new(seed, 0x6e_6f_64_65),
            folder: Folder::default(),
            wait_ms,
            flags: [&FLAGS, flags].concat(),
            begun: 0,
            now_ms: 1_000_000,
            handovers: 0,
        };
        for _ in 0..nodes {
            let node = cluster.begin();
            cluster.nodes.push(node);
        }
        cluster
    }

    fn begin(&mut self) -> Node {
        self.begun += 1;
        let mut hall = Hall::seeded(seed_bytes(self.random.next()), &self.flags);
        hall.now.ms = self.now_ms;
        hall.now.unix_ms += HOUR_MS * self.random.below(100) as u64;
        hall.server.use_shared_log(hall.now);
        hall.server.share_files(hall.now);
        let mut redis = self.begin_redis();
        redis.begin(hall.server.node(), hall.server.followed());
        Node {
            hall,
            redis,
            sockets: BTreeMap::new(),
            file_answers: Vec::new(),
            held_for: None,
        }
    }

    fn begin_redis(&mut self) -> Redis<Socket> {
        let target = Target {
            addresses: vec![("redis".into(), 6379)],
            master: None,
            user: None,
            password: None,
            db: 0,
        };
        let seed = seed_bytes(self.random.next());
        let links = Links::new(target, &scripts::ALL, seed);
        Redis::new(links, Limits::of_flags(&self.flags), self.wait_ms, seed)
    }

    pub(crate) fn hall(&mut self, node: usize) -> &mut Hall {
        &mut self.nodes[node].hall
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// A node dies with all connections to it, and another takes its place.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node] = self.begin();
    }

    /// A node is to hand over as soon as it can.
    pub(crate) fn hold(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.held_for.is_none() {
            node.hall.server.hold();
            node.held_for = Some(0);
        }
    }

    /// One tick of all nodes and of Redis, which takes so many milliseconds.
    pub(crate) fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        for place in 0..self.nodes.len() {
            let Self {
                nodes,
                redis,
                folder,
                ..
            } = self;
            folder.now_ms = self.now_ms;
            nodes[place].tick(redis, folder, self.now_ms, ms);
            self.go_on_with_handover(place);
        }
        self.redis.step(784_111_777_000 + self.now_ms);
    }

    fn go_on_with_handover(&mut self, place: usize) {
        let Some(ticks) = self.nodes[place].held_for else {
            return;
        };
        self.nodes[place].held_for = Some(ticks + 1);
        let is_quiet = self.nodes[place].hall.server.is_quiet();
        if is_quiet {
            self.handovers += 1;
            let redis = self.begin_redis();
            let node = &mut self.nodes[place];
            let now = node.hall.now;
            let mut limits = Limits::of_flags(&self.flags);
            limits.max_connections = MAX_CONNECTIONS;
            let mut next = Server::new(limits, Vec::new(), Site::new(&[]), [7; 32], now);
            next.use_shared_log(now);
            next.share_files(now);
            let taken = node.hall.hand_over_to(next, |_| true);
            taken.expect("it is taken over");
            // The connections to Redis are not handed over.
            node.sockets.clear();
            node.redis = redis;
            let server = &node.hall.server;
            node.redis.begin(server.node(), server.followed());
        }
        let node = &mut self.nodes[place];
        if is_quiet || ticks == MOST_HELD {
            node.held_for = None;
            node.hall.server.release();
        }
    }

    /// So many milliseconds pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(100) {
            self.tick(100);
        }
    }

    /// Someone comes to the JSON door of a node.
    pub(crate) fn come(&mut self, node: usize) -> Place {
        let hall = &mut self.nodes[node].hall;
        let guest = hall.connect(usize::MAX);
        hall.request(guest, &crate::units::json_upgrade("/ws"));
        (node, guest)
    }

    pub(crate) fn hang_up(&mut self, (node, guest): Place) {
        self.nodes[node].hall.hang_up(guest);
    }

    pub(crate) fn say(&mut self, (node, guest): Place, command: &Value) {
        let hall = &mut self.nodes[node].hall;
        hall.say(guest, 1, command.to_string().as_bytes());
    }

    /// The events that have come for a guest since they were read last.
    pub(crate) fn read(&mut self, (node, guest): Place) -> Vec<Value> {
        let seen = self.nodes[node].hall.read(guest);
        let events = seen.iter().filter_map(|seen| match seen {
            Seen::Message { payload, .. } => serde_json::from_slice(payload).ok(),
            _ => None,
        });
        events.collect()
    }
}

impl Node {
    /// One tick, in the order of the shell's loop.
    fn tick(&mut self, model: &mut RedisModel, folder: &mut Folder, now_ms: u64, ms: u64) {
        self.hall.now.ms = now_ms - TICK_MS;
        self.hall.now.unix_ms += ms;
        for (link, socket) in &self.sockets {
            let event = socket.borrow_mut().take_event();
            if let Some(ready) = event {
                let link = parlor::core::redis::links::LinkId(*link);
                self.redis.links().on_ready(link, ready);
            }
        }
        self.hall.begin_tick();
        let is_resting = self.held_for.is_some() && self.hall.server.waits_for_nothing();
        if !is_resting {
            self.receive();
        }
        let now = self.hall.now;
        for answer in self.file_answers.drain(..) {
            self.hall.server.on_file_answer(answer, now);
        }
        self.hall.end_tick(u64::MAX);
        while let Some(request) = self.hall.server.next_file_request() {
            self.file_answers.extend(folder.carry_out(request));
        }
        self.send(model);
        self.hall.server.check_invariants().expect("an invariant");
    }

    fn receive(&mut self) {
        let now = self.hall.now;
        let server = &mut self.hall.server;
        self.redis.receive(server.budget(), now.ms);
        while let Some(output) = self.redis.next_output(|room| server.takes_news(room)) {
            match output {
                Output::Answer(answer) => server.on_answer(answer, now),
                Output::News(news) => server.on_news(news, now),
                Output::PeopleNews(news) => server.on_people_news(news, now),
                Output::PushNews(news) => server.on_push_news(news),
                Output::FilesNews(news) => server.on_files_news(news),
            }
        }
    }

    fn send(&mut self, model: &mut RedisModel) {
        let now = self.hall.now;
        let server = &mut self.hall.server;
        while let Some(request) = server.next_request() {
            self.redis.on_request(request, now.ms);
        }
        self.redis.send(server.budget(), now.ms);
        while let Some(connect) = self.redis.links().next_connect(now.ms) {
            let socket = model.connect();
            if let Ok(socket) = &socket {
                let link = Rc::clone(&socket.0);
                self.sockets.insert(connect.link.0, link);
            }
            self.redis.links().on_connected(&connect, socket, now.ms);
        }
    }
}
