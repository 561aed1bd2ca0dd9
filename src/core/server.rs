//! The server: a slab of connections, their rooms, and the lists of what a tick has to do.
//!
//! A tick is: `begin_tick` of the budget, `on_ready` for every event, which only takes note, `run_reads`, `end_of_tick`.
//! Nothing but a flush sends what the server has to say, and nothing but the last step of `end_of_tick` frees a connection.
//! TLS answers its own protocol as it is read, and says its end when the connection's is said.

mod answers;
mod arguments;
mod arrivals;
mod arriving;
mod asking;
mod bans;
mod catalogue;
mod clients;
mod close;
mod copies;
mod current;
mod deadlines;
mod deliver;
mod direct;
mod direct_elsewhere;
mod doors;
mod downloads;
mod drain;

mod direct_delivery;
mod error;
mod escalation;
mod feeds;
mod file_questions;
mod file_view;
mod files;
mod finding;
mod follow;
mod followers;
mod handover;
mod hooks;
mod invariants;
mod join_options;
mod keeping;
mod known_names;
mod listing;
mod lists;
mod loading;
mod looking;
mod memory;
mod metrics;
mod nodes;
mod orphans;
mod page;
mod pasts;
mod presence;
mod publish;
mod publisher;
mod push;
mod questions;
mod read;
mod readers;
mod reading;
mod reconfigure;
mod rights;
mod rooms_elsewhere;
mod send;
mod sent_direct;
mod shared;
mod shared_files;
mod step;
mod storing;
mod turns;
mod unfinished;
mod uploads;
mod usage;
mod vigil;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use slab::Slab;

use crate::codec::json::event::Event;
use crate::codec::sse;
use crate::codec::ws::deflate::Inflater;
use crate::codec::ws::frame;
use crate::core::access::Access;
use crate::core::budget::Budget;
use crate::core::budget::Stage;
use crate::core::budget::cost;
use crate::core::chat::Chat;
use crate::core::chat::Format;
use crate::core::chat::PersonId;
use crate::core::delivery::broadcast::Broadcast;
use crate::core::delivery::encode;
use crate::core::delivery::encode::Encoder;
use crate::core::delivery::lagging::Lagging;
use crate::core::delivery::snapshot::Snapshots;
use crate::core::escalation::Escalations;
use crate::core::hooks::Hooks;
use crate::core::id::ConnectionId;
use crate::core::id::Numbers;
use crate::core::net::addresses::Addresses;
use crate::core::net::connection::Connection;
use crate::core::net::connection::Input;
use crate::core::net::door::Door;
use crate::core::net::ending::EndReason;
use crate::core::net::ending::Ending;
use crate::core::net::frames::FrameKind;
use crate::core::net::frames::Frames;
use crate::core::net::frames::Meter;
use crate::core::net::hosts::Hosts;
use crate::core::net::phase::Phase;
use crate::core::net::sources::Sources;
use crate::core::net::timers::Timers;
use crate::core::now::Now;
use crate::core::ready::Ready;
use crate::core::site::Site;
use crate::core::stream::Stream;
use crate::limits::READ_BUFFER;
use crate::limits::REFUSAL_SLOTS;
use crate::limits::SNAPSHOT_SHARE;
use crate::limits::UNANSWERED_SHARE;
use crate::settings::Limits;
use bans::Banning;
use copies::Copies;
pub use doors::datagrams::DatagramResult;
use doors::http::incoming::Gathering;
use drain::Drain;
use files::Files;
use followers::Followers;
use loading::Loading;
use memory::Eviction;
use metrics::Counters;
use nodes::Nodes;
use pasts::Pasts;
use push::Pushing;
use readers::Readers;
use reconfigure::Bounds;
use storing::Outbox;
use tungstenite::protocol::frame::coding::{Control, OpCode};
use unfinished::UnfinishedCommands;
use waiting::Waiting;

/// Every connection, room and decision, on sockets of type `S`.
#[derive(Debug)]
pub struct Server<S> {
    limits: Limits,
    allowed_origins: Vec<String>,
    hosts: Hosts,
    site: Site,
    /// The addresses of the page for other machines.
    page_addresses: Vec<String>,
    connections: Slab<Connection<S>>,
    chat: Chat,
    access: Access,
    banning: Banning,
    broadcast: Broadcast,
    lagging: Lagging,
    timers: Timers,
    meter: Meter,
    /// The budget of the tick, checked by every loop that clients can make long.
    budget: Budget,
    /// Connections with something to write that the kernel may take.
    dirty: VecDeque<ConnectionId>,
    /// Members of rooms that are to be read, those that have waited longest first.
    members: VecDeque<ConnectionId>,
    /// The same for connections in no room.
    newcomers: VecDeque<ConnectionId>,
    /// Commands that continue, in turn.
    unfinished: UnfinishedCommands,
    /// What the store is asked for; `None` where messages are kept in memory alone.
    outbox: Option<Outbox>,
    /// Submissions that it has not answered.
    waiting: Waiting,
    /// Those who have sent several in one request.
    gatherings: BTreeMap<ConnectionId, Gathering>,
    /// Those who have sent one for several rooms.
    copies: Copies,
    /// Those who follow patterns of rooms.
    followers: Followers,
    /// Rooms that only the store has, and who waits for them.
    loading: Loading,
    /// Numbers that only the store has, and who waits for them.
    pasts: Pasts,
    /// What is known of other nodes; `None` where there are none.
    nodes: Option<Box<Nodes>>,
    /// What is told to others by webhooks; `None` where there are none.
    hooks: Option<Box<Hooks>>,
    /// What people are told by push; `None` where it is off.
    pushing: Option<Box<Pushing>>,
    /// Alarms that nobody acknowledges; `None` where that changes nothing.
    escalations: Option<Box<Escalations>>,
    /// Those who wait for it to read.
    readers: Readers,
    /// The files, and those on their way.
    files: Files,
    /// Members who were not read because the memory is used up, first come first; they go in front of the line.
    over_memory: Vec<ConnectionId>,
    /// Connections to free at the end of a tick.
    closed: VecDeque<ConnectionId>,
    /// The one buffer that all sockets are read into, behind the unfinished input of the connection that is read.
    buffer: Vec<u8>,
    encoder: Encoder,
    /// The parts of snapshots, shared by the members who get the same.
    snapshots: Snapshots,
    /// The buffer for the text of a line.
    text: String,
    /// For compressed messages; made when the first one comes.
    inflater: Option<Box<Inflater>>,
    /// The WebSocket ping, and the `ping` event, which scripts see.
    ping: Rc<Frames>,
    json_ping: Rc<Frames>,
    /// The heartbeat of streams.
    heartbeat: Rc<Frames>,
    /// The name of this server, for clients that connect to several.
    node: String,
    /// The walk that frees memory, while `--max-memory` is exceeded.
    eviction: Option<Box<Eviction>>,
    drain: Drain,
    /// Nothing is read, because another server is to take over.
    is_held: bool,
    numbers: Numbers,
    addresses: Addresses,
    /// The number of connections that were accepted only to be refused.
    refused: usize,
    /// The senders of datagrams.
    sources: Sources,
    counters: Counters,
    /// Good for secrets, and repeatable from its seed.
    random: ChaCha8Rng,
    bounds: Bounds,
}

impl<S: Stream> Server<S> {
    /// A server without connections. `seed` is that of all random numbers, secrets included.
    pub fn new(
        limits: Limits,
        allowed_origins: Vec<String>,
        site: Site,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let mut ping = Vec::new();
        frame::encode(OpCode::Control(Control::Ping), b"", &mut ping);
        let (meter, budget) = (Meter::default(), Budget::default());
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut chat_seed = [0; 32];
        random.fill_bytes(&mut chat_seed);
        let mut encoder = Encoder::new(limits.compression(), budget.clone());
        let json_ping = encode::event_json(&Event::Ping);
        let json_ping = encoder.text_frame(Format::Json.into(), json_ping.as_bytes());
        let node = format!("{:08x}", random.next_u32());
        let numbers = Numbers::beginning_at(random.next_u64());
        Self {
            chat: Chat::new(limits.clone(), chat_seed, PersonId(numbers.next())),
            access: Access::default(),
            banning: Banning::default(),
            lagging: Lagging::default(),
            encoder,
            snapshots: Snapshots::new(limits.max_memory / SNAPSHOT_SHARE, meter.clone()),
            text: String::new(),
            inflater: None,
            json_ping: Frames::new(json_ping, FrameKind::Control, &meter),
            heartbeat: Frames::new(sse::COMMENT.to_vec(), FrameKind::Control, &meter),
            node,
            broadcast: Broadcast::new(meter.clone()),
            timers: Timers::new(now.ms),
            ping: Frames::new(ping, FrameKind::Control, &meter),
            meter,
            budget,
            addresses: Addresses::new(&limits),
            readers: Readers::default(),
            files: Files::default(),
            loading: Loading::default(),
            pasts: Pasts::default(),
            waiting: Waiting::new(limits.max_memory / UNANSWERED_SHARE),
            gatherings: BTreeMap::new(),
            copies: Copies::default(),
            followers: Followers::default(),
            sources: Sources::new(limits.rate, now.ms),
            bounds: Bounds::of(&limits),
            limits,
            allowed_origins,
            hosts: Hosts::default(),
            site,
            page_addresses: Vec::new(),
            connections: Slab::new(),
            dirty: VecDeque::new(),
            members: VecDeque::new(),
            newcomers: VecDeque::new(),
            unfinished: UnfinishedCommands::new(),
            outbox: None,
            nodes: None,
            hooks: None,
            pushing: None,
            escalations: None,
            over_memory: Vec::new(),
            closed: VecDeque::new(),
            buffer: vec![0; 2 * READ_BUFFER],
            eviction: None,
            drain: Drain::default(),
            is_held: false,
            numbers,
            refused: 0,
            counters: Counters::new(now.ms),
            random,
        }
    }

    /// Says which names the server may be asked for by; else there is none of its own, and none is listed.
    pub fn answer_to(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// Takes a new socket in, if only to tell it that there are too many. Its events are to be reported to `on_ready`
    /// under the index returned. Gives the socket back when there is no place even for that; ask `has_room` first.
    pub fn admit(&mut self, socket: S, peer: SocketAddr, now: Now) -> Result<usize, S> {
        if !self.has_room() {
            return Err(socket);
        }
        self.budget.spend(cost::ADMIT);
        let Some(address_slot) = self.find_address_slot(peer, now) else {
            return Err(socket);
        };
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let id = ConnectionId::new(index, self.numbers.take());
        let connection = Connection::new(socket, id, peer, now.ms);
        self.counters.enter(&connection.door);
        entry.insert(connection);
        self.take_address_slot(id, address_slot);
        self.set_deadline(id, self.limits.handshake_timeout.after(now.ms));
        Ok(index)
    }

    /// Whether `admit` would take another connection.
    pub fn has_room(&self) -> bool {
        self.refused < REFUSAL_SLOTS
            || self.connections.len() - self.refused < self.limits.max_connections
    }

    /// Gives a connection up, for a reason that is logged.
    pub fn abandon(&mut self, index: usize, reason: EndReason, now: Now) {
        if let Some(id) = self.connections.get(index).map(|connection| connection.id) {
            self.close(id, Ending::Abort(reason), now);
        }
    }

    /// The socket of a connection, to register it for events.
    pub fn socket_mut(&mut self, index: usize) -> Option<&mut S> {
        self.connections
            .get_mut(index)
            .map(|connection| &mut connection.socket)
    }

    /// The kernel says what a socket is ready for. An index of a connection that has ended is normal and ignored.
    pub fn on_ready(&mut self, index: usize, ready: Ready) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if matches!(connection.phase, Phase::Closed { .. }) {
            return;
        }
        let id = connection.id;
        if ready.writable {
            connection.writable = true;
            self.mark_dirty(id);
        }
        if let Some(connection) = self.get_mut(id) {
            if ready.ending {
                connection.input = Input::Ending;
            } else if ready.readable && connection.input != Input::Ending {
                // An end that was reported is remembered until it is read.
                connection.input = Input::Ready;
            }
            if ready.readable || ready.ending {
                self.schedule_read(id);
            }
        }
    }

    /// The budget of the tick. The caller begins each tick with it.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The end of every tick, in this order. What the budget does not allow is done in the next tick.
    pub fn end_of_tick(&mut self, now: Now) {
        self.budget.enter(Stage::Deadlines);
        // Deadlines first: connections that they close are not written to, and their pings are flushed below.
        self.run_deadlines(now);
        self.tell_overdue(now);
        self.give_up_readers(now);
        self.give_up_loads(now);
        self.give_up_questions(now);
        self.give_up_pasts(now);
        // So are those whose tokens end.
        self.budget.enter(Stage::Tokens);
        self.end_expired(now);
        // And those who are banned.
        self.run_bans(now);
        // Values that are late, or end: what is said of them goes out with what else is said in this tick.
        self.budget.enter(Stage::Values);
        self.say_what_is_due(now);
        // Joins and leaves that are due; then rooms and people whose time has passed are forgotten.
        self.budget.enter(Stage::News);
        self.send_presence(now);
        self.tell_nodes(now);
        // Alarms that nobody has acknowledged, of which webhooks are told in the same tick.
        self.run_escalations(now);
        self.run_hooks(now);
        self.run_push(now);
        self.snapshots.run_deadlines(now.ms);
        self.budget.enter(Stage::Forgetting);
        while self.budget.is_left() && self.chat.forget_due(now.ms) {
            self.budget.spend(cost::LOOKUP);
        }
        self.go_on_reconfiguring(now);
        self.forget_ended();
        self.send_changes_to_store(now);
        self.forget_old_files(now);
        // What was too much for one turn, what a room was too far behind for, and what a room was not here for.
        self.budget.enter(Stage::Listing);
        self.continue_answers(now);
        self.continue_aside(now);
        self.continue_commands(now);
        self.continue_following(now);
        self.deliver_arriving(now);
        // Members that had fallen behind, and have read their queue.
        self.budget.enter(Stage::CatchingUp);
        self.catch_up(now);
        // What was published in this tick is delivered together, one batch for each audience.
        let paused = self.broadcast.start_fanouts(&self.chat);
        self.resume_reading(paused);
        // Answers, pongs and closes do not wait behind a large room.
        self.budget.enter(Stage::Answering);
        self.flush_dirty(now);
        // Slices of the fan-outs in turn, each flushed while its connections are in the cache.
        self.budget.enter(Stage::Delivering);
        while self.budget.is_left() && self.deliver_slice(now) {}
        // A shutdown tells clients once everything published is queued for them.
        self.budget.enter(Stage::Draining);
        self.continue_drain(now);
        // The limit on memory, unless a fan-out may still free some.
        self.budget.enter(Stage::Evicting);
        self.keep_within_memory(now);
        self.budget.enter(Stage::Closing);
        // Last, when no list refers to them any more.
        self.free_closed(now);
    }

    /// Whether the next tick has work that no event announces: do not sleep.
    pub fn has_work(&self) -> bool {
        let has_input = !self.members.is_empty() || !self.newcomers.is_empty();
        (has_input && !self.is_held)
            || (self.drain.has_work() && self.waits_for_nothing())
            || !self.dirty.is_empty()
            || !self.unfinished.is_empty()
            || !self.closed.is_empty()
            || self.is_evicting()
            || self.waiting.has_deferred()
            || self.loading.has_ready()
            || self.lagging.has_drained()
            || self.broadcast.is_busy()
            || self.chat.is_reconfiguring()
            || self.chat.has_shared_work()
            || (self.is_held && self.chat.has_to_tell())
            || self.chat.has_stirred()
            || self.has_push_work()
            || self.chat.has_begun_rooms()
            || self.followers.is_busy()
            || self.banning.has_work()
            || self.nodes.as_ref().is_some_and(|it| it.has_work())
    }

    /// When the next deadline comes, in the milliseconds of `Now::ms`.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let deadlines = [
            self.timers.next_ms(),
            self.chat.next_deadline_ms(),
            self.next_vigil_ms(),
            self.access.next_deadline_ms(),
            self.banning.next_end_ms(),
            self.snapshots.next_deadline_ms(),
            self.waiting.next_due_ms(),
            self.readers.next_due_ms(),
            self.loading.next_due_ms(),
            self.pasts.next_due_ms(),
            self.files.next_due_ms(self.is_held),
            self.nodes.as_ref().map(|it| it.next_deadline_ms()),
            self.followers.next_due_ms(),
            self.next_hook_ms(),
            self.next_escalation_ms(),
            self.next_key_request_ms(),
            self.next_push_ms(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Connections now, in any phase.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Rooms now.
    pub fn room_count(&self) -> usize {
        self.chat.room_count()
    }

    /// Bytes of memory that messages in flight hold, in and out.
    pub fn memory_used(&self) -> usize {
        self.meter.used()
    }

    fn get(&self, id: ConnectionId) -> Option<&Connection<S>> {
        self.connections
            .get(id.index())
            .filter(|connection| connection.id == id)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        self.connections
            .get_mut(id.index())
            .filter(|connection| connection.id == id)
    }

    /// The connection has come for this.
    fn set_door(&mut self, id: ConnectionId, door: Door) {
        if let Some(connection) = self
            .connections
            .get_mut(id.index())
            .filter(|connection| connection.id == id)
        {
            self.counters.leave(&connection.door);
            self.counters.enter(&door);
            connection.door = door;
        }
    }

    /// Whose connection it is.
    fn person(&self, id: ConnectionId) -> Option<PersonId> {
        self.get(id).map(Connection::person)
    }

    /// Puts a connection with something to write on the list of those to flush, once.
    fn mark_dirty(&mut self, id: ConnectionId) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if connection.writable && !connection.dirty && connection.has_output() {
            connection.dirty = true;
            self.dirty.push_back(id);
        }
    }
}
