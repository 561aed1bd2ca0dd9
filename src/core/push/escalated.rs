//! Alarms that nobody acknowledges are told to people whom the operator names, whatever they have subscribed to.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Push;
use super::alarm::Alarm;
use super::notice::Notice;
use super::tell::Those;
use super::told::AlarmKey;
use super::walk::AlarmWalk;
use crate::core::chat::{Message, RoomName};
use crate::core::now::Now;

const MINUTE_MS: u64 = 60_000;

impl Push {
    /// The alarm of this state is to be told to the people of these names, `age_ms` after it was raised. Gives the names under
    /// which nobody has subscribed.
    pub(in crate::core) fn on_escalated(
        &mut self,
        (room, epoch): (&RoomName, u64),
        state: &Message<'_>,
        names: &[Box<str>],
        age_ms: u64,
    ) -> Vec<Box<str>> {
        let (Some(alarm), Some(key)) = (Alarm::of(state), state.key) else {
            return Vec::new();
        };
        let mut named = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in names {
            let found = self.called(name);
            if found.is_empty() {
                unknown.push(name.clone());
            }
            named.extend(found);
        }
        if named.is_empty() {
            return unknown;
        }
        let shown = alarm.shown(epoch, None);
        let notice = alarm.notice((room, epoch), state, &shown);
        let minutes = age_ms / MINUTE_MS;
        let notice = Notice {
            title: format!("Escalated: {}", notice.title).into(),
            text: format!("Not acknowledged for {minutes} min: {}", notice.text).into(),
            ..notice.as_escalated()
        };
        let alarm: AlarmKey = (room.clone(), key.into());
        self.counts.dropped += self.alarms.push(AlarmWalk {
            notice: Rc::new(notice),
            author: state.author.clone(),
            alarm,
            shown,
            before: BTreeSet::new(),
            escalated: BTreeSet::new(),
            named: Some(named),
            is_known: false,
            told: BTreeSet::new(),
            after: 0,
        });
        unknown
    }

    /// Looks at the next of those whom an escalation names.
    pub(super) fn step_of_escalated(
        &mut self,
        walk: &mut AlarmWalk,
        those: &Those<'_>,
        now: Now,
    ) -> bool {
        let named = walk.named.as_ref();
        let Some(number) = named.and_then(|it| it.range(walk.after + 1..).next().copied()) else {
            return false;
        };
        walk.after = number;
        let one = self.subscriptions.get(number);
        let may_know = one.is_some_and(|it| {
            those.may_tell(it, walk.notice.room.as_ref()) && it.wants_to_know(&walk.notice)
        });
        if may_know {
            let was_told = walk.before.contains(&number);
            self.queue(number, (&walk.notice, was_told), now);
            walk.told.insert(number);
        }
        true
    }
}
