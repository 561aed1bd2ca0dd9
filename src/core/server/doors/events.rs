//! The door for streams: a room's messages as Server-Sent Events (WHATWG HTML section 9.2).

use crate::codec::http::request::Request;
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::json::event::Event;
use crate::codec::sse;
use crate::codec::ws::close::CloseReason;
use crate::core::access::Rights;
use crate::core::chat::{Format, PersonId, Position, RoomName, Selection};
use crate::core::delivery::encode;
use crate::core::net::door::Door;
use crate::core::net::feed::parse_position;
use crate::core::net::pending::Reply;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::page_size;
use crate::core::server::doors::http::fields::number;
use crate::core::server::doors::http::respond::{unavailable, write_sharing};
use crate::core::server::readers::Returning;
use crate::core::store::Excerpt;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Turns the connection into a stream of a room's messages, from the position that the request gives, if any.
    pub(in crate::core::server) fn open_stream(
        &mut self,
        request: &Request<'_>,
        name: RoomName,
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let id = reply.id;
        let last = number(request, "last")?.map(page_size);
        let head = stream_head(reply, now);
        if reply.is_head {
            self.queue_response(Status::OK, id, head, None);
            self.begin_response(&reply.clone().closing(), now);
            return Ok(());
        }
        let client = self.check_client(request, id, now)?;
        let owner = self.owner_of_request(request, rights, id);
        let position = position_of(request);
        let selection = Selection::from_reader(position, last);
        let person = PersonId(id.number());
        let joined = self
            .chat
            .join(id, person, Format::Events.into(), &name, &owner, now.ms);
        self.forget_ended();
        let room = joined.map_err(|_| unavailable("there are too many rooms"))?;
        self.count_client(client, id);
        self.skip_to_now(id, room);
        self.queue_response(Status::OK, id, head, None);
        let member = Returning {
            id,
            room,
            selection,
            chart: None,
            echo: None,
            found: Excerpt::default(),
        };
        if !self.recover_from_store(member, now) {
            let opened = self.opened(room, selection, now);
            self.charge_query(request, id, opened.len(), now);
            self.answer_rope(id, Format::Events, opened);
            self.tell_if_paused(id, room);
        }
        // The room's own name, which all its members share.
        let name = self.chat.room_name(room).cloned().unwrap_or(name);
        self.set_door(id, Door::Events(name));
        let deadline = self.first_ping_ms(now);
        self.enter(id, Phase::Streaming { stuck_at: None }, deadline);
        Ok(())
    }

    /// Answers a request for a stream that is to be repeated later. An `EventSource` gives up for good at an error
    /// status, but reconnects after a stream that has ended.
    pub(in crate::core::server) fn respond_ended_stream(
        &mut self,
        problem: &Problem,
        reply: &Reply,
        now: Now,
    ) {
        let reason = match self.drain.is_begun() {
            true => CloseReason::Shutdown,
            false => CloseReason::TryAgainLater,
        };
        let mut response = stream_head(reply, now);
        self.write_bye(reason.code(), &problem.detail, &mut response);
        self.queue_response(Status::OK, reply.id, response, None);
        self.begin_response(&reply.clone().closing(), now);
    }

    /// Appends the `bye` event: why a stream ends, and when to come back.
    pub(in crate::core::server) fn write_bye(
        &mut self,
        code: u16,
        reason: &str,
        out: &mut Vec<u8>,
    ) {
        let retry_ms = self.retry_ms();
        let event = Event::Bye {
            code,
            reason,
            retry_ms,
        };
        sse::encode_retry(retry_ms, out);
        encode::named_event("bye", None, &event, out);
    }
}

/// The stream ends with the connection. Proxies are asked to pass on each event at once: one that compresses would
/// delay it, unless it may not transform anything (RFC 9111 section 5.2.2.6), and nginx has a field of its own.
pub(super) fn stream_head(reply: &Reply, now: Now) -> Vec<u8> {
    let mut head = Head::new(Status::OK, now.unix_ms);
    head.field("Content-Type", "text/event-stream");
    head.field("Cache-Control", "no-store, no-transform");
    head.field("X-Accel-Buffering", "no");
    head.field("X-Content-Type-Options", "nosniff");
    write_sharing(&mut head, &reply.sharing);
    head.connection(false);
    head.finish()
}

/// The position of a reader: the header that a browser sends when it reconnects is newer than the query of its address.
fn position_of(request: &Request<'_>) -> Option<Position> {
    let header = request.value("last-event-id").and_then(parse_position);
    header.or_else(|| parse_position(&request.query_value("lastEventId")?))
}
