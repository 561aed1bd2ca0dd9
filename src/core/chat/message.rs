//! What is said: as it comes in, and as it is kept.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::core::chat::books::Entry;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::person::Author;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text, from any door; in JSON a string.
    Text,
    /// JSON that is not a string, without spaces between its parts.
    Json,
    /// Any bytes.
    Binary,
}

/// A message, wherever its bytes are: in the read buffer, or in a room's history.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Message<'a> {
    /// Its place in the room's order; `None` for one that is not kept.
    pub(in crate::core) offset: Option<u64>,
    /// Milliseconds since 1970.
    pub(in crate::core) at_ms: u64,
    pub(in crate::core) author: &'a Author,
    pub(in crate::core) key: Option<&'a str>,
    pub(in crate::core) content: Content,
    pub(in crate::core) body: &'a [u8],
    /// Seconds within which another has to come with its key, if it says so; 0: none has to any more.
    pub(in crate::core) expect: Option<u32>,
}

impl Message<'_> {
    /// `null`: its key has no state any more.
    pub(in crate::core) fn is_null(&self) -> bool {
        self.content == Content::Json && self.body == b"null"
    }
}

/// A message with bytes of its own.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) offset: u64,
    /// When it was kept, on the clock that never goes back.
    pub(super) kept_ms: u64,
    /// Whom it is counted for.
    pub(super) owner: OwnerId,
    at_ms: u64,
    author: Author,
    key: Option<Rc<str>>,
    content: Content,
    body: Vec<u8>,
    expect: Option<u32>,
}

impl Kept {
    /// Copies a message that has an offset, into the buffer of one that is not needed any more; `key`: the bytes of its key,
    /// which many may share.
    pub(super) fn new(
        message: &Message<'_>,
        key: Option<Rc<str>>,
        entry: Entry,
        spare: Vec<u8>,
    ) -> Self {
        let mut body = spare;
        body.clear();
        body.extend_from_slice(message.body);
        Self {
            offset: entry.offset,
            kept_ms: entry.now_ms,
            owner: entry.owner,
            at_ms: message.at_ms,
            author: message.author.clone(),
            key,
            content: message.content,
            body,
            expect: message.expect,
        }
    }

    pub(super) fn view(&self) -> Message<'_> {
        Message {
            offset: Some(self.offset),
            at_ms: self.at_ms,
            author: &self.author,
            key: self.key.as_deref(),
            content: self.content,
            body: &self.body,
            expect: self.expect,
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Bytes of memory.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.body.capacity() + self.key.as_ref().map_or(0, |key| key.len())
    }

    pub(super) fn into_spare(self) -> Vec<u8> {
        self.body
    }
}
