//! What a store keeps of push, so that a restart loses no subscription.

use std::fmt;

/// What a store is asked to keep. Not answered.
#[derive(Clone)]
pub enum PushRequest {
    /// A subscription, in the place of what is kept under its number.
    Keep {
        /// Its number.
        number: u64,
        /// What it is, in JSON.
        text: Box<str>,
    },
    /// To forget a subscription.
    Forget {
        /// Its number.
        number: u64,
    },
    /// Who was told of an alarm.
    Told {
        /// The name of the room.
        room: Box<str>,
        /// The key of the alarm.
        key: Box<str>,
        /// Who, in JSON; `None` to forget it.
        text: Option<Box<str>>,
    },
}

/// Without what it is: who has it can push to others.
impl fmt::Debug for PushRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep { .. } => "Keep",
            Self::Forget { .. } => "Forget",
            Self::Told { .. } => "Told",
        })
    }
}

/// What is kept of push.
#[derive(Clone, Default)]
pub struct KeptPush {
    /// Subscriptions by their numbers, in JSON.
    pub subscriptions: Vec<(u64, Box<str>)>,
    /// Who was told of alarms: a room, a key, and that in JSON.
    pub told: Vec<(Box<str>, Box<str>, Box<str>)>,
}

/// The same.
impl fmt::Debug for KeptPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPush")
            .field("subscriptions", &self.subscriptions.len())
            .finish_non_exhaustive()
    }
}
