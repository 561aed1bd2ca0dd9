//! Whether somebody is in a room at another node, as far as that is known here.

use crate::core::chat::elsewhere::Elsewhere;
use crate::core::chat::{Chat, Name, PublicId, RoomName};

impl Chat {
    /// Whether somebody is in a room at another node, and listed there.
    pub(in crate::core) fn is_elsewhere(&self, room: &RoomName, person: PublicId) -> bool {
        self.elsewhere(room).is_some_and(|it| it.has(person))
    }

    /// The same of whoever has a name.
    pub(in crate::core) fn is_named_elsewhere(&self, room: &RoomName, name: &str) -> bool {
        let is_named = |it: Name| matches!(it, Name::Chosen(it) if *it == *name);
        let people = self.elsewhere(room).into_iter().flat_map(Elsewhere::people);
        people.map(|author| author.name).any(is_named)
    }
}
