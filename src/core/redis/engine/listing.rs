//! Rooms that are in use at any node: all partitions are asked, and what they have is put in order.

use std::collections::BTreeMap;

use crate::codec::resp::Reply;
use crate::core::redis::engine::Engine;
use crate::core::redis::engine::question::Question;
use crate::core::redis::partition::Partition;
use crate::core::redis::rooms;
use crate::core::store::{PeopleAnswer, RoomsInUse, Ticket, WantedRooms};

/// What the partitions have said so far that were asked for rooms.
#[derive(Debug)]
pub(super) struct Gathering {
    /// So many have not answered.
    open: usize,
    found: RoomsInUse,
}

/// The same of how many are in rooms.
#[derive(Debug)]
pub(super) struct Counting {
    open: usize,
    counts: Vec<(Box<str>, usize)>,
}

impl Gathering {
    fn add(&mut self, part: RoomsInUse) {
        self.open -= 1;
        self.found.rooms.extend(part.rooms);
        // What comes after the last name of one partition is not known of all.
        let ends = [self.found.upto.take(), part.upto];
        self.found.upto = ends.into_iter().flatten().min();
    }

    fn into_found(self) -> RoomsInUse {
        let mut found = self.found;
        if let Some(upto) = &found.upto {
            found.rooms.retain(|name| name <= upto);
        }
        found.rooms.sort();
        found
    }
}

impl Engine {
    /// Puts rooms on the list of those that are in use.
    pub(super) fn list(&mut self, rooms: &[Box<str>]) {
        for room in rooms {
            if let Some(follower) = self.rooms.get_mut(room) {
                follower.is_listed = true;
            }
        }
        for (partition, rooms) in by_partition(rooms) {
            let command = rooms::list(partition, &rooms, self.is_sharded);
            let rooms = rooms.into_iter().map(Into::into).collect();
            self.question(partition.slot(), Question::List(rooms), command);
        }
    }

    /// Puts a room on the list before the first message that this node publishes there, so that all nodes know of the room
    /// before the message is there.
    pub(super) fn list_first(&mut self, room: &str) {
        if self.rooms.get(room).is_some_and(|it| !it.is_listed) {
            self.list(&[room.into()]);
        }
    }

    /// It is not known whether rooms are on the list.
    pub(super) fn on_list_failed(&mut self, rooms: &[Box<str>]) {
        for room in rooms {
            if let Some(follower) = self.rooms.get_mut(room) {
                follower.is_listed = false;
            }
        }
    }

    /// Asks all partitions for the next rooms that are in use.
    pub(super) fn gather_rooms(&mut self, ticket: Ticket, wanted: &WantedRooms) {
        let partitions = rooms::partitions(wanted);
        let gathering = Gathering {
            open: partitions.len(),
            found: RoomsInUse::default(),
        };
        self.gatherings.insert(ticket, gathering);
        for partition in partitions {
            let command = rooms::next_listed(partition, wanted);
            self.question(partition.slot(), Question::Rooms(ticket), command);
        }
    }

    /// A partition has answered.
    pub(super) fn on_rooms(&mut self, ticket: Ticket, reply: &Reply) {
        let Some(part) = rooms::found(reply) else {
            self.complain("list rooms", reply);
            return self.give_up_rooms(ticket);
        };
        let Some(gathering) = self.gatherings.get_mut(&ticket) else {
            return;
        };
        gathering.add(part);
        if gathering.open == 0
            && let Some(gathering) = self.gatherings.remove(&ticket)
        {
            let rooms = PeopleAnswer::Rooms(gathering.into_found());
            self.people_answer(ticket, rooms);
        }
    }

    /// Asks how many are in rooms.
    pub(super) fn count(&mut self, ticket: Ticket, rooms: &[Box<str>]) {
        let by_partition = by_partition(rooms);
        let counting = Counting {
            open: by_partition.len(),
            counts: Vec::new(),
        };
        self.countings.insert(ticket, counting);
        for (partition, rooms) in by_partition {
            let command = rooms::count(partition, &rooms);
            let rooms = rooms.into_iter().map(Into::into).collect();
            self.question(partition.slot(), Question::Count(ticket, rooms), command);
        }
    }

    /// A partition has answered.
    pub(super) fn on_counted(&mut self, ticket: Ticket, rooms: Vec<Box<str>>, reply: &Reply) {
        let counts = rooms::counted(reply);
        let Some(counts) = counts.filter(|counts| counts.len() == rooms.len()) else {
            self.complain("count who is in rooms", reply);
            return self.give_up_rooms(ticket);
        };
        let Some(counting) = self.countings.get_mut(&ticket) else {
            return;
        };
        counting.open -= 1;
        counting.counts.extend(rooms.into_iter().zip(counts));
        if counting.open == 0
            && let Some(Counting { counts, .. }) = self.countings.remove(&ticket)
        {
            self.people_answer(ticket, PeopleAnswer::Counts(counts));
        }
    }

    /// A partition does not answer. Without one there is no list.
    pub(super) fn give_up_rooms(&mut self, ticket: Ticket) {
        let is_open = self.gatherings.remove(&ticket).is_some();
        if self.countings.remove(&ticket).is_some() || is_open {
            self.people_answer(ticket, PeopleAnswer::Unavailable);
        }
    }
}

fn by_partition(rooms: &[Box<str>]) -> BTreeMap<Partition, Vec<&str>> {
    let mut by_partition: BTreeMap<Partition, Vec<&str>> = BTreeMap::new();
    for room in rooms {
        let rooms = by_partition.entry(Partition::of(room)).or_default();
        rooms.push(room);
    }
    by_partition
}
