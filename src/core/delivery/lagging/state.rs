//! Those who are behind, as they are told to the server that takes over.

use serde::{Deserialize, Serialize};

use super::{Behind, Lagging, Missed};
use crate::core::chat::RoomId;
use crate::core::id::ConnectionId;

/// Where a member is behind, and the offset that it has been sent a snapshot up to.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct LaggingState {
    behind: Vec<(ConnectionId, RoomId, u64)>,
    sent_upto: Vec<(ConnectionId, RoomId, u64)>,
}

impl Lagging {
    /// To be called when nobody waits for a store.
    pub(in crate::core) fn state(&self) -> LaggingState {
        let of_one = |(id, behind): (&ConnectionId, &Behind)| {
            let rooms = behind.rooms.iter();
            let rooms = rooms.map(|(room, missed)| (*id, *room, missed.from));
            rooms.collect::<Vec<_>>()
        };
        let sent_upto = self.sent_upto.iter();
        LaggingState {
            behind: self.behind.iter().flat_map(of_one).collect(),
            sent_upto: sent_upto
                .map(|(&(id, room), &offset)| (id, room, offset))
                .collect(),
        }
    }

    pub(in crate::core) fn take_over(&mut self, state: LaggingState) {
        for (id, room, offset) in state.sent_upto {
            self.sent_upto.insert((id, room), offset);
        }
        for (id, room, from) in state.behind {
            let waits_for_store = false;
            self.miss(
                id,
                room,
                Missed {
                    from,
                    waits_for_store,
                },
            );
        }
    }
}
