//! The alarms of all rooms.

use crate::core::chat::Chat;
use crate::core::chat::message::Message;
use crate::core::chat::room_name::RoomName;

impl Chat {
    /// The states of all alarms that are here, each with its room.
    pub(in crate::core) fn alarms(&self) -> impl Iterator<Item = (&RoomName, Message<'_>)> {
        let rooms = self.rooms.iter();
        rooms.flat_map(|(_, room)| {
            let alarms = room.history.retained.alarms();
            alarms.map(|kept| (&room.name, kept.view()))
        })
    }
}
