//! One server takes the place of another while clients stay connected.
//!
//! The one that goes is held: it reads nothing more, and goes on until all that it has begun is done. Then it tells what it
//! knows, and is not changed by that: if the other does not take it, it goes on. What has not been read waits in the kernel for
//! whoever reads the socket next.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::core::handover::{HandoverError, Sections};
use crate::core::id::{ConnectionId, Numbers};
use crate::core::net::connection::Connection;
use crate::core::net::frames::Frames;
use crate::core::net::pending::Pending;
use crate::core::net::timers::Timers;
use crate::core::net::write_queue::WriteQueue;
use crate::core::net::write_queue::state::{ChunkState, FramesState, SharedFrames};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::reconfigure::Bounds;
use crate::core::server::storing::Outbox;
use crate::core::stream::Stream;
use crate::settings::Limits;

/// The queues of all connections, in the order of these.
#[derive(Debug, Serialize, Deserialize)]
struct Queues<'a> {
    frames: Vec<FramesState<'a>>,
    chunks: Vec<Vec<ChunkState>>,
}

impl<S: Stream> Server<S> {
    /// Reads nothing more, so that what was begun comes to an end: until [`is_quiet`](Self::is_quiet), or
    /// [`release`](Self::release).
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// The name of this server, which the one that takes its place has, too.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Goes on as before.
    pub fn release(&mut self) {
        self.is_held = false;
        self.resume_downloads();
    }

    /// Whether all that was begun is done, and [`state`](Self::state) can be asked for. Clients may still have to take what
    /// is queued for them.
    pub fn is_quiet(&self) -> bool {
        let is_asked_nothing = self.outbox.as_ref().is_none_or(Outbox::is_empty);
        self.waits_for_nothing()
            && self.waiting.is_written()
            && is_asked_nothing
            && self.are_files_quiet()
            && self.are_hooks_quiet()
            && self.is_push_quiet()
            && self.unfinished.is_empty()
            && self.closed.is_empty()
            && self.nodes.as_ref().is_none_or(|it| it.arriving.is_empty())
            && !self.chat.has_to_tell()
            && !self.chat.has_begun_rooms()
            && !self.followers.is_offering()
            && !self.broadcast.is_busy()
            && !self.lagging.has_drained()
            && !self.is_evicting()
            && !self.chat.is_reconfiguring()
            && !self.drain.is_begun()
    }

    /// All that this server knows, for another one, but for the sockets: those are in [`sockets`](Self::sockets). To be called
    /// at the end of a tick in which [`is_quiet`](Self::is_quiet) holds.
    ///
    /// # Errors
    /// It cannot be written, which is an error of the program.
    pub fn state(&self) -> Result<Vec<u8>, HandoverError> {
        let mut shared = SharedFrames::default();
        let connections: Vec<&Connection<S>> = self.connections.iter().map(|(_, it)| it).collect();
        let chunks = connections.iter().map(|it| it.queue.state(&mut shared));
        let queues = Queues {
            chunks: chunks.collect(),
            frames: shared.into_states(),
        };
        let mut sections = Sections::default();
        sections.put("node", &self.node)?;
        sections.put("numbers", &self.numbers)?;
        sections.put("bounds", &self.bounds)?;
        sections.put("connections", &connections)?;
        sections.put("queues", &queues)?;
        sections.put("chat", &self.chat.state())?;
        sections.put("lagging", &self.lagging.state())?;
        sections.put("holders", &self.access.state())?;
        sections.put("bans", &self.ban_records())?;
        sections.put("addresses", &self.addresses.state())?;
        sections.put("sources", &self.sources.state())?;
        sections.put("files", &self.files.state())?;
        sections.put("counters", &self.counters.state())?;
        sections.put("provider", &self.access.provider_state())?;
        sections.put("followers", &self.followers.state())?;
        if let Some(nodes) = &self.nodes {
            sections.put("heard", &nodes.finding.heard())?;
        }
        if let Some(hooks) = &self.hooks {
            sections.put("hooks", &hooks.state())?;
        }
        if let Some(pushing) = &self.pushing {
            sections.put("push", &pushing.push.state())?;
        }
        if let Some(escalations) = &self.escalations {
            sections.put("escalations", &escalations.state())?;
        }
        sections.to_bytes()
    }

    /// The sockets of all connections, by the indices under which their events are reported.
    pub fn sockets(&self) -> impl Iterator<Item = (usize, &S)> {
        self.connections
            .iter()
            .map(|(index, connection)| (index, &connection.socket))
    }

    /// Another server has taken over: gives up the connections whose sockets it has, without a word to anyone. What is left is
    /// to be drained, and gets nothing more of a file: that is the other server's to read. Webhooks and push services are called by that, too.
    pub fn give_sockets_up(&mut self, is_taken: impl Fn(&S) -> bool, now: Now) -> Vec<S> {
        self.hooks = None;
        self.pushing = None;
        self.escalations = None;
        self.chat.watch_rooms(false);
        let all = self.connections.iter();
        let taken = all.filter(|(_, connection)| is_taken(&connection.socket));
        let taken: Vec<usize> = taken.map(|(index, _)| index).collect();
        let mut sockets = Vec::new();
        for index in taken {
            let connection = self.connections.remove(index);
            self.meter.subtract(connection.metered_bytes);
            self.counters.leave(&connection.door);
            sockets.push(connection.socket);
        }
        let connections = &self.connections;
        let is_here = |id: ConnectionId| connections.get(id.index()).is_some_and(|it| it.id == id);
        self.files.forget_downloads(is_here);
        self.followers.retain(is_here);
        let broken_off: Vec<ConnectionId> = self.files.downloads.keys().copied().collect();
        for id in broken_off {
            self.fail_download(id, now);
        }
        sockets
    }

    /// Takes the place of the server whose state this is. This one is new: it has its settings, and a store if the other has
    /// one, and no connection. Those whose sockets are not among `sockets` are gone, and have left their rooms. Events of the
    /// others are to be reported under the same indices.
    ///
    /// # Errors
    /// The state is not one that this server reads, and this server is of no more use.
    pub fn take_over(
        &mut self,
        state: &[u8],
        mut sockets: BTreeMap<usize, S>,
        now: Now,
    ) -> Result<(), HandoverError> {
        let mut sections = Sections::parse(state)?;
        self.node = sections.take("node")?;
        self.numbers = sections.take::<Numbers>("numbers")?;
        self.bounds = sections.take::<Bounds>("bounds")?;
        self.bounds.include(&self.limits);
        let limits: Limits = self.limits.clone();
        self.chat.take_over(sections.take("chat")?, &limits, now.ms);
        self.lagging.take_over(sections.take("lagging")?);
        self.addresses.take_over(sections.take("addresses")?);
        self.take_over_bans(sections.take_if_told("bans")?, now);
        self.sources.take_over(sections.take("sources")?);
        self.files.take_over(sections.take("files")?);
        self.counters.take_over(&sections.take("counters")?);
        self.take_over_hooks(sections.take_if_told("hooks")?, now);
        self.take_over_push(sections.take_if_told("push")?);
        let escalations = sections.take_if_told("escalations")?;
        self.take_over_escalations(escalations, now);
        let told: Vec<Connection<()>> = sections.take("connections")?;
        let queues = self.take_queues(sections.take("queues")?, told.len())?;
        let (mut here, mut gone) = (Vec::new(), Vec::new());
        for (connection, queue) in told.into_iter().zip(queues) {
            let index = connection.id.index();
            match sockets.remove(&index) {
                Some(socket) => here.push((index, connection.resume(socket, queue))),
                None => gone.push(connection),
            }
        }
        self.connections = here.into_iter().collect();
        self.begin_again(now);
        let heard = sections.take_if_told("heard")?;
        if let Some(nodes) = &mut self.nodes {
            nodes.finding.take_over(heard);
            self.chat.share_again(now.ms);
        }
        for connection in gone {
            self.leave_without_socket(&connection, now);
        }
        let connections = &self.connections;
        let is_here = |id: ConnectionId| connections.get(id.index()).is_some_and(|it| it.id == id);
        self.access.take_over(sections.take("holders")?, is_here);
        self.access
            .take_over_provider(sections.take_if_told("provider")?);
        let followers = sections.take_if_told("followers")?;
        self.followers.take_over(followers, is_here);
        self.chat.watch_beginnings(!self.followers.is_empty());
        self.files.forget_downloads(is_here);
        self.resume_downloads();
        Ok(())
    }

    fn take_queues(
        &self,
        queues: Queues<'_>,
        connections: usize,
    ) -> Result<Vec<WriteQueue>, HandoverError> {
        let frames = queues.frames.into_iter();
        let frames: Vec<Rc<Frames>> = frames.map(|it| it.into_frames(&self.meter)).collect();
        let chunks = queues.chunks.into_iter();
        let queues = chunks.map(|chunks| WriteQueue::from_state(chunks, &frames));
        let queues: Option<Vec<WriteQueue>> = queues.collect();
        queues
            .filter(|queues| queues.len() == connections)
            .ok_or_else(|| HandoverError::new("the queues are not those of the connections"))
    }

    /// The connections are counted, wait for their deadlines, and are read and written.
    fn begin_again(&mut self, now: Now) {
        let deadlines = self.connections.iter().map(|(_, it)| it.deadline_ms);
        let earliest_ms = deadlines.min().unwrap_or(u64::MAX);
        self.timers = Timers::before(earliest_ms.min(now.ms));
        let ids: Vec<ConnectionId> = self.connections.iter().map(|(_, it)| it.id).collect();
        for id in ids {
            let Some(connection) = self.connections.get(id.index()) else {
                continue;
            };
            let (slot, deadline_ms) = (connection.address_slot, connection.deadline_ms);
            self.counters.enter(&connection.door);
            if let Some(upload) = connection.pending().and_then(Pending::upload) {
                self.files.arriving.insert(upload.id, id);
            }
            self.take_address_slot(id, slot);
            self.set_deadline(id, deadline_ms);
            self.meter_connection(id);
            self.mark_dirty(id);
            self.schedule_read(id);
        }
    }

    /// A connection that the other server has kept is none of this one's.
    fn leave_without_socket(&mut self, connection: &Connection<()>, now: Now) {
        let (id, person) = (connection.id, connection.person());
        while let Some(room) = self.chat.room_of(id) {
            self.lagging.forget(id, room);
            self.chat.leave(id, person, room, now.ms);
        }
        if connection.is_member() && connection.door.facts().has_people {
            self.chat.disconnect(id, person, now.ms);
        }
        if let Some(upload) = connection.pending().and_then(Pending::upload) {
            self.files.give_up(upload.id);
        }
        self.forget_ended();
    }
}
