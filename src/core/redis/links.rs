//! The connections to Redis: one for commands and one for channels.

mod command;
mod link;
mod target;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::codec::resp::Reply;
use crate::core::budget::Budget;
use crate::core::ready::Ready;
use crate::core::redis::partition::Slot;
use crate::core::redis::scripts::Script;
use crate::core::stream::Stream;
pub use command::Command;
use link::{Identity, Incoming, Link, Role};
pub use target::Target;

/// Milliseconds before a connection is tried again; doubled each time.
const RETRY_MS: u64 = 50;
/// At most.
const MOST_RETRY_MS: u64 = 2_000;

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(pub usize);

/// A connection to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which one.
    pub link: LinkId,
    /// The host.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// What the connections tell.
#[derive(Debug)]
pub enum LinkEvent {
    /// Redis has answered.
    Reply {
        /// That of the command.
        token: u64,
        /// The reply.
        reply: Reply,
    },
    /// A command was not answered.
    Failed {
        /// That of the command.
        token: u64,
        /// It may have been carried out.
        is_sent: bool,
    },
    /// From here on nothing is missed on a channel.
    Subscribed {
        /// The channel.
        channel: Box<str>,
    },
    /// Something may be missed on a channel from here on. It is subscribed to again.
    Unsubscribed {
        /// The channel.
        channel: Box<str>,
    },
    /// Something was said on a channel.
    Message {
        /// The channel.
        channel: Box<str>,
        /// What.
        payload: Vec<u8>,
    },
}

/// The connections to Redis.
#[derive(Debug)]
pub struct Links<S> {
    target: Target,
    scripts: &'static [&'static Script],
    places: [Place<S>; 2],
    /// The channels that are wanted, and how far they are.
    channels: BTreeMap<Box<str>, Channel>,
    /// Those that are given up, and how often that is not confirmed yet.
    given_up: BTreeMap<Box<str>, u32>,
    /// The place of the address that is used, or tried next.
    current: usize,
    /// It was logged that Redis cannot be used, and it could not be since.
    has_complained: bool,
    events: VecDeque<LinkEvent>,
    random: ChaCha8Rng,
}

/// Where a connection is, or is to be.
#[derive(Debug)]
struct Place<S> {
    link: Option<Link<S>>,
    is_connecting: bool,
    /// The place of its address.
    address: usize,
    /// When it is tried again.
    at_ms: u64,
    failures: u32,
    /// The connection before.
    before: Option<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Wanted,
    /// It is asked for.
    Asked,
    /// It is heard, and that was not told yet.
    Taken,
    Heard,
}

const ROLES: [Role; 2] = [Role::Commands, Role::Channels];

impl<S> Default for Place<S> {
    fn default() -> Self {
        Self {
            link: None,
            is_connecting: false,
            address: 0,
            at_ms: 0,
            failures: 0,
            before: None,
        }
    }
}

impl<S: Stream> Links<S> {
    /// Connections that are to be made. `scripts`: all that commands name.
    pub fn new(target: Target, scripts: &'static [&'static Script], seed: [u8; 32]) -> Self {
        Self {
            target,
            scripts,
            places: Default::default(),
            channels: BTreeMap::new(),
            given_up: BTreeMap::new(),
            current: 0,
            has_complained: false,
            events: VecDeque::new(),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// The next connection to be made. Its end is to be told by `on_connected`.
    pub fn next_connect(&mut self, now_ms: u64) -> Option<Connect> {
        let is_due = |place: &Place<S>| {
            place.link.is_none() && !place.is_connecting && place.at_ms <= now_ms
        };
        let index = self.places.iter().position(is_due)?;
        let (host, port) = self.target.addresses.get(self.current)?.clone();
        self.places[index].is_connecting = true;
        self.places[index].address = self.current;
        let link = LinkId(index);
        Some(Connect { link, host, port })
    }

    /// A connection is made, or cannot be. Its events are to be reported to `on_ready`.
    pub fn on_connected(&mut self, LinkId(index): LinkId, socket: io::Result<S>, now_ms: u64) {
        let place = &mut self.places[index];
        place.is_connecting = false;
        match socket {
            Ok(socket) => {
                let (role, before) = (ROLES[index], place.before.take());
                let target = &self.target;
                let link = Link::begin(socket, role, target, self.scripts, before, now_ms);
                place.link = Some(link);
            }
            Err(error) => self.lose(index, &error.to_string(), now_ms),
        }
    }

    /// The socket of a connection, to register it for events.
    pub fn socket_mut(&mut self, LinkId(index): LinkId) -> Option<&mut S> {
        let link = self.places.get_mut(index)?.link.as_mut();
        link.map(Link::socket_mut)
    }

    /// The kernel says what a socket is ready for.
    pub fn on_ready(&mut self, LinkId(index): LinkId, ready: Ready) {
        if let Some(link) = self.places.get_mut(index).and_then(|it| it.link.as_mut()) {
            link.on_ready(ready);
        }
    }

    /// Reads what has come, and looks who is silent. To be called in every tick.
    pub fn run(&mut self, budget: &Budget, now_ms: u64) {
        for index in 0..self.places.len() {
            let Some(link) = &mut self.places[index].link else {
                continue;
            };
            match link.read(budget, now_ms) {
                Ok(incoming) => {
                    for it in incoming {
                        self.on_incoming(index, it, now_ms);
                    }
                }
                Err(why) => self.lose(index, &why, now_ms),
            }
            let link = self.places[index].link.as_mut();
            if let Some(Err(why)) = link.map(|link| link.run_deadline(now_ms)) {
                self.lose(index, &why, now_ms);
            }
        }
    }

    /// Writes what is to be sent. To be called at the end of every tick.
    pub fn flush(&mut self, budget: &Budget, now_ms: u64) {
        for index in 0..self.places.len() {
            let link = self.places[index].link.as_mut();
            if let Some(Err(why)) = link.map(|link| link.flush(budget)) {
                self.lose(index, &why, now_ms);
            }
        }
    }

    /// Whether the next tick has work that no event announces.
    pub fn has_work(&self) -> bool {
        let mut links = self.places.iter().filter_map(|place| place.link.as_ref());
        !self.events.is_empty() || links.any(Link::has_work)
    }

    /// When something is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let places = self.places.iter().filter(|place| !place.is_connecting);
        let deadlines = places.map(|place| {
            let link = place.link.as_ref();
            link.map_or(place.at_ms, Link::deadline_ms)
        });
        deadlines.min()
    }

    /// Sends a command for a slot. Its end comes as an event with its token.
    pub fn send(&mut self, _slot: Slot, command: &Command, token: u64, now_ms: u64) {
        let link = self.places[0].link.as_mut();
        match link.filter(|link| link.is_ready() && link.has_place()) {
            Some(link) => link.send(command, token, now_ms),
            None => {
                let is_sent = false;
                self.events.push_back(LinkEvent::Failed { token, is_sent });
            }
        }
    }

    /// Wants to hear a channel.
    pub fn subscribe(&mut self, _slot: Slot, channel: &str) {
        self.channels.insert(channel.into(), Channel::Wanted);
        self.ask_for_channels();
    }

    /// Wants to hear it no more.
    pub fn unsubscribe(&mut self, _slot: Slot, channel: &str) {
        self.channels.remove(channel);
        if let Some(link) = self.places[1].link.as_mut().filter(|link| link.is_ready()) {
            let word = channel_word("UNSUBSCRIBE", link.is_sharded());
            link.write_words([word.as_bytes(), channel.as_bytes()].into_iter());
            *self.given_up.entry(channel.into()).or_default() += 1;
        }
    }

    /// Whether a command for a slot can be sent now, or in a moment: the first connection is being made.
    pub fn is_up(&self, _slot: Slot) -> bool {
        let place = &self.places[0];
        place.failures == 0 || place.link.as_ref().is_some_and(Link::is_ready)
    }

    /// Whether the channel of a slot is one of a shard.
    pub fn is_sharded(&self, _slot: Slot) -> bool {
        self.places[1].link.as_ref().is_some_and(Link::is_sharded)
    }

    /// What has happened.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn ask_for_channels(&mut self) {
        let Some(link) = self.places[1].link.as_mut().filter(|link| link.is_ready()) else {
            return;
        };
        let wanted = self.channels.iter_mut();
        let wanted: Vec<_> = wanted.filter(|(_, it)| **it == Channel::Wanted).collect();
        let word = channel_word("SUBSCRIBE", link.is_sharded());
        for (channel, state) in wanted {
            *state = Channel::Asked;
            link.write_words([word.as_bytes(), channel.as_bytes()].into_iter());
        }
    }

    fn on_incoming(&mut self, index: usize, incoming: Incoming, now_ms: u64) {
        match incoming {
            Incoming::Ready => {
                self.on_link_ready(index, now_ms);
            }
            Incoming::Reply { token, reply } => self.on_reply(token, reply, now_ms),
            Incoming::Push(words) => self.on_push(words),
        }
    }

    fn on_link_ready(&mut self, index: usize, now_ms: u64) {
        let place = &mut self.places[index];
        place.failures = 0;
        let address = place.address;
        let (role, shown) = (ROLES[index].name(), self.shown(address));
        log::info!("connected to Redis for {role} at {shown}");
        self.current = address;
        let other = &self.places[1 - index];
        if other.address != address && other.link.is_some() {
            self.lose(1 - index, "another one is used now", now_ms);
        }
        let mut links = self.places.iter().map(|place| place.link.as_ref());
        if links.all(|link| link.is_some_and(Link::is_ready)) {
            self.has_complained = false;
        }
        self.ask_for_channels();
        self.tell_heard();
    }

    /// An address as people know it.
    fn shown(&self, address: usize) -> String {
        let address = self.target.addresses.get(address);
        address.map_or_else(String::new, |(host, port)| format!("{host}:{port}"))
    }

    fn on_reply(&mut self, token: u64, reply: Reply, now_ms: u64) {
        // What was sent behind it would be done before it, if it were sent again.
        let why = match &reply {
            Reply::Error(text) if text.starts_with("NOSCRIPT") => "it has forgotten the scripts",
            Reply::Error(text) if text.starts_with("READONLY") => "it is a replica now",
            _ => return self.events.push_back(LinkEvent::Reply { token, reply }),
        };
        let is_sent = false;
        self.events.push_back(LinkEvent::Failed { token, is_sent });
        if self.places[0].link.is_some() {
            self.lose(0, why, now_ms);
        }
    }

    fn on_push(&mut self, words: Vec<Reply>) {
        let mut words = words.into_iter();
        let (Some(Reply::Bulk(word)), Some(Reply::Bulk(channel))) = (words.next(), words.next())
        else {
            return;
        };
        let Ok(channel) = String::from_utf8(channel) else {
            return;
        };
        match (&*word, words.next()) {
            (b"message" | b"smessage", Some(Reply::Bulk(payload))) => {
                let channel = channel.into();
                self.events
                    .push_back(LinkEvent::Message { channel, payload });
            }
            (b"subscribe" | b"ssubscribe", _) => {
                if let Some(state) = self.channels.get_mut(&*channel) {
                    *state = Channel::Taken;
                    self.tell_heard();
                }
            }
            (b"unsubscribe" | b"sunsubscribe", _) if self.confirm_given_up(&channel) => {}
            (b"unsubscribe" | b"sunsubscribe", _) => {
                if let Some(state) = self.channels.get_mut(&*channel) {
                    *state = Channel::Wanted;
                    let channel = channel.into();
                    self.events.push_back(LinkEvent::Unsubscribed { channel });
                    self.ask_for_channels();
                }
            }
            _ => {}
        }
    }

    /// A channel is not heard any more. Says whether that was wanted; it may be wanted again since, and is asked for.
    fn confirm_given_up(&mut self, channel: &str) -> bool {
        let Some(count) = self.given_up.get_mut(channel) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.given_up.remove(channel);
        }
        true
    }

    /// Tells which channels are heard, once commands can be sent, too.
    fn tell_heard(&mut self) {
        if !self.places[0].link.as_ref().is_some_and(Link::is_ready) {
            return;
        }
        for (channel, state) in &mut self.channels {
            if *state == Channel::Taken {
                *state = Channel::Heard;
                let channel = channel.clone();
                self.events.push_back(LinkEvent::Subscribed { channel });
            }
        }
    }

    /// A connection has ended, or was not made.
    fn lose(&mut self, index: usize, why: &str, now_ms: u64) {
        let place = &mut self.places[index];
        let wait_ms = MOST_RETRY_MS.min(RETRY_MS << place.failures.min(10));
        place.at_ms = now_ms + wait_ms / 2 + self.random.next_u64() % (wait_ms / 2);
        place.failures += 1;
        let link = place.link.take();
        let address = place.address;
        if !std::mem::replace(&mut self.has_complained, true) {
            let shown = self.shown(address);
            log::error!("cannot use Redis at {shown}: {why}; it is tried again and again");
        }
        if !link.as_ref().is_some_and(Link::is_ready) && self.current == address {
            self.current = (address + 1) % self.target.addresses.len().max(1);
        }
        let Some(link) = link else {
            return;
        };
        self.places[index].before = link.identity();
        let tokens = link.into_unanswered();
        let failed = tokens.map(|token| LinkEvent::Failed {
            token,
            is_sent: true,
        });
        self.events.extend(failed);
        if ROLES[index] == Role::Channels {
            self.given_up.clear();
            for (channel, state) in &mut self.channels {
                if std::mem::replace(state, Channel::Wanted) == Channel::Heard {
                    let channel = channel.clone();
                    self.events.push_back(LinkEvent::Unsubscribed { channel });
                }
            }
        }
    }
}

fn channel_word(word: &str, is_sharded: bool) -> String {
    match is_sharded {
        true => format!("S{word}"),
        false => word.to_owned(),
    }
}

#[cfg(test)]
mod tests;
