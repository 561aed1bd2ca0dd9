//! Sends to one connection: the answer to its command, or a direct message.

use std::rc::Rc;

use crate::codec::json::event::Event;
use crate::core::budget::cost;
use crate::core::chat::Format;
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::Phase;
use crate::core::net::write_queue::{Chunk, Enqueue};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Queues the answer to a command of one connection, in its format. Nothing is queued for an empty one.
    pub(super) fn answer_with(&mut self, id: ConnectionId, format: Format, bytes: Vec<u8>) {
        let encoded = bytes.len();
        self.answer_made_of(id, format, bytes, encoded);
    }

    /// The same for an answer of `encoded` bytes before compression.
    fn answer_made_of(&mut self, id: ConnectionId, format: Format, bytes: Vec<u8>, encoded: usize) {
        if bytes.is_empty() {
            return;
        }
        self.budget.spend(cost::of_bytes(encoded, cost::JSON_BYTE));
        let frames = Frames::answer(bytes, FrameKind::of(format), &self.meter);
        self.answer_in_chunks(id, std::iter::once(frames), encoded);
    }

    /// Sends an event to one connection at the JSON door, as an answer.
    pub(super) fn send(&mut self, id: ConnectionId, event: &Event<'_>) {
        self.send_json(id, &encode::event_json(event));
    }

    /// The same for an event that is JSON already. Nothing is sent after a close frame.
    pub(super) fn send_json(&mut self, id: ConnectionId, json: &str) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open { .. } | Phase::Leaving { .. }) {
            return;
        }
        connection.traffic.messages_out += 1;
        let reading = connection.reading(Format::Json);
        self.counters.traffic.messages_out += 1;
        let frame = self.encoder.text_frame(reading, json.as_bytes());
        let is_compressed = frame.len() < json.len();
        let encoded = json.len() + if is_compressed { json.len() } else { 0 };
        self.answer_made_of(id, reading.format, frame, encoded);
    }

    /// Queues a direct message for one connection. Returns whether it was taken. Half of a queue is kept free for the
    /// rooms, so that no client is closed as too slow because another writes to it.
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
}
