//! The commands by which links of files are kept in Redis, and what their replies say.
//!
//! All links have one slot, so that one function counts what all files take. A link is a line for the functions of Redis, with
//! the epoch, the bytes, the room and the owner, and then what is known of the file, in MessagePack.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::codec::resp::Reply;
use crate::core::file::{FileId, KeptFile, Shortage, Space};
use crate::core::redis::links::Command;
use crate::core::redis::partition::Slot;
use crate::core::redis::scripts;
use crate::core::store::{FileLink, FilesAnswer, FilesNews, FilesRequest, FilesToForget};
use crate::limits::FILES_AT_ONCE;
use crate::settings::Limits;

type Bytes = Box<[u8]>;

const LINKS: &str = "parlor:{files}:links";
const TIMES: &str = "parlor:{files}:times";
const SPACE: &str = "parlor:{files}:space";
/// What the keys of the files of rooms begin with, and those of owners.
const ROOM: &str = "parlor:{files}:room:";
const OWNER: &str = "parlor:{files}:owner:";

/// What is known of a file.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    room: Cow<'a, str>,
    file: Cow<'a, KeptFile>,
}

pub(super) fn slot() -> Slot {
    Slot::of("files")
}

fn text(text: &(impl ToString + ?Sized)) -> Bytes {
    text.to_string().into_bytes().into()
}

/// An owner in one word.
fn word_of(owner: &str) -> String {
    utf8_percent_encode(owner, NON_ALPHANUMERIC).to_string()
}

fn key_of_owner(owner: &str) -> String {
    format!("{OWNER}{}", word_of(owner))
}

/// What Redis is to do.
pub(super) fn command(request: &FilesRequest, limits: &Limits) -> Command {
    match request {
        FilesRequest::Keep { link, epoch, .. } => keep(link, *epoch, limits),
        FilesRequest::Find { id, .. } => Command::Plain(vec![text("HGET"), text(LINKS), text(id)]),
        FilesRequest::Check { ids, .. } => {
            let ids = ids.iter().map(text);
            Command::Plain(
                [text("HMGET"), text(LINKS)]
                    .into_iter()
                    .chain(ids)
                    .collect(),
            )
        }
        FilesRequest::Usage { owners, .. } => {
            let fields = owners.iter().map(|owner| text(&key_of_owner(owner)));
            let words = [text("HMGET"), text(SPACE)].into_iter();
            Command::Plain(words.chain(fields).collect())
        }
        FilesRequest::Forget(which) => forget(which, limits),
    }
}

fn keep(link: &FileLink, epoch: u64, limits: &Limits) -> Command {
    let FileLink { room, file } = link;
    let keys = [LINKS, TIMES, SPACE].map(text).into_iter();
    let keys = keys.chain([
        text(&format_args!("{ROOM}{room}")),
        text(&key_of_owner(&file.owner)),
    ]);
    let args = vec![
        text(&file.id),
        text(&file.bytes),
        encode(link, epoch).into(),
        text(&limits.max_files),
        text(&limits.file_space),
        text(&limits.max_room_files),
        text(&limits.room_file_space),
        text(&limits.file_quota),
    ];
    Command::script(&scripts::KEEP_FILE, keys.collect(), args)
}

fn forget(which: &FilesToForget, limits: &Limits) -> Command {
    let mut args = vec![text(ROOM), text(OWNER), text(&FILES_AT_ONCE)];
    args.extend(match which {
        FilesToForget::One(id) => vec![text("one"), text(id)],
        FilesToForget::Room { room, epoch } => {
            vec![text("room"), text(room), text(&format_args!("{epoch:x}"))]
        }
        FilesToForget::Owner(owner) => vec![text("owner"), text(&word_of(owner))],
        // What has no end lasts a century.
        FilesToForget::Old => {
            let most_ms = limits.file_time.ms().unwrap_or(u64::MAX);
            vec![text("old"), text(&most_ms.min(3_155_760_000_000))]
        }
    });
    Command::script(
        &scripts::FORGET_FILES,
        [LINKS, TIMES, SPACE].map(text).into(),
        args,
    )
}

fn encode(link: &FileLink, epoch: u64) -> Vec<u8> {
    let FileLink { room, file } = link;
    let owner = word_of(&file.owner);
    let mut bytes = format!("{epoch:x} {} {room} {owner}\n", file.bytes).into_bytes();
    let packed = Packed {
        room: (&**room).into(),
        file: Cow::Borrowed(file),
    };
    bytes.extend(rmp_serde::to_vec_named(&packed).expect("a link can always be written to memory"));
    bytes
}

fn decode(bytes: &[u8]) -> Option<FileLink> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let packed: Packed<'_> = rmp_serde::from_slice(&bytes[end + 1..]).ok()?;
    Some(FileLink {
        room: packed.room.into(),
        file: packed.file.into_owned(),
    })
}

/// Reads the reply to a request that is answered; `None` if it is another reply.
pub(super) fn answer(request: &FilesRequest, reply: &Reply) -> Option<FilesAnswer> {
    match request {
        FilesRequest::Keep { .. } => match reply.array()?.first()?.bytes()? {
            b"ok" => Some(FilesAnswer::Kept),
            b"all" => Some(FilesAnswer::Full(Shortage::All)),
            b"room" => Some(FilesAnswer::Full(Shortage::Room)),
            b"owner" => Some(FilesAnswer::Full(Shortage::Owner)),
            _ => None,
        },
        FilesRequest::Find { .. } if matches!(reply, Reply::Nil) => Some(FilesAnswer::Link(None)),
        FilesRequest::Find { .. } => {
            let link = decode(reply.bytes()?)?;
            Some(FilesAnswer::Link(Some(Box::new(link))))
        }
        FilesRequest::Check { ids, .. } => {
            let found = reply.array().filter(|found| found.len() == ids.len())?;
            let orphans = ids.iter().zip(found);
            let orphans = orphans.filter(|(_, link)| matches!(link, Reply::Nil));
            Some(FilesAnswer::Orphans(orphans.map(|(id, _)| *id).collect()))
        }
        FilesRequest::Usage { .. } => {
            let bytes = reply
                .array()?
                .iter()
                .map(|it| it.number().unwrap_or_default());
            Some(FilesAnswer::Usage(bytes.collect()))
        }
        FilesRequest::Forget(_) => None,
    }
}

/// Reads which links were forgotten.
pub(super) fn forgotten(reply: &Reply) -> Option<FilesNews> {
    let [ids, files, bytes] = reply.array()? else {
        return None;
    };
    let ids = ids.array()?.iter().map(|id| FileId::parse(id.text()?));
    Some(FilesNews {
        forgotten: ids.collect::<Option<_>>()?,
        space: Space {
            files: usize::try_from(files.number()?).ok()?,
            bytes: bytes.number()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::file::Size;
    use crate::core::store::Ticket;

    fn link() -> FileLink {
        FileLink {
            room: "tea".into(),
            file: KeptFile {
                id: FileId::parse("0123456789abcdef0123456789abcdef").unwrap(),
                name: "my cat\n.png".into(),
                content_type: "image/png".into(),
                bytes: 5,
                size: Some(Size {
                    width: 640,
                    height: 480,
                }),
                owner: "of ana banana".into(),
                at_ms: 7,
            },
        }
    }

    #[test]
    fn a_link_comes_back_as_it_was() {
        let bytes = encode(&link(), 0xab);
        let line = b"ab 5 tea of%20ana%20banana\n";
        assert!(bytes.starts_with(line));
        assert_eq!(decode(&bytes), Some(link()));
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn replies_are_read() {
        let ticket = Ticket::for_test(1);
        let id = link().file.id;
        let check = FilesRequest::Check {
            ticket,
            ids: vec![id],
        };
        let orphans = |reply| answer(&check, &Reply::Array(reply));
        let found = FilesAnswer::Orphans(vec![id]);
        assert_eq!(orphans(vec![Reply::Nil]), Some(found));
        assert_eq!(orphans(vec![]), None, "it is the reply to something else");
        let find = FilesRequest::Find { ticket, id };
        assert_eq!(answer(&find, &Reply::Nil), Some(FilesAnswer::Link(None)));
        assert_eq!(answer(&find, &Reply::Array(vec![])), None);
    }
}
