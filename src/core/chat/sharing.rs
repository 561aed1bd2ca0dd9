//! What other nodes are told of who is in which room here, and what of theirs is known here.
//!
//! Of a room that has members, a node tells who they are: all at first, and then what has changed, no more often than every
//! `limits::TELL_MS`. It hears the same of others, as long as it has members there itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use crate::core::chat::Chat;
use crate::core::chat::elsewhere::state::NodeState;
use crate::core::chat::elsewhere::{Elsewhere, Heard, HoleError, Told};
use crate::core::chat::format::RoomId;
use crate::core::chat::person::{Name, PersonId, PublicId};
use crate::core::chat::room::Room;
use crate::core::chat::room_name::RoomName;
use crate::core::chat::sightings::Sightings;
use crate::core::chat::telling::{LastTold, Sharing};
use crate::core::ensure::ensure;
use crate::limits::{MAX_LISTED, TELL_MS};

/// What is shared of all rooms.
#[derive(Debug, Default)]
pub(super) struct Tellings {
    /// The sequence that was told last.
    sequence: u64,
    /// Rooms of which something is to be told, and when.
    due: BTreeSet<(u64, RoomId)>,
    /// What is to be told of rooms that have ended.
    ended: VecDeque<(RoomName, Told)>,
    /// Rooms that have begun, and of which others are to be told that they are in use.
    begun: BTreeSet<RoomName>,
    /// Rooms of which it is not known who is in them elsewhere.
    unknown: VecDeque<RoomName>,
    /// In which rooms each node has members.
    rooms_of: BTreeMap<Rc<str>, BTreeSet<RoomId>>,
    /// Nodes that have ended, and the rooms where they still count.
    gone: VecDeque<(Rc<str>, BTreeSet<RoomId>)>,
    /// Who is elsewhere in rooms that nobody is in here.
    sightings: Sightings,
}

/// What is known of a room, to be compared.
#[derive(Debug)]
pub(in crate::core) struct Known {
    pub(in crate::core) own: u64,
    pub(in crate::core) others: Vec<(Rc<str>, u64)>,
}

impl Tellings {
    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

impl Chat {
    /// From now on others have members of these rooms, too, and the same people. What is here is to be told.
    pub(in crate::core) fn share(&mut self, now_ms: u64) {
        self.tellings.get_or_insert_default();
        self.people.share();
        self.share_rooms(now_ms);
    }

    /// A room has its members again, and those at other nodes whom the server before this one has known.
    pub(super) fn resume_sharing(&mut self, index: usize, elsewhere: Vec<NodeState>) {
        if elsewhere.is_empty() {
            return;
        }
        let id = self.id_of(index);
        self.begin_sharing(id);
        for (node, told) in elsewhere.into_iter().map(NodeState::told) {
            let Some(mut sharing) = self.rooms[index].sharing.take() else {
                return;
            };
            let is_here = |person| self.is_in_room(id, person);
            // The whole is always taken. Members have been told of it.
            let _ = sharing.elsewhere.hear(&node, told, is_here);
            self.rooms[index].sharing = Some(sharing);
            if let Some(shared) = &mut self.tellings {
                shared.rooms_of.entry(node).or_default().insert(id);
            }
        }
    }

    /// The same rooms are shared by the server whose place this one has taken: others know of its members.
    pub(in crate::core) fn share_again(&mut self, now_ms: u64) {
        self.people.share();
        self.share_rooms(now_ms);
        for (_, room) in &mut self.rooms {
            if let Some(sharing) = &mut room.sharing {
                sharing.is_known = true;
            }
        }
    }

    fn share_rooms(&mut self, now_ms: u64) {
        let ids: Vec<RoomId> = self
            .rooms
            .iter()
            .map(|(index, _)| self.id_of(index))
            .collect();
        for id in ids {
            self.note_shared(id, now_ms);
        }
    }

    /// No others are known any more.
    pub(in crate::core) fn stop_sharing(&mut self) {
        self.tellings = None;
        for (_, room) in &mut self.rooms {
            room.sharing = None;
            room.roster_changes += 1;
        }
    }

    /// Who is in a room has changed: others are to be told, if there are any.
    pub(super) fn note_shared(&mut self, id: RoomId, now_ms: u64) {
        if !self.rooms[id.index].is_empty() {
            self.begin_sharing(id);
        }
        let sharing = self.rooms[id.index].sharing.as_mut();
        let (Some(shared), Some(sharing)) = (&mut self.tellings, sharing) else {
            return;
        };
        if !std::mem::replace(&mut sharing.is_due, true) {
            shared.due.insert((now_ms + TELL_MS, id));
        }
    }

    /// The first comes into a room here: what is known of other nodes is followed from now on.
    pub(super) fn begin_sharing(&mut self, id: RoomId) {
        let room = &mut self.rooms[id.index];
        let Some(shared) = self.tellings.as_mut().filter(|_| room.sharing.is_none()) else {
            return;
        };
        let elsewhere = shared.sightings.take(&room.name).unwrap_or_default();
        for (node, _) in elsewhere.nodes() {
            let rooms = shared.rooms_of.entry(Rc::clone(node)).or_default();
            rooms.insert(id);
        }
        // Something may have been told since it was looked up.
        shared.unknown.push_back(room.name.clone());
        room.roster_changes += 1;
        room.sharing = Some(Box::new(Sharing {
            elsewhere,
            ..Sharing::default()
        }));
    }

    /// Whether it is known who is in a room at other nodes, or there are none.
    pub(in crate::core) fn knows_elsewhere(&self, name: &RoomName) -> bool {
        self.tellings.is_none() || self.elsewhere(name).is_some()
    }

    /// Those in a room at other nodes, as far as that is known.
    pub(super) fn elsewhere(&self, name: &RoomName) -> Option<&Elsewhere> {
        let index = self.by_name.get(name);
        let sharing = index.and_then(|&index| self.rooms[index].sharing.as_ref());
        match sharing {
            Some(sharing) => Some(&sharing.elsewhere),
            None => self.tellings.as_ref()?.sightings.of(name),
        }
    }

    /// It was looked up who is in a room at other nodes, for those who are about to come in, or are told.
    pub(in crate::core) fn on_looked_up(
        &mut self,
        name: &RoomName,
        told: Vec<(Rc<str>, Told)>,
        now_ms: u64,
    ) {
        let Some(shared) = &mut self.tellings else {
            return;
        };
        shared.sightings.add(name, Elsewhere::default(), now_ms);
        for (node, told) in told {
            shared.sightings.hear(&node, name, told);
        }
    }

    /// When the next that was looked up is forgotten.
    pub(super) fn next_sighting_ms(&self) -> Option<u64> {
        self.tellings.as_ref()?.sightings.next_due_ms()
    }

    /// Forgets one whose time has come. Says whether there was one.
    pub(super) fn forget_sighting(&mut self, now_ms: u64) -> bool {
        let shared = self.tellings.as_mut();
        shared.is_some_and(|it| it.sightings.forget_due(now_ms))
    }

    /// Somebody has come into a room here. Says whether they are in it elsewhere already.
    pub(super) fn arrive(&mut self, id: RoomId, person: PersonId) -> bool {
        let sharing = self.rooms[id.index].sharing.as_mut();
        let person = self.people.public_id(person);
        sharing.is_some_and(|it| it.elsewhere.on_arrival(person))
    }

    /// Somebody has gone from a room here. Says whether they are in it elsewhere still.
    pub(super) fn depart(&mut self, id: RoomId, person: PersonId) -> bool {
        let sharing = self.rooms[id.index].sharing.as_mut();
        let person = self.people.public_id(person);
        sharing.is_some_and(|it| it.elsewhere.on_departure(person))
    }

    /// A room ends here.
    pub(super) fn end_sharing(&mut self, index: usize) {
        let id = self.id_of(index);
        let room = &mut self.rooms[index];
        let (Some(shared), Some(sharing)) = (&mut self.tellings, room.sharing.take()) else {
            return;
        };
        // Who comes next finds others.
        room.roster_changes += 1;
        for (node, _) in sharing.elsewhere.nodes() {
            leave_node(&mut shared.rooms_of, node, id);
        }
        if sharing.is_known {
            let over = Told::nobody(shared.next_sequence());
            shared.ended.push_back((room.name.clone(), over));
        }
    }

    /// The next that others are to be told, of a room of this name.
    pub(in crate::core) fn take_told(&mut self, now_ms: u64) -> Option<(RoomName, Told)> {
        if let Some(ended) = self.tellings.as_mut()?.ended.pop_front() {
            return Some(ended);
        }
        while let Some(&(due_ms, id)) = self.tellings.as_ref()?.due.first()
            && due_ms <= now_ms
        {
            self.tellings.as_mut()?.due.pop_first();
            if let Some(told) = self.tell(id) {
                return Some(told);
            }
        }
        None
    }

    /// A room of which it has to be asked who is in it elsewhere.
    pub(in crate::core) fn take_unknown(&mut self) -> Option<RoomName> {
        self.tellings.as_mut()?.unknown.pop_front()
    }

    fn tell(&mut self, id: RoomId) -> Option<(RoomName, Told)> {
        let is_empty = self.get(id)?.is_empty();
        if is_empty {
            self.end_sharing(id.index);
            // Nothing else is in it: that comes first.
            return self.tellings.as_mut()?.ended.pop_back();
        }
        let (unlisted, people) = self.to_tell(id.index);
        let (shared, room) = (self.tellings.as_mut()?, &mut self.rooms[id.index]);
        let sharing = room.sharing.as_mut()?;
        sharing.is_due = false;
        let before = sharing.told.as_ref();
        if before.is_some_and(|it| it.unlisted == unlisted && it.people == people) {
            return None;
        }
        let told = LastTold {
            sequence: shared.next_sequence(),
            unlisted,
            people,
        };
        let change = told.since(before);
        sharing.told = Some(told);
        sharing.is_known = true;
        Some((room.name.clone(), change))
    }

    /// How many are in a room besides those who are listed, and those: of more than a few their number alone.
    fn to_tell(&self, index: usize) -> (usize, BTreeMap<PublicId, Name>) {
        let room = &self.rooms[index];
        let (count, people) = (room.count_here(), room.people.len());
        let listed = match (people, count) {
            _ if count <= MAX_LISTED => count,
            _ if people <= MAX_LISTED => people,
            _ => 0,
        };
        let authors = room.listed(listed).map(|person| self.people.author(person));
        let people = authors.map(|it| (it.id, it.name)).collect();
        (count - listed, people)
    }

    /// Another node has told who is in a room there.
    pub(in crate::core) fn hear(&mut self, node: &str, name: &RoomName, told: Told, now_ms: u64) {
        let node: Rc<str> = node.into();
        let Some((id, mut sharing)) = self.take_sharing(name) else {
            if let Some(shared) = &mut self.tellings {
                shared.sightings.hear(&node, name, told);
            }
            return;
        };
        let is_here = |person| self.is_in_room(id, person);
        let heard = sharing.elsewhere.hear(&node, told, is_here);
        let is_there = sharing.elsewhere.nodes().any(|(known, _)| *known == node);
        self.rooms[id.index].sharing = Some(sharing);
        let Some(shared) = &mut self.tellings else {
            return;
        };
        match is_there {
            true => {
                shared.rooms_of.entry(node).or_default().insert(id);
            }
            false => leave_node(&mut shared.rooms_of, &node, id),
        }
        match heard {
            Ok(heard) => self.note_elsewhere(id, heard, now_ms),
            Err(HoleError) => shared.unknown.push_back(name.clone()),
        }
    }

    /// The whole of a room is to be told again.
    pub(in crate::core) fn tell_whole(&mut self, name: &RoomName, now_ms: u64) {
        let Some(id) = self.find(name) else {
            return;
        };
        let room = &mut self.rooms[id.index];
        // That nobody is left is told anyway.
        let is_empty = room.is_empty();
        if let Some(sharing) = room.sharing.as_mut().filter(|_| !is_empty) {
            sharing.told = None;
            self.note_shared(id, now_ms);
        }
    }

    /// Another node has ended: its members are taken out of the rooms by `forget_gone`.
    pub(in crate::core) fn on_node_gone(&mut self, node: &str) {
        if let Some(shared) = &mut self.tellings {
            shared.gone.extend(shared.rooms_of.remove_entry(node));
            shared.sightings.forget_all();
        }
    }

    /// Takes the members of a node that has ended out of one room. Says whether there was one.
    pub(in crate::core) fn forget_gone(&mut self, now_ms: u64) -> bool {
        let Some(shared) = &mut self.tellings else {
            return false;
        };
        let Some((node, rooms)) = shared.gone.front_mut() else {
            return false;
        };
        let node = Rc::clone(node);
        let Some(id) = rooms.pop_first() else {
            shared.gone.pop_front();
            return true;
        };
        let sharing = self.get_mut(id).and_then(|room| room.sharing.take());
        if let Some(mut sharing) = sharing {
            let heard = sharing
                .elsewhere
                .forget(&node, |person| self.is_in_room(id, person));
            self.rooms[id.index].sharing = Some(sharing);
            self.note_elsewhere(id, heard, now_ms);
        }
        true
    }

    /// A room has begun: others are to be told.
    pub(super) fn note_begun(&mut self, name: &RoomName) {
        if let Some(shared) = &mut self.tellings {
            shared.begun.insert(name.clone());
        }
    }

    /// A room has ended, or its name is that of none any more.
    pub(super) fn forget_begun(&mut self, name: &RoomName) {
        if let Some(shared) = &mut self.tellings {
            shared.begun.remove(name);
        }
    }

    /// Some rooms that have begun.
    pub(in crate::core) fn take_begun(&mut self, most: usize) -> Vec<RoomName> {
        let begun = self.tellings.iter_mut();
        let begun = begun.flat_map(|it| std::iter::from_fn(|| it.begun.pop_first()));
        begun.take(most).collect()
    }

    /// The next rooms after this one, and where to go on.
    pub(in crate::core) fn rooms_after(
        &self,
        after: Option<&str>,
        most: usize,
    ) -> (Vec<RoomName>, Option<RoomName>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = self.by_name.range::<str, _>((from, Bound::Unbounded));
        let rooms: Vec<RoomName> = rooms.take(most).map(|(name, _)| name.clone()).collect();
        let next = rooms.last().filter(|_| rooms.len() == most).cloned();
        (rooms, next)
    }

    /// What is known of one room.
    pub(in crate::core) fn known_of(&self, name: &RoomName) -> Option<Known> {
        let sharing = self.rooms[*self.by_name.get(name)?].sharing.as_ref()?;
        let others = sharing.elsewhere.nodes();
        Some(Known {
            own: sharing.told.as_ref().map_or(0, |told| told.sequence),
            others: others.map(|(node, it)| (Rc::clone(node), it)).collect(),
        })
    }

    /// Whether something is to be done for others at once.
    pub(in crate::core) fn has_shared_work(&self) -> bool {
        let shared = self.tellings.as_ref();
        shared.is_some_and(|it| {
            let is_told = it.ended.is_empty() && it.begun.is_empty();
            !(is_told && it.unknown.is_empty() && it.gone.is_empty())
        })
    }

    /// Whether something is to be told to others, now or later.
    pub(in crate::core) fn has_to_tell(&self) -> bool {
        let shared = self.tellings.as_ref();
        shared.is_some_and(|it| !(it.due.is_empty() && it.ended.is_empty()))
    }

    /// The sequence that others were told last.
    pub(super) fn told_sequence(&self) -> u64 {
        self.tellings.as_ref().map_or(0, |it| it.sequence)
    }

    /// Another server has told others so much, whose place this one takes.
    pub(super) fn tell_after(&mut self, sequence: u64) {
        if let Some(shared) = &mut self.tellings {
            shared.sequence = sequence;
        }
    }

    /// When others are to be told next.
    pub(super) fn next_telling_ms(&self) -> Option<u64> {
        let (due_ms, _) = self.tellings.as_ref()?.due.first()?;
        Some(*due_ms)
    }

    /// The room of this name, without what is shared of it, which is to be put back.
    fn take_sharing(&mut self, name: &RoomName) -> Option<(RoomId, Box<Sharing>)> {
        let id = self.find(name)?;
        let sharing = self.rooms[id.index].sharing.take()?;
        Some((id, sharing))
    }

    /// Whether somebody is in a room here.
    fn is_in_room(&self, id: RoomId, person: PublicId) -> bool {
        self.get(id).is_some_and(|room| self.has_in(room, person))
    }

    pub(super) fn has_in(&self, room: &Room, person: PublicId) -> bool {
        let local = PersonId::of_public(person);
        room.people.contains_key(&local) && self.people.public_id(local) == person
    }

    /// Takes note of what has changed elsewhere, of which members here are told.
    fn note_elsewhere(&mut self, id: RoomId, (changes, is_counted): Heard, now_ms: u64) {
        if !changes.is_empty() {
            self.rooms[id.index].roster_changes += 1;
        }
        for (change, who) in changes {
            self.note_of(id, change, who, now_ms);
        }
        if is_counted {
            self.note_count(id, now_ms);
        }
    }

    /// Checks that what is known of other nodes is counted right.
    pub(super) fn check_sharing(&self) -> Result<(), String> {
        for (index, room) in &self.rooms {
            let Some(sharing) = &room.sharing else {
                continue;
            };
            let id = self.id_of(index);
            sharing
                .elsewhere
                .check(|person| self.is_in_room(id, person))?;
            let shared = self.tellings.as_ref();
            let due = shared.is_some_and(|it| it.due.iter().any(|(_, due)| *due == id));
            ensure(
                due == sharing.is_due,
                "what is to be told of a room, and when, differ",
            )?;
            ensure(
                due || !room.is_empty(),
                "others are not told that a room is empty",
            )?;
        }
        let Some(shared) = &self.tellings else {
            return Ok(());
        };
        ensure(
            shared.begun.iter().all(|it| self.by_name.contains_key(it)),
            "others are to be told of a room that has ended",
        )?;
        shared.sightings.check()
    }
}

fn leave_node(rooms_of: &mut BTreeMap<Rc<str>, BTreeSet<RoomId>>, node: &Rc<str>, room: RoomId) {
    if let Some(rooms) = rooms_of.get_mut(node) {
        rooms.remove(&room);
        if rooms.is_empty() {
            rooms_of.remove(node);
        }
    }
}
