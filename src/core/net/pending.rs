//! A request whose body is still arriving.

use serde::{Deserialize, Serialize};

use crate::codec::freshness::Freshness;
use crate::codec::http::body;
use crate::codec::http::request::Request;
use crate::codec::incoming::Source;
use crate::codec::json::ban::BanRecord;
use crate::codec::json::condition::Condition;
use crate::codec::media::Media;
use crate::core::chat::{Author, Content, Owner, RoomName};
use crate::core::file::FileId;
use crate::core::id::ConnectionId;
use crate::core::net::phase::AfterResponse;
use crate::core::push::Person;
use crate::limits::MAX_UNWRITTEN;

/// What is kept of a request until its body has arrived.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Pending {
    pub(in crate::core) arriving: Arriving,
    pub(in crate::core) reply: Reply,
    pub(in crate::core) body: body::Decoder,
    /// The client waits for `100 Continue`.
    pub(in crate::core) expects_continue: bool,
}

/// What the body is.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) enum Arriving {
    Message(Post),
    File(Upload),
    Subscription(Subscribing),
    /// A ban, in the name of this admin.
    Ban(Box<str>),
}

/// A push subscription that a request brings.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Subscribing {
    /// The id that the request gives it.
    pub(in crate::core) id: Box<str>,
    /// Whom it is counted for.
    pub(in crate::core) owner: Owner,
    /// Who is told.
    pub(in crate::core) person: Option<Person>,
    /// Patterns of the rooms that they may read; `None` for all.
    pub(in crate::core) rooms: Option<Vec<String>>,
}

/// A message that is published by a request.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Post {
    pub(in crate::core) author: Author,
    /// The owner whose quota it uses.
    pub(in crate::core) owner: Owner,
    pub(in crate::core) room: RoomName,
    /// All rooms, where there are several: `room` is the first of them.
    #[serde(default)]
    pub(in crate::core) copies: Vec<Addressed>,
    /// The type of the body.
    pub(in crate::core) content: Content,
    pub(in crate::core) key: Option<Box<str>>,
    pub(in crate::core) retain: bool,
    pub(in crate::core) ephemeral: bool,
    pub(in crate::core) dedup: Option<Box<str>>,
    #[serde(default)]
    pub(in crate::core) condition: Option<Condition>,
    pub(in crate::core) freshness: Freshness,
    /// The body is what another service says: it becomes messages of which the rest is said there.
    #[serde(default)]
    pub(in crate::core) payload: Option<Payload>,
}

/// One of several rooms in which the same is said.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Addressed {
    pub(in crate::core) room: RoomName,
    /// Whether the sender may speak there.
    pub(in crate::core) is_allowed: bool,
    /// The ban that keeps them from it.
    #[serde(default)]
    pub(in crate::core) ban: Option<Box<BanRecord>>,
}

/// Who has sent a payload.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Payload {
    pub(in crate::core) source: Source,
    /// What it tells of, where the body does not say that.
    pub(in crate::core) event: Option<Box<str>>,
}

/// A file that a request brings. Its bytes go on to whoever keeps them as they come.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Upload {
    pub(in crate::core) author: Author,
    /// The owner whose quota it uses.
    pub(in crate::core) owner: Owner,
    pub(in crate::core) room: RoomName,
    pub(in crate::core) id: FileId,
    /// The name that it was sent under.
    pub(in crate::core) name: Box<str>,
    /// What it is; `None` before enough of it has come to tell.
    media: Option<Media>,
    /// Its first bytes, until that.
    #[serde(with = "serde_bytes")]
    head: Vec<u8>,
    /// So much of it has gone on.
    pub(in crate::core) bytes: u64,
    /// So much of that is not written yet.
    pub(in crate::core) unwritten: usize,
}

/// What a request needs of its response, whatever the response is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::core) struct Reply {
    pub(in crate::core) id: ConnectionId,
    /// The response goes without its body (HEAD).
    pub(in crate::core) is_head: bool,
    pub(in crate::core) then: AfterResponse,
    pub(in crate::core) sharing: Sharing,
}

/// Which page's scripts may read a response (CORS, in the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Upload {
    pub(in crate::core) fn new(
        id: FileId,
        room: RoomName,
        name: Box<str>,
        (author, owner): (Author, Owner),
    ) -> Self {
        Self {
            author,
            owner,
            room,
            id,
            name,
            media: None,
            head: Vec::new(),
            bytes: 0,
            unwritten: 0,
        }
    }

    /// These bytes go on. They are the last ones if `is_end`.
    pub(in crate::core) fn pass_on(&mut self, bytes: &[u8], is_end: bool) {
        self.bytes += bytes.len() as u64;
        self.unwritten += bytes.len();
        if self.media.is_none() {
            self.head.extend_from_slice(bytes);
            self.media = Media::look(&self.name, &self.head, is_end);
        }
        if self.media.is_some() {
            self.head = Vec::new();
        }
    }

    /// What it is, once it has come.
    pub(in crate::core) fn media(&self) -> Media {
        self.media.unwrap_or(Media::OTHER)
    }

    /// Whether so much is not written that no more is taken for now.
    pub(in crate::core) fn must_wait(&self) -> bool {
        self.unwritten >= MAX_UNWRITTEN
    }
}

impl Pending {
    /// What is to be kept of a request until its body is there, which is answered as `reply` says.
    pub(in crate::core) fn new(
        request: &Request<'_>,
        arriving: Arriving,
        reply: &Reply,
        body: body::Decoder,
    ) -> Self {
        Self {
            arriving,
            reply: Reply {
                then: AfterResponse::new(request.keep_alive),
                ..reply.clone()
            },
            body,
            expects_continue: request.expects_continue,
        }
    }

    /// The rooms that it is for.
    pub(in crate::core) fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        let (first, copies) = match &self.arriving {
            Arriving::Message(post) => (Some(&post.room), &post.copies[..]),
            Arriving::File(upload) => (Some(&upload.room), &[][..]),
            Arriving::Subscription(_) | Arriving::Ban(_) => (None, &[][..]),
        };
        let others = copies.iter().skip(1).map(|it| &it.room);
        first.into_iter().chain(others)
    }

    /// The file that it brings.
    pub(in crate::core) fn upload(&self) -> Option<&Upload> {
        match &self.arriving {
            Arriving::Message(_) | Arriving::Subscription(_) | Arriving::Ban(_) => None,
            Arriving::File(upload) => Some(upload),
        }
    }

    /// The same, and what has come of it.
    pub(in crate::core) fn upload_mut(&mut self) -> Option<(&mut Upload, &mut body::Decoder)> {
        match &mut self.arriving {
            Arriving::Message(_) | Arriving::Subscription(_) | Arriving::Ban(_) => None,
            Arriving::File(upload) => Some((upload, &mut self.body)),
        }
    }

    /// Bytes of memory that it holds. What is not written yet is in the memory, too.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        let origin = match &self.reply.sharing {
            Sharing::Allowed { origin, .. } => origin.as_ref(),
            Sharing::SameOrigin => None,
        };
        let more = match &self.arriving {
            Arriving::Message(post) => {
                let texts = [&post.key, &post.dedup].into_iter().flatten();
                let copies = post.copies.capacity() * size_of::<Addressed>();
                copies + texts.map(|text| text.len()).sum::<usize>()
            }
            Arriving::File(upload) => upload.name.len() + upload.head.capacity() + upload.unwritten,
            Arriving::Subscription(it) => {
                let rooms = it.rooms.iter().flatten();
                it.id.len() + rooms.map(String::len).sum::<usize>()
            }
            Arriving::Ban(by) => by.len(),
        };
        let origin = origin.map_or(0, |text| text.len());
        size_of::<Self>() + self.body.held_bytes() + origin + more
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
