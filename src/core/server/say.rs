//! From something to say to the pieces that a room's audiences are told.

use std::rc::Rc;

use super::Server;
use super::commands::{Failure, check_key, content_of};
use super::rights::owner_of;
use crate::codec::json::command::Publish;
use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Kind;
use crate::core::budget::cost;
use crate::core::chat::{
    Author, Content, Draft, Format, Message, News, Owner, PersonId, Refusal, RoomId, RoomName,
    Sender, Stamped,
};
use crate::core::connection::{ConnectionId, Door, Phase};
use crate::core::frames::Frames;
use crate::core::write_queue::{Chunk, Enqueue};
use crate::core::{Now, Stream, encode};

/// Who says something, whatever their door.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) author: &'a Author,
    /// Whose ids of messages `dedup` is one of.
    pub(super) sender: &'a Sender,
    pub(super) owner: &'a Owner,
}

impl<S: Stream> Server<S> {
    /// What a member says at the plain door.
    pub(super) fn say_plainly(&mut self, id: ConnectionId, kind: Kind, payload: &[u8], now: Now) {
        // A connection that is closing is in no room: what it still sends is not heard.
        let Some(room) = self.chat.room_of(id) else {
            return;
        };
        let rights = self.access.rights(id);
        let may = self.chat.room_name(room);
        if !may.is_some_and(|name| rights.may_publish(name)) {
            return self.send_away(id, CloseReason::MayNotPublish, now);
        }
        let (key, retain) = match self.get(id).map(|connection| &connection.door) {
            Some(Door::Keyed(keyed)) => (Some(keyed.key.clone()), keyed.retain),
            _ => (None, false),
        };
        let draft = Draft {
            author: &self.author(&rights, PersonId(id.number())),
            owner: &owner_of(&rights, self.peer(None, id)),
            content: match kind {
                Kind::Text => Content::Text,
                Kind::Binary => Content::Binary,
            },
            body: payload,
            key: key.as_deref(),
            retain,
            ephemeral: false,
            dedup: None,
        };
        let said = self.say(room, &draft, now);
        if let Some(connection) = self.get_mut(id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
        // What has no key is not refused.
        if said.is_err() {
            self.send_away(id, CloseReason::TooManyKeys, now);
        }
    }

    /// Does what the command and the request ask for: publishes a message in a room, which begins if it does not exist.
    pub(super) fn publish(
        &mut self,
        name: &RoomName,
        publish: &Publish<'_>,
        speaker: Speaker<'_>,
        now: Now,
    ) -> Result<(RoomId, Option<u64>), Failure> {
        check_key("key", publish.key.as_deref())?;
        check_key("dedup", publish.dedup.as_deref())?;
        if publish.retain && publish.key.is_none() {
            return Err(Failure::new("bad_command", "retain needs key"));
        }
        if publish.retain && publish.ephemeral {
            let message = "an ephemeral message is not kept, so it cannot be retained";
            return Err(Failure::new("bad_command", message));
        }
        let Speaker {
            author,
            sender,
            owner,
        } = speaker;
        let found = self.chat.find_or_begin_to_say(name, owner, now.ms);
        self.forget_ended();
        let room = found?;
        let (content, body) = content_of(&publish.data);
        let draft = Draft {
            author,
            owner,
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
        let (message, keeping) = match self.chat.stamp(room, draft, now)? {
            Stamped::Again(offset) => return Ok(Some(offset)),
            Stamped::New(message, keeping) => (message, keeping),
        };
        self.hand_out(room, &message);
        self.chat.keep(room, &message, draft, keeping, now.ms);
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
        while self.budget.is_left()
            && let Some((room, news)) = self.chat.take_news(now.ms)
        {
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

    /// The connection is told all that was said in a room so far.
    pub(super) fn skip_to_now(&mut self, id: ConnectionId, room: RoomId) {
        let offset = self.chat.offset(room);
        if let Some((audience, sequence)) = self.chat.skip_to_now(id, room) {
            self.broadcast.note_entry(audience, sequence, offset);
        }
        if self.chat.conflates(room) {
            self.lagging.on_told(id, room, offset);
        }
    }

    /// Queues the answer to what one connection has asked for, in the format that it reads: pieces, or none where there
    /// is nothing to say.
    pub(super) fn answer_with(&mut self, id: ConnectionId, format: Format, bytes: Vec<u8>) {
        let encoded = bytes.len();
        self.answer_made_of(id, format, bytes, encoded);
    }

    /// The same of what was more before it was compressed.
    fn answer_made_of(&mut self, id: ConnectionId, format: Format, bytes: Vec<u8>, encoded: usize) {
        if bytes.is_empty() {
            return;
        }
        self.budget.spend(cost::of_bytes(encoded, cost::JSON_BYTE));
        let frames = Frames::answer(bytes, format.frame_kind(), &self.meter);
        self.answer_in_chunks(id, std::iter::once(frames), encoded);
    }

    /// Sends an event to one connection at the JSON door, which has asked for it.
    pub(super) fn send(&mut self, id: ConnectionId, event: &Event<'_>) {
        self.send_json(id, &encode::event_json(event));
    }

    /// The same of an event that is JSON already. Nothing follows a close frame.
    pub(super) fn send_json(&mut self, id: ConnectionId, json: &str) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open { .. }) {
            return;
        }
        connection.traffic.messages_out += 1;
        let reading = connection.reading();
        self.counters.traffic.messages_out += 1;
        let frame = self.encoder.text_frame(reading, json.as_bytes());
        let is_compressed = frame.len() < json.len();
        let encoded = json.len() + if is_compressed { json.len() } else { 0 };
        self.answer_made_of(id, reading.format, frame, encoded);
    }

    /// Offers one connection what another person says to it. Says whether it was taken: half of a queue is left for the
    /// rooms, so that nobody is closed for being too slow because of one who writes to them.
    pub(super) fn offer(&mut self, id: ConnectionId, frames: Rc<Frames>, now: Now) -> bool {
        let max_queue = self.limits.max_queue / 2;
        let chunk = Chunk::whole(frames);
        self.budget.spend(cost::LOOKUP);
        let Some(connection) = self.receiver(id, &chunk, max_queue, now) else {
            return false;
        };
        match connection.queue.push(chunk, max_queue) {
            Enqueue::Queued => {
                connection.traffic.messages_out += 1;
                self.counters.traffic.messages_out += 1;
                self.mark_dirty(id);
                true
            }
            Enqueue::Full => false,
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
