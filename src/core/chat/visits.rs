//! Coming and going: into rooms, and out of them.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::codec::ws::deflate::Readers;
use crate::core::chat::Chat;
use crate::core::chat::format::{Context, Format, Reading, RoomId};
use crate::core::chat::message::Message;
use crate::core::chat::owner::Owner;
use crate::core::chat::person::{Author, PersonId};
use crate::core::chat::presence::{Change, Changes};
use crate::core::chat::room::{Member, TooManyRoomsError};
use crate::core::chat::room_name::RoomName;
use crate::core::chat::seats::Seat;
use crate::core::id::ConnectionId;
use crate::limits::{DEFAULT_LAST, MAX_LISTED, MAX_PRESENCE_MS, PRESENCE_MS};

/// A place in a room's order, which someone may come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::core) struct Position {
    pub(in crate::core) epoch: u64,
    pub(in crate::core) offset: u64,
}

/// What someone finds who comes into a room.
#[derive(Debug)]
pub(in crate::core) struct Arrival<'a> {
    pub(in crate::core) room: &'a RoomName,
    /// Where the room is now: what is said after this comes by itself.
    pub(in crate::core) position: Position,
    /// `messages` is exactly what was missed.
    pub(in crate::core) recovered: bool,
    pub(in crate::core) messages: Vec<Message<'a>>,
    /// The state of keys, where it is not that of all: without those of which `messages` has a later message.
    pub(in crate::core) state: Option<Vec<Message<'a>>>,
    pub(in crate::core) count: usize,
}

impl Arrival<'_> {
    /// What an encoder has to know of the room, and of who comes.
    pub(in crate::core) fn context(&self, reading: Reading) -> Context<'_> {
        Context {
            room: self.room.as_str(),
            epoch: self.position.epoch,
            reading,
            readers: Readers::One,
        }
    }
}

/// Which messages someone who comes into a room wants to have.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) enum Selection {
    /// So many of the newest without a key, and no more of those with one, as many of each key.
    Last(usize),
    /// The same up to an offset: all after it still comes by itself.
    LastUpTo { upto: u64, count: usize },
    /// All after a position, or, where they are not all there any more, what `Last` gives, of those.
    Since { position: Position, or_last: usize },
    /// All after an offset, for somebody who was not there: the room has begun a moment ago.
    Begun { after: u64 },
    /// Of each key the latest after an offset: for those who are not told the state of keys.
    LatestByKey { after: u64 },
    /// The same for those who are.
    LatestBesideState { after: u64 },
}

impl Selection {
    /// What someone wants who says where they were, or how much they want, or neither.
    pub(in crate::core) fn from_reader(position: Option<Position>, last: Option<usize>) -> Self {
        match position {
            Some(position) => Self::Since {
                position,
                or_last: last.unwrap_or(DEFAULT_LAST),
            },
            None => Self::Last(last.unwrap_or(0)),
        }
    }

    /// The offset after which all is wanted; 0 if it is not that.
    pub(in crate::core) fn since(self) -> u64 {
        match self {
            Self::Since { position, .. } => position.offset,
            _ => 0,
        }
    }
}

/// Why someone cannot come into a room.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) enum JoinError {
    /// `--max-rooms`.
    TooManyRooms,
    /// `--max-joined`.
    TooManyJoined,
}

impl From<TooManyRoomsError> for JoinError {
    fn from(_: TooManyRoomsError) -> Self {
        Self::TooManyRooms
    }
}

impl Chat {
    /// Puts a connection of this person into a room, which begins if it does not exist. To be in it already is fine.
    pub(in crate::core) fn join(
        &mut self,
        id: ConnectionId,
        person: PersonId,
        reading: Reading,
        name: &RoomName,
        owner: &Owner,
        now_ms: u64,
    ) -> Result<RoomId, JoinError> {
        if let Some(room) = self.find(name)
            && self.is_in(id, room)
        {
            self.rooms[room.index].changes.on_listed();
            return Ok(room);
        }
        if self.rooms_of(id).count() >= self.limits.max_joined {
            return Err(JoinError::TooManyJoined);
        }
        let room_id = self.find_or_create(name, owner, now_ms)?;
        self.begin_sharing(room_id);
        let room = &mut self.rooms[room_id.index];
        // A connection for each such room is enough to count.
        room.is_counted |= reading.format.is_plain();
        let audience = room.audience_mut(reading.format);
        audience.narrow += u32::from(reading.is_narrow);
        let seat = Seat {
            room: room_id.index as u32,
            member_index: audience.members.len() as u32,
        };
        let after = audience.sequence;
        Rc::make_mut(&mut audience.members).push(Member { id, after });
        if self.seats.len() <= id.index() {
            self.seats.resize_with(id.index() + 1, Default::default);
        }
        self.seats[id.index()].add(reading, seat);
        self.seated += 1;
        self.note_stirred(room_id);
        self.settle(room_id.index, now_ms);
        if reading.format.is_json() {
            self.rooms[room_id.index].changes.on_listed();
        }
        let room = &mut self.rooms[room_id.index];
        if reading.format.has_people() && room.listeners() == 1 {
            // There is nobody to be told; who comes alone is told who is there.
            room.people.insert(person, 1);
            room.changes.forget();
            self.arrive(room_id, person);
            self.note_shared(room_id, now_ms);
        } else {
            self.appear(room_id, person, reading.format, now_ms);
        }
        Ok(room_id)
    }

    /// What someone finds who comes into a room, or comes back to it. Beforehand the room forgets what has expired:
    /// `forget_expired_of`.
    pub(in crate::core) fn arrival(&self, id: RoomId, selection: Selection) -> Option<Arrival<'_>> {
        let room = self.get(id)?;
        let history = &room.history;
        let (recovered, messages) = match selection {
            Selection::Last(count) => (false, history.newest(0..u64::MAX, count)),
            Selection::LastUpTo { upto, count } => (false, history.newest(0..upto + 1, count)),
            Selection::Begun { after } => {
                let all = history.all_after(after).map(Iterator::collect);
                let newest = || history.newest(after + 1..u64::MAX, DEFAULT_LAST);
                (false, all.unwrap_or_else(newest))
            }
            Selection::LatestByKey { after } => (false, history.latest_by_key(after)),
            Selection::LatestBesideState { after } => (false, history.latest_beside_state(after)),
            Selection::Since { position, or_last } => {
                let is_of_room = position.epoch == room.epoch && position.offset <= room.offset;
                // Before it there may be messages of other keys than those that are forgotten: they are known.
                let known = if is_of_room { position.offset } else { 0 };
                match history.all_after(known).filter(|_| is_of_room) {
                    Some(missed) => (true, missed.collect()),
                    None => (false, history.newest(known + 1..u64::MAX, or_last)),
                }
            }
        };
        let state = match selection {
            Selection::LatestBesideState { .. } => history.state_beside(&messages),
            _ => None,
        };
        let offset = match selection {
            Selection::LastUpTo { upto, .. } => upto,
            _ => room.offset,
        };
        Some(Arrival {
            room: &room.name,
            position: Position {
                epoch: room.epoch,
                offset,
            },
            recovered,
            messages,
            state,
            count: room.count(),
        })
    }

    /// A member is told who is in a room.
    pub(in crate::core) fn on_listed(&mut self, id: RoomId) {
        if let Some(room) = self.get_mut(id) {
            room.changes.on_listed();
        }
    }

    /// After which offset messages of a position's own room are missing that the room does not remember any more, or that others may
    /// have published without being heard here yet.
    pub(in crate::core) fn forgotten_after(&self, id: RoomId, selection: Selection) -> Option<u64> {
        let room = self.get(id)?;
        let Selection::Since { position, .. } = selection else {
            return None;
        };
        let is_of_room = position.epoch == room.epoch && position.offset <= room.offset;
        if !is_of_room && self.has_shared_log() {
            // Another node may be ahead: the log is asked, and has nothing to read but what comes by itself.
            return Some(room.offset + 1);
        }
        let is_missing = is_of_room && room.history.all_after(position.offset).is_none();
        is_missing.then_some(position.offset)
    }

    /// What someone finds who comes back to a room, and of whose missed messages the store has found these up to the offset
    /// `last`; `None` if what the room remembers does not follow on them.
    pub(in crate::core) fn arrival_after<'a>(
        &'a self,
        id: RoomId,
        last: Option<u64>,
        found: Vec<Message<'a>>,
    ) -> Option<Arrival<'a>> {
        let room = self.get(id)?;
        let fresh = room.history.all_after(last?)?;
        Some(Arrival {
            room: &room.name,
            position: Position {
                epoch: room.epoch,
                offset: room.offset,
            },
            recovered: true,
            messages: found.into_iter().chain(fresh).collect(),
            state: None,
            count: room.count(),
        })
    }

    /// Takes a connection out of a room. Says whether it was in it.
    pub(in crate::core) fn leave(
        &mut self,
        id: ConnectionId,
        person: PersonId,
        room_id: RoomId,
        now_ms: u64,
    ) -> bool {
        let Some(seats) = self.seats.get_mut(id.index()) else {
            return false;
        };
        let (Some(reading), Some(seat)) = (seats.reading(), seats.remove(room_id.index)) else {
            return false;
        };
        self.seated -= 1;
        let audience = self.rooms[room_id.index].audience_mut(reading.format);
        audience.narrow -= u32::from(reading.is_narrow);
        let members = Rc::make_mut(&mut audience.members);
        members.swap_remove(seat.member_index as usize);
        if let Some(moved) = members.get(seat.member_index as usize) {
            let seats = &mut self.seats[moved.id.index()];
            let moved = seats
                .of_room_mut(room_id.index)
                .expect("a member has a seat");
            moved.member_index = seat.member_index;
        }
        self.note_stirred(room_id);
        self.disappear(room_id, person, reading.format, now_ms);
        self.rooms[room_id.index].left_ms = Some(now_ms);
        self.settle(room_id.index, now_ms);
        true
    }

    /// Someone has one more connection in a room: if it is the first, the others are told.
    pub(super) fn appear(&mut self, room: RoomId, person: PersonId, format: Format, now_ms: u64) {
        if format.has_people() {
            let room = &mut self.rooms[room.index];
            let connections = room.people.entry(person).or_default();
            *connections += 1;
            if *connections > 1 {
                return;
            }
            if !format.is_json() {
                room.roster_changes += 1;
            }
        }
        if self.arrive(room, person) {
            return self.note_shared(room, now_ms);
        }
        self.note(room, Change::Joined, person, now_ms);
    }

    pub(super) fn disappear(
        &mut self,
        room: RoomId,
        person: PersonId,
        format: Format,
        now_ms: u64,
    ) {
        if format.has_people() {
            let room = &mut self.rooms[room.index];
            let connections = room.people.entry(person).or_default();
            *connections = connections.saturating_sub(1);
            if *connections > 0 {
                return;
            }
            // They may come back with another name.
            if room.people.range(..person).take(MAX_LISTED).count() < MAX_LISTED {
                room.roster_changes += 1;
            }
            room.people.remove(&person);
        }
        if self.depart(room, person) {
            return self.note_shared(room, now_ms);
        }
        self.note(room, Change::Left, person, now_ms);
    }

    /// Takes note of a change that a room's members are told of in a moment, if there is anyone to tell.
    pub(super) fn note(&mut self, id: RoomId, change: Change, person: PersonId, now_ms: u64) {
        self.note_shared(id, now_ms);
        self.note_of(id, change, self.people.author(person), now_ms);
    }

    /// The same of somebody who need not be here.
    pub(super) fn note_of(&mut self, id: RoomId, change: Change, who: Author, now_ms: u64) {
        self.note_news(id, now_ms, |changes| changes.note(change, who));
    }

    /// The same where nothing but the number of members is known.
    pub(super) fn note_count(&mut self, id: RoomId, now_ms: u64) {
        self.note_news(id, now_ms, Changes::note_count);
    }

    fn note_news(&mut self, id: RoomId, now_ms: u64, note: impl FnOnce(&mut Changes) -> bool) {
        let room = &mut self.rooms[id.index];
        if room.listeners() == 0 {
            room.changes.forget();
        } else if note(&mut room.changes) {
            let due_ms = now_ms + presence_ms(room.count());
            self.news_due.insert((due_ms, id));
        }
    }
}

/// How long it is gathered who came and who went: a millisecond for each who is told, so that in a crowd a second brings
/// no more than a thousand such events.
fn presence_ms(count: usize) -> u64 {
    (count as u64).clamp(PRESENCE_MS, MAX_PRESENCE_MS)
}
