//! All subscriptions, by what they are found by, and how many each person may have.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::subscription::{Person, Subscription};
use crate::codec::json::push::PushKind;
use crate::core::chat::{Name, Owner, PublicId, keys_of_name};
use crate::limits::{MAX_PUSH_PER_ADDRESS, MAX_PUSH_PER_PERSON, MAX_PUSH_SUBSCRIPTIONS};

/// Why there is no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum TooManyPush {
    Person,
    Address,
    Server,
}

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// By their numbers, from 1 on, which are never given again.
    all: BTreeMap<u64, Subscription>,
    by_endpoint: BTreeMap<Box<str>, u64>,
    by_id: BTreeMap<Box<str>, u64>,
    by_owner: BTreeMap<Owner, BTreeSet<u64>>,
    /// Those of visitors of an open parlor.
    by_visitor: BTreeMap<PublicId, BTreeSet<u64>>,
    /// By what the names of persons are compared by.
    by_name: BTreeMap<Box<str>, BTreeSet<u64>>,
    /// By when they end, in milliseconds since 1970.
    ending: BTreeSet<(u64, u64)>,
    last: u64,
    /// How many want each kind.
    kinds: BTreeMap<PushKind, usize>,
    /// Another if the list of a room may be.
    generation: u64,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Subscription> {
        self.all.get(&number)
    }

    pub(super) fn all(&self) -> &BTreeMap<u64, Subscription> {
        &self.all
    }

    /// The next after a number.
    pub(super) fn after(&self, number: u64) -> Option<(u64, &Subscription)> {
        let mut rest = self.all.range(number + 1..);
        rest.next().map(|(number, it)| (*number, it))
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether anybody wants to be told of that.
    pub(super) fn is_any_for(&self, kind: PushKind) -> bool {
        self.kinds.get(&kind).is_some_and(|count| *count > 0)
    }

    pub(super) fn by_endpoint(&self, endpoint: &str) -> Option<u64> {
        self.by_endpoint.get(endpoint).copied()
    }

    pub(super) fn by_id(&self, id: &str) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    pub(super) fn of_owner(&self, owner: &Owner) -> Vec<u64> {
        let found = self.by_owner.get(owner);
        found.map_or_else(Vec::new, |it| it.iter().copied().collect())
    }

    /// Those of people whose names are compared by one of these keys.
    pub(super) fn by_keys(&self, keys: &[Box<str>]) -> BTreeSet<u64> {
        let found = keys.iter().filter_map(|key| self.by_name.get(key));
        found.flatten().copied().collect()
    }

    /// The next that has ended.
    pub(super) fn next_ended(&self, unix_ms: u64) -> Option<u64> {
        let (ends_ms, number) = self.ending.first()?;
        (*ends_ms <= unix_ms).then_some(*number)
    }

    /// Whether there is place for one more like this.
    fn check_place(&self, one: &Subscription) -> Result<(), TooManyPush> {
        let count = |owner| self.by_owner.get(owner).map_or(0, BTreeSet::len);
        let of_person = match (&one.person, one.owner()) {
            (_, owner @ Owner::Holder(_)) => count(owner),
            (Some(Person::Visitor { id, .. }), _) => {
                self.by_visitor.get(id).map_or(0, BTreeSet::len)
            }
            _ => 0,
        };
        let is_address = matches!(one.owner(), Owner::Address(_));
        if of_person >= MAX_PUSH_PER_PERSON {
            Err(TooManyPush::Person)
        } else if is_address && count(one.owner()) >= MAX_PUSH_PER_ADDRESS {
            Err(TooManyPush::Address)
        } else if self.all.len() >= MAX_PUSH_SUBSCRIPTIONS {
            Err(TooManyPush::Server)
        } else {
            Ok(())
        }
    }

    /// Adds one, in the place of one with the same address. Gives its number.
    pub(super) fn put(&mut self, one: Subscription) -> Result<u64, TooManyPush> {
        self.put_new_as(self.last + 1, one)
    }

    /// The same under a number that all nodes give it.
    pub(super) fn put_shared(&mut self, one: Subscription) -> Result<u64, TooManyPush> {
        self.put_new_as(one.shared_number(), one)
    }

    /// One that another node has put there, in the place of what has its number.
    pub(super) fn put_as(&mut self, number: u64, one: Subscription) {
        let before = self.remove(number);
        if !before.is_some_and(|it| it.wants_the_same(&one)) {
            self.generation += 1;
        }
        if !self.by_endpoint.contains_key(one.endpoint()) {
            self.last = self.last.max(number);
            self.insert(number, one);
        }
    }

    fn put_new_as(&mut self, new: u64, one: Subscription) -> Result<u64, TooManyPush> {
        let Some(number) = self.by_endpoint(one.endpoint()) else {
            self.check_place(&one)?;
            self.last = self.last.max(new);
            self.insert(new, one);
            self.generation += 1;
            return Ok(new);
        };
        let Some(before) = self.remove(number) else {
            return Ok(number);
        };
        if let Err(refused) = self.check_place(&one) {
            self.insert(number, before);
            return Err(refused);
        }
        if !before.wants_the_same(&one) {
            self.generation += 1;
        }
        self.insert(number, before.replaced_by(one));
        Ok(number)
    }

    /// One that was told, or kept, under a number.
    pub(super) fn restore(&mut self, number: u64, one: Subscription) {
        self.last = self.last.max(number);
        if !self.by_endpoint.contains_key(one.endpoint()) && !self.all.contains_key(&number) {
            self.insert(number, one);
            self.generation += 1;
        }
    }

    /// Numbers up to this one were given.
    pub(super) fn count_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    fn insert(&mut self, number: u64, one: Subscription) {
        self.by_endpoint.insert(one.endpoint().into(), number);
        if let Some(id) = one.id() {
            self.by_id.insert(id.into(), number);
        }
        let owned = self.by_owner.entry(one.owner().clone()).or_default();
        owned.insert(number);
        if let Some(Person::Visitor { id, .. }) = &one.person {
            self.by_visitor.entry(*id).or_default().insert(number);
        }
        for key in keys_of(&one) {
            self.by_name.entry(key).or_default().insert(number);
        }
        for kind in kinds_of(&one) {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.ending.insert((one.ends_ms(), number));
        self.all.insert(number, one);
    }

    /// Takes one out. What waits for lists of rooms finds that it is gone.
    pub(super) fn remove(&mut self, number: u64) -> Option<Subscription> {
        let one = self.all.remove(&number)?;
        self.by_endpoint.remove(one.endpoint());
        // Another may have the id by now.
        if let Some(id) = one.id().filter(|id| self.by_id(id) == Some(number)) {
            self.by_id.remove(id);
        }
        take_out(&mut self.by_owner, one.owner(), number);
        if let Some(Person::Visitor { id, .. }) = &one.person {
            take_out(&mut self.by_visitor, id, number);
        }
        for key in keys_of(&one) {
            take_out(&mut self.by_name, &key, number);
        }
        for kind in kinds_of(&one) {
            *self.kinds.entry(kind).or_default() -= 1;
        }
        self.ending.remove(&(one.ends_ms(), number));
        Some(one)
    }

    /// A visitor of an open parlor has this name now: nobody else is told of what is said to it. Gives the numbers of those that
    /// are others now.
    pub(super) fn on_named(&mut self, id: PublicId, name: &Name) -> Vec<u64> {
        let mut changed = self.by_keys(&keys_of_name(name));
        changed.extend(self.by_visitor.get(&id).into_iter().flatten());
        let shown: Rc<str> = name.to_string().into();
        let mut others = Vec::new();
        for number in changed {
            let Some(Person::Visitor { id: whose, name }) =
                self.all.get(&number).and_then(|it| it.person.clone())
            else {
                continue;
            };
            let now = (whose == id).then(|| Rc::clone(&shown));
            if name != now
                && let Some(mut one) = self.remove(number)
            {
                one.person = Some(Person::Visitor {
                    id: whose,
                    name: now,
                });
                self.insert(number, one);
                others.push(number);
            }
        }
        others
    }

    /// Checks that all is found by what it has.
    pub(super) fn check(&self) -> Result<(), String> {
        use crate::core::ensure::ensure;
        let mut again = Self::default();
        for (number, one) in &self.all {
            again.insert(*number, one.clone());
        }
        let kinds = |kinds: &BTreeMap<PushKind, usize>| {
            let some = kinds.iter().filter(|(_, count)| **count > 0);
            some.map(|(kind, count)| (*kind, *count))
                .collect::<Vec<_>>()
        };
        ensure(
            self.by_endpoint == again.by_endpoint
                && self.by_id == again.by_id
                && self.by_owner == again.by_owner
                && self.by_visitor == again.by_visitor
                && self.by_name == again.by_name
                && self.ending == again.ending
                && kinds(&self.kinds) == kinds(&again.kinds),
            "subscriptions are not found by what they have",
        )?;
        ensure(
            self.all.len() <= MAX_PUSH_SUBSCRIPTIONS,
            "there are more subscriptions than there may be",
        )
    }
}

fn keys_of(one: &Subscription) -> Vec<Box<str>> {
    let name = one.person.as_ref().and_then(Person::name);
    name.map_or_else(Vec::new, |name| {
        keys_of_name(&Name::Chosen(Rc::clone(name)))
    })
}

fn kinds_of(one: &Subscription) -> impl Iterator<Item = PushKind> {
    let all = [
        PushKind::Alarm,
        PushKind::Direct,
        PushKind::Mention,
        PushKind::Message,
    ];
    all.into_iter().filter(|kind| one.wants(*kind))
}

fn take_out<K: Ord>(lists: &mut BTreeMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    if let Some(list) = lists.get_mut(key) {
        list.remove(&number);
        if list.is_empty() {
            lists.remove(key);
        }
    }
}
