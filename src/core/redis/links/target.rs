//! Where Redis is.

use std::fmt;

/// Where Redis is, and as whom it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Hosts and ports, of which one is a master: they are tried in turn.
    pub addresses: Vec<(Box<str>, u16)>,
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
        target.finish_non_exhaustive()
    }
}
