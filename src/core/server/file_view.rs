//! Who asks for a file, and for what of it, until it is known where the file belongs.

use crate::codec::http::range::Wanted;
use crate::codec::http::request::Request;
use crate::core::access::Rights;
use crate::core::file::FileId;
use crate::core::net::peer::Peer;
use crate::core::net::pending::Reply;

/// A request for a file.
#[derive(Debug)]
pub(super) struct FileView {
    pub(super) id: FileId,
    pub(super) rights: Rights,
    /// Where it comes from.
    pub(super) peer: Option<Peer>,
    pub(super) reply: Reply,
    pub(super) wanted: Wanted,
    /// Whoever asks has it already.
    pub(super) is_fresh: bool,
}

impl FileView {
    pub(super) fn new(
        request: &Request<'_>,
        id: FileId,
        (rights, peer): (Rights, Option<Peer>),
        reply: Reply,
    ) -> Self {
        let etag = etag_of(id);
        let tags = [&*etag, &format!("W/{etag}"), "*"];
        Self {
            id,
            rights,
            peer,
            reply,
            wanted: Wanted::of(request, &etag),
            is_fresh: tags.iter().any(|tag| request.lists("if-none-match", tag)),
        }
    }

    /// Bytes of memory that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.wanted.held_bytes()
    }
}

/// What an id names never changes.
pub(super) fn etag_of(id: FileId) -> String {
    format!("\"{id}\"")
}
