//! Where the masters are: in a cluster, and behind Sentinels.

use std::io;
use std::ops::RangeInclusive;

use super::client::{Address, Client};
use super::facts::{read_info, read_pairs};
use super::place::Place;
use super::reply::Read;
use super::report::Finding;
use crate::codec::resp::{Reply, key_slot};
use crate::core::redis::links::{Range, ranges};
use crate::limits::PARTITIONS;

/// A master and its hash slots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    slots: Vec<RangeInclusive<u16>>,
}

impl Master {
    fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

/// The masters of the cluster of this node.
pub(super) fn masters(client: &mut Client, address: &Address) -> io::Result<Vec<Master>> {
    let reply = client.call(&["CLUSTER", "SLOTS"])?;
    Ok(read_slots(&reply, address.host()))
}

fn read_slots(reply: &Reply, own_host: &str) -> Vec<Master> {
    let mut masters: Vec<Master> = Vec::new();
    for Range { slots, master } in ranges(reply, own_host).unwrap_or_default() {
        let (host, port) = master;
        let mut known = masters.iter_mut();
        match known.find(|it| (&it.host, it.port) == (&host, port)) {
            Some(master) => master.slots.push(slots),
            None => masters.push(Master {
                host,
                port,
                slots: vec![slots],
            }),
        }
    }
    masters
}

/// How the cluster is, as one of its nodes sees it.
pub(super) fn cluster(client: &mut Client) -> io::Result<Finding> {
    let what = "cluster";
    let reply = client.call(&["CLUSTER", "INFO"])?;
    let info = read_info(&reply.words().unwrap_or_default());
    let field = |name: &str| info.get(name).map_or("", String::as_str);
    let value = format!(
        "{} masters, {} nodes, {} of 16384 slots, state {}",
        field("cluster_size"),
        field("cluster_known_nodes"),
        field("cluster_slots_assigned"),
        field("cluster_state")
    );
    Ok(match field("cluster_state") {
        "ok" if is_whole_or_nothing(client)? => Finding::new(
            what,
            value,
            "when a master is gone, the rooms of the others are not available either",
        )
        .better("set cluster-require-full-coverage no"),
        "ok" => Finding::new(
            what,
            value,
            "a room is on one master, and rooms are spread over all",
        ),
        _ => Finding::new(
            what,
            value,
            "rooms whose slots nobody has are not available",
        )
        .needed(
            "start the masters that are missing, or assign their slots: CLUSTER NODES names them",
        ),
    })
}

/// Whether a cluster takes nothing while a slot has no master. Without the right to ask, it is taken to go on.
fn is_whole_or_nothing(client: &mut Client) -> io::Result<bool> {
    let reply = client.call(&["CONFIG", "GET", "cluster-require-full-coverage"])?;
    let value = reply.list().and_then(|it| it.get(1)?.words());
    Ok(value.as_deref() == Some("yes"))
}

/// Which partitions a master of a cluster has, and a place in one of them.
pub(super) fn partitions(master: &Master) -> (Finding, Option<Place>) {
    let (mut count, mut place) = (0, None);
    for number in 0..PARTITIONS {
        let tag = format!("p{number}");
        if master.has(key_slot(tag.as_bytes())) {
            count += 1;
            place.get_or_insert_with(|| Place::new(&tag));
        }
    }
    let value = format!("{count} of {PARTITIONS}");
    let meaning = match count {
        0 => "no room is here",
        _ => "rooms of these partitions are here",
    };
    (Finding::new("partitions", value, meaning), place)
}

/// How Sentinel sees a master, and where it is.
pub(super) fn sentinel(
    client: &mut Client,
    name: &str,
) -> io::Result<Result<(Finding, String, u16), String>> {
    let reply = client.call(&["SENTINEL", "MASTER", name])?;
    if let Some(error) = reply.error() {
        return Ok(Err(format!("does not know a master {name:?}: {error}")));
    }
    let fields = read_pairs(&reply);
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let number = |name: &str| field(name).parse::<u64>().unwrap_or(0);
    let Ok(port) = field("port").parse() else {
        return Ok(Err(format!("does not say where the master {name:?} is")));
    };
    let (host, sentinels) = (field("ip").to_owned(), number("num-other-sentinels") + 1);
    let what = "sentinels";
    let value = format!(
        "{sentinels}, quorum {}, replicas: {}, {}",
        field("quorum"),
        number("num-slaves"),
        field("flags")
    );
    let has_quorum = client.call(&["SENTINEL", "CKQUORUM", name])?;
    let finding = if let Some(error) = has_quorum.error() {
        Finding::new(what, value, format!("no failover is possible: {error}"))
            .better("start the Sentinels that are missing")
    } else if number("num-slaves") == 0 {
        Finding::new(what, value, "there is nobody to take over").better("add a replica")
    } else if sentinels < 3 {
        Finding::new(
            what,
            value,
            "when one of two fails, the other one cannot decide alone",
        )
        .better("run three Sentinels, on three machines")
    } else {
        Finding::new(what, value, "a replica takes over when the master fails")
    };
    Ok(Ok((finding, host, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_read_from_the_slots() {
        let text = |text: &str| Reply::Bulk(text.into());
        let part = |first, last, host: &str, port| {
            let node =
                |host: &str, port| Reply::Array(vec![text(host), Reply::Integer(port), text("id")]);
            Reply::Array(vec![
                Reply::Integer(first),
                Reply::Integer(last),
                node(host, port),
                node("10.0.0.9", 9),
            ])
        };
        let reply = Reply::Array(vec![
            part(0, 5, "10.0.0.1", 7),
            part(6, 8, "", 8),
            part(9, 9, "10.0.0.1", 7),
        ]);
        let masters = read_slots(&reply, "localhost");
        let places: Vec<_> = masters.iter().map(|it| (&*it.host, it.port)).collect();
        assert_eq!(places, [("10.0.0.1", 7), ("localhost", 8)]);
        assert!(masters[0].has(9) && !masters[0].has(6) && masters[1].has(6));
        assert!(read_slots(&Reply::Error("ERR".into()), "localhost").is_empty());
    }
}
