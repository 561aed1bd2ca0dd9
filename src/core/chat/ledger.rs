//! Who holds how much of what all rooms share, so that whoever fills it is the first to lose some of it.
//!
//! Every question of the form 'who has most?' is one look at an index that is kept as things change: no message pays for
//! the number of rooms.

mod account;
mod check;
pub(super) mod entry;
pub(super) mod state;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slab::Slab;

use crate::core::chat::owner::Owner;
use crate::core::pace::Pace;
use crate::limits::{MAX_OWNERS, POSTS_PER_COMMAND, SHARES};
use crate::settings::Limits;
use account::Account;
pub(super) use check::Contents;
use entry::class;
pub(super) use entry::{Dormant, OwnedMessages, StateKey};
pub(in crate::core) use entry::{Holdings, OwnerId};

/// Somebody does something too often, and may do it again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct TooFastError {
    pub(in crate::core) retry_ms: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    ids: BTreeMap<Owner, OwnerId>,
    accounts: Slab<Account>,
    /// Owners that held nothing when they were put here; some may hold something again.
    idle: VecDeque<OwnerId>,
    /// By the size class of their messages.
    by_messages: BTreeSet<(u32, OwnerId)>,
    by_state: BTreeSet<(usize, OwnerId)>,
    /// By their rooms that nobody is in, without and with state.
    by_rooms: [BTreeSet<(usize, OwnerId)>; 2],
    message_bytes: usize,
    state_bytes: usize,
    /// Counts what was used, so that it is known what was used least recently.
    uses: u64,
    begins: Pace,
    /// The same of this machine, behind which there may be many.
    begins_here: Pace,
    posts: Pace,
    /// How often it was looked who has most.
    #[cfg(test)]
    pub(super) looks: std::cell::Cell<u64>,
}

impl Ledger {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut accounts = Slab::new();
        accounts.insert(Account::default());
        let [begins, begins_here, posts] = paces(limits);
        Self {
            ids: BTreeMap::new(),
            accounts,
            idle: VecDeque::new(),
            by_messages: BTreeSet::new(),
            by_state: BTreeSet::new(),
            by_rooms: Default::default(),
            message_bytes: 0,
            state_bytes: 0,
            uses: 0,
            begins,
            begins_here,
            posts,
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }

    /// Other limits hold from now on.
    pub(super) fn reconfigure(&mut self, limits: &Limits) {
        [self.begins, self.begins_here, self.posts] = paces(limits);
    }

    /// The account of an owner, which is opened if there is none, and place for it.
    pub(super) fn open(&mut self, owner: &Owner, now_ms: u64) -> OwnerId {
        if let Some(&id) = self.ids.get(owner) {
            return id;
        }
        self.tidy(now_ms);
        if self.accounts.len() > MAX_OWNERS {
            return OwnerId::OTHERS;
        }
        let account = Account {
            owner: Some(owner.clone()),
            is_idle: true,
            ..Account::default()
        };
        let id = OwnerId(self.accounts.insert(account) as u32);
        self.ids.insert(owner.clone(), id);
        self.idle.push_back(id);
        id
    }

    /// Bytes of memory of all messages, but for state.
    pub(super) fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// Bytes of memory of the state of all keys.
    pub(super) fn state_bytes(&self) -> usize {
        self.state_bytes
    }

    /// How many rooms an owner has begun.
    pub(super) fn rooms_of(&self, id: OwnerId) -> usize {
        self.account(id).rooms
    }

    /// Whether it is one whom many who are not told apart may stand behind.
    pub(super) fn is_many(&self, id: OwnerId) -> bool {
        let owner = &self.account(id).owner;
        owner.as_ref().is_none_or(Owner::is_this_machine)
    }

    /// Whether an owner may begin another room now.
    pub(super) fn may_begin(&mut self, id: OwnerId, now_ms: u64) -> Result<(), TooFastError> {
        let pace = match self.is_many(id) {
            true => self.begins_here,
            false => self.begins,
        };
        let bucket = &mut self.accounts[id.0 as usize].begins;
        let taken = bucket.take_or_wait(&pace, now_ms);
        taken.map_err(|retry_ms| TooFastError { retry_ms })
    }

    /// The same of a POST.
    pub(super) fn may_post(&mut self, id: OwnerId, now_ms: u64) -> Result<(), TooFastError> {
        let bucket = &mut self.accounts[id.0 as usize].posts;
        let taken = bucket.take_or_wait(&self.posts, now_ms);
        taken.map_err(|retry_ms| TooFastError { retry_ms })
    }

    /// One of them counts for so many more.
    pub(super) fn charge_posts(&mut self, id: OwnerId, count: usize, now_ms: u64) {
        let bucket = &mut self.accounts[id.0 as usize].posts;
        bucket.charge(&self.posts, count, now_ms);
    }

    /// An owner has begun a room.
    pub(super) fn add_room(&mut self, id: OwnerId) {
        self.accounts[id.0 as usize].rooms += 1;
    }

    /// It has ended, and was not dormant.
    pub(super) fn remove_room(&mut self, id: OwnerId) {
        self.accounts[id.0 as usize].rooms -= 1;
        self.note_idle(id);
    }

    /// Nobody is in a room any more, which holds state or not. Gives what `wake_room` wants to have.
    pub(super) fn lay_room(&mut self, id: OwnerId, room: usize, has_state: bool) -> Dormant {
        self.uses += 1;
        let dormant = Dormant {
            has_state,
            used: self.uses,
        };
        self.change_dormant(id, has_state, |rooms| {
            rooms.insert((dormant.used, room));
        });
        dormant
    }

    /// Somebody is in it again, or it is used, or ends.
    pub(super) fn wake_room(&mut self, id: OwnerId, room: usize, dormant: Dormant) {
        self.change_dormant(id, dormant.has_state, |rooms| {
            rooms.remove(&(dormant.used, room));
        });
    }

    /// The room that one owner can lose first.
    pub(super) fn first_forgettable_of(&self, id: OwnerId) -> Option<usize> {
        let (_, room) = self.account(id).dormant[0].first()?;
        Some(*room)
    }

    /// The room that ends first so that another can begin: of those that hold no state, that of whoever has most of these,
    /// unless they have begun fewer rooms than the one for whom it would be, who then loses one of their own; then one with
    /// state, of somebody who has more than `share`, and more than the one for whom it would be.
    pub(super) fn first_to_end(&self, for_id: OwnerId, share: usize) -> Option<usize> {
        let [plain, stateful] = &self.by_rooms;
        let most = self.look(plain).map(|(_, id)| id);
        let most = most.filter(|id| self.rooms_of(*id) >= self.rooms_of(for_id));
        let forgettable = self.first_forgettable_of(most.unwrap_or(for_id));
        if forgettable.is_some() {
            return forgettable;
        }
        let (_, id) = self.look(stateful)?;
        let account = self.account(id);
        if account.rooms <= share.max(self.rooms_of(for_id)) {
            return None;
        }
        account.dormant[1].first().map(|(_, room)| *room)
    }

    /// The messages of an owner that a room remembers take so many bytes now.
    pub(super) fn on_messages(
        &mut self,
        id: OwnerId,
        room: usize,
        owned: &mut OwnedMessages,
        after: usize,
    ) {
        let account = &mut self.accounts[id.0 as usize];
        let before = std::mem::replace(&mut owned.bytes, after);
        if class(before) != class(after) {
            account
                .messages
                .remove(&(Reverse(class(before)), owned.classed_at));
            if after > 0 {
                self.uses += 1;
                owned.classed_at = self.uses;
                account
                    .messages
                    .insert((Reverse(class(after)), owned.classed_at), room);
            }
        }
        let was = account.message_bytes;
        account.message_bytes = was + after - before;
        let is = account.message_bytes;
        if class(was) != class(is) {
            self.by_messages.remove(&(class(was), id));
            if is > 0 {
                self.by_messages.insert((class(is), id));
            }
        }
        self.message_bytes = self.message_bytes + after - before;
        if is == 0 {
            self.note_idle(id);
        }
    }

    /// The room in which the oldest message is forgotten first: that in which whoever has most has most.
    pub(super) fn room_with_most_messages(&self) -> Option<usize> {
        let (_, id) = self.look(&self.by_messages)?;
        let (_, room) = self.account(id).messages.first_key_value()?;
        Some(*room)
    }

    /// A value is state from now on. Gives what `remove_state` wants to have.
    pub(super) fn add_state(&mut self, id: OwnerId, state_key: StateKey, bytes: usize) -> u64 {
        self.uses += 1;
        let used = self.uses;
        let value = (Reverse(class(bytes)), used);
        self.accounts[id.0 as usize].state.insert(value, state_key);
        self.change_state(id, |held| held + bytes);
        used
    }

    /// It is none any more.
    pub(super) fn remove_state(&mut self, id: OwnerId, used: u64, bytes: usize) {
        let value = (Reverse(class(bytes)), used);
        self.accounts[id.0 as usize].state.remove(&value);
        self.change_state(id, |held| held - bytes);
        self.note_idle(id);
    }

    /// The value that is forgotten first so that another of `bytes` can be kept: the largest of whoever has most, if that
    /// is more than `share`, and more than the one has for whom it would be. Of many who are not told apart, whoever has the
    /// larger value loses it.
    pub(super) fn first_state_to_go(
        &self,
        for_id: OwnerId,
        bytes: usize,
        share: usize,
    ) -> Option<StateKey> {
        let (_, id) = self.look(&self.by_state)?;
        let account = self.account(id);
        let (value, state_key) = account.state.first_key_value()?;
        let may = if id == for_id {
            self.is_many(id) && value.0.0 > class(bytes)
        } else {
            account.state_bytes > share.max(self.account(for_id).state_bytes)
        };
        may.then(|| state_key.clone())
    }

    /// The largest value of whoever has most.
    pub(super) fn largest_state(&self) -> Option<StateKey> {
        let (_, id) = self.look(&self.by_state)?;
        let (_, state_key) = self.account(id).state.first_key_value()?;
        Some(state_key.clone())
    }

    /// The owners that hold most, those with most state first.
    pub(super) fn holdings(&self, limit: usize) -> Vec<Holdings> {
        let mut all: Vec<Holdings> = self.accounts.iter().map(|(_, it)| it.holdings()).collect();
        all.retain(|it| it.rooms + it.message_bytes + it.state_bytes > 0);
        all.sort_by_key(|it| {
            Reverse((
                it.state_bytes + it.message_bytes,
                it.rooms,
                it.owner.clone(),
            ))
        });
        all.truncate(limit);
        all
    }

    /// The account of an owner, if there is one.
    pub(super) fn find(&self, owner: &Owner) -> Option<OwnerId> {
        self.ids.get(owner).copied()
    }

    /// Where the state is kept that an owner has.
    pub(super) fn state_of(&self, id: OwnerId) -> Vec<StateKey> {
        self.account(id).state.values().cloned().collect()
    }

    /// The rooms that an owner has begun and nobody is in.
    pub(super) fn dormant_of(&self, id: OwnerId) -> Vec<usize> {
        let rooms = self.account(id).dormant.iter().flatten();
        rooms.map(|(_, room)| *room).collect()
    }

    #[cfg(test)]
    pub(super) fn account_count(&self) -> usize {
        self.accounts.len()
    }

    fn account(&self, id: OwnerId) -> &Account {
        &self.accounts[id.0 as usize]
    }

    fn look<T: Copy + Ord>(&self, index: &BTreeSet<T>) -> Option<T> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        index.last().copied()
    }

    fn change_dormant(
        &mut self,
        id: OwnerId,
        has_state: bool,
        change: impl FnOnce(&mut BTreeSet<(u64, usize)>),
    ) {
        let which = usize::from(has_state);
        let rooms = &mut self.accounts[id.0 as usize].dormant[which];
        let was = rooms.len();
        change(rooms);
        let is = rooms.len();
        reindex(&mut self.by_rooms[which], id, was, is);
    }

    fn change_state(&mut self, id: OwnerId, change: impl FnOnce(usize) -> usize) {
        let held = &mut self.accounts[id.0 as usize].state_bytes;
        let was = *held;
        *held = change(was);
        let is = *held;
        self.state_bytes = self.state_bytes + is - was;
        reindex(&mut self.by_state, id, was, is);
    }

    fn note_idle(&mut self, id: OwnerId) {
        let account = &mut self.accounts[id.0 as usize];
        if id != OwnerId::OTHERS && !account.is_idle && account.holds_nothing() {
            account.is_idle = true;
            self.idle.push_back(id);
        }
    }

    /// Looks at two of those who held nothing, since no more than one can have become one since the last time, and closes
    /// the accounts that are as good as new.
    fn tidy(&mut self, now_ms: u64) {
        for _ in 0..2 {
            let Some(id) = self.idle.pop_front() else {
                return;
            };
            let account = &mut self.accounts[id.0 as usize];
            if !account.holds_nothing() {
                account.is_idle = false;
            } else if !account.is_as_new(now_ms) {
                self.idle.push_back(id);
            } else if let Some(owner) = self.accounts.remove(id.0 as usize).owner {
                self.ids.remove(&owner);
            }
        }
    }
}

/// How often rooms may begin, on this machine, too, and how often POSTs come.
fn paces(limits: &Limits) -> [Pace; 3] {
    let begins = |burst| {
        let burst = u32::try_from(burst).unwrap_or(u32::MAX);
        Pace::new(limits.rate, burst.max(2 * limits.rate))
    };
    [
        begins(limits.max_rooms / SHARES),
        begins(limits.max_rooms / 2),
        Pace::per_second(limits.rate.saturating_mul(POSTS_PER_COMMAND)),
    ]
}

fn reindex(index: &mut BTreeSet<(usize, OwnerId)>, id: OwnerId, was: usize, is: usize) {
    if was != is {
        index.remove(&(was, id));
        if is > 0 {
            index.insert((is, id));
        }
    }
}
