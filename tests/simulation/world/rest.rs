//! The end of a run: all that is on its way arrives, everyone goes, and nothing is left.

use super::World;
use crate::client::Client;
use crate::habits::{Leaving, Reading};
use crate::model::Checked;
use crate::plan::Ending;
use crate::store::LateStore;
use crate::world::is_at_rest;

impl World {
    /// Nobody has anything new to say: all that is on its way arrives.
    pub(super) fn come_to_rest(&mut self) -> Checked {
        self.note(|| "coming to rest".to_owned());
        self.handovers.end(&mut self.server);
        self.clients.iter_mut().for_each(Client::hurry);
        self.store.iter_mut().for_each(LateStore::hurry);
        for _ in 0..5_000 {
            self.step += 1;
            self.now.ms += 1;
            self.clients.iter_mut().for_each(Client::transmit);
            self.tick(0)?;
            self.read()?;
            let is_moving =
                |client: &Client| client.is_sending() || client.link.borrow().has_event();
            let is_stored = self
                .store
                .as_ref()
                .is_none_or(|it| it.next_due_ms().is_none());
            if is_stored
                && is_at_rest(&self.server, self.now)
                && !self.clients.iter().any(is_moving)
            {
                return self.check_at_rest();
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn check_at_rest(&self) -> Checked {
        for client in &self.clients {
            let life = client.life;
            let reads = !client.is_lost && client.habits.reading != Reading::Stalled;
            let result = if !reads {
                Ok(())
            } else if client.is_at_end() {
                self.model
                    .check_at_end(life, client.reader.is_at_boundary())
            } else {
                self.model.check_at_rest(life)
            };
            result.map_err(|error| format!("client {life}, at rest: {error}"))?;
        }
        Ok(())
    }

    pub(super) fn wake_stalled(&mut self) {
        for client in &mut self.clients {
            if client.habits.reading == Reading::Stalled && self.variation.listeners.is_none() {
                client.habits.reading = Reading::Slow(usize::MAX);
            }
        }
    }

    /// Everyone goes, and nothing is left.
    pub(super) fn end(&mut self) -> Checked {
        let ending = self.plan.ending;
        self.note(|| format!("the end: {ending:?}"));
        let all = &mut self.clients;
        match ending {
            Ending::Drain => {
                self.server.begin_drain(self.now);
                self.model.begin_drain();
                self.is_woken = true;
            }
            Ending::Silence => all.iter_mut().for_each(|client| client.is_lost = true),
            Ending::Close => all
                .iter_mut()
                .for_each(|it| it.leave(Leaving::Close, &mut self.model)),
            Ending::EndOfInput => {
                all.iter_mut()
                    .for_each(|it| it.leave(Leaving::EndOfInput, &mut self.model));
            }
            Ending::Reset => all.iter_mut().for_each(Client::leave_by_reset),
        }
        if !matches!(ending, Ending::Drain | Ending::Silence) {
            // Those who were lost would stay: nothing pings in some runs.
            for client in self.clients.iter().filter(|client| client.is_lost) {
                client.link.borrow_mut().reset();
            }
        }
        self.come_to_rest()?;
        for _ in 0..400 {
            self.now.ms += 250;
            self.step += 1;
            self.tick(0)?;
            self.read()?;
        }
        self.check_nothing_left()
    }

    fn check_nothing_left(&self) -> Checked {
        let server = &self.server;
        let left = [
            (server.connection_count(), "connections"),
            (server.room_count(), "rooms"),
            (server.memory_used() - self.unused_memory, "bytes"),
            (server.next_deadline_ms().map_or(0, |_| 1), "timers"),
            (usize::from(server.has_work()), "work"),
            (self.model.open_sockets, "sockets"),
        ];
        match left.iter().find(|(count, _)| *count > 0) {
            Some((count, what)) => Err(format!("{count} {what} are left at the end")),
            None if self.plan.ending == Ending::Drain && !server.is_drained(self.now) => {
                Err("it does not say that it is drained".to_owned())
            }
            None => Ok(()),
        }
    }
}
