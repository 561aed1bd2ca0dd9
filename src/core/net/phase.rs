//! Where a connection stands.

use crate::core::net::ending::{EndReason, PeerEnd};

/// Where a connection stands. It goes through these from top to bottom, save that a kept-alive HTTP connection goes from
/// `Response` back to `Request`. Each phase has one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Phase {
    /// Waiting for a request; `seen` bytes of its head have been looked at, the rest of what has come has not.
    Request { seen: usize },
    /// Waiting for the rest of a request's body. `arrived`: so many bytes had come when the deadline was set.
    Body { arrived: u64 },
    /// A request waits for the store. What the peer sends meanwhile waits.
    AwaitingStore,
    /// Writing responses. Pipelined requests wait, but for POSTs that came in one read. `taken`: so many bytes had been
    /// taken when the deadline was set.
    Response { then: AfterResponse, taken: u64 },
    /// A WebSocket. `pinged`: nothing has come since the last ping, when so many bytes had been taken.
    Open { pinged: Option<u64> },
    /// A stream of Server-Sent Events, or of lines. `stuck_at`: something was waiting when it was looked at last, when so
    /// many bytes had been taken.
    Streaming { stuck_at: Option<u64> },
    /// About to close, and a member of its room until it has been served all that was said there up to the number
    /// `until` in its audience's sequence: its own last words among it. What it still sends is not heard.
    Leaving { until: u64, end: PeerEnd },
    /// A close frame is queued or sent.
    Closing {
        handshake: CloseHandshake,
        reason: EndReason,
    },
    /// All is written and our side is shut. Reading on until the peer closes too, because a socket closed with unread
    /// bytes sends a reset, and a reset overtakes what was written.
    Lingering { reason: EndReason },
    /// To be freed at the end of a tick.
    Closed { reason: EndReason },
}

/// What follows a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum AfterResponse {
    NextRequest,
    Close,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum CloseHandshake {
    /// Our close frame went first; the peer's has not come.
    AwaitingPeer,
    /// The peer has broken the protocol. It is not heard any more, but its close frame is waited for: a FIN that comes
    /// with ours is taken for a lost connection by some.
    Discarding,
    /// Both are said, or no answer is waited for.
    Done,
}
