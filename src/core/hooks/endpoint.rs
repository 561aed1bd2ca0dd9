//! One webhook: what waits for it, what is on its way, and how it has answered.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng as _;
use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::call::{Call, CallOutcome, CallResult, Target};
use super::lane::{Delivery, Lane, Place};
use super::queue::{Dropped, Queue};
use crate::codec::webhook;
use crate::core::chat::RoomName;
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
use crate::core::store::{HookNote, HookRequest, KeptDelivery};
use crate::limits::{HOOK_PATIENCE_MS, HOOK_RETRY_MS, MAX_HOOK_PAUSE_MS, MAX_HOOK_RETRY_MS};
use crate::settings::{HookEvent, without_path};

/// The status of a receiver that wants nothing more (Standard Webhooks, "Additional headers and status codes").
const GONE: u16 = 410;

#[derive(Debug)]
pub(super) struct Endpoint {
    target: Target,
    key: u64,
    rooms: RoomPatterns,
    queue: Queue,
    /// It is asked nothing any more.
    is_off: bool,
    health: Health,
    /// The number of the call that is on its way.
    called: Option<u64>,
    counts: Counts,
}

/// How it has answered of late.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Health {
    /// Since when it has not answered well, and how often; `None` if it has.
    failing: Option<(u64, u32)>,
    /// It is left alone until then.
    next_ms: u64,
}

/// What has become of deliveries and calls since the start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
}

/// What operators are told of a webhook.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Figures {
    /// Requests that were answered well.
    pub(in crate::core) delivered: u64,
    /// Calls that were not.
    pub(in crate::core) failed: u64,
    /// Events that were dropped.
    pub(in crate::core) dropped: u64,
    /// Requests that wait.
    pub(in crate::core) queued: usize,
    /// Bytes of them.
    pub(in crate::core) queued_bytes: usize,
    pub(in crate::core) is_off: bool,
}

impl Endpoint {
    pub(super) fn new(target: Target) -> Self {
        Self {
            key: target.key(),
            rooms: RoomPatterns::new(&target.rooms),
            target,
            queue: Queue::default(),
            is_off: false,
            health: Health::default(),
            called: None,
            counts: Counts::default(),
        }
    }

    /// Other secrets or events. It is switched on again, and tried at once.
    pub(super) fn set_target(&mut self, target: Target) {
        self.target = target;
        self.is_off = false;
        self.health = Health::default();
    }

    /// What another server knew of it, whose place this one takes.
    pub(super) fn resume(
        &mut self,
        lanes: BTreeMap<Place, Lane>,
        counts: Counts,
        is_off: bool,
        health: Health,
    ) {
        self.queue = Queue::from_lanes(lanes, 0);
        self.health = health;
        (self.counts, self.is_off) = (counts, is_off);
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn is_for(&self, room: &RoomName) -> bool {
        self.rooms.matches(room)
    }

    pub(super) fn wants(&self, kind: HookEvent) -> bool {
        self.target.events.contains(&kind)
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off
    }

    pub(super) fn lanes(&self) -> &BTreeMap<Place, Lane> {
        self.queue.lanes()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn health(&self) -> Health {
        self.health
    }

    pub(super) fn figures(&self) -> Figures {
        let Counts {
            delivered,
            failed,
            dropped,
        } = self.counts;
        Figures {
            delivered,
            failed,
            dropped,
            queued: self.queue.count(),
            queued_bytes: self.queue.bytes(),
            is_off: self.is_off,
        }
    }

    pub(super) fn lane(&mut self, room: Option<&RoomName>, stream: u64) -> &mut Lane {
        self.queue.lane(room.cloned(), stream)
    }

    pub(super) fn existing_lane(&mut self, room: &RoomName) -> Option<&mut Lane> {
        self.queue.existing(&Some(room.clone()))
    }

    /// Events of a room that were dropped, and of which it has not been told.
    pub(super) fn lost(&self, room: &RoomName) -> u64 {
        let lane = self.lanes().get(&Some(room.clone()));
        lane.map_or(0, Lane::lost)
    }

    /// A room of which events were lost and nothing is queued, if there is place to say so.
    pub(super) fn next_untold(&self) -> Option<&RoomName> {
        self.queue.next_untold()
    }

    pub(super) fn has_lost(&self, room: &RoomName) -> bool {
        self.lost(room) > 0
    }

    /// A delivery that a store has kept over a restart. Gives the stream that its room goes on in.
    pub(super) fn restore(
        &mut self,
        place: &Place,
        kept: KeptDelivery,
        requests: &mut VecDeque<HookRequest>,
        now: Now,
    ) -> u64 {
        // Its room goes on in a stream after those of all deliveries before.
        let stream = now.unix_ms.max(kept.stream + 1);
        self.queue.lane(place.clone(), stream).begin_in(stream);
        let dropped = self
            .queue
            .push(place, Delivery::new(kept, 0, false), now.ms);
        self.counts.dropped += dropped.events;
        self.forget(dropped, requests);
        stream
    }

    /// Queues a delivery that tells of so many as lost. A store that keeps it is asked to, and it leaves after that.
    pub(super) fn push(
        &mut self,
        place: &Place,
        (kept, lost): (KeptDelivery, u64),
        requests: &mut VecDeque<HookRequest>,
        keeps: bool,
        now: Now,
    ) {
        let delivery = Delivery::new(kept.clone(), lost, keeps);
        let dropped = self.queue.push(place, delivery, now.ms);
        let Some(lane) = self.queue.existing(place) else {
            return;
        };
        let (upto, lost) = (lane.note(), lane.lost());
        self.counts.dropped += dropped.events;
        if !keeps {
            return;
        }
        let note = HookNote {
            webhook: self.key,
            room: kept.room.clone(),
            upto,
            lost,
        };
        requests.push_back(match dropped.ids.contains(&kept.id) {
            true => HookRequest::Note(note),
            false => HookRequest::Seal {
                note,
                delivery: Box::new(kept),
            },
        });
        self.forget(dropped, requests);
    }

    /// The next call, if one is due and none is on its way. It gets this number, which no other call has.
    pub(super) fn next_call(&mut self, number: u64, now: Now) -> Option<Call> {
        if self.is_off || self.called.is_some() || self.health.next_ms > now.ms {
            return None;
        }
        let delivery = self.queue.begin(now.ms)?;
        let timestamp = (now.unix_ms / 1_000).to_string();
        let Target { url, secrets, .. } = &self.target;
        let signature = webhook::signatures(secrets, &delivery.id, &timestamp, &delivery.body);
        self.called = Some(number);
        Some(Call {
            webhook: self.key,
            number,
            url: url.clone(),
            id: delivery.id.clone(),
            timestamp,
            signature,
            body: Arc::clone(&delivery.body),
        })
    }

    /// When the next call is due, unless one is on its way.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let due_ms = self.queue.next_due_ms()?;
        let may_call = !self.is_off && self.called.is_none();
        may_call.then_some(due_ms.max(self.health.next_ms))
    }

    /// What has become of the call. Gives the room that it was about, unless nothing is told any more.
    pub(super) fn on_outcome(
        &mut self,
        outcome: &CallOutcome,
        requests: &mut VecDeque<HookRequest>,
        random: &mut ChaCha8Rng,
        now: Now,
    ) -> Option<Place> {
        self.called.take_if(|number| *number == outcome.number)?;
        let (why, retry_ms) = match &outcome.result {
            CallResult::Answered {
                status: 200..=299, ..
            } => return self.on_success(requests, now),
            CallResult::Answered { status: GONE, .. } => {
                self.counts.failed += 1;
                self.switch_off("it has answered 410 Gone", requests);
                return None;
            }
            CallResult::Answered { status, retry_ms } => {
                (format!("it has answered {status}"), retry_ms.unwrap_or(0))
            }
            CallResult::Failed(why) => (why.clone(), 0),
        };
        self.on_failure(&why, retry_ms.min(MAX_HOOK_PAUSE_MS), requests, random, now)
    }

    fn on_success(&mut self, requests: &mut VecDeque<HookRequest>, now: Now) -> Option<Place> {
        if self.health.failing.take().is_some() {
            log::info!("the webhook {} answers again", self.shown());
        }
        self.counts.delivered += 1;
        self.health.next_ms = now.ms;
        let (place, id) = self.queue.finish(now.ms)?;
        let webhook = self.key;
        requests.push_back(HookRequest::Done { webhook, id });
        Some(place)
    }

    fn on_failure(
        &mut self,
        why: &str,
        pause_ms: u64,
        requests: &mut VecDeque<HookRequest>,
        random: &mut ChaCha8Rng,
        now: Now,
    ) -> Option<Place> {
        let (since_ms, count) = self.health.failing.unwrap_or((now.ms, 0));
        if count == 0 {
            log::warn!("the webhook {} is tried again: {why}", self.shown());
        }
        self.counts.failed += 1;
        self.health.failing = Some((since_ms, count.saturating_add(1)));
        if now.ms - since_ms >= HOOK_PATIENCE_MS {
            self.switch_off(&format!("no good answer for 24 hours: {why}"), requests);
            return None;
        }
        self.health.next_ms = now.ms + backoff_ms(count + 1, random).max(pause_ms);
        let wait_ms = |attempts| backoff_ms(attempts, random).max(pause_ms);
        let expired_ms = now.unix_ms.saturating_sub(HOOK_PATIENCE_MS);
        let (place, dropped) = self.queue.fail(wait_ms, expired_ms, now.ms)?;
        self.counts.dropped += dropped.events;
        self.forget(dropped, requests);
        Some(place)
    }

    fn switch_off(&mut self, why: &str, requests: &mut VecDeque<HookRequest>) {
        log::error!(
            "the webhook {} is switched off until the settings are read again: {why}",
            self.shown()
        );
        self.is_off = true;
        self.health.failing = None;
        self.counts.dropped += self.queue.clear();
        requests.push_back(HookRequest::Clear { webhook: self.key });
    }

    /// The store is told how much rooms have lost, and forgets what was dropped.
    fn forget(&self, dropped: Dropped, requests: &mut VecDeque<HookRequest>) {
        let webhook = self.key;
        let rooms = dropped.rooms.iter();
        requests.extend(rooms.map(|room| {
            HookRequest::Note(HookNote {
                webhook,
                room: room.as_str().into(),
                upto: None,
                lost: self.lost(room),
            })
        }));
        let ids = dropped.ids.into_iter();
        requests.extend(ids.map(|id| HookRequest::Done { webhook, id }));
    }

    pub(super) fn on_kept(&mut self, place: &Place, id: &str, now: Now) {
        self.queue.on_kept(place, id, now.ms);
    }

    pub(super) fn stop_keeping(&mut self, now: Now) {
        self.queue.stop_keeping(now.ms);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.queue.is_kept()
    }

    pub(super) fn forget_idle(&mut self, is_there: impl Fn(&RoomName) -> bool) {
        self.queue.retain(is_there);
    }

    /// Its address as people may see it: what is behind the host is often a secret.
    fn shown(&self) -> &str {
        without_path(&self.target.url)
    }
}

/// Half as long again after each attempt, and up to half of it less by chance, so that receivers are not called by many at once.
/// One that fails half of the time would be waited for without an end if it were twice as long.
fn backoff_ms(attempts: u32, random: &mut ChaCha8Rng) -> u64 {
    let waits = iter::successors(Some(HOOK_RETRY_MS), |wait_ms| Some(wait_ms * 3 / 2));
    let mut waits = waits.take_while(|wait_ms| *wait_ms < MAX_HOOK_RETRY_MS);
    let wait_ms = waits.nth(attempts.saturating_sub(1) as usize);
    let most = wait_ms.unwrap_or(MAX_HOOK_RETRY_MS);
    most - random.next_u64() % (most / 2 + 1)
}
