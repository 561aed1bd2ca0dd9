//! What a connection has come for, and what it keeps for that.

use crate::core::chat::RoomName;
use crate::core::net::pending::Pending;
use crate::core::net::session::Session;

/// What a connection has come for.
#[derive(Debug)]
pub(in crate::core) enum Door {
    /// Requests and their responses; the request whose body is arriving.
    Http(Option<Box<Pending>>),
    /// The messages of one room, as they are.
    Plain(RoomName),
    /// The same; what is sent is the state of a key.
    Keyed(Box<Keyed>),
    /// Commands and events.
    Json {
        session: Box<Session>,
        /// Answers have been queued since the queue was last empty: kept here, so that a delivery need not look into the
        /// session.
        has_answers: bool,
    },
    /// Lines of text, in one room at a time.
    Lines {
        session: Box<Session>,
        /// The same.
        has_answers: bool,
    },
    /// The messages of one room, as Server-Sent Events.
    Events(RoomName),
}

/// What the address of a plain WebSocket says of all that is sent there.
#[derive(Debug)]
pub(in crate::core) struct Keyed {
    pub(in crate::core) room: RoomName,
    pub(in crate::core) key: Box<str>,
    pub(in crate::core) retain: bool,
}

impl Door {
    pub(in crate::core) const COUNT: usize = 5;
    /// The names that metrics have for them, by their numbers.
    pub(in crate::core) const LABELS: [&str; Self::COUNT] =
        ["http", "plain", "json", "events", "lines"];

    pub(in crate::core) fn number(&self) -> usize {
        match self {
            Self::Http(_) => 0,
            Self::Plain(_) | Self::Keyed(_) => 1,
            Self::Json { .. } => 2,
            Self::Events(_) => 3,
            Self::Lines { .. } => 4,
        }
    }

    /// The one room that this door leads to.
    pub(in crate::core) fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Plain(room) | Self::Events(room) => Some(room),
            Self::Keyed(keyed) => Some(&keyed.room),
            Self::Http(_) | Self::Json { .. } | Self::Lines { .. } => None,
        }
    }
}
