//! Who follows patterns of rooms, and which rooms they have to come into.

mod search;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::core::chat::{Chat, RoomName};
use crate::core::id::ConnectionId;
use crate::core::pattern::RoomPatterns;
use crate::core::server::join_options::JoinOptions;
use crate::limits::{MAX_ENTRY_TRIES, MAX_FOLLOWED, MAX_TO_ENTER};

/// Those who follow patterns, or have rooms to come into.
#[derive(Debug, Default)]
pub(super) struct Followers {
    by_connection: BTreeMap<ConnectionId, Follower>,
    /// Those who can come into their next room now, in turn.
    ready: VecDeque<ConnectionId>,
    /// Those who cannot go on now, and when they try again, the earliest first.
    resting: VecDeque<(u64, ConnectionId)>,
    /// A room that has begun and its offset then, and the last follower that it was offered to.
    offered: Option<(RoomName, u64, Option<ConnectionId>)>,
}

/// What one connection follows.
#[derive(Debug, Default)]
struct Follower {
    patterns: Vec<Followed>,
    /// Rooms to come into.
    queue: VecDeque<ToEnter>,
    /// Where the search for rooms that are there goes on.
    search: Option<Search>,
    /// The rooms that it has come into by its patterns alone.
    rooms: BTreeSet<RoomName>,
    is_ready: bool,
    /// It does not go on before its time has come.
    is_resting: bool,
    /// It was told that there are more rooms than it can be in.
    is_told: bool,
}

/// A pattern, and what its follower wants to be told of each room.
#[derive(Debug)]
struct Followed {
    text: Box<str>,
    rooms: RoomPatterns,
    options: JoinOptions,
}

/// A room to come into.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToEnter {
    pub(super) room: RoomName,
    pub(super) why: Why,
    /// How often it was tried in vain.
    #[serde(default)]
    pub(super) tries: u32,
}

/// Why it is one to come into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    /// It was named.
    Named,
    /// A pattern matches it.
    Found,
    /// The same, and it has begun at this offset.
    Begun(u64),
}

/// How far the search for rooms has come.
#[derive(Debug, Default)]
struct Search {
    pattern: usize,
    /// Of rooms that other nodes share: the partition that is looked at.
    partition: u16,
    after: Option<Box<str>>,
    /// The log is asked for what comes next.
    is_asked: bool,
}

impl Followed {
    fn new(text: &str, options: JoinOptions) -> Self {
        Self {
            text: text.into(),
            rooms: RoomPatterns::new(&[text.to_owned()]),
            options,
        }
    }
}

impl Follower {
    fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.search.is_some()
    }

    fn matching(&self, room: &RoomName) -> Option<&Followed> {
        self.patterns.iter().find(|it| it.rooms.matches(room))
    }

    fn push(&mut self, room: &RoomName, why: Why) {
        let is_full = self.queue.len() >= MAX_TO_ENTER;
        match self.queue.iter_mut().find(|it| it.room == *room) {
            // It was in use already, and has begun anew.
            Some(queued) if queued.why == Why::Found => queued.why = why,
            Some(_) => {}
            None if is_full => self.search = Some(Search::default()),
            None => self.queue.push_back(ToEnter {
                room: room.clone(),
                why,
                tries: 0,
            }),
        }
    }

    /// A search may have found it meanwhile, and does not know from which message on it is wanted.
    fn put_off(&mut self, next: ToEnter) {
        match self.queue.iter_mut().find(|it| it.room == next.room) {
            Some(queued) if queued.why == Why::Found => *queued = next,
            Some(_) => {}
            None => self.queue.push_back(next),
        }
    }

    fn can_go_on(&self) -> bool {
        let has_work = !self.queue.is_empty() || (self.search.is_some() && !self.waits_for_log());
        has_work && !self.is_resting
    }

    fn waits_for_log(&self) -> bool {
        self.search.as_ref().is_some_and(|it| it.is_asked)
    }
}

impl Followers {
    /// A connection reads several rooms in one stream: these, and those of these patterns.
    pub(super) fn begin(&mut self, id: ConnectionId, rooms: &[RoomName], patterns: &[Box<str>]) {
        let options = JoinOptions::default;
        let mut follower = Follower {
            patterns: patterns
                .iter()
                .map(|it| Followed::new(it, options()))
                .collect(),
            search: (!patterns.is_empty()).then(Search::default),
            ..Follower::default()
        };
        for room in rooms {
            follower.push(room, Why::Named);
        }
        self.by_connection.insert(id, follower);
        self.get_ready(id);
    }

    /// A connection follows a pattern. Says whether it may follow one more.
    pub(super) fn follow(&mut self, id: ConnectionId, pattern: &str, options: JoinOptions) -> bool {
        let follower = self.by_connection.entry(id).or_default();
        let count = follower.patterns.len();
        let mut others = follower.patterns.iter_mut();
        match others.find(|it| *it.text == *pattern) {
            Some(same) => same.options = options,
            None if count >= MAX_FOLLOWED => return false,
            None => follower.patterns.push(Followed::new(pattern, options)),
        }
        follower.is_told = false;
        self.search_again(id);
        true
    }

    /// A connection does not follow a pattern any more. Gives the rooms that it has led to, and no other does; `None` if it
    /// did not follow it.
    pub(super) fn unfollow(&mut self, id: ConnectionId, pattern: &str) -> Option<Vec<RoomName>> {
        let follower = self.by_connection.get_mut(&id)?;
        let mut patterns = follower.patterns.iter();
        let place = patterns.position(|it| *it.text == *pattern)?;
        follower.patterns.remove(place);
        follower.is_told = false;
        // The search goes on with the patterns that are left.
        follower.search = follower.search.take().map(|_| Search::default());
        let (queue, rooms) = (
            std::mem::take(&mut follower.queue),
            std::mem::take(&mut follower.rooms),
        );
        let is_wanted = |it: &ToEnter| follower.matching(&it.room).is_some();
        let queue = queue.into_iter().filter(is_wanted).collect();
        let is_followed = |it: &RoomName| follower.matching(it).is_some();
        let (rooms, left) = rooms.into_iter().partition(is_followed);
        (follower.queue, follower.rooms) = (queue, rooms);
        match follower.patterns.is_empty() {
            true => self.forget(id),
            false => self.get_ready(id),
        }
        Some(Vec::from_iter::<BTreeSet<_>>(left))
    }

    /// Whether nobody follows anything.
    pub(super) fn is_empty(&self) -> bool {
        self.by_connection.is_empty()
    }

    /// The next of those who can go on.
    pub(super) fn pop_ready(&mut self) -> Option<ConnectionId> {
        let id = self.ready.pop_front()?;
        if let Some(follower) = self.by_connection.get_mut(&id) {
            follower.is_ready = false;
        }
        Some(id)
    }

    /// How many can go on.
    pub(super) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Whether a room is being offered.
    pub(super) fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// The next room for a connection to come into.
    pub(super) fn next_room(&mut self, id: ConnectionId) -> Option<ToEnter> {
        self.by_connection.get_mut(&id)?.queue.pop_front()
    }

    /// Whether a connection follows patterns.
    pub(super) fn has_patterns(&self, id: ConnectionId) -> bool {
        let follower = self.by_connection.get(&id);
        follower.is_some_and(|it| !it.patterns.is_empty())
    }

    /// The same room again, later. Says whether it is: not after so many tries.
    pub(super) fn put_off(&mut self, id: ConnectionId, mut next: ToEnter, until_ms: u64) -> bool {
        next.tries += 1;
        let is_put_off = next.tries < MAX_ENTRY_TRIES;
        if let Some(follower) = self.by_connection.get_mut(&id) {
            if is_put_off {
                follower.put_off(next);
            }
            self.rest(id, until_ms);
        }
        is_put_off
    }

    /// A connection goes on later.
    pub(super) fn rest(&mut self, id: ConnectionId, until_ms: u64) {
        if let Some(follower) = self.by_connection.get_mut(&id)
            && !std::mem::replace(&mut follower.is_resting, true)
        {
            self.resting.push_back((until_ms, id));
        }
    }

    /// Those whose time has come go on.
    pub(super) fn end_rests(&mut self, now_ms: u64) {
        while let Some(&(until_ms, id)) = self.resting.front()
            && until_ms <= now_ms
        {
            self.resting.pop_front();
            if let Some(follower) = self.by_connection.get_mut(&id) {
                follower.is_resting = false;
                self.get_ready(id);
            }
        }
    }

    /// When the next one goes on.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.resting.front().map(|(until_ms, _)| *until_ms)
    }

    /// The same room again, at once.
    pub(super) fn put_back(&mut self, id: ConnectionId, next: ToEnter) {
        if let Some(follower) = self.by_connection.get_mut(&id) {
            follower.queue.push_front(next);
            self.get_ready(id);
        }
    }

    /// What a follower wants to be told of a room; `None` if it follows no pattern that matches it.
    pub(super) fn options_for(&self, id: ConnectionId, room: &RoomName) -> Option<JoinOptions> {
        let followed = self.by_connection.get(&id)?.matching(room)?;
        Some(followed.options.clone())
    }

    /// A follower has come into a room by its patterns.
    pub(super) fn on_entered(&mut self, id: ConnectionId, room: RoomName) {
        if let Some(follower) = self.by_connection.get_mut(&id) {
            follower.rooms.insert(room);
        }
    }

    /// A follower cannot come into more rooms. Says whether it is to be told.
    pub(super) fn on_full(&mut self, id: ConnectionId) -> bool {
        let follower = self.by_connection.get_mut(&id);
        follower.is_some_and(|it| !std::mem::replace(&mut it.is_told, true))
    }

    /// Whether a connection has rooms to come into, or to look for.
    pub(super) fn has_work(&self, id: ConnectionId) -> bool {
        self.by_connection.get(&id).is_some_and(Follower::has_work)
    }

    /// Whether somebody can go on, or is to be offered a room.
    pub(super) fn is_busy(&self) -> bool {
        !self.ready.is_empty() || self.offered.is_some()
    }

    /// A connection has taken all that it was sent.
    pub(super) fn on_drained(&mut self, id: ConnectionId) {
        if !self.by_connection.is_empty() {
            self.get_ready(id);
        }
    }

    /// A connection is in a room because it has named it, or is not in it any more.
    pub(super) fn forget_room(&mut self, id: ConnectionId, room: &RoomName) {
        if let Some(follower) = self.by_connection.get_mut(&id) {
            follower.rooms.remove(room);
            follower.is_told = false;
        }
    }

    /// A connection may read other rooms than before.
    pub(super) fn search_again(&mut self, id: ConnectionId) {
        if let Some(follower) = self.by_connection.get_mut(&id)
            && !follower.patterns.is_empty()
        {
            follower.search = Some(Search::default());
            self.get_ready(id);
        }
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.by_connection.remove(&id);
    }

    /// Checks that nothing is kept of connections that are gone, and that whoever has work comes to do it.
    pub(super) fn check(
        &self,
        is_here: impl Fn(ConnectionId) -> bool,
        is_busy: impl Fn(ConnectionId) -> bool,
    ) -> Result<(), String> {
        for (id, follower) in &self.by_connection {
            if !is_here(*id) {
                return Err("a connection follows rooms that is gone".to_owned());
            }
            let waits = follower.is_ready || follower.is_resting || follower.waits_for_log();
            if follower.has_work() && !waits && !is_busy(*id) {
                return Err("a follower waits for nothing".to_owned());
            }
        }
        Ok(())
    }

    /// A connection can go on, if it has something to do.
    pub(super) fn get_ready(&mut self, id: ConnectionId) {
        if let Some(follower) = self.by_connection.get_mut(&id)
            && follower.can_go_on()
            && !std::mem::replace(&mut follower.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    /// Offers a room that has begun to the next follower. Says how many patterns were tried; `None`: there is none.
    pub(super) fn offer_next(&mut self, chat: &mut Chat) -> Option<usize> {
        if chat.take_missed_beginnings() {
            let all: Vec<_> = self.by_connection.keys().copied().collect();
            all.iter().for_each(|id| self.search_again(*id));
            return Some(all.len());
        }
        let (room, offset, last) = match self.offered.take() {
            Some(offered) => offered,
            None => {
                let (room, offset) = chat.take_begun_room()?;
                (room, offset, None)
            }
        };
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let Some((&id, follower)) = self
            .by_connection
            .range_mut((from, Bound::Unbounded))
            .next()
        else {
            return Some(0);
        };
        let tried = follower.patterns.len();
        if follower.matching(&room).is_some() {
            follower.push(&room, Why::Begun(offset));
            self.get_ready(id);
        }
        self.offered = Some((room, offset, Some(id)));
        Some(tried)
    }
}
