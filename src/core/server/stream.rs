//! The door for dashboards: a room's messages as Server-Sent Events (WHATWG HTML section 9.2).

use super::Server;
use super::commands::page_size;
use super::respond::{unavailable, write_sharing};
use crate::codec::http::request::Request;
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::json::event::{Epoch, Event};
use crate::codec::sse;
use crate::core::chat::{Arrival, Format, PersonId, Position, RoomName};
use crate::core::connection::{Door, Phase};
use crate::core::pending::Reply;
use crate::core::{Now, Stream, encode};
use crate::limits::{DEFAULT_LAST, RECONNECT_MS};

impl<S: Stream> Server<S> {
    /// Turns the connection into a stream of a room's messages, from where it was before if it says so.
    pub(super) fn open_stream(
        &mut self,
        request: &Request<'_>,
        name: RoomName,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        let id = reply.id;
        let head = stream_head(reply, now);
        if reply.is_head {
            self.queue_response(Status::OK, id, head, None);
            self.begin_response(&reply.clone().closing(), now);
            return Ok(());
        }
        let position = request.value("last-event-id").and_then(parse_position);
        let last = request
            .query_value("last")
            .and_then(|last| last.parse().ok());
        let last = match (last, position) {
            (Some(last), _) => page_size(last),
            (None, Some(_)) => DEFAULT_LAST,
            (None, None) => 0,
        };
        let person = PersonId(id.generation);
        let joined = self
            .chat
            .join(id, person, Format::Events.into(), &name, now.ms);
        self.forget_ended();
        let room = joined.map_err(|_| unavailable("there are too many rooms"))?;
        let mut state = Vec::new();
        if let Some(arrival) = self.chat.arrival(room, position, last, now.ms) {
            encode_arrival(&arrival, &mut state);
        }
        self.queue_response(Status::OK, id, head, None);
        self.queue_pieces(id, Format::Events, state);
        // The room's own name, which all its members share.
        let name = self.chat.room_name(room).cloned().unwrap_or(name);
        if let Some(connection) = self.get_mut(id) {
            connection.door = Door::Events(name);
        }
        let deadline = self.limits.ping_interval.after(now.ms);
        self.enter(id, Phase::Streaming { stalled: false }, deadline);
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

/// Where the room is, the state of its keys, and the messages that were missed or asked for.
fn encode_arrival(arrival: &Arrival<'_>, out: &mut Vec<u8>) {
    let room = arrival.room.as_str();
    let Position { epoch, offset } = arrival.position;
    sse::encode_retry(RECONNECT_MS, out);
    // The position before the messages that follow: whoever is cut off among them comes back to the right place.
    let first = arrival.messages.first().and_then(|message| message.offset);
    let before = first.map_or(offset, |first| first - 1);
    let id = format!("{}-{before}", Epoch(epoch));
    let joined = Event::Opened {
        room,
        epoch: Epoch(epoch),
        offset,
        recovered: arrival.recovered,
        count: arrival.count,
    };
    encode::named_event("joined", Some(&id), &joined, out);
    if !arrival.recovered {
        for message in &arrival.retained {
            encode::server_sent_state(room, message, out);
        }
    }
    for message in &arrival.messages {
        let json = encode::event_json(&Event::Message(encode::message_event(room, message)));
        encode::server_sent(&json, epoch, message, out);
    }
}
