//! From something to say to the pieces that a room's audiences are told.

use std::rc::Rc;

use super::Server;
use super::commands::{Failure, check_key, content_of, parse_room};
use crate::codec::json::command::Publish;
use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Kind;
use crate::core::chat::{
    Author, Content, Draft, Format, Message, News, PersonId, Refusal, RoomId, Stamped,
};
use crate::core::connection::{Connection, ConnectionId};
use crate::core::frames::{FrameKind, Frames};
use crate::core::write_queue::{Chunk, Enqueue};
use crate::core::{Now, Stream, encode};

impl<S: Stream> Server<S> {
    /// What a member says at the plain door.
    pub(super) fn say_plainly(&mut self, id: ConnectionId, kind: Kind, payload: &[u8], now: Now) {
        // A connection that is closing is in no room: what it still sends is not heard.
        let Some(room) = self.chat.room_of(id) else {
            return;
        };
        let draft = Draft {
            author: &Author::guest(PersonId(id.generation)),
            content: match kind {
                Kind::Text => Content::Text,
                Kind::Binary => Content::Binary,
            },
            body: payload,
            key: None,
            retain: false,
            ephemeral: false,
            dedup: None,
        };
        // What has no key is not refused.
        let _ = self.say(room, &draft, now);
        if let Some(connection) = self.get_mut(id) {
            connection.traffic.messages_in += 1;
        }
    }

    /// Does what the command and the request ask for: publishes a message in a room, which begins if it does not exist.
    /// `sender` is whose ids of messages `dedup` is one of, if that is known.
    pub(super) fn publish(
        &mut self,
        publish: &Publish<'_>,
        person: PersonId,
        sender: Option<PersonId>,
        now: Now,
    ) -> Result<(RoomId, Option<u64>), Failure> {
        let name = parse_room(&publish.room)?;
        check_key("key", publish.key.as_deref())?;
        check_key("dedup", publish.dedup.as_deref())?;
        if publish.retain && publish.key.is_none() {
            return Err(Failure::new("bad_command", "retain needs key"));
        }
        let found = self.chat.find_or_begin(&name, now.ms);
        self.forget_ended();
        let room = found?;
        let (content, body) = content_of(&publish.data);
        let draft = Draft {
            author: &self.chat.author(person),
            content,
            body,
            key: publish.key.as_deref(),
            retain: publish.retain,
            ephemeral: publish.ephemeral,
            dedup: publish.dedup.as_deref().map(|dedup| (dedup, sender)),
        };
        Ok((room, self.say(room, &draft, now)?))
    }

    /// Publishes a message, unless it was published before, and says which offset it has; `None` for one that is not
    /// kept. The room exists.
    pub(super) fn say(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        now: Now,
    ) -> Result<Option<u64>, Refusal> {
        let message = match self.chat.stamp(room, draft, now)? {
            Stamped::Again(offset) => return Ok(Some(offset)),
            Stamped::New(message) => message,
        };
        self.hand_out(room, &message);
        self.chat.keep(room, &message, draft, now.ms);
        self.forget_ended();
        Ok(message.offset)
    }

    /// Encodes a message once for each format that someone in the room reads, behind what else they are told in this
    /// tick.
    fn hand_out(&mut self, room: RoomId, message: &Message<'_>) {
        self.encoder.begin();
        let next_offset = self.chat.offset(room) + 1;
        for format in Format::ALL {
            // A signal to those who understand it: noise to everyone else.
            if message.offset.is_none() && !format.is_json() {
                continue;
            }
            let audience = room.audience(format);
            let Some(sequence) = self.chat.next_sequence(audience) else {
                continue;
            };
            let Some(context) = self.chat.context(audience) else {
                continue;
            };
            let offset = message.offset.unwrap_or(next_offset);
            self.broadcast.append(audience, sequence, offset, |out| {
                self.encoder.message(&context, message, out);
            });
        }
    }

    /// Tells the members of rooms, where the time for it has come, who came and who went.
    pub(super) fn tell_news(&mut self, now: Now) {
        while let Some((room, news)) = self.chat.take_news(now.ms) {
            self.encoder.begin();
            let next_offset = self.chat.offset(room) + 1;
            for format in Format::PEOPLE {
                let audience = room.audience(format);
                let Some(sequence) = self.chat.next_sequence(audience) else {
                    continue;
                };
                let Some(context) = self.chat.context(audience) else {
                    continue;
                };
                let event = presence(context.room, &news);
                self.broadcast
                    .append(audience, sequence, next_offset, |out| match format {
                        Format::Lines => encode::news_line(&news, out),
                        _ => self.encoder.event(&context, &event, out),
                    });
            }
        }
    }

    /// Tells those who have fallen behind, and have read what was queued, what they have missed, and of each key the
    /// latest.
    pub(super) fn catch_up(&mut self) {
        while let Some((id, rooms)) = self.lagging.take_drained() {
            for (room, from) in rooms {
                let Some(format) = self.chat.format_of(id) else {
                    continue;
                };
                let Some(context) = self.chat.context(room.audience(format)) else {
                    continue;
                };
                let mut out = Vec::new();
                encode::gap(&context, from, self.chat.offset(room), &mut out);
                for message in self.chat.latest_by_key(room, from - 1) {
                    self.encoder.begin();
                    self.encoder.message(&context, &message, &mut out);
                }
                self.chat.skip_to_now(id, room);
                self.queue_pieces(id, format, out);
            }
        }
    }

    /// Queues pieces for one connection, in the format that it reads. Nothing is queued where there is nothing to say.
    pub(super) fn queue_pieces(&mut self, id: ConnectionId, format: Format, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let chunk = Chunk::whole(Frames::new(bytes, format.frame_kind(), &self.meter));
        if let Some(connection) = self.get_mut(id) {
            connection.queue.append(chunk);
            self.mark_dirty(id);
        }
    }

    /// Sends an event to one connection at the JSON door.
    pub(super) fn send(&mut self, id: ConnectionId, event: &Event<'_>, now: Now) {
        self.send_json(id, &encode::event_json(event), now);
    }

    /// The same of an event that is JSON already.
    pub(super) fn send_json(&mut self, id: ConnectionId, json: &str, now: Now) {
        let Some(reading) = self.get(id).map(Connection::reading) else {
            return;
        };
        let frame = self.encoder.text_frame(reading, json.as_bytes());
        let frames = Frames::new(frame, FrameKind::Data, &self.meter);
        self.send_shared(id, frames, now);
    }

    /// The same of an event in a frame that others get, too.
    pub(super) fn send_shared(&mut self, id: ConnectionId, frames: Rc<Frames>, now: Now) {
        let max_queue = self.limits.max_queue;
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        match connection.queue.push(Chunk::whole(frames), max_queue) {
            Enqueue::Queued => {
                connection.traffic.messages_out += 1;
                self.mark_dirty(id);
            }
            Enqueue::Full => self.cut_off(id, CloseReason::TooSlow, now),
        }
    }

    /// Clears what is left of rooms that have ended.
    pub(super) fn forget_ended(&mut self) {
        for room in self.chat.take_ended() {
            let held = self.broadcast.forget(room);
            self.release(held);
        }
    }
}

fn presence<'a>(room: &'a str, news: &'a News) -> Event<'a> {
    let named = |people: &'a [Author]| {
        (!news.is_crowd).then(|| people.iter().map(encode::person).collect())
    };
    Event::Presence {
        room,
        joined: named(&news.joined),
        left: named(&news.left),
        count: news.count,
    }
}
