//! What somebody wants to be told who comes into a room.

use serde::{Deserialize, Serialize};

use crate::codec::json::command::Since;
use crate::codec::json::epoch::Epoch;
use crate::core::chat::{Chart, Position, Selection};
use crate::core::server::arguments::page_size;

/// What someone wants to be told who comes into a room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct JoinOptions {
    position: Option<Position>,
    last: Option<usize>,
    chart: Option<Chart>,
}

impl JoinOptions {
    pub(super) fn new(since: Option<&Since<'_>>, last: Option<u64>, chart: Option<Chart>) -> Self {
        Self {
            position: since.map(|since| Position {
                // An epoch that is none is that of no room.
                epoch: Epoch::parse(&since.epoch).map_or(0, |epoch| epoch.0),
                offset: since.offset,
            }),
            last: last.map(page_size),
            chart,
        }
    }

    /// Whether they say where they were.
    pub(super) fn has_position(&self) -> bool {
        self.position.is_some()
    }

    /// Which messages.
    pub(super) fn selection(&self) -> Selection {
        Selection::from_reader(self.position, self.last)
    }

    /// How many of the newest messages.
    pub(super) fn last(&self) -> Option<usize> {
        self.last
    }

    /// Which numbers.
    pub(super) fn chart(&self) -> Option<&Chart> {
        self.chart.as_ref()
    }
}
