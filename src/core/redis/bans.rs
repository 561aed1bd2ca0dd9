//! The commands by which bans are kept in Redis, and what is said of them between nodes. They have one slot with people: all
//! nodes know all of them.

use crate::codec::resp::Reply;
use crate::core::redis::command::publish_word;
use crate::core::redis::links::Command;
use crate::core::redis::people::{ALL_NODES, Word, said};
use crate::core::redis::scripts;
use crate::core::store::BanRequest;
use crate::limits::MAX_BANS;

type Bytes = Box<[u8]>;

/// The key of all bans.
const BANS: &str = "parlor:{people}:bans";

fn text(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// Asks Redis to keep a ban or to forget one; `None` for what asks for something else.
pub(super) fn change(request: &BanRequest, is_sharded: bool) -> Option<Command> {
    let (id, ban, only) = match request {
        BanRequest::Keep { id, text } => (id, Some(text), ""),
        BanRequest::Forget { id } => (id, None, ""),
        BanRequest::End { id, text } => (id, None, &**text),
        BanRequest::Compare => return None,
    };
    let word = Word::Ban {
        id: id.clone(),
        text: ban.cloned(),
    };
    let args = vec![
        text(publish_word(is_sharded)),
        text(ALL_NODES),
        text(&MAX_BANS.to_string()),
        text(id),
        text(ban.map_or("", |it| it)),
        text(only),
        said(&word),
    ];
    Some(Command::script(&scripts::BAN, vec![text(BANS)], args))
}

/// Asks for all bans, if their version is not this one.
pub(super) fn compare(known: u64) -> Command {
    let args = vec![text(&known.to_string())];
    Command::script(&scripts::BANS, vec![text(BANS)], args)
}

/// What is kept, where that is not what a node has heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// 0 if nothing was kept ever.
    pub(super) version: u64,
    pub(super) texts: Vec<Box<str>>,
}

/// Reads the reply to `compare`: nothing inside if nothing has changed.
pub(super) fn compared(reply: &Reply) -> Option<Option<Kept>> {
    match reply.array()? {
        [word] if word.bytes()? == b"same" => Some(None),
        [version, fields] => {
            let fields = fields.array()?.chunks_exact(2);
            let texts = fields.filter_map(|field| field[1].text());
            // The version is among them.
            let texts = texts.filter(|it| it.starts_with('{')).map(Into::into);
            Some(Some(Kept {
                version: version.number()?,
                texts: texts.collect(),
            }))
        }
        _ => None,
    }
}
