//! Those whom a limit per address holds for.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Those whom one limit holds for: an IPv4 address, or the 2^64 IPv6 addresses that one customer gets at the least, of
/// which they may use another for each connection (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum Network {
    V4(u32),
    /// The first half of the address.
    V6(u64),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6(half) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*half) << 64)),
        }
    }
}

impl Network {
    /// That which is displayed so.
    pub(in crate::core) fn parse(text: &str) -> Option<Self> {
        let ip = text.strip_suffix("/64").unwrap_or(text);
        ip.parse().ok().map(Self::of)
    }

    pub(in crate::core) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}
