//! Finds the answer to a request by its path and method.

use crate::codec::http::request::Request;
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::http::{encoding, origin, upgrade};
use crate::codec::json::SUBPROTOCOL;
use crate::codec::ws::deflate;
use crate::core::access::Rights;
use crate::core::chat::{Format, Owner, PersonId, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::connection::{Connection, Deflate};
use crate::core::net::door::{Door, Keyed};
use crate::core::net::pending::{Reply, Sharing};
use crate::core::net::phase::AfterResponse;
use crate::core::net::session::Session;
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::check_key;
use crate::core::server::doors::feeds::{self, rooms_of_feed};
use crate::core::server::doors::http::fields::{
    FOREIGN_ORIGIN, flag, parse_room, read_only, rooms_of_list,
};
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::doors::http::rooms::is_for_stream;
use crate::core::server::error::NO_TOKEN;
use crate::core::server::join_options::JoinOptions;
use crate::core::server::loading::{Aside, Readiness, Wanted};
use crate::core::site::{Asset, Representation, SECURITY_FIELDS, policy};
use crate::core::stream::Stream;
use crate::limits::STORE_TIMEOUT_MS;

impl<S: Stream> Server<S> {
    /// Answers a request with a page, an upgrade, or a problem.
    pub(in crate::core::server) fn answer(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        now: Now,
    ) {
        let reply = Reply {
            id,
            is_head: request.method == "HEAD",
            // A body that is not read ends the connection, and so does a handshake that fails: some clients wait for
            // that.
            then: AfterResponse::new(
                request.keep_alive && !request.has_body() && !upgrade::is_wanted(request),
            ),
            sharing: Sharing::SameOrigin,
        };
        if let Err(problem) = self.check_host(request, id) {
            self.respond_problem(&problem, &reply, now);
        } else if let Some(refusal) = self.refusal(id) {
            let problem = refusal.problem();
            if is_for_stream(request) {
                let sharing = self.sharing(request);
                self.respond_ended_stream(&problem, &Reply { sharing, ..reply }, now);
            } else {
                self.respond_problem(&problem, &reply.closing(), now);
            }
        } else if upgrade::is_wanted(request) && room_of_path(request.path).is_none() {
            let detail = "WebSockets are opened at /ws, and at /ws/tea for the room tea";
            self.respond_problem(&Problem::new(Status::NOT_FOUND, detail), &reply, now);
        } else if request.path == "*" {
            // RFC 9110 section 9.3.7: the methods of the server as a whole.
            self.respond_empty(&[("Allow", METHODS)], &reply, now);
        } else if request.path == feeds::PATH {
            self.answer_rooms(request, feeds::PATH, &reply, now);
        } else if let Some(path) = rooms_path(request.path) {
            self.answer_rooms(request, path, &reply, now);
        } else if let Some(path) = request.path.strip_prefix("/push/") {
            self.answer_push(request, path, &reply, now);
        } else if let Some(answer) = self.answer_operator(request, &reply, now) {
            if let Err(problem) = answer {
                self.respond_problem(&problem, &reply, now);
            }
        } else if let Some(path) = request.path.strip_prefix("/files/") {
            if let Err(problem) = self.answer_file(request, path, &reply, now) {
                self.respond_problem(&problem, &reply, now);
            }
        } else if let Some(name) = request.path.strip_prefix("/people/") {
            if let Err(problem) = self.answer_people(request, name, &reply, now) {
                self.respond_problem(&problem, &reply, now);
            }
        } else if request.path == "/bans" {
            if let Err(problem) = self.answer_bans(request, &reply, now) {
                self.respond_problem(&problem, &reply, now);
            }
        } else if request.path == "/usage" {
            if let Err(problem) = self.answer_usage(request, &reply, now) {
                self.respond_problem(&problem, &reply, now);
            }
        } else if let Some(room) = room_of_path(request.path) {
            if let Err(problem) = self.upgrade(request, room, id, now) {
                self.respond_problem(&problem, &reply, now);
            }
        } else if self.site.asset(request.path).is_none() {
            let detail = if request.path.starts_with("/guide/") {
                "the guide has no such page: /guide lists all of them"
            } else {
                "nothing is here: the page is at /, the rooms at /ws and /rooms, the guide at /guide"
            };
            self.respond_problem(&Problem::new(Status::NOT_FOUND, detail), &reply, now);
        } else if request.method != "GET" && !reply.is_head {
            self.respond_problem(&read_only(), &reply, now);
        } else {
            self.respond_asset(request, &reply, now);
        }
    }

    /// Whether a request is about a room that is not here yet. Then it is read again when the room is.
    pub(in crate::core::server) fn waits_for_room(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        if self.outbox.is_none() || request.method == "OPTIONS" {
            return false;
        }
        let wanted = wanted_of_request(request.path);
        let rooms = match request.path == feeds::PATH {
            true => rooms_of_feed(request),
            false => rooms_of_request(request.path),
        };
        let loading = self.first_loading(rooms.iter().map(|it| (it, wanted)), now);
        if let Some(room) = &loading {
            self.loading.hold(room, id);
        }
        let follows = request.path == feeds::PATH && feeds::has_patterns(request);
        let waits = (follows && self.holds_to_hear(id, now)) || loading.is_some();
        if waits {
            self.set_deadline(id, now.ms + 2 * STORE_TIMEOUT_MS);
        }
        waits
    }

    /// Refuses what is about a room that the store has and does not give.
    pub(in crate::core::server) fn check_ready(
        &mut self,
        room: &RoomName,
        now: Now,
    ) -> Result<(), Problem> {
        match self.readiness(room, now) {
            Readiness::Ready => Ok(()),
            Readiness::Loading | Readiness::Unavailable => {
                Err(unavailable("what is kept of this room cannot be read now"))
            }
        }
    }

    /// Answers input that is no request, or a request that came too late. Closes, as where the next one begins is not
    /// known.
    pub(in crate::core::server) fn refuse(
        &mut self,
        problem: &Problem,
        id: ConnectionId,
        now: Now,
    ) {
        let reply = Reply {
            id,
            is_head: false,
            then: AfterResponse::Close,
            sharing: Sharing::SameOrigin,
        };
        self.respond_problem(problem, &reply, now);
    }

    /// Turns the connection into a WebSocket: at the JSON door if its subprotocol is asked for, else in a room.
    fn upgrade(
        &mut self,
        request: &Request<'_>,
        room: RoomOfPath<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Result<(), Problem> {
        let is_json = {
            // RFC 6455 section 4.2.2: the subprotocol is compared as it is written.
            let mut offers = request.items("sec-websocket-protocol");
            offers.any(|offer| offer == SUBPROTOCOL.as_bytes())
        };
        let room = match room {
            RoomOfPath::None if is_json => None,
            RoomOfPath::None => RoomName::parse(RoomName::DEFAULT),
            RoomOfPath::Named(name) => Some(parse_room(name)?),
        };
        let has_room = |field: &str| field.starts_with("room=");
        if request.query.split('&').any(has_room) {
            let detail = "the room goes into the path, as in /ws/tea";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        }
        request.check_query(&["key", "retain", "token"])?;
        let keyed = key_of_query(request)?;
        if is_json && keyed.is_some() {
            let detail = "at the JSON door each publish has its own key";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        }
        let accept_key = upgrade::check(request)?;
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        if self.drain.is_begun() {
            return Err(unavailable("the server is shutting down"));
        }
        let rights = self.rights_of_request(request, id, now)?;
        if let Some(room) = &room
            && !(is_json && rights.is_unauthenticated())
        {
            rights.check_subscribe(room)?;
            self.check_ready(room, now)?;
        }
        // At the JSON door it is told in words, which scripts in browsers can read.
        if !is_json {
            let peer = self.peer(Some(request), id);
            self.check_ban(&rights, peer, room.as_ref())?;
        }
        self.check_lookalike(&rights)?;
        self.check_connection_limit(&rights)?;
        let client = self.check_client(request, id, now)?;
        let subprotocol = is_json.then_some(SUBPROTOCOL);
        let deflate = self.agree_on_deflate(request, id);
        let accept = upgrade::accept(&accept_key, subprotocol, deflate.as_deref(), now.unix_ms);
        match room {
            room if is_json => {
                // First, because whether they are banned is asked of their address.
                self.count_client(client, id);
                self.open_json(id, accept, room, &rights, now);
            }
            Some(room) => {
                let owner = self.owner_of_request(request, &rights, id);
                self.open_plain(id, accept, room, (keyed, &owner), now)?;
                self.grant(id, &rights, now);
                self.count_client(client, id);
            }
            None => {}
        }
        self.log_opened(id);
        Ok(())
    }

    /// Logs one line for each WebSocket.
    fn log_opened(&self, id: ConnectionId) {
        if let Some(Connection { peer, door, .. }) = self.get(id) {
            let room = door.room().map_or("-", RoomName::as_str);
            log::info!("opened peer={peer} room={room}");
        }
    }

    /// Accepts a client's offer to compress (RFC 7692). Returns the header field that says so.
    fn agree_on_deflate(&mut self, request: &Request<'_>, id: ConnectionId) -> Option<String> {
        let offers = request.values("sec-websocket-extensions");
        let agreement = self
            .limits
            .compression()
            .and_then(|_| deflate::negotiate(offers));
        // Also when there is no agreement: an earlier upgrade on this connection may have been refused after it agreed.
        self.get_mut(id)?.deflate = match &agreement {
            None => Deflate::Off,
            Some(agreement) if agreement.is_narrow => Deflate::Narrow,
            Some(_) => Deflate::On,
        };
        Some(agreement?.response)
    }

    /// Opens the plain door: a member of one room for as long as the connection lasts.
    fn open_plain(
        &mut self,
        id: ConnectionId,
        accept: Vec<u8>,
        name: RoomName,
        (keyed, owner): (Option<(Box<str>, bool)>, &Owner),
        now: Now,
    ) -> Result<(), Problem> {
        let person = PersonId(id.number());
        let reading = self.get(id).map_or(Format::Plain.into(), |connection| {
            connection.reading(Format::Plain)
        });
        let joined = self.chat.join(id, person, reading, &name, owner, now.ms);
        self.forget_ended();
        let room = joined.map_err(|_| unavailable("there are too many rooms"))?;
        self.queue_response(Status::SWITCHING_PROTOCOLS, id, accept, None);
        let state = self.state_of(room, now);
        self.answer_rope(id, Format::Plain, state);
        // The room's own name, which all its members share.
        let name = self.chat.room_name(room).cloned().unwrap_or(name);
        let door = match keyed {
            None => Door::Plain(name),
            Some((key, retain)) => Door::Keyed(Box::new(Keyed {
                room: name,
                key,
                retain,
            })),
        };
        self.open(id, door, now);
        Ok(())
    }

    /// Opens the JSON door: a person, in any number of rooms; the room of the path is joined at once. A client that is
    /// not authenticated is asked to log in, and has no person until then.
    fn open_json(
        &mut self,
        id: ConnectionId,
        accept: Vec<u8>,
        room: Option<RoomName>,
        rights: &Rights,
        now: Now,
    ) {
        self.queue_response(Status::SWITCHING_PROTOCOLS, id, accept, None);
        let session = Session::new(PersonId(id.number()), self.limits.rate, now.ms);
        let door = Door::Json {
            session: Box::new(session),
            has_answers: false,
        };
        self.open(id, door, now);
        self.grant(id, rights, now);
        if rights.is_unauthenticated() {
            return self.answer_command(Err(NO_TOKEN), None, id);
        }
        self.introduce(id, room, now);
    }

    /// Tells someone at the JSON door who they are, and leads them into the room that they have come for. Whose token it is
    /// may have to be asked first.
    pub(in crate::core::server) fn introduce(
        &mut self,
        id: ConnectionId,
        room: Option<RoomName>,
        now: Now,
    ) {
        if !self.get(id).is_some_and(Connection::is_member) {
            return;
        }
        if let Err(refused) = self.check_ban_of(id, None) {
            return self.refuse_banned(id, refused, None, now);
        }
        match self.access.rights(id).grant() {
            Some(grant) => {
                let room = room.clone();
                let aside = || Aside::Introduction { id, room };
                if self.asks_for_token(&grant.name, id, aside, now) {
                    return;
                }
                if let Err(failure) = self.identify(id, &grant.name, now) {
                    return self.answer_command(Err(failure), None, id);
                }
            }
            None => {
                self.chat.begin_person(id);
            }
        }
        if let Some(welcome) = self.welcome(None, id) {
            self.send_json(id, &welcome);
        }
        if let Some(room) = room {
            let answer = self
                .check_ban_of(id, Some(&room))
                .and_then(|()| self.join(&room, &JoinOptions::default(), None, id, now));
            self.answer_command(answer, None, id);
        }
    }

    /// A request without Origin comes from no browser, so no page can have caused it.
    pub(in crate::core::server) fn is_origin_allowed(&self, request: &Request<'_>) -> bool {
        let mut origins = request.values("origin");
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => str::from_utf8(origin).is_ok_and(|origin| {
                origin::is_allowed(origin, request.authority, &self.allowed_origins)
            }),
            (Some(_), Some(_)) => false,
        }
    }

    /// The origins whose pages may frame what is asked for: a chart alone, which has nothing to click on that matters.
    fn ancestors(&self, request: &Request<'_>) -> &[String] {
        let is_board = request.query_value("view").as_deref() == Some("board");
        let key = request.query_value("key").unwrap_or_default();
        let is_chart = is_board && !key.is_empty();
        match is_chart && request.path == "/" {
            true => &self.allowed_origins,
            false => &[],
        }
    }

    fn respond_asset(&mut self, request: &Request<'_>, reply: &Reply, now: Now) {
        let Some(asset) = self.site.asset(request.path) else {
            return;
        };
        let takes_gzip = encoding::prefers_gzip(request.items("accept-encoding"));
        let representation = asset.representation(takes_gzip);
        let etag = representation.etag();
        // Weak comparison (RFC 9110 section 13.1.2): a proxy that compresses weakens the tag.
        let weak_etag = format!("W/{etag}");
        let is_fresh = [etag, &weak_etag, "*"]
            .iter()
            .any(|tag| request.lists("if-none-match", tag));
        let status = if is_fresh {
            Status::NOT_MODIFIED
        } else {
            Status::OK
        };
        let mut head = Head::new(status, now.unix_ms);
        write_asset_fields(&mut head, representation);
        let ancestors = self.ancestors(request);
        head.field("Content-Security-Policy", &policy(ancestors));
        if !is_fresh {
            write_asset_content(&mut head, asset, representation);
        }
        head.connection(reply.keeps_alive());
        let body = (!is_fresh && request.method == "GET").then(|| representation.body());
        self.queue_response(status, reply.id, head.finish(), body.map(Chunk::whole));
        self.begin_response(reply, now);
    }
}

/// The methods that some address takes.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT";

/// The key whose state each message at the plain door is, and whether the room keeps it.
fn key_of_query(request: &Request<'_>) -> Result<Option<(Box<str>, bool)>, Problem> {
    let key = request.query_value("key");
    check_key("key", key.as_deref())?;
    match (key, flag(request, "retain")?) {
        (Some(key), retain) => Ok(Some((key.into(), retain))),
        (None, false) => Ok(None),
        (None, true) => Err(Problem::new(Status::BAD_REQUEST, "retain needs key")),
    }
}

/// The room named by a path `/ws` or `/ws/{room}`.
#[derive(Clone, Copy)]
enum RoomOfPath<'a> {
    None,
    Named(&'a str),
}

/// What follows `/rooms` in a path.
fn rooms_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/rooms")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The rooms that a request is about.
fn rooms_of_request(path: &str) -> Vec<RoomName> {
    let room = if let Some(path) = rooms_path(path) {
        let name = path.split('/').nth(1).unwrap_or_default();
        if let Some(Ok(rooms)) = rooms_of_list(name) {
            return rooms;
        }
        RoomName::parse_encoded(name)
    } else {
        match room_of_path(path) {
            None => None,
            Some(RoomOfPath::None) => RoomName::parse(RoomName::DEFAULT),
            Some(RoomOfPath::Named(name)) => RoomName::parse_encoded(name),
        }
    };
    room.into_iter().collect()
}

/// Who only publishes or reads messages need not know who is there.
fn wanted_of_request(path: &str) -> Wanted {
    let resource = rooms_path(path).map(|path| path.split('/').nth(2));
    match resource {
        None | Some(Some("events" | "members")) => Wanted::Members,
        Some(_) => Wanted::Room,
    }
}

fn room_of_path(path: &str) -> Option<RoomOfPath<'_>> {
    match path.strip_prefix("/ws")? {
        "" => Some(RoomOfPath::None),
        rest => rest.strip_prefix('/').map(RoomOfPath::Named),
    }
}

/// The fields that are sent even if the client has the file (RFC 9110 section 15.4.5).
fn write_asset_fields(head: &mut Head, representation: &Representation) {
    head.field("ETag", representation.etag());
    head.field("Cache-Control", "no-cache");
    // A cache must not give compressed bytes to a client that does not accept them.
    head.field("Vary", "Accept-Encoding");
    // Browsers load modules from another server only if it allows that, and these files hold no secrets.
    head.field("Access-Control-Allow-Origin", "*");
    for (name, value) in SECURITY_FIELDS {
        head.field(name, value);
    }
}

fn write_asset_content(head: &mut Head, asset: &Asset, representation: &Representation) {
    head.field("Content-Type", asset.content_type());
    if let Some(coding) = representation.coding() {
        head.field("Content-Encoding", coding);
    }
    let length = representation.body().bytes().len();
    head.field("Content-Length", &length.to_string());
}
