//! Requests that leave, and what has become of them: values that can go to another thread.

use std::fmt;
use std::sync::Arc;

use crate::codec::webhook::{self, Secret};
use crate::core::chat::RoomName;
use crate::core::pattern::RoomPatterns;
use crate::settings::{HookEvent, without_path};

/// A webhook as the settings have it.
#[derive(Clone)]
pub struct Target {
    /// Where it is.
    pub url: Box<str>,
    /// What it is signed with: by each of these.
    pub secrets: Vec<Secret>,
    /// Patterns of the rooms that it is told of.
    pub rooms: Vec<String>,
    /// What it is told.
    pub events: Vec<HookEvent>,
}

/// Without what is behind the host, which is often a secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &without_path(&self.url))
            .finish_non_exhaustive()
    }
}

impl Target {
    /// What tells it from others: its address, and its rooms.
    pub fn key(&self) -> u64 {
        webhook::key(&self.url, &self.rooms)
    }

    /// Whether it is told of the room of this name.
    pub fn is_for(&self, room: &str) -> bool {
        let room = RoomName::parse(room);
        room.is_some_and(|room| RoomPatterns::new(&self.rooms).matches(&room))
    }

    /// The first pattern that no room can have the name of.
    pub fn impossible_room(&self) -> Option<&str> {
        let is_empty = |it: &&String| RoomPatterns::new(std::slice::from_ref(*it)).is_empty();
        self.rooms.iter().find(is_empty).map(String::as_str)
    }
}

/// A request that is to be made, by POST, with a body of JSON.
#[derive(Clone)]
pub struct Call {
    /// The key of the webhook.
    pub webhook: u64,
    /// Which of its calls.
    pub number: u64,
    /// Where to.
    pub url: Box<str>,
    /// The field `webhook-id`.
    pub id: Box<str>,
    /// The field `webhook-timestamp`.
    pub timestamp: String,
    /// The field `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: Arc<[u8]>,
}

impl Call {
    /// Bytes that were signed: the body, once with each secret.
    pub(in crate::core) fn signed_bytes(&self) -> usize {
        self.body.len() * self.signature.split(' ').count()
    }
}

/// Without the body: what is said never gets into the log.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What has become of a call.
#[derive(Clone, Debug)]
pub struct CallOutcome {
    /// The key of the webhook.
    pub webhook: u64,
    /// Which of its calls.
    pub number: u64,
    /// The answer.
    pub result: CallResult,
}

/// The answer to a call, if there was one.
#[derive(Clone, Debug)]
pub enum CallResult {
    /// It was answered.
    Answered {
        /// The status code.
        status: u16,
        /// Milliseconds for which the receiver wants to be left alone.
        retry_ms: Option<u64>,
    },
    /// It was not, or not in time, and why.
    Failed(String),
}
