//! What is said becomes what somebody is told: who wants it, may know it, is not there, and has not said it.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use super::Push;
use super::alarm::Alarm;
use super::audiences::Next;
use super::calls::Queued;
use super::mentions::{names_in, text_of};
use super::notice::{AlarmState, Notice, cut};
use super::subscription::{Person, Subscription};
use super::told::{AlarmKey, Told};
use super::walk::{AlarmWalk, MessageWalk};
use crate::codec::json::push::PushKind;
use crate::core::chat::{Author, Message, RoomName, is_alarm_key, keys_of_mention};
use crate::core::now::Now;
use crate::limits::{MAX_PUSH_TEXT, MAX_PUSH_WALKS};

/// What a server knows of people.
pub(in crate::core) trait Knowledge {
    /// Whether somebody sees what is said: they are connected, or in this room at another node.
    fn is_here(&self, person: &Person, room: Option<&RoomName>) -> bool;

    /// Whether somebody is banned from this room, or from the server, and is told nothing.
    fn is_banned(&self, person: &Person, room: Option<&RoomName>) -> bool;
}

/// What is known of people, for those who are told.
pub(in crate::core) struct Those<'a> {
    /// Who has not shown a token may be told nothing.
    pub(in crate::core) asks_for_tokens: bool,
    pub(in crate::core) known: &'a dyn Knowledge,
}

impl Those<'_> {
    /// Whether this one may be told.
    pub(super) fn may_tell(&self, one: &Subscription, room: Option<&RoomName>) -> bool {
        let is_banned = |person: &Person| self.known.is_banned(person, room);
        one.is_allowed(self.asks_for_tokens) && !one.person.as_ref().is_some_and(is_banned)
    }

    /// The same of one who does not see it anyway.
    fn may_tell_absent(&self, one: &Subscription, room: Option<&RoomName>) -> bool {
        let is_here = |person: &Person| self.known.is_here(person, room);
        self.may_tell(one, room) && !one.person.as_ref().is_some_and(is_here)
    }
}

impl Push {
    /// Whether anybody may want to be told of a message with this key.
    pub(in crate::core) fn wants(&self, key: Option<&str>) -> bool {
        let is_waiting = self.is_waiting();
        let is_any_for = |kind| is_waiting || self.subscriptions.is_any_for(kind);
        match key {
            None => is_any_for(PushKind::Mention) || is_any_for(PushKind::Message),
            // One that was told may have changed its kinds since.
            Some(key) => is_alarm_key(key) && (is_waiting || self.subscriptions.len() > 0),
        }
    }

    /// A message was accepted in a room. `state`: that of its key, which may say more.
    pub(in crate::core) fn on_message(
        &mut self,
        place: (&RoomName, u64),
        message: &Message<'_>,
        state: Option<&Message<'_>>,
        those: &Those<'_>,
        now: Now,
    ) {
        match message.key {
            Some(_) => self.on_alarm(place, message, state),
            None => self.on_talk(place, message, those, now),
        }
    }

    fn on_alarm(
        &mut self,
        (room, epoch): (&RoomName, u64),
        message: &Message<'_>,
        state: Option<&Message<'_>>,
    ) {
        let (Some(alarm), Some(key)) = (Alarm::of(state.unwrap_or(message)), message.key) else {
            return;
        };
        let place: AlarmKey = (room.clone(), key.into());
        // What nobody was told of yet is told as it is now, or not at all.
        self.alarms.forget(&place, alarm.state.is_open());
        // Walks are made one after the other: what was told last is that of the last walk.
        let now = self.alarm.as_ref().filter(|walk| walk.alarm == place);
        let last = self.alarms.last_of(&place).or(now);
        let before = last.map(|walk| &walk.shown);
        let before = before.or_else(|| self.told.get(&place).map(|told| &told.shown));
        let shown = alarm.shown(epoch, before);
        let is_known = before == Some(&shown);
        let is_nothing = before.is_none() && !alarm.state.is_open();
        let notice = Rc::new(alarm.notice((room, epoch), message, &shown));
        self.take_alarm(&place, (&notice, message.author, &shown));
        if is_nothing && !self.is_waiting() {
            return;
        }
        self.counts.dropped += self.alarms.push(AlarmWalk {
            notice,
            author: message.author.clone(),
            alarm: place,
            shown,
            before: BTreeSet::new(),
            escalated: BTreeSet::new(),
            named: None,
            is_known,
            told: BTreeSet::new(),
            after: 0,
        });
    }

    fn on_talk(
        &mut self,
        (room, epoch): (&RoomName, u64),
        message: &Message<'_>,
        those: &Those<'_>,
        now: Now,
    ) {
        let Some(text) = text_of(message) else {
            return;
        };
        let notice = |kind| Notice {
            kind,
            room: Some(room.clone()),
            key: None,
            offset: message.offset,
            epoch,
            severity: None,
            state: None,
            is_escalated: false,
            by: message.author.name.to_string().into(),
            title: format!("{} in {room}", message.author.name).into(),
            text: cut(&text, MAX_PUSH_TEXT).into(),
        };
        let named = match self.subscriptions.is_any_for(PushKind::Mention) {
            true => self.tell_named(&text, notice(PushKind::Mention), message.author, those, now),
            false => BTreeSet::new(),
        };
        if !self.is_waiting() && !self.subscriptions.is_any_for(PushKind::Message) {
            return;
        }
        let is_full = self.messages.len() >= MAX_PUSH_WALKS;
        if is_full && !self.messages.contains_key(room) {
            self.counts.dropped += 1;
            return;
        }
        let walk = MessageWalk {
            notice: notice(PushKind::Message).into(),
            author: message.author.clone(),
            named,
            after: 0,
        };
        self.messages.insert(room.clone(), walk);
    }

    /// Tells those whom a text names. Gives their subscriptions.
    fn tell_named(
        &mut self,
        text: &str,
        notice: Notice,
        author: &Author,
        those: &Those<'_>,
        now: Now,
    ) -> BTreeSet<u64> {
        let notice = Rc::new(notice);
        let mut named = BTreeSet::new();
        for names in names_in(text) {
            let mut found = names.into_iter().map(|name| self.called(name));
            named.extend(found.find(|it| !it.is_empty()).unwrap_or_default());
        }
        named.retain(|number| self.offer(*number, (&notice, false), author, those, now));
        named
    }

    /// The subscriptions of somebody who is called so; of none if that may be several people.
    pub(super) fn called(&self, name: &str) -> BTreeSet<u64> {
        let keys = keys_of_mention(name).unwrap_or_default();
        let found = self.subscriptions.by_keys(&keys);
        let name_of = |number: &u64| {
            let person = self.subscriptions.get(*number)?.person.as_ref();
            person.and_then(Person::name).cloned()
        };
        let exact = |number: &u64| name_of(number).is_some_and(|it| *it == *name);
        if found.iter().any(exact) {
            return found.into_iter().filter(exact).collect();
        }
        let names: BTreeSet<_> = found.iter().filter_map(name_of).collect();
        match names.len() {
            1 => found,
            _ => BTreeSet::new(),
        }
    }

    /// Somebody who is not connected is told what is said to them alone. Says whether they can be.
    pub(in crate::core) fn on_direct(
        &mut self,
        to: &str,
        message: &Message<'_>,
        those: &Those<'_>,
        now: Now,
    ) -> bool {
        let found = self.called(to);
        let is_direct = |number: &u64| {
            let one = self.subscriptions.get(*number);
            one.is_some_and(|it| it.wants(PushKind::Direct) && those.may_tell_absent(it, None))
        };
        let found: Vec<u64> = found.into_iter().filter(is_direct).collect();
        let author = message.author.name.to_string();
        let notice = Rc::new(Notice {
            kind: PushKind::Direct,
            room: None,
            key: None,
            offset: None,
            epoch: 0,
            severity: None,
            state: None,
            is_escalated: false,
            title: author.clone().into(),
            by: author.into(),
            text: cut(&text_of(message).unwrap_or_default(), MAX_PUSH_TEXT).into(),
        });
        let offered = found
            .into_iter()
            .filter(|number| self.offer(*number, (&notice, false), message.author, those, now));
        // All of them are told.
        offered.count() > 0
    }

    /// Whether there is somebody to look for, and it is known who there is.
    pub(in crate::core) fn has_work(&self) -> bool {
        self.has_walks() && !self.is_waiting()
    }

    /// Whether other nodes have not told yet who has subscribed.
    fn is_waiting(&self) -> bool {
        let sharing = self.sharing.as_ref();
        sharing.is_some_and(|it| it.is_waiting())
    }

    /// Whether there is somebody to look for.
    pub(super) fn has_walks(&self) -> bool {
        let is_telling = self.alarm.is_some() || self.message.is_some();
        is_telling || !self.alarms.is_empty() || !self.messages.is_empty()
    }

    /// Looks at the next subscription for what is to be told.
    pub(in crate::core) fn step(&mut self, those: &Those<'_>, now: Now) {
        if let Some(mut walk) = self.alarm.take().or_else(|| self.next_alarm()) {
            let goes_on = match walk.shown.state.is_open() {
                true if walk.named.is_some() => self.step_of_escalated(&mut walk, those, now),
                true => self.step_of_raised(&mut walk, those, now),
                false => self.step_of_withdrawn(&mut walk, those, now),
            };
            match goes_on {
                true => self.alarm = Some(walk),
                false => self.end_walk(walk),
            }
        } else if let Some((room, mut walk)) = self.message.take().or_else(|| self.next_message())
            && self.step_of_message(&room, &mut walk, those, now)
        {
            self.message = Some((room, walk));
        }
    }

    /// The next alarm, with who was told of it before.
    fn next_alarm(&mut self) -> Option<AlarmWalk> {
        let mut walk = self.alarms.next()?;
        if let Some(before) = self.told.get(&walk.alarm) {
            walk.before = before.subscriptions.clone();
            walk.escalated = before.escalated.clone();
        }
        let is_withdrawal = !walk.shown.state.is_open();
        if let Some(all) = self.told_everywhere(&walk.alarm).filter(|_| is_withdrawal) {
            let (told, escalated) = (all.told(), all.escalated().clone());
            walk.before.extend(told);
            walk.escalated.extend(escalated);
        }
        Some(walk)
    }

    fn step_of_raised(&mut self, walk: &mut AlarmWalk, those: &Those<'_>, now: Now) -> bool {
        let list = (&walk.alarm.0, PushKind::Alarm);
        match self.audiences.next(&self.subscriptions, list, walk.after) {
            Next::Building => true,
            Next::End => false,
            Next::One(number) => {
                walk.after = number;
                let was_told = walk.before.contains(&number);
                let is_news = !(was_told && walk.is_known);
                let notice = (&walk.notice, was_told);
                if is_news && self.offer(number, notice, &walk.author, those, now) {
                    walk.told.insert(number);
                }
                true
            }
        }
    }

    /// What has become of an alarm is told to those who were told of it: after a quiet time, if it is one.
    fn step_of_withdrawn(&mut self, walk: &mut AlarmWalk, those: &Those<'_>, now: Now) -> bool {
        let Some(number) = walk.before.range(walk.after + 1..).next().copied() else {
            return false;
        };
        walk.after = number;
        let one = self.subscriptions.get(number);
        let notice = match walk.escalated.contains(&number) {
            true => Rc::new(walk.notice.as_escalated()),
            false => Rc::clone(&walk.notice),
        };
        let may_know = one.is_some_and(|it| {
            those.may_tell(it, notice.room.as_ref()) && it.wants_to_know(&notice)
        });
        if may_know && !walk.is_known && !self.has_got(number, &walk.notice) {
            let is_moot = self.queue(number, (&notice, true), now) == Some(Queued::Moot);
            if is_moot {
                walk.before.remove(&number);
            }
        }
        true
    }

    /// Everybody who is to be told of an alarm is.
    fn end_walk(&mut self, walk: AlarmWalk) {
        // Another node may have told something newer meanwhile.
        let is_outdated = self.is_outdated(&walk.notice);
        self.share_walk(&walk);
        if !is_outdated {
            self.keep_walk(walk);
        }
    }

    fn keep_walk(&mut self, walk: AlarmWalk) {
        let mut subscriptions = walk.before;
        let mut escalated = walk.escalated;
        if walk.named.is_some() {
            escalated.extend(&walk.told);
        }
        subscriptions.extend(walk.told);
        if walk.shown.state == AlarmState::Cleared || subscriptions.is_empty() {
            if self.told.remove(&walk.alarm).is_some() {
                self.keep_told(&walk.alarm, None);
            }
            return;
        }
        let told = Told {
            shown: walk.shown,
            escalated: escalated.intersection(&subscriptions).copied().collect(),
            subscriptions,
        };
        let before = self.told.get(&walk.alarm);
        let is_same = before.is_some_and(|it| *it == told);
        if is_same {
            return;
        }
        self.keep_told(&walk.alarm, Some(&told));
        for forgotten in self.told.insert(walk.alarm, told) {
            self.keep_told(&forgotten, None);
        }
    }

    /// The message of the room whose turn it is.
    fn next_message(&mut self) -> Option<(RoomName, MessageWalk)> {
        let after = self.last_room.take().map_or(Unbounded, Excluded);
        let later = self.messages.range((after, Unbounded)).next();
        let (room, _) = later.or_else(|| self.messages.first_key_value())?;
        let room = room.clone();
        self.last_room = Some(room.clone());
        self.messages.remove(&room).map(|walk| (room, walk))
    }

    fn step_of_message(
        &mut self,
        room: &RoomName,
        walk: &mut MessageWalk,
        those: &Those<'_>,
        now: Now,
    ) -> bool {
        let list = (room, PushKind::Message);
        match self.audiences.next(&self.subscriptions, list, walk.after) {
            Next::Building => true,
            Next::End => false,
            Next::One(number) => {
                walk.after = number;
                if !walk.named.contains(&number) {
                    self.offer(number, (&walk.notice, false), &walk.author, those, now);
                }
                true
            }
        }
    }

    /// Tells one subscription, if it wants to know and may. Says whether it does.
    fn offer(
        &mut self,
        number: u64,
        (notice, was_told): (&Rc<Notice>, bool),
        author: &Author,
        those: &Those<'_>,
        now: Now,
    ) -> bool {
        let Some(one) = self.subscriptions.get(number) else {
            return false;
        };
        let may_tell = match notice.kind {
            PushKind::Alarm => those.may_tell(one, notice.room.as_ref()),
            _ => those.may_tell_absent(one, notice.room.as_ref()),
        };
        let is_told = may_tell && one.is_told(notice, author, now.unix_ms);
        if is_told {
            self.queue(number, (notice, was_told), now);
        }
        is_told
    }

    pub(super) fn queue(
        &mut self,
        number: u64,
        notice: (&Rc<Notice>, bool),
        now: Now,
    ) -> Option<Queued> {
        let service = self.subscriptions.get(number)?.service();
        let queued = self.calls.push((number, &service), notice, now);
        if let Queued::Waits { dropped } = queued {
            self.counts.dropped += dropped;
        }
        for (subscription, notice) in self.calls.take_untold() {
            self.forget_told(&notice, subscription);
        }
        Some(queued)
    }
}
