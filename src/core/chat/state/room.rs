//! One room as it is told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::codec::freshness::Freshness;
use crate::core::chat::Chat;
use crate::core::chat::elsewhere::state::NodeState;
use crate::core::chat::format::{Format, Reading};
use crate::core::chat::history::History;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::message::{Content, Kept};
use crate::core::chat::owner::Owner;
use crate::core::chat::person::{Author, PersonId};
use crate::core::chat::presence::Changes;
use crate::core::chat::room::{Member, Room};
use crate::core::chat::room_name::RoomName;
use crate::core::chat::vigil::{HeardState, Vigil};
use crate::core::handover::Bytes;
use crate::core::id::ConnectionId;
use crate::settings::RoomLimits;

/// A room with its members and all that it remembers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RoomState<'a> {
    pub(super) index: usize,
    serial: u32,
    pub(super) name: RoomName,
    epoch: u64,
    offset: u64,
    pub(super) audiences: Vec<AudienceState>,
    people: BTreeMap<PersonId, u32>,
    roster_changes: u64,
    changes: Cow<'a, Changes>,
    left_ms: Option<u64>,
    /// Who is in it at other nodes.
    #[serde(default)]
    pub(super) elsewhere: Vec<NodeState>,
    /// Its members were told that nothing can be published.
    #[serde(default)]
    is_paused: bool,
    is_counted: bool,
    /// `None`: all who have no account of their own.
    pub(super) owner: Option<Owner>,
    pub(super) whole_after: u64,
    /// In the order of their offsets.
    pub(super) messages: Vec<MessageState<'a>>,
    /// The state of keys, that which was set least recently first.
    pub(super) state: Vec<MessageState<'a>>,
}

/// The members who read one format.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AudienceState {
    format: Format,
    sequence: u64,
    pub(super) members: Vec<MemberState>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MemberState {
    pub(super) id: ConnectionId,
    after: u64,
    is_narrow: bool,
}

/// A message that a room remembers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageState<'a> {
    pub(super) offset: u64,
    pub(super) kept_ms: u64,
    /// `None`: all who have no account of their own.
    pub(super) owner: Option<Owner>,
    pub(super) at_ms: u64,
    pub(super) author: Author,
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) content: Content,
    pub(super) body: Bytes<'a>,
    /// Seconds within which another has to come with its key, if it says so. A server before this version does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expect: Option<u32>,
    /// How long it is good for, if it is the state of a key.
    #[serde(default, skip_serializing_if = "Freshness::is_none")]
    pub(super) freshness: Freshness,
    /// What has come with its key, if it is the state of one that is expected. A server before this version does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) heard: Option<HeardState>,
}

impl AudienceState {
    pub(super) fn reading(&self, member: &MemberState) -> Reading {
        Reading {
            format: self.format,
            is_narrow: member.is_narrow,
        }
    }
}

impl RoomState<'_> {
    /// When somebody left it last: those that somebody is in come after all others.
    pub(super) fn left_ms(&self) -> u64 {
        let is_empty = self.audiences.iter().all(|it| it.members.is_empty());
        self.left_ms.filter(|_| is_empty).unwrap_or(u64::MAX)
    }

    /// The room, with its members, and without what it remembers.
    pub(super) fn begin(&self, limits: RoomLimits) -> Room {
        let mut room = Room {
            name: self.name.clone(),
            serial: self.serial,
            epoch: self.epoch,
            offset: self.offset,
            audiences: Default::default(),
            people: self.people.clone(),
            roster_changes: self.roster_changes,
            history: History::default(),
            changes: self.changes.clone().into_owned(),
            sharing: None,
            waiting: 0,
            is_detached: false,
            is_paused: self.is_paused,
            limits,
            left_ms: self.left_ms,
            ends_ms: None,
            owner: OwnerId::OTHERS,
            is_counted: self.is_counted,
            dormant: None,
        };
        for state in &self.audiences {
            let audience = room.audience_mut(state.format);
            audience.sequence = state.sequence;
            let members = state.members.iter();
            audience.narrow = members.clone().map(|it| u32::from(it.is_narrow)).sum();
            let members = members.map(|&MemberState { id, after, .. }| Member { id, after });
            audience.members = Rc::new(members.collect());
        }
        room
    }
}

impl Chat {
    pub(super) fn room_state(&self, index: usize) -> RoomState<'_> {
        let room = &self.rooms[index];
        // A server that is older does not know that some read several rooms in one stream.
        let is_told = |it: &Format| *it != Format::Feed || !room.audience(*it).members.is_empty();
        let audiences = Format::ALL.into_iter().filter(is_told);
        let audiences = audiences.map(|format| self.audience_state(room, format));
        let told = |kept| self.message_state(kept, None);
        let state = room.history.retained.by_use();
        let sharing = room.sharing.as_ref().filter(|_| !room.is_empty());
        RoomState {
            index,
            serial: room.serial,
            name: room.name.clone(),
            epoch: room.epoch,
            offset: room.offset,
            audiences: audiences.collect(),
            people: room.people.clone(),
            roster_changes: room.roster_changes,
            changes: Cow::Borrowed(&room.changes),
            left_ms: room.left_ms,
            elsewhere: sharing.map_or_else(Vec::new, |it| it.elsewhere.state()),
            is_paused: room.is_paused,
            is_counted: room.is_counted,
            owner: self.ledger.owner(room.owner).cloned(),
            whole_after: room.history.whole_after,
            messages: room.history.all().map(told).collect(),
            state: state
                .map(|(kept, vigil)| self.message_state(kept, Some(vigil)))
                .collect(),
        }
    }

    fn audience_state(&self, room: &Room, format: Format) -> AudienceState {
        let audience = room.audience(format);
        let members = audience.members.iter().map(|&Member { id, after }| {
            let is_narrow = self.reading_of(id).is_some_and(|it| it.is_narrow);
            MemberState {
                id,
                after,
                is_narrow,
            }
        });
        AudienceState {
            format,
            sequence: audience.sequence,
            members: members.collect(),
        }
    }

    fn message_state<'a>(&self, kept: &'a Kept, vigil: Option<&Vigil>) -> MessageState<'a> {
        let message = kept.view();
        MessageState {
            offset: kept.offset,
            kept_ms: kept.kept_ms,
            owner: self.ledger.owner(kept.owner).cloned(),
            at_ms: message.at_ms,
            author: message.author.clone(),
            key: message.key.map(Cow::Borrowed),
            content: message.content,
            body: Bytes::of(message.body),
            expect: message.expect,
            freshness: vigil.map_or_else(Freshness::default, Vigil::freshness),
            heard: vigil.and_then(Vigil::heard_state),
        }
    }
}
