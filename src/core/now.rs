//! The time, which only the shell reads.

/// The time of a tick, read once by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back; its origin means nothing.
    pub ms: u64,
    /// Milliseconds since 1970, for people to read; may jump.
    pub unix_ms: u64,
}

impl Now {
    /// The same by another clock, if there is one that says this, in milliseconds since 1970.
    pub(super) fn by_clock_of(self, unix_ms: Option<u64>) -> Self {
        Self {
            unix_ms: unix_ms.unwrap_or(self.unix_ms),
            ..self
        }
    }
}
