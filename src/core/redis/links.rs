//! The connections to Redis: one for commands and one for channels, to each master that is used.
//!
//! Where the masters are is found out: they are tried in turn, Sentinels are asked, or the nodes of a cluster.

mod channels;
mod cluster;
mod command;
mod held;
mod incoming;
mod link;
mod losing;
mod servers;
mod target;
mod topology;

use std::collections::VecDeque;
use std::io;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;

use crate::codec::resp::Reply;
use crate::core::budget::Budget;
use crate::core::ready::Ready;
use crate::core::redis::partition::Slot;
use crate::core::redis::scripts::Script;
use crate::core::stream::Stream;
use channels::Channels;
pub use command::Command;
use command::Sent;
use held::{Destination, Held};
use link::Link;
use servers::{At, CHANNELS, COMMANDS, PLACES, Server, Servers};
pub use target::{Address, Target};
pub use topology::{Range, ranges};

/// Milliseconds before a connection is tried again; doubled each time.
const RETRY_MS: u64 = 50;
/// At most.
const MOST_RETRY_MS: u64 = 2_000;

/// Names a connection; less than `MAX_LINKS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What is there is a Sentinel.
    pub is_sentinel: bool,
    /// The number of the attempt.
    attempt: u64,
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
    servers: Servers<S>,
    channels: Channels,
    held: Held,
    /// The place of the address that is used, or tried next, among those of the target.
    seed: usize,
    attempts: u64,
    /// The number of the connection that is read first.
    turn: usize,
    /// When a cluster is asked again who has which slots.
    find_ms: u64,
    /// It was logged that Redis cannot be used, and it could not be since.
    has_complained: bool,
    events: VecDeque<LinkEvent>,
    random: ChaCha8Rng,
}

impl From<At> for LinkId {
    fn from(At { server, place }: At) -> Self {
        Self(server * PLACES + place)
    }
}

impl From<LinkId> for At {
    fn from(LinkId(number): LinkId) -> Self {
        let (server, place) = (number / PLACES, number % PLACES);
        Self { server, place }
    }
}

impl<S: Stream> Links<S> {
    /// Connections that are to be made. `scripts`: all that commands name.
    pub fn new(target: Target, scripts: &'static [&'static Script], seed: [u8; 32]) -> Self {
        let is_sentinel = target.master.is_some();
        let first = target.addresses.first().cloned();
        Self {
            servers: Servers::new(first.map(|first| Server::new(first, is_sentinel))),
            target,
            scripts,
            channels: Channels::default(),
            held: Held::default(),
            seed: 0,
            attempts: 0,
            turn: 0,
            find_ms: 0,
            has_complained: false,
            events: VecDeque::new(),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// The next connection to be made. Its end is to be told by `on_connected`.
    pub fn next_connect(&mut self, now_ms: u64) -> Option<Connect> {
        let mut places = self.servers.places().into_iter();
        let at = places.find(|at| self.is_due(*at, now_ms))?;
        self.attempts += 1;
        let attempt = self.attempts;
        let server = self.servers.get_mut(at.server)?;
        let is_sentinel = server.is_sentinel;
        let address = server.address.clone();
        let place = &mut server.places[at.place];
        place.attempt = Some(attempt);
        place.address = address.clone();
        let (host, port) = address;
        Some(Connect {
            link: at.into(),
            host,
            port,
            is_sentinel,
            attempt,
        })
    }

    /// Channels are of no use without commands, and there are none of one that has no slots.
    fn is_due(&self, at: At, now_ms: u64) -> bool {
        self.due_ms(at).is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When a connection is to be made.
    fn due_ms(&self, At { server, place }: At) -> Option<u64> {
        let it = self.servers.get(server)?;
        let is_wanted = place == COMMANDS || (it.is_ready() && self.servers.is_master(server));
        let place = &it.places[place];
        let is_free = place.link.is_none() && place.attempt.is_none();
        (is_wanted && is_free).then_some(place.at_ms)
    }

    /// A connection is made, or cannot be. Its events are to be reported to `on_ready`.
    pub fn on_connected(&mut self, connect: &Connect, socket: io::Result<S>, now_ms: u64) {
        let at = At::from(connect.link);
        let Some(server) = self.servers.get_mut(at.server) else {
            return;
        };
        let role = server.role(at.place);
        let place = &mut server.places[at.place];
        // Another server may have this number meanwhile.
        if place.attempt != Some(connect.attempt) {
            return;
        }
        place.attempt = None;
        match socket {
            Ok(socket) => {
                let (target, before) = (&self.target, place.before.take());
                let link = Link::begin(socket, role, target, self.scripts, before, now_ms);
                place.link = Some(link);
            }
            Err(error) => self.lose(at, &error.to_string(), now_ms),
        }
    }

    /// The kernel says what a socket is ready for.
    pub fn on_ready(&mut self, link: LinkId, ready: Ready) {
        if let Some(link) = self.servers.link_mut(link.into()) {
            link.on_ready(ready);
        }
    }

    /// Reads what has come, looks who is silent, and sends what has waited. To be called in every tick.
    pub fn run(&mut self, budget: &Budget, now_ms: u64) {
        for at in self.places_in_turn() {
            self.read(at, budget, now_ms);
            if !budget.is_left() {
                self.turn = LinkId::from(at).0 + 1;
                break;
            }
        }
        if self.servers.is_cluster() {
            self.look_after_cluster(now_ms);
        }
        self.send_held(now_ms);
    }

    fn read(&mut self, at: At, budget: &Budget, now_ms: u64) {
        let Some(link) = self.servers.link_mut(at) else {
            return;
        };
        match link.read(budget, now_ms) {
            Ok(incoming) => {
                for it in incoming {
                    self.on_incoming(at, it, now_ms);
                }
            }
            Err(why) => self.lose(at, &why, now_ms),
        }
        let link = self.servers.link_mut(at);
        if let Some(Err(why)) = link.map(|link| link.run_deadline(now_ms)) {
            self.lose(at, &why, now_ms);
        }
    }

    /// Writes what is to be sent. To be called at the end of every tick.
    pub fn flush(&mut self, budget: &Budget, now_ms: u64) {
        for at in self.servers.places() {
            let link = self.servers.link_mut(at);
            if let Some(Err(why)) = link.map(|link| link.flush(budget)) {
                self.lose(at, &why, now_ms);
            }
        }
    }

    /// All places, those first that have had no turn when the budget was spent.
    fn places_in_turn(&self) -> Vec<At> {
        let mut places = self.servers.places();
        let passed = places
            .iter()
            .take_while(|at| LinkId::from(**at).0 < self.turn);
        let passed = passed.count();
        places.rotate_left(passed);
        places
    }

    /// Whether the next tick has work that no event announces.
    pub fn has_work(&self) -> bool {
        let places = self.servers.all().flat_map(|(_, it)| &it.places);
        let mut links = places.filter_map(|place| place.link.as_ref());
        !self.events.is_empty() || links.any(Link::has_work)
    }

    /// When something is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let places = self.servers.places().into_iter();
        let deadlines = places.filter_map(|at| {
            let place = &self.servers.get(at.server)?.places[at.place];
            match &place.link {
                Some(link) => Some(link.deadline_ms()),
                None => self.due_ms(at),
            }
        });
        let find_ms = self.servers.is_cluster().then_some(self.find_ms);
        let others = [find_ms, self.held.next_due_ms()];
        deadlines.chain(others.into_iter().flatten()).min()
    }

    /// Sends a command for a slot. Its end comes as an event with its token.
    pub fn send(&mut self, slot: Slot, command: Command, token: u64, now_ms: u64) {
        let sent = Sent {
            token,
            slot,
            command,
            since_ms: now_ms,
        };
        if self.held.has(slot) {
            if let Err(sent) = self.held.push_later(sent) {
                self.fail(&sent, false);
            }
            return;
        }
        let link = self.commands_of(slot);
        match link.filter(|link| link.has_place()) {
            Some(link) => link.send(sent, now_ms),
            None => self.fail(&sent, false),
        }
    }

    /// Wants to hear a channel.
    pub fn subscribe(&mut self, slot: Slot, channel: &str) {
        self.channels.want(channel, slot);
        self.ask_for_channels();
    }

    /// Wants to hear it no more.
    pub fn unsubscribe(&mut self, channel: &str) {
        if let Some(server) = self.channels.forget(channel) {
            self.give_up(channel, server);
        }
    }

    /// Whether a command for a slot can be sent now, or in a moment: the first connection is being made.
    pub fn is_up(&self, slot: Slot) -> bool {
        let master = self.servers.master_of(slot);
        let master = master.and_then(|master| self.servers.get(master));
        master.is_some_and(|it| it.is_ready() || it.places[COMMANDS].failures == 0)
    }

    /// Whether the channel of a slot is one of a shard.
    pub fn is_sharded(&self, slot: Slot) -> bool {
        let master = self.servers.master_of(slot);
        let master = master.and_then(|master| self.servers.get(master));
        let link = master.and_then(|master| master.places[CHANNELS].link.as_ref());
        link.is_some_and(Link::is_sharded)
    }

    /// What has happened.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The connection by which commands for a slot can be sent.
    fn commands_of(&mut self, slot: Slot) -> Option<&mut Link<S>> {
        let master = self.servers.master_of(slot)?;
        self.servers.get_mut(master)?.commands()
    }

    fn fail(&mut self, sent: &Sent, is_sent: bool) {
        let token = sent.token;
        self.events.push_back(LinkEvent::Failed { token, is_sent });
    }

    fn fail_all(&mut self, all: &[Sent]) {
        all.iter().for_each(|sent| self.fail(sent, false));
    }

    /// Sends what was held, and gives up what has waited for too long.
    fn send_held(&mut self, now_ms: u64) {
        if self.held.is_empty() {
            return;
        }
        let overdue = self.held.take_overdue(now_ms);
        self.fail_all(&overdue);
        while let Some(slot) = self.next_due(now_ms) {
            let Some(to) = self.held.destination(slot) else {
                self.held.release(slot);
                continue;
            };
            let number = match &to {
                Destination::Master => self.servers.master_of(slot),
                Destination::Next(address) => self.next_master(slot, address),
            };
            let server = number.and_then(|number| self.servers.get_mut(number));
            let Some((number, link)) = number.zip(server.and_then(Server::commands)) else {
                self.held.postpone(slot, now_ms + RETRY_MS);
                continue;
            };
            for sent in self.held.take_next(slot, &to) {
                if to != Destination::Master {
                    link.announce(now_ms);
                }
                link.send(sent, now_ms);
            }
            // What comes is asked of the master first: it must not be done before these.
            match to == Destination::Master && self.held.destination(slot).is_none() {
                true => self.held.release(slot),
                false => self.held.wait_for(slot, number),
            }
        }
    }

    fn next_due(&mut self, now_ms: u64) -> Option<Slot> {
        let servers = &self.servers;
        let is_under_way = |server, slot| {
            let server = servers.get(server);
            let link = server.and_then(|it| it.places[COMMANDS].link.as_ref());
            link.is_some_and(|link| link.has_under_way(slot))
        };
        self.held.next_due(is_under_way, now_ms)
    }

    /// The server that takes a slot over. If it cannot be reached, the master is asked again: it may have kept the slot.
    fn next_master(&mut self, slot: Slot, address: &Address) -> Option<usize> {
        let next = self.servers.at(address).ok();
        let server = next.and_then(|next| self.servers.get(next));
        if server.is_none_or(|it| !it.is_ready() && it.places[COMMANDS].failures > 0) {
            self.held.ask_master(slot);
            return None;
        }
        next
    }

    fn ask_for_channels(&mut self) {
        for (channel, slot) in self.channels.wanted() {
            let Some(master) = self.servers.master_of(slot) else {
                continue;
            };
            let server = self.servers.get_mut(master);
            let Some(link) = server.and_then(Server::channels) else {
                continue;
            };
            let word = channel_word("SUBSCRIBE", link.is_sharded());
            link.write_words([word.as_bytes(), channel.as_bytes()].into_iter());
            self.channels.on_asked(&channel, master);
        }
    }

    fn give_up(&mut self, channel: &str, server: usize) {
        let link = self.servers.get_mut(server).and_then(Server::channels);
        if let Some(link) = link {
            let word = channel_word("UNSUBSCRIBE", link.is_sharded());
            link.write_words([word.as_bytes(), channel.as_bytes()].into_iter());
            self.channels.on_given_up(server, channel);
        }
    }

    /// Tells which channels are heard, once commands can be sent, too.
    fn tell_heard(&mut self) {
        let servers = &self.servers;
        let heard = self.channels.take_heard(|slot| {
            let master = servers.master_of(slot);
            let master = master.and_then(|master| servers.get(master));
            master.is_some_and(Server::is_ready)
        });
        let heard = heard.into_iter();
        let events = heard.map(|channel| LinkEvent::Subscribed { channel });
        self.events.extend(events);
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
