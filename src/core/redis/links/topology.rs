//! What a cluster and Sentinels say of where the masters are.

use std::ops::RangeInclusive;

use crate::codec::resp::Reply;
use crate::core::redis::links::target::Address;
use crate::core::redis::partition::Slot;

/// Slots that follow one another, and their master.
#[derive(Debug, PartialEq, Eq)]
pub struct Range {
    /// Their numbers.
    pub slots: RangeInclusive<u16>,
    /// Where it is.
    pub master: Address,
}

/// Reads the reply to `CLUSTER SLOTS` of the node with this host: one that does not know its own address tells none. `None` if it
/// is another reply.
pub fn ranges(reply: &Reply, own_host: &str) -> Option<Vec<Range>> {
    let parts = reply.array()?.iter();
    parts.map(|part| range(part, own_host)).collect()
}

fn range(part: &Reply, own_host: &str) -> Option<Range> {
    let [first, last, master, ..] = part.array()? else {
        return None;
    };
    let [host, port, ..] = master.array()? else {
        return None;
    };
    let slots = slot(first)?..=slot(last)?;
    let host = host.text().filter(|it| !it.is_empty() && *it != "?");
    let port = port.number()?.try_into().ok()?;
    let master = (host.unwrap_or(own_host).into(), port);
    Some(Range { slots, master })
}

fn slot(reply: &Reply) -> Option<u16> {
    let number = u16::try_from(reply.number()?).ok()?;
    (number < Slot::COUNT).then_some(number)
}

/// Reads the reply of a Sentinel to the question where a master is: nothing inside if it does not know that master.
pub(super) fn master(reply: &Reply) -> Option<Option<Address>> {
    match reply {
        Reply::Nil => Some(None),
        _ => {
            let [host, port] = reply.array()? else {
                return None;
            };
            let port = port.number()?.try_into().ok()?;
            Some(Some((host.text()?.into(), port)))
        }
    }
}

/// Why Redis has not carried out a command that it may carry out later, or elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The slot has this master.
    Moved(Slot, Address),
    /// This master takes the slot over. What it is asked has to be announced.
    Ask(Address),
    /// Some of the keys are with another master already.
    TryAgain,
    /// A part of the cluster is missing.
    Down,
    /// It has forgotten the scripts.
    NoScript,
    /// It is a replica now.
    ReadOnly,
}

/// Reads an error of the node with this host.
pub(super) fn refusal(error: &str, own_host: &str) -> Option<Refusal> {
    let mut words = error.split(' ');
    let kind = words.next()?;
    let mut place = || {
        let slot = words.next()?.parse().ok().filter(|it| *it < Slot::COUNT)?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let host = Some(host).filter(|it| !it.is_empty() && *it != "?");
        let address = (host.unwrap_or(own_host).into(), port.parse().ok()?);
        Some((Slot(slot), address))
    };
    match kind {
        "MOVED" => place().map(|(slot, address)| Refusal::Moved(slot, address)),
        "ASK" => place().map(|(_, address)| Refusal::Ask(address)),
        "TRYAGAIN" => Some(Refusal::TryAgain),
        "CLUSTERDOWN" => Some(Refusal::Down),
        "NOSCRIPT" => Some(Refusal::NoScript),
        "READONLY" => Some(Refusal::ReadOnly),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.into())
    }

    fn part(first: i64, last: i64, host: &Reply, port: i64) -> Reply {
        let node = |port| Reply::Array(vec![host.clone(), Reply::Integer(port), bulk("id")]);
        let slots = [first, last].map(Reply::Integer);
        Reply::Array([slots.to_vec(), vec![node(port), node(port + 1)]].concat())
    }

    #[test]
    fn ranges_have_their_masters() {
        let reply = Reply::Array(vec![
            part(0, 99, &bulk("10.0.0.1"), 7000),
            part(100, 16_383, &bulk(""), 7001),
            part(100, 100, &Reply::Nil, 7002),
        ]);
        let found = ranges(&reply, "own").unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.slots.clone(), &*it.master.0, it.master.1))
            .collect();
        assert_eq!(
            found,
            [
                (0..=99, "10.0.0.1", 7000),
                (100..=16_383, "own", 7001),
                (100..=100, "own", 7002)
            ]
        );
        for wrong in [
            Reply::Nil,
            Reply::Array(vec![Reply::Nil]),
            Reply::Array(vec![part(0, 16_384, &bulk("a"), 1)]),
            Reply::Array(vec![part(0, 1, &bulk("a"), 70_000)]),
        ] {
            assert_eq!(ranges(&wrong, "own"), None, "{wrong}");
        }
    }

    #[test]
    fn a_sentinel_tells_a_master() {
        let reply = Reply::Array(vec![bulk("10.0.0.1"), bulk("6379")]);
        assert_eq!(master(&reply), Some(Some(("10.0.0.1".into(), 6379))));
        assert_eq!(master(&Reply::Nil), Some(None));
        assert_eq!(master(&bulk("x")), None);
    }

    #[test]
    fn a_refusal_tells_what_to_do() {
        let moved = |host: &str| Some(Refusal::Moved(Slot(3999), (host.into(), 6381)));
        for (error, expected) in [
            ("MOVED 3999 10.0.0.2:6381", moved("10.0.0.2")),
            ("MOVED 3999 ::1:6381", moved("::1")),
            ("MOVED 3999 :6381", moved("own")),
            ("ASK 3 b:1", Some(Refusal::Ask(("b".into(), 1)))),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Some(Refusal::TryAgain),
            ),
            ("CLUSTERDOWN The cluster is down", Some(Refusal::Down)),
            ("NOSCRIPT No matching script.", Some(Refusal::NoScript)),
            (
                "READONLY You can't write against a read only replica.",
                Some(Refusal::ReadOnly),
            ),
            ("MOVED 16384 a:1", None),
            ("MOVED 1", None),
            ("MOVED 1 a:b", None),
            ("ERR unknown command", None),
        ] {
            assert_eq!(refusal(error, "own"), expected, "{error}");
        }
    }
}
