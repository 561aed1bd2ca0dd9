//! A request whose body is still arriving.

use super::chat::{Author, Content, Owner, RoomName};
use super::connection::{AfterResponse, ConnectionId};
use crate::codec::http::body;

/// What is kept of a request until its body is whole.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) post: Post,
    pub(super) reply: Reply,
    pub(super) body: body::Decoder,
    /// The client waits to be told that its body is wanted.
    pub(super) expects_continue: bool,
}

/// A message that comes as a request's body.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) author: Author,
    /// Whom it is counted for.
    pub(super) owner: Owner,
    pub(super) room: RoomName,
    /// How the body is to be understood.
    pub(super) content: Content,
    pub(super) key: Option<Box<str>>,
    pub(super) retain: bool,
    pub(super) ephemeral: bool,
    pub(super) dedup: Option<Box<str>>,
}

/// What of a request shapes its response, whatever that says.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) id: ConnectionId,
    /// The response goes without its body.
    pub(super) is_head: bool,
    pub(super) then: AfterResponse,
    pub(super) sharing: Sharing,
}

/// Which page's scripts may read a response (CORS, in the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Those of this server's own pages; nothing is said of it.
    SameOrigin,
    /// Those of an origin that may come in, if the request came from one. `with_credentials`: the origin itself is listed,
    /// so that its scripts may send what their browser keeps for this server.
    Allowed {
        origin: Option<Box<str>>,
        with_credentials: bool,
    },
}

impl Pending {
    /// Bytes of memory that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let origin = match &self.reply.sharing {
            Sharing::Allowed { origin, .. } => origin.as_ref(),
            Sharing::SameOrigin => None,
        };
        let texts = [origin, self.post.key.as_ref(), self.post.dedup.as_ref()];
        let texts = texts.into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + self.body.held_bytes() + texts.sum::<usize>()
    }
}

impl Reply {
    /// The same to a request after which the connection ends: where the next one begins is not known.
    pub(super) fn closing(self) -> Self {
        Self {
            then: AfterResponse::Close,
            ..self
        }
    }
}
