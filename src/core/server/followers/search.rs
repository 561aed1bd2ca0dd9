//! How those who follow patterns look for rooms that are there: in parts here, or a page of what the log has at a time.

use std::ops::Bound;

use crate::core::access::Rights;
use crate::core::chat::{Chat, RoomName};
use crate::core::id::ConnectionId;
use crate::core::server::followers::{Follower, Followers, Why};
use crate::core::server::page::Page;
use crate::core::store::RoomsInUse;
use crate::limits::{PARTITIONS, SCANS_AT_ONCE};

impl Followers {
    /// Goes on to look for rooms for a connection that it may read, up to so many in all. Says how much was looked at; an
    /// error: there are more rooms.
    pub(in crate::core::server) fn search(
        &mut self,
        id: ConnectionId,
        chat: &Chat,
        rights: &Rights,
        most: usize,
    ) -> Result<usize, usize> {
        let taken = chat.rooms_of(id).count();
        match self.by_connection.get_mut(&id) {
            Some(follower) if follower.search.is_some() => {
                let left = most.saturating_sub(taken + follower.queue.len());
                follower.search_part(chat, rights, id, left)
            }
            _ => Ok(0),
        }
    }

    /// What the log is to be asked for next of the rooms that a connection looks for; `None` if it is asked, or there are no more.
    pub(in crate::core::server) fn next_page(&mut self, id: ConnectionId) -> Option<Page> {
        let follower = self.by_connection.get_mut(&id)?;
        let page = follower.page();
        if page.is_none() {
            follower.search = None;
        }
        let search = follower.search.as_mut()?;
        page.filter(|_| !std::mem::replace(&mut search.is_asked, true))
    }

    /// The log has answered: these rooms are in use. `most`: so many may the connection be in. Says how much was looked at; an
    /// error: there are more rooms than that.
    pub(in crate::core::server) fn on_page(
        &mut self,
        id: ConnectionId,
        (page, rooms): (&Page, &RoomsInUse),
        chat: &Chat,
        rights: &Rights,
        most: usize,
    ) -> Result<usize, usize> {
        let taken = chat.rooms_of(id).count();
        match self.by_connection.get_mut(&id) {
            // It may look for other rooms by now.
            Some(follower)
                if follower.waits_for_log() && follower.page().as_ref() == Some(page) =>
            {
                let left = most.saturating_sub(taken + follower.queue.len());
                let is_in = |name: &RoomName| chat.find(name).is_some_and(|it| chat.is_in(id, it));
                follower.take_page(rooms, is_in, rights, left)
            }
            _ => Ok(0),
        }
    }

    /// The log does not answer: it is asked again later.
    pub(in crate::core::server) fn on_no_page(
        &mut self,
        id: ConnectionId,
        page: &Page,
        until_ms: u64,
    ) {
        if let Some(follower) = self.by_connection.get_mut(&id)
            && follower.page().as_ref() == Some(page)
            && let Some(search) = &mut follower.search
        {
            search.is_asked = false;
            self.rest(id, until_ms);
        }
    }
}

impl Follower {
    /// Queues more rooms that match, no more than `left`. Says how much was looked at; an error: there are more rooms.
    fn search_part(
        &mut self,
        chat: &Chat,
        rights: &Rights,
        id: ConnectionId,
        left: usize,
    ) -> Result<usize, usize> {
        let mut search = self.search.take().unwrap_or_default();
        let (mut work, mut found) = (0, Vec::new());
        while let Some(followed) = self.patterns.get(search.pattern) {
            let Some(scope) = followed.rooms.scopes().first() else {
                search.pattern += 1;
                continue;
            };
            let from = match &search.after {
                Some(after) => Bound::Excluded(&**after),
                None => Bound::Included(scope.start()),
            };
            work += 1;
            let mut last = None;
            let mut is_cut = false;
            for (name, _) in chat
                .rooms_from(from)
                .take_while(|(name, _)| scope.contains(name))
            {
                let is_wanted = followed.rooms.matches(name) && rights.may_subscribe(name);
                let is_in = || chat.find(name).is_some_and(|room| chat.is_in(id, room));
                work += 1;
                if is_wanted && !is_in() {
                    if found.len() >= left {
                        self.push_found(&found);
                        return Err(work);
                    }
                    found.push(name.clone());
                }
                last = Some(name.as_str().into());
                if work >= SCANS_AT_ONCE {
                    is_cut = true;
                    break;
                }
            }
            if is_cut {
                search.after = last;
                self.search = Some(search);
                self.push_found(&found);
                return Ok(work);
            }
            search.pattern += 1;
            search.after = None;
        }
        self.push_found(&found);
        Ok(work)
    }

    /// What the search looks at next of rooms that other nodes share; `None` if it is over.
    fn page(&self) -> Option<Page> {
        let search = self.search.as_ref()?;
        let followed = self.patterns.get(search.pattern)?;
        let scope = followed.rooms.scopes().first()?;
        Some(Page {
            partition: search.partition,
            head: scope.start().into(),
            after: search.after.clone(),
        })
    }

    /// Queues the rooms of a page that match, no more than `left`. Says how much was looked at; an error: there are more rooms.
    fn take_page(
        &mut self,
        page: &RoomsInUse,
        is_in: impl Fn(&RoomName) -> bool,
        rights: &Rights,
        left: usize,
    ) -> Result<usize, usize> {
        let mut search = self.search.take().unwrap_or_default();
        let names = page.rooms.iter().filter_map(|name| RoomName::parse(name));
        let is_wanted = |name: &RoomName| {
            self.matching(name).is_some() && rights.may_subscribe(name) && !is_in(name)
        };
        let mut found: Vec<RoomName> = names.filter(is_wanted).collect();
        let work = 1 + page.rooms.len() * self.patterns.len();
        let is_full = found.len() > left;
        found.truncate(left);
        search.is_asked = false;
        search.after.clone_from(&page.upto);
        if page.upto.is_none() {
            search.partition = (search.partition + 1) % PARTITIONS;
            search.pattern += usize::from(search.partition == 0);
        }
        if !is_full && search.pattern < self.patterns.len() {
            self.search = Some(search);
        }
        self.push_found(&found);
        match is_full {
            true => Err(work),
            false => Ok(work),
        }
    }

    fn push_found(&mut self, found: &[RoomName]) {
        for room in found {
            self.push(room, Why::Found);
        }
    }
}
