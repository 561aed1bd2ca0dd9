//! What a store keeps of push, so that a restart loses no subscription.

use std::fmt;

/// What a store is asked to keep. Not answered. A log that several servers share tells it to all of them ([`PushNews`]).
#[derive(Clone)]
pub enum PushRequest {
    /// To tell the server all that is kept, and from then on what changes. Only a log that several servers share is asked.
    Begin,
    /// A subscription that such a log has lost. If it has one under this number, that one stays.
    PutBack {
        /// Its number.
        number: u64,
        /// What it is, in JSON.
        text: Box<str>,
    },
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
            Self::Begin => "Begin",
            Self::PutBack { .. } => "PutBack",
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

/// What a log that several servers share tells of push.
#[derive(Clone)]
pub enum PushNews {
    /// All that is kept is told from here on.
    Begun,
    /// A subscription is there, or is another now.
    Kept {
        /// Its number.
        number: u64,
        /// What it is, in JSON.
        text: Box<str>,
    },
    /// A subscription has ended.
    Forgotten {
        /// Its number.
        number: u64,
    },
    /// Who was told of an alarm.
    Told {
        /// The name of the room.
        room: Box<str>,
        /// The key of the alarm.
        key: Box<str>,
        /// Who, in JSON.
        text: Box<str>,
    },
    /// All was told since `Begun`. `is_other`: it is not what this log has told before, so that what is missing is lost there.
    Known {
        /// What is missing is lost.
        is_other: bool,
    },
    /// All that was to be kept is.
    Written,
    /// The log cannot be reached: nothing can be kept for now.
    Away,
    /// It can be reached again, and all that was changed meanwhile was told.
    Back,
}

impl PushNews {
    /// The bytes of what it says.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Kept { text, .. } | Self::Told { text, .. } => text.len(),
            _ => 0,
        }
    }
}

/// Without what it is.
impl fmt::Debug for PushNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "Begun",
            Self::Kept { .. } => "Kept",
            Self::Forgotten { .. } => "Forgotten",
            Self::Told { .. } => "Told",
            Self::Known { .. } => "Known",
            Self::Written => "Written",
            Self::Away => "Away",
            Self::Back => "Back",
        })
    }
}
