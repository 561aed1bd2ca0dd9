//! Where a connection comes from.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// Where a connection comes from, in fewer bytes than a `SocketAddr` takes in each of 100,000 connections.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::core) struct Peer {
    pub(in crate::core) ip: IpAddr,
    /// Unknown, for a client that a proxy has named in a request.
    port: Option<NonZeroU16>,
}

impl Peer {
    /// Whether it is on this machine.
    pub(in crate::core) fn is_loopback(self) -> bool {
        self.ip.to_canonical().is_loopback()
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: NonZeroU16::new(address.port()),
        }
    }
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        Self { ip, port: None }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port.get()).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}
