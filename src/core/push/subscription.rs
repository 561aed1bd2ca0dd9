//! One subscription: where somebody is told, of what, and who they are.

use std::fmt;
use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::call::Keys;
use super::notice::Notice;
use crate::codec::json::push::{PushKind, Quiet, Severity, Wanted};
use crate::core::chat::{Author, Name, Owner, PublicId, RoomName};
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
use crate::limits::PUSH_RENEWAL_MS;

/// Who has subscribed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum Person {
    /// Whoever holds tokens for this name.
    Holder(Rc<str>),
    /// A person of an open parlor. `name`: under which they are told of what is said to them; `None` once somebody else has
    /// taken it.
    Visitor { id: PublicId, name: Option<Rc<str>> },
}

impl Person {
    /// The name by which others call them.
    pub(in crate::core) fn name(&self) -> Option<&Rc<str>> {
        match self {
            Self::Holder(name) => Some(name),
            Self::Visitor { name, .. } => name.as_ref(),
        }
    }

    /// Whether they have said this.
    fn is_author(&self, author: &Author) -> bool {
        let is_named = |name: &str| matches!(&author.name, Name::Chosen(it) if **it == *name);
        match self {
            Self::Holder(name) => is_named(name),
            Self::Visitor { id, name } => {
                *id == author.id || name.as_ref().is_some_and(|name| is_named(name))
            }
        }
    }
}

/// Where somebody is told, and of what.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Subscription {
    endpoint: Box<str>,
    keys: Keys,
    rooms: Vec<String>,
    kinds: Vec<PushKind>,
    severity: Severity,
    quiet: Option<Quiet>,
    page: Option<Box<str>>,
    pub(super) person: Option<Person>,
    /// Whom it is counted for.
    owner: Owner,
    /// The id that a request gave it.
    id: Option<Box<str>>,
    /// Patterns of rooms that they may read, beside `rooms`.
    #[serde(default)]
    readable: Vec<String>,
    /// Milliseconds since 1970.
    renewed_ms: u64,
    /// Those of `rooms`; made when it begins.
    #[serde(skip)]
    patterns: RoomPatternsOf,
}

/// Patterns that are not told to anyone.
#[derive(Default)]
struct RoomPatternsOf(Rc<RoomPatterns>);

impl Clone for RoomPatternsOf {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// Its address is a secret.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("person", &self.person)
            .finish_non_exhaustive()
    }
}

/// Who asks for a subscription.
#[derive(Clone, Debug)]
pub(in crate::core) struct Subscriber {
    /// `None`: nobody in particular, as with curl in an open parlor.
    pub(in crate::core) person: Option<Person>,
    /// Whom it is counted for.
    pub(in crate::core) owner: Owner,
    /// The id that a request gives it.
    pub(in crate::core) id: Option<Box<str>>,
    /// Patterns of the rooms that they may read.
    pub(in crate::core) readable: Vec<String>,
}

impl Subscription {
    pub(super) fn new(endpoint: &str, wanted: Wanted, subscriber: Subscriber, now: Now) -> Self {
        let Subscriber {
            person,
            owner,
            id,
            readable,
        } = subscriber;
        let mut this = Self {
            endpoint: endpoint.into(),
            keys: Keys {
                public: wanted.keys.public,
                auth: wanted.keys.auth,
            },
            rooms: wanted.rooms,
            kinds: wanted.kinds,
            severity: wanted.severity,
            quiet: wanted.quiet,
            page: wanted.page.map(Into::into),
            person,
            owner,
            id,
            readable,
            renewed_ms: now.unix_ms,
            patterns: RoomPatternsOf::default(),
        };
        this.begin();
        this
    }

    /// One that was told or kept, and that this server has from now on.
    pub(super) fn begin(&mut self) {
        self.patterns = RoomPatternsOf(Rc::new(RoomPatterns::new(&self.rooms)));
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The service that is called, however its host is written.
    pub(super) fn service(&self) -> String {
        let rest = self.endpoint.strip_prefix("https://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        host.strip_suffix(":443")
            .unwrap_or(host)
            .to_ascii_lowercase()
    }

    /// The number that all nodes give a subscription of this address.
    pub(super) fn shared_number(&self) -> u64 {
        let hash = digest(&SHA256, self.endpoint.as_bytes());
        let bytes = hash.as_ref().iter().take(8);
        let number = bytes.fold(0, |number, byte| number << 8 | u64::from(*byte));
        // There are numbers above it, and none is 0.
        (number >> 2).max(1)
    }

    /// Whether both are of the same person.
    pub(super) fn has_person_of(&self, other: &Self) -> bool {
        self.is_of_person(other.person.as_ref())
    }

    /// Whether it is of the same person.
    pub(super) fn is_of(&self, subscriber: &Subscriber) -> bool {
        self.is_of_person(subscriber.person.as_ref())
    }

    fn is_of_person(&self, person: Option<&Person>) -> bool {
        let is_same = |one: &Person, other: &Person| match (one, other) {
            (Person::Visitor { id: one, .. }, Person::Visitor { id: other, .. }) => one == other,
            _ => one == other,
        };
        match (&self.person, person) {
            (Some(one), Some(other)) => is_same(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The same in place of this one: it keeps the id that a request gave it.
    pub(super) fn replaced_by(&self, other: Self) -> Self {
        Self {
            id: other.id.clone().or_else(|| self.id.clone()),
            ..other
        }
    }

    /// Whether it is for the same rooms and kinds as another.
    pub(super) fn wants_the_same(&self, other: &Self) -> bool {
        (&self.rooms, &self.kinds) == (&other.rooms, &other.kinds)
    }

    /// When it ends unless it is renewed, in milliseconds since 1970.
    pub(super) fn ends_ms(&self) -> u64 {
        self.renewed_ms.saturating_add(PUSH_RENEWAL_MS)
    }

    /// When the quiet time ends that is now, in milliseconds since 1970.
    pub(super) fn quiet_until(&self, unix_ms: u64) -> Option<u64> {
        self.quiet.and_then(|quiet| quiet.end_of(unix_ms))
    }

    pub(super) fn wants(&self, kind: PushKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether it is for a room.
    pub(super) fn is_for(&self, room: &RoomName) -> bool {
        self.patterns.0.matches(room)
    }

    /// Whether they may read a room, as far as their token has said when they subscribed.
    fn may_read(&self, room: &RoomName) -> bool {
        self.is_for(room) || RoomPatterns::new(&self.readable).matches(room)
    }

    /// Whether it may be told of anything: where tokens are asked for, only who has shown one.
    pub(super) fn is_allowed(&self, asks_for_tokens: bool) -> bool {
        !asks_for_tokens || matches!(self.owner, Owner::Holder(_))
    }

    /// Whether it is of a kind, of a room, and as bad as somebody wants to be told of.
    pub(super) fn wants_to_know(&self, notice: &Notice) -> bool {
        if notice.is_escalated {
            return notice.room.as_ref().is_some_and(|room| self.may_read(room));
        }
        let is_bad_enough = |severity| notice.is_withdrawal() || severity >= self.severity;
        self.wants(notice.kind)
            && notice.room.as_ref().is_none_or(|room| self.is_for(room))
            && notice.severity.is_none_or(is_bad_enough)
    }

    /// Whether somebody is to be told of this, who has not said it: of an alarm after a quiet time, if it is one, of anything else
    /// now or never.
    pub(super) fn is_told(&self, notice: &Notice, author: &Author, unix_ms: u64) -> bool {
        let is_author = |person: &Person| person.is_author(author);
        let waits = notice.kind == PushKind::Alarm;
        self.wants_to_know(notice)
            && (waits || self.quiet_until(unix_ms).is_none())
            && !self.person.as_ref().is_some_and(is_author)
    }
}
