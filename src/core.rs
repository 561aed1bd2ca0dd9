//! Ring two: connections, rooms, delivery, limits and timers, as a deterministic state machine.
//!
//! Sockets come in as values that can be read and written, time and randomness as arguments: what runs here runs the
//! same on a kernel's sockets and under a simulator.

use std::io::{self, Read, Write};

pub mod access;
mod addresses;
mod broadcast;
pub mod budget;
pub mod chat;
mod connection;
mod encode;
mod frames;
mod hosts;
mod id;
mod lagging;
mod pace;
mod pattern;
mod pending;
mod proxied;
mod rope;
mod server;
mod session;
pub mod site;
mod snapshot;
mod sources;
mod tail;
mod timers;
mod write_queue;

pub use crate::codec::http::origin::parse as parse_origin;
pub use crate::codec::proxy::Client;
pub use connection::ConnectionId;
pub use hosts::Hosts;
pub use proxied::Proxied;
pub use server::{Ready, Server, Verdict};

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

/// The time of a tick, read once by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back; its origin means nothing.
    pub ms: u64,
    /// Milliseconds since 1970, for people to read; may jump.
    pub unix_ms: u64,
}
