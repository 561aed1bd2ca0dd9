//! Calls that wait for push services: in order for each subscription, alarms first, and tried again for as long as they are of
//! use.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};

use super::line::{Line, Waiting};
use super::notice::Notice;
use super::turns::Turns;
use crate::core::now::Now;
use crate::limits::{
    MAX_PUSH_CALLS, MAX_PUSH_QUEUE, MAX_PUSH_QUEUE_EACH, MAX_PUSH_RETRY_MS, PUSH_RETRY_MS,
    PUSH_TTL_S,
};

#[derive(Debug)]
pub(super) struct Calls {
    lines: BTreeMap<u64, Line>,
    turns: Turns,
    /// Calls of all lines.
    count: usize,
    /// The calls on their way, by their numbers: also those of subscriptions that are gone.
    leaving: BTreeMap<u64, Leaving>,
    /// Subscriptions by how much waits for them.
    lengths: BTreeSet<(usize, u64)>,
    /// What was dropped before it left, and for whom.
    untold: Vec<(u64, Rc<Notice>)>,
    /// The latest number of a call.
    last: u64,
    serial: u64,
    random: ChaCha8Rng,
}

/// A call on its way.
#[derive(Debug)]
struct Leaving {
    subscription: u64,
    service: Box<str>,
    since_ms: u64,
}

/// What has become of something that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits, and so many were dropped for it.
    Waits { dropped: u64 },
    /// What it would take back was not told, and will not be.
    Moot,
}

impl Calls {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            lines: BTreeMap::new(),
            turns: Turns::default(),
            count: 0,
            leaving: BTreeMap::new(),
            lengths: BTreeSet::new(),
            untold: Vec::new(),
            last: 0,
            serial: 0,
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// Calls that wait, or are on their way.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn lines(&self) -> &BTreeMap<u64, Line> {
        &self.lines
    }

    /// The number of the last call, which the next server goes on from.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Services that are to be left alone, and until when in milliseconds of `Now::ms`.
    pub(super) fn pauses(&self) -> Vec<(&str, u64)> {
        self.turns.pauses().collect()
    }

    /// The same as another server has known them.
    pub(super) fn take_over_pauses(&mut self, pauses: Vec<(String, u64)>) {
        for (service, until_ms) in pauses {
            self.turns.pause(&service, until_ms);
        }
    }

    /// Begins with what another server has not called, or does not know to have arrived.
    pub(super) fn take_over(&mut self, lines: BTreeMap<u64, Line>, last: u64) {
        self.last = last;
        for (subscription, line) in lines {
            for it in &line.queue {
                self.serial = self.serial.max(it.serial);
            }
            self.count += line.queue.len();
            self.lines.insert(subscription, line);
            self.arm(subscription);
        }
    }

    /// Queues something for a subscription, in the place of what has the same tag, and before what is less urgent.
    /// `was_told`: it may have been told something of that tag before.
    pub(super) fn push(
        &mut self,
        (subscription, service): (u64, &str),
        (notice, was_told): (&Rc<Notice>, bool),
        now: Now,
    ) -> Queued {
        let was_told = self.forget_same(subscription, notice).unwrap_or(was_told);
        if notice.is_withdrawal() && !was_told {
            // It was not told: there is nothing to take back.
            self.arm(subscription);
            return Queued::Moot;
        }
        self.serial += 1;
        let waiting = Waiting {
            notice: Rc::clone(notice),
            until_ms: now.unix_ms + u64::from(PUSH_TTL_S) * 1_000,
            serial: self.serial,
            has_left: was_told,
        };
        let rank = waiting.rank();
        let line = self.lines.entry(subscription);
        let line = line.or_insert_with(|| Line::new(service));
        let first = usize::from(line.leaving.is_some());
        let place = line
            .queue
            .iter()
            .skip(first)
            .position(|it| it.rank() > rank);
        let place = place.map_or(line.queue.len(), |place| place + first);
        line.queue.insert(place, waiting);
        self.count += 1;
        let mut dropped = 0;
        let own = self.lines.get(&subscription).map_or(0, |it| it.queue.len());
        if own > MAX_PUSH_QUEUE_EACH {
            dropped += u64::from(self.drop_oldest_of(subscription));
        }
        if self.count() > MAX_PUSH_QUEUE {
            dropped += u64::from(self.drop_oldest());
        }
        self.arm(subscription);
        Queued::Waits { dropped }
    }

    /// Takes what waits of the same kind under the same tag out of a line. Says whether something of it may have been told;
    /// `None` if there is nothing.
    fn forget_same(&mut self, subscription: u64, notice: &Notice) -> Option<bool> {
        let line = self.lines.get_mut(&subscription)?;
        let first = usize::from(line.leaving.is_some());
        let tag = notice.tag();
        let is_same = |it: &Waiting| it.notice.kind == notice.kind && it.notice.tag() == tag;
        let is_leaving = line.leaving.is_some() && line.queue.front().is_some_and(is_same);
        let place = line.queue.iter().skip(first).position(is_same);
        let Some(waiting) = place.and_then(|place| line.queue.remove(place + first)) else {
            return is_leaving.then_some(true);
        };
        self.count -= 1;
        Some(waiting.has_left || is_leaving)
    }

    /// What was dropped before it left, and for whom, since this was asked last.
    pub(super) fn take_untold(&mut self) -> Vec<(u64, Rc<Notice>)> {
        std::mem::take(&mut self.untold)
    }

    /// The oldest of what is least urgent, of the subscription for which most waits: who fills the queue loses first.
    fn drop_oldest(&mut self) -> bool {
        // What is on its way is not dropped: some lines may have nothing else.
        let longest = self.lengths.iter().rev().take(MAX_PUSH_CALLS + 1);
        let longest: Vec<u64> = longest.map(|(_, subscription)| *subscription).collect();
        let mut longest = longest.into_iter();
        longest.any(|subscription| self.drop_oldest_of(subscription))
    }

    fn drop_oldest_of(&mut self, subscription: u64) -> bool {
        let Some(line) = self.lines.get(&subscription) else {
            return false;
        };
        let first = usize::from(line.leaving.is_some());
        let waiting = line.queue.iter().skip(first);
        // The least urgent, and of those the oldest.
        let oldest = waiting.min_by_key(|it| (std::cmp::Reverse(it.rank()), it.serial));
        let oldest = oldest.map(|it| it.serial);
        oldest.is_some_and(|serial| self.drop_one(serial, subscription))
    }

    fn drop_one(&mut self, serial: u64, subscription: u64) -> bool {
        if let Some(line) = self.lines.get_mut(&subscription)
            && let Some(place) = line.queue.iter().position(|it| it.serial == serial)
            && let Some(dropped) = line.queue.remove(place)
        {
            self.count -= 1;
            if !dropped.has_left {
                self.untold.push((subscription, dropped.notice));
            }
        }
        self.arm(subscription);
        true
    }

    /// The subscription whose first call is to leave now, and the number of that call. It is on its way until
    /// [`finish`](Self::finish) or [`fail`](Self::fail), unless it is [`put off`](Self::put_off).
    pub(super) fn begin(&mut self, now: Now) -> Option<(u64, u64)> {
        let (.., subscription) = self.turns.begin(now.ms)?;
        let line = self.lines.get_mut(&subscription)?;
        line.turn = None;
        self.last += 1;
        line.leaving = Some(self.last);
        let leaving = Leaving {
            subscription,
            service: line.service.clone(),
            since_ms: now.ms,
        };
        self.leaving.insert(self.last, leaving);
        Some((subscription, self.last))
    }

    /// What a subscription is to be told first.
    pub(super) fn first(&self, subscription: u64) -> Option<&Waiting> {
        self.lines.get(&subscription)?.queue.front()
    }

    /// The call that has begun for a subscription leaves: from now on it may have been told.
    pub(super) fn leave(&mut self, subscription: u64) {
        let line = self.lines.get_mut(&subscription);
        if let Some(first) = line.and_then(|line| line.queue.front_mut()) {
            first.has_left = true;
        }
    }

    /// Whose call this is, if it is on its way.
    pub(super) fn subscription_of(&self, number: u64) -> Option<u64> {
        self.leaving.get(&number).map(|it| it.subscription)
    }

    /// A call was answered, or failed: its thread is free.
    pub(super) fn took(&mut self, number: u64, now: Now) {
        if let Some(it) = self.leaving.get(&number) {
            let ms = now.ms.saturating_sub(it.since_ms);
            self.turns.took(&it.service, ms);
        }
    }

    /// The service of a call wants to be left alone for so long, by everybody.
    pub(super) fn pause(&mut self, number: u64, ms: u64, now: Now) {
        if let Some(it) = self.leaving.get(&number) {
            self.turns.pause(&it.service, now.ms + ms);
        }
    }

    /// A call that was about to leave waits until a quiet time ends.
    pub(super) fn put_off(&mut self, number: u64, until_ms: u64) {
        if let Some(subscription) = self.end(number) {
            self.set_quiet(subscription, until_ms);
        }
    }

    /// The quiet time of a subscription may be another now.
    pub(super) fn forget_quiet(&mut self, subscription: u64) {
        self.set_quiet(subscription, 0);
    }

    fn set_quiet(&mut self, subscription: u64, until_ms: u64) {
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.quiet_ms = until_ms;
        }
        self.arm(subscription);
    }

    /// A call has come to its end: what it was to tell is told, or is given up.
    pub(super) fn finish(&mut self, number: u64, now: Now) {
        let Some(subscription) = self.end(number) else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&subscription)
            && line.queue.pop_front().is_some()
        {
            self.count -= 1;
            (line.attempts, line.due_ms) = (0, now.ms);
        }
        self.arm(subscription);
    }

    /// A call has failed, and the service wants to be left alone for so long. It is tried again unless it is of no use any more.
    /// Says whether it was given up.
    pub(super) fn fail(&mut self, number: u64, pause_ms: u64, now: Now) -> bool {
        let Some(subscription) = self.end(number) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&subscription) else {
            return false;
        };
        line.attempts = line.attempts.saturating_add(1);
        let wait_ms = backoff_ms(line.attempts, &mut self.random).max(pause_ms);
        self.wait(subscription, now.ms + wait_ms);
        // What comes later is of use longer.
        let until_ms = self.first(subscription).map_or(0, |it| it.until_ms);
        let is_over = until_ms <= now.unix_ms + wait_ms;
        if is_over {
            self.drop_first(subscription);
        }
        is_over
    }

    fn drop_first(&mut self, subscription: u64) {
        if let Some(serial) = self.first(subscription).map(|it| it.serial) {
            self.drop_one(serial, subscription);
        }
    }

    /// Nothing is to be told a subscription any more. Gives how many calls are dropped. One on its way has a thread until it
    /// comes to its end.
    pub(super) fn forget(&mut self, subscription: u64) -> u64 {
        let Some(line) = self.lines.remove(&subscription) else {
            return 0;
        };
        if let Some(turn) = line.turn {
            self.turns.remove(&line.service, turn);
        }
        self.lengths.remove(&(line.counted, subscription));
        self.count -= line.queue.len();
        line.queue.len() as u64
    }

    /// When the next call may leave; `None` while as many are on their way as may be.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.turns.next_due_ms()
    }

    /// A call is not on its way any more. Gives whose it was.
    fn end(&mut self, number: u64) -> Option<u64> {
        let it = self.leaving.remove(&number)?;
        self.turns.end(&it.service);
        self.lines.get_mut(&it.subscription)?.leaving = None;
        Some(it.subscription)
    }

    fn wait(&mut self, subscription: u64, until_ms: u64) {
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.due_ms = until_ms;
        }
        self.arm(subscription);
    }

    /// Gives a line its turn, if it has something that may leave.
    fn arm(&mut self, subscription: u64) {
        let Some(line) = self.lines.get_mut(&subscription) else {
            return;
        };
        if let Some(turn) = line.turn.take() {
            self.turns.remove(&line.service, turn);
        }
        self.lengths.remove(&(line.counted, subscription));
        line.counted = line.queue.len();
        if line.counted > 0 {
            self.lengths.insert((line.counted, subscription));
        }
        match line.turn_of_first(subscription) {
            None => {
                self.lines.remove(&subscription);
            }
            Some(turn) if line.leaving.is_none() => {
                line.turn = Some(turn);
                self.turns.add(&line.service, turn);
            }
            Some(_) => {}
        }
    }

    /// Checks that each call is where it is looked for.
    pub(super) fn check(&self) -> Result<(), String> {
        use crate::core::ensure::ensure;
        let mut count = 0;
        for (subscription, line) in &self.lines {
            ensure(!line.queue.is_empty(), "a line has nothing that waits")?;
            ensure(
                self.lengths.contains(&(line.queue.len(), *subscription)),
                "a line is miscounted",
            )?;
            ensure(
                line.leaving.is_some()
                    != line
                        .turn
                        .is_some_and(|turn| self.turns.has(&line.service, turn)),
                "what waits for a push service neither leaves nor may",
            )?;
            count += line.queue.len();
            ensure(
                line.queue.len() <= MAX_PUSH_QUEUE_EACH + 1,
                "too much waits for one subscription",
            )?;
        }
        ensure(self.count == count, "calls are miscounted")?;
        ensure(
            self.leaving.len() == self.turns.leaving(),
            "calls on their way are miscounted",
        )?;
        ensure(
            self.leaving.len() <= MAX_PUSH_CALLS && self.count() <= MAX_PUSH_QUEUE,
            "there are more calls than there may be",
        )
    }
}

/// Twice as long after each attempt, and up to half of it less by chance.
fn backoff_ms(attempts: u32, random: &mut ChaCha8Rng) -> u64 {
    let doubled = PUSH_RETRY_MS << attempts.saturating_sub(1).min(20);
    let most = doubled.min(MAX_PUSH_RETRY_MS);
    most - random.next_u64() % (most / 2 + 1)
}
