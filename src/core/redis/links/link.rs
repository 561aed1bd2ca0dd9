//! One connection to Redis: how it begins, what is sent and not answered yet, and how it ends.

use std::collections::VecDeque;
use std::io::ErrorKind;

use crate::codec::resp::{self, Reply};
use crate::core::budget::{Budget, cost};
use crate::core::ready::Ready;
use crate::core::redis::links::command::Command;
use crate::core::redis::links::target::Target;
use crate::core::redis::scripts::Script;
use crate::core::stream::Stream;
use crate::limits::{MAX_REDIS_INPUT, MAX_REDIS_OUTPUT, REDIS_SILENCE_MS, REDIS_TIMEOUT_MS};

/// Bytes that are read at once.
const READ_AT_ONCE: usize = 64 << 10;
/// Reads of one connection in a tick.
const READS: usize = 8;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Commands,
    Channels,
}

impl Role {
    /// What it is called in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Channels => "channels",
        }
    }
}

/// What a reply is to.
#[derive(Debug)]
enum Expected {
    /// A step of the beginning that has to succeed; what it is for.
    Step(&'static str),
    /// The number of this connection.
    ClientId,
    /// Whether it is a master.
    Role,
    /// What Redis says of itself.
    Info,
    /// The digest of a script.
    Digest(&'static Script),
    /// Nothing that matters.
    Any,
    /// A command with this token.
    Command(u64),
}

/// What has come.
#[derive(Debug)]
pub(super) enum Incoming {
    Reply {
        token: u64,
        reply: Reply,
    },
    /// The connection can be used.
    Ready,
    /// Something was said on a channel, or a channel was taken or given up.
    Push(Vec<Reply>),
}

/// Which connection one is, among all that there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The process of Redis.
    run: Box<str>,
    /// The number that it has given the connection.
    number: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Ready,
}

#[derive(Debug)]
pub(super) struct Link<S> {
    socket: S,
    role: Role,
    state: State,
    ready: Ready,
    output: Vec<u8>,
    /// How much of it the kernel has taken.
    written: usize,
    input: Vec<u8>,
    /// What replies are waited for, in their order.
    expected: VecDeque<Expected>,
    /// Since when the oldest of them is waited for.
    waiting_since_ms: u64,
    /// When something came last.
    heard_ms: u64,
    /// The number of this connection in Redis.
    client: Option<u64>,
    /// Which process it is to.
    run: Option<Box<str>>,
    /// The connection that this is in place of.
    before: Option<Identity>,
    /// Redis has channels of shards.
    is_sharded: bool,
    /// What each script is called there.
    digests: Vec<(&'static str, Vec<u8>)>,
}

impl<S: Stream> Link<S> {
    /// One on a connection that was made. `before`: the one that this is in place of.
    pub(super) fn begin(
        socket: S,
        role: Role,
        login: &Target,
        scripts: &[&'static Script],
        before: Option<Identity>,
        now_ms: u64,
    ) -> Self {
        let mut link = Self {
            socket,
            role,
            state: State::Greeting,
            ready: Ready::default(),
            output: Vec::new(),
            written: 0,
            input: Vec::new(),
            expected: VecDeque::new(),
            waiting_since_ms: now_ms,
            heard_ms: now_ms,
            client: None,
            run: None,
            before,
            is_sharded: false,
            digests: Vec::new(),
        };
        link.greet(login);
        if role == Role::Commands {
            for &script in scripts {
                let words = [&b"SCRIPT"[..], b"LOAD", script.text.as_bytes()];
                link.write(words, Expected::Digest(script));
            }
        }
        link
    }

    fn greet(&mut self, login: &Target) {
        if let Some(password) = &login.password {
            let user = login.user.as_deref().unwrap_or("default");
            let words = [&b"AUTH"[..], user.as_bytes(), password.as_bytes()];
            self.write(words, Expected::Step("the login"));
        }
        if login.db > 0 {
            let db = login.db.to_string();
            self.write(
                [&b"SELECT"[..], db.as_bytes()],
                Expected::Step("the database"),
            );
        }
        // Redis may forbid the names: it is only for people who look at its list of clients.
        self.write([&b"CLIENT"[..], b"SETNAME", b"parlor"], Expected::Any);
        self.write([&b"CLIENT"[..], b"ID"], Expected::ClientId);
        self.write([&b"INFO"[..], b"replication"], Expected::Role);
        self.write([&b"INFO"[..], b"server"], Expected::Info);
    }

    /// What Redis says of itself. If it is the one that the connection before was to, that is ended: nothing that was sent there
    /// is done after what is sent here.
    fn on_info(&mut self, info: &str) -> Result<(), String> {
        match field(info, "redis_mode") {
            Some("cluster") => {
                return Err("it is a node of a cluster, which parlor cannot use yet".to_owned());
            }
            Some("sentinel") => return Err("it is a Sentinel: name the Redis itself".to_owned()),
            _ => {}
        }
        self.is_sharded = is_sharded(info);
        let run = field(info, "run_id").map(Into::into);
        let before = self.before.take();
        if let Some(before) = before.filter(|it| Some(&it.run) == run.as_ref()) {
            let number = before.number.to_string();
            let words = [&b"CLIENT"[..], b"KILL", b"ID", number.as_bytes()];
            self.write(words, Expected::Any);
        }
        self.run = run;
        Ok(())
    }

    pub(super) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    pub(super) fn on_ready(&mut self, ready: Ready) {
        self.ready.readable |= ready.readable;
        self.ready.writable |= ready.writable;
        self.ready.ending |= ready.ending;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    pub(super) fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    /// The connection by which commands may have been sent last that are not done yet: this one, or the one before.
    pub(super) fn identity(&self) -> Option<Identity> {
        if !self.is_ready() {
            return self.before.clone();
        }
        Some(Identity {
            run: self.run.clone()?,
            number: self.client?,
        })
    }

    /// Whether there is place for another command.
    pub(super) fn has_place(&self) -> bool {
        self.output.len() - self.written < MAX_REDIS_OUTPUT
    }

    /// Sends a command, whose reply comes with its token.
    pub(super) fn send(&mut self, command: &Command, token: u64, now_ms: u64) {
        if self.expected.is_empty() {
            self.waiting_since_ms = now_ms;
        }
        match command {
            Command::Plain(words) => {
                resp::write_command(words.iter().map(|word| &**word), &mut self.output);
            }
            Command::Script { script, keys, args } => {
                let digest = self.digests.iter().find(|(name, _)| *name == script.name);
                let (word, name) = match digest {
                    Some((_, digest)) => (&b"EVALSHA"[..], &**digest),
                    None => (&b"EVAL"[..], script.text.as_bytes()),
                };
                let count = keys.len().to_string();
                let head = [word, name, count.as_bytes()];
                let rest = keys.iter().chain(args).map(|it| &**it);
                let words: Vec<&[u8]> = head.into_iter().chain(rest).collect();
                resp::write_command(words.into_iter(), &mut self.output);
            }
        }
        self.expected.push_back(Expected::Command(token));
    }

    /// Asks for channels, or gives them up. What is said of it comes as a push.
    pub(super) fn write_words<'a>(&mut self, words: impl Iterator<Item = &'a [u8]>) {
        let words: Vec<&[u8]> = words.collect();
        resp::write_command(words.into_iter(), &mut self.output);
    }

    fn write<const N: usize>(&mut self, words: [&[u8]; N], expected: Expected) {
        resp::write_command(words.into_iter(), &mut self.output);
        self.expected.push_back(expected);
    }

    /// When something has to have come.
    pub(super) fn deadline_ms(&self) -> u64 {
        match self.expected.is_empty() {
            true => self.heard_ms + REDIS_SILENCE_MS,
            false => self.waiting_since_ms + REDIS_TIMEOUT_MS,
        }
    }

    /// Looks whether Redis is silent for too long, and asks whether it is there.
    ///
    /// # Errors
    /// It has not answered in time.
    pub(super) fn run_deadline(&mut self, now_ms: u64) -> Result<(), String> {
        if self.deadline_ms() > now_ms {
            return Ok(());
        }
        if !self.expected.is_empty() {
            return Err(format!(
                "it has not answered for {} s",
                REDIS_TIMEOUT_MS / 1_000
            ));
        }
        self.waiting_since_ms = now_ms;
        self.write([&b"PING"[..]], Expected::Any);
        Ok(())
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// The connection is of no use any more, for this reason.
    pub(super) fn read(&mut self, budget: &Budget, now_ms: u64) -> Result<Vec<Incoming>, String> {
        if !self.ready.readable && !self.ready.ending {
            return Ok(Vec::new());
        }
        let end = self.fill(budget);
        let mut incoming = Vec::new();
        let mut parsed = 0;
        while let Some((reply, length)) =
            resp::parse(&self.input[parsed..]).map_err(|error| error.to_string())?
        {
            parsed += length;
            budget.spend(cost::MESSAGE);
            self.waiting_since_ms = now_ms;
            self.heard_ms = now_ms;
            self.take(reply, &mut incoming)?;
        }
        self.input.drain(..parsed);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if self.input.len() > MAX_REDIS_INPUT {
            return Err(format!("a reply is longer than {MAX_REDIS_INPUT} bytes"));
        }
        // What came before the end is used, and the end is found again.
        match end {
            Err(why) if incoming.is_empty() => Err(why),
            _ => Ok(incoming),
        }
    }

    fn fill(&mut self, budget: &Budget) -> Result<(), String> {
        for _ in 0..READS {
            let before = self.input.len();
            self.input.resize(before + READ_AT_ONCE, 0);
            budget.spend(cost::READ);
            let result = self.socket.read(&mut self.input[before..]);
            self.input.truncate(before + *result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) => return Err("it has closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready.readable = false;
                    return Ok(());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    fn take(&mut self, reply: Reply, incoming: &mut Vec<Incoming>) -> Result<(), String> {
        if self.role == Role::Channels
            && self.state == State::Ready
            && let Reply::Array(words) = reply
        {
            if is_pong(&words) {
                self.expected.pop_front();
            } else {
                incoming.push(Incoming::Push(words));
            }
            return Ok(());
        }
        let Some(expected) = self.expected.pop_front() else {
            return Err(format!("it has said what nobody asked for: {reply}"));
        };
        match expected {
            Expected::Command(token) => incoming.push(Incoming::Reply { token, reply }),
            Expected::Step(what) if reply.is_error() => {
                return Err(format!("it refuses {what}: {reply}"));
            }
            Expected::ClientId => match reply {
                Reply::Integer(number) => self.client = u64::try_from(number).ok(),
                // The first reply of one that wants a password, or is not ready.
                _ => return Err(reply.to_string()),
            },
            Expected::Info => match reply.text() {
                Some(info) => self.on_info(info)?,
                None => return Err(format!("it does not say what it is: {reply}")),
            },
            Expected::Role => {
                let role = reply.text().and_then(|info| field(info, "role"));
                if role.is_some_and(|role| role != "master") {
                    return Err("it is a replica: name the master, too".to_owned());
                }
            }
            Expected::Digest(script) => {
                if let Reply::Bulk(digest) = reply {
                    self.digests.push((script.name, digest));
                } else {
                    return Err(format!("it does not take a script: {reply}"));
                }
            }
            Expected::Step(_) | Expected::Any => {}
        }
        if self.state == State::Greeting && self.expected.is_empty() {
            self.state = State::Ready;
            incoming.push(Incoming::Ready);
        }
        Ok(())
    }

    /// Whether something can be read or written now.
    pub(super) fn has_work(&self) -> bool {
        self.ready.readable || self.ready.ending || (self.ready.writable && self.has_output())
    }

    fn has_output(&self) -> bool {
        self.written < self.output.len() || self.socket.has_unsent()
    }

    /// Writes what is to be sent, in one go.
    ///
    /// # Errors
    /// The connection is of no use any more, for this reason.
    pub(super) fn flush(&mut self, budget: &Budget) -> Result<(), String> {
        while self.ready.writable && self.has_output() {
            budget.spend(cost::WRITE);
            let result = match self.written < self.output.len() {
                true => self.socket.write(&self.output[self.written..]),
                false => self.socket.flush().map(|()| 0),
            };
            match result {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.ready.writable = false,
                Err(error) => return Err(error.to_string()),
            }
        }
        // What was written is let go of, although the kernel may never take all: no more is moved than was written.
        if self.written >= self.output.len() / 2 {
            self.output.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }

    /// What was not answered: the commands with their tokens.
    pub(super) fn into_unanswered(self) -> impl Iterator<Item = u64> {
        self.expected
            .into_iter()
            .filter_map(|expected| match expected {
                Expected::Command(token) => Some(token),
                _ => None,
            })
    }
}

fn is_pong(words: &[Reply]) -> bool {
    matches!(words.first(), Some(Reply::Bulk(word)) if word == b"pong")
}

/// A line of what Redis says of itself.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let rest = info.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.strip_prefix(':'))
}

/// Whether a server of this version has channels of shards: Redis from 7.0 on, and Valkey, which says that it is Redis 7.2.
fn is_sharded(info: &str) -> bool {
    let version = field(info, "redis_version");
    let major = version.and_then(|version| version.split('.').next());
    major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= 7)
}

#[cfg(test)]
mod tests;
