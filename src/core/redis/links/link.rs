//! One connection to Redis: what is sent and not answered yet, and how it ends.

mod greeting;

use std::collections::VecDeque;
use std::io::ErrorKind;

use crate::codec::resp::{self, Reply};
use crate::core::budget::{Budget, cost};
use crate::core::ready::Ready;
use crate::core::redis::links::command::{Command, Sent};
use crate::core::redis::links::target::Target;
use crate::core::redis::partition::Slot;
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
    /// It is to a Sentinel, which is asked where the master is.
    Sentinel,
}

impl Role {
    /// What it is called in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Channels => "channels",
            Self::Sentinel => "the address of the master",
        }
    }
}

/// What a reply is to.
#[derive(Debug)]
enum Expected {
    /// A step of the beginning.
    Step(greeting::Step),
    /// Which masters have which slots.
    Slots,
    /// Nothing that matters.
    Any,
    /// A command.
    Command(Box<Sent>),
}

/// What has come.
#[derive(Debug)]
pub(super) enum Incoming {
    Reply {
        sent: Box<Sent>,
        reply: Reply,
    },
    /// Which masters have which slots.
    Slots(Reply),
    /// Where the master is, as a Sentinel says.
    Master(Reply),
    /// A channel is not taken, for this reason.
    Refused(Box<str>),
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
    /// It is a node of a cluster.
    is_cluster: bool,
    /// What is to be done by name.
    scripts: &'static [&'static Script],
    /// What each script is called there.
    digests: Vec<(&'static str, Vec<u8>)>,
    /// Why it is of no use any more, once what has come before is used.
    failed: Option<String>,
}

impl<S: Stream> Link<S> {
    /// One on a connection that was made. `before`: the one that this is in place of.
    pub(super) fn begin(
        socket: S,
        role: Role,
        target: &Target,
        scripts: &'static [&'static Script],
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
            is_cluster: false,
            scripts,
            digests: Vec::new(),
            failed: None,
        };
        link.greet(target);
        link
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

    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
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

    /// Sends a command, which comes back with its reply.
    pub(super) fn send(&mut self, sent: Sent, now_ms: u64) {
        self.begin_waiting(now_ms);
        match &sent.command {
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
        self.expected.push_back(Expected::Command(Box::new(sent)));
    }

    /// Announces that the next command is for a slot which this master takes over.
    pub(super) fn announce(&mut self, now_ms: u64) {
        self.begin_waiting(now_ms);
        self.write([&b"ASKING"[..]], Expected::Any);
    }

    /// Asks which masters have which slots.
    pub(super) fn ask_slots(&mut self, now_ms: u64) {
        self.begin_waiting(now_ms);
        self.write([&b"CLUSTER"[..], b"SLOTS"], Expected::Slots);
    }

    fn begin_waiting(&mut self, now_ms: u64) {
        if self.expected.is_empty() {
            self.waiting_since_ms = now_ms;
        }
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
        if let Some(why) = self.failed.take() {
            return Err(why);
        }
        if !self.ready.readable && !self.ready.ending {
            return Ok(Vec::new());
        }
        let end = self.fill(budget);
        let mut incoming = Vec::new();
        let taken = self.take_all(&mut incoming, budget, now_ms);
        // What came before the end is used first.
        match taken.and(end) {
            Err(why) if incoming.is_empty() => Err(why),
            Err(why) => {
                self.failed = Some(why);
                Ok(incoming)
            }
            Ok(()) => Ok(incoming),
        }
    }

    fn take_all(
        &mut self,
        incoming: &mut Vec<Incoming>,
        budget: &Budget,
        now_ms: u64,
    ) -> Result<(), String> {
        let mut parsed = 0;
        while let Some((reply, length)) =
            resp::parse(&self.input[parsed..]).map_err(|error| error.to_string())?
        {
            parsed += length;
            budget.spend(cost::MESSAGE);
            self.waiting_since_ms = now_ms;
            self.heard_ms = now_ms;
            self.take(reply, incoming)?;
        }
        self.input.drain(..parsed);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        match self.input.len() > MAX_REDIS_INPUT {
            true => Err(format!("a reply is longer than {MAX_REDIS_INPUT} bytes")),
            false => Ok(()),
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
        if self.role == Role::Channels && self.state == State::Ready {
            return self.take_push(reply, incoming);
        }
        let Some(expected) = self.expected.pop_front() else {
            return Err(format!("it has said what nobody asked for: {reply}"));
        };
        match expected {
            Expected::Command(sent) => incoming.push(Incoming::Reply { sent, reply }),
            Expected::Step(step) => self.take_step(&step, reply, incoming)?,
            Expected::Slots => incoming.push(Incoming::Slots(reply)),
            Expected::Any => {}
        }
        let is_first = self.state == State::Greeting && self.role != Role::Sentinel;
        if is_first && self.expected.is_empty() {
            self.state = State::Ready;
            incoming.push(Incoming::Ready);
        }
        Ok(())
    }

    fn take_push(&mut self, reply: Reply, incoming: &mut Vec<Incoming>) -> Result<(), String> {
        match reply {
            Reply::Array(words) if is_pong(&words) => {
                self.expected.pop_front();
            }
            Reply::Array(words) => incoming.push(Incoming::Push(words)),
            Reply::Error(text) => incoming.push(Incoming::Refused(text)),
            other => return Err(format!("it has said what nobody asked for: {other}")),
        }
        Ok(())
    }

    /// Whether something can be read or written now.
    pub(super) fn has_work(&self) -> bool {
        let can_read = self.ready.readable || self.ready.ending || self.failed.is_some();
        can_read || (self.ready.writable && self.has_output())
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

    /// The commands that are not answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Sent> {
        self.expected.iter().filter_map(|expected| match expected {
            Expected::Command(sent) => Some(&**sent),
            _ => None,
        })
    }

    /// Whether a command of a slot is not answered.
    pub(super) fn has_under_way(&self, slot: Slot) -> bool {
        self.unanswered().any(|sent| sent.slot == slot)
    }
}

fn is_pong(words: &[Reply]) -> bool {
    matches!(words.first(), Some(Reply::Bulk(word)) if word == b"pong")
}

#[cfg(test)]
mod tests;
