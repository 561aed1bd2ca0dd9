//! Rooms are spread over a fixed number of partitions: a node hears those of its rooms alone, and a cluster spreads them over
//! its masters. What belongs to one room has one hash tag, so that a script may use all of it.

use crate::codec::resp::key_slot;
use crate::limits::PARTITIONS;

/// One of [`PARTITIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition(u16);

/// A hash slot of Redis Cluster. A Redis alone has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub(super) u16);

impl Slot {
    /// How many there are.
    pub const COUNT: u16 = 16_384;

    /// That of a key, or of its hash tag.
    pub(super) fn of(tag: &str) -> Self {
        Self(key_slot(tag.as_bytes()))
    }
}

impl Partition {
    /// That of a room.
    pub(super) fn of(room: &str) -> Self {
        Self(key_slot(room.as_bytes()) % PARTITIONS)
    }

    /// That of a number.
    pub(super) fn numbered(number: u16) -> Self {
        Self(number % PARTITIONS)
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// All there are.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// The channel on which its nodes are told.
    pub(super) fn channel(self) -> Box<str> {
        format!("parlor:{{p{}}}", self.0).into()
    }

    /// The partition of a channel.
    pub(super) fn of_channel(channel: &str) -> Option<Self> {
        let number = channel.strip_prefix("parlor:{p")?.strip_suffix('}')?;
        let number = number.parse().ok().filter(|number| *number < PARTITIONS);
        number.map(Self)
    }

    /// The channel on which it is said which of its rooms begin; and the log where that is kept.
    pub(super) fn beginnings(self) -> Box<str> {
        format!("{}:begun", self.channel()).into()
    }

    /// The partition of such a channel.
    pub(super) fn of_beginnings(channel: &str) -> Option<Self> {
        Self::of_channel(channel.strip_suffix(":begun")?)
    }

    /// All that is kept beside a list of rooms: the list, and the log of beginnings.
    pub(super) fn listing_keys(self) -> [Box<[u8]>; 3] {
        let [names, untils] = self.list_keys();
        [
            names,
            untils,
            self.beginnings().into_string().into_bytes().into(),
        ]
    }

    pub(super) fn slot(self) -> Slot {
        Slot::of(&format!("p{}", self.0))
    }

    /// A key of a room of this partition.
    pub(super) fn key(self, kind: &str, room: &str) -> Box<[u8]> {
        let text = format!("parlor:{{p{}}}:{kind}:{room}", self.0);
        text.into_bytes().into()
    }

    /// The keys of the list of its rooms that are in use: their names, and until when each is.
    pub(super) fn list_keys(self) -> [Box<[u8]>; 2] {
        ["listed", "until"].map(|kind| {
            let text = format!("parlor:{{p{}}}:{kind}", self.0);
            text.into_bytes().into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_tells_its_partition() {
        let partition = Partition::of("tea");
        assert_eq!(Partition::of_channel(&partition.channel()), Some(partition));
        for other in ["parlor:{p64}", "parlor:{p}", "parlor:{p-1}", "other"] {
            assert_eq!(Partition::of_channel(other), None, "{other}");
        }
        let beginnings = partition.beginnings();
        assert_eq!(Partition::of_beginnings(&beginnings), Some(partition));
        assert_eq!(Partition::of_channel(&beginnings), None);
        assert_eq!(Partition::of_beginnings(&partition.channel()), None);
        let channel = partition.channel();
        let tag = channel.trim_start_matches("parlor:{").trim_end_matches('}');
        assert_eq!(partition.slot(), Slot::of(tag));
    }
}
