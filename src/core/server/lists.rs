//! Lists of rooms that the log is asked for: those that are in use at other nodes.
//!
//! The log is asked in steps, as many as it takes to find as many rooms as an answer holds that its asker may see. Who may see
//! all gets the same list as all others who wait for it.

use std::collections::VecDeque;

use crate::core::access::Rights;
use crate::core::chat::RoomName;
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::now::Now;
use crate::core::pattern::Scope;
use crate::core::server::listing::{Found, Listing};
use crate::core::store::{RoomsInUse, WantedRooms};
use crate::limits::{MAX_LIST_STEPS, MAX_LISTS, PARTITIONS, STORE_TIMEOUT_MS};

/// Who waits for a list.
#[derive(Debug)]
pub(super) enum Asker {
    /// Who has sent `rooms`.
    Command(ConnectionId, Listing),
    /// Who has sent a request for it.
    Request(Box<Reply>, Listing),
}

/// A list that the log is asked for.
#[derive(Debug)]
pub(super) struct List {
    rights: Rights,
    pub(super) askers: Vec<Asker>,
    /// The scope of names that is asked for, among those that may hold rooms that may be seen.
    scope: usize,
    /// The last name that is known of it.
    after: Option<Box<str>>,
    steps: usize,
    pub(super) found: Found,
    pub(super) until_ms: u64,
}

/// All lists that are waited for: no more than there are connections, of which each waits for one.
#[derive(Debug, Default)]
pub(super) struct Lists {
    asked: usize,
    /// One of those that the log is asked for is of all rooms.
    is_whole_asked: bool,
    /// They come next.
    queued: VecDeque<List>,
}

impl Asker {
    fn listing(&self) -> &Listing {
        match self {
            Self::Command(_, listing) | Self::Request(_, listing) => listing,
        }
    }
}

impl List {
    fn new(asker: Asker, now: Now) -> Self {
        Self {
            rights: asker.listing().rights().clone(),
            askers: vec![asker],
            scope: 0,
            after: None,
            steps: 0,
            found: Found::default(),
            until_ms: now.ms + STORE_TIMEOUT_MS,
        }
    }

    /// Whether its askers may see all rooms.
    fn is_whole(&self) -> bool {
        self.rights.listable().is_none()
    }

    /// What has to be asked next; `None` if it is whole, or has to end.
    pub(super) fn next(&mut self) -> Option<WantedRooms> {
        let scope = match self.rights.listable() {
            Some(patterns) => patterns.scopes().get(self.scope)?.clone(),
            None if self.scope == 0 => Scope::Head("".into()),
            None => return None,
        };
        if self.steps == MAX_LIST_STEPS {
            self.found.cut();
            return None;
        }
        self.steps += 1;
        Some(match scope {
            Scope::Head(head) => WantedRooms::Head {
                head,
                after: self.after.take(),
            },
            Scope::Name(name) => WantedRooms::Name(name.as_str().into()),
        })
    }

    /// The log has answered. Says how much was looked at, and whether the list is whole.
    pub(super) fn take(&mut self, page: RoomsInUse) -> (usize, bool) {
        let mut work = usize::from(PARTITIONS);
        for name in page.rooms {
            let Some(name) = RoomName::parse(&name) else {
                continue;
            };
            let tried = self.rights.listable().map(|it| it.try_on(&name));
            work += 1 + tried.map_or(0, |tried| tried.patterns);
            let is_visible = tried.is_none_or(|tried| tried.matches);
            if is_visible && !self.found.add(&name, 0) {
                return (work, true);
            }
        }
        self.scope += usize::from(page.upto.is_none());
        self.after = page.upto;
        (work, false)
    }
}

impl Lists {
    /// When the next one has waited for too long.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.queued.front().map(|list| list.until_ms)
    }

    /// Waits behind others.
    pub(super) fn add(&mut self, asker: Asker, now: Now) {
        let list = List::new(asker, now);
        let mut queued = self.queued.iter_mut();
        match queued.find(|it| it.is_whole() && list.is_whole()) {
            Some(same) => same.askers.extend(list.askers),
            None => self.queued.push_back(list),
        }
    }

    /// The next one for which there is place.
    pub(super) fn begin(&mut self) -> Option<List> {
        if self.asked == MAX_LISTS {
            return None;
        }
        let mut queued = self.queued.iter();
        let next = queued.position(|it| !(it.is_whole() && self.is_whole_asked))?;
        let list = self.queued.remove(next)?;
        self.asked += 1;
        self.is_whole_asked |= list.is_whole();
        Some(list)
    }

    pub(super) fn end(&mut self, list: &List) {
        self.asked -= 1;
        self.is_whole_asked &= !list.is_whole();
    }

    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<List> {
        match self.next_due_ms() {
            Some(due_ms) if due_ms <= now_ms => self.queued.pop_front(),
            _ => None,
        }
    }
}
