//! What webhooks are told: of messages where they were accepted, and of people where they are.

use std::ops::Bound;

use crate::core::budget::cost;
use crate::core::chat::{Accepted, Draft, Message, RoomId, RoomName, is_alarm_key};
use crate::core::delivery::encode::message_event;
use crate::core::hooks::{Call, CallOutcome, Here, Hooks, Target, ToldHooks};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::store::{Found, HookPosition, HookRequest, KeptHooks, Request, Untold};
use crate::core::stream::Stream;
use crate::limits::{MAX_LISTED, MAX_PAGE};
use crate::settings::HookEvent;
use chacha20::rand_core::Rng as _;

impl<S: Stream> Server<S> {
    /// Tells these webhooks what happens in rooms from now on: first that the server has begun, and what a store has kept for
    /// them. To be called after `use_store`, and before the first connection; or before `take_over`, without anything kept.
    /// Whoever drives the server makes the calls of [`next_call`](Self::next_call), and tells what has become of each.
    pub fn use_hooks(&mut self, targets: Vec<Target>, kept: Option<KeptHooks>, now: Now) {
        if targets.is_empty() {
            return;
        }
        let keeps = self.keeps_hooks();
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let mut hooks = Hooks::new(&self.node, keeps, seed);
        let new = hooks.set_targets(targets);
        self.hooks = Some(Box::new(hooks));
        self.chat.watch_rooms(true);
        let Some(kept) = kept else {
            return;
        };
        for delivery in kept.deliveries {
            self.hooks
                .iter_mut()
                .for_each(|it| it.restore(delivery.clone(), now));
        }
        self.tell_snapshots(&new, now);
        for untold in kept.untold {
            self.tell_untold(untold, now);
        }
    }

    /// These are all webhooks from now on. Those that were there keep what waits for them.
    pub fn change_hooks(&mut self, targets: Vec<Target>, now: Now) {
        let is_empty = targets.is_empty();
        match &mut self.hooks {
            None => self.use_hooks(targets, Some(KeptHooks::default()), now),
            Some(hooks) => {
                let new = hooks.set_targets(targets);
                self.tell_snapshots(&new, now);
            }
        }
        if self.keeps_hooks()
            && let (Some(hooks), Some(outbox)) = (&self.hooks, &mut self.outbox)
        {
            let webhooks = hooks.keys();
            outbox.push(Request::Hook(HookRequest::Begin { webhooks }));
        }
        if is_empty {
            self.hooks = None;
            self.chat.watch_rooms(false);
        }
    }

    /// The next call that is to be made, if the stage has time to sign it. There is one at a time for each webhook.
    pub fn next_call(&mut self, now: Now) -> Option<Call> {
        let hooks = self.hooks.as_mut().filter(|_| !self.is_held)?;
        if !self.budget.is_left() {
            return None;
        }
        let call = hooks.next_call(now)?;
        let bytes = cost::of_bytes(call.signed_bytes(), cost::SIGNED_BYTE);
        self.budget.spend(cost::MESSAGE + bytes);
        Some(call)
    }

    /// What has become of a call.
    pub fn on_call_outcome(&mut self, outcome: &CallOutcome, now: Now) {
        self.budget.spend(cost::MESSAGE);
        if let Some(hooks) = &mut self.hooks {
            hooks.on_outcome(outcome, now);
        }
        self.ask_store_of_hooks();
    }

    /// The store has kept what a webhook is to be told of a room: it may leave.
    pub fn on_hook_kept(&mut self, webhook: u64, room: &str, id: &str, now: Now) {
        self.budget.spend(cost::LOOKUP);
        if let Some(hooks) = &mut self.hooks {
            hooks.on_kept(webhook, (room, id), now);
        }
    }

    /// Takes over what another server knew of its webhooks. Those that it did not have are told how rooms are.
    pub(super) fn take_over_hooks(&mut self, told: ToldHooks, now: Now) {
        let Some(hooks) = &mut self.hooks else {
            return;
        };
        let new = hooks.take_over(told, &self.node);
        let webhooks = hooks.keys();
        self.tell_snapshots(&new, now);
        if self.keeps_hooks()
            && let Some(outbox) = &mut self.outbox
        {
            outbox.push(Request::Hook(HookRequest::Begin { webhooks }));
        }
    }

    /// A message was accepted that was sent to this server.
    pub(super) fn tell_hooks(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        Accepted { offset, at_ms }: Accepted,
        now: Now,
    ) {
        let (Some(hooks), Some(offset)) = (&mut self.hooks, offset) else {
            return;
        };
        let Some(name) = self.chat.room_name(room).cloned() else {
            return;
        };
        let message = draft.message(Some(offset), at_ms);
        // What was imported has happened before.
        let kind = draft.imported.is_none().then(|| kind_of(message.key));
        let bytes = cost::of_bytes(draft.body.len(), cost::JSON_BYTE);
        self.budget.spend(cost::MESSAGE + bytes);
        let write = |out: &mut Vec<u8>| message_event(name.as_str(), &message).write_event(out);
        let epoch = self.chat.epoch(room);
        let position = HookPosition { epoch, offset };
        hooks.on_message(&name, (position, kind), write, now);
    }

    /// Tells webhooks at the end of a tick what has gathered for them.
    pub(super) fn run_hooks(&mut self, now: Now) {
        if self.hooks.is_none() {
            return;
        }
        while self.budget.is_left()
            && let Some(name) = self.chat.take_stirred()
        {
            self.budget.spend(cost::LOOKUP);
            if let Some(hooks) = &mut self.hooks {
                hooks.on_stirred(&name, now);
            }
        }
        // While another server is to take over, it is for that one to tell.
        while self.budget.is_left()
            && !self.is_held
            && let Some(hooks) = &mut self.hooks
            && let Some(name) = hooks.take_due(now)
        {
            let here = self.here(&name);
            let people = here.people.len() + here.listed.len();
            self.budget
                .spend(cost::MESSAGE + cost::LOOKUP * people as u64);
            if let Some(hooks) = &mut self.hooks {
                hooks.flush(&name, &here, now);
            }
        }
        self.forget_ended_hook_rooms();
        self.ask_store_of_hooks();
    }

    /// When webhooks have something to do next.
    pub(super) fn next_hook_ms(&self) -> Option<u64> {
        let hooks = self.hooks.as_ref().filter(|_| !self.is_held)?;
        hooks.next_deadline_ms()
    }

    /// Whether nothing of them waits for the store, and all is noted that another server is to tell.
    pub(super) fn are_hooks_quiet(&self) -> bool {
        self.hooks.as_ref().is_none_or(|it| it.is_kept()) && !self.chat.has_stirred()
    }

    pub(super) fn lose_hook_store(&mut self, now: Now) {
        if let Some(hooks) = &mut self.hooks {
            hooks.lose_store(now);
        }
    }

    /// A disk keeps what is queued; a log that is shared does not.
    fn keeps_hooks(&self) -> bool {
        self.outbox.is_some() && !self.chat.has_shared_log()
    }

    fn ask_store_of_hooks(&mut self) {
        let (Some(hooks), Some(outbox)) = (&mut self.hooks, &mut self.outbox) else {
            return;
        };
        while let Some(request) = hooks.next_request() {
            outbox.push(Request::Hook(request));
        }
    }

    /// What was accepted right before a restart, and in no delivery.
    fn tell_untold(&mut self, untold: Untold, now: Now) {
        let Some(name) = RoomName::parse(&untold.room) else {
            return;
        };
        let Some(hooks) = &mut self.hooks else {
            return;
        };
        hooks.restore_lost(untold.webhook, &name, untold.lost, now);
        for stored in untold.messages {
            let found = Found::new(stored);
            let message: Message<'_> = found.message();
            let mut json = Vec::new();
            message_event(name.as_str(), &message).write_event(&mut json);
            let position = HookPosition {
                epoch: untold.upto.epoch,
                offset: found.offset(),
            };
            let at = (position, kind_of(message.key));
            hooks.tell_untold(untold.webhook, &name, at, &json, now);
        }
        // Kept with the gap, so that another restart does not tell it again.
        hooks.pass_untold(untold.webhook, &name, untold.upto, now);
    }

    /// Tells webhooks, by their places, which rooms somebody is in.
    fn tell_snapshots(&mut self, webhooks: &[usize], now: Now) {
        for &webhook in webhooks {
            let names = self.chat.rooms_from(Bound::Unbounded);
            let occupied = names.filter(|(_, count)| *count > 0).map(|(name, _)| name);
            let wanted = |name: &&RoomName| {
                let hooks = self.hooks.as_ref();
                hooks.is_some_and(|it| it.wants(webhook, name))
            };
            let names: Vec<RoomName> = occupied
                .filter(wanted)
                .take(MAX_PAGE + 1)
                .cloned()
                .collect();
            let rooms = names.into_iter().map(|name| {
                let here = self.here(&name);
                (name, here)
            });
            let rooms: Vec<(RoomName, Here)> = rooms.collect();
            if let Some(hooks) = &mut self.hooks {
                hooks.tell_snapshot(webhook, &rooms, now);
            }
        }
        self.ask_store_of_hooks();
    }

    fn here(&self, name: &RoomName) -> Here {
        let (people, count_here) = self.chat.listed_here(name, MAX_LISTED);
        let (listed, count) = self.chat.listed(name, MAX_LISTED);
        Here {
            people,
            count_here,
            listed,
            count,
        }
    }

    fn forget_ended_hook_rooms(&mut self) {
        let (count, chat) = (self.chat.room_count(), &self.chat);
        if let Some(hooks) = &mut self.hooks
            && hooks.has_ended_rooms(count)
        {
            hooks.forget_ended(|name| chat.find(name).is_some());
        }
    }
}

fn kind_of(key: Option<&str>) -> HookEvent {
    match key {
        None => HookEvent::Message,
        Some(key) if is_alarm_key(key) => HookEvent::Alarm,
        Some(_) => HookEvent::Keyed,
    }
}
