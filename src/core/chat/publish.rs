//! What is said in a room: its place in the order, and what is kept of it.

use crate::codec::freshness::Freshness;
use crate::codec::json::condition::Condition;
use crate::core::chat::Chat;
use crate::core::chat::alarm;
use crate::core::chat::books::Books;
use crate::core::chat::books::Entry;
use crate::core::chat::dedup::Log;
use crate::core::chat::dedup::Sender;
use crate::core::chat::format::RoomId;
use crate::core::chat::ledger::TooFastError;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::message::Content;
use crate::core::chat::message::Kept;
use crate::core::chat::message::Message;
use crate::core::chat::owner::Owner;
use crate::core::chat::person::Author;
use crate::core::chat::room::{Room, TooManyRoomsError};
use crate::core::file::FileId;
use crate::core::now::Now;

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
    /// The file that it tells of, which is kept as long as the message.
    pub(in crate::core) file: Option<FileId>,
    /// Where it was before, if it comes out of an export.
    pub(in crate::core) imported: Option<Imported>,
    /// What the state of its key has to be, or it is not published.
    pub(in crate::core) condition: Option<Condition>,
    /// How long it is good for as the state of its key.
    pub(in crate::core) freshness: Freshness,
}

/// Where a message was in the room that it was exported from.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Imported {
    /// Its offset, which it keeps unless others have come in between.
    pub(in crate::core) offset: u64,
    /// When it was sent, in milliseconds since 1970.
    pub(in crate::core) at_ms: u64,
}

/// A draft with bytes of its own, for as long as the store has not answered.
#[derive(Debug)]
pub(in crate::core) struct Submission {
    author: Author,
    owner: Owner,
    content: Content,
    body: Vec<u8>,
    key: Option<Box<str>>,
    retain: bool,
    dedup: Option<(Box<str>, Sender)>,
    file: Option<FileId>,
    imported: Option<Imported>,
    condition: Option<Condition>,
    freshness: Freshness,
}

/// Whether a message may be published.
#[derive(Debug)]
pub(in crate::core) enum Proposed {
    /// It may, and this is how it will be kept.
    New(Keeping),
    /// It was published before, and this is the offset it got.
    Again(u64),
}

/// What the log of a room says of a message that it has accepted.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Accepted {
    /// Its place in the room's order; `None` for one that is not kept.
    pub(in crate::core) offset: Option<u64>,
    /// Milliseconds since 1970.
    pub(in crate::core) at_ms: u64,
}

/// How a message is kept.
#[derive(Debug)]
pub(in crate::core) struct Keeping {
    /// Whom it is counted for.
    owner: OwnerId,
    /// Its body as the state of its key, where that is another.
    state: Option<Vec<u8>>,
    /// The seconds of before within which another value has to come, where it says nothing of that.
    expect: Option<u32>,
}

impl Keeping {
    fn as_said(owner: OwnerId) -> Self {
        Self {
            owner,
            state: None,
            expect: None,
        }
    }

    /// How the state of its key is kept, where that is not as its message says.
    pub(in crate::core) fn other_state<'a>(
        &'a self,
        draft: &Draft<'a>,
    ) -> Option<(&'a [u8], Freshness)> {
        let expect = self.expect.or(draft.freshness.expect);
        let freshness = Freshness {
            expect,
            ..draft.freshness
        };
        let is_other = self.state.is_some() || self.expect.is_some();
        is_other.then(|| (self.state().unwrap_or(draft.body), freshness))
    }

    /// Its body as the state of its key, where that is another.
    pub(in crate::core) fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }
}

/// Why something cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum PublishError {
    /// The state of its key is not what its sender wants it to be.
    Conflict,
    /// The room has the state of `--max-keys` keys already.
    TooManyKeys,
    /// `--history-memory` is used up by the state of keys.
    NoMemory,
    /// There are `--max-rooms` rooms already, or its sender has begun as many as it may.
    TooManyRooms,
    /// Its sender begins rooms too fast; another may be begun after this time.
    TooFast { retry_ms: u64 },
    /// The store does not take it, or has not answered in time; it may be sent again after this time.
    Unavailable { retry_ms: u64 },
}

impl From<TooManyRoomsError> for PublishError {
    fn from(_: TooManyRoomsError) -> Self {
        Self::TooManyRooms
    }
}

impl From<TooFastError> for PublishError {
    fn from(TooFastError { retry_ms }: TooFastError) -> Self {
        Self::TooFast { retry_ms }
    }
}

impl Submission {
    pub(in crate::core) fn draft(&self) -> Draft<'_> {
        Draft {
            author: &self.author,
            owner: &self.owner,
            content: self.content,
            body: &self.body,
            key: self.key.as_deref(),
            retain: self.retain,
            ephemeral: false,
            dedup: self.dedup.as_ref().map(|(id, sender)| (&**id, sender)),
            file: self.file,
            imported: self.imported,
            condition: self.condition,
            freshness: self.freshness,
        }
    }

    /// Bytes of memory that it holds.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        let texts = [&self.key, &self.dedup.as_ref().map(|(id, _)| id.clone())];
        let texts = texts.into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + self.body.capacity() + texts.sum::<usize>()
    }
}

impl<'a> Draft<'a> {
    /// The message that it becomes.
    pub(in crate::core) fn message(&self, offset: Option<u64>, at_ms: u64) -> Message<'a> {
        Message {
            offset,
            at_ms,
            author: self.author,
            key: self.key,
            content: self.content,
            body: self.body,
            expect: self.freshness.expect,
        }
    }

    /// The same with bytes of its own.
    pub(in crate::core) fn submission(&self) -> Submission {
        Submission {
            author: self.author.clone(),
            owner: self.owner.clone(),
            content: self.content,
            body: self.body.to_vec(),
            key: self.key.map(Into::into),
            retain: self.retain,
            dedup: self.dedup.map(|(id, sender)| (id.into(), sender.clone())),
            file: self.file,
            imported: self.imported,
            condition: self.condition,
            freshness: self.freshness,
        }
    }

    /// When it was sent, in milliseconds since 1970: now, unless it was sent before.
    pub(in crate::core) fn at_ms(&self, now: Now) -> u64 {
        self.imported.map_or(now.unix_ms, |it| it.at_ms)
    }

    /// The offset that it has at the least; 0 for what was not published before.
    pub(in crate::core) fn not_before(&self) -> u64 {
        self.imported.map_or(0, |it| it.offset)
    }

    /// `null` as the state of a key: the key has none any more.
    pub(super) fn removes_key(&self) -> bool {
        self.content == Content::Json && self.body == b"null"
    }
}

impl Chat {
    /// Whether a message may be published in a room; makes room for the state that it would be. A condition is checked only
    /// if the message is to be accepted at once: elsewhere the log knows what is on its way before it.
    pub(in crate::core) fn propose(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        is_accepted_at_once: bool,
        now: Now,
    ) -> Result<Proposed, PublishError> {
        if let Some((name, sender)) = draft.dedup
            && let Some(offset) = self.dedup.find(self.log_of(room), sender, name, now.ms)
        {
            return Ok(Proposed::Again(offset));
        }
        if is_accepted_at_once && !self.meets_condition(room, draft) {
            return Err(PublishError::Conflict);
        }
        let owner = self.ledger.open(draft.owner, now.ms);
        if draft.ephemeral {
            return Ok(Proposed::New(Keeping::as_said(owner)));
        }
        match draft.imported {
            Some(_) => self.rooms[room.index].is_counted = true,
            None => self.count_beginning(room, owner, now.ms)?,
        }
        let keeping = self.reserve(room, draft, owner, now)?;
        Ok(Proposed::New(keeping))
    }

    /// Whether the state of its key is what a message wants it to be.
    fn meets_condition(&self, room: RoomId, draft: &Draft<'_>) -> bool {
        let Some((condition, key)) = draft.condition.zip(draft.key) else {
            return true;
        };
        let current = self.state_of_key(room, key).and_then(|it| it.offset);
        condition.holds(self.epoch(room), current)
    }

    /// The same of a message that the store has accepted. Meanwhile others may have taken the room for its state: then it
    /// is kept without.
    pub(in crate::core) fn propose_accepted(
        &mut self,
        room: RoomId,
        draft: &mut Draft<'_>,
        now: Now,
    ) -> Keeping {
        let owner = self.ledger.open(draft.owner, now.ms);
        self.reserve(room, draft, owner, now).unwrap_or_else(|_| {
            if let Some(key) = draft.key.filter(|_| draft.retain) {
                self.forget_state(room.index, key);
                self.note_state_forgotten(room.index, key, self.offset_for(room, draft));
            }
            draft.retain = false;
            Keeping::as_said(owner)
        })
    }

    /// Makes room for the state that a message would be.
    fn reserve(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        owner: OwnerId,
        now: Now,
    ) -> Result<Keeping, PublishError> {
        let state = self.completed_state(room, draft, &draft.message(None, draft.at_ms(now)));
        let bytes = state.as_ref().map_or(draft.body.len(), Vec::len);
        self.make_room_for_state(room, draft, bytes, owner)?;
        let before = draft.key.and_then(|key| self.freshness(room, key)?.expect);
        let inherits = draft.retain && draft.freshness.expect.is_none() && !draft.removes_key();
        let expect = before.filter(|_| inherits);
        Ok(Keeping {
            owner,
            state,
            expect,
        })
    }

    fn log_of(&self, room: RoomId) -> Log {
        let room = &self.rooms[room.index];
        (room.name.clone(), room.epoch)
    }

    /// The offset that the next message of a room gets, unless it is imported.
    pub(in crate::core) fn next_offset(&self, room: RoomId) -> u64 {
        self.offset(room) + 1
    }

    /// The offset that a message gets if it is the next one of a room.
    pub(in crate::core) fn offset_for(&self, room: RoomId, draft: &Draft<'_>) -> u64 {
        self.next_offset(room).max(draft.not_before())
    }

    /// A message has its place in the order.
    pub(in crate::core) fn accept<'a>(
        &mut self,
        room: RoomId,
        draft: &Draft<'a>,
        accepted: Accepted,
        now: Now,
    ) -> Message<'a> {
        if let Some(offset) = accepted.offset {
            self.move_to(room.index, offset);
            if let Some((name, sender)) = draft.dedup {
                let log = self.log_of(room);
                self.dedup
                    .remember(log, sender, name, offset, draft.owner, now.ms);
            }
        }
        draft.message(accepted.offset, accepted.at_ms)
    }

    /// The next message of a room has this offset. What is remembered has no hole: nothing from before one is.
    fn move_to(&mut self, index: usize, offset: u64) {
        let before = std::mem::replace(&mut self.rooms[index].offset, offset);
        if offset > before + 1 {
            self.with_books(index, |history, books| history.skip_to(offset, books));
        }
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
        alarm::completed_state(before.map(Kept::view).as_ref(), message)
    }

    /// Keeps a message that was accepted, and makes room for it where others are forgotten.
    pub(in crate::core) fn keep(
        &mut self,
        id: RoomId,
        message: &Message<'_>,
        draft: &Draft<'_>,
        Keeping { owner, state, .. }: Keeping,
        now: Now,
    ) {
        let Some(offset) = message.offset else {
            return;
        };
        let age_ms = now.unix_ms.saturating_sub(message.at_ms);
        let entry = Entry {
            offset,
            owner,
            now_ms: match draft.imported {
                Some(_) => now.ms.saturating_sub(age_ms),
                None => now.ms,
            },
            freshness: draft.freshness,
        };
        let mut books = Books {
            ledger: &mut self.ledger,
            deadlines: &mut self.deadlines,
            room: id.index,
        };
        let Room {
            history, limits, ..
        } = &mut self.rooms[id.index];
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
        history.keep(message, entry, &mut books, limits);
        self.keep_within_memory(id.index, now.ms);
        if self.rooms[id.index].is_empty() {
            self.settle(id.index, now.ms);
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

    /// Whether a page of `limit` messages of a room is as it would be if the room remembered all.
    pub(in crate::core) fn is_whole_page(
        &self,
        id: RoomId,
        page: &[Message<'_>],
        limit: usize,
    ) -> bool {
        let room = self.get(id);
        room.is_some_and(|room| room.history.is_whole_page(page, limit))
    }

    /// The state of all keys of a room, in the order of their offsets.
    pub(in crate::core) fn retained(&self, id: RoomId) -> Vec<Message<'_>> {
        self.get(id)
            .map_or_else(Vec::new, |room| room.history.retained())
    }

    /// The state of one key.
    pub(in crate::core) fn state_of_key(&self, id: RoomId, key: &str) -> Option<Message<'_>> {
        let kept = self.get(id)?.history.retained.get(key)?;
        Some(kept.view())
    }

    /// The offset of an alarm's state, if a change says no more than that does.
    pub(in crate::core) fn known_alarm(
        &self,
        id: RoomId,
        key: &str,
        body: &[u8],
        is_reminder: bool,
    ) -> Option<u64> {
        let before = self.state_of_key(id, key)?;
        let change = Message {
            content: Content::Json,
            body,
            ..before
        };
        let is_known = alarm::is_known(&before, &change, is_reminder);
        before.offset.filter(|_| is_known)
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

    /// How long the state of a key is good for, if it has one.
    fn freshness(&self, id: RoomId, key: &str) -> Option<Freshness> {
        let vigil = self.get(id)?.history.retained.vigil(key)?;
        Some(vigil.freshness())
    }

    /// The room's newest offset.
    pub(in crate::core) fn offset(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.offset)
    }

    /// Whether something was published in a room, or is on its way into it.
    pub(in crate::core) fn has_begun(&self, id: RoomId) -> bool {
        let room = self.get(id);
        room.is_some_and(|room| room.offset > 0 || room.waiting > 0)
    }

    pub(in crate::core) fn epoch(&self, id: RoomId) -> u64 {
        self.get(id).map_or(0, |room| room.epoch)
    }
}
