//! Where Redis is.

use std::fmt;

/// A host and a port.
pub type Address = (Box<str>, u16);

/// Where Redis is, and as whom it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// They are tried in turn: of a Redis and its replicas, of which one is a master; some nodes of a cluster; or Sentinels.
    pub addresses: Vec<Address>,
    /// The name of the master that the Sentinels know; `None`: the addresses are those of Redis itself.
    pub master: Option<Box<str>>,
    /// A user of its access list; else the default one.
    pub user: Option<Box<str>>,
    /// The password.
    pub password: Option<Box<str>>,
    /// The number of the database.
    pub db: u32,
}

/// Without the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut target = f.debug_struct("Target");
        target.field("addresses", &self.addresses);
        target.field("master", &self.master);
        target.finish_non_exhaustive()
    }
}

/// An address as people know it.
pub(super) fn shown((host, port): &Address) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
