//! Push with other nodes: all have the same subscriptions, and know who was told of which alarm.
//!
//! The node that has taken a message tells of it. So the one that has taken an acknowledgement withdraws an alarm, whichever
//! node has pushed it. What has arrived at a push service is told to all nodes. What has not is not sent any more once its node
//! hears of a newer message of the alarm; if it arrives all the same, whoever has taken that message hears so, and withdraws it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::Push;
use super::everywhere::{AllEverywhere, Everywhere};
use super::notice::Notice;
use super::subscription::Subscription;
use super::told::{AlarmKey, Shown, Told};
use super::walk::AlarmWalk;
use crate::codec::json::push::PushKind;
use crate::core::chat::{Author, RoomName};
use crate::core::now::Now;
use crate::core::store::{PushNews, PushRequest};
use crate::limits::{MAX_PUSH_TAKEN, PUSH_PAGE, PUSH_TOLD_MS};

/// What is known of other nodes.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// All that they know was told once: until then nobody is looked for.
    is_known: bool,
    /// Subscriptions can be kept.
    is_reachable: bool,
    /// Something is to be kept, and is not yet.
    is_writing: bool,
    /// The subscriptions that were told since all began to be told.
    heard: BTreeSet<u64>,
    alarms: AllEverywhere,
    /// Alarms that other nodes are to be told of.
    changed: BTreeSet<AlarmKey>,
    /// When they are.
    tell_ms: u64,
    taken: Taken,
}

/// The last messages of alarms that this node has taken.
#[derive(Debug, Default)]
struct Taken {
    alarms: BTreeMap<AlarmKey, TakenAlarm>,
    /// In the order in which each was taken first.
    order: VecDeque<AlarmKey>,
}

#[derive(Clone, Debug)]
struct TakenAlarm {
    notice: Rc<Notice>,
    author: Author,
    shown: Shown,
}

impl Taken {
    fn put(&mut self, alarm: &AlarmKey, it: TakenAlarm) {
        if self.alarms.insert(alarm.clone(), it).is_none() {
            self.order.push_back(alarm.clone());
        }
        if self.order.len() > MAX_PUSH_TAKEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.alarms.remove(&oldest);
        }
    }
}

/// The epoch and the offset of the message that a notice is about.
fn place(notice: &Notice) -> (u64, u64) {
    (notice.epoch, notice.offset.unwrap_or(0))
}

/// The alarm that a notice is about.
fn alarm_of(notice: &Notice) -> Option<AlarmKey> {
    let is_alarm = notice.kind == PushKind::Alarm;
    let both = notice.room.clone().zip(notice.key.clone());
    both.filter(|_| is_alarm)
}

impl Sharing {
    /// Whether others have not told yet what they know.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_known
    }

    /// Something is to be kept.
    pub(super) fn on_asked(&mut self) {
        self.is_writing = true;
    }

    fn everywhere(&self, notice: &Notice) -> Option<&Everywhere> {
        self.alarms.get(&alarm_of(notice)?)
    }

    fn change(&mut self, alarm: &AlarmKey, it: Everywhere) {
        self.alarms.put(alarm.clone(), it);
        self.changed.insert(alarm.clone());
    }
}

impl Push {
    /// Push that is shared with other nodes. They are asked for all that they know.
    pub(in crate::core) fn shared(seed: [u8; 32]) -> Self {
        let mut this = Self::new(Default::default(), true, seed);
        this.sharing = Some(Box::default());
        this.requests.push_back(PushRequest::Begin);
        this
    }

    /// Whether a subscription can be kept, or ended, now.
    pub(in crate::core) fn takes_subscriptions(&self) -> bool {
        let sharing = self.sharing.as_ref();
        sharing.is_none_or(|it| it.is_known && it.is_reachable)
    }

    /// Whether another server can go on from here: nobody is to be looked for, and what is to be kept is, as far as it can be.
    pub(in crate::core) fn is_quiet(&self) -> bool {
        let is_kept = |it: &Sharing| !it.is_reachable || (!it.is_writing && it.changed.is_empty());
        !self.has_walks() && self.sharing.as_deref().is_none_or(is_kept)
    }

    /// Other nodes, or Redis, tell of push.
    pub(in crate::core) fn on_news(&mut self, news: PushNews) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        match news {
            PushNews::Begun => sharing.heard.clear(),
            PushNews::Kept { number, text } => {
                sharing.heard.insert(number);
                self.on_kept(number, &text);
            }
            PushNews::Forgotten { number } => {
                sharing.heard.remove(&number);
                self.drop_subscription(number);
            }
            PushNews::Told { room, key, text } => {
                let told = serde_json::from_str(&text);
                match (RoomName::parse(&room), told) {
                    (Some(room), Ok(told)) => self.on_told_elsewhere(&(room, key), &told),
                    _ => log::error!("in Redis it cannot be read who was told of an alarm by push"),
                }
            }
            PushNews::Known { is_other } => {
                sharing.is_known = true;
                sharing.is_reachable = true;
                let heard = std::mem::take(&mut sharing.heard);
                self.on_known(&heard, is_other);
            }
            PushNews::Written => sharing.is_writing = false,
            PushNews::Away => sharing.is_reachable = false,
            PushNews::Back => sharing.is_reachable = true,
        }
    }

    /// A subscription is there, or is another now.
    fn on_kept(&mut self, number: u64, text: &str) {
        let mut one = match serde_json::from_str::<Subscription>(text) {
            Ok(one) => one,
            Err(error) => {
                return log::error!("a push subscription in Redis is left out: {error}");
            }
        };
        one.begin();
        if let Some(before) = self.subscriptions.get(number) {
            let is_same = serde_json::to_string(before).is_ok_and(|before| before == text);
            if is_same {
                return;
            }
            // What waits there is for somebody else.
            if !before.has_person_of(&one) {
                self.counts.dropped += self.calls.forget(number);
            }
        }
        self.subscriptions.put_as(number, one);
        self.calls.forget_quiet(number);
    }

    fn drop_subscription(&mut self, number: u64) {
        if self.subscriptions.remove(number).is_some() {
            self.counts.dropped += self.calls.forget(number);
        }
    }

    /// All was told. What was not has ended meanwhile, or is lost in Redis, which then is told anew.
    fn on_known(&mut self, heard: &BTreeSet<u64>, is_other: bool) {
        let own = self.subscriptions.all();
        let missing = own.keys().filter(|number| !heard.contains(number));
        let missing: Vec<u64> = missing.copied().collect();
        if !is_other {
            missing
                .into_iter()
                .for_each(|it| self.drop_subscription(it));
            return;
        }
        if !missing.is_empty() {
            let count = missing.len();
            log::warn!("Redis has lost {count} push subscriptions: they are kept there again");
        }
        for number in missing {
            let text = self.subscriptions.get(number).map(serde_json::to_string);
            if let Some(Ok(text)) = text {
                let text = text.into();
                self.ask(PushRequest::PutBack { number, text });
            }
        }
        if let Some(sharing) = &mut self.sharing {
            sharing.changed = sharing.alarms.keys().cloned().collect();
        }
    }

    /// A message of an alarm was accepted here.
    pub(super) fn take_alarm(&mut self, alarm: &AlarmKey, of: (&Rc<Notice>, &Author, &Shown)) {
        let (notice, author, shown) = of;
        if let Some(sharing) = &mut self.sharing {
            let taken = TakenAlarm {
                notice: Rc::clone(notice),
                author: author.clone(),
                shown: shown.clone(),
            };
            sharing.taken.put(alarm, taken);
        }
    }

    /// Those who were told of an alarm, by any node.
    pub(super) fn told_everywhere(&self, alarm: &AlarmKey) -> Option<&Everywhere> {
        self.sharing.as_ref()?.alarms.get(alarm)
    }

    /// Whether a subscription has got a notice, or a newer one of its alarm, from any node.
    pub(super) fn has_got(&self, subscription: u64, notice: &Notice) -> bool {
        let sharing = self.sharing.as_ref();
        let everywhere = sharing.and_then(|it| it.everywhere(notice));
        everywhere.is_some_and(|it| it.has_got(subscription, place(notice)))
    }

    /// Whether a node has told something newer of the alarm of a notice: it is nothing to anybody any more. What only some are
    /// told by an escalation is, while the alarm is open.
    pub(super) fn is_outdated(&self, notice: &Notice) -> bool {
        let sharing = self.sharing.as_ref();
        let everywhere = sharing.and_then(|it| it.everywhere(notice));
        everywhere
            .is_some_and(|it| it.is_after(place(notice)) && !(notice.is_escalated && it.is_open()))
    }

    /// All who are to be told of an alarm wait for that: other nodes know what was said of it.
    pub(super) fn share_walk(&mut self, walk: &AlarmWalk) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let place = place(&walk.notice);
        let before = sharing.alarms.get(&walk.alarm);
        if before.is_none() && walk.before.is_empty() && walk.told.is_empty() {
            return;
        }
        let (epoch, offset) = place;
        let shown = walk.shown.clone();
        let mut it = match before {
            Some(before) => before.clone(),
            None => Everywhere::new(epoch, offset, shown.clone()),
        };
        it.advance(epoch, offset, shown);
        // What became of it is told by this node from now on.
        if !it.is_open() {
            for number in &walk.before {
                it.tell(*number, place, walk.escalated.contains(number));
            }
        }
        sharing.change(&walk.alarm, it);
        self.tell_late(&walk.alarm);
    }

    /// A notice has arrived at a push service, or may have.
    pub(super) fn share_arrival(&mut self, notice: &Notice, subscription: u64) {
        let Some((sharing, alarm)) = self.sharing.as_mut().zip(alarm_of(notice)) else {
            return;
        };
        let Some(mut it) = sharing.alarms.get(&alarm).cloned() else {
            return;
        };
        if it.has_got(subscription, place(notice)) {
            return;
        }
        it.tell(subscription, place(notice), notice.is_escalated);
        sharing.change(&alarm, it);
        self.tell_late(&alarm);
    }

    /// Another node says who was told of an alarm.
    fn on_told_elsewhere(&mut self, alarm: &AlarmKey, there: &Everywhere) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let mut it = there.clone();
        if let Some(here) = sharing.alarms.get(alarm) {
            it = here.clone();
            it.merge(there);
        }
        // The other did not know yet what this node has taken.
        if let Some(taken) = sharing.taken.alarms.get(alarm) {
            let (epoch, offset) = place(&taken.notice);
            if it.is_before((epoch, offset)) {
                it.advance(epoch, offset, taken.shown.clone());
            }
        }
        let is_news = it != *there;
        sharing.alarms.put(alarm.clone(), it.clone());
        if is_news {
            sharing.changed.insert(alarm.clone());
        }
        self.show_as_told(alarm, &it);
        self.tell_late(alarm);
    }

    /// What is told of an alarm next follows on what was told by any node.
    fn show_as_told(&mut self, alarm: &AlarmKey, it: &Everywhere) {
        if it.is_over() {
            self.told.remove(alarm);
            return;
        }
        let mut subscriptions = it.told();
        let mut escalated = it.escalated().clone();
        if let Some(before) = self.told.get(alarm).filter(|_| it.is_open()) {
            subscriptions.extend(&before.subscriptions);
            escalated.extend(&before.escalated);
        }
        let told = Told {
            shown: it.shown().clone(),
            subscriptions,
            escalated,
        };
        self.told.insert(alarm.clone(), told);
    }

    /// Those who were told of an alarm when this node had told the others already what has become of it are told now.
    fn tell_late(&mut self, alarm: &AlarmKey) {
        let is_told = self.alarm.as_ref().is_some_and(|walk| walk.alarm == *alarm);
        if is_told || self.alarms.last_of(alarm).is_some() {
            return;
        }
        let Some(sharing) = &self.sharing else {
            return;
        };
        let taken = sharing.taken.alarms.get(alarm);
        let Some((taken, it)) = taken.zip(sharing.alarms.get(alarm)) else {
            return;
        };
        if !it.is_late() || !it.is_at(place(&taken.notice)) {
            return;
        }
        let TakenAlarm {
            notice,
            author,
            shown,
        } = taken.clone();
        let walk = AlarmWalk {
            before: BTreeSet::new(),
            escalated: BTreeSet::new(),
            named: None,
            is_known: false,
            told: BTreeSet::new(),
            after: 0,
            alarm: alarm.clone(),
            notice,
            author,
            shown,
        };
        self.counts.dropped += self.alarms.push(walk);
    }

    /// When other nodes are told next who was told of alarms.
    pub(super) fn next_telling_ms(&self) -> Option<u64> {
        let sharing = self.sharing.as_ref().filter(|it| !it.changed.is_empty())?;
        Some(sharing.tell_ms)
    }

    /// Tells other nodes who was told of alarms, if it is time: of some at once. `is_held`: another server is to go on. Gives how
    /// many bytes that took.
    pub(in crate::core) fn tell_nodes(&mut self, is_held: bool, now: Now) -> usize {
        let is_due = |it: &&mut Box<Sharing>| is_held || now.ms >= it.tell_ms;
        let Some(sharing) = self.sharing.as_mut().filter(is_due) else {
            return 0;
        };
        let mut bytes = 0;
        for _ in 0..PUSH_PAGE {
            let Some(alarm) = sharing.changed.pop_first() else {
                break;
            };
            let it = sharing.alarms.get(&alarm);
            let Some(Ok(text)) = it.map(serde_json::to_string) else {
                continue;
            };
            bytes += text.len();
            let (room, key) = alarm;
            sharing.is_writing = true;
            self.requests.push_back(PushRequest::Told {
                room: room.as_str().into(),
                key,
                text: Some(text.into()),
            });
        }
        if bytes > 0 && sharing.changed.is_empty() {
            sharing.tell_ms = now.ms + PUSH_TOLD_MS;
        }
        bytes
    }
}
