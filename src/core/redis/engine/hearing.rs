//! What is said on the channels.

use crate::core::redis::command;
use crate::core::redis::engine::{Engine, Output};
use crate::core::redis::entry::{self, Place, Said};
use crate::core::redis::partition::Partition;
use crate::core::redis::people;
use crate::core::redis::pushed::{self, Version};
use crate::core::redis::room::{Turn, Untold};
use crate::core::store::News;
use crate::limits::PAUSE_MS;

impl Engine {
    /// From here on nothing is missed on a channel; it may have been before.
    pub(super) fn on_heard(&mut self, channel: &str, is_sharded: bool) {
        self.is_sharded = is_sharded;
        if channel == pushed::CHANNEL {
            return self.on_push_heard();
        }
        if let Some(partition) = Partition::of_beginnings(channel) {
            return self.on_beginnings_heard(partition);
        }
        if channel == people::ALL_NODES {
            return self.compare_bans();
        }
        let partition = Partition::of_channel(channel);
        let Some(members) = partition.and_then(|it| self.partitions.get_mut(&it)) else {
            return;
        };
        members.is_heard = true;
        for room in members.rooms.clone() {
            if let Some(follower) = self.rooms.get_mut(&room) {
                follower.on_silence();
                self.to_ask.insert(room);
            }
        }
    }

    /// Something may be missed on a channel from here on.
    pub(super) fn on_silence(&mut self, channel: &str) {
        if channel == pushed::CHANNEL {
            return self.on_push_silence();
        }
        if let Some(partition) = Partition::of_beginnings(channel) {
            return self.on_beginnings_silent(partition);
        }
        let partition = Partition::of_channel(channel);
        let Some(members) = partition.and_then(|it| self.partitions.get_mut(&it)) else {
            return;
        };
        members.is_heard = false;
        for room in members.rooms.clone() {
            if let Some(follower) = self.rooms.get_mut(&room) {
                follower.on_silence();
                for ticket in std::mem::take(&mut follower.syncs) {
                    self.refuse(ticket);
                }
            }
            self.refuse_load(&room);
            self.look_in(&room, PAUSE_MS);
        }
    }

    pub(super) fn on_said(&mut self, bytes: &[u8]) {
        match entry::parse(bytes) {
            Some(Said::Message { room, place, bytes }) => self.on_message(room, &place, bytes),
            Some(Said::Signal {
                room,
                at_ms,
                node,
                bytes,
            }) => {
                if *node != *self.process
                    && self.rooms.contains_key(room)
                    && let Some((record, _)) = entry::decode(bytes)
                {
                    let room = room.into();
                    let news = News::Signal {
                        room,
                        at_ms,
                        record,
                    };
                    self.outputs.push_back(Output::News(news));
                }
            }
            Some(Said::Here { node, bytes }) => {
                if let Some(here) = people::here(bytes) {
                    self.on_here(node, here);
                }
            }
            Some(Said::Word { bytes }) => {
                if let Some(word) = people::word(bytes) {
                    self.on_word(word);
                }
            }
            Some(Said::Forgotten { room, epoch }) if self.rooms.contains_key(room) => {
                let room = room.into();
                let news = News::Forgotten { room, epoch };
                self.outputs.push_back(Output::News(news));
            }
            Some(Said::Push {
                epoch,
                version,
                kind,
                name_bytes,
                bytes,
            }) => {
                let epoch = epoch.into();
                let version = Version {
                    epoch,
                    number: version,
                };
                self.on_push_said((version, kind), name_bytes, bytes);
            }
            Some(Said::Begun(beginning)) => self.on_beginning_said(beginning),
            Some(Said::Forgotten { .. }) | None => {}
        }
    }

    fn on_message(&mut self, room: &str, place: &Place, bytes: &[u8]) {
        let Some(follower) = self.rooms.get_mut(room) else {
            return;
        };
        match follower.on_message(place) {
            Turn::Next => self.tell(room, place, bytes),
            Turn::Skip => {
                self.to_ask.insert(room.into());
            }
        }
    }

    /// A message was read from the log of its room.
    pub(super) fn on_read(&mut self, room: &str, place: &Place, bytes: &[u8]) {
        let follower = self.rooms.get_mut(room);
        if follower.is_some_and(|it| it.on_read(place) == Turn::Next) {
            self.tell(room, place, bytes);
        }
    }

    /// The server is told the next message of a room.
    fn tell(&mut self, room: &str, place: &Place, bytes: &[u8]) {
        let own = self.own_ticket(&place.origin);
        let told = match own {
            Some(ticket) => {
                self.appends.take(ticket);
                Some(Untold::Own {
                    ticket,
                    offset: place.offset,
                    at_ms: place.at_ms,
                })
            }
            None => entry::decode(bytes).map(|(record, file)| {
                Untold::Foreign(Box::new((command::stored(place, record), file)))
            }),
        };
        let Some(follower) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(told) = told else {
            log::error!(
                "a message of the room {room} cannot be read: was it written by something else?"
            );
            return follower.pass_over(place.offset);
        };
        follower.tell(told, place.offset);
        if !std::mem::replace(&mut follower.is_queued, true) {
            self.untold.push_back(room.into());
        }
    }
}
