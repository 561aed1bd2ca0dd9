//! How and why a connection ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::ws::close::CloseReason;

/// How to end a connection: what `Server::close` does to it. What an ending does depends on the phase; where the table
/// has "—", it does nothing.
///
/// | ending | request, body, publishing, response | open WebSocket | stream | leaving | closing, lingering |
/// |---|---|---|---|---|---|
/// | `Announce` | — | `bye` (JSON), close frame, wait for the peer's | `bye` or a line, then as `Flush` | its `PeerEnd`, now | — |
/// | `Truncate` | as `Abort` | drop the queue, then close frame, no wait | as `Abort` | as open | as `Abort` |
/// | `Answer` | — | deliver its last messages, then answer | the same | — | the handshake is over |
/// | `Flush` | write what is queued, then as `Linger`; if nothing is, as `Abort` | the same | the same | the same | the same |
/// | `Linger` | send FIN, read until the peer's | the same | the same | the same | the same |
/// | `Abort` | close at once | the same | the same | the same | the same |
///
/// The rooms are left at once, but for `Answer`, which leaves them when the last messages are delivered. No wait is longer
/// than `--close-timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Ending {
    /// The server ends it: the peer is told why, after what is queued for it.
    Announce(CloseReason),
    /// The same for a peer that holds more memory than it may: what is queued for it is dropped first.
    Truncate(CloseReason),
    /// The peer ends it, and gets the answer that goes with that.
    Answer(PeerEnd),
    /// Nothing more is to be said: what is queued is written, without a close frame.
    Flush(EndReason),
    /// Everything is written. A socket that is closed with unread bytes sends a reset, and a reset overtakes what was
    /// written: our side is shut, and input is read and dropped until the peer shuts its own.
    Linger(EndReason),
    /// The connection is lost or of no more use: whatever is queued is dropped.
    Abort(EndReason),
}

/// What a peer did that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum PeerEnd {
    /// It has sent a close frame with this code, and gets the same back.
    CloseFrame(Option<u16>),
    /// It has broken the protocol, and is told which rule.
    Violation(CloseReason),
    /// Its side of the connection ended without a close frame (TCP's FIN). It gets none either.
    EndOfInput,
}

/// Why a connection ended, for the log and for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The reason that the server has told the peer.
    Told(CloseReason),
    /// The socket could not be registered with the poll.
    CannotBePolled,
    /// The peer has sent a close frame, or has ended a stream.
    ClosedByPeer,
    /// The peer's input ended without a close frame.
    ConnectionLost,
    /// Reading or writing failed.
    ConnectionReset,
    /// The last response was taken.
    Done,
    /// A file could not be read to its end.
    FileFailed,
    /// No further request came within `--keep-alive-timeout`.
    Idle,
    /// A trusted proxy sent no valid PROXY header.
    ProxyFailed,
    /// The peer took too little of a response within `--handshake-timeout`.
    ResponseTimeout,
    /// The server has `--max-connections`.
    ServerFull,
    /// The peer at the line port spoke HTTP.
    SpokeHttp,
    /// The peer at the line port spoke TLS.
    SpokeTls,
    /// The peer took too little of a stream within `--ping-interval`.
    StreamTimeout,
    /// TLS could not be agreed on, or was broken.
    TlsFailed,
    /// Its address has `--max-per-address` connections.
    TooManyFromAddress,
    /// Its address opens connections too fast.
    TooOftenFromAddress,
}

impl EndReason {
    /// All but those that the peer was told.
    const UNTOLD: [Self; 16] = [
        Self::CannotBePolled,
        Self::ClosedByPeer,
        Self::ConnectionLost,
        Self::ConnectionReset,
        Self::Done,
        Self::FileFailed,
        Self::Idle,
        Self::ProxyFailed,
        Self::ResponseTimeout,
        Self::ServerFull,
        Self::SpokeHttp,
        Self::SpokeTls,
        Self::StreamTimeout,
        Self::TlsFailed,
        Self::TooManyFromAddress,
        Self::TooOftenFromAddress,
    ];

    /// All of them.
    pub(in crate::core) fn all() -> impl Iterator<Item = Self> {
        CloseReason::ALL
            .map(Self::Told)
            .into_iter()
            .chain(Self::UNTOLD)
    }

    /// The reason as it stands in the log and in metrics.
    pub(in crate::core) fn as_str(self) -> &'static str {
        match self {
            Self::Told(reason) => reason.phrase(),
            Self::CannotBePolled => "cannot be polled",
            Self::ClosedByPeer => "closed by peer",
            Self::ConnectionLost => "connection lost",
            Self::ConnectionReset => "connection reset",
            Self::Done => "done",
            Self::FileFailed => "a file cannot be read",
            Self::Idle => "idle",
            Self::ProxyFailed => "bad PROXY header",
            Self::ResponseTimeout => "response not taken in time",
            Self::ServerFull => "the server is full",
            Self::SpokeHttp => "spoke HTTP to the line port",
            Self::SpokeTls => "spoke TLS to the line port",
            Self::StreamTimeout => "stream not taken in time",
            Self::TlsFailed => "TLS failed",
            Self::TooManyFromAddress => "too many from its address",
            Self::TooOftenFromAddress => "too often from its address",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
