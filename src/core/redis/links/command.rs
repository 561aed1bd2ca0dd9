//! What Redis is told to do.

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
}
