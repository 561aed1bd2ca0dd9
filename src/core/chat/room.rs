//! One room: who is in it, its order, and what it remembers.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::core::chat::format::Format;
use crate::core::chat::history::History;
use crate::core::chat::ledger::entry::Dormant;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::person::PersonId;
use crate::core::chat::presence::Changes;
use crate::core::chat::room_name::RoomName;
use crate::core::chat::telling::Sharing;
use crate::core::id::ConnectionId;
use crate::settings::RoomLimits;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: RoomName,
    pub(super) serial: u32,
    /// Tells this room from an earlier one of its name, whose history is lost.
    pub(super) epoch: u64,
    /// Messages published so far; the next one's offset is one more.
    pub(super) offset: u64,
    pub(super) audiences: [Audience; Format::COUNT],
    /// Those who came by the JSON door, and with how many connections.
    pub(super) people: BTreeMap<PersonId, u32>,
    /// How often what newcomers were told of those who are listed became stale without a change of the list that the next
    /// newcomer sees: somebody has another name, a listed one has gone and may come back with one, or somebody came who is
    /// told no list.
    pub(super) roster_changes: u64,
    pub(super) history: History,
    pub(super) changes: Changes,
    /// Who is in it at other nodes, and what those are told; `None` where there are none, or nobody is here.
    pub(super) sharing: Option<Box<Sharing>>,
    /// How much it remembers, and what happens to its slow readers.
    pub(super) limits: RoomLimits,
    /// Messages that the store has not answered yet: until then the room does not end.
    pub(super) waiting: usize,
    /// It was emptied meanwhile: its name is free, and it ends with the last of them.
    pub(super) is_detached: bool,
    /// Its log cannot be reached.
    pub(super) is_paused: bool,
    /// When someone left it last.
    pub(super) left_ms: Option<u64>,
    /// When the room ends, which nobody is in.
    pub(super) ends_ms: Option<u64>,
    /// Its beginning has been counted against a rate, by the first who said something or was to.
    pub(super) is_counted: bool,
    /// Who has begun it, and where the ledger has it, which nobody is in.
    pub(super) owner: OwnerId,
    pub(super) dormant: Option<Dormant>,
}

/// The members who get the same bytes.
#[derive(Debug, Default)]
pub(super) struct Audience {
    /// What they have been told so far, in pieces: messages, and what has no offset.
    pub(super) sequence: u64,
    /// Shared with the fan-outs that are going out; changed in place when there is none.
    pub(super) members: Rc<Vec<Member>>,
    /// How many of them have a small window.
    pub(super) narrow: u32,
}

/// Someone in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct Member {
    pub(in crate::core) id: ConnectionId,
    /// The audience's sequence when they came in: they get what is said after it.
    pub(in crate::core) after: u64,
}

/// There are `--max-rooms` rooms already.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) struct TooManyRoomsError;

impl Room {
    pub(super) fn audience(&self, format: Format) -> &Audience {
        &self.audiences[format as usize]
    }

    pub(super) fn audience_mut(&mut self, format: Format) -> &mut Audience {
        &mut self.audiences[format as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.audiences
            .iter()
            .all(|audience| audience.members.is_empty())
    }

    /// Whether it may end: nobody is in it, and nothing is on its way into it.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.waiting == 0
    }

    /// Connections that are told who comes and who goes.
    pub(super) fn listeners(&self) -> usize {
        let told = Format::PEOPLE.map(|format| self.audience(format).members.len());
        told.iter().sum()
    }

    /// How many are in it, at all nodes; someone with several connections is one.
    pub(super) fn count(&self) -> usize {
        let elsewhere = self.sharing.as_ref();
        self.count_here() + elsewhere.map_or(0, |it| it.elsewhere.count())
    }

    /// The same at this node.
    pub(super) fn count_here(&self) -> usize {
        let others = Format::GUESTS.map(|format| self.audience(format).members.len());
        self.people.len() + others.iter().sum::<usize>()
    }

    /// Some of those who are here, and by their names first those who may have chosen one.
    pub(super) fn listed(&self, limit: usize) -> impl Iterator<Item = PersonId> {
        self.people.keys().copied().chain(self.guests()).take(limit)
    }

    /// Those who came by a door at which nobody has a name.
    pub(super) fn guests(&self) -> impl Iterator<Item = PersonId> {
        let members = Format::GUESTS.into_iter();
        let members = members.flat_map(|format| self.audience(format).members.iter());
        members.map(|member| PersonId(member.id.number()))
    }
}
