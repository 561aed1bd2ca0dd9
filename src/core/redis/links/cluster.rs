//! Which masters of a cluster have which slots, and what happens when others have them.

use chacha20::rand_core::Rng;

use crate::codec::resp::Reply;
use crate::core::redis::links::link::Link;
use crate::core::redis::links::servers::{At, COMMANDS, Server};
use crate::core::redis::links::target::Address;
use crate::core::redis::links::{LinkEvent, Links, topology};
use crate::core::redis::partition::Slot;
use crate::core::stream::Stream;
use crate::limits::{COMPARE_MS, REDIS_FIND_MS};

impl<S: Stream> Links<S> {
    /// Finds out again who has which slots, when that is due, and leaves servers that are of no use.
    pub(super) fn look_after_cluster(&mut self, now_ms: u64) {
        if now_ms >= self.find_ms {
            let is_whole = self.servers.is_whole();
            self.find_ms = now_ms + if is_whole { COMPARE_MS } else { REDIS_FIND_MS };
            self.ask_slots(now_ms);
        }
        let all = self.servers.all();
        let is_master = |number: &usize| self.servers.is_master(*number);
        let numbers: Vec<(usize, bool)> = all
            .map(|(number, server)| (number, server.is_ready()))
            .collect();
        let (masters, others): (Vec<_>, Vec<_>) = numbers
            .into_iter()
            .partition(|(number, _)| is_master(number));
        if masters.iter().any(|(_, is_ready)| *is_ready) {
            others
                .iter()
                .for_each(|(number, _)| self.leave_idle(*number));
        } else if others.is_empty()
            && let Some(address) = self.target.addresses.get(self.seed)
        {
            // Somebody else may know where they are now.
            let guide = Server::new(address.clone(), false);
            let _ = self.servers.add(guide);
        }
    }

    /// Leaves a server without slots, unless it has something to answer.
    pub(super) fn leave_idle(&mut self, server: usize) {
        let Some(it) = self.servers.get_mut(server) else {
            return;
        };
        let address = it.address.clone();
        let is_asked = it
            .commands()
            .is_some_and(|link| link.unanswered().next().is_some());
        if !is_asked && !self.held.is_to(&address) {
            self.leave(server);
        }
    }

    pub(super) fn ask_slots(&mut self, now_ms: u64) {
        let all = self.servers.all();
        let ready = all.filter(|(_, server)| server.is_ready());
        let (masters, others): (Vec<usize>, Vec<usize>) = ready
            .map(|(number, _)| number)
            .partition(|number| self.servers.is_master(*number));
        let asked = if masters.is_empty() { others } else { masters };
        if asked.is_empty() {
            return;
        }
        // Another one each time: one may know less than the others.
        let number = asked[self.random.next_u64() as usize % asked.len()];
        let server = self.servers.get_mut(number);
        if let Some(link) = server.and_then(Server::commands) {
            link.ask_slots(now_ms);
        }
    }

    pub(super) fn on_moved(&mut self, slot: Slot, address: &Address, now_ms: u64) {
        self.find_soon(now_ms);
        match self.servers.at(address) {
            Ok(master) if self.servers.master_of(slot) == Some(master) => {}
            Ok(master) => {
                self.servers.set_master(slot, master);
                self.follow_slots();
            }
            Err(why) => log::error!("cannot use Redis: {why}"),
        }
    }

    pub(super) fn find_soon(&mut self, now_ms: u64) {
        self.find_ms = self.find_ms.min(now_ms + REDIS_FIND_MS);
    }

    pub(super) fn on_slots(&mut self, at: At, reply: &Reply, now_ms: u64) {
        let Some(ranges) = topology::ranges(reply, &self.host_of(at)) else {
            let why = format!("it does not say who has which slots: {reply}");
            return self.lose(at, &why, now_ms);
        };
        if ranges.is_empty() {
            let why = "it belongs to no cluster that has slots";
            return self.lose(at, why, now_ms);
        }
        match self.servers.share(&ranges) {
            Ok(()) => self.follow_slots(),
            Err(why) => self.lose(at, &why, now_ms),
        }
    }

    /// Slots may have other masters: nothing of them is sent there before the old ones have answered, and their channels are
    /// asked for anew.
    pub(super) fn follow_slots(&mut self) {
        let mut moved = Vec::new();
        for (number, server) in self.servers.all() {
            let link = server.places[COMMANDS].link.as_ref();
            let unanswered = link.into_iter().flat_map(Link::unanswered);
            let slots = unanswered.map(|sent| sent.slot);
            let slots = slots.filter(|slot| self.servers.master_of(*slot) != Some(number));
            moved.extend(slots.map(|slot| (slot, number)));
        }
        for (slot, server) in moved {
            self.held.hold(slot, server);
        }
        let servers = &self.servers;
        let left = self.channels.follow(|slot| servers.master_of(slot));
        for (channel, server, is_heard) in left {
            self.give_up(&channel, server);
            if is_heard {
                self.events.push_back(LinkEvent::Unsubscribed { channel });
            }
        }
        self.ask_for_channels();
        self.tell_heard();
    }
}
