//! Alarms that nobody acknowledges: who is told of each, and when.
//!
//! Step `n` is due `n` times `after` from when the alarm was raised, and the last is repeated. An alarm is looked up in its room when
//! something is due of it: one that was acknowledged or cleared meanwhile, wherever, is forgotten then.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::chat::{OpenAlarm, RoomName, open_alarm};
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
use crate::core::store::{Found, Stored};
use crate::limits::{ESCALATION_RETRY_MS, MAX_ESCALATED, MAX_ESCALATED_ROOM};
use crate::settings::Severity;

/// What becomes of alarms that nobody acknowledges, as the settings have it.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// Patterns of the rooms.
    pub rooms: Vec<String>,
    /// The least severity.
    pub severity: Severity,
    /// Milliseconds until the first step, and between steps.
    pub after_ms: u64,
    /// Milliseconds between repetitions of the last.
    pub repeat_ms: u64,
    /// Who is told, in this order: one at the least.
    pub steps: Vec<Step>,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// The webhook of this key.
    Webhook(u64),
    /// The push subscriptions of the people of these names.
    Push(Vec<Box<str>>),
}

/// The key stands for an address, which is often a secret.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook(_) => "Webhook",
            Self::Push(_) => "Push",
        })
    }
}

impl Escalation {
    /// Whether it is for the room of this name.
    pub fn is_for(&self, room: &str) -> bool {
        let room = RoomName::parse(room);
        room.is_some_and(|room| RoomPatterns::new(&self.rooms).matches(&room))
    }

    /// The first pattern that no room can have the name of.
    pub fn impossible_room(&self) -> Option<&str> {
        let is_empty = |it: &&String| RoomPatterns::new(std::slice::from_ref(*it)).is_empty();
        self.rooms.iter().find(is_empty).map(String::as_str)
    }

    /// Milliseconds from when an alarm was raised until it is told for the time `count`, from 1 on.
    fn due_after_ms(&self, count: u64) -> i64 {
        let steps = count.min(self.steps.len() as u64);
        let after_ms = self.after_ms.saturating_mul(steps);
        let repeats_ms = self.repeat_ms.saturating_mul(count - steps);
        after_ms.saturating_add(repeats_ms).min(i64::MAX as u64) as i64
    }
}

/// Whether the state of a key is an alarm that nobody has acknowledged, as a store has kept it.
pub fn is_open(stored: &Stored) -> bool {
    open_alarm(&Found::new(stored.clone()).message()).is_some()
}

#[derive(Debug)]
struct Rule {
    rooms: RoomPatterns,
    escalation: Escalation,
}

type Place = (RoomName, Box<str>);

/// An alarm that is raised, and that nobody has acknowledged, as far as is known here.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    raised_at: u64,
    severity: Box<str>,
    /// When it was raised, on the clock of `Now::ms`: before 0 if that was before this server began.
    began_ms: i64,
    /// How often it was told.
    told: u64,
    /// The log has said that a step reaches nobody by push.
    #[serde(default)]
    is_missed: bool,
    #[serde(skip)]
    due_ms: u64,
}

impl Open {
    fn severity(&self) -> Severity {
        self.severity.parse().unwrap_or(Severity::Warning)
    }

    /// What is to be told now. Repetitions that were missed are not made up for.
    fn tell(&mut self, rule: &Escalation, now_ms: u64) -> Option<Telling> {
        let age_ms = (now_ms as i64).saturating_sub(self.began_ms);
        let count = self.told + 1;
        if rule.due_after_ms(count) > age_ms {
            return None;
        }
        let steps = rule.steps.len() as u64;
        let step = count.min(steps);
        self.told = count;
        if count >= steps {
            let beyond_ms = age_ms - rule.due_after_ms(steps);
            self.told = count.max(steps + beyond_ms as u64 / rule.repeat_ms.max(1));
        }
        Some(Telling {
            to: rule.steps.get(step as usize - 1)?.clone(),
            age_ms: age_ms.max(0) as u64,
            step,
            steps,
            repeat: self.told.saturating_sub(steps),
        })
    }
}

/// What is to be told of an alarm now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    /// Whom.
    pub(super) to: Step,
    /// For how long it is raised.
    pub(super) age_ms: u64,
    /// Which step that is, from 1 on, and of how many.
    pub(super) step: u64,
    pub(super) steps: u64,
    /// How often the last step was repeated.
    pub(super) repeat: u64,
}

/// The alarms as another server is told of them, which takes over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ToldEscalations(Vec<(Place, Open)>);

/// All alarms that are to be escalated.
#[derive(Debug, Default)]
pub(super) struct Escalations {
    rules: Vec<Rule>,
    open: BTreeMap<Place, Open>,
    due: BTreeSet<(u64, RoomName, Box<str>)>,
}

impl Escalations {
    /// These hold from now on; the first that is for an alarm counts. What is due by then is told at once.
    pub(super) fn set_rules(&mut self, rules: Vec<Escalation>) {
        let rule = |escalation: Escalation| Rule {
            rooms: RoomPatterns::new(&escalation.rooms),
            escalation,
        };
        let of_open = |(place, open): (&Place, &Open)| {
            let steps = self.steps_of(place, open.severity()).map(<[Step]>::to_vec);
            (place.clone(), steps)
        };
        let before: Vec<(Place, Option<Vec<Step>>)> = self.open.iter().map(of_open).collect();
        self.rules = rules.into_iter().map(rule).collect();
        for (place, steps) in before {
            let severity = self.open.get(&place).map(Open::severity);
            let now = severity.and_then(|it| self.steps_of(&place, it));
            let is_other = now != steps.as_deref();
            if let Some(open) = self.open.get_mut(&place).filter(|_| is_other) {
                open.told = 0;
            }
            self.list(&place);
        }
    }

    /// How the alarm of a key is now; `None`: it is not raised. One that is raised anew begins anew. `age_ms`: for how long it is
    /// raised already.
    pub(super) fn note(
        &mut self,
        (room, key): (&RoomName, &str),
        alarm: Option<OpenAlarm>,
        age_ms: u64,
        now: Now,
    ) {
        let place = (room.clone(), key.into());
        let Some(alarm) = alarm else {
            return self.forget(&place);
        };
        let severity = alarm.severity.to_string().into();
        let before = self.open.get(&place).map(Open::severity);
        let is_moved = before.is_some_and(|before| {
            self.place_of_rule(room, before) != self.place_of_rule(room, alarm.severity)
        });
        match self.open.get_mut(&place) {
            Some(open) if open.raised_at == alarm.raised_at => {
                open.severity = severity;
                if is_moved {
                    // Others are told of it from now on.
                    (open.told, open.began_ms) = (0, now.ms as i64);
                }
            }
            known => {
                let is_new = known.is_none();
                if is_new && (self.rule(room, alarm.severity).is_none() || self.is_full(room)) {
                    return;
                }
                self.forget(&place);
                let open = Open {
                    raised_at: alarm.raised_at,
                    severity,
                    began_ms: (now.ms as i64).saturating_sub_unsigned(age_ms),
                    told: 0,
                    is_missed: false,
                    due_ms: NEVER,
                };
                self.open.insert(place.clone(), open);
            }
        }
        self.list(&place);
    }

    /// The next alarm of which something is due. It is looked at again later, unless [`tell`](Self::tell) or
    /// [`note`](Self::note) says otherwise.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(RoomName, Box<str>)> {
        let (due_ms, ..) = self.due.first()?;
        if *due_ms > now_ms {
            return None;
        }
        let (_, room, key) = self.due.pop_first()?;
        let place = (room, key);
        if let Some(open) = self.open.get_mut(&place) {
            open.due_ms = now_ms + ESCALATION_RETRY_MS;
            self.due
                .insert((open.due_ms, place.0.clone(), place.1.clone()));
        }
        Some(place)
    }

    /// An alarm of which something is due is still raised, with this severity: what is to be told of it. Nothing is of one that
    /// was raised anew elsewhere, or that no rule is for any more: it is forgotten.
    pub(super) fn tell(
        &mut self,
        (room, key): (&RoomName, &str),
        alarm: OpenAlarm,
        now_ms: u64,
    ) -> Option<Telling> {
        let place = (room.clone(), key.into());
        let rule = self.rule(room, alarm.severity);
        let rule = rule.map(|it| it.escalation.clone());
        let open = self.open.get_mut(&place);
        let open = open.filter(|it| it.raised_at == alarm.raised_at);
        let Some((open, rule)) = open.zip(rule) else {
            self.forget(&place);
            return None;
        };
        open.severity = alarm.severity.to_string().into();
        let telling = open.tell(&rule, now_ms);
        self.list(&place);
        telling
    }

    /// A step reaches nobody by push. Says whether that is new of this alarm.
    pub(super) fn miss(&mut self, (room, key): (&RoomName, &str)) -> bool {
        let open = self.open.get_mut(&(room.clone(), key.into()));
        open.is_some_and(|it| !std::mem::replace(&mut it.is_missed, true))
    }

    /// An alarm is not to be escalated any more.
    pub(super) fn forget(&mut self, place: &Place) {
        if let Some(open) = self.open.remove(place) {
            self.due
                .remove(&(open.due_ms, place.0.clone(), place.1.clone()));
        }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, ..)| *due_ms)
    }

    pub(super) fn state(&self) -> ToldEscalations {
        ToldEscalations(self.open.clone().into_iter().collect())
    }

    /// Goes on with what another server knew, by the rules of this one.
    pub(super) fn take_over(&mut self, told: ToldEscalations) {
        for (place, open) in told.0 {
            self.open.insert(place.clone(), open);
            self.list(&place);
        }
    }

    fn rule(&self, room: &RoomName, severity: Severity) -> Option<&Rule> {
        self.rules.get(self.place_of_rule(room, severity)?)
    }

    fn place_of_rule(&self, room: &RoomName, severity: Severity) -> Option<usize> {
        let mut rules = self.rules.iter();
        rules.position(|it| it.escalation.severity <= severity && it.rooms.matches(room))
    }

    fn steps_of(&self, (room, _): &Place, severity: Severity) -> Option<&[Step]> {
        let rule = self.rule(room, severity)?;
        Some(&rule.escalation.steps)
    }

    fn is_full(&self, room: &RoomName) -> bool {
        let first = (room.clone(), "".into());
        let of_room = self.open.range(first..).take(MAX_ESCALATED_ROOM);
        let count = of_room.take_while(|((name, _), _)| name == room).count();
        let is_full = self.open.len() >= MAX_ESCALATED || count >= MAX_ESCALATED_ROOM;
        if is_full {
            log::error!(
                "an alarm of {room} is not escalated: there are too many that nobody acknowledges"
            );
        }
        is_full
    }

    /// Puts an alarm in the order of what is due, by the rule that is for it; without one it is forgotten.
    fn list(&mut self, place: &Place) {
        let Some(open) = self.open.get(place) else {
            return;
        };
        let Some(rule) = self.rule(&place.0, open.severity()) else {
            return self.forget(place);
        };
        let due_ms = open
            .began_ms
            .saturating_add(rule.escalation.due_after_ms(open.told + 1));
        let due_ms = due_ms.max(0) as u64;
        if let Some(open) = self.open.get_mut(place) {
            self.due
                .remove(&(open.due_ms, place.0.clone(), place.1.clone()));
            open.due_ms = due_ms;
            self.due.insert((due_ms, place.0.clone(), place.1.clone()));
        }
    }
}

const NEVER: u64 = u64::MAX;
