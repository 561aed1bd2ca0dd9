//! The buffers of all TLS connections, and what one of them keeps.

use std::mem;

use crate::limits::{MAX_TLS_RECORD, READ_BUFFER};

/// Bytes that are encrypted at once: what a connection may have to keep if the kernel does not take them.
pub(super) const PIECE: usize = 64 << 10;

/// What encryption adds to a piece in four records, and to a message of the protocol's own before it, rounded up.
const OVERHEAD: usize = 1 << 10;

/// What is used by one connection at a time, and empty in between.
pub(in crate::shell) struct Buffers {
    /// What one connection has kept, and what it reads at once.
    pub(super) incoming: Box<[u8]>,
    pub(super) outgoing: Outgoing,
    /// Plaintext from several places.
    pub(super) gathered: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            incoming: vec![0; MAX_TLS_RECORD + READ_BUFFER].into(),
            outgoing: Outgoing {
                bytes: vec![0; PIECE + OVERHEAD],
                length: 0,
            },
            gathered: Vec::with_capacity(PIECE),
        }
    }
}

/// What is encrypted and on its way.
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    length: usize,
}

impl Outgoing {
    /// Where more goes.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.length..]
    }

    /// Makes the space so large: certificates may be.
    pub(super) fn reserve(&mut self, space: usize) {
        let size = self.bytes.len().max(self.length + space);
        self.bytes.resize(size, 0);
    }

    /// More has been put into the space.
    pub(super) fn fill(&mut self, count: usize) {
        self.length += count;
    }

    /// Everything; it is empty then.
    pub(super) fn take(&mut self) -> &[u8] {
        &self.bytes[..mem::take(&mut self.length)]
    }
}

/// What of some bytes is still to be taken. Owns no memory when it is nothing.
#[derive(Default)]
pub(super) struct Remainder {
    bytes: Vec<u8>,
    taken: usize,
}

impl Remainder {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Bytes of memory, those already taken among them: it is given back in one piece.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// So much has been taken.
    pub(super) fn advance(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Moves as much as fits into `space`, and says how much.
    pub(super) fn take(&mut self, space: &mut [u8]) -> usize {
        let count = self.len().min(space.len());
        space[..count].copy_from_slice(&self.rest()[..count]);
        self.advance(count);
        count
    }
}
