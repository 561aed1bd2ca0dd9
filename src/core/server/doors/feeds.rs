//! The door for streams of several rooms: `GET /events`.

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::key_patterns::KeyPatterns;
use crate::codec::sse;
use crate::core::access::Rights;
use crate::core::chat::RoomName;
use crate::core::net::door::Door;
use crate::core::net::feed::Feed;
use crate::core::net::pending::Reply;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::page_size;
use crate::core::server::doors::events::stream_head;
use crate::core::server::doors::http::fields::{number, read_only};
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::doors::json::is_pattern;
use crate::core::server::follow::check_patterns;
use crate::core::stream::Stream;
use crate::limits::{MAX_FEED_ROOMS, MAX_FOLLOWED, RECONNECT_MS};

/// The path of this door.
pub(in crate::core::server) const PATH: &str = "/events";

/// What the query may say.
const FIELDS: [&str; 5] = ["room", "keys", "last", "lastEventId", "token"];

/// The rooms that a request names, and the patterns.
struct Rooms {
    names: Vec<RoomName>,
    patterns: Vec<Box<str>>,
}

impl Rooms {
    fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::detailed(Status::BAD_REQUEST, detail);
        let mut rooms = Self {
            names: Vec::new(),
            patterns: Vec::new(),
        };
        for room in request.query_values("room") {
            if is_pattern(&room) {
                rooms.patterns.push((*room).into());
                continue;
            }
            let name = RoomName::parse(&room).ok_or_else(|| {
                let detail = "a room is named by 1 to 64 letters, digits and - _ . : and a pattern has * or ?, too";
                bad(detail.to_owned())
            })?;
            if !rooms.names.contains(&name) {
                rooms.names.push(name);
            }
            // Checked here, so that a long list is not looked through for each room.
            if rooms.names.len() > MAX_FEED_ROOMS {
                let most = MAX_FEED_ROOMS;
                return Err(bad(format!(
                    "one stream has at most {most} rooms: open another one"
                )));
            }
        }
        if rooms.patterns.len() > MAX_FOLLOWED {
            let most = MAX_FOLLOWED;
            return Err(bad(format!(
                "one stream has at most {most} patterns of rooms"
            )));
        }
        match rooms.names.is_empty() && rooms.patterns.is_empty() {
            true => Err(bad(
                "name the rooms, as in /events?room=tea&room=plant-*".to_owned()
            )),
            false => Ok(rooms),
        }
    }
}

/// Whether a request for such a stream has patterns of rooms.
pub(in crate::core::server) fn has_patterns(request: &Request<'_>) -> bool {
    request.query_values("room").any(|room| is_pattern(&room))
}

/// The rooms that a request for such a stream names.
pub(in crate::core::server) fn rooms_of_feed(request: &Request<'_>) -> Vec<RoomName> {
    Rooms::of(request).map_or_else(|_| Vec::new(), |rooms| rooms.names)
}

impl<S: Stream> Server<S> {
    /// Turns the connection into a stream of the rooms that a request names. It comes into them one by one.
    pub(in crate::core::server) fn open_feed(
        &mut self,
        request: &Request<'_>,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !matches!(request.method, "GET" | "HEAD") {
            return Err(read_only());
        }
        request.check_query_with_list(&FIELDS, "room")?;
        let id = reply.id;
        let rights = self.rights_of_request(request, id, now)?;
        let rooms = Rooms::of(request)?;
        self.check_feed(&rooms, &rights, now)?;
        for room in rooms.names.iter().map(Some).chain([None]) {
            self.check_ban_of_request(request, &rights, room, reply)?;
        }
        let feed = feed_of(request)?;
        let head = stream_head(reply, now);
        if reply.is_head {
            self.queue_response(Status::OK, id, head, None);
            self.begin_response(&reply.clone().closing(), now);
            return Ok(());
        }
        let client = self.check_client(request, id, now)?;
        self.count_client(client, id);
        let mut head = head;
        sse::encode_retry(RECONNECT_MS, &mut head);
        self.queue_response(Status::OK, id, head, None);
        self.set_door(id, Door::Feed(Box::new(feed)));
        let deadline = self.first_ping_ms(now);
        self.enter(id, Phase::Streaming { stuck_at: None }, deadline);
        self.grant(id, &rights, now);
        if !rooms.patterns.is_empty() {
            self.chat.watch_beginnings(true);
        }
        self.followers.begin(id, &rooms.names, &rooms.patterns);
        Ok(())
    }

    /// Whether somebody with these rights may read these rooms.
    fn check_feed(&mut self, rooms: &Rooms, rights: &Rights, now: Now) -> Result<(), Problem> {
        rights.check_login()?;
        for room in &rooms.names {
            rights.check_subscribe(room).map_err(|problem| Problem {
                detail: format!("the token does not allow to read {room}").into(),
                ..problem
            })?;
            self.check_ready(room, now)?;
        }
        check_patterns(rooms.patterns.iter().map(|it| &**it))?;
        if !rooms.patterns.is_empty() && !self.hears_beginnings() {
            return Err(unavailable("it cannot be known now which rooms begin"));
        }
        self.check_lookalike(rights)?;
        self.check_connection_limit(rights)
    }
}

fn feed_of(request: &Request<'_>) -> Result<Feed, Problem> {
    let last = number(request, "last")?.map(page_size);
    let keys = request.query_value("keys").unwrap_or_default();
    let keys = keys.split(',').filter(|key| !key.is_empty());
    let keys =
        KeyPatterns::new(keys).map_err(|detail| Problem::detailed(Status::BAD_REQUEST, detail))?;
    // The header that a browser sends when it reconnects is newer than the query of its address.
    let header = request.value("last-event-id").map(Into::into);
    let brought = header.or_else(|| request.query_value("lastEventId"));
    Ok(Feed::new(
        keys,
        last,
        brought.as_deref().filter(|it| !it.is_empty()),
    ))
}
