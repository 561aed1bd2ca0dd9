//! The time, which only the shell reads.

/// The time of a tick, read once by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back; its origin means nothing.
    pub ms: u64,
    /// Milliseconds since 1970, for people to read; may jump.
    pub unix_ms: u64,
}
