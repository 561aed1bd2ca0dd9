//! The commands by which rooms are listed that are in use at any node, and what their replies say.
//!
//! Each partition has a list of its own. A node puts its rooms there as long as it has them.

use crate::codec::resp::Reply;
use crate::core::redis::command::publish_word;
use crate::core::redis::entry::Beginning;
use crate::core::redis::links::Command;
use crate::core::redis::partition::Partition;
use crate::core::redis::people::here_prefix;
use crate::core::redis::scripts;
use crate::core::store::{RoomsInUse, WantedRooms};
use crate::limits::{
    BEGINNINGS_AT_ONCE, BEGINNINGS_KEPT, BEGINNINGS_KEPT_MS, FOUND_AT_ONCE, LISTED_AT_ONCE,
    NODE_TTL_MS,
};

type Bytes = Box<[u8]>;

fn text(text: &(impl ToString + ?Sized)) -> Bytes {
    text.to_string().into_bytes().into()
}

/// Puts rooms of a partition on its list. Those that were not on it have begun.
pub(super) fn list(partition: Partition, rooms: &[&str], is_sharded: bool) -> Command {
    let mut args: Vec<Bytes> = vec![
        text(&NODE_TTL_MS),
        text(publish_word(is_sharded)),
        text(&*partition.beginnings()),
        partition.key("room", ""),
        text(&BEGINNINGS_KEPT),
        text(&BEGINNINGS_KEPT_MS),
    ];
    args.extend(rooms.iter().map(|room| text(*room)));
    Command::script(&scripts::LIST, partition.listing_keys().into(), args)
}

/// Asks which rooms of a partition have begun after a number.
pub(super) fn begun(partition: Partition, after: u64) -> Command {
    let [.., log] = partition.listing_keys();
    let args = vec![text(&after), text(&BEGINNINGS_AT_ONCE)];
    Command::script(&scripts::BEGUN, vec![log], args)
}

/// Reads that: the last number there is, and the rooms.
pub(super) fn beginnings(reply: &Reply) -> Option<(u64, Vec<Beginning>)> {
    let [last, entries] = reply.array()? else {
        return None;
    };
    let entries = entries.array()?.iter().map(beginning);
    Some((last.text()?.parse().ok()?, entries.collect::<Option<_>>()?))
}

fn beginning(entry: &Reply) -> Option<Beginning> {
    let [id, fields] = entry.array()? else {
        return None;
    };
    let field = |name: &str| {
        let mut pairs = fields.array()?.chunks_exact(2);
        pairs.find(|pair| pair[0].text() == Some(name))?[1].text()
    };
    Some(Beginning {
        before: field("b")?.parse().ok()?,
        number: id.text()?.strip_suffix("-0")?.parse().ok()?,
        offset: field("o")?.parse().ok()?,
        room: field("r")?.into(),
    })
}

/// Asks for the next rooms of a partition that are in use, so many at most.
fn next(partition: Partition, wanted: &WantedRooms, count: usize) -> Command {
    let (from, to) = between(wanted);
    let args = vec![from, to, text(&count)];
    Command::script(&scripts::ROOMS, partition.list_keys().into(), args)
}

/// Asks for them to be listed.
pub(super) fn next_listed(partition: Partition, wanted: &WantedRooms) -> Command {
    next(partition, wanted, LISTED_AT_ONCE)
}

/// Asks for them for those who follow patterns.
pub(super) fn next_found(partition: Partition, wanted: &WantedRooms) -> Command {
    next(partition, wanted, FOUND_AT_ONCE)
}

/// The partitions that may have them.
pub(super) fn partitions(wanted: &WantedRooms) -> Vec<Partition> {
    match wanted {
        WantedRooms::Head { .. } => Partition::all().collect(),
        WantedRooms::Name(name) => vec![Partition::of(name)],
    }
}

/// The first name and the last, as `ZRANGE … BYLEX` takes them.
fn between(wanted: &WantedRooms) -> (Bytes, Bytes) {
    let bound = |sign: &[u8], name: &str, end: &[u8]| [sign, name.as_bytes(), end].concat().into();
    match wanted {
        WantedRooms::Name(name) => (bound(b"[", name, b""), bound(b"[", name, b"")),
        WantedRooms::Head { head, after } => {
            let from = match after {
                Some(after) => bound(b"(", after, b""),
                None => bound(b"[", head, b""),
            };
            // No name has this byte, which is greater than all that it has.
            (from, bound(b"(", head, b"\xff"))
        }
    }
}

/// Reads what a partition has of them.
pub(super) fn found(reply: &Reply) -> Option<RoomsInUse> {
    let [upto, rooms] = reply.array()? else {
        return None;
    };
    let upto = upto.text()?;
    let rooms = rooms.array()?.iter();
    let rooms = rooms.map(|name| Some(name.text()?.into()));
    Some(RoomsInUse {
        rooms: rooms.collect::<Option<_>>()?,
        upto: (!upto.is_empty()).then(|| upto.into()),
    })
}

/// Asks how many people are in rooms of a partition.
pub(super) fn count(partition: Partition, rooms: &[&str]) -> Command {
    let keys = rooms.iter().map(|room| partition.key("nodes", room));
    let prefixes = rooms.iter().map(|room| here_prefix(room));
    Command::script(&scripts::COUNT, keys.collect(), prefixes.collect())
}

/// Reads how many are in each of them.
pub(super) fn counted(reply: &Reply) -> Option<Vec<usize>> {
    let counts = reply.array()?.iter();
    let counts = counts.map(|it| usize::try_from(it.number()?).ok());
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_between_two_names() {
        let head = |head: &str, after: Option<&str>| WantedRooms::Head {
            head: head.into(),
            after: after.map(Into::into),
        };
        for (wanted, from, to) in [
            (head("", None), &b"["[..], &b"(\xff"[..]),
            (head("", Some("tea")), b"(tea", b"(\xff"),
            (head("te", None), b"[te", b"(te\xff"),
            (head("te", Some("tea")), b"(tea", b"(te\xff"),
            (WantedRooms::Name("tea".into()), b"[tea", b"[tea"),
        ] {
            let bounds = between(&wanted);
            assert_eq!((&*bounds.0, &*bounds.1), (from, to), "{wanted:?}");
        }
    }
}
