//! The error codes of the protocol: the one list that every door, the manual and parlor.js share.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why a command or a request is refused, for programs. The connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The message is not one JSON object.
    BadJson,
    /// The command is not known, or its fields are not valid.
    BadCommand,
    /// The room name is not valid.
    BadRoom,
    /// The name of a person is not valid.
    BadName,
    /// The secret of `resume` is not known.
    BadResume,
    /// Somebody else has the name, or one that looks the same.
    NameTaken,
    /// The state of the key is not the one that the sender knows.
    Conflict,
    /// The sender is not in the room.
    NotJoined,
    /// Nobody of this name is connected.
    NoSuchUser,
    /// The server, or the sender, has as many rooms as allowed.
    TooManyRooms,
    /// The room, or the server, retains as many keys as allowed.
    TooManyKeys,
    /// The person has as many connections as `--max-per-person` allows.
    TooManyConnections,
    /// The addressee reads too slowly.
    Busy,
    /// The sender is too fast.
    RateLimited,
    /// No message can be kept for now.
    Unavailable,
    /// The server keeps no messages on disk.
    NotKept,
    /// No token was shown where one is needed.
    TokenNeeded,
    /// The token is not valid.
    BadToken,
    /// The token has expired.
    TokenExpired,
    /// The token does not allow it.
    NotAllowed,
    /// An admin has banned the sender.
    Banned,
}

impl ErrorCode {
    /// All codes, in the order of the manual.
    pub const ALL: [Self; 21] = [
        Self::BadJson,
        Self::BadCommand,
        Self::BadRoom,
        Self::BadName,
        Self::BadResume,
        Self::NameTaken,
        Self::Conflict,
        Self::NotJoined,
        Self::NoSuchUser,
        Self::TooManyRooms,
        Self::TooManyKeys,
        Self::TooManyConnections,
        Self::Busy,
        Self::RateLimited,
        Self::Unavailable,
        Self::NotKept,
        Self::TokenNeeded,
        Self::BadToken,
        Self::TokenExpired,
        Self::NotAllowed,
        Self::Banned,
    ];

    /// The code as it is sent, in metrics and in logs.
    pub fn as_str(self) -> &'static str {
        self.describe().0
    }

    /// What it means, in one line of Markdown for the manual.
    pub fn meaning(self) -> &'static str {
        self.describe().1
    }

    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::BadJson => ("bad_json", "the message is not one JSON object"),
            Self::BadCommand => (
                "bad_command",
                "the command is not known, or one of its fields is not valid",
            ),
            Self::BadRoom => ("bad_room", "the room name is not valid"),
            Self::BadName => ("bad_name", "the name of a person is not valid"),
            Self::BadResume => ("bad_resume", "the secret in `resume` is not known any more"),
            Self::NameTaken => (
                "name_taken",
                "somebody else has this name, or one that looks the same",
            ),
            Self::Conflict => (
                "conflict",
                "the state of the key is not the one that `if_offset` or `if_new` says: it is in `current`",
            ),
            Self::NotJoined => ("not_joined", "you are not in this room"),
            Self::NoSuchUser => (
                "no_such_user",
                "nobody of this name is connected, told by [push](push.md), or [banned](bans.md) there",
            ),
            Self::TooManyRooms => (
                "too_many_rooms",
                "the server has `--max-rooms`, or you are in, or have begun, as many as allowed",
            ),
            Self::TooManyKeys => (
                "too_many_keys",
                "the room, or the server, retains as many keys as allowed; or there are as many [push](push.md) subscriptions",
            ),
            Self::TooManyConnections => (
                "too_many_connections",
                "this person has `--max-per-person` connections",
            ),
            Self::Busy => ("busy", "the addressee reads too slowly; try again"),
            Self::RateLimited => (
                "rate_limited",
                "you are too fast; send it again after `retry_ms`",
            ),
            Self::Unavailable => (
                "unavailable",
                "messages cannot be kept or read for now, or the key of a token is not here yet; send it again after `retry_ms`",
            ),
            Self::NotKept => (
                "not_kept",
                "the server keeps no messages on disk, so there is nothing to search; start it with `--data`",
            ),
            Self::TokenNeeded => ("token_needed", "log in with a token first"),
            Self::BadToken => ("bad_token", "the token is not valid here"),
            Self::TokenExpired => ("token_expired", "the token has expired; get a new one"),
            Self::NotAllowed => ("not_allowed", "your token does not allow this"),
            Self::Banned => (
                "banned",
                "an admin has [banned](bans.md) you: `ban` says from where, until when and why",
            ),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
