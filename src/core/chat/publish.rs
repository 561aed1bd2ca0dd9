//! What is said in a room: its place in the order, and what is kept of it.

use super::dedup::Sender;
use super::message::{Content, Kept, Message};
use super::person::Author;
use super::{Chat, RoomId};

/// What someone wants to say.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Draft<'a> {
    pub(in crate::core) author: &'a Author,
    pub(in crate::core) content: Content,
    pub(in crate::core) body: &'a [u8],
    pub(in crate::core) key: Option<&'a str>,
    /// The room keeps it as the state of its key.
    pub(in crate::core) retain: bool,
    /// For those who are here now: not kept, without an offset.
    pub(in crate::core) ephemeral: bool,
    /// The sender's own id of the message, and who they are.
    pub(in crate::core) dedup: Option<(&'a str, &'a Sender)>,
}

/// What became of it.
#[derive(Debug)]
pub(in crate::core) enum Stamped<'a> {
    /// To be handed out, and then kept.
    New(Message<'a>),
    /// It was said before, and this is the offset it got.
    Again(u64),
}

/// Why something cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Refusal {
    /// The room has the state of `--max-keys` keys already.
    TooManyKeys,
    /// `--history-memory` is used up by the state of keys.
    NoMemory,
}

impl Draft<'_> {
    /// `null` as the state of a key: the key has none any more.
    fn removes_key(&self) -> bool {
        self.content == Content::Json && self.body == b"null"
    }
}

impl Chat {
    /// Gives a message its place in the order.
    pub(in crate::core) fn stamp<'a>(
        &mut self,
        room: RoomId,
        draft: &Draft<'a>,
        now: crate::core::Now,
    ) -> Result<Stamped<'a>, Refusal> {
        if let Some((name, sender)) = draft.dedup
            && let Some(offset) = self.dedup.find(room, sender, name, now.ms)
        {
            return Ok(Stamped::Again(offset));
        }
        let offset = if draft.ephemeral {
            None
        } else {
            self.check_state(room, draft)?;
            let room = &mut self.rooms[room.index];
            room.offset += 1;
            Some(room.offset)
        };
        if let (Some((name, sender)), Some(offset)) = (draft.dedup, offset) {
            self.dedup.remember(room, sender, name, offset, now.ms);
        }
        Ok(Stamped::New(Message {
            offset,
            at_ms: now.unix_ms,
            author: draft.author,
            key: draft.key,
            content: draft.content,
            body: draft.body,
        }))
    }

    /// Keeps a message that was stamped, and makes room for it where others are forgotten.
    pub(in crate::core) fn keep(
        &mut self,
        id: RoomId,
        message: &Message<'_>,
        draft: &Draft<'_>,
        now_ms: u64,
    ) {
        let Some(offset) = message.offset else {
            return;
        };
        let history = &mut self.rooms[id.index].history;
        let before = (history.held_bytes(), history.retained_bytes());
        match draft.key {
            Some(key) if draft.retain && draft.removes_key() => history.remove(key),
            Some(key) if draft.retain => history.retain(key, message, offset, now_ms),
            _ => {}
        }
        history.keep(message, offset, now_ms, &self.limits);
        self.history_bytes = self.history_bytes + history.held_bytes() - before.0;
        self.retained_bytes = self.retained_bytes + history.retained_bytes() - before.1;
        self.keep_within_memory(id.index);
        if self.rooms[id.index].is_empty() {
            self.settle(id.index, now_ms);
        }
    }

    /// The newest messages of a room before an offset, oldest first, and whether there are older ones.
    pub(in crate::core) fn history(
        &self,
        id: RoomId,
        before: u64,
        limit: usize,
    ) -> Option<(Vec<Message<'_>>, bool)> {
        let (messages, more) = self.get(id)?.history.before(before, limit);
        Some((messages.collect(), more))
    }

    /// The state of all keys of a room, in the order of their offsets.
    pub(in crate::core) fn retained(&self, id: RoomId) -> Vec<Message<'_>> {
        self.get(id)
            .map_or_else(Vec::new, |room| room.history.retained())
    }

    /// The last of them.
    pub(in crate::core) fn last_retained(&self, id: RoomId) -> Option<Message<'_>> {
        self.get(id)?.history.last_retained()
    }

    /// How often that has changed.
    pub(in crate::core) fn state_version(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.history.state_changes())
    }

    /// The room's newest offset.
    pub(in crate::core) fn offset(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.offset)
    }

    pub(in crate::core) fn epoch(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.epoch)
    }

    /// The state of a key is not forgotten to make room, so there has to be room for it.
    fn check_state(&self, room: RoomId, draft: &Draft<'_>) -> Result<(), Refusal> {
        let Some(key) = draft.key.filter(|_| draft.retain && !draft.removes_key()) else {
            return Ok(());
        };
        let history = &self.rooms[room.index].history;
        let replaced = history.state_bytes(key);
        if replaced == 0 && history.key_count() >= self.limits.max_keys {
            return Err(Refusal::TooManyKeys);
        }
        let added = draft.body.len() + 2 * key.len() + size_of::<Kept>();
        if history.retained_bytes() - replaced + added > self.limits.history_bytes {
            return Err(Refusal::TooManyKeys);
        }
        if self.retained_bytes - replaced + added > self.limits.history_memory / 2 {
            return Err(Refusal::NoMemory);
        }
        Ok(())
    }

    /// Within `--history-memory`: rooms that nobody is in are forgotten first, then half of what the room remembers that
    /// remembers most, so that one room does not cost the others theirs.
    fn keep_within_memory(&mut self, index: usize) {
        while self.history_bytes > self.limits.history_memory {
            let mut others = self.dormant.iter().map(|(_, dormant)| *dormant);
            match others.find(|dormant| *dormant != index) {
                Some(dormant) => self.end(dormant),
                None if self.halve_largest_history() => {}
                None => return,
            }
        }
    }

    /// Says whether there was anything to forget.
    fn halve_largest_history(&mut self) -> bool {
        let largest = self
            .rooms
            .iter_mut()
            .max_by_key(|(_, room)| room.history.message_bytes());
        let Some((_, room)) = largest else {
            return false;
        };
        let history = &mut room.history;
        let before = history.message_bytes();
        while history.message_bytes() > before / 2 && history.forget_oldest() {}
        self.history_bytes -= before - history.message_bytes();
        before > 0
    }
}
