//! What a request asks for, and the answer.

use super::Server;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::http::upgrade;
use crate::core::chat::RoomName;
use crate::core::connection::{AfterResponse, ConnectionId, Phase};
use crate::core::frames::{FrameKind, Frames};
use crate::core::site::{Asset, SECURITY_FIELDS};
use crate::core::write_queue::Chunk;
use crate::core::{Now, Stream};
use crate::limits::RETRY_AFTER_SECONDS;

impl<S: Stream> Server<S> {
    /// Answers a request with a page, an upgrade, or a problem.
    pub(super) fn answer(&mut self, request: &Request<'_>, id: ConnectionId, now: Now) {
        let is_head = request.method == "HEAD";
        let then = if request.keep_alive {
            AfterResponse::NextRequest
        } else {
            AfterResponse::Close
        };
        if self.get(id).is_some_and(|connection| connection.refused) {
            self.respond_problem(
                unavailable("the server is full"),
                is_head,
                AfterResponse::Close,
                id,
                now,
            );
        } else if let Some(room) = room_of_path(request.path) {
            if let Err(problem) = self.upgrade(request, room, id, now) {
                self.respond_problem(problem, is_head, then, id, now);
            }
        } else if self.site.asset(request.path).is_none() {
            let problem = Problem::new(
                Status::NOT_FOUND,
                "nothing is here: the page is at /, the rooms at /ws",
            );
            self.respond_problem(problem, is_head, then, id, now);
        } else if request.method != "GET" && !is_head {
            let problem = Problem::new(
                Status::METHOD_NOT_ALLOWED,
                "this address only answers GET and HEAD",
            );
            self.respond_problem(
                problem.with(&[("Allow", "GET, HEAD")]),
                is_head,
                then,
                id,
                now,
            );
        } else {
            self.respond_asset(request, then, id, now);
        }
    }

    /// Answers what is not a request, or came too late. Where the next request begins is not known: closes.
    pub(super) fn refuse(&mut self, problem: Problem, id: ConnectionId, now: Now) {
        self.respond_problem(problem, false, AfterResponse::Close, id, now);
    }

    /// Turns the connection into a WebSocket in a room.
    fn upgrade(
        &mut self,
        request: &Request<'_>,
        room: &str,
        id: ConnectionId,
        now: Now,
    ) -> Result<(), Problem> {
        let Some(room) = RoomName::parse_encoded(room) else {
            let detail = "a room is named by 1 to 64 letters, digits and - _ . : but no spaces";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        };
        if request
            .query
            .split('&')
            .any(|field| field.starts_with("room="))
        {
            let detail = "the room goes into the path, as in /ws/tea";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        }
        let accept_key = upgrade::check(request)?;
        if !self.is_origin_allowed(request) {
            return Err(Problem::new(
                Status::FORBIDDEN,
                "pages of this origin may not come in; see --allow-origin",
            ));
        }
        if self.drain.is_begun() {
            return Err(unavailable("the server is shutting down"));
        }
        self.chat
            .join(id, &room)
            .map_err(|_| unavailable("there are too many rooms"))?;
        log::info!(
            "opened peer={} room={room}",
            self.connections[id.index as usize].peer
        );
        self.queue_response(id, upgrade::accept(&accept_key, now.unix_ms), None);
        self.open(id, room, now);
        Ok(())
    }

    /// No Origin means that no browser is involved, and no page that could abuse its visitor.
    fn is_origin_allowed(&self, request: &Request<'_>) -> bool {
        let mut origins = request.values("origin");
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => str::from_utf8(origin).is_ok_and(|origin| {
                upgrade::is_origin_allowed(origin, request.value("host"), &self.allowed_origins)
            }),
            (Some(_), Some(_)) => false,
        }
    }

    fn respond_asset(
        &mut self,
        request: &Request<'_>,
        then: AfterResponse,
        id: ConnectionId,
        now: Now,
    ) {
        let Some(asset) = self.site.asset(request.path) else {
            return;
        };
        // Weak comparison (RFC 9110 section 13.1.2): a proxy that compresses weakens the tag.
        let weak_etag = format!("W/{}", asset.etag());
        let is_fresh = [asset.etag(), &weak_etag, "*"]
            .iter()
            .any(|tag| request.lists("if-none-match", tag));
        let status = if is_fresh {
            Status::NOT_MODIFIED
        } else {
            Status::OK
        };
        let mut head = Head::new(status, now.unix_ms);
        write_asset_fields(&mut head, asset, is_fresh);
        head.connection(then == AfterResponse::NextRequest);
        let body = (!is_fresh && request.method == "GET").then(|| asset.body());
        self.queue_response(id, head.finish(), body.map(Chunk::whole));
        self.begin_response(id, then, now);
    }

    fn respond_problem(
        &mut self,
        problem: Problem,
        is_head: bool,
        then: AfterResponse,
        id: ConnectionId,
        now: Now,
    ) {
        let body = problem.to_json();
        let mut head = Head::new(problem.status, now.unix_ms);
        head.field("Content-Type", "application/problem+json");
        head.field("Content-Length", &body.len().to_string());
        head.field("X-Content-Type-Options", "nosniff");
        for (name, value) in problem.fields {
            head.field(name, value);
        }
        head.connection(then == AfterResponse::NextRequest);
        let mut bytes = head.finish();
        if !is_head {
            bytes.extend_from_slice(body.as_bytes());
        }
        self.queue_response(id, bytes, None);
        self.begin_response(id, then, now);
    }

    fn queue_response(&mut self, id: ConnectionId, head: Vec<u8>, body: Option<Chunk>) {
        let head = Chunk::whole(Frames::new(head, FrameKind::Response, &self.meter));
        if let Some(connection) = self.get_mut(id) {
            for chunk in std::iter::once(head).chain(body) {
                connection.queue.append(chunk);
            }
            self.mark_dirty(id);
        }
    }

    fn begin_response(&mut self, id: ConnectionId, then: AfterResponse, now: Now) {
        let deadline = self.limits.handshake_timeout.after(now.ms);
        self.enter(id, Phase::Response { then }, deadline);
    }
}

/// The room that a path of `/ws` or `/ws/{room}` names.
fn room_of_path(path: &str) -> Option<&str> {
    match path.strip_prefix("/ws")? {
        "" => Some(RoomName::DEFAULT),
        rest => rest.strip_prefix('/'),
    }
}

fn unavailable(detail: &'static str) -> Problem {
    Problem::new(Status::SERVICE_UNAVAILABLE, detail).with(&[("Retry-After", RETRY_AFTER_SECONDS)])
}

fn write_asset_fields(head: &mut Head, asset: &Asset, is_fresh: bool) {
    head.field("ETag", asset.etag());
    head.field("Cache-Control", "no-cache");
    for (name, value) in SECURITY_FIELDS {
        head.field(name, value);
    }
    if !is_fresh {
        head.field("Content-Type", asset.content_type());
        head.field("Content-Length", &asset.body().bytes().len().to_string());
    }
}
