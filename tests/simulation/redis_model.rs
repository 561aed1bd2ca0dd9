//! A Redis in memory: what the connections of a node find at the other end, and what can go wrong with it.
//!
//! It takes commands as bytes and answers with bytes, on the sockets of the simulation. Functions in Lua are the real ones.
//! `differential` compares it with a real Redis. It is a Redis alone: it knows nothing of clusters and Sentinels.

mod commands;
mod data;
mod differential;
mod faults;
mod greeting;
mod look;
mod resp;
mod scripts;
mod sorted;
mod streams;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::rc::Rc;

use crate::random::Random;
use crate::socket::{Journal, Link, Luck, Shared, Socket};
use data::Data;
pub(crate) use faults::Kept;
use resp::{Reply, Words, parse_command};
use scripts::{Scripts, name_of};

const NOSCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";

/// A channel, and whether it is a shard's.
type Channel = (bool, Vec<u8>);

/// A Redis, and the connections to it.
#[derive(Debug)]
pub(crate) struct RedisModel {
    data: Data,
    /// What it was at some time, the newest last.
    saved: Vec<Data>,
    scripts: Scripts,
    connections: BTreeMap<u64, Connection>,
    next_id: u64,
    /// Another one after each start.
    run: u64,
    password: Option<Vec<u8>>,
    state: State,
    /// Messages to subscribers that are lost next.
    to_lose: usize,
    luck: Luck,
    random: Random,
    journal: Journal,
}

/// How a Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Its process runs, but nothing moves (SIGSTOP).
    Stopped,
    /// It answers that it reads its data.
    Loading,
    /// It takes no writes.
    Replica,
    Down,
}

#[derive(Debug)]
struct Connection {
    link: Option<Shared>,
    input: Vec<u8>,
    output: VecDeque<u8>,
    channels: BTreeSet<Channel>,
    name: Vec<u8>,
    is_known: bool,
    /// Nothing arrives on it any more.
    is_stalled: bool,
}

impl RedisModel {
    /// A Redis without keys, on sockets with this luck.
    pub(crate) fn new(seed: u64, luck: Luck) -> Self {
        Self {
            data: Data::default(),
            saved: Vec::new(),
            scripts: Scripts::new(),
            connections: BTreeMap::new(),
            next_id: 1,
            run: 1,
            password: None,
            state: State::Up,
            to_lose: 0,
            luck,
            random: Random::new(seed, 0x72_65_64_69_73),
            journal: Journal::default(),
        }
    }

    /// A node connects: its end of the socket.
    pub(crate) fn connect(&mut self) -> io::Result<Socket> {
        if self.state == State::Down {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let random = Random::new(self.random.next(), 0);
        let life = self.next_id as usize;
        let link = Link::new(life, self.luck, random, &self.journal);
        self.open(Some(Rc::clone(&link)));
        Ok(Socket(link))
    }

    fn open(&mut self, link: Option<Shared>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let connection = Connection {
            link,
            input: Vec::new(),
            output: VecDeque::new(),
            channels: BTreeSet::new(),
            name: Vec::new(),
            is_known: self.password.is_none(),
            is_stalled: false,
        };
        self.connections.insert(id, connection);
        id
    }

    /// Reads what has arrived, carries out commands, and writes, as far as luck has it. The clock of Redis says `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64) {
        self.data.pass(now_ms);
        if self.state == State::Stopped {
            return;
        }
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.read(id);
            while let Some(words) = self.next_command(id) {
                self.run_command(id, &words);
            }
        }
        let Self {
            connections,
            random,
            ..
        } = self;
        for connection in connections.values_mut() {
            connection.write(random);
        }
    }

    /// Whether the next step does something, if it is not held up.
    pub(crate) fn has_work(&self) -> bool {
        let is_busy = |connection: &Connection| {
            let link = connection.link.as_ref().map(|it| it.borrow());
            let arrived = link.is_some_and(|it| !it.to_client.is_empty() || it.dropped);
            !connection.is_stalled && (arrived || !connection.output.is_empty())
        };
        self.state != State::Stopped && self.connections.values().any(is_busy)
    }

    /// Bytes arrive, or the end.
    fn read(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(link) = connection.link.clone().filter(|_| !connection.is_stalled) else {
            return;
        };
        let mut link = link.borrow_mut();
        connection.input.extend(link.take(usize::MAX));
        if link.dropped || link.server_ended {
            // What came before the end is carried out yet.
            drop(link);
            while let Some(words) = self.next_command(id) {
                self.run_command(id, &words);
            }
            self.connections.remove(&id);
        }
    }

    fn next_command(&mut self, id: u64) -> Option<Words> {
        let connection = self.connections.get_mut(&id)?;
        let (words, length) = parse_command(&connection.input)?;
        connection.input.drain(..length);
        Some(words)
    }

    /// Carries out a command, and puts its replies into the output of the connection.
    fn run_command(&mut self, id: u64, words: &[Vec<u8>]) {
        let name = String::from_utf8_lossy(&words[0]).to_uppercase();
        let args = &words[1..];
        for reply in self.replies(id, &name, args) {
            self.answer(id, &reply);
        }
    }

    /// The replies to a command: one, but for those that name channels.
    fn replies(&mut self, id: u64, name: &str, args: &[Vec<u8>]) -> Vec<Reply> {
        if let Some(refusal) = self.refusal(id, name, args) {
            return vec![refusal];
        }
        if let Some(replies) = self.greeting(id, name, args) {
            return replies;
        }
        vec![match (name, args) {
            ("SCRIPT", [word, rest @ ..]) => self.script(word, rest),
            ("EVAL" | "EVALSHA", [text, count, rest @ ..]) => {
                self.evaluate(name == "EVAL", text, count, rest)
            }
            _ => self.on_keys(name, args),
        }]
    }

    /// A command on keys, or a message to all.
    fn on_keys(&mut self, name: &str, args: &[Vec<u8>]) -> Reply {
        let mut said = Vec::new();
        let connections = &self.connections;
        let reply = carry_out(&mut self.data, &mut said, connections, name, args);
        self.say(said);
        reply
    }

    fn script(&mut self, word: &[u8], rest: &[Vec<u8>]) -> Reply {
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"LOAD", [text]) => match self.scripts.load(text) {
                Ok(name) => Reply::bulk(name),
                Err(error) => Reply::Error(error),
            },
            (b"FLUSH", []) => {
                self.scripts.forget_all();
                Reply::ok()
            }
            (b"EXISTS", names) => {
                let has = |name: &Vec<u8>| self.scripts.has(&String::from_utf8_lossy(name));
                let found = names.iter().map(|it| Reply::Integer(has(it).into()));
                Reply::Array(found.collect())
            }
            _ => Reply::error("ERR unknown subcommand"),
        }
    }

    fn evaluate(&mut self, is_text: bool, text: &[u8], count: &[u8], rest: &[Vec<u8>]) -> Reply {
        let name = match is_text {
            false => String::from_utf8_lossy(text).to_lowercase(),
            true if self.scripts.has(&name_of(text)) => name_of(text),
            true => match self.scripts.load(text) {
                Ok(name) => name,
                Err(error) => return Reply::Error(error),
            },
        };
        if !self.scripts.has(&name) {
            return Reply::error(NOSCRIPT);
        }
        let keys = commands::number(count).map(usize::try_from);
        let Ok(Ok(keys)) = keys else {
            return Reply::error("ERR value is not an integer or out of range");
        };
        if keys > rest.len() {
            return Reply::error("ERR Number of keys can't be greater than number of args");
        }
        let Self {
            data,
            scripts,
            connections,
            ..
        } = self;
        let mut said = Vec::new();
        let mut call =
            |name: &str, args: &[Vec<u8>]| carry_out(data, &mut said, connections, name, args);
        let reply = scripts.run(&name, rest.split_at(keys), &mut call);
        self.say(said);
        reply
    }

    /// Puts messages into the output of those who have subscribed.
    fn say(&mut self, said: Vec<(Channel, Vec<u8>)>) {
        for (channel, message) in said {
            let kind = if channel.0 { "smessage" } else { "message" };
            let reply = Reply::Array(vec![
                Reply::bulk(kind),
                Reply::bulk(channel.1.clone()),
                Reply::bulk(message),
            ]);
            let hearers = self.connections.iter();
            let hearers = hearers.filter(|(_, it)| it.channels.contains(&channel));
            for id in hearers.map(|(id, _)| *id).collect::<Vec<_>>() {
                if self.to_lose > 0 {
                    self.to_lose -= 1;
                } else {
                    self.answer(id, &reply);
                }
            }
        }
    }

    fn answer(&mut self, id: u64, reply: &Reply) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let mut bytes = Vec::new();
            reply.write(&mut bytes);
            connection.output.extend(bytes);
        }
    }
}

/// Carries out a command on keys or one that says something, which is put into `said`.
fn carry_out(
    data: &mut Data,
    said: &mut Vec<(Channel, Vec<u8>)>,
    connections: &BTreeMap<u64, Connection>,
    name: &str,
    args: &[Vec<u8>],
) -> Reply {
    match (name, args) {
        ("PUBLISH" | "SPUBLISH", [channel, message]) => {
            let channel = (name == "SPUBLISH", channel.clone());
            let hearers = connections.values();
            let count = hearers.filter(|it| it.channels.contains(&channel)).count();
            said.push((channel, message.clone()));
            Reply::count(count)
        }
        _ => commands::execute(data, name, args).unwrap_or_else(|| {
            let name = name.to_lowercase();
            Reply::error(format!("ERR unknown command '{name}'"))
        }),
    }
}

impl Connection {
    /// Writes a part of what waits, or all of it.
    fn write(&mut self, random: &mut Random) {
        let Some(link) = self.link.as_ref().filter(|_| !self.is_stalled) else {
            return;
        };
        let count = match random.chance(300) {
            true => random.below(self.output.len() + 1),
            false => self.output.len(),
        };
        if count > 0 {
            link.borrow_mut().arrive(self.output.drain(..count));
        }
    }
}
