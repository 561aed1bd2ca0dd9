//! `--max-memory`: when it is used up, and nothing is on its way that would free some by itself, the connections that
//! hold the most are closed, until an eighth is free.
//!
//! What one connection holds alone changes as others release what they share, so it is computed when it is needed. One
//! walk over all connections sorts them into classes by the logarithm of what they hold, as Redis does. An eighth has
//! to fill up again before the next walk.

use std::mem;

use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::{CLOSED_AT_ONCE, WEIGHED_AT_ONCE};

/// How far the walk has come.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    /// The next slot of the slab to look at.
    next: usize,
    /// Connections by the logarithm of the bytes that they hold.
    classes: Vec<Vec<ConnectionId>>,
    /// The connections closed. What TLS holds for them is freed with their sockets.
    closing: Vec<ConnectionId>,
    /// The walk has taken more than one tick: a connection that it has passed may hold something now.
    is_resumed: bool,
    /// The walk has found a connection that holds something. Otherwise it is not repeated.
    has_found: bool,
}

impl Eviction {
    fn add(&mut self, id: ConnectionId, bytes: usize) {
        let Some(class) = bytes.checked_ilog2() else {
            return;
        };
        let class = class as usize;
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, Vec::new);
        }
        self.classes[class].push(id);
        self.has_found = true;
    }

    /// Begins another walk, if this one may have missed a connection.
    fn walk_again(&mut self) -> bool {
        self.next = 0;
        mem::take(&mut self.has_found) && mem::take(&mut self.is_resumed)
    }

    /// A connection of the heaviest class.
    fn take_heaviest(&mut self) -> Option<ConnectionId> {
        while let Some(class) = self.classes.last_mut() {
            match class.pop() {
                Some(id) => return Some(id),
                None => drop(self.classes.pop()),
            }
        }
        None
    }
}

impl<S: Stream> Server<S> {
    /// Closes the connections that hold the most, as many as the budget allows. Not while a fan-out is on its way: it
    /// may free memory by itself, and no message is accepted meanwhile.
    pub(super) fn keep_within_memory(&mut self, now: Now) {
        let is_over = self.meter.used() > self.limits.max_memory;
        if !is_over && self.eviction.is_none() {
            return;
        }
        if self.broadcast.is_busy() {
            self.eviction = None;
            return;
        }
        let mut eviction = self.eviction.take().unwrap_or_else(|| {
            self.broadcast.release_spares();
            self.snapshots.release();
            Box::default()
        });
        eviction.closing.retain(|id| self.get(*id).is_some());
        while self.budget.is_left() {
            if !self.evict_some(&mut eviction, now) {
                return;
            }
        }
        eviction.is_resumed = true;
        self.eviction = Some(eviction);
    }

    /// Whether a walk is to go on.
    pub(super) fn is_evicting(&self) -> bool {
        self.eviction.is_some()
    }

    /// Looks at some connections, or closes some once all were looked at. Returns whether there is more to do.
    fn evict_some(&mut self, eviction: &mut Eviction, now: Now) -> bool {
        let slots = self.connections.capacity();
        if eviction.next < slots {
            let end = (eviction.next + WEIGHED_AT_ONCE).min(slots);
            for index in mem::replace(&mut eviction.next, end)..end {
                self.budget.spend(cost::LOOKUP);
                if let Some(connection) = self.connections.get(index) {
                    eviction.add(connection.id, connection.weight());
                }
            }
            return true;
        }
        let held_by_socket =
            |id: &ConnectionId| self.get(*id).map_or(0, |it| it.socket.held_bytes());
        let mut leaving: usize = eviction.closing.iter().map(held_by_socket).sum();
        for _ in 0..CLOSED_AT_ONCE {
            // The heaviest connections may have been flushed during the walk.
            let most = self.limits.max_memory;
            let target = if eviction.closing.is_empty() {
                most
            } else {
                most / 8 * 7
            };
            if self.meter.used().saturating_sub(leaving) <= target {
                return false;
            }
            let Some(id) = eviction.take_heaviest() else {
                return eviction.walk_again();
            };
            leaving += self.get(id).map_or(0, |it| it.socket.held_bytes());
            eviction.closing.push(id);
            self.close(id, Ending::Truncate(CloseReason::OutOfMemory), now);
        }
        true
    }
}
