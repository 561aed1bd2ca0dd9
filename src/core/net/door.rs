//! What a connection has come for: what it keeps for that, and what the server has to know of each kind of door.
//!
//! No code outside of `server/doors` asks which door it is; it asks for one of its [`Facts`]. A new door is a variant and a
//! row here, and a file in `server/doors`, which the list there names and passes input to.

use serde::{Deserialize, Serialize};

use crate::core::chat::{Format, RoomName};
use crate::core::net::feed::Feed;
use crate::core::net::import::ImportSession;
use crate::core::net::pending::Pending;
use crate::core::net::session::Session;

/// The door by which a client came in.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) enum Door {
    /// HTTP requests; the one whose body is arriving.
    Http(Option<Box<Pending>>),
    /// The plain door: the messages of one room, as they are.
    Plain(RoomName),
    /// The plain door with `?key=`: what the client sends is the state of a key.
    Keyed(Box<Keyed>),
    /// The JSON door: commands and events.
    Json {
        session: Box<Session>,
        /// Answers were queued since the queue was last empty. Kept here, so that a delivery does not have to look into
        /// the session.
        has_answers: bool,
    },
    /// The line port: lines of text, in one room at a time.
    Lines {
        session: Box<Session>,
        /// The same.
        has_answers: bool,
    },
    /// A stream of Server-Sent Events: the messages of one room.
    Events(RoomName),
    /// The same of several rooms.
    Feed(Box<Feed>),
    /// The socket in the data directory: the lines of an export, by whoever owns that.
    Import(Box<ImportSession>),
}

/// The query of a plain WebSocket's address, which applies to all that the client sends.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Keyed {
    pub(in crate::core) room: RoomName,
    pub(in crate::core) key: Box<str>,
    pub(in crate::core) retain: bool,
}

/// The kinds of doors. Each has a row in `FACTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum DoorKind {
    Http,
    Plain,
    Json,
    Events,
    Lines,
    Import,
}

/// What the server has to know of a kind of door.
#[derive(Debug)]
pub(in crate::core) struct Facts {
    kind: DoorKind,
    /// Its name, for metrics.
    pub(in crate::core) label: &'static str,
    /// One can take a name there: its connections have a session.
    pub(in crate::core) has_people: bool,
    /// The format of what one client alone is told: why it is closed, what has failed, what somebody says to it. `None`
    /// where the status of a response or the code of a close frame has to do.
    pub(in crate::core) words: Option<Format>,
    pub(in crate::core) publishes: Publishes,
    pub(in crate::core) heartbeat: Heartbeat,
}

/// Where its clients publish. They are not read while that room is too far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Publishes {
    /// They only read.
    Nowhere,
    /// In the one room that they are in. Who ends its side is first sent what it has published there.
    InItsRoom,
    /// In the rooms that commands name. Who ends its side has the answers to them, and is sent nothing more.
    ByCommand,
    /// In the room that a request names.
    ByRequest,
    /// In the rooms that lines name, which come out of an export: they wait where others would not have to.
    ByLine,
}

/// How a quiet connection is kept open, and a dead one found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Heartbeat {
    /// Not at all: it ends when its deadline comes.
    Nothing,
    /// By pings (RFC 6455 section 5.5.2), which are answered.
    Ping,
    /// The same, and an event with each: scripts in browsers do not see the ping.
    PingAndEvent,
    /// By comments (WHATWG HTML section 9.2.7). They are not answered: a client is given up that takes too little of what is
    /// queued for it.
    Comment,
    /// By TCP, which asks by itself. A client is given up as with comments.
    Tcp,
}

/// A row for each kind, in their order.
const FACTS: &[Facts] = &[
    Facts {
        kind: DoorKind::Http,
        label: "http",
        has_people: false,
        words: None,
        publishes: Publishes::ByRequest,
        heartbeat: Heartbeat::Nothing,
    },
    Facts {
        kind: DoorKind::Plain,
        label: "plain",
        has_people: false,
        words: None,
        publishes: Publishes::InItsRoom,
        heartbeat: Heartbeat::Ping,
    },
    Facts {
        kind: DoorKind::Json,
        label: "json",
        has_people: true,
        words: Some(Format::Json),
        publishes: Publishes::ByCommand,
        heartbeat: Heartbeat::PingAndEvent,
    },
    Facts {
        kind: DoorKind::Events,
        label: "events",
        has_people: false,
        words: Some(Format::Events),
        publishes: Publishes::Nowhere,
        heartbeat: Heartbeat::Comment,
    },
    Facts {
        kind: DoorKind::Lines,
        label: "lines",
        has_people: true,
        words: Some(Format::Lines),
        publishes: Publishes::InItsRoom,
        heartbeat: Heartbeat::Tcp,
    },
    Facts {
        kind: DoorKind::Import,
        label: "import",
        has_people: false,
        words: None,
        publishes: Publishes::ByLine,
        heartbeat: Heartbeat::Nothing,
    },
];

const _: () = {
    let mut number = 0;
    while number < FACTS.len() {
        assert!(FACTS[number].kind as usize == number, "rows are in order");
        number += 1;
    }
};

impl DoorKind {
    pub(in crate::core) const COUNT: usize = FACTS.len();

    /// The names that metrics have for them, in their order.
    pub(in crate::core) fn labels() -> impl Iterator<Item = &'static str> {
        FACTS.iter().map(|facts| facts.label)
    }
}

impl Door {
    pub(in crate::core) fn kind(&self) -> DoorKind {
        match self {
            Self::Http(_) => DoorKind::Http,
            Self::Plain(_) | Self::Keyed(_) => DoorKind::Plain,
            Self::Json { .. } => DoorKind::Json,
            Self::Events(_) | Self::Feed(_) => DoorKind::Events,
            Self::Lines { .. } => DoorKind::Lines,
            Self::Import(_) => DoorKind::Import,
        }
    }

    pub(in crate::core) fn facts(&self) -> &'static Facts {
        &FACTS[self.kind() as usize]
    }

    /// The one room that this door leads to.
    pub(in crate::core) fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Plain(room) | Self::Events(room) => Some(room),
            Self::Keyed(keyed) => Some(&keyed.room),
            _ => None,
        }
    }

    /// Who this is, at the doors at which one can take a name.
    pub(in crate::core) fn session(&self) -> Option<&Session> {
        match self {
            Self::Json { session, .. } | Self::Lines { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The same, and whether answers have been queued since the queue was last empty.
    pub(in crate::core) fn session_mut(&mut self) -> Option<(&mut Session, &mut bool)> {
        match self {
            Self::Json {
                session,
                has_answers,
            }
            | Self::Lines {
                session,
                has_answers,
            } => Some((session, has_answers)),
            _ => None,
        }
    }

    /// What the reader of several rooms in one stream wants, and where it is.
    pub(in crate::core) fn feed(&self) -> Option<&Feed> {
        match self {
            Self::Feed(feed) => Some(feed),
            _ => None,
        }
    }

    /// The same, as it goes on.
    pub(in crate::core) fn feed_mut(&mut self) -> Option<&mut Feed> {
        match self {
            Self::Feed(feed) => Some(feed),
            _ => None,
        }
    }

    /// The import that it hands over.
    pub(in crate::core) fn import(&self) -> Option<&ImportSession> {
        match self {
            Self::Import(session) => Some(session),
            _ => None,
        }
    }

    /// The same, as it goes on.
    pub(in crate::core) fn import_mut(&mut self) -> Option<&mut ImportSession> {
        match self {
            Self::Import(session) => Some(session),
            _ => None,
        }
    }

    /// The request whose body is arriving.
    pub(in crate::core) fn pending(&self) -> Option<&Pending> {
        match self {
            Self::Http(pending) => pending.as_deref(),
            _ => None,
        }
    }

    /// The same, as more of it arrives.
    pub(in crate::core) fn pending_mut(&mut self) -> Option<&mut Pending> {
        match self {
            Self::Http(pending) => pending.as_deref_mut(),
            _ => None,
        }
    }

    /// The same, to be answered.
    pub(in crate::core) fn take_pending(&mut self) -> Option<Box<Pending>> {
        match self {
            Self::Http(pending) => pending.take(),
            _ => None,
        }
    }
}

/// A connection has come for a request, until that says more.
impl Default for Door {
    fn default() -> Self {
        Self::Http(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_is_said_to_them() {
        for facts in FACTS.iter().filter(|facts| facts.has_people) {
            assert!(facts.words.is_some_and(Format::has_people), "{facts:?}");
        }
    }
}
