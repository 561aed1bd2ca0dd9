//! What each address may do: how many connections it has, how fast new ones come, how often a token of it is bad, and how
//! much it asks over HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::core::ensure::ensure;
use crate::core::network::Network;
use crate::core::pace::Pace;
use crate::core::pace::TokenBucket;
use crate::limits::MAX_QUIET_ADDRESSES;
use crate::settings::Limits;

/// Why a connection is here only to be told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) enum AdmissionError {
    /// There are `--max-connections`.
    Full,
    /// Its address has `--max-per-address`.
    TooMany,
    /// Its address comes more often than `--connect-rate` allows.
    TooFast,
}

impl AdmissionError {
    /// All of them.
    pub(in crate::core) const ALL: [Self; 3] = [Self::Full, Self::TooMany, Self::TooFast];
}

/// The addresses of which something is known, and whose word counts.
///
/// Who keeps no connection is forgotten when its bucket is full again, since a newcomer is then treated the same. That
/// is looked up a few at a time, whenever someone comes or goes, so that no one pays for all.
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

/// What one address has and has done.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    connects: TokenBucket,
    failed_tokens: TokenBucket,
    queries: TokenBucket,
    connections: u32,
    is_listed_as_quiet: bool,
}

impl Account {
    /// Whether it is as if nothing had come from there.
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

    /// Whom the limits count a connection from here for: nobody if it is from this machine, where whoever has to be
    /// kept out is in already, or of a trusted proxy, which speaks for many.
    pub(in crate::core) fn network(&self, ip: IpAddr) -> Option<Network> {
        let is_exempt = ip.to_canonical().is_loopback() || self.is_trusted(ip);
        (!is_exempt).then(|| Network::of(ip))
    }

    /// Whether another connection may come now. If so it has been counted as one that has come, and is yet to be
    /// counted as one that is there.
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

    /// A connection is there.
    pub(in crate::core) fn enter(&mut self, network: Network) {
        self.known.entry(network).or_default().connections += 1;
    }

    /// It has ended.
    pub(in crate::core) fn leave(&mut self, network: Network, now_ms: u64) {
        if let Some(account) = self.known.get_mut(&network) {
            account.connections = account.connections.saturating_sub(1);
        }
        self.list_if_quiet(network);
        self.tidy(now_ms);
    }

    /// Whether a token from here is looked at: not for some time after many that were bad.
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

    /// Whether something may be asked from here now; if not, in how many milliseconds. Also from this machine, where a
    /// proxy may be that says nothing of whom it speaks for.
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

    /// What was asked from here was as much work as so many more commands.
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

    /// Looks at two of those who were quiet, since no more than one can have become it since the last time; and forgets
    /// those early that are too many.
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

    /// Addresses of which something is known now.
    pub(in crate::core) fn count(&self) -> usize {
        self.known.len()
    }

    /// Checks the table against the connections that there are, of each address that is counted.
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
