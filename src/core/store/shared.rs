//! What is asked of a log that several servers share, and what it tells them unasked.
//!
//! A server follows each room that it holds: from the answer to `Load` until [`Shared::Leave`] the log tells it all that is
//! published there, in the order of the offsets, whoever has sent it.

use crate::core::file::KeptFile;
use crate::core::store::record::{Contents, Record, Stored};

/// What only a log is asked for that several servers share. None of it is answered.
#[derive(Clone, Debug)]
pub enum Shared {
    /// The room is not here any more: what is published there need not be told. It undoes one `Load`.
    Leave {
        /// The name of the room.
        room: Box<str>,
    },
    /// A message that is not kept, for those who are in a room elsewhere.
    Signal {
        /// The name of the room.
        room: Box<str>,
        /// When it was sent, in milliseconds since 1970.
        at_ms: u64,
        /// The message.
        record: Record,
    },
    /// What a message, which was published, has left as the state of its key, where that is not its own body.
    KeepState {
        /// The name of the room.
        room: Box<str>,
        /// The message, with that body.
        state: Stored,
    },
}

/// What a log tells of what others have done.
#[derive(Clone, Debug)]
pub enum News {
    /// A message was published: the next one of its room.
    Published(Box<Published>),
    /// A message that is not kept was sent at another server.
    Signal {
        /// The name of the room.
        room: Box<str>,
        /// When it was sent, in milliseconds since 1970.
        at_ms: u64,
        /// The message.
        record: Record,
    },
    /// Where a room is, and what is kept of it: messages may be missing between what was told and this, or the epoch is
    /// another.
    Reloaded {
        /// The name of the room.
        room: Box<str>,
        /// What is kept.
        contents: Box<Contents>,
    },
    /// The log cannot be reached: nothing can be published in a room for now.
    Paused {
        /// The name of the room.
        room: Box<str>,
    },
    /// It can be reached again, and all that was published meanwhile was told.
    Resumed {
        /// The name of the room.
        room: Box<str>,
    },
    /// A room was forgotten, with all that was in it.
    Forgotten {
        /// The name of the room.
        room: Box<str>,
        /// Which of the rooms that had this name.
        epoch: u64,
    },
}

/// A message that was published by another server.
#[derive(Clone, Debug)]
pub struct Published {
    /// The name of the room.
    pub room: Box<str>,
    /// The message, with its place.
    pub stored: Stored,
    /// The file that it tells of.
    pub file: Option<Box<KeptFile>>,
}

/// Where a room is, of which a log tells this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The name of the room.
    pub room: Box<str>,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// The offset of the last message that this server knows.
    pub offset: u64,
    /// Its members were told that the log cannot be reached.
    pub is_paused: bool,
}

impl News {
    /// The room that it is about.
    pub fn room(&self) -> &str {
        match self {
            Self::Published(published) => &published.room,
            Self::Signal { room, .. }
            | Self::Reloaded { room, .. }
            | Self::Paused { room }
            | Self::Resumed { room }
            | Self::Forgotten { room, .. } => room,
        }
    }
}
