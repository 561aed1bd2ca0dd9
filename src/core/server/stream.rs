//! The door for dashboards: a room's messages as Server-Sent Events (WHATWG HTML section 9.2).

use super::Server;
use super::commands::page_size;
use super::queries::number;
use super::respond::{unavailable, write_sharing};
use crate::codec::http::request::Request;
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::json::event::Epoch;
use crate::core::access::Rights;
use crate::core::chat::{Format, PersonId, Position, RoomName, Wanted};
use crate::core::connection::{Door, Phase};
use crate::core::pending::Reply;
use crate::core::{Now, Stream};

impl<S: Stream> Server<S> {
    /// Turns the connection into a stream of a room's messages, from where it was before if it says so.
    pub(super) fn open_stream(
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
        let position = request.value("last-event-id").and_then(parse_position);
        let wanted = Wanted::from_reader(position, last);
        let person = PersonId(id.number());
        let joined = self
            .chat
            .join(id, person, Format::Events.into(), &name, &owner, now.ms);
        self.forget_ended();
        let room = joined.map_err(|_| unavailable("there are too many rooms"))?;
        self.let_in(client, id);
        self.skip_to_now(id, room);
        let opened = self.opened(room, wanted, now);
        self.charge_query(request, id, opened.len(), now);
        self.queue_response(Status::OK, id, head, None);
        self.answer_rope(id, Format::Events, opened);
        // The room's own name, which all its members share.
        let name = self.chat.room_name(room).cloned().unwrap_or(name);
        if let Some(connection) = self.get_mut(id) {
            connection.door = Door::Events(name);
        }
        let deadline = self.first_ping_ms(now);
        self.enter(id, Phase::Streaming { stuck_at: None }, deadline);
        Ok(())
    }
}

/// The stream ends with the connection. Proxies are asked to pass on each event as it comes.
fn stream_head(reply: &Reply, now: Now) -> Vec<u8> {
    let mut head = Head::new(Status::OK, now.unix_ms);
    head.field("Content-Type", "text/event-stream");
    head.field("Cache-Control", "no-store");
    head.field("X-Accel-Buffering", "no");
    head.field("X-Content-Type-Options", "nosniff");
    write_sharing(&mut head, &reply.sharing);
    head.connection(false);
    head.finish()
}

/// The `id:` of an event, as a browser sends it back in `Last-Event-ID`.
fn parse_position(text: &str) -> Option<Position> {
    let (epoch, offset) = text.split_once('-')?;
    Some(Position {
        epoch: Epoch::parse(epoch)?.0,
        offset: offset.parse().ok()?,
    })
}
