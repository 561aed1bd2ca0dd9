//! One connection to the server under load.

use std::io::{self, ErrorKind, Write};

use crate::door::Stream;
use crate::line::Line;

/// A connection and what it is for.
#[derive(Debug)]
pub(super) struct Client {
    /// Never used twice, unlike the slot it lives in.
    pub(super) id: u64,
    pub(super) stream: Line,
    pub(super) role: Role,
    /// The number of its room.
    pub(super) room: usize,
    /// The number of its node.
    pub(super) node: usize,
    pub(super) phase: Phase,
    pub(super) incoming: Stream,
    /// Whose connection it is, of those who come back.
    pub(super) life: Option<usize>,
    /// Bytes that the kernel has not taken yet.
    pub(super) out: Vec<u8>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Stays and must get everything.
    Reader,
    /// Stops reading when the load begins.
    Staller,
    /// Comes and goes while the load is on.
    Visitor,
    /// Stays in the room that others come back to, and says there what they miss.
    Speaker,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request leaves as soon as the socket is connected; the response has not ended.
    Handshaking {
        began_ns: u64,
        accept_key: String,
        head: Vec<u8>,
    },
    /// It is connected, and the server has not said yet that it is in its room.
    Entering {
        began_ns: u64,
    },
    Open,
    Closing,
}

impl Client {
    /// Writes what waits, as far as the kernel takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
