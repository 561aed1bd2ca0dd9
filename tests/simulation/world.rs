//! A run: the production core, its clients, and a loop around them that sleeps and wakes as the shell's does.

mod rest;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use parlor::core::budget::{Stage, cost};
use parlor::core::site::{File, Site};
use parlor::core::store::Durability;
use parlor::core::{Now, Ready, Server, Stream};
use parlor::limits::{FANOUT_SLICE, FANOUT_SLICE_BYTES, TICK};
use parlor::settings::Limits;

use crate::client::Client;
use crate::habits::{Habits, Reading};
use crate::handover::Handovers;
use crate::model::{Checked, Model};
use crate::plan::{PAGE, Plan};
use crate::random::{Random, mix, seed_bytes};
use crate::record::{Ended, Record};
use crate::socket::{Entry, Journal, Link, Luck, Socket};
use crate::store::LateStore;
use crate::units::Meaning;

/// What is varied of a run while all else stays the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variation {
    /// These clients alone take part.
    pub(crate) only: Option<Vec<usize>>,
    /// Every third client says nothing; whether it reads.
    pub(crate) listeners: Option<bool>,
    /// Write down every step.
    pub(crate) traces: bool,
}

pub(crate) struct World {
    plan: Plan,
    variation: Variation,
    server: Server<Socket>,
    /// Where every other run keeps its messages.
    store: Option<LateStore>,
    handovers: Handovers,
    model: Model,
    clients: Vec<Client>,
    /// For each place the client that has it now.
    places: Vec<Place>,
    journal: Journal,
    random: Random,
    now: Now,
    step: usize,
    /// A signal has come.
    is_woken: bool,
    unused_memory: usize,
    pub(crate) trace: Vec<String>,
}

/// Units that a tick may take: in a busy run no more than in the shell, and mostly hardly any, so that all is done a piece
/// at a time.
pub(crate) fn tick_length(is_busy: bool, random: &mut Random) -> u64 {
    if is_busy {
        random.pick(&[0, 0, 20_000, 100_000, 1_000_000, TICK])
    } else {
        u64::MAX
    }
}

/// Units that a piece of work takes at most: a slice of a fan-out, the longest message in all formats, or the longest
/// answer.
pub(crate) fn longest_piece(limits: &Limits) -> u64 {
    let slice = FANOUT_SLICE as u64 * (cost::LOOKUP + cost::WRITE);
    let slice = slice + cost::of_bytes(FANOUT_SLICE_BYTES, cost::BYTE);
    let message = cost::of_bytes(limits.max_message, 100);
    slice + message + 1_000_000
}

/// Whether the loop would sleep if nothing came. What is due and was not done in this tick is work for the next.
pub(crate) fn is_at_rest<S: Stream>(server: &Server<S>, now: Now) -> bool {
    let is_due = server.next_deadline_ms().is_some_and(|due| due <= now.ms);
    !server.has_work() && !is_due
}

/// What the server serves.
fn site() -> Site {
    let page = File {
        path: "/",
        content_type: "text/html",
        bytes: PAGE,
    };
    Site::new(&[page])
}

struct Place {
    random: Random,
    life: Option<usize>,
}

impl World {
    pub(crate) fn new(plan: Plan, variation: Variation) -> Self {
        let now = Now {
            ms: 1_000_000,
            unix_ms: 784_111_777_000,
        };
        let mut server = Server::new(
            plan.limits.clone(),
            Vec::new(),
            site(),
            seed_bytes(plan.seed),
            now,
        );
        let store = plan.store.map(|habit| {
            server.use_store(Durability::Disk);
            LateStore::new(habit, Random::new(plan.seed, 0x5704e))
        });
        let mut handovers = Handovers::new(plan.seed, &plan.limits);
        if variation.listeners.is_some() {
            // When a server is at rest depends on all who read, and what the others read is to be compared.
            handovers.end(&mut server);
        }
        let places = (0..plan.clients)
            .map(|place| Place {
                random: Random::new(plan.seed, 1 + place as u64),
                life: None,
            })
            .collect();
        Self {
            unused_memory: server.memory_used(),
            model: Model::new(plan.clone()),
            clients: Vec::new(),
            places,
            journal: Journal::default(),
            random: Random::new(plan.seed, u64::MAX),
            now,
            step: 0,
            is_woken: false,
            trace: Vec::new(),
            handovers,
            store,
            server,
            plan,
            variation,
        }
    }

    /// How often a server has taken over from another.
    pub(crate) fn handover_count(&self) -> usize {
        self.handovers.count()
    }

    /// The whole run.
    pub(crate) fn run(&mut self) -> Checked {
        for step in 0..self.plan.steps {
            self.step = step;
            self.pass_time();
            for place in 0..self.places.len() {
                self.visit_place(place);
            }
            for client in &mut self.clients {
                client.act(&mut self.model, step);
            }
            self.tick(300)?;
            self.read()?;
        }
        if !self.plan.ends_in_full_swing {
            self.come_to_rest()?;
            self.wake_stalled();
            self.come_to_rest()?;
        }
        self.end()
    }

    /// What every client has read.
    pub(crate) fn transcripts(&self) -> impl Iterator<Item = &[u8]> {
        self.clients
            .iter()
            .map(|client| client.transcript.as_slice())
    }

    /// What those have read whom a variation of the listeners leaves alone.
    pub(crate) fn transcripts_of_speakers(&self) -> Vec<&[u8]> {
        let speakers = self
            .places
            .iter()
            .enumerate()
            .filter(|(place, _)| !place.is_multiple_of(3));
        let lives = speakers.filter_map(|(_, place)| place.life);
        lives
            .map(|life| self.clients[life].transcript.as_slice())
            .collect()
    }

    fn pass_time(&mut self) {
        let ms = self.random.below(21) as u64;
        let jump = self.random.between(500, 90_000) as u64;
        let is_jump = self.random.chance(30) && self.plan.jumps && !self.handovers.is_holding();
        self.now.ms += if is_jump { jump } else { ms };
        // The clock on the wall may go anywhere.
        self.now.unix_ms += if is_jump {
            self.random.next() % 1_000_000_000
        } else {
            ms
        };
    }

    /// Someone comes, now and then.
    fn visit_place(&mut self, place: usize) {
        if self
            .variation
            .only
            .as_ref()
            .is_some_and(|only| !only.contains(&place))
        {
            return;
        }
        let is_steady = self.plan.is_steady;
        let is_crowd = self.plan.clients > 1000;
        let free = match self.places[place].life {
            None => true,
            Some(life) => !is_steady && self.clients[life].link.borrow().dropped,
        };
        if !free
            || !self.places[place]
                .random
                .chance(if is_crowd { 300 } else { 100 })
        {
            return;
        }
        let life = self.clients.len();
        let random = &mut self.places[place].random;
        let mut habits = Habits::new(&self.plan, random);
        if place >= self.plan.talkers {
            (habits.talk, habits.ping) = (0, 0);
        }
        let mut luck = habits.luck(random);
        if let Some(reads) = self.variation.listeners.filter(|_| place.is_multiple_of(3)) {
            habits.listen(reads);
            luck = Luck {
                no_write: 0,
                capacity: if reads { usize::MAX } else { 600 },
                ..luck
            };
        }
        let link = Link::new(life, luck, Random::new(random.next(), 0), &self.journal);
        self.note(|| format!("client {life} comes to place {place}: {habits:?} {luck:?}"));
        let is_prompt = habits.reading == Reading::Prompt;
        let record = Record::new(
            is_prompt && luck.no_write == 0,
            habits.answers_pings,
            self.now.ms,
        );
        self.model.records.push(record);
        let random = Random::new(self.places[place].random.next(), 1);
        self.clients.push(Client::new(life, link, habits, random));
        self.places[place].life = Some(life);
    }

    /// What the poll loop does when it wakes up, if it does. Some events come a tick later.
    fn tick(&mut self, postponed: usize) -> Checked {
        let mut events = self.events(postponed);
        let is_due = self
            .server
            .next_deadline_ms()
            .is_some_and(|due| due <= self.now.ms);
        let answers_ms = self.store.as_ref().and_then(LateStore::next_due_ms);
        let is_due = is_due || answers_ms.is_some_and(|due_ms| due_ms <= self.now.ms);
        let has_new = self.clients.iter().any(|it| it.index.is_none());
        let is_woken = std::mem::take(&mut self.is_woken);
        if events.is_empty() && !is_due && !has_new && !is_woken && !self.server.has_work() {
            return Ok(());
        }
        // Drawn for this step alone, whether or not the ticks before it were needed.
        let mut random = Random::new(self.plan.seed, mix(self.step as u64));
        let length = match self.plan.clients {
            1000.. if self.plan.is_busy => TICK,
            _ => tick_length(self.plan.is_busy, &mut random),
        };
        self.server.budget().begin_tick(length);
        events.sort_by_key(|&(life, _)| {
            mix(self.plan.seed ^ mix((self.step * 100_000 + life) as u64))
        });
        for (life, ready) in events {
            let Some(index) = self.clients[life].index else {
                continue;
            };
            self.note(|| format!("client {life}: {ready:?}"));
            self.server.on_ready(index, ready);
            self.follow(self.plan.clients < 100)?;
        }
        // Whose place it is depends on when others have left theirs.
        if random.chance(50) && !self.plan.is_steady {
            // An event that means nothing, or meant an earlier one in this place.
            let ready = Ready {
                readable: true,
                writable: true,
                ending: false,
            };
            let index = random.below(self.plan.clients);
            self.note(|| format!("an event for index {index}: {ready:?}"));
            self.server.on_ready(index, ready);
            self.follow(true)?;
        }
        if let Some(store) = &mut self.store {
            store.answer(&mut self.server, self.now);
            for body in store.accepted.drain(..) {
                self.model.on_accepted(&body);
            }
        }
        self.follow(true)?;
        self.admit();
        self.server.run_reads(self.now);
        self.follow(true)?;
        self.server.end_of_tick(self.now);
        if let Some(store) = &mut self.store {
            store.take(&mut self.server, self.now);
        }
        self.follow(true)?;
        self.server.check_budget(longest_piece(&self.plan.limits))?;
        self.server.check_tick_ended()?;
        let store = self.store.as_ref();
        self.handovers
            .go_on(&mut self.server, site(), store, self.now)
    }

    fn events(&self, postponed: usize) -> Vec<(usize, Ready)> {
        let mut events = Vec::new();
        for client in &self.clients {
            let label = mix((self.step * 100_000 + client.life) as u64 ^ 0x5eed);
            let is_late = (mix(self.plan.seed ^ label) % 1000) < postponed as u64;
            if client.index.is_some() && !is_late {
                let event = client.link.borrow_mut().take_event();
                events.extend(event.map(|event| (client.life, event)));
            }
        }
        events
    }

    fn admit(&mut self) {
        self.server.budget().enter(Stage::Accepting);
        for client in &mut self.clients {
            if client.index.is_some() || !self.server.has_room() {
                continue;
            }
            if !self.server.budget().is_left() {
                break;
            }
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            let socket = Socket(Rc::clone(&client.link));
            let admitted = self.server.admit(socket, peer, self.now);
            client.index = Some(admitted.expect("has_room said so"));
            self.model.on_admitted(client.life, self.now.ms);
        }
    }

    /// Tells the model what the server has done, and checks both.
    fn follow(&mut self, checks: bool) -> Checked {
        let entries = std::mem::take(&mut *self.journal.borrow_mut());
        for entry in entries {
            self.note(|| format!("{entry:?}"));
            self.follow_entry(entry)
                .map_err(|error| format!("{entry:?}: {error}"))?;
        }
        if checks {
            self.server.check_invariants()
        } else {
            Ok(())
        }
    }

    fn follow_entry(&mut self, entry: Entry) -> Checked {
        let now = self.now.ms;
        match entry {
            Entry::Read { life, upto } => {
                self.model.records[life].on_input(now);
                let units = &mut self.clients[life].units;
                while let Some(unit) = units.front().filter(|unit| unit.first < upto) {
                    if matches!(unit.meaning, Meaning::Violation(_) | Meaning::Garbage(_)) {
                        self.model.on_read_begun(life, &unit.meaning, now);
                    }
                    if unit.end > upto {
                        break;
                    }
                    let unit = units.pop_front().expect("it is there");
                    self.model.on_read(life, &unit.meaning, now);
                    if self.variation.traces {
                        self.trace
                            .push(format!("    up to {}: {:?}", unit.end, unit.meaning));
                    }
                }
            }
            Entry::ReadEnd { life } => self.model.end(life, Ended::EndOfInput, now),
            Entry::Failed { life } => self.model.end(life, Ended::Broken, now),
            Entry::Dropped { life } => {
                let link = self.clients[life].link.borrow();
                if let Some(misuse) = link.misuse {
                    return Err(misuse.to_owned());
                }
                let is_lost = link.overtaken && !link.client_gone && !link.reset;
                self.model.on_dropped(life, is_lost, now)?;
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Checked {
        for client in &mut self.clients {
            let seen = client.read(&mut self.model, self.now.ms);
            if self.variation.traces {
                let lines = client.seen.drain(..);
                self.trace
                    .extend(lines.map(|seen| format!("    client {} sees {seen:?}", client.life)));
            }
            client.seen.clear();
            seen.map_err(|error| format!("client {}: {error}", client.life))?;
        }
        Ok(())
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.variation.traces {
            let line = format!("step {} at {}: {}", self.step, self.now.ms, line());
            self.trace.push(line);
        }
    }
}
