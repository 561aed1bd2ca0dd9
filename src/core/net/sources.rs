//! The senders of datagrams, by address: which guest each one is, and its rate limit.
//!
//! A datagram has no connection, and its address may be forged. So the table is bounded, and the addresses that do not
//! fit share one rate limit.

mod state;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::core::chat::PersonId;
use crate::core::network::Network;
use crate::core::pace::{Pace, TokenBucket};
use crate::limits::{MAX_SOURCES, SOURCES_SWEEP_MS};

#[derive(Debug)]
pub(in crate::core) struct Sources {
    pace: Pace,
    by_address: BTreeMap<Network, Source>,
    /// The rate limit of all addresses that do not fit.
    others: Option<Source>,
    /// When silent addresses were last forgotten.
    swept_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Source {
    person: PersonId,
    bucket: TokenBucket,
}

impl Sources {
    pub(in crate::core) fn new(rate: u32, now_ms: u64) -> Self {
        Self {
            pace: Pace::per_second(rate),
            by_address: BTreeMap::new(),
            others: None,
            swept_ms: now_ms,
        }
    }

    /// Another rate holds, for those who come from now on.
    pub(in crate::core) fn set_rate(&mut self, rate: u32) {
        self.pace = Pace::per_second(rate);
    }

    /// Who sends from an address, unless it sends more than `--rate`. `new_person` is asked for who comes for the first
    /// time.
    pub(in crate::core) fn admit(
        &mut self,
        from: IpAddr,
        now_ms: u64,
        new_person: impl FnOnce() -> PersonId,
    ) -> Option<PersonId> {
        let address = Network::of(from);
        let is_known = self.by_address.contains_key(&address);
        if !is_known && self.by_address.len() >= MAX_SOURCES {
            self.sweep(now_ms);
        }
        let begin = || Source {
            person: new_person(),
            bucket: TokenBucket::default(),
        };
        let source = if is_known || self.by_address.len() < MAX_SOURCES {
            self.by_address.entry(address).or_insert_with(begin)
        } else {
            self.others.get_or_insert_with(begin)
        };
        let is_admitted = source.bucket.take(&self.pace, now_ms);
        is_admitted.then_some(source.person)
    }

    /// Forgets addresses whose token bucket is full again. It walks over the table, so not for every datagram of a
    /// flood.
    fn sweep(&mut self, now_ms: u64) {
        if now_ms - self.swept_ms < SOURCES_SWEEP_MS {
            return;
        }
        self.swept_ms = now_ms;
        self.by_address
            .retain(|_, source| !source.bucket.is_full(now_ms));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Admits datagrams, and numbers who sends them.
    struct Door(Sources, u64);

    impl Door {
        fn new(rate: u32) -> Self {
            Self(Sources::new(rate, 0), 0)
        }

        fn admit(&mut self, from: impl Into<IpAddr>, now_ms: u64) -> Option<u64> {
            let Self(sources, count) = self;
            let new_person = || {
                *count += 1;
                PersonId(*count)
            };
            let person = sources.admit(from.into(), now_ms, new_person);
            person.map(|person| person.0)
        }
    }

    fn v4(number: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(number as u32)
    }

    #[test]
    fn each_address_has_an_allowance() {
        let mut door = Door::new(2);
        let from_one: Vec<_> = (0..5).map(|_| door.admit(v4(1), 0)).collect();
        assert_eq!(from_one, [Some(1), Some(1), Some(1), Some(1), None]);
        assert_eq!(door.admit(v4(2), 0), Some(2));
        assert_eq!(door.admit(v4(1), 500), Some(1));
        let mut endless = Door::new(0);
        assert!((0..10_000).all(|_| endless.admit(v4(1), 0) == Some(1)));
    }

    #[test]
    fn a_network_is_one_address() {
        let mut door = Door::new(1);
        let mut admit = |text: &str| door.admit(text.parse::<IpAddr>().unwrap(), 0);
        assert_eq!(admit("2001:db8:0:1::1"), Some(1));
        assert_eq!(admit("2001:db8:0:1:ffff::2"), Some(1));
        assert_eq!(admit("2001:db8:0:1::3"), None);
        assert_eq!(admit("2001:db8:0:2::1"), Some(2));
        assert_eq!(admit("::ffff:192.0.2.1"), Some(3));
        assert_eq!(admit("192.0.2.1"), Some(3));
    }

    #[test]
    fn who_finds_no_place_shares_one() {
        let mut door = Door::new(1);
        for number in 0..MAX_SOURCES {
            assert!(door.admit(v4(number), 0).is_some());
        }
        let others: Vec<_> = (0..4)
            .map(|n| door.admit(v4(MAX_SOURCES + n), 999))
            .collect();
        let shared = Some(MAX_SOURCES as u64 + 1);
        assert_eq!(others, [shared, shared, None, None]);
        assert_eq!(door.admit(v4(0), 999), Some(1), "who has a place keeps it");
        // The others have been silent for long enough to be forgotten.
        let next = door.admit(v4(MAX_SOURCES), 1500);
        assert_eq!(next, Some(MAX_SOURCES as u64 + 2));
        assert_eq!(door.0.by_address.len(), 2);
    }
}
