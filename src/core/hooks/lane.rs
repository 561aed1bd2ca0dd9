//! What one webhook is told of one room, in its order.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::chat::RoomName;
use crate::core::store::{HookPosition, KeptDelivery};

/// A room, or what is about none.
pub(super) type Place = Option<RoomName>;

/// Where a delivery is in the order of its room: numbers are comparable within a stream, and a later stream is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Serial {
    pub(super) stream: u64,
    pub(super) number: u64,
}

/// Events that become a delivery.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The items of a list, in JSON.
    pub(super) json: Vec<u8>,
    pub(super) events: u64,
    /// Events that were dropped before these.
    pub(super) lost: u64,
}

/// A request that is made until it is answered well.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: Box<str>,
    pub(super) events: u64,
    /// How many of them were dropped before, and are told of as a gap. A delivery that a store gives back tells of none.
    #[serde(default)]
    lost: u64,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) body: Arc<[u8]>,
    /// The store has not answered that it has it.
    pub(super) is_sealing: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lane {
    stream: u64,
    /// That of the last delivery.
    number: u64,
    #[serde(with = "serde_bytes")]
    gathered: Vec<u8>,
    events: u64,
    /// Where the last message was that was gathered, or need not be; and the offset that the store knows.
    upto: Option<HookPosition>,
    noted: Option<HookPosition>,
    /// Events that were dropped, and of which the receiver has not been told.
    lost: u64,
    pub(super) queue: VecDeque<Delivery>,
    /// How often its first was tried in vain.
    pub(super) attempts: u32,
    /// When that is tried next.
    pub(super) due_ms: u64,
    /// That for which it is in the order of lanes that have something to send.
    #[serde(skip)]
    pub(super) armed_ms: Option<u64>,
    /// What its deliveries weigh.
    #[serde(skip)]
    pub(super) weight: usize,
}

impl Lane {
    pub(super) fn new(stream: u64) -> Self {
        Self {
            stream,
            number: 0,
            gathered: Vec::new(),
            events: 0,
            upto: None,
            noted: None,
            lost: 0,
            queue: VecDeque::new(),
            attempts: 0,
            due_ms: 0,
            armed_ms: None,
            weight: 0,
        }
    }

    /// Its numbers begin in this stream, or a later one.
    pub(super) fn begin_in(&mut self, stream: u64) {
        self.stream = self.stream.max(stream);
    }

    /// Messages need not be told any more up to there.
    pub(super) fn pass(&mut self, position: HookPosition) {
        self.upto = Some(position);
    }

    /// Takes an event.
    pub(super) fn gather(&mut self, event: &[u8]) {
        if self.events > 0 {
            self.gathered.push(b',');
        }
        self.gathered.extend_from_slice(event);
        self.events += 1;
    }

    pub(super) fn gathered_bytes(&self) -> usize {
        self.gathered.len()
    }

    /// What is to be told now, if there is anything.
    pub(super) fn take_gathered(&mut self) -> Option<Gathered> {
        if self.events == 0 && self.lost == 0 {
            return None;
        }
        Some(Gathered {
            json: std::mem::take(&mut self.gathered),
            events: std::mem::take(&mut self.events),
            lost: std::mem::take(&mut self.lost),
        })
    }

    /// The number of the next delivery.
    pub(super) fn next_serial(&mut self) -> Serial {
        self.number += 1;
        Serial {
            stream: self.stream,
            number: self.number,
        }
    }

    /// Whether the store does not know up to where no message is left to tell.
    pub(super) fn is_unnoted(&self) -> bool {
        self.upto != self.noted
    }

    /// The store is told that; `None` where it is as the store knows it.
    pub(super) fn note(&mut self) -> Option<HookPosition> {
        self.noted = self.upto;
        self.upto
    }

    /// So many events are dropped.
    pub(super) fn lose(&mut self, events: u64) {
        self.lost += events;
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Nothing is left to tell.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.events == 0 && self.lost == 0
    }
}

impl Delivery {
    pub(super) fn new(kept: KeptDelivery, lost: u64, is_sealing: bool) -> Self {
        Self {
            id: kept.id,
            events: kept.events,
            lost,
            at_ms: kept.at_ms,
            body: kept.body.into(),
            is_sealing,
        }
    }

    /// Events that are dropped with it, and were not before.
    pub(super) fn dropped(&self) -> u64 {
        self.events.saturating_sub(self.lost)
    }
}
