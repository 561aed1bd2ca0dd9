//! What a store has kept of webhooks over a restart.

use super::Hooks;
use super::lane::Place;
use crate::core::chat::RoomName;
use crate::core::now::Now;
use crate::core::store::{HookPosition, KeptDelivery};
use crate::settings::HookEvent;

impl Hooks {
    /// A delivery that a store has kept over a restart.
    pub(in crate::core) fn restore(&mut self, kept: KeptDelivery, now: Now) {
        let endpoint = self
            .endpoints
            .iter_mut()
            .find(|it| it.key() == kept.webhook);
        if let Some((endpoint, place)) = endpoint.zip(place_of(&kept.room)) {
            let stream = endpoint.restore(&place, kept, &mut self.requests, now);
            self.stream = self.stream.max(stream);
        }
    }

    /// Events of a room were dropped before a restart, of which a webhook was not told.
    pub(in crate::core) fn restore_lost(
        &mut self,
        webhook: u64,
        room: &RoomName,
        lost: u64,
        now: Now,
    ) {
        let index = self.endpoints.iter().position(|it| it.key() == webhook);
        if let Some(index) = index.filter(|_| lost > 0) {
            let stream = self.stream_of(index, &Some(room.clone()), now);
            self.endpoints[index].lane(Some(room), stream).lose(lost);
            self.schedule(room, now);
        }
    }

    /// All messages of a room up to there were told of after a restart, or told as lost.
    pub(in crate::core) fn pass_untold(
        &mut self,
        webhook: u64,
        room: &RoomName,
        position: HookPosition,
        now: Now,
    ) {
        let index = self.endpoints.iter().position(|it| it.key() == webhook);
        if let Some(index) = index {
            self.pass(index, room, position, now);
            self.schedule(room, now);
        }
    }

    /// A message of a room that was accepted before a restart, and that this webhook was not told of.
    pub(in crate::core) fn tell_untold(
        &mut self,
        webhook: u64,
        room: &RoomName,
        (position, kind): (HookPosition, HookEvent),
        json: &[u8],
        now: Now,
    ) {
        let index = self.endpoints.iter().position(|it| it.key() == webhook);
        if let Some(index) = index {
            if self.endpoints[index].wants(kind) {
                self.gather(index, room, json, now);
            }
            self.pass(index, room, position, now);
            self.schedule(room, now);
        }
    }
}

/// What is called so where a store keeps it.
pub(super) fn place_of(room: &str) -> Option<Place> {
    match room {
        "" => Some(None),
        room => RoomName::parse(room).map(Some),
    }
}
