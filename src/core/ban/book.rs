//! All bans, found by names, addresses and rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use super::one::{Ban, Whom};
use crate::core::chat::{PersonName, RoomName};
use crate::core::now::Now;
use crate::limits::MAX_BANS;

/// There are as many bans as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct TooManyBans;

/// All bans that hold now.
#[derive(Debug, Default)]
pub(in crate::core) struct Bans {
    by_id: BTreeMap<Rc<str>, Entry>,
    /// Ids by the keys of names.
    people: BTreeMap<Box<str>, BTreeSet<Rc<str>>>,
    /// Ids by networks.
    networks: BTreeMap<IpNet, BTreeSet<Rc<str>>>,
    /// How many networks have a prefix of this length: an address is looked up once for each.
    lengths: BTreeMap<u8, usize>,
    /// When they end, on the clock of `Now::ms`.
    ends: BTreeSet<(u64, Rc<str>)>,
}

#[derive(Debug)]
struct Entry {
    ban: Ban,
    ends_ms: Option<u64>,
}

impl Bans {
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(in crate::core) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(in crate::core) fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.by_id.values().map(|entry| &entry.ban)
    }

    /// Adds a ban, in the place of one that has the same id.
    pub(in crate::core) fn put(&mut self, ban: Ban, now: Now) -> Result<(), TooManyBans> {
        let id: Rc<str> = ban.id().into();
        if self.remove(&id).is_none() && self.by_id.len() >= MAX_BANS {
            return Err(TooManyBans);
        }
        match ban.whom() {
            Whom::Person(name) => {
                for key in name.keys() {
                    let ids = self.people.entry(key.into()).or_default();
                    ids.insert(Rc::clone(&id));
                }
            }
            Whom::Network(network) => {
                let ids = self.networks.entry(*network).or_default();
                if ids.is_empty() {
                    *self.lengths.entry(network.prefix_len()).or_default() += 1;
                }
                ids.insert(Rc::clone(&id));
            }
        }
        let left_ms = ban.record().until.map(|it| it.saturating_sub(now.unix_ms));
        let ends_ms = left_ms.map(|left_ms| now.ms.saturating_add(left_ms));
        self.ends
            .extend(ends_ms.map(|ends_ms| (ends_ms, Rc::clone(&id))));
        self.by_id.insert(id, Entry { ban, ends_ms });
        Ok(())
    }

    /// Takes a ban out, if there is one with this id.
    pub(in crate::core) fn remove(&mut self, id: &str) -> Option<Ban> {
        let (id, Entry { ban, ends_ms }) = self.by_id.remove_entry(id)?;
        match ban.whom() {
            Whom::Person(name) => {
                for key in name.keys() {
                    forget(&mut self.people, key, &id);
                }
            }
            Whom::Network(network) => {
                if forget(&mut self.networks, network, &id) {
                    let length = network.prefix_len();
                    let count = self.lengths.remove(&length).unwrap_or(1) - 1;
                    self.lengths.extend((count > 0).then_some((length, count)));
                }
            }
        }
        if let Some(ends_ms) = ends_ms {
            self.ends.remove(&(ends_ms, id));
        }
        Some(ban)
    }

    /// The ban for which somebody is refused in a room, or, without one, everywhere: the one that lasts longest.
    pub(in crate::core) fn find(
        &self,
        name: Option<&PersonName>,
        ip: Option<IpAddr>,
        room: Option<&RoomName>,
    ) -> Option<&Ban> {
        let keys = name.into_iter().flat_map(PersonName::keys);
        let people = keys.filter_map(|key| self.people.get(key));
        let networks = ip.into_iter().flat_map(|ip| self.networks_of(ip));
        let ids = people.chain(networks).flatten();
        let bans = ids.filter_map(|id| self.by_id.get(id)).map(|it| &it.ban);
        bans.filter(|ban| ban.holds_in(room))
            .max_by_key(|ban| ban.record().until.unwrap_or(u64::MAX))
    }

    fn networks_of(&self, ip: IpAddr) -> impl Iterator<Item = &BTreeSet<Rc<str>>> {
        let ip = ip.to_canonical();
        let networks = self
            .lengths
            .keys()
            .filter_map(move |length| IpNet::new(ip, *length).ok());
        networks.filter_map(|network| self.networks.get(&network.trunc()))
    }

    /// The next ban that has ended, which is no more.
    pub(in crate::core) fn take_ended(&mut self, now_ms: u64) -> Option<Ban> {
        let (ends_ms, id) = self.ends.first()?;
        if *ends_ms > now_ms {
            return None;
        }
        let id = Rc::clone(id);
        self.remove(&id)
    }

    /// When the next one ends.
    pub(in crate::core) fn next_end_ms(&self) -> Option<u64> {
        let (ends_ms, _) = self.ends.first()?;
        Some(*ends_ms)
    }

    /// Checks that all lists agree.
    pub(in crate::core) fn check(&self) -> Result<(), String> {
        let lengths: usize = self.lengths.values().sum();
        let listed: BTreeSet<&Rc<str>> = (self.people.values())
            .chain(self.networks.values())
            .flatten()
            .collect();
        let ends = self.by_id.values().filter(|it| it.ends_ms.is_some());
        let agree = lengths == self.networks.len()
            && listed.into_iter().eq(self.by_id.keys())
            && ends.count() == self.ends.len();
        match agree && self.by_id.len() <= MAX_BANS {
            true => Ok(()),
            false => Err("the lists of bans do not agree".to_owned()),
        }
    }
}

/// Takes an id off a list. Says whether the list is gone with it.
fn forget<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized>(
    lists: &mut BTreeMap<K, BTreeSet<Rc<str>>>,
    key: &Q,
    id: &Rc<str>,
) -> bool {
    let Some(list) = lists.get_mut(key) else {
        return false;
    };
    list.remove(id);
    list.is_empty() && lists.remove(key).is_some()
}
