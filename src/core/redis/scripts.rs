//! What Redis carries out as one step: functions in Lua, each on the keys of one partition.

/// A function in Lua.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// What it is called in the log.
    pub name: &'static str,
    /// Its source.
    pub text: &'static str,
}

/// Gives a message its offset, keeps it, and tells all nodes.
pub static PUBLISH: Script = Script {
    name: "publish",
    text: include_str!("scripts/publish.lua"),
};

/// Reads what a room begins with.
pub static LOAD: Script = Script {
    name: "load",
    text: include_str!("scripts/load.lua"),
};

/// Forgets a room, and tells all nodes.
pub static FORGET_ROOM: Script = Script {
    name: "forget_room",
    text: include_str!("scripts/forget_room.lua"),
};

/// Keeps the state of a key as its message has left it.
pub static KEEP_STATE: Script = Script {
    name: "keep_state",
    text: include_str!("scripts/keep_state.lua"),
};

/// All of them, to be loaded on each connection.
pub static ALL: [&Script; 4] = [&PUBLISH, &LOAD, &FORGET_ROOM, &KEEP_STATE];
