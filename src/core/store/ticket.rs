//! What a request is called until it is answered.

/// Names a request until it is answered. No other request of this server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(in crate::core) u64);

#[cfg(test)]
impl Ticket {
    /// One of a test that plays the server.
    pub(crate) fn for_test(number: u64) -> Self {
        Self(number)
    }
}
