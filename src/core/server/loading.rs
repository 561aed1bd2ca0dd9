//! Rooms that only the store has: whoever comes for one waits until it is here, and goes on then.
//!
//! What a client has sent is looked at before it is done. If it is about such a room, it is put aside, the room is asked
//! for once, and all that was put aside for it is done again when the store has answered, as if it came then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::core::budget::cost;
use crate::core::chat::{
    Message, Owner, PersonId, Position, PublishError, Restored, RestoredId, RoomName, Sender,
};
use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::net::pending::{Reply, Upload};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::followers::ToEnter;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{Answer, Contents, Found, PeopleAnswer, SentMessage, Stored, Ticket};
use crate::core::stream::Stream;
use crate::limits::{
    DEDUP_MS, MAX_COPIES, MAX_LOADING, MAX_WAITING_DATAGRAMS, STORE_RETRY_MS, STORE_TIMEOUT_MS,
};

/// Whether something that is about a room can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// The room is here, or there is none.
    Ready,
    /// The store is asked for it: it is to be put aside.
    Loading,
    /// The store has it, and does not give it now.
    Unavailable,
}

/// What was put aside until a room is here.
#[derive(Debug)]
pub(super) enum Aside {
    /// A command of this connection, a JSON text or a line.
    Command { id: ConnectionId, text: Box<str> },
    /// A file that has come.
    File(Box<Upload>, Box<Reply>),
    /// Someone has come at the line port, and is to be led into the lobby.
    Newcomer(ConnectionId),
    /// Someone has come at the JSON door with a token, and is to be told who they are.
    Introduction {
        id: ConnectionId,
        room: Option<RoomName>,
    },
    /// A connection comes into a room that it has named, or that a pattern of its has found.
    Entry { id: ConnectionId, next: ToEnter },
    /// A datagram of someone who may send it.
    Datagram {
        person: PersonId,
        from: SocketAddr,
        bytes: Box<[u8]>,
    },
}

/// What is asked of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What is kept of a room.
    #[default]
    Room,
    /// Who is in it at other nodes.
    Members,
}

/// A room that is asked for.
#[derive(Debug, Default)]
struct Load {
    wanted: Wanted,
    /// Connections whose input waits in its place.
    unread: BTreeSet<ConnectionId>,
    aside: Vec<Aside>,
    datagrams: usize,
}

/// All rooms that are asked for.
#[derive(Debug, Default)]
pub(super) struct Loading {
    by_ticket: BTreeMap<Ticket, RoomName>,
    rooms: BTreeMap<RoomName, Load>,
    /// When each is given up, the earliest first.
    due: VecDeque<(u64, Ticket)>,
    /// Connections of which something was put aside.
    waiting: BTreeSet<ConnectionId>,
    /// What was put aside for rooms that are here now.
    ready: VecDeque<Aside>,
    /// Rooms that were asked for in vain, and when they may be asked for again.
    failed: BTreeMap<RoomName, u64>,
}

impl Loading {
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.ready.is_empty()
    }

    /// Whether something can be done that was put aside.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A connection is not read before a room is here.
    pub(super) fn hold(&mut self, room: &RoomName, id: ConnectionId) {
        if let Some(load) = self.rooms.get_mut(room) {
            load.unread.insert(id);
        }
    }

    /// Something that a connection asks for is done once a room is here.
    pub(super) fn put_aside(&mut self, room: &RoomName, id: ConnectionId, aside: Aside) {
        if let Some(load) = self.rooms.get_mut(room) {
            self.waiting.insert(id);
            load.aside.push(aside);
        }
    }

    /// Whether something of a connection was put aside.
    pub(super) fn has_aside(&self, id: ConnectionId) -> bool {
        self.waiting.contains(&id)
    }

    /// Something that a connection asks for is done once somebody else has answered: `resume`, or `end_wait`.
    pub(super) fn begin_wait(&mut self, id: ConnectionId) {
        self.waiting.insert(id);
    }

    /// It is done, or will not be.
    pub(super) fn end_wait(&mut self, id: ConnectionId) {
        self.waiting.remove(&id);
    }

    /// It can be done now.
    pub(super) fn resume(&mut self, aside: Aside) {
        self.ready.push_back(aside);
    }

    /// So is a datagram, if there is place for it.
    pub(super) fn put_datagram_aside(&mut self, room: &RoomName, datagram: Aside) -> bool {
        let Some(load) = self.rooms.get_mut(room) else {
            return false;
        };
        let has_place = load.datagrams < MAX_WAITING_DATAGRAMS;
        if has_place {
            load.datagrams += 1;
            load.aside.push(datagram);
        }
        has_place
    }

    /// So is the message of a file.
    pub(super) fn put_file_aside(&mut self, upload: Upload, reply: Reply) {
        if let Some(load) = self.rooms.get_mut(&upload.room) {
            load.aside
                .push(Aside::File(Box::new(upload), Box::new(reply)));
        }
    }

    /// So is the entry of a connection that goes on meanwhile.
    pub(super) fn put_entry_aside(&mut self, id: ConnectionId, next: ToEnter) {
        if let Some(load) = self.rooms.get_mut(&next.room) {
            load.aside.push(Aside::Entry { id, next });
        }
    }

    /// Whether the entry of a connection into a room was put aside.
    pub(super) fn has_entry_aside(&self, id: ConnectionId, room: &RoomName) -> bool {
        let is_it = |aside: &Aside| matches!(aside, Aside::Entry { id: it, next } if *it == id && next.room == *room);
        let load = self.rooms.get(room);
        let aside = load.into_iter().flat_map(|load| &load.aside);
        aside.chain(&self.ready).any(is_it)
    }

    /// Whether a room can be asked for now: it is ready for that.
    pub(super) fn readiness(&mut self, room: &RoomName, now_ms: u64) -> Readiness {
        if self.rooms.contains_key(room) {
            return Readiness::Loading;
        }
        match self.has_failed(room, now_ms) || self.rooms.len() >= MAX_LOADING {
            true => Readiness::Unavailable,
            false => Readiness::Ready,
        }
    }

    pub(super) fn begin(&mut self, room: &RoomName, wanted: Wanted, ticket: Ticket, now_ms: u64) {
        self.due.push_back((now_ms + STORE_TIMEOUT_MS, ticket));
        self.by_ticket.insert(ticket, room.clone());
        let load = Load {
            wanted,
            ..Load::default()
        };
        self.rooms.insert(room.clone(), load);
    }

    fn has_failed(&mut self, room: &RoomName, now_ms: u64) -> bool {
        let is_over = self.failed.get(room).is_some_and(|until| *until <= now_ms);
        if is_over {
            self.failed.remove(room);
        }
        self.failed.contains_key(room)
    }

    fn fail(&mut self, room: &RoomName, now_ms: u64) {
        if self.failed.len() >= MAX_LOADING {
            self.failed.retain(|_, until| *until > now_ms);
        }
        self.failed.insert(room.clone(), now_ms + STORE_RETRY_MS);
    }

    fn take(&mut self, ticket: Ticket) -> Option<(RoomName, Load)> {
        let room = self.by_ticket.remove(&ticket)?;
        let load = self.rooms.remove(&room).unwrap_or_default();
        Some((room, load))
    }

    /// One that was asked for too long ago.
    fn take_due(&mut self, now_ms: u64) -> Option<(RoomName, Load)> {
        while let Some(&(due_ms, ticket)) = self.due.front()
            && (due_ms <= now_ms || !self.by_ticket.contains_key(&ticket))
        {
            self.due.pop_front();
            if let Some(load) = self.take(ticket) {
                return Some(load);
            }
        }
        None
    }

    /// When the next one was asked for too long ago.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// Checks that every room that is waited for is asked for, and given up in time.
    pub(super) fn check(&self) -> Result<(), String> {
        let asked: BTreeSet<&RoomName> = self.by_ticket.values().collect();
        ensure(
            asked.into_iter().eq(self.rooms.keys()),
            "a room is waited for that nobody has asked for",
        )?;
        let is_due = |ticket: &Ticket| self.due.iter().any(|(_, due)| due == ticket);
        ensure(
            self.by_ticket.keys().all(is_due),
            "a room is waited for without an end",
        )
    }
}

impl<S: Stream> Server<S> {
    /// Whether what is about a room can be done now. If only the store has the room, it is asked for.
    pub(super) fn readiness(&mut self, room: &RoomName, now: Now) -> Readiness {
        if !self.chat.is_kept_elsewhere(room) {
            return Readiness::Ready;
        }
        let readiness = self.loading.readiness(room, now.ms);
        if readiness != Readiness::Ready {
            return readiness;
        }
        let Some(outbox) = &mut self.outbox else {
            return Readiness::Ready;
        };
        let limits = self.limits.of_room(room.as_str());
        let sent_after_ms = now.unix_ms.saturating_sub(DEDUP_MS);
        let ticket = outbox.load(room, &limits, sent_after_ms);
        self.loading.begin(room, Wanted::Room, ticket, now.ms);
        Readiness::Loading
    }

    /// The first of these rooms that is asked for. What is wanted of all of them is asked for at once.
    pub(super) fn first_loading<'a>(
        &mut self,
        rooms: impl Iterator<Item = (&'a RoomName, Wanted)>,
        now: Now,
    ) -> Option<RoomName> {
        let mut first = None;
        for (room, wanted) in rooms {
            let is_loading = self.readiness_for(room, wanted, now) == Readiness::Loading;
            if is_loading && first.is_none() {
                first = Some(room.clone());
            }
        }
        first
    }

    /// Whether a command waits until its rooms are here, and what else is wanted of them. Then no later one of the connection
    /// is read before.
    pub(super) fn is_put_aside<'a>(
        &mut self,
        rooms: impl IntoIterator<Item = (&'a str, Wanted)>,
        text: &str,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        if self.outbox.is_none() || self.access.rights(id).is_unauthenticated() {
            return false;
        }
        let rooms = rooms.into_iter().take(MAX_COPIES);
        let rooms = rooms.filter_map(|(room, wanted)| Some((RoomName::parse(room)?, wanted)));
        let rooms: Vec<(RoomName, Wanted)> = rooms.collect();
        let loading = self.first_loading(rooms.iter().map(|(room, wanted)| (room, *wanted)), now);
        if let Some(room) = &loading {
            let text = text.into();
            self.loading
                .put_aside(room, id, Aside::Command { id, text });
            self.begin_wait(id);
        }
        loading.is_some()
    }

    /// Refuses a command about a room that the store has and does not give.
    pub(super) fn check_here(&mut self, room: &RoomName, now: Now) -> Result<(), PublishError> {
        match self.readiness(room, now) {
            Readiness::Ready => Ok(()),
            Readiness::Loading | Readiness::Unavailable => Err(UNAVAILABLE),
        }
    }

    /// The answer to a request for a room, if it is one.
    pub(super) fn on_load_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Some((room, load)) = self.loading.take(answer.ticket()) else {
            return Err(answer);
        };
        match (load.wanted, answer) {
            (
                Wanted::Room,
                Answer::Loaded {
                    contents: Some(contents),
                    ..
                },
            ) => self.on_loaded(&room, &contents, now),
            (Wanted::Room, Answer::Loaded { contents: None, .. }) => {
                self.chat.on_nothing_kept(&room);
            }
            (
                Wanted::Members,
                Answer::People {
                    answer: PeopleAnswer::Present(nodes),
                    ..
                },
            ) => self.on_looked_up(&room, nodes, now),
            (wanted, _) => self.fail_load(&room, wanted, now),
        }
        self.resume_aside(load);
        Ok(())
    }

    fn on_loaded(&mut self, room: &RoomName, contents: &Contents, now: Now) {
        if contents.is_empty() && self.chat.has_shared_log() {
            self.chat.on_vacant(room, contents.epoch, now.ms);
        } else if !self.restore_room(room, contents, now) {
            log::warn!(
                "there is no place for the room {room}: --max-rooms, --max-keys, --history-bytes or --history-memory is too small for what is kept of it"
            );
            self.loading.fail(room, now.ms);
        }
    }

    /// Gives up rooms that the store does not give.
    pub(super) fn give_up_loads(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((room, load)) = self.loading.take_due(now.ms)
        {
            self.give_up_load(&room, load, now);
        }
    }

    /// The store gives no room any more.
    pub(super) fn refuse_loads(&mut self, now: Now) {
        while let Some((room, load)) = self.loading.take_due(u64::MAX) {
            self.give_up_load(&room, load, now);
        }
    }

    fn give_up_load(&mut self, room: &RoomName, load: Load, now: Now) {
        self.fail_load(room, load.wanted, now);
        self.resume_aside(load);
    }

    fn fail_load(&mut self, room: &RoomName, wanted: Wanted, now: Now) {
        if wanted == Wanted::Room {
            self.chat.note_left(room);
        }
        self.loading.fail(room, now.ms);
    }

    /// There is no store any more: what waits for a room begins it anew.
    pub(super) fn end_loads(&mut self) {
        while let Some((_, load)) = self.loading.take_due(u64::MAX) {
            self.resume_aside(load);
        }
    }

    /// What was put aside is done, or refused, in turn.
    fn resume_aside(&mut self, load: Load) {
        for id in load.unread {
            self.schedule_read(id);
        }
        self.loading.ready.extend(load.aside);
    }

    /// Does what was put aside for rooms that are here now, as long as its share of the tick lasts.
    pub(super) fn continue_aside(&mut self, now: Now) {
        // Asked first whether there is anything to do: the share is not to be used up by nothing.
        while self.loading.has_ready()
            && self.budget.is_left()
            && let Some(aside) = self.loading.ready.pop_front()
        {
            self.budget.spend(cost::MESSAGE);
            match aside {
                Aside::Command { id, text } => {
                    self.end_aside(id);
                    self.execute_again(&text, id, now);
                    self.end_question(id);
                    self.go_on_leaving(id, now);
                }
                Aside::File(upload, reply) => self.publish_file(*upload, *reply, now),
                Aside::Newcomer(id) => {
                    self.end_aside(id);
                    self.lead_into_lobby(id, now);
                    self.go_on_leaving(id, now);
                }
                Aside::Introduction { id, room } => {
                    self.end_aside(id);
                    self.introduce(id, room, now);
                    self.end_question(id);
                    self.go_on_leaving(id, now);
                }
                Aside::Entry { id, next } => self.followers.put_back(id, next),
                Aside::Datagram {
                    person,
                    from,
                    bytes,
                } => self.resume_datagram(person, from, &bytes, now),
            }
        }
    }

    fn end_aside(&mut self, id: ConnectionId) {
        self.loading.waiting.remove(&id);
        self.end_wait(id);
    }

    /// Says whether there was place for it.
    fn restore_room(&mut self, room: &RoomName, contents: &Contents, now: Now) -> bool {
        let Contents {
            epoch,
            offset,
            messages,
            state,
            sent,
            read_ms,
        } = contents;
        let now = now.by_clock_of(*read_ms);
        let count = messages.len() + state.len() + sent.len();
        self.budget.spend(cost::LOOKUP * count as u64);
        let position = Position {
            epoch: *epoch,
            offset: *offset,
        };
        let [messages, state] = [messages, state].map(|stored| found(stored));
        let restored = self.chat.restore(
            room,
            position,
            messages.iter().map(restored),
            state.iter().map(restored),
            sent.iter().filter_map(restored_id),
            now,
        );
        self.forget_ended();
        restored.is_ok()
    }
}

pub(super) fn found(stored: &[Stored]) -> Vec<(Found, Option<Owner>)> {
    let found = stored.iter().map(|stored| {
        let owner = Owner::from_text(&stored.record.owner);
        (Found::new(stored.clone()), owner)
    });
    found.collect()
}

pub(super) fn restored((found, owner): &(Found, Option<Owner>)) -> Restored<'_> {
    let message: Message<'_> = found.message();
    Restored {
        message,
        owner: owner.clone(),
        freshness: found.freshness(),
    }
}

fn restored_id(sent: &SentMessage) -> Option<RestoredId<'_>> {
    Some(RestoredId {
        sender: Sender::from_text(&sent.sent.sender)?,
        id: &sent.sent.id,
        owner: Owner::from_text(&sent.owner)?,
        offset: sent.offset,
        at_ms: sent.at_ms,
    })
}
