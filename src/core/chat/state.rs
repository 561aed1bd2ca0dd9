//! The chat as it is told to the server that takes over, and begun again from that.
//!
//! What is counted, and how, is each server's own: rooms and messages are told as they are, and counted anew. Limits that have
//! changed hold at once for each room, and for all of them in the ticks that follow.

mod room;

use serde::{Deserialize, Serialize};

use crate::core::chat::Chat;
use crate::core::chat::books::Entry;
use crate::core::chat::dedup::state::SentId;
use crate::core::chat::format::RoomId;
use crate::core::chat::ledger::entry::OwnerId;
use crate::core::chat::ledger::state::AccountState;
use crate::core::chat::message::Message;
use crate::core::chat::owner::Owner;
use crate::core::chat::people::state::PeopleState;
use crate::core::chat::reconfigure::Reconfiguring;
use crate::core::chat::room_for::Forgotten;
use crate::core::chat::room_name::RoomName;
use crate::core::chat::seats::Seat;
use crate::settings::{Limits, RoomLimits, Timeout};
use room::{MessageState, RoomState};

/// Rooms, people, and what is known of senders.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct ChatState<'a> {
    rooms: Vec<RoomState<'a>>,
    rooms_begun: u32,
    people: PeopleState,
    ids: Vec<SentId>,
    accounts: Vec<AccountState>,
    news_due: Vec<(u64, RoomId)>,
    forgotten: Forgotten,
    /// The sequence that other nodes were told last.
    #[serde(default)]
    told_sequence: u64,
    /// Rooms that are not here, by when values in them are to be looked at.
    #[serde(default)]
    wakes: Vec<(u64, RoomName)>,
}

impl Chat {
    /// All that is known. To be called when nothing waits for a store.
    pub(in crate::core) fn state(&self) -> ChatState<'_> {
        let mut rooms: Vec<RoomState<'_>> = Vec::new();
        rooms.extend(self.rooms.iter().map(|(index, _)| self.room_state(index)));
        // Those that were used least recently are the first that are forgotten.
        rooms.sort_by_key(RoomState::left_ms);
        ChatState {
            rooms,
            rooms_begun: self.rooms_begun,
            people: self.people.state(),
            ids: self.dedup.ids().collect(),
            accounts: self.ledger.accounts().collect(),
            news_due: self.news_due.iter().copied().collect(),
            forgotten: self.forgotten,
            told_sequence: self.told_sequence(),
            wakes: self.wakes.all().collect(),
        }
    }

    /// Begins with what another server has known. This one is new.
    pub(in crate::core) fn take_over(
        &mut self,
        state: ChatState<'_>,
        limits: &Limits,
        now_ms: u64,
    ) {
        // Nothing is forgotten for want of place before the limits of this server are taken.
        self.limits.max_rooms = limits.max_rooms.max(state.rooms.len());
        self.limits.history_memory = usize::MAX;
        self.reconfiguring = Reconfiguring::new(&self.limits);
        self.people.take_over(state.people);
        for account in state.accounts {
            self.ledger.take_over(&account, now_ms);
        }
        let indices = state.rooms.iter();
        self.rooms = indices
            .map(|room| (room.index, room.begin(self.wide_limits(room.name.as_str()))))
            .collect();
        for mut room in state.rooms {
            self.fill(&room, now_ms);
            self.resume_sharing(room.index, std::mem::take(&mut room.elsewhere));
        }
        for id in state.ids {
            self.dedup.take_over(id);
        }
        self.rooms_begun = state.rooms_begun;
        self.news_due = state.news_due.into_iter().collect();
        self.forgotten = state.forgotten;
        self.tell_after(state.told_sequence);
        for (due_ms, room) in state.wakes {
            self.wakes.add(room, due_ms);
        }
        self.reconfigure(limits.clone());
    }

    /// What a room may remember until it takes the limits of this server: all that it did.
    fn wide_limits(&self, name: &str) -> RoomLimits {
        RoomLimits {
            history: usize::MAX,
            history_bytes: usize::MAX,
            history_time: Timeout::NEVER,
            max_keys: usize::MAX,
            ..self.limits.of_room(name)
        }
    }

    /// A room gets its members and its messages back.
    fn fill(&mut self, state: &RoomState<'_>, now_ms: u64) {
        let index = state.index;
        self.by_name.insert(state.name.clone(), index);
        let owner = self.owner_id(state.owner.as_ref(), now_ms);
        self.ledger.add_room(owner);
        self.rooms[index].owner = owner;
        for value in &state.state {
            let entry = self.entry_of_state(value, now_ms);
            let Some(key) = value.key.as_deref() else {
                continue;
            };
            self.with_books(index, |history, books| {
                history.retained.set(key, &value.message(), entry, books);
                if let Some(heard) = value.heard {
                    history.retained.resume(key, heard, books);
                }
            });
        }
        let limits = self.rooms[index].limits;
        for message in &state.messages {
            let entry = self.entry_of_state(message, now_ms);
            self.with_books(index, |history, books| {
                history.keep(&message.message(), entry, books, &limits);
            });
        }
        self.rooms[index].history.whole_after = state.whole_after;
        self.seat_members(state);
        self.settle(index, now_ms);
        self.take_limits(index, now_ms);
    }

    fn seat_members(&mut self, state: &RoomState<'_>) {
        for audience in &state.audiences {
            for (member, member_index) in audience.members.iter().zip(0..) {
                let index = member.id.index();
                if self.seats.len() <= index {
                    self.seats.resize_with(index + 1, Default::default);
                }
                let room = state.index as u32;
                self.seats[index].add(audience.reading(member), Seat { room, member_index });
                self.seated += 1;
            }
        }
    }

    fn owner_id(&mut self, owner: Option<&Owner>, now_ms: u64) -> OwnerId {
        owner.map_or(OwnerId::OTHERS, |owner| self.ledger.open(owner, now_ms))
    }

    fn entry_of_state(&mut self, state: &MessageState<'_>, now_ms: u64) -> Entry {
        Entry {
            offset: state.offset,
            owner: self.owner_id(state.owner.as_ref(), now_ms),
            now_ms: state.kept_ms,
            freshness: state.freshness,
        }
    }
}

impl MessageState<'_> {
    fn message(&self) -> Message<'_> {
        Message {
            offset: Some(self.offset),
            at_ms: self.at_ms,
            author: &self.author,
            key: self.key.as_deref(),
            content: self.content,
            body: &self.body,
            expect: self.expect,
        }
    }
}
