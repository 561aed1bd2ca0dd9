//! Who is in which room, the order of what is said there, and what is remembered of it. Knows no sockets and no bytes
//! on the wire.

mod acquaintance;
mod alarm;
mod alarms;
mod begun;
mod books;
mod check;
mod dedup;
mod elsewhere;
mod format;
mod history;
mod kept;
mod keyed;
mod ledger;
mod lifetime;
mod logins;
mod message;
mod overdue;
mod owner;
mod people;
mod person;
mod person_name;
mod presence;
mod publish;
mod reconfigure;
mod retained;
mod room;
mod room_for;
mod room_name;
mod seats;
mod secret;
mod series;
mod shared;
mod sharing;
mod sightings;
mod state;
mod stirred;
mod telling;
mod vigil;
mod visible;
mod visits;
mod wakes;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use slab::Slab;

use crate::codec::ws::deflate::Readers;
use crate::core::id::ConnectionId;
use crate::limits::STORE_RETRY_MS;
use crate::settings::Limits;
use crate::settings::Overflow;
pub(super) use acquaintance::{keys_of_mention, keys_of_name};
pub(super) use alarm::{OpenAlarm, completed_state, is_alarm_key, open_alarm};
use begun::Begun;
use dedup::Dedup;
pub(super) use dedup::Sender;
use elsewhere::Elsewhere;
pub(super) use elsewhere::Told;
pub(super) use format::{AudienceId, Context, Format, Reading, RoomId};
use kept::Kept;
pub(super) use kept::{Restored, RestoredId};
use ledger::Ledger;
use ledger::entry::OwnerId;
pub(super) use ledger::{Holdings, TooFastError};
pub(super) use logins::Login;
pub use message::Content;
pub(super) use message::Message;
pub(super) use overdue::{Overdue, Verdict};
pub(super) use owner::Owner;
use people::People;
pub(super) use people::shown::Shown;
pub(super) use people::{KeptPerson, NameTakenError, PersonChange};
use person::Guests;
pub(super) use person::{Author, Name, PersonId, PublicId};
pub(super) use person_name::PersonName;
pub(super) use presence::PresenceChanges;
pub(super) use publish::{Accepted, Draft, Imported, Keeping, Proposed, PublishError, Submission};
use reconfigure::Reconfiguring;
use room::Room;
pub(super) use room::{Member, TooManyRoomsError};
pub(super) use room_for::Forgotten;
pub use room_name::RoomName;
use seats::Seats;
pub(super) use series::{Chart, Series, Window, chosen, number_in};
pub use series::{PastSeries, Point};
use sharing::Tellings;
pub(super) use visits::{Arrival, JoinError, Position, Selection};
use wakes::Wakes;

/// The rooms, their members, and those who have names.
#[derive(Debug)]
pub(super) struct Chat {
    rooms: Slab<Room>,
    by_name: BTreeMap<RoomName, usize>,
    /// By connection index: where that connection sits.
    seats: Vec<Seats>,
    /// How many seats are taken.
    seated: usize,
    people: People,
    dedup: Dedup,
    /// Rooms that nobody is in, by when they end.
    dormant: BTreeSet<(u64, usize)>,
    /// Rooms whose members are to be told who came and went, and when.
    news_due: BTreeSet<(u64, RoomId)>,
    /// Who holds how much of what the rooms remember.
    ledger: Ledger,
    forgotten: Forgotten,
    /// When values are to be looked at.
    deadlines: vigil::Deadlines,
    /// Rooms that are not here, and in which values are to be looked at.
    wakes: Wakes,
    /// What a store has, if there is one.
    kept: Option<Kept>,
    /// What other nodes are told, if there are any.
    tellings: Option<Tellings>,
    /// Rooms that somebody has come into, or gone from; `None` if nobody wants to know.
    stirred: Option<BTreeSet<RoomName>>,
    /// Rooms that have begun; `None` if nobody wants to know.
    begun: Option<Begun>,
    /// Rooms that have ended, until their outboxes are cleared.
    ended: Vec<RoomId>,
    rooms_begun: u32,
    /// Of use for secrets, and repeatable from its seed.
    random: ChaCha8Rng,
    limits: Limits,
    reconfiguring: Reconfiguring,
}

impl Chat {
    /// A chat without rooms, whose first person will be `first`.
    pub(super) fn new(limits: Limits, seed: [u8; 32], first: PersonId) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        let guests = Guests::starting_at(first, random.next_u64());
        Self {
            rooms: Slab::new(),
            by_name: BTreeMap::new(),
            seats: Vec::new(),
            seated: 0,
            people: People::new(guests),
            dedup: Dedup::default(),
            dormant: BTreeSet::new(),
            news_due: BTreeSet::new(),
            ledger: Ledger::new(&limits),
            forgotten: Forgotten::default(),
            deadlines: vigil::Deadlines::default(),
            wakes: Wakes::default(),
            kept: None,
            tellings: None,
            stirred: None,
            begun: None,
            ended: Vec::new(),
            rooms_begun: 0,
            random,
            reconfiguring: Reconfiguring::new(&limits),
            limits,
        }
    }

    /// The room of this name, if it exists.
    pub(super) fn find(&self, name: &RoomName) -> Option<RoomId> {
        let index = *self.by_name.get(name)?;
        Some(self.id_of(index))
    }

    /// The room of this name, which begins if it does not exist.
    pub(super) fn find_or_create(
        &mut self,
        name: &RoomName,
        owner: &Owner,
        now_ms: u64,
    ) -> Result<RoomId, TooManyRoomsError> {
        match self.find(name) {
            Some(room) => Ok(room),
            None => self.begin(name, owner, now_ms),
        }
    }

    /// The same for somebody who wants to say something there, which counts as a beginning if it is the first.
    pub(super) fn find_or_create_for_publish(
        &mut self,
        name: &RoomName,
        owner: &Owner,
        now_ms: u64,
    ) -> Result<RoomId, PublishError> {
        if let Some(room) = self.find(name) {
            return Ok(room);
        }
        if self.is_kept_elsewhere(name) {
            // It has ended since whoever asks for it was let through.
            return Err(PublishError::Unavailable {
                retry_ms: STORE_RETRY_MS,
            });
        }
        // First, so that nothing is forgotten for one who may not.
        let id = self.ledger.open(owner, now_ms);
        self.ledger.may_begin(id, now_ms)?;
        let room = self.begin(name, owner, now_ms)?;
        self.rooms[room.index].is_counted = true;
        Ok(room)
    }

    /// The rooms that a connection is in.
    pub(super) fn rooms_of(&self, id: ConnectionId) -> impl Iterator<Item = RoomId> {
        let seats = self.seats.get(id.index()).map_or(&[][..], Seats::all);
        seats.iter().map(|seat| self.id_of(seat.room as usize))
    }

    /// The only room of one who came by a door that leads to one room.
    pub(super) fn room_of(&self, id: ConnectionId) -> Option<RoomId> {
        self.rooms_of(id).next()
    }

    pub(super) fn is_in(&self, id: ConnectionId, room: RoomId) -> bool {
        self.member(id, room).is_some()
    }

    /// From where on a connection listens to a room, in the sequence of its audience; `None` if it is not in it.
    pub(super) fn entry_sequence(&self, id: ConnectionId, room: RoomId) -> Option<u64> {
        self.member(id, room).map(|member| member.after)
    }

    /// The connection has been told all that was said so far. Says which piece of which audience was the last.
    pub(super) fn skip_to_now(
        &mut self,
        id: ConnectionId,
        room: RoomId,
    ) -> Option<(AudienceId, u64)> {
        let seats = self.seats.get(id.index())?;
        let (reading, seat) = (seats.reading()?, seats.of_room(room.index)?);
        let audience = self.rooms[room.index].audience_mut(reading.format);
        let since = audience.sequence;
        Rc::make_mut(&mut audience.members)[seat.member_index as usize].after = since;
        Some((room.audience(reading.format), since))
    }

    /// The last piece that a member of one room is to get of what was said so far; 0 for none.
    pub(super) fn last_sequence_for(&self, id: ConnectionId) -> u64 {
        let Some((room, reading)) = self.room_of(id).zip(self.reading_of(id)) else {
            return 0;
        };
        let sequence = self.rooms[room.index].audience(reading.format).sequence;
        match self.entry_sequence(id, room) {
            Some(since) if since < sequence => sequence,
            _ => 0,
        }
    }

    /// The members of an audience as they are now; `None` when its room has ended.
    pub(super) fn members(&self, audience: AudienceId) -> Option<Rc<Vec<Member>>> {
        let room = self.get(audience.room)?;
        Some(Rc::clone(&room.audience(audience.format).members))
    }

    /// Whether these are the members of an audience, and nobody has come, gone or been caught up since they were asked for.
    pub(super) fn has_members(&self, audience: AudienceId, members: &Rc<Vec<Member>>) -> bool {
        let room = self.get(audience.room);
        room.is_some_and(|room| Rc::ptr_eq(&room.audience(audience.format).members, members))
    }

    /// A connection as a member of a room, and its place among those of its audience.
    pub(super) fn membership(
        &self,
        id: ConnectionId,
        room: RoomId,
    ) -> Option<(AudienceId, Member, usize)> {
        let seats = self.seats.get(id.index())?;
        let audience = room.audience(seats.reading()?.format);
        let place = seats.of_room(room.index)?.member_index;
        Some((audience, self.member(id, room)?, place as usize))
    }

    /// The number of the next piece that an audience is told; `None` for one that nobody is in.
    pub(super) fn next_sequence(&mut self, audience: AudienceId) -> Option<u64> {
        let room = self.rooms.get_mut(audience.room.index)?;
        let audience = room.audience_mut(audience.format);
        if audience.members.is_empty() {
            return None;
        }
        audience.sequence += 1;
        Some(audience.sequence)
    }

    pub(super) fn room_name(&self, room: RoomId) -> Option<&RoomName> {
        self.get(room).map(|room| &room.name)
    }

    /// Some of those who are in the room of this name, and how many there are.
    pub(super) fn listed(&self, name: &RoomName, limit: usize) -> (Vec<Author>, usize) {
        if let Some(room) = self.find(name).and_then(|id| self.get(id)) {
            let elsewhere = self.elsewhere(name).map_or(0, Elsewhere::count);
            return (self.listed_in(room, limit), room.count_here() + elsewhere);
        }
        self.elsewhere(name).map_or((Vec::new(), 0), |elsewhere| {
            (elsewhere.people().take(limit).collect(), elsewhere.count())
        })
    }

    /// The same of a room that is known by its id, without their number.
    pub(super) fn listed_of(&self, id: RoomId, limit: usize) -> Vec<Author> {
        let room = self.get(id);
        room.map_or_else(Vec::new, |room| self.listed_in(room, limit))
    }

    /// Those who have chosen a name are first, here or elsewhere.
    fn listed_in(&self, room: &Room, limit: usize) -> Vec<Author> {
        let here = |person: PersonId| self.people.author(person);
        let Some(elsewhere) = self.elsewhere(&room.name) else {
            return room.listed(limit).map(here).collect();
        };
        let is_here = |who: &Author| self.has_in(room, who.id);
        let elsewhere = elsewhere.people().filter(|who| !is_here(who));
        let named = room.people.keys().copied().map(here).chain(elsewhere);
        let guests = room.guests().map(here);
        named.chain(guests).take(limit).collect()
    }

    /// The same of a room, by their numbers, and how often their names may have changed: as long as both are the same, so
    /// are their names.
    pub(super) fn roster(&self, id: RoomId, limit: usize) -> (Vec<PersonId>, u64) {
        let room = self.get(id);
        room.map_or((Vec::new(), 0), |room| {
            (room.listed(limit).collect(), room.roster_changes)
        })
    }

    /// The rooms whose names come from here on in their order, with how many are in each.
    pub(super) fn rooms_from<'a>(
        &'a self,
        from: Bound<&str>,
    ) -> impl Iterator<Item = (&'a RoomName, usize)> + use<'a> {
        let rooms = self.by_name.range::<str, _>((from, Bound::Unbounded));
        rooms.map(|(name, &index)| (name, self.rooms[index].count()))
    }

    /// What a connection reads, if it is in a room.
    pub(super) fn reading_of(&self, id: ConnectionId) -> Option<Reading> {
        self.seats.get(id.index())?.reading()
    }

    /// What an encoder has to know of an audience.
    pub(super) fn context(&self, audience: AudienceId) -> Option<Context<'_>> {
        let room = self.get(audience.room)?;
        let members = room.audience(audience.format);
        Some(Context {
            room: room.name.as_str(),
            epoch: room.epoch,
            reading: Reading {
                format: audience.format,
                // One who has a small window is enough.
                is_narrow: members.narrow > 0,
            },
            readers: Readers::Members(members.members.len()),
        })
    }

    /// Whether a slow reader of this room misses messages instead of being closed.
    pub(super) fn conflates(&self, room: RoomId) -> bool {
        self.get(room)
            .is_some_and(|room| room.limits.overflow == Overflow::Latest)
    }

    pub(super) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Places that are taken in all rooms.
    pub(super) fn seat_count(&self) -> usize {
        self.seated
    }

    /// Those who have come by the JSON door, and are here or may come back.
    pub(super) fn person_count(&self) -> usize {
        self.people.count()
    }

    /// Bytes of memory of all that is remembered.
    pub(super) fn history_bytes(&self) -> usize {
        self.ledger.message_bytes() + self.ledger.state_bytes()
    }

    fn id_of(&self, index: usize) -> RoomId {
        RoomId {
            index,
            serial: self.rooms[index].serial,
        }
    }

    fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms
            .get(id.index)
            .filter(|room| room.serial == id.serial)
    }

    fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms
            .get_mut(id.index)
            .filter(|room| room.serial == id.serial)
    }

    fn member(&self, id: ConnectionId, room: RoomId) -> Option<Member> {
        let seats = self.seats.get(id.index())?;
        let seat = seats.of_room(room.index)?;
        let members = &self.get(room)?.audience(seats.reading()?.format).members;
        // The place in the slab may have passed to a later connection.
        Some(members[seat.member_index as usize]).filter(|member| member.id == id)
    }

    fn begin(
        &mut self,
        name: &RoomName,
        owner: &Owner,
        now_ms: u64,
    ) -> Result<RoomId, TooManyRoomsError> {
        if self.is_kept_elsewhere(name) {
            return Err(TooManyRoomsError);
        }
        let owner = self.ledger.open(owner, now_ms);
        self.begin_for(name, owner, now_ms)
    }

    fn begin_for(
        &mut self,
        name: &RoomName,
        owner: OwnerId,
        now_ms: u64,
    ) -> Result<RoomId, TooManyRoomsError> {
        self.make_room_for_room(owner)?;
        self.ledger.add_room(owner);
        self.rooms_begun = self.rooms_begun.wrapping_add(1);
        let given = self.shared_rooms().and_then(|it| it.occupy(name));
        let index = self.rooms.insert(Room {
            name: name.clone(),
            serial: self.rooms_begun,
            epoch: given.unwrap_or_else(|| self.random.next_u64()),
            offset: 0,
            audiences: Default::default(),
            people: BTreeMap::new(),
            roster_changes: 0,
            history: history::History::default(),
            changes: presence::Changes::default(),
            sharing: None,
            waiting: 0,
            is_detached: false,
            is_paused: false,
            limits: self.limits.of_room(name.as_str()),
            left_ms: None,
            ends_ms: None,
            owner,
            is_counted: false,
            dormant: None,
        });
        self.by_name.insert(name.clone(), index);
        self.note_begun(name);
        self.note_beginning(name, 0);
        self.settle(index, now_ms);
        Ok(self.id_of(index))
    }

    /// The next room whose members are to be told who came and went, and what.
    pub(super) fn take_news(&mut self, now_ms: u64) -> Option<(RoomId, PresenceChanges)> {
        while let Some(&(due_ms, id)) = self.news_due.first()
            && due_ms <= now_ms
        {
            self.news_due.pop_first();
            if let Some(room) = self.get_mut(id) {
                let count = room.count();
                if let Some(news) = room.changes.take(count) {
                    return Some((id, news));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
