//! From something to say to the pieces that a room's audiences are told.

use crate::codec::json::command::Publish;
use crate::core::chat::{Draft, Format, Message, Refusal, RoomId, RoomName, Stamped};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::{check_key, content_of};
use crate::core::server::error::Failure;
use crate::core::server::speaker::Speaker;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
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
}
