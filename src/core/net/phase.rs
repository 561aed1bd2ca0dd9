//! The phases of a connection.

use serde::{Deserialize, Serialize};

use crate::core::net::ending::{EndReason, PeerEnd};

/// The phase of a connection. The order is from top to bottom, but a kept-alive HTTP connection goes from `Response`
/// back to `Request`. Each phase has one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum Phase {
    /// Waiting for a request. `seen`: bytes of its head that were parsed before.
    Request { seen: usize },
    /// Waiting for the rest of a request's body. `arrived`: bytes that had come when the deadline was set.
    Body { arrived: u64 },
    /// A request waits for the store, or for a part of a file. What the peer sends meanwhile waits.
    AwaitingStore,
    /// Writing responses. Pipelined requests wait, but for POSTs that came in one read. `taken`: so many bytes had been
    /// taken when the deadline was set.
    Response { then: AfterResponse, taken: u64 },
    /// A WebSocket. `pinged`: nothing has come since the last ping, when the kernel had taken so many bytes.
    Open { pinged: Option<u64> },
    /// A stream of Server-Sent Events, or of lines. `stuck_at`: something was queued at the last check, when the kernel
    /// had taken so many bytes.
    Streaming { stuck_at: Option<u64> },
    /// About to close, and still a member of its room until it has been sent what was published there up to the number
    /// `until` of its audience's sequence, its own last message included. Its input is dropped.
    Leaving { until: u64, end: PeerEnd },
    /// A close frame is queued or sent, or the rest of the queue is being written.
    Closing {
        handshake: CloseHandshake,
        reason: EndReason,
    },
    /// All is written and our side is shut. Input is read and dropped until the peer shuts its own: a socket that is
    /// closed with unread bytes sends a reset, and a reset overtakes what was written.
    Lingering { reason: EndReason },
    /// To be freed at the end of a tick.
    Closed { reason: EndReason },
}

/// What follows a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum AfterResponse {
    NextRequest,
    Close,
    /// The next part of the same response, which is read when this one has left.
    NextPart,
}

impl AfterResponse {
    pub(in crate::core) fn new(keep_alive: bool) -> Self {
        if keep_alive {
            Self::NextRequest
        } else {
            Self::Close
        }
    }
}

/// How far the close handshake is (RFC 6455 section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) enum CloseHandshake {
    /// Our close frame went first; the peer's has not come.
    AwaitingPeer,
    /// The peer has broken the protocol. Its input is dropped, but its close frame is awaited: some clients take a FIN
    /// that comes with our close frame for a lost connection.
    Discarding,
    /// Both sides have sent theirs, or no answer is awaited.
    Done,
}
