//! Calls leave, and what has become of them comes in.

use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;

use super::Push;
use super::call::{PushCall, PushOutcome, PushResult};
use super::line::Waiting;
use super::notice::Notice;
use super::subscription::Subscription;
use crate::core::now::Now;
use crate::limits::MAX_PUSH_PAUSE_MS;
use crate::settings::without_path;

/// The subscription does not exist any more (RFC 8030, section 7.3).
const ENDED: [u16; 2] = [404, 410];

/// The service is asked too often (RFC 8030, section 8.4).
const TOO_MANY: u16 = 429;

/// Calls that are looked at for one that may leave, before the rest waits for the next tick.
const LOOKED_AT: usize = 100;

/// Milliseconds from one warning of the log to the next: what else fails in between is there at the level `info`.
const WARNING_MS: u64 = 60_000;

/// Bytes of the hash that a topic is: 32 characters in base64url.
const TOPIC_BYTES: usize = 24;

impl Push {
    /// The next call that is to be made now. There are `MAX_PUSH_CALLS` at once at most. `None` also if many had to be put off.
    pub(in crate::core) fn next_call(&mut self, now: Now) -> Option<PushCall> {
        for _ in 0..LOOKED_AT {
            let (subscription, number) = self.calls.begin(now)?;
            let Some(one) = self.subscriptions.get(subscription) else {
                self.calls.finish(number, now);
                continue;
            };
            // It may be too late, or they may want something else by now.
            let first = self.calls.first(subscription);
            let is_outdated = first.is_some_and(|it| self.is_outdated(&it.notice));
            let is_of_use = |it: &&Waiting| {
                it.is_of_use(now.unix_ms) && one.wants_to_know(&it.notice) && !is_outdated
            };
            let Some(first) = first.filter(is_of_use) else {
                self.counts.dropped += u64::from(!is_outdated);
                let first = first.map(|it| (Rc::clone(&it.notice), it.has_left));
                self.calls.finish(number, now);
                match first {
                    // It may have arrived.
                    Some((notice, true)) => self.share_arrival(&notice, subscription),
                    Some((notice, false)) if !is_outdated => {
                        self.forget_told(&notice, subscription);
                    }
                    Some(_) | None => {}
                }
                continue;
            };
            // What waits goes on when the quiet time is over.
            if let Some(until_ms) = one.quiet_until(now.unix_ms)
                && !first.notice.is_escalated
            {
                let wait_ms = until_ms.saturating_sub(now.unix_ms);
                self.calls.put_off(number, now.ms + wait_ms);
                continue;
            }
            let notice = &first.notice;
            let call = PushCall {
                number,
                endpoint: one.endpoint().into(),
                keys: one.keys().clone(),
                payload: notice.payload(one.page()).into(),
                ttl_s: first.ttl_s(now.unix_ms),
                urgency: notice.urgency(),
                topic: topic(one, notice),
            };
            self.calls.leave(subscription);
            return Some(call);
        }
        None
    }

    /// A subscription was not told of this after all: what becomes of an alarm is nothing to it. A store is told only when there
    /// is nobody left: the list of the others may be long, and be written for each of them.
    pub(super) fn forget_told(&mut self, notice: &Notice, subscription: u64) {
        let (Some(room), Some(key)) = (&notice.room, &notice.key) else {
            return;
        };
        let alarm = (room.clone(), key.clone());
        if self.told.forget(&alarm, subscription) {
            self.keep_told(&alarm, None);
        }
    }

    /// When the next call may leave, or other nodes are told something.
    pub(in crate::core) fn next_due_ms(&self) -> Option<u64> {
        let due_ms = [self.calls.next_due_ms(), self.next_telling_ms()];
        due_ms.into_iter().flatten().min()
    }

    /// What has become of a call. What was never asked is ignored.
    pub(in crate::core) fn on_outcome(&mut self, outcome: &PushOutcome, now: Now) {
        let number = outcome.number;
        let Some(subscription) = self.calls.subscription_of(number) else {
            return;
        };
        self.calls.took(number, now);
        if self.subscriptions.get(subscription).is_none() {
            return self.calls.finish(number, now);
        }
        let (why, retry_ms) = match &outcome.result {
            PushResult::Answered {
                status: 200..=299, ..
            } => {
                self.counts.sent += 1;
                let first = self.calls.first(subscription);
                let notice = first.map(|it| Rc::clone(&it.notice));
                self.calls.finish(number, now);
                if let Some(notice) = notice {
                    self.share_arrival(&notice, subscription);
                }
                return;
            }
            PushResult::Answered { status, .. } if ENDED.contains(status) => {
                self.counts.removed += 1;
                self.remove(subscription);
                return self.calls.finish(number, now);
            }
            PushResult::Answered { status, retry_ms } => {
                let why = format!("it has answered {status}");
                let is_for_now = *status == TOO_MANY || *status >= 500;
                (why, is_for_now.then_some(retry_ms.unwrap_or(0)))
            }
            PushResult::Failed(why) => (why.clone(), Some(0)),
        };
        self.counts.failed += 1;
        let one = self.subscriptions.get(subscription);
        let service = one.map_or("", |it| without_path(it.endpoint()));
        // Services that strangers name do not fill the log.
        let level = match now.ms >= self.next_warning_ms {
            true => log::Level::Warn,
            false => log::Level::Info,
        };
        log::log!(
            level,
            "the push service {service} has not taken a message: {why}"
        );
        if level == log::Level::Warn {
            self.next_warning_ms = now.ms + WARNING_MS;
        }
        match retry_ms {
            Some(pause_ms) => {
                let pause_ms = pause_ms.min(MAX_PUSH_PAUSE_MS);
                if pause_ms > 0 {
                    self.calls.pause(number, pause_ms, now);
                }
                let untold = self.raised_of(subscription);
                if self.calls.fail(number, pause_ms, now) {
                    self.counts.dropped += 1;
                    self.forget_raised(untold, subscription);
                }
            }
            // It would not be taken later either.
            None => {
                self.counts.dropped += 1;
                let untold = self.raised_of(subscription);
                self.calls.finish(number, now);
                self.forget_raised(untold, subscription);
            }
        }
    }

    /// The alarm that is raised by what a subscription is told first, if it is.
    fn raised_of(&self, subscription: u64) -> Option<Rc<Notice>> {
        let first = self.calls.first(subscription)?;
        (!first.notice.is_withdrawal()).then(|| Rc::clone(&first.notice))
    }

    /// It was not taken: raised again, it is told again.
    fn forget_raised(&mut self, notice: Option<Rc<Notice>>, subscription: u64) {
        if let Some(notice) = notice {
            self.forget_told(&notice, subscription);
        }
    }
}

/// Says of two messages that the later one replaces the other, and nothing else: the service learns nothing of rooms.
fn topic(one: &Subscription, notice: &Notice) -> Box<str> {
    let of = format!("{:?} {}", notice.kind, notice.tag());
    let hash = digest(&SHA256, &[&one.keys().auth[..], of.as_bytes()].concat());
    BASE64URL_NOPAD.encode(&hash.as_ref()[..TOPIC_BYTES]).into()
}
