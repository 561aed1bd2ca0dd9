//! What one connection is told: the answer to what it has asked for, or what another person says to it.

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
        let frames = Frames::answer(bytes, FrameKind::of(format), &self.meter);
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
}
