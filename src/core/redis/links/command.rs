//! What Redis is told to do.

use crate::core::redis::partition::Slot;
use crate::core::redis::scripts::Script;

/// What Redis is to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// A function of Lua.
    Script {
        /// The function.
        script: &'static Script,
        /// Its keys, which have one slot.
        keys: Vec<Box<[u8]>>,
        /// Its other arguments.
        args: Vec<Box<[u8]>>,
    },
    /// Words.
    Plain(Vec<Box<[u8]>>),
}

impl Command {
    /// A function of Lua.
    pub(in crate::core::redis) fn script(
        script: &'static Script,
        keys: Vec<Box<[u8]>>,
        args: Vec<Box<[u8]>>,
    ) -> Self {
        Self::Script { script, keys, args }
    }

    /// The bytes of its words.
    fn size(&self) -> usize {
        let size = |words: &[Box<[u8]>]| words.iter().map(|word| word.len()).sum::<usize>();
        match self {
            Self::Script { keys, args, .. } => size(keys) + size(args),
            Self::Plain(words) => size(words),
        }
    }
}

/// A command that is sent, or to be sent again.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) token: u64,
    pub(super) slot: Slot,
    pub(super) command: Command,
    /// When it was to be sent first.
    pub(super) since_ms: u64,
}

impl Sent {
    /// Whether Redis may be another after it.
    pub(super) fn is_change(&self) -> bool {
        matches!(self.command, Command::Script { .. })
    }

    pub(super) fn size(&self) -> usize {
        self.command.size()
    }

    /// What it is about: the first key of a script. Others have their order for no reason.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match &self.command {
            Command::Script { keys, .. } => keys.first().map(|key| &**key),
            Command::Plain(_) => None,
        }
    }
}
