//! Who is in which room, and the order of what is said there. Knows no sockets and no bytes.

mod room_name;

use std::collections::BTreeMap;
use std::rc::Rc;

use slab::Slab;

use super::connection::ConnectionId;
use super::server::ensure;
pub use room_name::RoomName;

/// The rooms and their members.
#[derive(Debug)]
pub(super) struct Chat {
    rooms: Slab<Room>,
    by_name: BTreeMap<RoomName, usize>,
    /// By connection index: where that connection sits.
    seats: Vec<Option<Seat>>,
    rooms_begun: u32,
    max_rooms: usize,
}

/// A room that exists, and never again one of the same name that begins after it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomId {
    pub(super) index: usize,
    serial: u32,
}

/// Someone in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: ConnectionId,
    /// The room's offset when they came in: they get what is said after it.
    pub(super) since: u64,
}

#[derive(Debug)]
struct Room {
    name: RoomName,
    serial: u32,
    /// Messages published so far; the next one's offset is one more.
    offset: u64,
    /// Shared with the fan-outs that are going out; changed in place when there is none.
    members: Rc<Vec<Member>>,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    room: u32,
    /// Index among the room's members.
    place: u32,
}

impl Seat {
    fn new(room: usize, place: usize) -> Self {
        Self {
            room: room as u32,
            place: place as u32,
        }
    }

    fn room(self) -> usize {
        self.room as usize
    }

    fn place(self) -> usize {
        self.place as usize
    }
}

/// There are `--max-rooms` rooms already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyRooms;

impl Chat {
    pub(super) fn new(max_rooms: usize) -> Self {
        Self {
            rooms: Slab::new(),
            by_name: BTreeMap::new(),
            seats: Vec::new(),
            rooms_begun: 0,
            max_rooms,
        }
    }

    /// Puts a connection that is in no room into one, which begins if it does not exist.
    pub(super) fn join(
        &mut self,
        id: ConnectionId,
        name: &RoomName,
    ) -> Result<RoomId, TooManyRooms> {
        let index = match self.by_name.get(name) {
            Some(&index) => index,
            None => self.begin(name)?,
        };
        let room = &mut self.rooms[index];
        let seat = Seat::new(index, room.members.len());
        Rc::make_mut(&mut room.members).push(Member {
            id,
            since: room.offset,
        });
        let serial = room.serial;
        if self.seats.len() <= id.index as usize {
            self.seats.resize(id.index as usize + 1, None);
        }
        let earlier = self.seats[id.index as usize].replace(seat);
        debug_assert!(earlier.is_none(), "a connection joins one room");
        Ok(RoomId { index, serial })
    }

    /// Takes a connection out of its room, if it is in one. Returns the room when that was its last member.
    pub(super) fn leave(&mut self, id: ConnectionId) -> Option<RoomId> {
        let seat = self.seats.get_mut(id.index as usize)?.take()?;
        let room = &mut self.rooms[seat.room()];
        let members = Rc::make_mut(&mut room.members);
        members.swap_remove(seat.place());
        if let Some(moved) = members.get(seat.place()) {
            let moved = self.seats[moved.id.index as usize]
                .as_mut()
                .expect("a member has a seat");
            moved.place = seat.place;
        }
        if !members.is_empty() {
            return None;
        }
        let room = self.rooms.remove(seat.room());
        self.by_name.remove(&room.name);
        Some(RoomId {
            index: seat.room(),
            serial: room.serial,
        })
    }

    /// The room a connection is in.
    pub(super) fn room_of(&self, id: ConnectionId) -> Option<RoomId> {
        let seat = (*self.seats.get(id.index as usize)?)?;
        Some(RoomId {
            index: seat.room(),
            serial: self.rooms[seat.room()].serial,
        })
    }

    /// Gives the next message in a room its offset. The room exists: its publisher is in it.
    pub(super) fn publish(&mut self, room: RoomId) -> u64 {
        let room = &mut self.rooms[room.index];
        room.offset += 1;
        room.offset
    }

    /// The offset of the last message that a connection is to get of what was said so far; 0 for none.
    pub(super) fn last_offset_for(&self, id: ConnectionId) -> u64 {
        let Some(seat) = self.seats.get(id.index as usize).copied().flatten() else {
            return 0;
        };
        let room = &self.rooms[seat.room()];
        if room.members[seat.place()].since < room.offset {
            room.offset
        } else {
            0
        }
    }

    /// The members of a room as they are now; `None` when it has ended.
    pub(super) fn members(&self, id: RoomId) -> Option<Rc<Vec<Member>>> {
        let room = self
            .rooms
            .get(id.index)
            .filter(|room| room.serial == id.serial)?;
        Some(Rc::clone(&room.members))
    }

    pub(super) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Checks that rooms and seats agree.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut seated = 0;
        for (index, room) in &self.rooms {
            ensure(!room.members.is_empty(), "a room is empty")?;
            ensure(
                self.by_name.get(&room.name) == Some(&index),
                "a room is not found by its name",
            )?;
            for (place, member) in room.members.iter().enumerate() {
                let seat = self.seats.get(member.id.index as usize).copied().flatten();
                let is_there =
                    seat.is_some_and(|seat| (seat.room(), seat.place()) == (index, place));
                ensure(is_there, "a member's seat is elsewhere")?;
                seated += 1;
            }
        }
        ensure(
            self.by_name.len() == self.rooms.len(),
            "names are left of rooms that ended",
        )?;
        ensure(
            seated == self.seats.iter().flatten().count(),
            "a seat is taken by no member",
        )?;
        ensure(
            self.rooms.len() <= self.max_rooms,
            "there are too many rooms",
        )
    }

    fn begin(&mut self, name: &RoomName) -> Result<usize, TooManyRooms> {
        if self.rooms.len() >= self.max_rooms {
            return Err(TooManyRooms);
        }
        self.rooms_begun = self.rooms_begun.wrapping_add(1);
        let room = Room {
            name: name.clone(),
            serial: self.rooms_begun,
            offset: 0,
            members: Rc::default(),
        };
        let index = self.rooms.insert(room);
        self.by_name.insert(name.clone(), index);
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> ConnectionId {
        ConnectionId {
            index,
            generation: 0,
        }
    }

    fn name(text: &str) -> RoomName {
        RoomName::parse(text).unwrap()
    }

    fn members(chat: &Chat, room: RoomId) -> Vec<u32> {
        chat.members(room).map_or(Vec::new(), |members| {
            members.iter().map(|member| member.id.index).collect()
        })
    }

    #[test]
    fn a_room_lasts_as_long_as_someone_is_in_it() {
        let mut chat = Chat::new(10);
        let tea = chat.join(id(0), &name("tea")).unwrap();
        assert_eq!(chat.join(id(1), &name("tea")), Ok(tea));
        assert_eq!(chat.leave(id(0)), None);
        assert_eq!(
            (chat.room_of(id(0)), chat.room_of(id(1))),
            (None, Some(tea))
        );
        assert_eq!(chat.leave(id(1)), Some(tea));
        assert_eq!((chat.leave(id(1)), chat.room_count()), (None, 0));
        let again = chat.join(id(1), &name("tea")).unwrap();
        assert_ne!(again, tea);
        assert_eq!(
            (members(&chat, tea), members(&chat, again)),
            (vec![], vec![1])
        );
    }

    #[test]
    fn who_leaves_from_the_middle_is_gone_and_the_others_stay() {
        let mut chat = Chat::new(10);
        let room = chat.join(id(0), &name("tea")).unwrap();
        for joiner in 1..5 {
            assert_eq!(chat.join(id(joiner), &name("tea")), Ok(room));
        }
        let snapshot = chat.members(room).unwrap();
        for leaver in [1, 4, 0] {
            assert_eq!(chat.leave(id(leaver)), None);
        }
        let mut left = members(&chat, room);
        left.sort_unstable();
        assert_eq!((left, snapshot.len()), (vec![2, 3], 5));
    }

    #[test]
    fn rooms_are_bounded() {
        let mut chat = Chat::new(1);
        chat.join(id(0), &name("tea")).unwrap();
        assert_eq!(chat.join(id(1), &name("milk")), Err(TooManyRooms));
        assert!(chat.join(id(1), &name("tea")).is_ok());
    }

    #[test]
    fn members_know_from_where_they_listen() {
        let mut chat = Chat::new(1);
        let room = chat.join(id(0), &name("tea")).unwrap();
        assert_eq!((chat.publish(room), chat.publish(room)), (1, 2));
        chat.join(id(1), &name("tea")).unwrap();
        let since: Vec<u64> = chat
            .members(room)
            .unwrap()
            .iter()
            .map(|member| member.since)
            .collect();
        assert_eq!(since, [0, 2]);
    }
}
