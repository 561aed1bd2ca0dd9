//! Alarms that nobody acknowledges: they are noted where they were accepted, and told to who is next.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::codec::json::event;
use crate::core::budget::cost;
use crate::core::chat::{Message, RoomId, RoomName, is_alarm_key, open_alarm};
use crate::core::escalation::{Escalation, Escalations, Step, Telling, ToldEscalations};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::loading::Readiness;
use crate::core::store::{Found, Stored};
use crate::core::stream::Stream;

/// An alarm that nobody has acknowledged in time.
#[derive(Serialize)]
struct Escalated<'a> {
    r#type: &'static str,
    key: &'a str,
    offset: Option<u64>,
    step: u64,
    steps: u64,
    repeat: u64,
    alarm: &'a RawValue,
}

impl<S: Stream> Server<S> {
    /// Alarms are escalated by these from now on, those that are raised here already as well. `alarms`: the states of alarms that
    /// a store has kept over a restart, each with the name of its room. To be called after `use_hooks`, or `change_hooks`.
    pub fn escalate_by(
        &mut self,
        rules: Vec<Escalation>,
        alarms: Vec<(Box<str>, Stored)>,
        now: Now,
    ) {
        if rules.is_empty() {
            self.escalations = None;
            return;
        }
        let mut escalations = self.escalations.take().unwrap_or_default();
        escalations.set_rules(rules);
        for (room, stored) in alarms {
            let found = Found::new(stored);
            if let Some(room) = RoomName::parse(&room) {
                note(&mut escalations, &room, &found.message(), now);
            }
        }
        self.escalations = Some(escalations);
        self.note_alarms_here(now);
    }

    /// Goes on with what another server knew. Of alarms that it had no escalation for, those that are raised are noted.
    pub(super) fn take_over_escalations(&mut self, told: ToldEscalations, now: Now) {
        if let Some(escalations) = &mut self.escalations {
            escalations.take_over(told);
        }
        self.note_alarms_here(now);
    }

    fn note_alarms_here(&mut self, now: Now) {
        // Of a log that others share nobody knows who has taken an alarm.
        let Some(escalations) = self
            .escalations
            .as_mut()
            .filter(|_| !self.chat.has_shared_log())
        else {
            return;
        };
        for (room, state) in self.chat.alarms() {
            note(escalations, room, &state, now);
        }
    }

    /// A message was accepted that was sent to this server: the alarm of its key may be another.
    pub(super) fn note_alarm(&mut self, room: RoomId, key: Option<&str>, now: Now) {
        let key = key.filter(|key| is_alarm_key(key));
        let (Some(key), Some(escalations)) = (key, &mut self.escalations) else {
            return;
        };
        let Some(name) = self.chat.room_name(room) else {
            return;
        };
        self.budget.spend(cost::MESSAGE);
        let state = self.chat.state_of_key(room, key);
        let alarm = state.as_ref().and_then(open_alarm);
        escalations.note((name, key), alarm, 0, now);
    }

    /// Tells who is next of alarms that nobody has acknowledged. A room that only the store has is asked for.
    pub(super) fn run_escalations(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((room, key)) = self.take_escalation(now)
        {
            self.budget.spend(cost::LOOKUP);
            if self.readiness(&room, now) == Readiness::Ready {
                self.escalate(&room, &key, now);
            }
        }
    }

    /// When something is due of an alarm next.
    pub(super) fn next_escalation_ms(&self) -> Option<u64> {
        let escalations = self.escalations.as_ref().filter(|_| self.may_escalate())?;
        escalations.next_ms()
    }

    /// A server that ends, or that another takes the place of, leaves it to the next.
    fn may_escalate(&self) -> bool {
        !self.is_held && !self.drain.is_begun()
    }

    fn take_escalation(&mut self, now: Now) -> Option<(RoomName, Box<str>)> {
        if !self.may_escalate() {
            return None;
        }
        self.escalations.as_mut()?.take_due(now.ms)
    }

    fn escalate(&mut self, room: &RoomName, key: &str, now: Now) {
        let Some(escalations) = &mut self.escalations else {
            return;
        };
        let id = self.chat.find(room);
        let state = id.and_then(|id| self.chat.state_of_key(id, key));
        let open = state.as_ref().and_then(open_alarm);
        let (Some(state), Some(open)) = (state, open) else {
            return escalations.forget(&(room.clone(), key.into()));
        };
        let Some(telling) = escalations.tell((room, key), open, now.ms) else {
            return;
        };
        self.budget
            .spend(cost::of_bytes(state.body.len(), cost::JSON_BYTE));
        let (step, steps) = (telling.step, telling.steps);
        log::info!("nobody has acknowledged {key} in {room}: step {step} of {steps} is told");
        let is_told = match &telling.to {
            Step::Webhook(webhook) => {
                let json = escalated(key, &state, &telling);
                let both = self.hooks.as_mut().zip(json);
                both.is_some_and(|(hooks, json)| hooks.on_escalated(*webhook, room, &json, now))
            }
            Step::Push(names) => {
                self.budget.spend(names.len() as u64 * cost::LOOKUP);
                let place = (room, id.map_or(0, |id| self.chat.epoch(id)));
                let push = self.pushing.as_mut().map(|it| &mut it.push);
                let unknown = push.map_or(names.clone(), |push| {
                    push.on_escalated(place, &state, names, telling.age_ms)
                });
                if !unknown.is_empty() && escalations.miss((room, key)) {
                    let names = unknown.join(", ");
                    log::warn!(
                        "{key} in {room} is not told to {names}: no push subscription has this name"
                    );
                }
                unknown.len() < names.len()
            }
        };
        self.counters.count_escalation(is_told);
    }
}

/// The state of an alarm was there before this server was, or these rules were: it is as old as its message.
fn note(escalations: &mut Escalations, room: &RoomName, state: &Message<'_>, now: Now) {
    let age_ms = now.unix_ms.saturating_sub(state.at_ms);
    if let (Some(key), Some(alarm)) = (state.key, open_alarm(state)) {
        escalations.note((room, key), Some(alarm), age_ms, now);
    }
}

fn escalated(key: &str, state: &Message<'_>, telling: &Telling) -> Option<Vec<u8>> {
    let escalated = Escalated {
        r#type: "escalated",
        key,
        offset: state.offset,
        step: telling.step,
        steps: telling.steps,
        repeat: telling.repeat,
        alarm: serde_json::from_slice(state.body).ok()?,
    };
    let mut out = Vec::new();
    event::write(&escalated, &mut out);
    Some(out)
}
