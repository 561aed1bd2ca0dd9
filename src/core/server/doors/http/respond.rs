//! Responses, and the header fields that they share.

use crate::codec::http::response::{Head, Problem, Status};
use crate::core::delivery::rope::Rope;
use crate::core::id::ConnectionId;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::pending::{Reply, Sharing};
use crate::core::net::phase::{AfterResponse, Phase};
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;
use crate::limits::RETRY_AFTER_SECONDS;

impl<S: Stream> Server<S> {
    /// Answers with an error (RFC 9457).
    pub(in crate::core::server) fn respond_problem(
        &mut self,
        problem: &Problem,
        reply: &Reply,
        now: Now,
    ) {
        let mut head = Head::new(problem.status, now.unix_ms);
        let mut offers_upgrade = false;
        for (name, value) in problem.fields {
            head.field(name, value);
            offers_upgrade |= *name == "Upgrade";
        }
        if let Some(seconds) = problem.retry_after {
            head.field("Retry-After", &seconds.to_string());
        }
        if offers_upgrade {
            head.connection_and_upgrade(reply.keeps_alive());
        } else {
            head.connection(reply.keeps_alive());
        }
        let kind = "application/problem+json";
        self.respond_text(problem.status, head, kind, &problem.to_json(), reply, now);
    }

    /// Answers with data that is not to be cached.
    pub(in crate::core::server) fn respond_now(
        &mut self,
        content_type: &str,
        body: &str,
        reply: &Reply,
        now: Now,
    ) {
        let mut head = Head::new(Status::OK, now.unix_ms);
        head.field("Cache-Control", "no-store");
        head.connection(reply.keeps_alive());
        self.respond_text(Status::OK, head, content_type, body, reply, now);
    }

    /// The same for JSON, parts of which are shared.
    pub(in crate::core::server) fn respond_rope(&mut self, json: Rope, reply: &Reply, now: Now) {
        let mut head = Head::new(Status::OK, now.unix_ms);
        head.field("Cache-Control", "no-store");
        head.connection(reply.keeps_alive());
        write_content("application/json", json.len(), reply, &mut head);
        let chunks = match reply.is_head {
            true => Vec::new(),
            false => json.into_body(&self.meter),
        };
        let body = chunks.into_iter().map(Chunk::whole);
        self.queue_response(Status::OK, reply.id, head.finish(), body);
        self.begin_response(reply, now);
    }

    /// The same for JSON.
    pub(in crate::core::server) fn respond_json(&mut self, json: &str, reply: &Reply, now: Now) {
        self.respond_now("application/json", json, reply, now);
    }

    /// The same with another status.
    pub(in crate::core::server) fn respond_json_as(
        &mut self,
        status: Status,
        json: &str,
        reply: &Reply,
        now: Now,
    ) {
        let mut head = Head::new(status, now.unix_ms);
        head.field("Cache-Control", "no-store");
        head.connection(reply.keeps_alive());
        self.respond_text(status, head, "application/json", json, reply, now);
    }

    /// Answers without a body.
    pub(in crate::core::server) fn respond_empty(
        &mut self,
        fields: &[(&str, &str)],
        reply: &Reply,
        now: Now,
    ) {
        let mut head = Head::new(Status::NO_CONTENT, now.unix_ms);
        for (name, value) in fields {
            head.field(name, value);
        }
        write_sharing(&mut head, &reply.sharing);
        head.connection(reply.keeps_alive());
        self.queue_response(Status::NO_CONTENT, reply.id, head.finish(), None);
        self.begin_response(reply, now);
    }

    /// Sends `100 Continue` (RFC 9110 section 15.2.1).
    pub(in crate::core::server) fn respond_continue(&mut self, id: ConnectionId) {
        self.queue_response(Status::CONTINUE, id, Head::interim(Status::CONTINUE), None);
    }

    pub(in crate::core::server) fn respond_text(
        &mut self,
        status: Status,
        mut head: Head,
        content_type: &str,
        body: &str,
        reply: &Reply,
        now: Now,
    ) {
        write_content(content_type, body.len(), reply, &mut head);
        let mut bytes = head.finish();
        if !reply.is_head {
            bytes.extend_from_slice(body.as_bytes());
        }
        self.queue_response(status, reply.id, bytes, None);
        self.begin_response(reply, now);
    }

    pub(in crate::core::server) fn queue_response(
        &mut self,
        status: Status,
        id: ConnectionId,
        head: Vec<u8>,
        body: impl IntoIterator<Item = Chunk>,
    ) {
        self.counters.count_response(status);
        let head = Chunk::whole(Frames::new(head, FrameKind::Response, &self.meter));
        if let Some(connection) = self.get_mut(id) {
            connection.status = status.code;
            for chunk in std::iter::once(head).chain(body) {
                connection.queue.append(chunk);
            }
            self.mark_dirty(id);
        }
    }

    pub(in crate::core::server) fn begin_response(&mut self, reply: &Reply, now: Now) {
        let deadline = self.limits.handshake_timeout.after(now.ms);
        let phase = Phase::Response {
            then: reply.then,
            taken: self.bytes_taken(reply.id),
        };
        self.enter(reply.id, phase, deadline);
    }
}

impl Reply {
    pub(in crate::core::server) fn keeps_alive(&self) -> bool {
        self.then == AfterResponse::NextRequest
    }
}

/// The refusal of a request that may be repeated later.
pub(in crate::core::server) fn unavailable(detail: &'static str) -> Problem {
    Problem::new(Status::SERVICE_UNAVAILABLE, detail).with(&[("Retry-After", RETRY_AFTER_SECONDS)])
}

fn write_content(content_type: &str, length: usize, reply: &Reply, head: &mut Head) {
    head.field("Content-Type", content_type);
    head.field("Content-Length", &length.to_string());
    head.field("X-Content-Type-Options", "nosniff");
    write_sharing(head, &reply.sharing);
}

/// A shared cache must not hand one origin's answer to another, so `Vary` comes even without an Origin.
pub(in crate::core::server) fn write_sharing(head: &mut Head, sharing: &Sharing) {
    if let Sharing::Allowed {
        origin,
        with_credentials,
    } = sharing
    {
        if let Some(origin) = origin {
            head.field("Access-Control-Allow-Origin", origin);
        }
        if *with_credentials {
            head.field("Access-Control-Allow-Credentials", "true");
        }
        head.field("Vary", "Origin");
    }
}
