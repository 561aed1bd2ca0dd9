//! The rooms over HTTP: what is at `/rooms`.

use crate::codec::freshness::Freshness;
use crate::codec::http::body;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::command::{self, Data, Publish};
use crate::codec::json::condition::Condition;
use crate::codec::json::event::Epoch;
use crate::core::access::Rights;
use crate::core::chat::{Author, Chart, Content, Name, PersonId, PersonName, RoomId, RoomName};
use crate::core::net::pending::{Addressed, Arriving, Pending, Post, Reply, Sharing};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::chart;
use crate::core::server::copies::check_copies;
use crate::core::server::doors::feeds;
use crate::core::server::doors::http::fields::{
    FOREIGN_ORIGIN, addressed, flag, number, parse_room, read_only, rooms_of_list,
};
use crate::core::server::doors::http::incoming::payload_of;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::{BAD_NAME, CommandError};
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::{Publisher, sender_of_post};
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;
use crate::limits::DEFAULT_SERIES_SECONDS;

/// What a page of another origin may send, and for how many seconds a browser may remember that.
pub(in crate::core::server) const PREFLIGHT: [(&str, &str); 3] = [
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
    /// Several rooms, in which the same is said.
    Several(Vec<RoomName>),
    Events(RoomName),
    Messages(RoomName),
    Members(RoomName),
    /// What is found there.
    Search(RoomName),
    /// What numbers its keys had.
    Series(RoomName),
    /// A file to be sent there, under this name, which is encoded.
    File(RoomName, Box<str>),
}

impl Resource {
    fn parse(path: &str) -> Result<Self, Problem> {
        let Some(path) = path.strip_prefix('/') else {
            return Ok(Self::Rooms);
        };
        if let Some(rooms) = rooms_of_list(path) {
            return rooms.map(Self::Several);
        }
        match path.split_once('/') {
            None => parse_room(path).map(Self::Room),
            Some((room, "events")) => parse_room(room).map(Self::Events),
            Some((room, "messages")) => parse_room(room).map(Self::Messages),
            Some((room, "members")) => parse_room(room).map(Self::Members),
            Some((room, "search")) => parse_room(room).map(Self::Search),
            Some((room, "series")) => parse_room(room).map(Self::Series),
            Some((room, rest)) => match rest.strip_prefix("files/") {
                Some(name) => Ok(Self::File(parse_room(room)?, name.into())),
                None => Err(Problem::new(
                    Status::NOT_FOUND,
                    "a room has events, messages, members, search, series and files, as in /rooms/tea/events",
                )),
            },
        }
    }

    /// The room that it is, or is of.
    fn room(&self) -> Option<&RoomName> {
        match self {
            // Each of several is looked at by itself.
            Self::Rooms | Self::Several(_) => None,
            Self::Room(room)
            | Self::Events(room)
            | Self::Messages(room)
            | Self::Search(room)
            | Self::Series(room)
            | Self::Members(room)
            | Self::File(room, _) => Some(room),
        }
    }

    /// What the query of a request for it may say.
    fn fields(&self, method: &str) -> &'static [&'static str] {
        match (self, method) {
            (Self::Room(_) | Self::Several(_), "POST") => &[
                "key",
                "retain",
                "expect",
                "ttl",
                "dedup",
                "ephemeral",
                "as",
                "if_offset",
                "if_epoch",
                "if_new",
                "name",
                "token",
            ],
            (Self::Events(_), _) => &["last", "lastEventId", "token"],
            (Self::File(..), _) => &["name", "token"],
            (Self::Messages(_), _) => &["before", "limit", "token"],
            (Self::Series(_), _) => &["keys", "seconds", "points", "count", "token"],
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
        let served = match self.serve_anyone(request, &reply, now) {
            Ok(true) => Ok(()),
            Ok(false) if path == feeds::PATH => self.open_feed(request, &reply, now),
            Ok(false) => self.serve_rooms(request, path, &reply, now),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = served {
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

    /// What is said to requests for rooms before it is looked at them. Says whether that was the answer.
    fn serve_anyone(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Result<bool, Problem> {
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        if self.drain.is_begun() {
            return Err(unavailable("the server is shutting down"));
        }
        let is_preflight = request.method == "OPTIONS";
        if is_preflight {
            // A browser asks without a token whether it may send one.
            self.respond_empty(&PREFLIGHT, reply, now);
        }
        Ok(is_preflight)
    }

    fn serve_rooms(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let resource = Resource::parse(path)?;
        request.check_query(resource.fields(request.method))?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        self.check_ban_of_request(request, &rights, resource.room(), reply)?;
        if let Some(room) = resource.room() {
            self.check_ready(room, now)?;
        }
        match (request.method, resource) {
            ("POST", Resource::Room(room)) => {
                rights.check_publish(&room)?;
                self.check_lookalike(&rights)?;
                self.begin_post(request, (room, Vec::new()), &rights, reply, now)
            }
            ("POST", Resource::Several(rooms)) => {
                check_copies(&rooms)?;
                let peer = self.peer(Some(request), reply.id);
                let ban_in = |room: &RoomName| self.ban_of(&rights, peer, Some(room));
                let (first, copies) = addressed(rooms, &rights, ban_in)?;
                self.check_lookalike(&rights)?;
                self.begin_post(request, (first, copies), &rights, reply, now)
            }
            (_, Resource::Several(_)) => {
                let detail = "several rooms with commas between them take messages by POST, and nothing else";
                let problem = Problem::new(Status::METHOD_NOT_ALLOWED, detail);
                Err(problem.with(&[("Allow", "OPTIONS, POST")]))
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
            Resource::Series(room) => {
                rights.check_subscribe(&room)?;
                let chart = chart_of_query(request)?;
                let owner = self.owner_of_request(request, rights, reply.id);
                self.answer_series((&room, &chart), &owner, reply, now);
            }
            Resource::Members(room) => {
                rights.check_subscribe(&room)?;
                self.answer_members(request, &room, reply, now);
            }
            Resource::Rooms | Resource::Room(_) | Resource::Several(_) | Resource::File(..) => {
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
        (room, copies): (RoomName, Vec<Addressed>),
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let text = |name| request.query_value(name).map(Into::into);
        let payload = payload_of(request)?;
        if payload.is_some() && !copies.is_empty() {
            let detail =
                "a payload of another service goes into one room: as= needs a path with one";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        }
        let delivery = payload.as_ref().and(request.value("x-github-delivery"));
        let post = Post {
            author: self.author_of_post(request, rights, reply)?,
            owner: self.owner_of_request(request, rights, reply.id),
            room,
            copies,
            content: content_of(request)?,
            key: text("key"),
            retain: flag(request, "retain")?,
            ephemeral: flag(request, "ephemeral")?,
            dedup: text("dedup").or(delivery.map(Into::into)),
            payload,
            condition: condition(request)?,
            freshness: Freshness::new(number(request, "expect")?, number(request, "ttl")?),
        };
        let body = body::Decoder::new(request.body, self.limits.max_message)?;
        let arriving = Arriving::Message(post);
        self.begin_body(Pending::new(request, arriving, reply, body), now);
        Ok(())
    }

    /// Who says what is posted: where the parlor is open, under a name that nobody has, if they ask for it. They do not
    /// hold it; who had it before is not told by push any more of what is said to it.
    pub(in crate::core::server) fn author_of_post(
        &mut self,
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
        self.check_free(&name)?;
        let name = Name::Chosen(name.shown());
        let author = Author { name, ..author };
        self.on_name_taken(&author);
        Ok(author)
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
            Arriving::Ban(by) => return self.on_ban(&by, &body.into_body(), &reply, now),
            Arriving::Subscription(it) => {
                return self.on_subscription(it, &body.into_body(), &reply, now);
            }
        };
        if let Some(payload) = &post.payload {
            let answer = self.on_payload(&post, payload, &body.into_body(), reply.clone(), now);
            if let Err(problem) = answer {
                self.respond_problem(&problem, &reply, now);
            }
            return;
        }
        if !post.copies.is_empty() {
            if let Err(problem) = self.on_copies(post, &body.into_body(), &reply, now) {
                self.respond_problem(&problem, &reply, now);
            }
            return;
        }
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
        let publish = publish_of(post, body)?;
        let sender = sender_of_post(post);
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

/// What a POST says.
pub(in crate::core::server) fn publish_of<'a>(
    post: &'a Post,
    body: &'a [u8],
) -> Result<Publish<'a>, Problem> {
    Ok(Publish {
        room: post.room.as_str().into(),
        data: data_of(post.content, body)?,
        key: post.key.as_deref().map(Into::into),
        retain: post.retain,
        ephemeral: post.ephemeral,
        dedup: post.dedup.as_deref().map(Into::into),
        condition: post.condition,
        freshness: post.freshness,
    })
}

/// What the state of the key has to be.
fn condition(request: &Request<'_>) -> Result<Option<Condition>, Problem> {
    let offset = number(request, "if_offset")?;
    let epoch = request.query_value("if_epoch");
    let condition = Condition::parse(offset, epoch.as_deref(), flag(request, "if_new")?);
    condition.map_err(|detail| Problem::new(Status::BAD_REQUEST, detail))
}

/// Which numbers a request asks for.
fn chart_of_query(request: &Request<'_>) -> Result<Chart, Problem> {
    let (points, count) = (number(request, "points")?, number(request, "count")?);
    let lately = || count.is_none().then_some(DEFAULT_SERIES_SECONDS);
    let seconds = number(request, "seconds")?.or_else(lately);
    let keys = request.query_value("keys").unwrap_or_default();
    let keys = keys.split(',').filter(|key| !key.is_empty());
    Ok(chart(keys, (seconds, points, count))?)
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
    let is_of_room = resource.is_some_and(|(_, resource)| resource == "events");
    request.method == "GET" && (is_of_room || request.path == feeds::PATH)
}
