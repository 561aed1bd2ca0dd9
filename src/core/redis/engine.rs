//! The rooms of a node in Redis: what its server asks for becomes commands, and what comes back becomes answers and news.
//!
//! A message is accepted when it comes back on the channel of its partition, so that all nodes see one order. What the reply
//! to a publish says is only of use where the channel is late.

mod appends;
mod asking;
mod bans;
mod beginnings;
mod files;
mod hearing;
mod known_bans;
mod listing;
mod people;
mod publishing;
mod push;
mod push_state;
mod question;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::codec::resp::Reply;
use crate::core::redis::command::Where;
use crate::core::redis::entry;
use crate::core::redis::links::{Command, LinkEvent};
use crate::core::redis::partition::{Partition, Slot};
use crate::core::redis::room::{Follower, Position, Untold};
use crate::core::store::{
    Answer, FilesNews, Followed, News, PeopleAnswer, PeopleNews, PeopleRequest, Published,
    PushNews, Request, Shared, Ticket,
};
use crate::limits::{COMPARE_MS, STORE_RETRY_MS};
use crate::settings::Limits;
use appends::Appends;
use beginnings::Beginnings;
use known_bans::KnownBans;
use listing::{Counting, Gathering};
use push_state::{Asked, Pushed};
use question::Question;

/// Milliseconds between two lines of the log about what Redis refuses.
const COMPLAIN_MS: u64 = 1_000;

/// What the engine wants of the links.
#[derive(Debug)]
pub(super) enum Order {
    Send {
        slot: Slot,
        command: Command,
        token: u64,
    },
    Subscribe {
        slot: Slot,
        channel: Box<str>,
    },
    Unsubscribe {
        channel: Box<str>,
    },
}

/// What the server is told.
#[derive(Debug)]
pub enum Output {
    /// The answer to a request.
    Answer(Answer),
    /// What nobody has asked for.
    News(News),
    /// The same of people.
    PeopleNews(PeopleNews),
    /// The same of push.
    PushNews(PushNews),
    /// The same of files.
    FilesNews(FilesNews),
}

/// Why something was sent to Redis.
#[derive(Debug)]
enum Purpose {
    Append(Ticket),
    Load(Box<str>),
    Compare(Box<str>),
    Fill(Box<str>),
    Page {
        ticket: Ticket,
        limit: usize,
    },
    People(Question),
    Push(Asked),
    Files(files::Asked),
    /// Nobody waits for the answer; what it is called in the log.
    Nothing(&'static str),
}

/// The rooms of a partition.
#[derive(Debug, Default)]
struct Members {
    rooms: BTreeSet<Box<str>>,
    /// Nothing that is said on its channel is missed.
    is_heard: bool,
}

#[derive(Debug)]
pub(super) struct Engine {
    /// Every process has another: by this it knows its own messages.
    process: Box<str>,
    /// The name of this node. The process that takes its place has it, too.
    node: Box<str>,
    rooms: BTreeMap<Box<str>, Follower>,
    partitions: BTreeMap<Partition, Members>,
    appends: Appends,
    sent: BTreeMap<u64, Purpose>,
    /// Rooms that the partitions are asked for.
    gatherings: BTreeMap<Ticket, Gathering>,
    /// Rooms of which the partitions are asked how many are there.
    countings: BTreeMap<Ticket, Counting>,
    pushed: Pushed,
    files_again: files::Again,
    /// Which rooms begin, at any node.
    beginnings: Beginnings,
    tokens: u64,
    /// Rooms of which something may have to be asked.
    to_ask: BTreeSet<Box<str>>,
    /// When each room is looked at again.
    due: BTreeSet<(u64, Box<str>)>,
    orders: VecDeque<Order>,
    outputs: VecDeque<Output>,
    /// What comes after the messages that the server is being told.
    last: VecDeque<Output>,
    /// Rooms that have something to tell, in turn.
    untold: VecDeque<Box<str>>,
    /// The same of those whose members are behind, until the next tick.
    held: Vec<Box<str>>,
    limits: Rc<Limits>,
    bans: KnownBans,
    /// Channels are those of shards.
    is_sharded: bool,
    /// Milliseconds for which a message waits for Redis to be there.
    wait_ms: u64,
    random: ChaCha8Rng,
    /// When it was logged last that Redis has refused something.
    complained_ms: Option<u64>,
    now_ms: u64,
}

impl Engine {
    /// One without rooms. `wait_ms`: how long a message waits for Redis to be there.
    pub(super) fn new(limits: Limits, wait_ms: u64, seed: [u8; 32]) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        Self {
            process: format!("{:016x}", random.next_u64()).into(),
            node: Box::default(),
            rooms: BTreeMap::new(),
            partitions: BTreeMap::new(),
            appends: Appends::default(),
            sent: BTreeMap::new(),
            gatherings: BTreeMap::new(),
            countings: BTreeMap::new(),
            pushed: Pushed::default(),
            files_again: files::Again::default(),
            beginnings: Beginnings::default(),
            tokens: 0,
            to_ask: BTreeSet::new(),
            due: BTreeSet::new(),
            orders: VecDeque::new(),
            outputs: VecDeque::new(),
            last: VecDeque::new(),
            untold: VecDeque::new(),
            held: Vec::new(),
            limits: Rc::new(limits),
            bans: KnownBans::default(),
            is_sharded: false,
            wait_ms,
            random,
            complained_ms: None,
            now_ms: 0,
        }
    }

    pub(super) fn reconfigure(&mut self, limits: &Limits) {
        self.limits = Rc::new(limits.clone());
    }

    /// The server has these rooms already.
    pub(super) fn adopt(&mut self, followed: Vec<Followed>) {
        for Followed {
            room,
            epoch,
            offset,
            is_paused,
        } in followed
        {
            let mut follower = Follower::at(Position { epoch, offset });
            follower.is_paused = is_paused;
            self.rooms.insert(room.clone(), follower);
            self.enter_partition(&room);
        }
    }

    /// The server asks for something. `is_up`: whether commands for a slot can be sent now.
    pub(super) fn on_request(
        &mut self,
        request: Request,
        is_up: impl Fn(Slot) -> bool,
        now_ms: u64,
    ) {
        self.now_ms = now_ms;
        match request {
            Request::Load(load) => {
                let is_up = is_up(Partition::of(&load.room).slot());
                self.load(load.ticket, load.room, is_up);
            }
            Request::Append(append) => {
                let is_up = is_up(Partition::of(&append.room).slot());
                self.append(append, is_up);
            }
            Request::Read(read) if read.after >= read.before => self.sync(read.ticket, &read.room),
            Request::Read(read) => {
                let between = (read.after, read.before);
                let purpose = Purpose::Page {
                    ticket: read.ticket,
                    limit: read.limit,
                };
                self.send_of(&read.room, purpose, |at| at.read(between, read.limit));
            }
            Request::Search(search) => self.refuse(search.ticket),
            Request::ReadPast(past) => self.refuse(past.ticket),
            Request::ForgetRoom { room, epoch } => {
                let purpose = Purpose::Nothing("forget a room");
                self.send_of(&room, purpose, |at| at.forget(epoch));
            }
            // Redis forgets by itself what is old. Its links of files and its people are asked for otherwise.
            Request::ForgetState { .. }
            | Request::ForgetFile { .. }
            | Request::Hook(_)
            | Request::KeepPerson(_)
            | Request::ForgetPerson { .. } => {}
            Request::People(PeopleRequest::HearBeginnings { ticket, .. })
                if !Partition::all().all(|it| is_up(it.slot())) =>
            {
                self.people_answer(ticket, PeopleAnswer::Unavailable);
            }
            Request::People(request) => self.on_people(request),
            Request::Push(request) => self.on_push(request),
            Request::Files(request) => self.on_files(request),
            Request::Ban(request) => self.on_ban_request(request),
            Request::Shared(Shared::Leave { room }) => self.leave(&room),
            Request::Shared(Shared::Signal {
                room,
                at_ms,
                record,
            }) => {
                let bytes = entry::signal(&room, at_ms, &self.process, &record);
                let purpose = Purpose::Nothing("tell of a message that is not kept");
                self.send_of(&room, purpose, |at| at.signal(bytes));
            }
            Request::Shared(Shared::KeepState { room, state }) => {
                let purpose = Purpose::Nothing("keep the state of a key");
                self.send_of(&room, purpose, |at| at.keep_state(&state));
            }
        }
    }

    /// What the links tell. `is_sharded`: whether the channel that it is about is a shard's.
    pub(super) fn on_event(&mut self, event: LinkEvent, is_sharded: bool, now_ms: u64) {
        self.now_ms = now_ms;
        match event {
            LinkEvent::Reply { token, reply } => self.on_reply(token, &reply),
            LinkEvent::Failed { token, .. } => self.on_failed(token),
            LinkEvent::Subscribed { channel } => self.on_heard(&channel, is_sharded),
            LinkEvent::Unsubscribed { channel } => self.on_silence(&channel),
            LinkEvent::Message { payload, .. } => self.on_said(&payload),
        }
    }

    /// Looks after what is due.
    pub(super) fn begin_tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.refuse_overdue();
        self.look_after_push();
        self.ask_about_files_again();
        self.compare_beginnings();
        while let Some((due_ms, room)) = self.due.pop_first() {
            if due_ms > now_ms {
                self.due.insert((due_ms, room));
                break;
            }
            self.look_at(room);
        }
        self.untold.extend(self.held.drain(..));
    }

    fn look_at(&mut self, room: Box<str>) {
        let is_heard = self.is_heard(&room);
        let Some(follower) = self.rooms.get_mut(&room) else {
            return;
        };
        follower.due_ms = None;
        follower.look();
        if is_heard {
            self.look_in(&room, COMPARE_MS);
            self.to_ask.insert(room);
        } else if follower.position().is_some() && !std::mem::replace(&mut follower.is_paused, true)
        {
            self.outputs.push_back(Output::News(News::Paused { room }));
        }
    }

    /// Asks what has to be asked.
    pub(super) fn ask_all(&mut self) {
        for room in std::mem::take(&mut self.to_ask) {
            self.ask(&room);
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let due = self.due.first().map(|(due_ms, _)| *due_ms);
        let others = [
            self.appends.next_due_ms(),
            self.beginnings.next_due_ms(),
            self.files_again.next_due_ms(),
            self.next_push_ms(),
        ];
        due.into_iter().chain(others.into_iter().flatten()).min()
    }

    pub(super) fn has_work(&self) -> bool {
        let has_output = !self.outputs.is_empty() || !self.untold.is_empty();
        has_output || !self.last.is_empty() || !self.orders.is_empty() || !self.to_ask.is_empty()
    }

    pub(super) fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// What the server is to be told next. `takes`: whether the members of a room are not too far behind.
    pub(super) fn next_output(&mut self, takes: impl Fn(&str) -> bool) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(room) = self.untold.pop_front() {
            if !takes(&room) {
                self.held.push(room);
                continue;
            }
            let Some(follower) = self.rooms.get_mut(&room) else {
                continue;
            };
            let told = follower.take_untold();
            if follower.has_untold() {
                self.untold.push_back(room.clone());
            } else {
                follower.is_queued = false;
                if follower.next_step().is_some() {
                    self.to_ask.insert(room.clone());
                }
            }
            self.on_told(&room);
            if let Some(told) = told {
                return Some(output_of(room, told));
            }
        }
        self.last.pop_front()
    }

    /// Says that a room is followed no more, unless it was loaded again meanwhile.
    fn leave(&mut self, room: &str) {
        let Some(follower) = self.rooms.get_mut(room) else {
            return;
        };
        follower.loads = follower.loads.saturating_sub(1);
        if follower.loads > 0 {
            return;
        }
        let parked = std::mem::take(&mut follower.parked);
        let syncs = std::mem::take(&mut follower.syncs);
        if let Some(due_ms) = follower.due_ms {
            self.due.remove(&(due_ms, room.into()));
        }
        let untold = follower.take_all_untold();
        let position = follower.position();
        self.rooms.remove(room);
        self.settle_untold(&untold, position);
        for (ticket, place) in self.appends.published(room) {
            self.answer_again(ticket, place.offset);
        }
        for ticket in parked {
            self.refuse_append(ticket);
        }
        for ticket in syncs {
            self.refuse(ticket);
        }
        let partition = Partition::of(room);
        if let Some(members) = self.partitions.get_mut(&partition) {
            members.rooms.remove(room);
            if members.rooms.is_empty() {
                self.partitions.remove(&partition);
                self.unsubscribe(partition.channel());
            }
        }
    }

    fn enter_partition(&mut self, room: &str) {
        let partition = Partition::of(room);
        let members = self.partitions.entry(partition).or_default();
        members.rooms.insert(room.into());
        let (is_first, is_heard) = (members.rooms.len() == 1, members.is_heard);
        if is_first {
            self.subscribe(partition.slot(), partition.channel());
        }
        if is_heard {
            self.to_ask.insert(room.into());
        }
    }

    fn subscribe(&mut self, slot: Slot, channel: Box<str>) {
        self.orders.push_back(Order::Subscribe { slot, channel });
    }

    fn unsubscribe(&mut self, channel: Box<str>) {
        self.orders.push_back(Order::Unsubscribe { channel });
    }

    fn is_heard(&self, room: &str) -> bool {
        let members = self.partitions.get(&Partition::of(room));
        members.is_some_and(|members| members.is_heard)
    }

    /// Sends a command about a room. Gives its token.
    fn send_of(
        &mut self,
        room: &str,
        purpose: Purpose,
        command: impl FnOnce(&Where<'_>) -> Command,
    ) -> u64 {
        let partition = Partition::of(room);
        let at = Where {
            partition,
            room,
            is_sharded: self.is_sharded,
        };
        let command = command(&at);
        self.send(partition.slot(), purpose, command)
    }

    /// Sends a command. Gives its token.
    fn send(&mut self, slot: Slot, purpose: Purpose, command: Command) -> u64 {
        self.tokens += 1;
        let token = self.tokens;
        self.sent.insert(token, purpose);
        self.orders.push_back(Order::Send {
            slot,
            command,
            token,
        });
        token
    }

    /// Looks at a room in a while, if that is sooner than it would be.
    fn look_in(&mut self, room: &str, wait_ms: u64) {
        let due_ms = self.now_ms + wait_ms;
        let Some(follower) = self.rooms.get_mut(room) else {
            return;
        };
        match follower.due_ms {
            Some(before) if before <= due_ms => {}
            before => {
                if let Some(before) = before {
                    self.due.remove(&(before, room.into()));
                }
                follower.due_ms = Some(due_ms);
                self.due.insert((due_ms, room.into()));
            }
        }
    }

    /// Redis has refused something that it should do.
    fn complain(&mut self, what: &str, reply: &Reply) {
        let is_due = |before: u64| self.now_ms >= before + COMPLAIN_MS;
        if self.complained_ms.is_none_or(is_due) {
            self.complained_ms = Some(self.now_ms);
            log::warn!("Redis does not {what}: {reply}");
        }
    }

    fn fresh_epoch(&mut self) -> u64 {
        // 0 is none.
        self.random.next_u64().max(1)
    }

    fn refuse(&mut self, ticket: Ticket) {
        let retry_ms = STORE_RETRY_MS;
        let answer = Answer::Refused { ticket, retry_ms };
        self.outputs.push_back(Output::Answer(answer));
    }
}

fn output_of(room: Box<str>, told: Untold) -> Output {
    match told {
        Untold::Own {
            ticket,
            offset,
            at_ms,
        } => Output::Answer(Answer::Accepted {
            ticket,
            offset,
            at_ms,
        }),
        Untold::Foreign(message) => {
            let (stored, file) = *message;
            let published = Published { room, stored, file };
            Output::News(News::Published(Box::new(published)))
        }
    }
}

#[cfg(test)]
mod tests;
