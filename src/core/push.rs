//! Push (RFC 8030): who wants to be told of what while away, and the requests to push services. Sends nothing itself: calls
//! leave as values, and what became of them comes in.
//!
//! What is said is told in steps. An alarm, or a message, is a walk through the subscriptions of its room (`walk`): each step
//! looks at one, so that many of them take many ticks. What somebody is to be told waits in their line (`calls`), where what
//! is newer takes the place of what has the same tag. Who was told of an alarm is kept until that is over (`told`).

mod alarm;
mod audiences;
mod call;
mod calls;
mod counts;
mod escalated;
mod everywhere;
mod line;
mod mentions;
mod notice;
mod outcome;
mod rank;
mod service;
mod sharing;
mod state;
mod subscription;
mod subscriptions;
mod tell;
#[cfg(test)]
mod tests;
mod told;
mod turns;
mod walk;
mod walks;

use std::collections::{BTreeMap, VecDeque};

use crate::codec::json::push::Wanted;
pub use crate::codec::push::{VapidKey, encrypt, origin, parse_auth, parse_public};
use crate::core::chat::{Name, Owner, PublicId, RoomName};
use crate::core::now::Now;
use crate::core::store::{KeptPush, PushRequest};
use audiences::Audiences;
pub use call::{Keys, PushCall, PushOutcome, PushResult, Urgency};
use calls::Calls;
use counts::Counts;
use sharing::Sharing;
pub(super) use state::ToldPush;
use subscription::Subscription;
pub(super) use subscription::{Person, Subscriber};
use subscriptions::Subscriptions;
pub(super) use subscriptions::TooManyPush;
pub(super) use tell::{Knowledge, Those};
use told::{Told, ToldAlarms};
use walk::{AlarmWalk, MessageWalk};
use walks::AlarmWalks;

/// All subscriptions, and what they are to be told.
#[derive(Debug)]
pub(super) struct Push {
    subscriptions: Subscriptions,
    audiences: Audiences,
    /// The alarm that is being told.
    alarm: Option<AlarmWalk>,
    /// Those to be told then.
    alarms: AlarmWalks,
    /// The message that is being told.
    message: Option<(RoomName, MessageWalk)>,
    /// Those to be told then, one for each room: the newest takes the place of one before.
    messages: BTreeMap<RoomName, MessageWalk>,
    /// The room of which a message was told last.
    last_room: Option<RoomName>,
    told: ToldAlarms,
    calls: Calls,
    counts: Counts,
    /// When the log warns again of what services do not take.
    next_warning_ms: u64,
    /// A store keeps subscriptions.
    keeps: bool,
    requests: VecDeque<PushRequest>,
    /// What is known of other nodes; `None` if there are none.
    sharing: Option<Box<Sharing>>,
}

/// What operators are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct PushFigures {
    /// Messages that push services have taken.
    pub(super) sent: u64,
    /// Calls that were not answered well.
    pub(super) failed: u64,
    /// Messages that were given up.
    pub(super) dropped: u64,
    /// Subscriptions that push services have said to be over.
    pub(super) removed: u64,
    /// Subscriptions now.
    pub(super) subscriptions: usize,
    /// Messages that wait.
    pub(super) queued: usize,
}

impl Push {
    /// Push with what a store has kept. `keeps`: whether a store keeps subscriptions.
    pub(super) fn new(kept: KeptPush, keeps: bool, seed: [u8; 32]) -> Self {
        let mut this = Self {
            subscriptions: Subscriptions::default(),
            audiences: Audiences::default(),
            alarm: None,
            alarms: AlarmWalks::default(),
            message: None,
            messages: BTreeMap::new(),
            last_room: None,
            told: ToldAlarms::default(),
            calls: Calls::new(seed),
            counts: Counts::default(),
            next_warning_ms: 0,
            keeps,
            requests: VecDeque::new(),
            sharing: None,
        };
        this.restore(kept);
        this
    }

    /// Somebody wants to be told from now on, at an address that is theirs: what they wanted there before is forgotten. What waits
    /// there for somebody else is not for them: a browser may be used by one after the other.
    pub(super) fn subscribe(
        &mut self,
        (endpoint, wanted): (&str, Wanted),
        subscriber: Subscriber,
        now: Now,
    ) -> Result<(), TooManyPush> {
        let before = self.subscriptions.by_endpoint(endpoint);
        let is_of_another = |number: &u64| {
            let before = self.subscriptions.get(*number);
            before.is_some_and(|before| !before.is_of(&subscriber))
        };
        if let Some(number) = before.filter(is_of_another) {
            self.remove(number);
        }
        let one = Subscription::new(endpoint, wanted, subscriber, now);
        let of_id = one.id().and_then(|id| self.subscriptions.by_id(id));
        let same = self.subscriptions.by_endpoint(endpoint);
        // Its place is that of the one before.
        if let Some(other) = of_id.filter(|of_id| Some(*of_id) != same) {
            self.remove(other);
        }
        let number = match self.sharing {
            Some(_) => self.subscriptions.put_shared(one),
            None => self.subscriptions.put(one),
        }?;
        self.calls.forget_quiet(number);
        self.keep(number);
        Ok(())
    }

    /// Nothing is pushed to this address any more. Says whether something was.
    pub(super) fn unsubscribe(&mut self, endpoint: &str) -> bool {
        let number = self.subscriptions.by_endpoint(endpoint);
        number.is_some_and(|number| self.remove(number))
    }

    /// The same of the subscription that a request has given this id. `owner`: only theirs.
    pub(super) fn unsubscribe_by_id(&mut self, id: &str, owner: &Owner) -> bool {
        self.number_of(id, owner)
            .is_some_and(|number| self.remove(number))
    }

    /// Whether somebody else has given a subscription this id.
    pub(super) fn is_of_another(&self, id: &str, owner: &Owner) -> bool {
        self.subscriptions.by_id(id).is_some() && self.number_of(id, owner).is_none()
    }

    fn number_of(&self, id: &str, owner: &Owner) -> Option<u64> {
        let number = self.subscriptions.by_id(id)?;
        let owned = self.subscriptions.get(number)?.owner();
        // Where no tokens are asked for, whoever knows the id may have moved: nobody else can know it.
        let is_theirs = owned == owner || matches!(owned, Owner::Address(_));
        is_theirs.then_some(number)
    }

    /// Forgets all that one has.
    pub(super) fn forget_owner(&mut self, owner: &Owner) {
        for number in self.subscriptions.of_owner(owner) {
            self.remove(number);
        }
    }

    /// A visitor of an open parlor has this name now. What is said to it is not told to those who had it before.
    pub(super) fn on_named(&mut self, id: PublicId, name: &Name) {
        for number in self.subscriptions.on_named(id, name) {
            self.keep(number);
        }
    }

    /// Ends the next subscription that was not renewed. Says whether there was one.
    pub(super) fn end_one(&mut self, now: Now) -> bool {
        let ended = self.subscriptions.next_ended(now.unix_ms);
        ended.is_some_and(|number| self.remove(number))
    }

    /// What the store is asked for next.
    pub(super) fn next_request(&mut self) -> Option<PushRequest> {
        self.requests.pop_front()
    }

    /// There is no store any more.
    pub(super) fn lose_store(&mut self) {
        self.keeps = false;
        self.sharing = None;
        self.requests.clear();
    }

    /// What operators are told.
    pub(super) fn figures(&self) -> PushFigures {
        let Counts {
            sent,
            failed,
            dropped,
            removed,
        } = self.counts;
        PushFigures {
            sent,
            failed,
            dropped,
            removed,
            subscriptions: self.subscriptions.len(),
            queued: self.calls.count(),
        }
    }

    /// Checks that all is where it is looked for.
    pub(super) fn check(&self) -> Result<(), String> {
        self.subscriptions.check()?;
        self.calls.check()
    }

    fn remove(&mut self, number: u64) -> bool {
        let is_removed = self.subscriptions.remove(number).is_some();
        if is_removed {
            self.counts.dropped += self.calls.forget(number);
            self.ask(PushRequest::Forget { number });
        }
        is_removed
    }

    fn keep(&mut self, number: u64) {
        let kept = self.subscriptions.get(number).map(serde_json::to_string);
        match kept {
            Some(Ok(text)) => self.ask(PushRequest::Keep {
                number,
                text: text.into(),
            }),
            Some(Err(error)) => log::error!("a push subscription cannot be written: {error}"),
            None => {}
        }
    }

    /// Keeps who was told of an alarm, or forgets it.
    fn keep_told(&mut self, (room, key): &told::AlarmKey, told: Option<&Told>) {
        // Other nodes are told in another way.
        if self.sharing.is_some() {
            return;
        }
        let text = told.and_then(|told| serde_json::to_string(told).ok());
        self.ask(PushRequest::Told {
            room: room.as_str().into(),
            key: key.clone(),
            text: text.map(Into::into),
        });
    }

    fn ask(&mut self, request: PushRequest) {
        if self.keeps {
            if let Some(sharing) = &mut self.sharing {
                sharing.on_asked();
            }
            self.requests.push_back(request);
        }
    }
}
