//! A run of the chat: the production core, and people who come, talk, lose their connections and come back.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use parlor::core::site::Site;
use parlor::core::store::Durability;
use parlor::core::{Now, Server};

use super::line::Network;
use super::names::NAMES;
use super::person::{Person, Role};
use super::plain::Plain;
use super::plan::ChatPlan;
use super::presence::Presence;
use super::shadow::Shadow;
use super::sprayer::Sprayer;
use super::streams::Stream;
use super::typist::Typist;
use crate::handover::Handovers;
use crate::model::Checked;
use crate::random::{Random, mix, seed_bytes};
use crate::socket::{Entry, Socket};
use crate::store::LateStore;
use crate::world::{Variation, is_at_rest, longest_piece, tick_length};

/// Someone who takes part, whatever their door.
pub(crate) trait Guest {
    /// One step: perhaps something to say, perhaps a connection that is lost.
    fn act(&mut self, shadow: &mut Shadow);
    /// One step towards rest; says whether there is nothing to be done any more.
    fn settle(&mut self, shadow: &mut Shadow) -> bool;
    fn read(&mut self, shadow: &mut Shadow) -> Checked;
    fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked;
    /// The rooms that they are in at rest.
    fn here(&self) -> Vec<Here>;
    fn life(&self) -> Option<usize>;
    fn ask_members(&mut self) {}
    /// Bytes read in all.
    fn read_count(&self) -> usize {
        0
    }
}

/// Someone in a room.
pub(crate) struct Here {
    pub(crate) room: usize,
    /// Who they are, if they know.
    pub(crate) id: Option<String>,
    /// Who is there, as they know it.
    pub(crate) presence: Option<Presence>,
}

pub(crate) struct ChatWorld {
    server: Server<Socket>,
    store: Option<LateStore>,
    handovers: Handovers,
    shadow: Shadow,
    guests: Vec<(usize, Box<dyn Guest>)>,
    random: Random,
    now: Now,
    step: usize,
}

/// Milliseconds within which it is told who came and went.
const NEWS_MS: u64 = 1_100;

impl ChatWorld {
    pub(crate) fn new(plan: ChatPlan, variation: &Variation) -> Self {
        let now = Now {
            ms: 1_000_000,
            unix_ms: 784_111_777_000,
        };
        let mut server = Server::new(
            plan.limits.clone(),
            Vec::new(),
            Site::new(&[]),
            seed_bytes(plan.seed),
            now,
        );
        let store = plan.store.map(|habit| {
            server.use_store(Durability::Disk);
            LateStore::new(habit, Random::new(plan.seed, 0x5704e))
        });
        let (plan_seed, limits) = (plan.seed, plan.limits.clone());
        let mut shadow = Shadow::new(plan, now.ms);
        shadow.trace = variation.traces.then(Vec::new);
        let places = 0..shadow.plan.clients;
        let only = variation.only.as_ref();
        // The witness always does.
        let takes_part =
            |place: &usize| *place == 0 || only.is_none_or(|only| only.contains(place));
        let guests = places.filter(takes_part);
        Self {
            handovers: Handovers::new(plan_seed, &limits),
            server,
            store,
            guests: guests.map(|place| (place, guest(place, &shadow))).collect(),
            random: Random::new(shadow.plan.seed, u64::MAX),
            shadow,
            now,
            step: 0,
        }
    }

    pub(crate) fn run(&mut self) -> Checked {
        let everyone = std::mem::take(&mut self.guests);
        let mut others = everyone.into_iter();
        self.guests.extend(others.next());
        // The witness comes first.
        self.come_to_rest()?;
        self.guests.extend(others);
        for _ in 0..self.shadow.plan.rests {
            self.shadow.lines.relax();
            for _ in 0..self.shadow.plan.steps {
                self.pass_time();
                for (_, guest) in &mut self.guests {
                    guest.act(&mut self.shadow);
                }
                self.tick(300)?;
                self.read()?;
            }
            self.come_to_rest()?;
            self.now.ms += NEWS_MS;
            self.come_to_rest()?;
            if let Some((_, witness)) = self.guests.first_mut() {
                witness.ask_members();
            }
            self.come_to_rest()?;
            self.check_at_rest()?;
        }
        self.drain()
    }

    /// How often a server has taken over from another.
    pub(crate) fn handover_count(&self) -> usize {
        self.handovers.count()
    }

    /// What happened, if it was traced.
    pub(crate) fn trace(self) -> Vec<String> {
        self.shadow.trace.unwrap_or_default()
    }

    /// What the one in the last place has read, in bytes.
    pub(crate) fn read_count_of_last(&self) -> usize {
        self.guests
            .last()
            .map_or(0, |(_, guest)| guest.read_count())
    }

    fn pass_time(&mut self) {
        let ms = self.random.below(21) as u64;
        let jump = self.random.between(500, 90_000) as u64;
        let is_jump =
            self.random.chance(30) && self.shadow.plan.jumps && !self.handovers.is_holding();
        if is_jump {
            self.shadow.last_jump = Some((self.now.ms, self.now.ms + jump));
        }
        self.now.ms += if is_jump { jump } else { ms };
        self.now.unix_ms += ms;
    }

    fn tick(&mut self, postponed: usize) -> Checked {
        self.step += 1;
        self.shadow.now = self.now.ms;
        let seed = self.shadow.plan.seed;
        let mut events = Vec::new();
        for (life, line) in self.shadow.lines.all.iter_mut().enumerate() {
            line.transmit();
            let label = mix(seed ^ mix((self.step * 100_000 + life) as u64));
            if let Some(index) = line.index
                && label % 1000 >= postponed as u64
                && let Some(ready) = line.link.borrow_mut().take_event()
            {
                events.push((label, index, ready));
            }
        }
        events.sort_unstable_by_key(|(label, ..)| *label);
        for (_, index, ready) in events {
            self.server.on_ready(index, ready);
        }
        let is_busy = self.shadow.plan.is_busy;
        let mut random = Random::new(seed, mix(self.step as u64));
        self.server
            .budget()
            .begin_tick(tick_length(is_busy, &mut random));
        if let Some(store) = &mut self.store {
            store.answer(&mut self.server, self.now);
        }
        self.admit();
        self.receive()?;
        self.server.run_reads(self.now);
        self.server.check_invariants()?;
        self.server.end_of_tick(self.now);
        if let Some(store) = &mut self.store {
            store.take(&mut self.server, self.now);
        }
        self.server.check_invariants()?;
        self.server
            .check_budget(longest_piece(&self.shadow.plan.limits))?;
        self.server.check_tick_ended()?;
        let (site, store) = (Site::new(&[]), self.store.as_ref());
        self.handovers
            .go_on(&mut self.server, site, store, self.now)?;
        self.follow()
    }

    fn admit(&mut self) {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        for line in &mut self.shadow.lines.all {
            if line.index.is_none() {
                let admitted = match line.is_text {
                    true => self.server.admit_lines(line.socket(), peer, self.now),
                    false => self.server.admit(line.socket(), peer, self.now),
                };
                line.index = Some(admitted.expect("there is room"));
                // What came before is told of again.
                let ready = line.link.borrow_mut().take_event().unwrap_or_default();
                self.server.on_ready(line.index.unwrap_or_default(), ready);
            }
        }
    }

    /// Datagrams come.
    fn receive(&mut self) -> Checked {
        for datagram in std::mem::take(&mut self.shadow.datagrams) {
            let (from, bytes) = (datagram.from, &datagram.bytes);
            let verdict = self.server.on_datagram(from, bytes, self.now);
            self.shadow.on_verdict(datagram.message, verdict)?;
        }
        Ok(())
    }

    fn follow(&mut self) -> Checked {
        let entries = std::mem::take(&mut *self.shadow.lines.journal.borrow_mut());
        for entry in entries {
            if let Entry::Dropped { life } = entry {
                let line = &mut self.shadow.lines.all[life];
                if let Some(misuse) = line.link.borrow().misuse {
                    return Err(misuse.to_owned());
                }
                let from_ms = self.shadow.ended_from_ms();
                self.shadow.names.on_dropped(life, from_ms);
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Checked {
        for (place, guest) in &mut self.guests {
            guest
                .read(&mut self.shadow)
                .map_err(|error| format!("place {place}, life {:?}: {error}", guest.life()))?;
        }
        Ok(())
    }

    /// All that is on its way arrives, and everyone comes back.
    fn come_to_rest(&mut self) -> Checked {
        self.shadow.lines.hurry();
        self.store.iter_mut().for_each(LateStore::hurry);
        for _ in 0..30_000 {
            self.now.ms += 1;
            self.tick(0)?;
            self.read()?;
            let mut is_settled = true;
            for (_, guest) in &mut self.guests {
                is_settled &= guest.settle(&mut self.shadow);
            }
            let is_stored = self
                .store
                .as_ref()
                .is_none_or(|it| it.next_due_ms().is_none());
            if is_settled
                && is_stored
                && is_at_rest(&self.server, self.now)
                && !self.shadow.lines.is_moving()
            {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn check_at_rest(&mut self) -> Checked {
        for (place, guest) in &mut self.guests {
            guest
                .check_at_rest(&mut self.shadow)
                .map_err(|error| format!("place {place}, at rest: {error}"))?;
        }
        self.shadow.check_claims()?;
        (0..self.shadow.plan.rooms).try_for_each(|room| self.check_presence(room))
    }

    /// Everyone in a room knows who is there.
    fn check_presence(&self, room: usize) -> Checked {
        let plan = &self.shadow.plan;
        if plan.conflates(room) && plan.has_tight_queues {
            return Ok(());
        }
        let everyone = self.guests.iter().flat_map(|(_, guest)| guest.here());
        let here: Vec<Here> = everyone.filter(|here| here.room == room).collect();
        let ids: BTreeSet<&String> = here.iter().filter_map(|here| here.id.as_ref()).collect();
        let unnamed = here.iter().filter(|here| here.id.is_none()).count();
        let count = (ids.len() + unnamed) as u64;
        let known: Vec<&Presence> = here
            .iter()
            .filter_map(|here| here.presence.as_ref())
            .collect();
        for presence in &known {
            presence.check_count()?;
            let is_named = |id: &&String| match (presence.people.get(*id), self.shadow.names.of(id))
            {
                (None, _) => false,
                (Some(name), Some(Some(known))) => name == NAMES[known].0,
                (Some(name), Some(None)) => name.starts_with("guest-"),
                (Some(_), None) => true,
            };
            if presence.count != count
                || !ids.iter().all(is_named)
                || presence.people != known[0].people
            {
                return Err(format!(
                    "room {room}: {ids:?} and {unnamed} others are known as {presence:?} and {:?}",
                    known[0]
                ));
            }
        }
        Ok(())
    }

    /// The end: everyone is told, and nothing is left.
    fn drain(&mut self) -> Checked {
        self.shadow.is_ending = true;
        self.server.begin_drain(self.now);
        for _ in 0..2_000 {
            self.now.ms += 5;
            self.tick(0)?;
            self.read()?;
            if self.server.is_drained(self.now) {
                let left = self.server.connection_count();
                return match left {
                    0 => Ok(()),
                    _ => Err(format!("{left} connections are left at the end")),
                };
            }
        }
        Err("it does not end".to_owned())
    }
}

fn guest(place: usize, shadow: &Shadow) -> Box<dyn Guest> {
    let plan = &shadow.plan;
    let mut random = Random::new(plan.seed, 100 + place as u64);
    let room = random.below(plan.rooms);
    if plan.is_cut && place + 1 == plan.clients {
        return if plan.seed.is_multiple_of(2) {
            Box::new(Person::new(place, Role::Listener, shadow, random).cut_off(plan.cut))
        } else {
            Box::new(Stream::new(room, Some(Network::good()), plan.cut, random))
        };
    }
    match random.below(12) {
        _ if place == 0 => Box::new(Person::new(place, Role::Witness, shadow, random)),
        _ if place == 1 => Box::new(Person::new(place, Role::Speaker, shadow, random)),
        0 | 1 => Box::new(Plain::new(room, random)),
        2 | 3 => Box::new(Stream::new(room, None, None, random)),
        10 => Box::new(Typist::new(room, random)),
        11 => Box::new(Sprayer::new(place, random)),
        4 | 5 => Box::new(Person::new(place, Role::Listener, shadow, random)),
        _ => Box::new(Person::new(place, Role::Speaker, shadow, random)),
    }
}
