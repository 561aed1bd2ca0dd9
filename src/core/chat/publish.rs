//! What is said in a room: its place in the order, and what is kept of it.

use crate::core::now::Now;

use super::books::{Books, Entry};
use super::dedup::Sender;
use super::ledger::TooFast;
use super::message::{Content, Kept, Message};
use super::owner::Owner;
use super::person::Author;
use super::{Chat, OwnerId, RoomId, TooManyRooms, alarm};

/// What someone wants to say.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Draft<'a> {
    pub(in crate::core) author: &'a Author,
    /// Who it is counted for.
    pub(in crate::core) owner: &'a Owner,
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
    New(Message<'a>, Keeping),
    /// It was said before, and this is the offset it got.
    Again(u64),
}

/// How a message is kept.
#[derive(Debug)]
pub(in crate::core) struct Keeping {
    /// Whom it is counted for.
    owner: OwnerId,
    /// Its body as the state of its key, where that is another.
    state: Option<Vec<u8>>,
}

/// Why something cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Refusal {
    /// The room has the state of `--max-keys` keys already.
    TooManyKeys,
    /// `--history-memory` is used up by the state of keys.
    NoMemory,
    /// There are `--max-rooms` rooms already, or its sender has begun as many as it may.
    TooManyRooms,
    /// Its sender begins rooms too fast; another may be begun after this time.
    TooFast { retry_ms: u64 },
}

impl From<TooManyRooms> for Refusal {
    fn from(_: TooManyRooms) -> Self {
        Self::TooManyRooms
    }
}

impl From<TooFast> for Refusal {
    fn from(TooFast { retry_ms }: TooFast) -> Self {
        Self::TooFast { retry_ms }
    }
}

impl Draft<'_> {
    /// `null` as the state of a key: the key has none any more.
    pub(super) fn removes_key(&self) -> bool {
        self.content == Content::Json && self.body == b"null"
    }
}

impl Chat {
    /// Gives a message its place in the order.
    pub(in crate::core) fn stamp<'a>(
        &mut self,
        room: RoomId,
        draft: &Draft<'a>,
        now: Now,
    ) -> Result<Stamped<'a>, Refusal> {
        if let Some((name, sender)) = draft.dedup
            && let Some(offset) = self.dedup.find(room, sender, name, now.ms)
        {
            return Ok(Stamped::Again(offset));
        }
        let owner = self.ledger.open(draft.owner, now.ms);
        let mut message = Message {
            offset: None,
            at_ms: now.unix_ms,
            author: draft.author,
            key: draft.key,
            content: draft.content,
            body: draft.body,
        };
        let state = self.completed_state(room, draft, &message);
        message.offset = if draft.ephemeral {
            None
        } else {
            self.count_beginning(room, owner, now.ms)?;
            let bytes = state.as_ref().map_or(draft.body.len(), Vec::len);
            self.make_room_for_state(room, draft, bytes, owner)?;
            let room = &mut self.rooms[room.index];
            room.offset += 1;
            Some(room.offset)
        };
        if let (Some((name, sender)), Some(offset)) = (draft.dedup, message.offset) {
            self.dedup
                .remember(room, sender, name, offset, draft.owner, now.ms);
        }
        Ok(Stamped::New(message, Keeping { owner, state }))
    }

    /// The body of a message as the state of its key, where it leaves out what stays as it was.
    fn completed_state(
        &self,
        room: RoomId,
        draft: &Draft<'_>,
        message: &Message<'_>,
    ) -> Option<Vec<u8>> {
        let key = draft.key.filter(|_| draft.retain)?;
        let before = self.rooms[room.index].history.retained.get(key);
        alarm::completed(before.map(Kept::view).as_ref(), message)
    }

    /// Keeps a message that was stamped, and makes room for it where others are forgotten.
    pub(in crate::core) fn keep(
        &mut self,
        id: RoomId,
        message: &Message<'_>,
        draft: &Draft<'_>,
        Keeping { owner, state }: Keeping,
        now_ms: u64,
    ) {
        let Some(offset) = message.offset else {
            return;
        };
        let entry = Entry {
            offset,
            owner,
            now_ms,
        };
        let mut books = Books {
            ledger: &mut self.ledger,
            room: id.index,
        };
        let history = &mut self.rooms[id.index].history;
        match draft.key {
            Some(key) if draft.retain && draft.removes_key() => {
                history.retained.remove(key, &mut books);
            }
            Some(key) if draft.retain => {
                let body = state.as_deref().unwrap_or(message.body);
                let message = Message { body, ..*message };
                history.retained.set(key, &message, entry, &mut books);
            }
            _ => {}
        }
        history.keep(message, entry, &mut books, &self.limits);
        self.keep_within_memory(id.index, now_ms);
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
        Some(self.get(id)?.history.before(before, limit))
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
        self.get(id)
            .map_or(0, |room| room.history.retained.changes())
    }

    /// The room's newest offset.
    pub(in crate::core) fn offset(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.offset)
    }

    pub(in crate::core) fn epoch(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.epoch)
    }
}
