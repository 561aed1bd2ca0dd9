//! Servers that share people by a log, and guests of theirs who do as they are told.

use parlor::core::store::Durability;
use serde_json::{Value, json};

use crate::hall::{GuestId, Hall, TICK_MS};
use crate::nodes::log::PeopleLog;
use crate::random::{Random, seed_bytes};
use crate::reader::Seen;

/// A server, while it lasts.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) hall: Hall,
}

pub(crate) struct Circle {
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) log: PeopleLog,
    seed: u64,
    begun: u64,
    now_ms: u64,
    unix_ms: u64,
}

/// A guest of one of the nodes.
pub(crate) type Place = (usize, GuestId);

const FLAGS: [&str; 6] = [
    "--ping-interval",
    "0",
    "--rate",
    "0",
    "--handshake-timeout",
    "0",
];

impl Circle {
    pub(crate) fn new(seed: u64, nodes: usize) -> Self {
        let mut circle = Self {
            nodes: Vec::new(),
            log: PeopleLog::new(Random::new(seed, 99)),
            seed,
            begun: 0,
            now_ms: 1_000_000,
            unix_ms: 784_111_777_000,
        };
        for _ in 0..nodes {
            circle.nodes.push(None);
            circle.begin(circle.nodes.len() - 1);
        }
        circle
    }

    /// A new server takes an empty place. Its clock is another than those of the others.
    pub(crate) fn begin(&mut self, node: usize) {
        self.begun += 1;
        let name = format!("node-{}", self.begun);
        let seed = seed_bytes(self.seed << 8 | self.begun);
        let mut hall = Hall::seeded(seed, &FLAGS);
        hall.now.ms = self.now_ms;
        hall.now.unix_ms = self.unix_ms + 7_777 * self.begun;
        hall.server.use_store(Durability::Memory);
        hall.server.share_people(hall.now);
        self.log.add_node(&name);
        self.nodes[node] = Some(Node { name, hall });
    }

    /// Another process takes the place of a server, with all connections but those of this guest.
    pub(crate) fn hand_over(&mut self, node: usize, without: Option<GuestId>) {
        self.begun += 1;
        let seed = seed_bytes(self.seed << 8 | self.begun);
        self.hall(node).server.hold();
        let mut ticks = 0;
        while !self.hall(node).server.is_quiet() {
            ticks += 1;
            assert!(ticks < 50, "it does not come to rest");
            self.tick(100);
        }
        let hall = self.hall(node);
        let mut next = Hall::seeded(seed, &FLAGS).server;
        next.use_store(Durability::Memory);
        next.share_people(hall.now);
        let taken = hall.hand_over_to(next, |guest| Some(guest) != without);
        taken.expect("it is taken over");
    }

    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(node) = self.nodes[node].take() {
            self.log.kill(&node.name);
        }
    }

    pub(crate) fn hall(&mut self, node: usize) -> &mut Hall {
        &mut self.nodes[node].as_mut().expect("it runs").hall
    }

    /// One tick of all servers, which takes so many milliseconds.
    pub(crate) fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        for Node { name, hall } in self.nodes.iter_mut().flatten() {
            hall.now.ms = self.now_ms - TICK_MS;
            hall.now.unix_ms += ms;
            hall.tick(u64::MAX);
            self.log.serve(name, &mut hall.server, hall.now);
        }
        self.log.bury(self.now_ms);
    }

    /// So many milliseconds pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(100) {
            self.tick(100);
        }
    }

    /// Someone comes to the JSON door of a node.
    pub(crate) fn come(&mut self, node: usize) -> Place {
        let hall = self.hall(node);
        let guest = hall.connect(usize::MAX);
        hall.enter_json(guest);
        (node, guest)
    }

    /// The same with a token in the request.
    pub(crate) fn come_with(&mut self, node: usize, token: Option<&str>) -> Place {
        let hall = self.hall(node);
        let guest = hall.connect(usize::MAX);
        let field = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        hall.enter_json_with(guest, &field.unwrap_or_default());
        (node, guest)
    }

    pub(crate) fn say(&mut self, (node, guest): Place, command: &Value) {
        let hall = self.hall(node);
        hall.say(guest, 1, command.to_string().as_bytes());
    }

    /// The events that have come for a guest since they were read last.
    pub(crate) fn read(&mut self, (node, guest): Place) -> Vec<Value> {
        let seen = self.hall(node).read(guest);
        let events = seen.iter().filter_map(|seen| match seen {
            Seen::Message { payload, .. } => serde_json::from_slice(payload).ok(),
            _ => None,
        });
        events.collect()
    }

    /// The answer to a command, which has to come within a second, and what else has come.
    pub(crate) fn ask(&mut self, place: Place, command: &Value) -> Value {
        let mut command = command.clone();
        command["id"] = json!("asked");
        self.say(place, &command);
        let mut events = Vec::new();
        for _ in 0..15 {
            self.tick(100);
            events.extend(self.read(place));
            let answers = events.iter();
            if let Some(answer) = answers.into_iter().find(|it| it["id"] == "asked") {
                return answer.clone();
            }
        }
        panic!("{command} was not answered: {events:?}");
    }

    /// Takes a name. Says what was answered.
    pub(crate) fn log_in(&mut self, place: Place, name: &str) -> Value {
        self.ask(place, &json!({"type": "login", "name": name}))
    }

    /// The names of those who are in a room, as somebody is told, and how many there are.
    pub(crate) fn members(&mut self, place: Place, room: &str) -> (Vec<String>, u64) {
        let answer = self.ask(place, &json!({"type": "members", "room": room}));
        let members = answer["members"].as_array().expect("a list").iter();
        let names = members.map(|it| it["name"].as_str().expect("a name").to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        (names, answer["count"].as_u64().expect("a number"))
    }
}
