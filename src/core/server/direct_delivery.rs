//! A direct message on its way.

use std::rc::Rc;

use serde_json::value::RawValue;

use crate::core::chat::PersonId;
use crate::core::id::ConnectionId;
use crate::core::net::frames::Frames;

/// Something that one person says to another, on its way to the connections of both.
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
    /// How many of them have been told.
    pub(super) delivered: usize,
    pub(super) is_accepted: bool,
}

impl DirectDelivery {
    /// What it holds of the metered memory.
    pub(super) fn frames(&self) -> [&Rc<Frames>; 2] {
        [&self.frames, &self.line]
    }

    /// Nobody whom it is for takes it.
    pub(super) fn is_refused(&self) -> bool {
        self.delivered >= self.addressed && !self.is_accepted
    }

    /// Whose the connection is in this place among the receivers.
    pub(super) fn receiver_at(&self, index: usize) -> PersonId {
        if index < self.addressed {
            self.to
        } else {
            self.from
        }
    }
}
