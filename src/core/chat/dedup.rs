//! Messages that were sent twice because their sender could not know that they had arrived.

pub(super) mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::core::chat::owner::Owner;
use crate::core::chat::person::PersonId;
use crate::core::chat::room_name::RoomName;
use crate::core::ensure::ensure;
use crate::limits::{DEDUP_MS, MAX_DEDUP};

/// Whose id of a message it is. A retry may come on another connection, and at another door, but nobody else's message is
/// taken for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum Sender {
    /// That of someone without a token, at a door at which one can take a name.
    Person(PersonId),
    /// That of whoever holds a token, or of all who post from an address and say no name.
    Owner(Owner),
    /// That of whoever posts from an address under this name.
    Named(Owner, Rc<str>),
    /// That of servers, which say the same of a value whichever of them says it.
    Server,
}

impl Sender {
    /// Whose ids a person's are, who is counted for this owner.
    pub(in crate::core) fn of(person: PersonId, owner: &Owner) -> Self {
        match owner {
            Owner::Holder(_) => Self::Owner(owner.clone()),
            Owner::Address(_) => Self::Person(person),
        }
    }

    /// The text by which it is kept. No name holds a line break.
    pub(in crate::core) fn to_text(&self) -> String {
        match self {
            Self::Person(PersonId(number)) => format!("person {number:x}"),
            Self::Owner(owner) => format!("owner {}", owner.to_text()),
            Self::Server => "server".to_owned(),
            Self::Named(owner, name) => format!("named {}\n{name}", owner.to_text()),
        }
    }

    /// That of which this is the text.
    pub(in crate::core) fn from_text(text: &str) -> Option<Self> {
        if text == "server" {
            return Some(Self::Server);
        }
        match text.split_once(' ')? {
            ("person", number) => {
                let number = u64::from_str_radix(number, 16).ok()?;
                Some(Self::Person(PersonId(number)))
            }
            ("owner", owner) => Owner::from_text(owner).map(Self::Owner),
            ("named", named) => {
                let (owner, name) = named.split_once('\n')?;
                Some(Self::Named(Owner::from_text(owner)?, name.into()))
            }
            _ => None,
        }
    }
}

/// In which log a message is: the room by its name, and which of those that had it, since offsets begin anew with each.
pub(super) type Log = (RoomName, u64);

/// Whose message it is, and what they call it.
type Name = (Log, Sender, Box<str>);

/// The ids that come from one owner, of one sender in one log: among them the oldest makes room for another.
type Group = (Owner, Log, Sender);

/// The senders' own ids of the messages of the last two minutes, and the offsets these got.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    offsets: BTreeMap<Name, u64>,
    /// By age: each with its number, and when it is forgotten.
    by_age: BTreeMap<u64, Id>,
    next: u64,
    /// The numbers of a group's ids, the oldest first.
    groups: BTreeMap<Group, VecDeque<u64>>,
    /// How many ids each owner has, and each of its groups.
    counts: BTreeMap<Owner, usize>,
    owners: BTreeSet<(usize, Owner)>,
    sizes: BTreeMap<Owner, BTreeSet<(usize, Log, Sender)>>,
}

#[derive(Debug)]
struct Id {
    until_ms: u64,
    owner: Owner,
    name: Name,
}

impl Dedup {
    /// The offset that the message of this name got.
    pub(super) fn find(
        &mut self,
        log: Log,
        sender: &Sender,
        name: &str,
        now_ms: u64,
    ) -> Option<u64> {
        while let Some((&number, id)) = self.by_age.first_key_value()
            && id.until_ms <= now_ms
        {
            self.forget(number);
        }
        self.offsets
            .get(&(log, sender.clone(), name.into()))
            .copied()
    }

    /// The message of this name got this offset. When there are too many ids, whoever has most loses the oldest of those
    /// that it has most of.
    pub(super) fn remember(
        &mut self,
        log: Log,
        sender: &Sender,
        name: &str,
        offset: u64,
        owner: &Owner,
        now_ms: u64,
    ) {
        if self.by_age.len() >= MAX_DEDUP {
            self.forget_of_most();
        }
        let number = self.next;
        self.next += 1;
        let name: Name = (log.clone(), sender.clone(), name.into());
        self.offsets.insert(name.clone(), offset);
        let id = Id {
            until_ms: now_ms + DEDUP_MS,
            owner: owner.clone(),
            name,
        };
        self.by_age.insert(number, id);
        let group = (owner.clone(), log, sender.clone());
        self.groups
            .entry(group.clone())
            .or_default()
            .push_back(number);
        self.recount(group, |count| count + 1);
    }

    fn forget_of_most(&mut self) {
        let most = self.owners.last().and_then(|(_, owner)| {
            let (_, log, sender) = self.sizes.get(owner)?.last()?;
            Some((owner.clone(), log.clone(), sender.clone()))
        });
        let oldest = most.and_then(|group| self.groups.get(&group)?.front().copied());
        if let Some(number) = oldest {
            self.forget(number);
        }
    }

    /// Forgets an id, which is the oldest of its group.
    fn forget(&mut self, number: u64) {
        let Some(Id { owner, name, .. }) = self.by_age.remove(&number) else {
            return;
        };
        self.offsets.remove(&name);
        let (log, sender, _) = name;
        let group = (owner, log, sender);
        if let Some(numbers) = self.groups.get_mut(&group) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.groups.remove(&group);
            }
        }
        self.recount(group, |count| count - 1);
    }

    /// A group has one id more, or one fewer.
    fn recount(&mut self, group: Group, change: impl Fn(usize) -> usize) {
        let size = self.groups.get(&group).map_or(0, VecDeque::len);
        let (owner, log, sender) = group;
        let count = self.counts.get(&owner).copied().unwrap_or(0);
        let is = change(count);
        self.owners.remove(&(count, owner.clone()));
        let sizes = self.sizes.entry(owner.clone()).or_default();
        // It was one fewer, or one more, whichever of the two it was.
        for was in [size.wrapping_sub(1), size + 1] {
            sizes.remove(&(was, log.clone(), sender.clone()));
        }
        if size > 0 {
            sizes.insert((size, log, sender));
        }
        if is == 0 {
            self.sizes.remove(&owner);
            self.counts.remove(&owner);
        } else {
            self.owners.insert((is, owner.clone()));
            self.counts.insert(owner, is);
        }
    }

    /// Checks that all that is known of ids is the same.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut counts: BTreeMap<&Owner, usize> = BTreeMap::new();
        for ((owner, log, sender), numbers) in &self.groups {
            *counts.entry(owner).or_default() += numbers.len();
            let sizes = self.sizes.get(owner);
            let is_known = sizes.is_some_and(|it| {
                let size = (numbers.len(), log.clone(), sender.clone());
                it.contains(&size)
            });
            ensure(is_known, "it is not known whose ids are most")?;
        }
        let total: usize = counts.values().sum();
        ensure(
            total == self.by_age.len() && total == self.offsets.len() && total <= MAX_DEDUP,
            "ids of messages are miscounted",
        )?;
        let is_same = self.counts.len() == counts.len()
            && counts.into_iter().all(|(owner, count)| {
                self.counts.get(owner) == Some(&count)
                    && self.owners.contains(&(count, owner.clone()))
            });
        let groups = self.sizes.values().map(BTreeSet::len).sum::<usize>();
        ensure(
            is_same && self.owners.len() == self.counts.len() && groups == self.groups.len(),
            "somebody's ids are miscounted",
        )
    }
}
