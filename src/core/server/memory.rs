//! `--max-memory`: when it is used up and nothing is on its way that would come free by itself, those who hold the most are
//! closed, until an eighth of it is free.
//!
//! What one holds alone changes as others take what they shared, so it is looked up when it is needed and not kept: in one
//! walk over all connections, which sorts them into buckets by the logarithm of what they hold, as Redis does. An eighth
//! has to be filled again before the next walk.

use std::mem;

use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::{CLOSED_AT_ONCE, WEIGHED_AT_ONCE};

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    /// The first place of the slab that was not looked at yet.
    next: usize,
    /// By the logarithm of the bytes that they hold.
    classes: Vec<Vec<ConnectionId>>,
    /// Those who were closed. What lies between them and the kernel goes with their sockets.
    closing: Vec<ConnectionId>,
    /// The walk has taken more than one tick: somebody may have come to hold something behind it.
    is_resumed: bool,
    /// The walk has found somebody who held something. One that has not is not repeated.
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

    /// Begins another walk, if the one that has ended may have missed somebody.
    fn walk_again(&mut self) -> bool {
        self.next = 0;
        mem::take(&mut self.has_found) && mem::take(&mut self.is_resumed)
    }

    /// One of those who hold the most.
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
    /// Closes those who hold the most; what there is no time for waits for the next tick. Not while anything is on its way:
    /// that may come free by itself, and no message is taken in meanwhile.
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

    /// Looks at some connections, or when all were looked at closes some. Says whether there is more to do.
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
            // Who held so much may have been served during the walk.
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
