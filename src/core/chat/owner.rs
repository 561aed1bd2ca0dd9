//! Who fills what everyone shares.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::core::network::Network;

/// Who fills what everyone shares, and is held to a share of it. Where no token is wanted a person is whoever they say
/// they are, as often as they like: only the address counts then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum Owner {
    /// Everyone at an address.
    Address(Network),
    /// Whoever holds a token for this name.
    Holder(Rc<str>),
}

impl Owner {
    pub(in crate::core) fn at(ip: IpAddr) -> Self {
        Self::Address(match ip.to_canonical() {
            ip if ip.is_loopback() => Network::of(Ipv4Addr::LOCALHOST.into()),
            ip => Network::of(ip),
        })
    }

    /// This machine: its own programs, or everyone behind a proxy on it that is not believed.
    pub(in crate::core) fn this_machine() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    pub(super) fn is_this_machine(&self) -> bool {
        *self == Self::this_machine()
    }
}

impl Owner {
    /// The text by which it is kept.
    pub(in crate::core) fn to_text(&self) -> String {
        match self {
            Self::Address(network) => format!("at {network}"),
            Self::Holder(name) => format!("of {name}"),
        }
    }

    /// That of which this is the text.
    pub(in crate::core) fn from_text(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("at", network) => Network::parse(network).map(Self::Address),
            ("of", name) => Some(Self::Holder(name.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(network) => network.fmt(f),
            Self::Holder(name) => f.write_str(name),
        }
    }
}
