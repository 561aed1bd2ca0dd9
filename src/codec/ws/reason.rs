//! Why the server ends a WebSocket connection (RFC 6455 section 7.4).

use serde::{Deserialize, Serialize};

/// Why the server ends a WebSocket connection: a close code and a short, fixed phrase, both sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The server is going away (SIGTERM, SIGINT).
    Shutdown,
    /// The peer does not read as fast as the room talks: `--max-queue`.
    TooSlow,
    /// The peer was silent for `--ping-interval` and did not answer in `--pong-timeout`.
    PingTimeout,
    /// The peer was told that it sends more commands than `--rate` allows, and went on.
    TooManyCommands,
    /// No token was shown in `--login-timeout`.
    NoToken,
    /// The token has ended, and no new one was shown before.
    TokenExpired,
    /// A member said something in a room in which its token does not let it speak.
    MayNotPublish,
    /// A new token does not allow what an earlier one did.
    NotAllowed,
    /// An admin has closed this user's connections.
    Removed,
    /// An admin has emptied the room.
    Emptied,
    /// An admin has banned this user, or this address.
    Banned,
    /// A member at the plain door sends the state of a key, and the room keeps as many as it may.
    TooManyKeys,
    /// `--max-memory` is used up, and this connection held the most of it.
    OutOfMemory,
    /// Something else is used up for now.
    TryAgainLater,
    /// The message is longer than `--max-message`.
    TooBig,
    /// A text message or a close reason is not UTF-8.
    InvalidUtf8,
    /// A compressed message is not DEFLATE.
    InvalidDeflate,
    /// A reserved bit is set, and no extension was agreed on.
    ReservedBit,
    /// The opcode is one of those left for later.
    ReservedOpcode,
    /// A client's frame must be masked.
    MissingMask,
    /// The payload's length does not stand in its shortest form, or is beyond 63 bits.
    LongLength,
    /// A control frame must be whole.
    FragmentedControl,
    /// A control frame's payload is at most 125 bytes.
    LongControl,
    /// A continuation frame came, and nothing was begun.
    StrayContinuation,
    /// A message began before the last one had ended.
    NestedMessage,
    /// A close frame's payload is empty or begins with two bytes of code.
    ShortClose,
    /// The close code must not be sent.
    InvalidCloseCode,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Shutdown,
        Self::TooSlow,
        Self::PingTimeout,
        Self::TooManyCommands,
        Self::NoToken,
        Self::TokenExpired,
        Self::MayNotPublish,
        Self::NotAllowed,
        Self::Removed,
        Self::Emptied,
        Self::Banned,
        Self::TooManyKeys,
        Self::OutOfMemory,
        Self::TryAgainLater,
        Self::TooBig,
        Self::InvalidUtf8,
        Self::InvalidDeflate,
        Self::ReservedBit,
        Self::ReservedOpcode,
        Self::MissingMask,
        Self::LongLength,
        Self::FragmentedControl,
        Self::LongControl,
        Self::StrayContinuation,
        Self::NestedMessage,
        Self::ShortClose,
        Self::InvalidCloseCode,
    ];

    /// The close code.
    pub fn code(self) -> u16 {
        self.describe().0
    }

    /// The phrase, at most 123 bytes.
    pub fn phrase(self) -> &'static str {
        self.describe().1
    }

    fn describe(self) -> (u16, &'static str) {
        match self {
            Self::Shutdown => (1001, "server is shutting down"),
            Self::TooSlow => (1008, "too slow"),
            Self::PingTimeout => (1008, "no answer to ping"),
            Self::TooManyCommands => (1008, "too many commands"),
            Self::NoToken => (1008, "no token in time"),
            Self::TokenExpired => (1008, "token expired"),
            Self::MayNotPublish => (1008, "not allowed to speak here"),
            Self::NotAllowed => (1008, "not allowed by your token"),
            Self::Removed => (1008, "closed by an admin"),
            Self::Emptied => (1008, "room emptied by an admin"),
            Self::Banned => (1008, "banned by an admin"),
            Self::TooManyKeys => (1008, "too many keys are retained"),
            Self::OutOfMemory => (1013, "server is out of memory, try again later"),
            Self::TryAgainLater => (1013, "try again later"),
            Self::TooBig => (1009, "message too big"),
            Self::InvalidUtf8 => (1007, "invalid UTF-8"),
            Self::InvalidDeflate => (1007, "invalid compressed data, or context takeover"),
            Self::ReservedBit => (1002, "reserved bit set"),
            Self::ReservedOpcode => (1002, "reserved opcode"),
            Self::MissingMask => (1002, "frame without mask"),
            Self::LongLength => (1002, "length not in its shortest form"),
            Self::FragmentedControl => (1002, "fragmented control frame"),
            Self::LongControl => (1002, "control frame too long"),
            Self::StrayContinuation => (1002, "continuation without a message"),
            Self::NestedMessage => (1002, "message inside a fragmented message"),
            Self::ShortClose => (1002, "close frame of one byte"),
            Self::InvalidCloseCode => (1002, "invalid close code"),
        }
    }
}
