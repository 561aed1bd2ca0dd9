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

/// Reads the messages after an offset, with their epoch.
pub static FILL: Script = Script {
    name: "fill",
    text: include_str!("scripts/fill.lua"),
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

/// Keeps who is in a room at a node, and tells the other nodes.
pub static TELL: Script = Script {
    name: "tell",
    text: include_str!("scripts/tell.lua"),
};

/// Keeps what a node has told of a room for longer, and says what it has not heard.
pub static COMPARE_HERE: Script = Script {
    name: "compare_here",
    text: include_str!("scripts/compare_here.lua"),
};

/// Says who is in a room at all other nodes.
pub static LOOK: Script = Script {
    name: "look",
    text: include_str!("scripts/look.lua"),
};

/// Puts rooms on the list of those that are in use, and tells nodes which have begun.
pub static LIST: Script = Script {
    name: "list",
    text: include_str!("scripts/list.lua"),
};

/// Says which rooms have begun.
pub static BEGUN: Script = Script {
    name: "begun",
    text: include_str!("scripts/begun.lua"),
};

/// Says which rooms are in use.
pub static ROOMS: Script = Script {
    name: "rooms",
    text: include_str!("scripts/rooms.lua"),
};

/// Says how many people are in rooms.
pub static COUNT: Script = Script {
    name: "count",
    text: include_str!("scripts/count.lua"),
};

/// Keeps a name for somebody, if it is nobody else's.
pub static CLAIM: Script = Script {
    name: "claim",
    text: include_str!("scripts/claim.lua"),
};

/// Frees names of somebody.
pub static RELEASE: Script = Script {
    name: "release",
    text: include_str!("scripts/release.lua"),
};

/// Keeps who somebody is whom a node holds.
pub static KEEP: Script = Script {
    name: "keep",
    text: include_str!("scripts/keep.lua"),
};

/// Keeps people for longer whom a node holds.
pub static RENEW: Script = Script {
    name: "renew",
    text: include_str!("scripts/renew.lua"),
};

/// A node holds somebody no longer.
pub static DROP: Script = Script {
    name: "drop",
    text: include_str!("scripts/drop.lua"),
};

/// Sends something to the other nodes that hold somebody.
pub static SEND: Script = Script {
    name: "send",
    text: include_str!("scripts/send.lua"),
};

/// Keeps something of push, or forgets it, and tells all nodes.
pub static PUSH_KEEP: Script = Script {
    name: "push_keep",
    text: include_str!("scripts/push_keep.lua"),
};

/// Reads a part of what is kept of push.
pub static PUSH_PAGE: Script = Script {
    name: "push_page",
    text: include_str!("scripts/push_page.lua"),
};

/// Keeps the link of a file, if there is place for it.
pub static KEEP_FILE: Script = Script {
    name: "keep_file",
    text: include_str!("scripts/keep_file.lua"),
};

/// Forgets links of files.
pub static FORGET_FILES: Script = Script {
    name: "forget_files",
    text: include_str!("scripts/forget_files.lua"),
};

/// Keeps a ban, or forgets one, and tells all nodes.
pub static BAN: Script = Script {
    name: "ban",
    text: include_str!("scripts/ban.lua"),
};

/// Says which bans there are.
pub static BANS: Script = Script {
    name: "bans",
    text: include_str!("scripts/bans.lua"),
};

/// All of them, to be loaded on each connection.
pub static ALL: [&Script; 24] = [
    &PUBLISH,
    &LOAD,
    &FILL,
    &FORGET_ROOM,
    &KEEP_STATE,
    &TELL,
    &COMPARE_HERE,
    &LOOK,
    &LIST,
    &BEGUN,
    &ROOMS,
    &COUNT,
    &CLAIM,
    &RELEASE,
    &KEEP,
    &RENEW,
    &DROP,
    &SEND,
    &PUSH_KEEP,
    &PUSH_PAGE,
    &KEEP_FILE,
    &FORGET_FILES,
    &BAN,
    &BANS,
];
