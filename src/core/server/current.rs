//! The state of a key, as whoever is refused because of it is told.

use crate::core::chat::{Message, RoomId, RoomName};
use crate::core::delivery::encode;
use crate::core::server::Server;
use crate::core::store::{Found, Stored};
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// The state of a key as this server knows it: a message in JSON, or `null` if the key has none.
    pub(super) fn state_json(&self, room: RoomId, key: Option<&str>) -> Box<str> {
        let current = key.and_then(|key| self.chat.state_of_key(room, key));
        self.current_json(room, current.as_ref())
    }

    /// The same of one that the store has told.
    pub(super) fn stored_json(&self, room: RoomId, current: Option<&Stored>) -> Box<str> {
        let current = current.cloned().map(Found::new);
        self.current_json(room, current.as_ref().map(Found::message).as_ref())
    }

    fn current_json(&self, room: RoomId, current: Option<&Message<'_>>) -> Box<str> {
        let Some(message) = current else {
            return "null".into();
        };
        let name = self.chat.room_name(room).map_or("", RoomName::as_str);
        let mut json = Vec::new();
        encode::message_event(name, message).write(&mut json);
        self.encoder.charge_json(1, json.len());
        String::from_utf8(json).unwrap_or_default().into()
    }
}
