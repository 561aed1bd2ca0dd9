//! A server's webhooks, a disk, and a receiver that is slow, fails and lies, in one place and by one clock.

use std::collections::{BTreeMap, VecDeque};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::*;
use crate::core::ensure::ensure;
use crate::core::store::HookRequest;

/// What a receiver, and fate, do. In a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// Calls that are not heard, and are answered so.
    pub(super) fails: u64,
    /// Calls that are heard, and answered as if they were not.
    pub(super) lies: u64,
    /// Milliseconds until an answer, at most.
    pub(super) late_ms: u64,
    /// Steps in which the server is killed, and begins again.
    pub(super) kills: u64,
}

/// What outlives the server.
#[derive(Default)]
struct Disk {
    /// The offset of each room's last message.
    offsets: BTreeMap<RoomName, u64>,
    /// Up to which they are in deliveries.
    upto: BTreeMap<Box<str>, u64>,
    deliveries: Vec<KeptDelivery>,
    /// What was asked for, and is not done.
    waiting: VecDeque<HookRequest>,
}

pub(super) struct World {
    habit: Habit,
    hooks: Hooks,
    disk: Disk,
    has_disk: bool,
    random: ChaCha8Rng,
    now: Now,
    /// The call on its way, when it is heard and answered, and how.
    on_its_way: Option<(u64, Call, bool, u16)>,
    /// What the receiver has heard, in its order.
    heard: Vec<(Box<str>, Value)>,
    members: BTreeMap<RoomName, Vec<u64>>,
}

pub(super) fn target(events: &[HookEvent]) -> Target {
    Target {
        url: "https://app.example".into(),
        secrets: vec![Secret::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
        rooms: vec!["*".into()],
        events: events.to_vec(),
    }
}

fn hooks(has_disk: bool, seed: u64) -> Hooks {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut hooks = Hooks::new("n1", has_disk, bytes);
    hooks.set_targets(vec![target(&HookEvent::ALL.map(|(event, _)| event))]);
    hooks
}

fn said(offset: u64) -> String {
    json!({"type": "message", "offset": offset}).to_string()
}

impl World {
    pub(super) fn new(seed: u64, habit: Habit) -> Self {
        Self::with(seed, habit, true)
    }

    pub(super) fn without_store(seed: u64, habit: Habit) -> Self {
        Self::with(seed, habit, false)
    }

    fn with(seed: u64, habit: Habit, has_disk: bool) -> Self {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut this = Self {
            habit,
            hooks: hooks(has_disk, seed),
            disk: Disk::default(),
            has_disk,
            random: ChaCha8Rng::from_seed(bytes),
            now: Now {
                ms: 1_000,
                unix_ms: 1_700_000_000_000,
            },
            on_its_way: None,
            heard: Vec::new(),
            members: BTreeMap::new(),
        };
        this.hooks.tell_snapshot(0, &[], this.now);
        this
    }

    fn draw(&mut self, most: u64) -> u64 {
        self.random.next_u64() % most.max(1)
    }

    fn chance(&mut self, thousandth: u64) -> bool {
        self.draw(1_000) < thousandth
    }

    pub(super) fn step(&mut self) {
        let ms = self.draw(400);
        self.now.ms += ms;
        self.now.unix_ms += ms;
        let name = room(["tea", "plant", "ops"][self.draw(3) as usize]);
        for _ in 0..self.draw(3) {
            self.say(&name);
        }
        if self.chance(200) {
            let count = self.draw(3);
            let numbers = (0..count).map(|_| self.random.next_u64() % 5).collect();
            self.members.insert(name.clone(), numbers);
            self.hooks.on_stirred(&name, self.now);
        }
        self.run();
        if self.chance(self.habit.kills) {
            self.kill();
        }
    }

    /// Everything goes well until all is told.
    pub(super) fn settle(&mut self) {
        self.habit = Habit {
            fails: 0,
            lies: 0,
            late_ms: 1,
            kills: 0,
        };
        for _ in 0..10_000 {
            let next_ms = self.hooks.next_deadline_ms();
            let is_written = self.disk.waiting.is_empty() && self.hooks.is_kept();
            if next_ms.is_none() && self.on_its_way.is_none() && is_written {
                return;
            }
            let ms = next_ms.map_or(20_000, |next_ms| next_ms.saturating_sub(self.now.ms));
            self.now.ms += ms.max(1);
            self.now.unix_ms += ms.max(1);
            self.run();
        }
        panic!("it comes to no end");
    }

    fn say(&mut self, name: &RoomName) {
        let offset = self.disk.offsets.entry(name.clone()).or_default();
        *offset += 1;
        let offset = *offset;
        let write = |out: &mut Vec<u8>| out.extend_from_slice(said(offset).as_bytes());
        let position = HookPosition { epoch: 1, offset };
        let kind = Some(HookEvent::Message);
        self.hooks
            .on_message(name, (position, kind), write, self.now);
    }

    fn run(&mut self) {
        while let Some(name) = self.hooks.take_due(self.now) {
            let here = people(self.members.get(&name).map_or(&[][..], Vec::as_slice));
            self.hooks.flush(&name, &here, self.now);
        }
        while let Some(request) = self.hooks.next_request() {
            self.disk.waiting.push_back(request);
        }
        // The disk is late now and then.
        let done = self.draw(self.disk.waiting.len() as u64 + 1).max(1);
        for _ in 0..done {
            self.write_next();
        }
        self.receive();
        if let Some(call) = self.hooks.next_call(self.now) {
            assert!(self.on_its_way.is_none(), "one call at a time");
            let is_heard = !self.chance(self.habit.fails);
            let status = match is_heard && !self.chance(self.habit.lies) {
                true => 200,
                false => 500,
            };
            let late_ms = self.draw(self.habit.late_ms);
            self.on_its_way = Some((self.now.ms + late_ms, call, is_heard, status));
        }
    }

    fn receive(&mut self) {
        let is_due = |it: &(u64, Call, bool, u16)| it.0 <= self.now.ms;
        let Some((_, call, is_heard, status)) = self.on_its_way.take_if(|it| is_due(it)) else {
            return;
        };
        if is_heard {
            self.heard.push((call.id.clone(), body(&call)));
        }
        let retry_ms = None;
        let outcome = CallOutcome {
            webhook: call.webhook,
            number: call.number,
            result: CallResult::Answered { status, retry_ms },
        };
        self.hooks.on_outcome(&outcome, self.now);
    }

    fn write_next(&mut self) {
        let Some(request) = self.disk.waiting.pop_front() else {
            return;
        };
        match request {
            HookRequest::Note(note) => {
                self.note(note);
            }
            HookRequest::Seal { note, delivery } => {
                self.note(note);
                let (webhook, at) = (
                    delivery.webhook,
                    (delivery.room.clone(), delivery.id.clone()),
                );
                self.disk.deliveries.push(*delivery);
                self.hooks.on_kept(webhook, (&at.0, &at.1), self.now);
            }
            HookRequest::Done { id, .. } => self.disk.deliveries.retain(|it| it.id != id),
            HookRequest::Begin { .. } | HookRequest::Clear { .. } => unreachable!(),
        }
    }

    fn note(&mut self, note: HookNote) {
        if let Some(HookPosition { offset, .. }) = note.upto {
            self.disk.upto.insert(note.room, offset);
        }
    }

    /// What was asked of the disk, and not done, is gone. A call on its way may arrive yet.
    fn kill(&mut self) {
        if let Some((_, call, true, _)) = self.on_its_way.take() {
            self.heard.push((call.id.clone(), body(&call)));
        }
        self.disk.waiting.clear();
        self.members.clear();
        self.now.ms += 100;
        self.now.unix_ms += 100;
        let seed = self.random.next_u64();
        self.hooks = hooks(true, seed);
        for kept in self.disk.deliveries.clone() {
            self.hooks.restore(kept, self.now);
        }
        self.hooks.tell_snapshot(0, &[], self.now);
        let webhook = self.hooks.keys()[0];
        for (name, last) in self.disk.offsets.clone() {
            let upto = self.disk.upto.get(name.as_str()).copied().unwrap_or(0);
            for offset in upto + 1..=last {
                let at = (HookPosition { epoch: 1, offset }, HookEvent::Message);
                let json = said(offset);
                self.hooks
                    .tell_untold(webhook, &name, at, json.as_bytes(), self.now);
            }
        }
    }

    /// What the receiver knows of each room that passes over what it has heard before.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut seen: BTreeMap<&str, &Value> = BTreeMap::new();
        let mut offsets: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut serials: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (id, body) in &self.heard {
            if let Some(before) = seen.insert(id, body) {
                ensure(before == body, "the same id has another body")?;
                continue;
            }
            let data = &body["data"];
            let name = data["room"].as_str().unwrap_or("");
            let number = |name: &str| data[name].as_u64().unwrap_or(0);
            let serial = (number("stream"), number("number"));
            let before = serials.insert(name, serial).unwrap_or((0, 0));
            ensure(before < serial, "a later one has an earlier number")?;
            let events = data["events"].as_array().into_iter().flatten();
            let said = events.filter_map(|it| it["offset"].as_u64());
            offsets.entry(name).or_default().extend(said);
        }
        for (name, last) in &self.disk.offsets {
            let heard = offsets.get(name.as_str()).cloned().unwrap_or_default();
            let all: Vec<u64> = (1..=*last).collect();
            ensure(
                heard == all,
                &format!("of {last} messages in {name}: {heard:?}"),
            )?;
        }
        ensure(
            !self.has_disk || self.disk.deliveries.is_empty(),
            "something is kept that has arrived",
        )
    }
}
