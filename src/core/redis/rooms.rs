//! The commands by which rooms are listed that are in use at any node, and what their replies say.
//!
//! Each partition has a list of its own. A node puts its rooms there as long as it has them.

use crate::codec::resp::Reply;
use crate::core::redis::links::Command;
use crate::core::redis::partition::Partition;
use crate::core::redis::people::here_prefix;
use crate::core::redis::scripts;
use crate::core::store::{RoomsInUse, WantedRooms};
use crate::limits::{LISTED_AT_ONCE, NODE_TTL_MS};

type Bytes = Box<[u8]>;

/// Puts rooms of a partition on its list.
pub(super) fn list(partition: Partition, rooms: &[&str]) -> Command {
    let mut args: Vec<Bytes> = vec![NODE_TTL_MS.to_string().into_bytes().into()];
    args.extend(rooms.iter().map(|room| Bytes::from(room.as_bytes())));
    Command::script(&scripts::LIST, partition.list_keys().into(), args)
}

/// Asks for the next rooms of a partition.
pub(super) fn next(partition: Partition, wanted: &WantedRooms) -> Command {
    let (from, to) = between(wanted);
    let args = vec![from, to, LISTED_AT_ONCE.to_string().into_bytes().into()];
    Command::script(&scripts::ROOMS, partition.list_keys().into(), args)
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
