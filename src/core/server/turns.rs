//! Who is read, and when: two lines, in each of which those who have waited longest stand in front.

use std::collections::VecDeque;
use std::mem;

use crate::core::budget::{Stage, cost};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

type ReadQueue<S> = fn(&mut Server<S>) -> &mut VecDeque<ConnectionId>;

impl<S: Stream> Server<S> {
    /// Reads those in line, each up to the end of its turn; who is not read keeps its place. Newcomers and members have a
    /// line each and a share of the tick each, so that nobody who is in a room waits behind all who come back to theirs.
    pub fn run_reads(&mut self, now: Now) {
        self.budget.enter(Stage::Newcomers);
        self.read_queue(|server| &mut server.newcomers, cost::NEWCOMER, now);
        self.budget.enter(Stage::Members);
        self.read_queue(|server| &mut server.members, cost::LOOKUP, now);
        let paused = mem::take(&mut self.over_memory);
        self.resume_reading(paused);
    }

    /// Puts a connection at the end of its line of those to read, unless it stands in one already.
    pub(super) fn schedule_read(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id)
            && !connection.read_pending
        {
            connection.read_pending = true;
            self.read_queue_of(id).push_back(id);
        }
    }

    /// Puts those who were held back in front of their line, in their order: they have waited already.
    pub(super) fn resume_reading(&mut self, paused: Vec<ConnectionId>) {
        for id in paused.into_iter().rev() {
            self.read_queue_of(id).push_front(id);
        }
    }

    /// Reads those who stand in a line now, each at this cost besides that of what it sends.
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

    /// The line that a connection stands in, to be read.
    fn read_queue_of(&mut self, id: ConnectionId) -> &mut VecDeque<ConnectionId> {
        match self.chat.room_of(id) {
            Some(_) => &mut self.members,
            None => &mut self.newcomers,
        }
    }
}
