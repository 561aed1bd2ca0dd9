//! A direct message that is being delivered.

use std::rc::Rc;

use serde_json::value::RawValue;

use crate::core::chat::PersonId;
use crate::core::id::ConnectionId;
use crate::core::net::frames::Frames;
use crate::core::store::{DirectMessage, PublicPerson};

/// A direct message that is being delivered to the connections of both persons.
#[derive(Debug)]
pub(super) struct DirectDelivery {
    pub(super) echo: Option<Box<RawValue>>,
    pub(super) frames: Rc<Frames>,
    pub(super) line: Rc<Frames>,
    pub(super) from: PersonId,
    pub(super) to: PersonId,
    /// The addressee's connections, and then the sender's.
    pub(super) receivers: Vec<ConnectionId>,
    pub(super) addressed: usize,
    /// How many of the receivers have been served.
    pub(super) delivered: usize,
    pub(super) is_accepted: bool,
    /// What other nodes get; `None` if there are none, or they have it.
    pub(super) others: Option<Box<ForOthers>>,
}

/// A direct message for other nodes.
#[derive(Debug)]
pub(super) struct ForOthers {
    pub(super) to: PublicPerson,
    pub(super) message: DirectMessage,
}

impl DirectDelivery {
    /// The frames that it holds, for the meter.
    pub(super) fn frames(&self) -> [&Rc<Frames>; 2] {
        [&self.frames, &self.line]
    }

    /// Whether no connection of the addressee took it.
    pub(super) fn is_refused(&self) -> bool {
        self.delivered >= self.addressed && !self.is_accepted
    }

    /// The person whose connection has this index among the receivers.
    pub(super) fn receiver_at(&self, index: usize) -> PersonId {
        if index < self.addressed {
            self.to
        } else {
            self.from
        }
    }
}
