//! One ban: who, where, until when and why.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::codec::json::ban::{AskedBan, BanRecord, BanTarget};
use crate::core::chat::{PersonName, RoomName};
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
use crate::limits::{MAX_BAN_REASON, MAX_BAN_SECONDS};

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum Whom {
    /// Whoever has tokens of this name, or of one that looks the same.
    Person(PersonName),
    /// Whoever comes from there.
    Network(IpNet),
}

/// Where a ban holds.
#[derive(Debug)]
enum Place {
    /// On the whole server.
    Everywhere,
    /// In the rooms of a pattern, which may be a name.
    Rooms(Box<str>, RoomPatterns),
}

/// One ban.
#[derive(Debug)]
pub(in crate::core) struct Ban {
    whom: Whom,
    place: Place,
    record: BanRecord,
}

impl Whom {
    fn parse(name: Option<&str>, address: Option<&str>) -> Result<Self, &'static str> {
        match (name, address) {
            (Some(name), None) => PersonName::of_token(name.trim())
                .map(Self::Person)
                .ok_or("nobody can have this name"),
            (None, Some(address)) => parse_network(address.trim())
                .map(Self::Network)
                .ok_or(BAD_ADDRESS),
            _ => Err("name says who, or address from where: a ban needs one of them"),
        }
    }

    /// What it is kept under, and no other: names that look the same have the same.
    fn id(&self) -> String {
        match self {
            Self::Person(name) => format!("name {}", name.keys().next().unwrap_or_default()),
            Self::Network(network) => format!("address {network}"),
        }
    }
}

/// As people write it.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => name.shown().fmt(f),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl Place {
    fn parse(room: Option<&str>) -> Result<Self, &'static str> {
        let Some(room) = room else {
            return Ok(Self::Everywhere);
        };
        let rooms = RoomPatterns::new(&[room.to_owned()]);
        match rooms.is_empty() {
            true => {
                Err("room: no room can have a name like this; * is any characters and ? is one")
            }
            false => Ok(Self::Rooms(room.into(), rooms)),
        }
    }

    /// The room, or the pattern of rooms.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Everywhere => None,
            Self::Rooms(text, _) => Some(text),
        }
    }

    fn holds_in(&self, room: Option<&RoomName>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Rooms(_, rooms) => room.is_some_and(|room| rooms.matches(room)),
        }
    }
}

impl Ban {
    /// The ban that is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::core) fn asked(
        asked: &AskedBan<'_>,
        by: &str,
        now: Now,
    ) -> Result<Self, &'static str> {
        let target = &asked.target;
        let until = match asked.seconds {
            Some(seconds) if !(1..=MAX_BAN_SECONDS).contains(&seconds) => return Err(BAD_SECONDS),
            seconds => seconds.map(|seconds| now.unix_ms + 1_000 * seconds),
        };
        let reason = asked.reason.as_deref().map(str::trim);
        let reason = reason.filter(|reason| !reason.is_empty());
        if reason.is_some_and(|it| it.len() > MAX_BAN_REASON || it.chars().any(char::is_control)) {
            return Err(BAD_REASON);
        }
        let whom = Whom::parse(target.name.as_deref(), target.address.as_deref())?;
        let (name, address) = match &whom {
            Whom::Person(_) => (Some(whom.to_string().into()), None),
            Whom::Network(_) => (None, Some(whom.to_string().into())),
        };
        Ok(Self {
            place: Place::parse(target.room.as_deref())?,
            whom,
            record: BanRecord {
                name,
                address,
                room: target.room.as_deref().map(Into::into),
                until,
                reason: reason.map(Into::into),
                by: by.into(),
                at: now.unix_ms,
            },
        })
    }

    /// A ban that was kept, or comes from another server; `None` if there can be none like that.
    pub(in crate::core) fn of_record(record: BanRecord) -> Option<Self> {
        Some(Self {
            whom: Whom::parse(record.name.as_deref(), record.address.as_deref()).ok()?,
            place: Place::parse(record.room.as_deref()).ok()?,
            record,
        })
    }

    /// As it is told and kept.
    pub(in crate::core) fn record(&self) -> &BanRecord {
        &self.record
    }

    /// The room that it is from, where that is one alone.
    pub(in crate::core) fn room(&self) -> Option<RoomName> {
        self.record.room.as_deref().and_then(RoomName::parse)
    }

    /// What it is found by.
    pub(in crate::core) fn id(&self) -> String {
        id_of(&self.whom, &self.place)
    }

    /// Whether it holds in a room; `None`: for all that is in no room.
    pub(in crate::core) fn holds_in(&self, room: Option<&RoomName>) -> bool {
        self.place.holds_in(room)
    }

    pub(in crate::core) fn whom(&self) -> &Whom {
        &self.whom
    }
}

/// What the ban of this one there is found by.
///
/// # Errors
/// There can be none, and why.
pub(in crate::core) fn id_of_target(target: &BanTarget<'_>) -> Result<String, &'static str> {
    let whom = Whom::parse(target.name.as_deref(), target.address.as_deref())?;
    Ok(id_of(&whom, &Place::parse(target.room.as_deref())?))
}

/// No room has a slash or a space in its name.
fn id_of(whom: &Whom, place: &Place) -> String {
    format!("{} {}", place.text().unwrap_or("/"), whom.id())
}

/// A network, or an address: of IPv6 that is a /64, of which one customer may use any (RFC 6177).
fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        let length = if ip.is_ipv6() { 64 } else { 32 };
        return IpNet::new(ip, length).ok().map(|it| it.trunc());
    }
    text.parse().ok().map(|network: IpNet| network.trunc())
}

const BAD_ADDRESS: &str =
    "address is one like 192.0.2.1, or a network like 192.0.2.0/24 or 2001:db8::/48";

const BAD_SECONDS: &str =
    "seconds is 1 to 3153600000, a hundred years; leave it out for a ban without an end";

pub(super) const BAD_REASON: &str = "the reason is one line of at most 300 bytes";
