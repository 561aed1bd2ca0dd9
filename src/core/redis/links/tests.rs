mod cluster;
mod redis;

use super::*;
use crate::limits::{MAX_REDIS_OUTPUT, REDIS_SILENCE_MS, REDIS_TIMEOUT_MS};
use redis::{Redis, Wire, bulk};

const SLOT: Slot = Slot(0);

static SCRIPT: Script = Script {
    name: "one",
    text: "return ARGV[1]",
};
static SCRIPTS: [&Script; 1] = [&SCRIPT];

/// The connections of a node, and the Redis that they are to.
struct Node {
    links: Links<Wire>,
    redis: Redis,
    now_ms: u64,
    /// How often the connection for commands was made.
    connects: usize,
    events: Vec<String>,
}

impl Node {
    fn new(at_once: usize) -> Self {
        let target = Target {
            addresses: vec![("redis".into(), 6379)],
            master: None,
            user: None,
            password: Some("secret".into()),
            db: 2,
        };
        Self {
            links: Links::new(target, &SCRIPTS, [7; 32]),
            redis: Redis::new(at_once),
            now_ms: 1_000,
            connects: 0,
            events: Vec::new(),
        }
    }

    /// One that is connected.
    fn up(at_once: usize) -> Self {
        let mut node = Self::new(at_once);
        node.run_until(Self::is_ready);
        node
    }

    fn is_ready(&self) -> bool {
        let place = |place| self.links.servers.get(0).map(|it| &it.places[place]);
        let mut links = [COMMANDS, CHANNELS].map(|it| place(it).and_then(|it| it.link.as_ref()));
        links
            .iter_mut()
            .all(|link| link.is_some_and(Link::is_ready))
    }

    fn tick(&mut self) {
        while let Some(connect) = self.links.next_connect(self.now_ms) {
            let socket = self.redis.connect();
            self.connects += usize::from(connect.link == LinkId(0));
            self.links.on_connected(&connect, Ok(socket), self.now_ms);
        }
        let ready = Ready {
            readable: true,
            writable: true,
            ending: false,
        };
        for link in [LinkId(0), LinkId(1)] {
            self.links.on_ready(link, ready);
        }
        let budget = Budget::default();
        budget.begin_tick(1_000_000);
        self.links.run(&budget, self.now_ms);
        self.links.flush(&budget, self.now_ms);
        self.redis.run();
        while let Some(event) = self.links.next_event() {
            self.events.push(told(event));
        }
    }

    fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if is_so(self) {
                return;
            }
            self.tick();
        }
        panic!("it does not come: {:?} {:?}", self.events, self.redis.said);
    }

    /// Waits for the next thing that is due.
    fn wait(&mut self) {
        for _ in 0..3 {
            self.tick();
        }
        let due_ms = self.links.next_deadline_ms().expect("something is due");
        self.now_ms = self.now_ms.max(due_ms);
        self.tick();
    }

    fn echo(&mut self, word: &str, token: u64) {
        let words = [b"ECHO", word.as_bytes()].map(Into::into);
        let command = Command::Plain(words.to_vec());
        self.links.send(SLOT, command, token, self.now_ms);
    }

    fn script(&mut self, word: &str, token: u64) {
        let command = Command::script(&SCRIPT, vec![], vec![word.as_bytes().into()]);
        self.links.send(SLOT, command, token, self.now_ms);
    }

    fn has(&self, event: &str) -> bool {
        self.events.iter().any(|it| it == event)
    }

    /// How many commands have come before the one that begins so.
    fn place(&self, word: &str) -> usize {
        let place = self
            .redis
            .said
            .iter()
            .rposition(|(_, it)| it.starts_with(word));
        place.unwrap_or_else(|| panic!("no {word} in {:?}", self.redis.said))
    }
}

fn told(event: LinkEvent) -> String {
    match event {
        LinkEvent::Reply { token, reply } => match reply {
            Reply::Bulk(bytes) => format!("{token} {}", String::from_utf8(bytes).unwrap()),
            other => format!("{token} {other}"),
        },
        LinkEvent::Failed { token, is_sent } => format!("{token} failed, sent {is_sent}"),
        LinkEvent::Subscribed { channel } => format!("heard {channel}"),
        LinkEvent::Unsubscribed { channel } => format!("not heard {channel}"),
        LinkEvent::Message { channel, payload } => {
            format!("{channel}: {}", String::from_utf8(payload).unwrap())
        }
    }
}

#[test]
fn a_connection_begins_with_the_login_and_the_scripts() {
    let node = Node::up(usize::MAX);
    let said = |number: usize| {
        let of_it = node.redis.said.iter().filter(move |(it, _)| *it == number);
        of_it.map(|(_, words)| &**words).collect::<Vec<_>>()
    };
    let greeting = [
        "AUTH default secret",
        "CLIENT SETNAME parlor",
        "CLIENT ID",
        "INFO server",
        "INFO replication",
        "SELECT 2",
    ];
    assert_eq!(said(0)[..6], greeting);
    assert_eq!(said(0)[6..], ["SCRIPT LOAD return ARGV[1]"]);
    assert_eq!(said(1), greeting);
}

#[test]
fn replies_come_in_order_whatever_the_parts() {
    for at_once in [1, 2, 3, 7, usize::MAX] {
        let mut node = Node::up(at_once);
        for token in 0..20 {
            match token % 2 {
                0 => node.echo("a\r\nword", token),
                _ => node.script("b", token),
            }
        }
        node.run_until(|node| node.events.len() == 20);
        let expected = |token: u64| format!("{token} {}", ["a\r\nword", "b"][token as usize % 2]);
        assert_eq!(node.events, (0..20).map(expected).collect::<Vec<_>>());
    }
}

#[test]
fn scripts_that_redis_has_forgotten_are_loaded_again_and_all_is_done_in_its_order() {
    for at_once in [1, 7, usize::MAX] {
        let mut node = Node::up(at_once);
        node.redis.has_scripts = false;
        for token in 0..5 {
            node.script("x", token);
        }
        node.tick();
        node.script("y", 5);
        node.run_until(|node| node.events.len() == 6);
        let expected = |token: u64| format!("{token} {}", if token == 5 { "y" } else { "x" });
        assert_eq!(node.events, (0..6).map(expected).collect::<Vec<_>>());
        let loads = node
            .redis
            .said
            .iter()
            .filter(|(_, it)| it.starts_with("SCRIPT"));
        // One more if what was refused comes together with the answer to the first.
        assert!(loads.count() <= 3);
        assert_eq!(node.connects, 1);
    }
}

#[test]
fn a_password_that_is_refused_is_tried_again_ever_more_slowly() {
    let mut node = Node::new(usize::MAX);
    node.redis.is_password_wrong = true;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (began_ms, connects) = (node.now_ms, node.connects);
        while node.connects == connects {
            node.wait();
        }
        assert!(!node.links.is_up(SLOT));
        waits.push(node.now_ms - began_ms);
    }
    assert!(waits[0] <= RETRY_MS, "{waits:?}");
    assert!(
        waits.iter().all(|&wait_ms| wait_ms <= MOST_RETRY_MS),
        "{waits:?}"
    );
    assert!(waits[11] >= MOST_RETRY_MS / 2, "{waits:?}");
    node.redis.is_password_wrong = false;
    for _ in 0..5 {
        node.wait();
    }
    assert!(node.links.is_up(SLOT));
}

#[test]
fn what_is_sent_while_there_is_no_connection_fails_at_once() {
    let mut node = Node::new(usize::MAX);
    node.echo("x", 1);
    node.tick();
    assert_eq!(node.events, ["1 failed, sent false"]);
}

#[test]
fn a_silent_redis_is_left_and_the_old_connection_ended_before_anything_is_sent() {
    let mut node = Node::up(usize::MAX);
    node.redis.is_frozen = true;
    node.echo("old", 1);
    node.tick();
    node.now_ms += REDIS_TIMEOUT_MS - 1;
    node.tick();
    assert_eq!(node.events, [""; 0]);
    node.now_ms += 1;
    node.tick();
    assert_eq!(node.events, ["1 failed, sent true"]);
    node.redis.is_frozen = false;
    node.redis.said.clear();
    node.now_ms += MOST_RETRY_MS;
    node.run_until(|node| node.links.is_up(SLOT));
    node.echo("new", 2);
    node.run_until(|node| node.has("2 new"));
    assert!(node.place("CLIENT KILL ID 100") < node.place("ECHO new"));
}

#[test]
fn one_that_nothing_is_asked_of_is_pinged() {
    let mut node = Node::up(usize::MAX);
    node.redis.said.clear();
    node.now_ms += REDIS_SILENCE_MS;
    node.tick();
    node.tick();
    let pings = node.redis.said.iter().filter(|(_, it)| it == "PING");
    assert_eq!(pings.count(), 2);
    assert!(node.links.is_up(SLOT));
    node.redis.is_frozen = true;
    node.now_ms += REDIS_SILENCE_MS;
    node.tick();
    node.now_ms += REDIS_TIMEOUT_MS;
    node.tick();
    assert!(!node.links.is_up(SLOT));
}

#[test]
fn a_channel_is_heard_again_after_each_loss() {
    let mut node = Node::up(usize::MAX);
    node.links.subscribe(SLOT, "{p1}");
    node.run_until(|node| node.has("heard {p1}"));
    let message = format!(
        "*3\r\n{}{}{}",
        bulk("smessage"),
        bulk("{p1}"),
        bulk("hello")
    );
    node.redis.wires[1].say(message.as_bytes());
    node.run_until(|node| node.has("{p1}: hello"));
    node.events.clear();
    // The slot has moved.
    let moved = format!("*3\r\n{}{}:0\r\n", bulk("sunsubscribe"), bulk("{p1}"));
    node.redis.wires[1].say(moved.as_bytes());
    node.run_until(|node| node.events.len() == 2);
    assert_eq!(node.events, ["not heard {p1}", "heard {p1}"]);
    node.events.clear();
    // The connection is cut in mid-message: what had come of it is of no use.
    node.redis.wires[1].say(&message.as_bytes()[..20]);
    node.redis.wires[1].cut();
    node.run_until(|node| node.has("not heard {p1}"));
    node.now_ms += MOST_RETRY_MS;
    node.run_until(|node| node.events.len() == 2);
    assert_eq!(node.events, ["not heard {p1}", "heard {p1}"]);
}

#[test]
fn a_channel_that_is_given_up_is_not_taken_again() {
    let mut node = Node::up(usize::MAX);
    node.links.subscribe(SLOT, "{p1}");
    node.run_until(|node| node.has("heard {p1}"));
    node.links.unsubscribe("{p1}");
    node.redis.said.clear();
    node.tick();
    node.tick();
    let said: Vec<_> = node.redis.said.iter().map(|(_, it)| &**it).collect();
    assert_eq!(said, ["SUNSUBSCRIBE {p1}"]);
}

#[test]
fn a_channel_that_is_given_up_and_wanted_again_is_heard() {
    let mut node = Node::up(usize::MAX);
    node.links.subscribe(SLOT, "{p1}");
    node.run_until(|node| node.has("heard {p1}"));
    node.events.clear();
    node.links.unsubscribe("{p1}");
    node.links.subscribe(SLOT, "{p1}");
    node.run_until(|node| !node.events.is_empty());
    node.wait();
    assert_eq!(node.events, ["heard {p1}"]);
}

#[test]
fn what_is_no_redis_is_left() {
    let mut node = Node::up(usize::MAX);
    node.echo("x", 1);
    node.redis.is_frozen = true;
    node.redis.wires[0].say(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    node.tick();
    assert_eq!(node.events, ["1 failed, sent true"]);
    assert!(!node.links.is_up(SLOT));
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let mut node = Node::up(usize::MAX);
    let word = "x".repeat(1 << 20);
    let most = (MAX_REDIS_OUTPUT >> 20) as u64;
    for token in 0..=most {
        node.echo(&word, token);
    }
    assert_eq!(
        node.links.next_event().map(told),
        Some(format!("{most} failed, sent false"))
    );
}
