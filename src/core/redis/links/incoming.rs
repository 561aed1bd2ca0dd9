//! What has come on the connections.

use crate::codec::resp::Reply;
use crate::core::redis::links::command::Sent;
use crate::core::redis::links::held::Destination;
use crate::core::redis::links::link::{Incoming, Link};
use crate::core::redis::links::servers::{At, CHANNELS, COMMANDS};
use crate::core::redis::links::target::{Address, shown};
use crate::core::redis::links::topology::{self, Refusal};
use crate::core::redis::links::{LinkEvent, Links, RETRY_MS};
use crate::core::stream::Stream;

impl<S: Stream> Links<S> {
    pub(super) fn on_incoming(&mut self, at: At, incoming: Incoming, now_ms: u64) {
        match incoming {
            Incoming::Ready => self.on_link_ready(at, now_ms),
            Incoming::Reply { sent, reply } => self.on_reply(at, *sent, reply, now_ms),
            Incoming::Slots(reply) => self.on_slots(at, &reply, now_ms),
            Incoming::Master(reply) => self.on_master(at, &reply, now_ms),
            Incoming::Push(words) => self.on_push(at.server, words),
            Incoming::Refused(text) => self.on_channel_refused(at, &text, now_ms),
        }
    }

    fn on_link_ready(&mut self, at: At, now_ms: u64) {
        let Some(server) = self.servers.get_mut(at.server) else {
            return;
        };
        let role = server.role(at.place).name();
        let place = &mut server.places[at.place];
        let address = place.address.clone();
        // It may have been given up for what came before.
        let Some(is_cluster) = place.link.as_ref().map(Link::is_cluster) else {
            return;
        };
        log::info!("connected to Redis for {role} at {}", shown(&address));
        server.address = address.clone();
        let addresses = &mut self.target.addresses.iter();
        if let Some(seed) = addresses.position(|it| *it == address) {
            self.seed = seed;
        }
        if !is_cluster {
            self.leave_others(at, &address, now_ms);
        }
        // Whether channels may be heard is known only when one is.
        if at.place == COMMANDS {
            self.on_well(at);
        }
        self.ask_for_channels();
        self.tell_heard();
    }

    fn on_well(&mut self, at: At) {
        if let Some(place) = self.servers.place_mut(at) {
            place.failures = 0;
        }
        if self.servers.is_whole() {
            self.has_complained = false;
        }
    }

    /// One that is alone is used by both connections, and no other is.
    fn leave_others(&mut self, at: At, address: &Address, now_ms: u64) {
        self.servers.leave_cluster();
        let places = self.servers.places().into_iter();
        for other in places.filter(|other| *other != at) {
            let place = self.servers.place_mut(other);
            if place.is_some_and(|it| it.address != *address && it.link.is_some()) {
                self.lose(other, "another one is used now", now_ms);
            }
        }
        let all: Vec<usize> = self.servers.all().map(|(number, _)| number).collect();
        let others = all.into_iter().filter(|number| *number != at.server);
        others.for_each(|number| self.leave(number));
    }

    fn on_reply(&mut self, at: At, sent: Sent, reply: Reply, now_ms: u64) {
        let refusal = match &reply {
            Reply::Error(text) => topology::refusal(text, &self.host_of(at)),
            _ => None,
        };
        let Some(refusal) = refusal else {
            if sent.is_change() && !reply.is_error() {
                let overtaken = self.held.overtaken(&sent);
                self.fail_all(&overtaken);
            }
            let token = sent.token;
            return self.events.push_back(LinkEvent::Reply { token, reply });
        };
        match refusal {
            Refusal::Moved(slot, address) if self.servers.is_cluster() => {
                self.on_moved(slot, &address, now_ms);
                self.hold(at, sent, Destination::Master, now_ms);
            }
            Refusal::Ask(address) if self.servers.is_cluster() => {
                self.hold(at, sent, Destination::Next(address), now_ms);
            }
            Refusal::TryAgain => {
                self.hold(at, sent, Destination::Master, now_ms + RETRY_MS);
            }
            Refusal::NoScript => {
                if let Some(link) = self.servers.link_mut(at) {
                    link.load_scripts();
                }
                self.hold(at, sent, Destination::Master, now_ms);
            }
            Refusal::Down => {
                self.find_soon(now_ms);
                self.fail(&sent, false);
            }
            Refusal::ReadOnly => self.leave_master(at, &sent, "it is a replica now", now_ms),
            Refusal::Moved(..) | Refusal::Ask(_) => {
                self.leave_master(at, &sent, "it is a node of a cluster now", now_ms);
            }
        }
    }

    fn leave_master(&mut self, at: At, sent: &Sent, why: &str, now_ms: u64) {
        self.fail(sent, false);
        if self.servers.link_mut(at).is_some() {
            self.lose(at, why, now_ms);
        }
    }

    /// A command that was not carried out is sent again, after those of its slot that are under way.
    fn hold(&mut self, at: At, sent: Sent, to: Destination, at_ms: u64) {
        let slot = sent.slot;
        self.held.hold(slot, at.server);
        self.held.push_again(sent, to, at_ms);
    }

    pub(super) fn host_of(&self, at: At) -> Box<str> {
        let server = self.servers.get(at.server);
        server.map_or_else(Box::default, |it| it.places[at.place].address.0.clone())
    }

    /// A Sentinel says where the master is.
    fn on_master(&mut self, at: At, reply: &Reply, now_ms: u64) {
        let name = self.target.master.as_deref().unwrap_or_default();
        let Some(Some(address)) = topology::master(reply) else {
            let why = match reply {
                Reply::Nil => format!("this Sentinel knows no master with the name {name}"),
                _ => format!("this Sentinel does not say where the master is: {reply}"),
            };
            return self.lose(at, &why, now_ms);
        };
        if let Some(server) = self.servers.get_mut(at.server) {
            (server.address, server.is_sentinel) = (address, false);
            let place = &mut server.places[at.place];
            place.before = place.link.take().and_then(|link| link.identity());
        }
    }

    fn on_channel_refused(&mut self, at: At, text: &str, now_ms: u64) {
        match topology::refusal(text, &self.host_of(at)) {
            Some(Refusal::Moved(slot, address)) if self.servers.is_cluster() => {
                self.channels.on_refused(slot, at.server);
                self.on_moved(slot, &address, now_ms);
            }
            _ => self.lose(at, &format!("it refuses a channel: {text}"), now_ms),
        }
    }

    fn on_push(&mut self, server: usize, words: Vec<Reply>) {
        let mut words = words.into_iter();
        let (Some(Reply::Bulk(word)), Some(Reply::Bulk(channel))) = (words.next(), words.next())
        else {
            return;
        };
        let Ok(channel) = String::from_utf8(channel) else {
            return;
        };
        match (&*word, words.next()) {
            (b"message" | b"smessage", Some(Reply::Bulk(payload)))
                if self.channels.is_from(&channel, server) =>
            {
                let channel = channel.into();
                self.events
                    .push_back(LinkEvent::Message { channel, payload });
            }
            (b"subscribe" | b"ssubscribe", _) => {
                let place = CHANNELS;
                self.on_well(At { server, place });
                self.channels.on_taken(&channel, server);
                self.tell_heard();
            }
            (b"unsubscribe" | b"sunsubscribe", _) if self.channels.on_ended(&channel, server) => {
                let channel = channel.into();
                self.events.push_back(LinkEvent::Unsubscribed { channel });
                self.ask_for_channels();
            }
            _ => {}
        }
    }
}
