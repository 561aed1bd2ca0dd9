//! What the kernel says of a socket.

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Bytes have come.
    pub readable: bool,
    /// The kernel takes bytes.
    pub writable: bool,
    /// The peer has ended its side, or the connection has failed: reading comes to an end.
    pub ending: bool,
}
