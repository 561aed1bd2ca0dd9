//! A request whose body is still arriving.

use crate::codec::http::body;
use crate::core::chat::{Author, Content, Owner, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::phase::AfterResponse;

/// What is kept of a request until its body has arrived.
#[derive(Debug)]
pub(in crate::core) struct Pending {
    pub(in crate::core) post: Post,
    pub(in crate::core) reply: Reply,
    pub(in crate::core) body: body::Decoder,
    /// The client waits for `100 Continue`.
    pub(in crate::core) expects_continue: bool,
}

/// A message that is published by a request.
#[derive(Debug)]
pub(in crate::core) struct Post {
    pub(in crate::core) author: Author,
    /// The owner whose quota it uses.
    pub(in crate::core) owner: Owner,
    pub(in crate::core) room: RoomName,
    /// The type of the body.
    pub(in crate::core) content: Content,
    pub(in crate::core) key: Option<Box<str>>,
    pub(in crate::core) retain: bool,
    pub(in crate::core) ephemeral: bool,
    pub(in crate::core) dedup: Option<Box<str>>,
}

/// What a request needs of its response, whatever the response is.
#[derive(Clone, Debug)]
pub(in crate::core) struct Reply {
    pub(in crate::core) id: ConnectionId,
    /// The response goes without its body (HEAD).
    pub(in crate::core) is_head: bool,
    pub(in crate::core) then: AfterResponse,
    pub(in crate::core) sharing: Sharing,
}

/// Which page's scripts may read a response (CORS, in the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum Sharing {
    /// Only those of this server's own pages: no CORS field is sent.
    SameOrigin,
    /// Those of an allowed origin, if the request came from one. `with_credentials`: the origin itself is listed, so
    /// its scripts may send the cookies and credentials that the browser keeps for this server.
    Allowed {
        origin: Option<Box<str>>,
        with_credentials: bool,
    },
}

impl Pending {
    /// Bytes of memory that it holds.
    pub(in crate::core) fn held_bytes(&self) -> usize {
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
    /// The same for a request after which the connection ends, because where the next one begins is not known.
    pub(in crate::core) fn closing(self) -> Self {
        Self {
            then: AfterResponse::Close,
            ..self
        }
    }
}
