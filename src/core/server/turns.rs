//! The order in which connections are read: two queues, first come first.

use std::collections::VecDeque;
use std::mem;

use crate::core::budget::{Stage, cost};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

type ReadQueue<S> = fn(&mut Server<S>) -> &mut VecDeque<ConnectionId>;

impl<S: Stream> Server<S> {
    /// Reads the connections in both queues, each until its turn is over. Called once a tick, before `end_of_tick`.
    /// Members of rooms and connections in no room have a queue and a share of the tick each, so that members do not
    /// wait behind a rush of clients that reconnect. What is not read keeps its position.
    pub fn run_reads(&mut self, now: Now) {
        if self.is_held {
            return;
        }
        self.budget.enter(Stage::Newcomers);
        self.read_queue(|server| &mut server.newcomers, cost::NEWCOMER, now);
        self.budget.enter(Stage::Members);
        self.read_queue(|server| &mut server.members, cost::LOOKUP, now);
        let paused = mem::take(&mut self.over_memory);
        self.resume_reading(paused);
    }

    /// Puts a connection at the end of its queue, unless it is in one already.
    pub(super) fn schedule_read(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id)
            && !connection.read_pending
        {
            connection.read_pending = true;
            self.read_queue_of(id).push_back(id);
        }
    }

    /// Puts connections that were paused at the front of their queues, in their order: they have waited already.
    pub(super) fn resume_reading(&mut self, paused: Vec<ConnectionId>) {
        for id in paused.into_iter().rev() {
            self.read_queue_of(id).push_front(id);
        }
    }

    /// Reads the connections that are in a queue now. `each`: the cost of one, besides that of its input.
    fn read_queue(&mut self, queue: ReadQueue<S>, each: u64, now: Now) {
        for _ in 0..queue(self).len() {
            if !self.budget.is_left() {
                break;
            }
            let Some(id) = queue(self).pop_front() else {
                break;
            };
            if let Some(connection) = self.get_mut(id) {
                connection.read_pending = false;
                self.budget.begin_turn();
                self.budget.spend(each);
                self.read(id, now);
            }
        }
    }

    /// The queue that a connection belongs in.
    fn read_queue_of(&mut self, id: ConnectionId) -> &mut VecDeque<ConnectionId> {
        match self.chat.room_of(id) {
            Some(_) => &mut self.members,
            None => &mut self.newcomers,
        }
    }
}
