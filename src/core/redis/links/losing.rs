//! How connections end, and what is tried then.

use chacha20::rand_core::Rng;

use crate::core::redis::links::link::Link;
use crate::core::redis::links::servers::{At, CHANNELS, COMMANDS};
use crate::core::redis::links::target::{Address, shown};
use crate::core::redis::links::{LinkEvent, Links, MOST_RETRY_MS, RETRY_MS};
use crate::core::stream::Stream;

impl<S: Stream> Links<S> {
    /// A connection has ended, or was not made.
    pub(super) fn lose(&mut self, at: At, why: &str, now_ms: u64) {
        self.find_ms = now_ms;
        let Some(server) = self.servers.get_mut(at.server) else {
            return;
        };
        let place = &mut server.places[at.place];
        let wait_ms = MOST_RETRY_MS.min(RETRY_MS << place.failures.min(10));
        place.at_ms = now_ms + wait_ms / 2 + self.random.next_u64() % (wait_ms / 2);
        place.failures += 1;
        let link = place.link.take();
        let address = place.address.clone();
        if !std::mem::replace(&mut self.has_complained, true) {
            let shown = shown(&address);
            log::error!("cannot use Redis at {shown}: {why}; it is tried again and again");
        }
        if !link.as_ref().is_some_and(Link::is_ready) {
            self.try_next(at.server, &address);
        }
        if let Some(link) = link {
            self.let_go(at, &link);
        }
    }

    /// A server that is no master of a cluster, as far as that is known, is looked for at the next address.
    pub(super) fn try_next(&mut self, server: usize, failed: &Address) {
        if self.servers.is_cluster() && self.servers.is_master(server) {
            return;
        }
        let is_sentinel = self.target.master.is_some();
        let count = self.target.addresses.len().max(1);
        let Some(it) = self
            .servers
            .get_mut(server)
            .filter(|it| it.address == *failed)
        else {
            return;
        };
        self.seed = (self.seed + 1) % count;
        if let Some(next) = self.target.addresses.get(self.seed) {
            (it.address, it.is_sentinel) = (next.clone(), is_sentinel);
        }
    }

    /// What was under way on a connection is not known to be done.
    pub(super) fn let_go(&mut self, at: At, link: &Link<S>) {
        if let Some(place) = self.servers.place_mut(at) {
            place.before = link.identity();
        }
        link.unanswered().for_each(|sent| self.fail(sent, true));
        if at.place == CHANNELS {
            let silent = self.channels.on_lost(at.server).into_iter();
            let events = silent.map(|channel| LinkEvent::Unsubscribed { channel });
            self.events.extend(events);
        }
    }

    pub(super) fn leave(&mut self, server: usize) {
        for place in [COMMANDS, CHANNELS] {
            let at = At { server, place };
            let link = self.servers.place_mut(at).and_then(|it| it.link.take());
            if let Some(link) = link {
                self.let_go(at, &link);
            }
        }
        self.servers.remove(server);
    }
}
