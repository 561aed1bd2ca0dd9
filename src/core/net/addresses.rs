//! The limits of each address: connections, the rate of new ones, bad tokens, and requests over HTTP.

mod state;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;

use serde::{Deserialize, Serialize};

use crate::core::ensure::ensure;
use crate::core::network::Network;
use crate::core::pace::Pace;
use crate::core::pace::TokenBucket;
use crate::limits::MAX_QUIET_ADDRESSES;
use crate::settings::Limits;

/// Why a connection is refused. It is accepted only to be told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum AdmissionError {
    /// The server has `--max-connections`.
    Full,
    /// The address has `--max-per-address`.
    TooMany,
    /// The address opens connections faster than `--connect-rate`.
    TooFast,
}

impl AdmissionError {
    /// All of them.
    pub(in crate::core) const ALL: [Self; 3] = [Self::Full, Self::TooMany, Self::TooFast];
}

/// What is known of addresses, and which of them are trusted proxies.
///
/// An address without connections is forgotten when its token buckets are full again, since a new one is then treated
/// the same. A few are checked whenever a connection opens or ends, so that no call pays for all.
#[derive(Debug)]
pub(in crate::core) struct Addresses {
    rules: Rules,
    known: BTreeMap<Network, Account>,
    /// Those without connections, longest first; some may have come back.
    quiet: VecDeque<Network>,
}

/// Whose word counts, and what an address may do.
#[derive(Debug)]
struct Rules {
    trusted: Vec<IpNet>,
    max_connections: usize,
    connects: Pace,
    failed_tokens: Pace,
    queries: Pace,
}

impl Rules {
    fn new(limits: &Limits) -> Self {
        Self {
            trusted: limits.trusted_proxy.clone(),
            max_connections: limits.max_per_address,
            connects: Pace::per_second(limits.connect_rate),
            failed_tokens: Pace::per_minute(limits.max_failed_tokens),
            queries: Pace::per_second(limits.rate),
        }
    }
}

/// The counts of one address.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    connects: TokenBucket,
    failed_tokens: TokenBucket,
    queries: TokenBucket,
    connections: u32,
    is_listed_as_quiet: bool,
}

impl Account {
    /// Whether it is in the state of an unknown address.
    fn is_full(&self, now_ms: u64) -> bool {
        let buckets = [self.connects, self.failed_tokens, self.queries];
        buckets.iter().all(|bucket| bucket.is_full(now_ms))
    }
}

impl Addresses {
    pub(in crate::core) fn new(limits: &Limits) -> Self {
        Self {
            rules: Rules::new(limits),
            known: BTreeMap::new(),
            quiet: VecDeque::new(),
        }
    }

    /// Other limits hold from now on, for those who are here, too.
    pub(in crate::core) fn reconfigure(&mut self, limits: &Limits) {
        self.rules = Rules::new(limits);
    }

    /// Whether this is the address of a proxy whose word counts.
    pub(in crate::core) fn is_trusted(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.rules
            .trusted
            .iter()
            .any(|network| network.contains(&ip))
    }

    /// The network that a connection from here counts for. `None` for this machine, which needs no protection from
    /// itself, and for a trusted proxy, which connects for many clients.
    pub(in crate::core) fn network(&self, ip: IpAddr) -> Option<Network> {
        let is_exempt = ip.to_canonical().is_loopback() || self.is_trusted(ip);
        (!is_exempt).then(|| Network::of(ip))
    }

    /// Whether another connection may open now. If so, it counts against the rate; count it as open with `enter`.
    pub(in crate::core) fn may_connect(
        &mut self,
        network: Network,
        now_ms: u64,
    ) -> Result<(), AdmissionError> {
        self.tidy(now_ms);
        let account = self.known.entry(network).or_default();
        if self.rules.max_connections > 0
            && account.connections as usize >= self.rules.max_connections
        {
            return Err(AdmissionError::TooMany);
        }
        let may_come = account.connects.take(&self.rules.connects, now_ms);
        self.list_if_quiet(network);
        may_come.then_some(()).ok_or(AdmissionError::TooFast)
    }

    /// A connection has opened.
    pub(in crate::core) fn enter(&mut self, network: Network) {
        self.known.entry(network).or_default().connections += 1;
    }

    /// A connection has ended.
    pub(in crate::core) fn leave(&mut self, network: Network, now_ms: u64) {
        if let Some(account) = self.known.get_mut(&network) {
            account.connections = account.connections.saturating_sub(1);
        }
        self.list_if_quiet(network);
        self.tidy(now_ms);
    }

    /// Whether a token from here is verified. Not for some time after many bad ones.
    pub(in crate::core) fn may_try_token(&self, ip: IpAddr, now_ms: u64) -> bool {
        let account = self.network(ip).and_then(|it| self.known.get(&it));
        account.is_none_or(|it| {
            it.failed_tokens
                .has_token(&self.rules.failed_tokens, now_ms)
        })
    }

    /// A token from here was bad.
    pub(in crate::core) fn on_failed_token(&mut self, ip: IpAddr, now_ms: u64) {
        if let Some(network) = self.network(ip) {
            self.tidy(now_ms);
            let account = self.known.entry(network).or_default();
            account
                .failed_tokens
                .take(&self.rules.failed_tokens, now_ms);
            self.list_if_quiet(network);
        }
    }

    /// Whether a request for data may be answered now; if not, in how many milliseconds. Also limits this machine,
    /// where a proxy may run that does not name its clients.
    pub(in crate::core) fn may_ask(&mut self, ip: IpAddr, now_ms: u64) -> Result<(), u64> {
        if self.is_trusted(ip) {
            return Ok(());
        }
        self.tidy(now_ms);
        let network = Network::of(ip);
        let account = self.known.entry(network).or_default();
        let may_ask = account.queries.take_or_wait(&self.rules.queries, now_ms);
        self.list_if_quiet(network);
        may_ask
    }

    /// Charges an answer that was as much work as so many commands more.
    pub(in crate::core) fn charge(&mut self, ip: IpAddr, commands: usize, now_ms: u64) {
        if commands > 0 && !self.is_trusted(ip) {
            let network = Network::of(ip);
            let account = self.known.entry(network).or_default();
            account
                .queries
                .charge(&self.rules.queries, commands, now_ms);
            self.list_if_quiet(network);
        }
    }

    fn list_if_quiet(&mut self, network: Network) {
        if let Some(account) = self.known.get_mut(&network)
            && account.connections == 0
            && !account.is_listed_as_quiet
        {
            account.is_listed_as_quiet = true;
            self.quiet.push_back(network);
        }
    }

    /// Checks two addresses without connections, since at most one can have become quiet since the last call, and
    /// forgets the oldest early if there are too many.
    fn tidy(&mut self, now_ms: u64) {
        for _ in 0..2 {
            self.look_at_longest_quiet(now_ms);
        }
        while self.quiet.len() > MAX_QUIET_ADDRESSES {
            self.look_at_longest_quiet(u64::MAX);
        }
    }

    fn look_at_longest_quiet(&mut self, now_ms: u64) {
        let Some(network) = self.quiet.pop_front() else {
            return;
        };
        let Some(account) = self.known.get_mut(&network) else {
            return;
        };
        if account.connections > 0 {
            account.is_listed_as_quiet = false;
        } else if account.is_full(now_ms) {
            self.known.remove(&network);
        } else {
            self.quiet.push_back(network);
        }
    }

    /// The number of addresses that are known now.
    pub(in crate::core) fn count(&self) -> usize {
        self.known.len()
    }

    /// Checks the table against the connections that are open, counted by network.
    pub(in crate::core) fn check(&self, counted: &BTreeMap<Network, u32>) -> Result<(), String> {
        let held = self
            .known
            .iter()
            .map(|(&network, account)| (network, account.connections))
            .filter(|&(_, connections)| connections > 0);
        ensure(
            held.eq(counted.iter().map(|(&network, &count)| (network, count))),
            "the connections of an address are not those that are counted for it",
        )?;
        let listed = |account: &Account| account.is_listed_as_quiet;
        ensure(
            self.known
                .values()
                .all(|it| it.connections > 0 || listed(it)),
            "an address will never be forgotten",
        )?;
        ensure(
            self.known.values().filter(|it| listed(it)).count() == self.quiet.len(),
            "the list of quiet addresses and the marks differ",
        )?;
        ensure(
            self.quiet.len() <= MAX_QUIET_ADDRESSES + 1,
            "too many quiet addresses are known",
        )
    }
}

#[cfg(test)]
mod tests;
