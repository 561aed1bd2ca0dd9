//! What members read, and those of a room who read the same.

use serde::{Deserialize, Serialize};

use crate::codec::ws::deflate::Readers;

/// What the members of an audience are written to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) enum Format {
    /// WebSocket messages as they were sent.
    Plain,
    /// The same, compressed.
    PlainDeflated,
    /// WebSocket messages that are JSON events.
    Json,
    /// The same, compressed.
    JsonDeflated,
    /// Server-Sent Events.
    Events,
    /// Lines of text.
    Lines,
    /// Server-Sent Events for streams of several rooms: each reader gets those that it wants, with its own ids.
    Feed,
}

impl Format {
    pub(in crate::core) const COUNT: usize = 7;
    pub(in crate::core) const ALL: [Self; Self::COUNT] = [
        Self::Plain,
        Self::PlainDeflated,
        Self::Json,
        Self::JsonDeflated,
        Self::Events,
        Self::Lines,
        Self::Feed,
    ];
    /// Those of the JSON door.
    pub(in crate::core) const JSON: [Self; 2] = [Self::Json, Self::JsonDeflated];
    /// Those of the doors at which one can take a name.
    pub(in crate::core) const PEOPLE: [Self; 3] = [Self::Json, Self::JsonDeflated, Self::Lines];
    /// Those of the doors by which everyone is a guest.
    pub(super) const GUESTS: [Self; 4] =
        [Self::Plain, Self::PlainDeflated, Self::Events, Self::Feed];

    pub(in crate::core) fn is_json(self) -> bool {
        Self::JSON.contains(&self)
    }

    pub(in crate::core) fn has_people(self) -> bool {
        Self::PEOPLE.contains(&self)
    }

    pub(in crate::core) fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::PlainDeflated)
    }

    /// Server-Sent Events, of one room or of several.
    pub(in crate::core) fn is_events(self) -> bool {
        matches!(self, Self::Events | Self::Feed)
    }

    pub(in crate::core) fn is_deflated(self) -> bool {
        matches!(self, Self::PlainDeflated | Self::JsonDeflated)
    }
}

/// What messages are encoded for.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Context<'a> {
    pub(in crate::core) room: &'a str,
    pub(in crate::core) epoch: u64,
    /// What all those read who it is for.
    pub(in crate::core) reading: Reading,
    /// How many they are.
    pub(in crate::core) readers: Readers,
}

/// What one connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct Reading {
    pub(in crate::core) format: Format,
    /// What is compressed for it must suit a small window.
    pub(in crate::core) is_narrow: bool,
}

impl From<Format> for Reading {
    fn from(format: Format) -> Self {
        Self {
            format,
            is_narrow: false,
        }
    }
}

/// A room that exists, and never again one of the same name that begins after it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) struct RoomId {
    pub(in crate::core) index: usize,
    pub(super) serial: u32,
}

/// Those of a room's members who get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct AudienceId {
    pub(in crate::core) room: RoomId,
    pub(in crate::core) format: Format,
}

impl AudienceId {
    /// A small number of its own while the room exists.
    pub(in crate::core) fn index(self) -> usize {
        self.room.index * Format::COUNT + self.format as usize
    }
}

impl RoomId {
    pub(in crate::core) fn audience(self, format: Format) -> AudienceId {
        AudienceId { room: self, format }
    }
}
