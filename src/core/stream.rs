//! What a connection is on: a kernel's socket, or a simulator's.

use std::io::{self, Read, Write};

use crate::codec::proxy::Client;

/// A non-blocking, connected socket, or what stands in for one. `flush` sends what was taken and is still here; it blocks
/// like a write.
pub trait Stream: Read + Write {
    /// Says that nothing more will be written (TCP's FIN); reading goes on. It is said behind what is unsent.
    ///
    /// # Errors
    /// Those of shutdown(2); the connection is gone then anyway.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// For whom a proxy at the other end has said that it speaks, before the first byte that it passes on.
    fn client(&self) -> Option<Client> {
        None
    }

    /// Whether the client has been shown a certificate, in which it has found the name that it asks for.
    fn has_shown_certificate(&self) -> bool {
        false
    }

    /// The port at this end; `None` if it is not known.
    fn local_port(&self) -> Option<u16> {
        None
    }

    /// Whether there is more to read, or the end, although a read has not filled its space: something between here and
    /// the kernel has kept it, and no event will tell.
    fn has_more(&self) -> bool {
        false
    }

    /// Whether something between here and the kernel has kept what the kernel did not take.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Bytes of memory that something between here and the kernel holds for this connection.
    fn held_bytes(&self) -> usize {
        0
    }
}
