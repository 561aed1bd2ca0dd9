//! Webhooks: what happens in rooms, gathered, numbered and queued for each receiver, and when to try again. Sends nothing
//! itself: calls leave as values, and what became of them comes in.

mod body;
mod call;
mod endpoint;
mod here;
mod lane;
mod queue;
mod restore;
mod room;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};

use crate::codec::json::ban::BanRecord;
pub use crate::codec::webhook::Secret;
use crate::core::chat::RoomName;
use crate::core::now::Now;
use crate::core::store::{HookNote, HookPosition, HookRequest, KeptDelivery};
use crate::limits::{HOOK_GATHER_MS, MAX_HOOK_BODY};
use crate::settings::HookEvent;
use body::Event;
pub use call::{Call, CallOutcome, CallResult, Target};
use endpoint::Endpoint;
pub(super) use endpoint::Figures;
pub(super) use here::Here;
use lane::Place;
use restore::place_of;
use room::HookRoom;
pub(super) use state::ToldHooks;

/// Rooms beyond those that are there, before it is looked which have ended.
const SLACK: usize = 1_000;

/// All webhooks, and what they know of rooms.
#[derive(Debug)]
pub(super) struct Hooks {
    endpoints: Vec<Endpoint>,
    rooms: BTreeMap<RoomName, HookRoom>,
    /// Rooms of which something is to be told, and when.
    due: BTreeSet<(u64, RoomName)>,
    /// The name of this server.
    node: Box<str>,
    /// The latest numbering that was begun.
    stream: u64,
    /// The number of the last call of any webhook.
    calls: u64,
    /// A store keeps deliveries: they leave once it has them.
    keeps: bool,
    /// What the store is asked for.
    requests: VecDeque<HookRequest>,
    random: ChaCha8Rng,
}

impl Hooks {
    /// Webhooks that have been told nothing yet. `keeps`: whether a store keeps what is queued.
    pub(super) fn new(node: &str, keeps: bool, seed: [u8; 32]) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        Self {
            endpoints: Vec::new(),
            rooms: BTreeMap::new(),
            due: BTreeSet::new(),
            node: node.into(),
            stream: 0,
            // By chance, so that calls of before all webhooks were taken out of the settings have other numbers.
            calls: random.next_u64() >> 1,
            keeps,
            requests: VecDeque::new(),
            random,
        }
    }

    /// These are all webhooks from now on. Those that were there keep what is queued for them, and are switched on again. Gives
    /// the places of those that know nothing yet, for [`tell_snapshot`](Self::tell_snapshot).
    pub(super) fn set_targets(&mut self, targets: Vec<Target>) -> Vec<usize> {
        let mut before = std::mem::take(&mut self.endpoints);
        let mut new = Vec::new();
        for (index, target) in targets.into_iter().enumerate() {
            let key = target.key();
            let known = before.iter().position(|it| it.key() == key);
            match known.map(|known| before.swap_remove(known)) {
                Some(mut endpoint) => {
                    if endpoint.is_off() {
                        new.push(index);
                    }
                    endpoint.set_target(target);
                    self.endpoints.push(endpoint);
                }
                None => {
                    new.push(index);
                    self.endpoints.push(Endpoint::new(target));
                }
            }
        }
        for (name, room) in &mut self.rooms {
            room.set_wanted(&self.endpoints, name);
        }
        new
    }

    /// The keys of all webhooks.
    pub(super) fn keys(&self) -> Vec<u64> {
        self.endpoints.iter().map(Endpoint::key).collect()
    }

    /// Whether a webhook has this place, and is to be told of this room.
    pub(super) fn wants(&self, endpoint: usize, room: &RoomName) -> bool {
        let endpoint = self.endpoints.get(endpoint);
        endpoint.is_some_and(|it| it.is_for(room))
    }

    /// A message was accepted here. `kind`: none for one that no webhook is told of. `write` appends it in JSON.
    pub(super) fn on_message(
        &mut self,
        room: &RoomName,
        (position, kind): (HookPosition, Option<HookEvent>),
        write: impl FnOnce(&mut Vec<u8>),
        now: Now,
    ) {
        let wanted = self.room(room).wanted().to_vec();
        let is_told = |it: &usize| kind.is_some_and(|kind| self.endpoints[*it].wants(kind));
        let told: Vec<bool> = wanted.iter().map(is_told).collect();
        let mut json = Vec::new();
        if told.contains(&true) {
            write(&mut json);
        }
        let is_any = !wanted.is_empty();
        for (index, is_told) in wanted.into_iter().zip(told) {
            if is_told {
                self.gather(index, room, &json, now);
            }
            self.pass(index, room, position, now);
        }
        if is_any {
            self.schedule(room, now);
        }
    }

    /// Nobody has acknowledged an alarm of a room in time: this webhook is told, whatever else it is told of, and of whatever
    /// rooms. Says whether it is to be: not if the webhook is switched off.
    pub(super) fn on_escalated(
        &mut self,
        webhook: u64,
        room: &RoomName,
        json: &[u8],
        now: Now,
    ) -> bool {
        let mut endpoints = self.endpoints.iter();
        let index = endpoints.position(|it| it.key() == webhook && !it.is_off());
        if let Some(index) = index {
            self.gather(index, room, json, now);
            self.schedule(room, now);
        }
        index.is_some()
    }

    /// Somebody is banned from a room.
    pub(super) fn on_banned(&mut self, room: &RoomName, ban: &BanRecord, now: Now) {
        let event = body::banned(ban);
        let wanted = self.room(room).wanted().to_vec();
        for index in wanted {
            if self.endpoints[index].wants(HookEvent::Banned) {
                self.gather(index, room, &event, now);
                self.schedule(room, now);
            }
        }
    }

    /// Somebody has come into a room, or gone.
    pub(super) fn on_stirred(&mut self, room: &RoomName, now: Now) {
        let here = self.room(room);
        here.stir();
        if !here.wanted().is_empty() {
            self.schedule(room, now);
        }
    }

    /// The next room of which something is to be told now: give who is there to [`flush`](Self::flush).
    pub(super) fn take_due(&mut self, now: Now) -> Option<RoomName> {
        let (due_ms, _) = self.due.first()?;
        if *due_ms > now.ms {
            return None;
        }
        let (_, room) = self.due.pop_first()?;
        if let Some(here) = self.rooms.get_mut(&room) {
            here.on_flush(now.ms);
        }
        Some(room)
    }

    /// What was gathered of a room is told with who is there now.
    pub(super) fn flush(&mut self, name: &RoomName, here: &Here, now: Now) {
        let room = self.room(name);
        let changes = room.changes(here);
        let wanted = room.wanted().to_vec();
        let state = body::state(here);
        for index in wanted {
            for (kind, event) in &changes {
                if self.endpoints[index].wants(*kind) {
                    self.gather(index, name, event, now);
                }
            }
        }
        // Also those that are told nothing of the room but an escalation.
        for index in 0..self.endpoints.len() {
            self.seal(index, name, Some(&state), now);
        }
    }

    /// A webhook is told how all rooms are that it is for: what is not here is as if nobody were there.
    pub(super) fn tell_snapshot(&mut self, endpoint: usize, rooms: &[(RoomName, Here)], now: Now) {
        for (name, here) in rooms {
            self.room(name).begin_with(here);
        }
        let stream = self.stream_of(endpoint, &None, now);
        let id = self.random_id();
        let Some(endpoint) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        let lane = endpoint.lane(None, stream);
        let serial = lane.next_serial();
        let body = body::snapshot(&self.node, serial, rooms, now.unix_ms);
        let kept = KeptDelivery {
            webhook: endpoint.key(),
            room: "".into(),
            id,
            stream,
            events: 1,
            at_ms: now.unix_ms,
            body,
        };
        endpoint.push(&None, (kept, 0), &mut self.requests, self.keeps, now);
    }

    /// The next call that is to be made now. What becomes of it is told by [`on_outcome`](Self::on_outcome); a webhook has one at
    /// a time.
    pub(super) fn next_call(&mut self, now: Now) -> Option<Call> {
        let number = self.calls + 1;
        let mut endpoints = self.endpoints.iter_mut();
        let call = endpoints.find_map(|it| it.next_call(number, now))?;
        self.calls = number;
        Some(call)
    }

    /// What has become of a call. What a webhook was never asked is ignored.
    pub(super) fn on_outcome(&mut self, outcome: &CallOutcome, now: Now) {
        let endpoint = self
            .endpoints
            .iter_mut()
            .find(|it| it.key() == outcome.webhook);
        let Some(endpoint) = endpoint else {
            return;
        };
        let place = endpoint.on_outcome(outcome, &mut self.requests, &mut self.random, now);
        // There is place for what the receiver has missed: of this room, and of one that nothing may happen in any more.
        if let Some(place) = place {
            let untold = endpoint.next_untold().cloned();
            let room = place.filter(|room| endpoint.has_lost(room));
            for room in room.into_iter().chain(untold) {
                self.schedule(&room, now);
            }
        }
        if !self.keeps {
            self.requests.clear();
        }
    }

    /// The store has kept a delivery: it may leave.
    pub(super) fn on_kept(&mut self, webhook: u64, (room, id): (&str, &str), now: Now) {
        let endpoint = self.endpoints.iter_mut().find(|it| it.key() == webhook);
        if let Some((endpoint, place)) = endpoint.zip(place_of(room)) {
            endpoint.on_kept(&place, id, now);
        }
    }

    /// There is no store any more: nothing waits for it.
    pub(super) fn lose_store(&mut self, now: Now) {
        self.keeps = false;
        self.requests.clear();
        for endpoint in &mut self.endpoints {
            endpoint.stop_keeping(now);
        }
    }

    /// What the store is asked for next.
    pub(super) fn next_request(&mut self) -> Option<HookRequest> {
        self.requests.pop_front()
    }

    /// Whether nothing waits for the store.
    pub(super) fn is_kept(&self) -> bool {
        self.requests.is_empty() && self.endpoints.iter().all(Endpoint::is_kept)
    }

    /// When something is due.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let rooms = self.due.first().map(|(due_ms, _)| *due_ms);
        let calls = self.endpoints.iter().filter_map(Endpoint::next_due_ms);
        calls.chain(rooms).min()
    }

    /// Whether it is time to look which rooms have ended, of which there are `count` now.
    pub(super) fn has_ended_rooms(&self, count: usize) -> bool {
        self.rooms.len() > 2 * count + SLACK
    }

    /// Forgets rooms that have ended, and of which nothing is left to tell.
    pub(super) fn forget_ended(&mut self, is_there: impl Fn(&RoomName) -> bool) {
        self.rooms
            .retain(|name, room| room.is_due() || is_there(name));
        for endpoint in &mut self.endpoints {
            endpoint.forget_idle(&is_there);
        }
    }

    /// What operators are told of each webhook, in the order of the settings.
    pub(super) fn figures(&self) -> impl Iterator<Item = Figures> {
        self.endpoints.iter().map(Endpoint::figures)
    }

    fn room(&mut self, name: &RoomName) -> &mut HookRoom {
        let endpoints = &self.endpoints;
        self.rooms.entry(name.clone()).or_insert_with(|| {
            let mut room = HookRoom::default();
            room.set_wanted(endpoints, name);
            room
        })
    }

    /// Something of a room is to be told: at once, unless something was within the last second.
    fn schedule(&mut self, name: &RoomName, now: Now) {
        if let Some(due_ms) = self.room(name).schedule(now.ms, HOOK_GATHER_MS) {
            self.due.insert((due_ms, name.clone()));
        }
    }

    /// A webhook need not be told of messages any more up to there.
    fn pass(&mut self, index: usize, room: &RoomName, position: HookPosition, now: Now) {
        if !self.endpoints[index].is_off() {
            let stream = self.stream_of(index, &Some(room.clone()), now);
            self.endpoints[index]
                .lane(Some(room), stream)
                .pass(position);
        }
    }

    /// Takes an event for a webhook, which is told what has gathered before if that is much.
    fn gather(&mut self, index: usize, room: &RoomName, event: Event<'_>, now: Now) {
        if self.endpoints[index].is_off() {
            return;
        }
        let stream = self.stream_of(index, &Some(room.clone()), now);
        let lane = self.endpoints[index].lane(Some(room), stream);
        if lane.gathered_bytes() + event.len() > MAX_HOOK_BODY {
            self.seal(index, room, None, now);
        }
        let lane = self.endpoints[index].lane(Some(room), stream);
        lane.gather(event);
    }

    /// What was gathered for a webhook becomes a delivery, with who is there if that is known.
    fn seal(&mut self, index: usize, room: &RoomName, state: Option<&[u8]>, now: Now) {
        let id = self.random_id();
        let endpoint = &mut self.endpoints[index];
        let Some(lane) = endpoint.existing_lane(room) else {
            return;
        };
        let place: Place = Some(room.clone());
        if let Some(gathered) = lane.take_gathered() {
            let at = (&*self.node, room, lane.next_serial());
            let body = body::of_room(at, &gathered, state, now.unix_ms);
            let kept = KeptDelivery {
                webhook: endpoint.key(),
                room: room.as_str().into(),
                id,
                stream: at.2.stream,
                events: gathered.events + gathered.lost,
                at_ms: now.unix_ms,
                body,
            };
            let told = (kept, gathered.lost);
            endpoint.push(&place, told, &mut self.requests, self.keeps, now);
        } else if self.keeps && lane.is_unnoted() {
            let (upto, lost) = (lane.note(), lane.lost());
            let note = HookNote {
                webhook: endpoint.key(),
                room: room.as_str().into(),
                upto,
                lost,
            };
            self.requests.push_back(HookRequest::Note(note));
        }
    }

    fn random_id(&mut self) -> Box<str> {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        crate::codec::webhook::id(bytes)
    }

    /// The numbering of a lane that a webhook does not have yet: later than all before it, also by a clock that was set back, and
    /// if a lane of this room was forgotten within this millisecond.
    fn stream_of(&mut self, index: usize, place: &Place, now: Now) -> u64 {
        let lanes = self.endpoints.get(index).map(Endpoint::lanes);
        if lanes.is_some_and(|lanes| !lanes.contains_key(place)) {
            self.stream = now.unix_ms.max(self.stream + 1);
        }
        self.stream
    }
}
