//! What people are told by push: of messages where they were accepted, and of what is said to somebody who is away.

use std::borrow::Cow;

use chacha20::rand_core::Rng as _;

use crate::codec::error_code::ErrorCode;
use crate::codec::http::host::Authority;
use crate::codec::http::origin;
use crate::codec::json::push::{Push as Asked, PushKind, Wanted};
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{
    Accepted, Author, Draft, Message, Owner, PersonId, PersonName, RoomId, RoomName,
};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::pattern::{RoomPatterns, covers};
use crate::core::push::{
    Knowledge, Person, Push, PushCall, PushOutcome, Subscriber, Those, ToldPush, TooManyPush,
};
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{KeptPush, PushNews, Request};
use crate::core::stream::Stream;

/// Push, and what browsers have to know for it.
#[derive(Debug)]
pub(super) struct Pushing {
    pub(super) push: Push,
    /// The public key of VAPID, in base64url.
    pub(super) key: Box<str>,
}

impl<S: Stream> Server<S> {
    /// Tells people by push from now on, those who have subscribed and those whom a store has kept. A log that several servers
    /// share tells those later ([`on_push_news`](Self::on_push_news)). `key`: the public key of
    /// VAPID (RFC 8292), as browsers take it. To be called after `use_store`, and before the first connection or `take_over`.
    /// Whoever drives the server makes the calls of [`next_push`](Self::next_push), and tells what has become of each.
    pub fn use_push(&mut self, key: &str, kept: KeptPush) {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let push = match self.chat.has_shared_log() {
            true => Push::shared(seed),
            false => Push::new(kept, self.outbox.is_some(), seed),
        };
        self.pushing = Some(Box::new(Pushing {
            push,
            key: key.into(),
        }));
        self.ask_store_of_push();
    }

    /// A log that several servers share tells of push.
    pub fn on_push_news(&mut self, news: PushNews) {
        let bytes = cost::of_bytes(news.text_bytes(), cost::JSON_BYTE);
        self.budget.spend(cost::MESSAGE + bytes);
        if let Some(pushing) = &mut self.pushing {
            pushing.push.on_news(news);
        }
        self.ask_store_of_push();
    }

    /// Goes on with what a store has kept, after a [`take_over`](Self::take_over) from a server that had no push.
    pub fn restore_push(&mut self, kept: KeptPush) {
        if let Some(pushing) = &mut self.pushing {
            pushing.push.restore(kept);
        }
    }

    /// Push subscriptions that there are.
    pub fn push_subscriptions(&self) -> usize {
        let pushing = self.pushing.as_ref();
        pushing.map_or(0, |it| it.push.figures().subscriptions)
    }

    /// The next call to a push service that is to be made; `None` for now if there is none, or as many are on their way as may
    /// be.
    pub fn next_push(&mut self, now: Now) -> Option<PushCall> {
        let pushing = self.pushing.as_mut().filter(|_| !self.is_held)?;
        pushing.push.next_call(now)
    }

    /// What has become of a call. One that was not made is ignored.
    pub fn on_push_outcome(&mut self, outcome: &PushOutcome, now: Now) {
        self.budget.spend(cost::MESSAGE);
        if let Some(pushing) = &mut self.pushing {
            pushing.push.on_outcome(outcome, now);
        }
        self.ask_store_of_push();
    }

    /// A message was accepted that was sent to this server.
    pub(super) fn tell_push(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        Accepted { offset, at_ms }: Accepted,
        now: Now,
    ) {
        let Some(mut pushing) = self.pushing.take() else {
            return;
        };
        let name = self.chat.room_name(room);
        if let Some(name) = name
            && offset.is_some()
            && draft.imported.is_none()
            && pushing.push.wants(draft.key)
        {
            let bytes = cost::of_bytes(draft.body.len(), cost::JSON_BYTE);
            self.budget.spend(cost::MESSAGE + bytes);
            let message = draft.message(offset, at_ms);
            let state = draft.key.filter(|_| draft.retain);
            let state = state.and_then(|key| self.chat.state_of_key(room, key));
            let state = state.filter(|it| it.offset == offset);
            let place = (name, self.chat.epoch(room));
            let those = self.those();
            pushing
                .push
                .on_message(place, &message, state.as_ref(), &those, now);
        }
        self.pushing = Some(pushing);
    }

    /// Somebody who is not connected is to be told what is said to them alone. Says whether they can be.
    pub(super) fn push_direct(&mut self, to: &str, message: &Message<'_>, now: Now) -> bool {
        let Some(mut pushing) = self.pushing.take() else {
            return false;
        };
        self.budget.spend(cost::MESSAGE);
        let those = self.those();
        let is_told = pushing.push.on_direct(to, message, &those, now);
        self.pushing = Some(pushing);
        is_told
    }

    /// Looks for those who are to be told, at the end of a tick.
    pub(super) fn run_push(&mut self, now: Now) {
        let Some(mut pushing) = self.pushing.take() else {
            return;
        };
        let those = self.those();
        // One at the least: what comes before it may take all of the budget, tick after tick.
        while pushing.push.has_work() {
            self.budget.spend(cost::LOOKUP + cost::MESSAGE);
            pushing.push.step(&those, now);
            if !self.budget.is_left() {
                break;
            }
        }
        while self.budget.is_left() && pushing.push.end_one(now) {
            self.budget.spend(cost::MESSAGE);
        }
        let bytes = pushing.push.tell_nodes(self.is_held, now);
        self.budget.spend(cost::of_bytes(bytes, cost::JSON_BYTE));
        self.pushing = Some(pushing);
        self.ask_store_of_push();
    }

    /// Whether another server can go on with it.
    pub(super) fn is_push_quiet(&self) -> bool {
        let pushing = self.pushing.as_ref();
        pushing.is_none_or(|it| it.push.is_quiet())
    }

    /// Whether there is somebody to look for.
    pub(super) fn has_push_work(&self) -> bool {
        let pushing = self.pushing.as_ref();
        pushing.is_some_and(|it| it.push.has_work())
    }

    /// When a call may leave next.
    pub(super) fn next_push_ms(&self) -> Option<u64> {
        let pushing = self.pushing.as_ref().filter(|_| !self.is_held)?;
        pushing.push.next_due_ms()
    }

    /// A visitor of an open parlor has a name.
    pub(super) fn on_named(&mut self, id: ConnectionId) {
        let Some(person) = self.person(id) else {
            return;
        };
        self.on_name_taken(&self.chat.author(person));
    }

    /// Somebody says something under a name that was free, or holds it from now on: it is nobody else's.
    pub(super) fn on_name_taken(&mut self, author: &Author) {
        if let Some(pushing) = &mut self.pushing {
            pushing.push.on_named(author.id, &author.name);
        }
        self.ask_store_of_push();
    }

    /// Somebody has subscribed, or ends that. `rooms`: patterns of those that they may read; `None` for all.
    pub(super) fn subscribe(
        &mut self,
        asked: Asked<'_>,
        rooms: Option<&[String]>,
        subscriber: Subscriber,
        now: Now,
    ) -> Result<(), CommandError> {
        if let Some(wanted) = &asked.wanted {
            self.check_wanted(wanted, rooms, &subscriber)?;
        }
        let pushing = self.pushing.as_mut().ok_or(PUSH_IS_OFF)?;
        if !pushing.push.takes_subscriptions() {
            return Err(UNAVAILABLE.into());
        }
        match asked.wanted {
            None => {
                pushing.push.unsubscribe(&asked.endpoint);
            }
            Some(wanted) => {
                let all = || vec!["*".to_owned()];
                let subscriber = Subscriber {
                    readable: rooms.map_or_else(all, <[String]>::to_vec),
                    ..subscriber
                };
                let of = (&*asked.endpoint, wanted);
                pushing.push.subscribe(of, subscriber, now)?;
            }
        }
        self.ask_store_of_push();
        Ok(())
    }

    fn check_wanted(
        &self,
        wanted: &Wanted,
        rooms: Option<&[String]>,
        subscriber: &Subscriber,
    ) -> Result<(), CommandError> {
        let is_personal = |kind: &PushKind| matches!(kind, PushKind::Direct | PushKind::Mention);
        if subscriber.person.is_none() && wanted.kinds.iter().any(is_personal) {
            return Err(CommandError::new(ErrorCode::NotAllowed, NOBODY));
        }
        for pattern in &wanted.rooms {
            if RoomPatterns::new(std::slice::from_ref(pattern)).is_empty() {
                return Err(CommandError::new(ErrorCode::BadRoom, NO_SUCH_ROOM));
            }
            let may_read = |rooms: &[String]| rooms.iter().any(|it| covers(it, pattern));
            if !rooms.is_none_or(may_read) {
                return Err(CommandError::new(ErrorCode::NotAllowed, OTHER_ROOMS));
            }
        }
        let is_ours = |page: &String| self.is_page(page);
        if !wanted.page.as_ref().is_none_or(is_ours) {
            return Err(CommandError::new(ErrorCode::NotAllowed, FOREIGN_PAGE));
        }
        Ok(())
    }

    /// Who somebody is by their rights, or as a person of an open parlor.
    pub(super) fn subscriber(
        &self,
        rights: &Rights,
        person: Option<PersonId>,
        owner: Owner,
    ) -> Subscriber {
        let visitor = |person| {
            let author = self.chat.author(person);
            Person::Visitor {
                id: author.id,
                name: Some(author.name.to_string().into()),
            }
        };
        let person = match rights.grant() {
            Some(grant) => Some(Person::Holder(grant.name.shown())),
            None => person.map(visitor),
        };
        Subscriber {
            person,
            owner,
            id: None,
            readable: Vec::new(),
        }
    }

    /// Forgets the subscriptions of one.
    pub(super) fn forget_push_of(&mut self, owner: &Owner) {
        if let Some(pushing) = &mut self.pushing {
            pushing.push.forget_owner(owner);
        }
        self.ask_store_of_push();
    }

    /// Begins with what another server knew.
    pub(super) fn take_over_push(&mut self, told: ToldPush) {
        if let Some(pushing) = &mut self.pushing {
            pushing.push.take_over(told);
        }
    }

    pub(super) fn lose_push_store(&mut self) {
        if let Some(pushing) = &mut self.pushing {
            pushing.push.lose_store();
        }
    }

    pub(super) fn ask_store_of_push(&mut self) {
        let (Some(pushing), Some(outbox)) = (&mut self.pushing, &mut self.outbox) else {
            return;
        };
        while let Some(request) = pushing.push.next_request() {
            outbox.push(Request::Push(request));
        }
    }

    /// Whether it is an address of this server, or of a page that may come in.
    fn is_page(&self, page: &str) -> bool {
        let Some((scheme, rest)) = page.split_once("://") else {
            return false;
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let of_page = format!("{scheme}://{authority}");
        let authority = Authority::parse(authority);
        authority.is_some_and(|it| self.hosts.admits(it.host, false))
            || origin::is_allowed(&of_page, None, &self.allowed_origins)
    }

    fn those(&self) -> Those<'_> {
        Those {
            asks_for_tokens: !self.access.is_open(),
            known: self,
        }
    }

    /// Whether somebody is connected, and is told what is said to them: who only reads a stream is not.
    fn is_connected(&self, person: &Person) -> bool {
        match person {
            Person::Holder(name) => self.access.is_held(name) && self.is_talked_to(name),
            Person::Visitor { id, .. } => self
                .chat
                .find_public(*id)
                .is_some_and(|person| !self.chat.connections_of(person).is_empty()),
        }
    }

    fn is_talked_to(&self, holder: &str) -> bool {
        let name = PersonName::of_token(holder);
        let connections = name.map(|name| self.access.connections_of(&name));
        let mut connections = connections.iter().flatten();
        connections.any(|id| self.get(*id).is_some_and(|it| it.door.facts().has_people))
    }
}

impl<S: Stream> Knowledge for Server<S> {
    fn is_here(&self, person: &Person, room: Option<&RoomName>) -> bool {
        let is_elsewhere = |room| match person {
            Person::Holder(name) => self.chat.is_named_elsewhere(room, name),
            Person::Visitor { id, .. } => self.chat.is_elsewhere(room, *id),
        };
        self.is_connected(person) || room.is_some_and(is_elsewhere)
    }

    fn is_banned(&self, person: &Person, room: Option<&RoomName>) -> bool {
        match person {
            Person::Holder(name) => self.is_name_banned(name, room),
            // Names of visitors are free: there are no bans of them.
            Person::Visitor { .. } => false,
        }
    }
}

impl From<TooManyPush> for CommandError {
    fn from(refused: TooManyPush) -> Self {
        let message = match refused {
            TooManyPush::Person => {
                "you have 20 push subscriptions, as many as one may; end one first, with \"kinds\":[]"
            }
            TooManyPush::Address => {
                "your address has 500 push subscriptions, as many as one may; end one first, with \"kinds\":[]"
            }
            TooManyPush::Server => {
                "the server has 10,000 push subscriptions, as many as there may be; others have to end first"
            }
        };
        Self::new(ErrorCode::TooManyKeys, message)
    }
}

/// Push is off.
pub(super) const PUSH_IS_OFF: CommandError = CommandError {
    code: ErrorCode::BadCommand,
    message: Cow::Borrowed(
        "push is off: the operator of this server turns it on with --push-contact",
    ),
    retry_ms: None,
    more: None,
};

const NOBODY: &str = "direct and mention are for a person: subscribe with a token, by the JSON protocol, or with the header Parlor-Resume and the resume of your welcome";

const OTHER_ROOMS: &str =
    "rooms are beyond what your token allows to read: name those, or patterns within them";

const NO_SUCH_ROOM: &str = "rooms: no room can have a name like this: 1 to 64 letters, digits and - _ . : but no spaces; * is any of them and ? is one";

const FOREIGN_PAGE: &str =
    "page is not one of this server: it has a name of --allow-host, or an origin of --allow-origin";
