//! The rooms over HTTP: what is at `/rooms`.

use std::rc::Rc;

use crate::codec::http::body;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::command::{self, Data, Publish};
use crate::codec::json::event::Epoch;
use crate::core::access::Rights;
use crate::core::chat::{
    Author, Content, Name, Owner, PersonId, PersonName, RoomId, RoomName, Sender,
};
use crate::core::net::pending::{Arriving, Pending, Post, Reply, Sharing};
use crate::core::net::phase::{AfterResponse, Phase};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::fields::{FOREIGN_ORIGIN, flag, parse_room, read_only};
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::{BAD_NAME, CommandError, NAME_TAKEN};
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::Publisher;
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;

/// What a page of another origin may send, and for how many seconds a browser may remember that.
const PREFLIGHT: [(&str, &str); 3] = [
    (
        "Access-Control-Allow-Methods",
        "DELETE, GET, HEAD, POST, PUT",
    ),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Cache-Control, Content-Type, Last-Event-ID, Parlor-Resume, Range",
    ),
    ("Access-Control-Max-Age", "600"),
];

/// What a path that begins with `/rooms` names.
enum Resource {
    Rooms,
    Room(RoomName),
    Events(RoomName),
    Messages(RoomName),
    Members(RoomName),
    /// What is found there.
    Search(RoomName),
    /// A file to be sent there, under this name, which is encoded.
    File(RoomName, Box<str>),
}

impl Resource {
    fn parse(path: &str) -> Result<Self, Problem> {
        let Some(path) = path.strip_prefix('/') else {
            return Ok(Self::Rooms);
        };
        match path.split_once('/') {
            None => parse_room(path).map(Self::Room),
            Some((room, "events")) => parse_room(room).map(Self::Events),
            Some((room, "messages")) => parse_room(room).map(Self::Messages),
            Some((room, "members")) => parse_room(room).map(Self::Members),
            Some((room, "search")) => parse_room(room).map(Self::Search),
            Some((room, rest)) => match rest.strip_prefix("files/") {
                Some(name) => Ok(Self::File(parse_room(room)?, name.into())),
                None => Err(Problem::new(
                    Status::NOT_FOUND,
                    "a room has events, messages, members, search and files, as in /rooms/tea/events",
                )),
            },
        }
    }

    /// The room that it is, or is of.
    fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Rooms => None,
            Self::Room(room)
            | Self::Events(room)
            | Self::Messages(room)
            | Self::Search(room)
            | Self::Members(room)
            | Self::File(room, _) => Some(room),
        }
    }

    /// What the query of a request for it may say.
    fn fields(&self, method: &str) -> &'static [&'static str] {
        match (self, method) {
            (Self::Room(_), "POST") => &["key", "retain", "dedup", "ephemeral", "name", "token"],
            (Self::Events(_), _) => &["last", "lastEventId", "token"],
            (Self::File(..), _) => &["name", "token"],
            (Self::Messages(_), _) => &["before", "limit", "token"],
            (Self::Search(_), _) => &["q", "before", "limit", "token"],
            _ => &["token"],
        }
    }
}

impl<S: Stream> Server<S> {
    /// Answers a request for a room, or begins to read what is said in it.
    pub(in crate::core::server) fn answer_rooms(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) {
        let reply = Reply {
            sharing: self.sharing(request),
            ..reply.clone()
        };
        if let Err(problem) = self.serve_rooms(request, path, &reply, now) {
            let is_for_now = [Status::SERVICE_UNAVAILABLE, Status::TOO_MANY_REQUESTS];
            if is_for_stream(request) && is_for_now.contains(&problem.status) {
                self.respond_ended_stream(&problem, &reply, now);
            } else {
                self.respond_problem(&problem, &reply, now);
            }
        }
    }

    /// Which page's scripts may read the answer to a request for a room.
    pub(in crate::core::server) fn sharing(&self, request: &Request<'_>) -> Sharing {
        let origin = request.value("origin");
        let origin = origin.filter(|_| self.is_origin_allowed(request));
        let is_listed = |origin: &str| {
            let mut listed = self.allowed_origins.iter();
            listed.any(|listed| listed.eq_ignore_ascii_case(origin))
        };
        Sharing::Allowed {
            with_credentials: origin.is_some_and(is_listed),
            origin: origin.map(Into::into),
        }
    }

    fn serve_rooms(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        if self.drain.is_begun() {
            return Err(unavailable("the server is shutting down"));
        }
        if request.method == "OPTIONS" {
            // A browser asks without a token whether it may send one.
            self.respond_empty(&PREFLIGHT, reply, now);
            return Ok(());
        }
        let resource = Resource::parse(path)?;
        request.check_query(resource.fields(request.method))?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        if let Some(room) = resource.room() {
            self.check_ready(room, now)?;
        }
        match (request.method, resource) {
            ("POST", Resource::Room(room)) => {
                rights.check_publish(&room)?;
                self.check_lookalike(&rights)?;
                self.begin_post(request, room, &rights, reply, now)
            }
            ("PUT", Resource::File(room, name)) => {
                rights.check_publish(&room)?;
                self.check_lookalike(&rights)?;
                self.begin_upload(request, (room, &name), &rights, reply, now)
            }
            (_, Resource::File(..)) => {
                let detail = "a file is sent by PUT, as curl -T does; it is read where its message says, at /files";
                let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
                Err(problem.with(&[("Allow", "OPTIONS, PUT")]))
            }
            ("DELETE", Resource::Room(room)) => {
                self.check_may_undo(request, &rights, reply)?;
                self.empty_room(&room, &rights, now);
                self.respond_empty(&[], reply, now);
                Ok(())
            }
            (_, Resource::Room(_)) => {
                let detail =
                    "a room takes messages by POST; what was said is at its /messages and /events";
                let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
                Err(problem.with(&[("Allow", "DELETE, OPTIONS, POST")]))
            }
            ("GET" | "HEAD", resource) => self.read_rooms(request, resource, &rights, reply, now),
            _ => Err(read_only()),
        }
    }

    fn read_rooms(
        &mut self,
        request: &Request<'_>,
        resource: Resource,
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        // A browser's EventSource does not come back after a refusal.
        if !matches!(resource, Resource::Events(_)) {
            self.admit_query(request, reply.id, now)?;
        }
        match resource {
            Resource::Events(room) => {
                rights.check_subscribe(&room)?;
                self.check_lookalike(rights)?;
                self.check_connection_limit(rights)?;
                self.open_stream(request, room, rights, reply, now)?;
                if !reply.is_head {
                    self.grant(reply.id, rights, now);
                }
            }
            Resource::Messages(room) => {
                rights.check_subscribe(&room)?;
                self.answer_messages(request, &room, reply, now)?;
            }
            Resource::Search(room) => {
                rights.check_subscribe(&room)?;
                self.answer_search_request(request, &room, reply, now)?;
            }
            Resource::Members(room) => {
                rights.check_subscribe(&room)?;
                self.answer_members(request, &room, reply, now);
            }
            Resource::Rooms | Resource::Room(_) | Resource::File(..) => {
                self.check_runs_it(request, rights, reply)?;
                self.answer_list(request, reply, now);
            }
        }
        Ok(())
    }

    /// Begins to read a message that comes as the request's body.
    fn begin_post(
        &mut self,
        request: &Request<'_>,
        room: RoomName,
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let text = |name| request.query_value(name).map(Into::into);
        let post = Post {
            author: self.author_of_post(request, rights, reply)?,
            owner: self.owner_of_request(request, rights, reply.id),
            room,
            content: content_of(request)?,
            key: text("key"),
            retain: flag(request, "retain")?,
            ephemeral: flag(request, "ephemeral")?,
            dedup: text("dedup"),
        };
        let pending = Pending {
            arriving: Arriving::Message(post),
            reply: Reply {
                then: AfterResponse::new(request.keep_alive),
                ..reply.clone()
            },
            body: body::Decoder::new(request.body, self.limits.max_message)?,
            expects_continue: request.expects_continue,
        };
        self.begin_body(pending, now);
        Ok(())
    }

    /// Who says what is posted: where the parlor is open, under a name that nobody has, if they ask for it. They do not
    /// hold it.
    pub(in crate::core::server) fn author_of_post(
        &self,
        request: &Request<'_>,
        rights: &Rights,
        reply: &Reply,
    ) -> Result<Author, Problem> {
        let author = self.author(rights, PersonId(reply.id.number()));
        let Some(name) = request.query_value("name") else {
            return Ok(author);
        };
        if let Some(grant) = rights.grant() {
            let detail = "your name is that of your token: leave name out";
            return match *grant.name.shown() == *name {
                true => Ok(author),
                false => Err(Problem::new(Status::FORBIDDEN, detail)),
            };
        }
        let Some(name) = PersonName::parse(&name) else {
            return Err(BAD_NAME.into());
        };
        if self.chat.is_taken(&name) {
            return Err(NAME_TAKEN.into());
        }
        let name = Name::Chosen(name.shown());
        Ok(Author { name, ..author })
    }

    /// A request's body is whole.
    pub(in crate::core::server) fn on_body(&mut self, pending: Pending, now: Now) {
        let Pending {
            arriving,
            reply,
            body,
            ..
        } = pending;
        let post = match arriving {
            Arriving::Message(post) => post,
            Arriving::File(upload) => {
                return self.finish_upload(upload, body.into_body(), reply, now);
            }
        };
        match self.on_post(&post, &body.into_body(), &reply, now) {
            Ok((room, Submitted::Published(offset))) => {
                self.respond_to_post(room, Ok(offset), &reply, now);
            }
            Ok((_, Submitted::Waiting(ticket))) => {
                self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
                self.waiting
                    .tell(ticket, ReplyTo::Http(Box::new(reply)), now.ms);
            }
            Err(problem) => self.respond_problem(&problem, &reply, now),
        }
    }

    /// Publishes a message that came by POST.
    fn on_post(
        &mut self,
        post: &Post,
        body: &[u8],
        reply: &Reply,
        now: Now,
    ) -> Result<(RoomId, Submitted), Problem> {
        self.chat
            .may_post(&post.owner, now)
            .map_err(CommandError::from)?;
        let publish = Publish {
            room: post.room.as_str().into(),
            data: data_of(post.content, body)?,
            key: post.key.as_deref().map(Into::into),
            retain: post.retain,
            ephemeral: post.ephemeral,
            dedup: post.dedup.as_deref().map(Into::into),
        };
        let sender = match (&post.owner, &post.author.name) {
            (Owner::Address(_), Name::Chosen(name)) => {
                Sender::Named(post.owner.clone(), Rc::clone(name))
            }
            (owner, _) => Sender::Owner(owner.clone()),
        };
        let publisher = Publisher {
            author: &post.author,
            sender: &sender,
            owner: &post.owner,
        };
        let submitted = self.publish(&post.room, &publish, publisher, now)?;
        if let Some(connection) = self.get_mut(reply.id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
        Ok(submitted)
    }

    /// Answers a POST whose message is published, with its offset if it is kept, or is not.
    pub(in crate::core::server) fn respond_to_post(
        &mut self,
        room: RoomId,
        outcome: Result<Option<u64>, CommandError>,
        reply: &Reply,
        now: Now,
    ) {
        match outcome {
            Ok(offset) => {
                let json = self.posted_json(room, offset);
                self.respond_json(&json, reply, now);
            }
            Err(failure) => self.respond_problem(&failure.into(), reply, now),
        }
    }

    fn posted_json(&self, room: RoomId, offset: Option<u64>) -> String {
        let epoch = Epoch(self.chat.epoch(room));
        let name = self.chat.room_name(room).map_or("", RoomName::as_str);
        let offset = offset.map_or(String::new(), |offset| format!(",\"offset\":{offset}"));
        // A room's name holds nothing that JSON would have to escape.
        format!("{{\"room\":\"{name}\",\"epoch\":\"{epoch}\"{offset}}}\n")
    }
}

/// How the body is to be understood: forms are text, because curl takes whatever it is given for one.
fn content_of(request: &Request<'_>) -> Result<Content, Problem> {
    check_encoding(request)?;
    let kind = request.value("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    Ok(if essence.eq_ignore_ascii_case("application/json") {
        Content::Json
    } else if essence.eq_ignore_ascii_case("application/octet-stream") {
        Content::Binary
    } else {
        Content::Text
    })
}

/// Refuses a body that is encoded.
pub(in crate::core::server) fn check_encoding(request: &Request<'_>) -> Result<(), Problem> {
    // RFC 9110 section 12.5.3: `identity` says that there is none.
    let mut encodings = request.items("content-encoding");
    if encodings.any(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        let detail = "the body is to be sent as it is, without a Content-Encoding";
        return Err(Problem::new(Status::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

fn data_of(content: Content, body: &[u8]) -> Result<Data<'_>, Problem> {
    if content == Content::Binary {
        return Ok(Data::Binary(body.to_vec()));
    }
    let Ok(text) = str::from_utf8(body) else {
        let detail = "the text is not UTF-8; send other bytes as application/octet-stream";
        return Err(Problem::new(Status::BAD_REQUEST, detail));
    };
    if content == Content::Text {
        return Ok(Data::Text(text.into()));
    }
    command::parse_data(text).map_err(|error| {
        let detail = format!("the body is not JSON: {error}");
        Problem::detailed(Status::BAD_REQUEST, detail)
    })
}

/// Whether a request is for a stream, which an `EventSource` may have sent.
pub(in crate::core::server) fn is_for_stream(request: &Request<'_>) -> bool {
    let path = request.path.strip_prefix("/rooms/");
    let resource = path.and_then(|path| path.split_once('/'));
    request.method == "GET" && resource.is_some_and(|(_, resource)| resource == "events")
}
