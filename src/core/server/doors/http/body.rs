//! Reads the body of a request.

use std::mem;

use crate::codec::http::response::{Problem, Status};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::door::Door;
use crate::core::net::pending::Pending;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::step::Step;
use crate::core::stream::Stream;
use crate::limits::READ_BUFFER;

impl<S: Stream> Server<S> {
    /// Keeps a request until its body has arrived. It has as much time as its head had, and more as long as enough
    /// arrives.
    pub(in crate::core::server) fn begin_body(&mut self, pending: Pending, now: Now) {
        let id = pending.reply.id;
        if let Some(connection) = self.get_mut(id) {
            connection.door = Door::Http(Some(Box::new(pending)));
            self.await_body(id, now);
        }
    }

    /// How many bytes of a body to read at once. The requests behind it stay in the kernel.
    pub(in crate::core::server) fn body_read_size(&self, id: ConnectionId) -> usize {
        let pending = self.get(id).and_then(Connection::pending);
        let missing = pending.and_then(|pending| pending.body.missing());
        missing.map_or(self.limits.max_head, |missing| missing.min(READ_BUFFER))
    }

    /// Takes the body off the front of `input`, unless the room that it goes to is too far behind.
    pub(in crate::core::server) fn take_body(
        &mut self,
        input: &mut &mut [u8],
        id: ConnectionId,
        now: Now,
    ) -> Step {
        if self.must_wait(id) {
            return Step::Wait;
        }
        let Some(connection) = self.get_mut(id) else {
            return Step::Wait;
        };
        let Some(pending) = connection.door.pending_mut() else {
            return Step::Wait;
        };
        // A client that sends the body right away does not wait for `100 Continue`.
        let is_waiting = mem::take(&mut pending.expects_continue) && input.is_empty();
        let arrived = mem::take(input);
        match pending.body.decode(arrived) {
            Ok(Some(length)) => {
                *input = &mut arrived[length..];
                if let Some(pending) = connection.take_pending() {
                    self.on_body(*pending, now);
                }
                Step::Taken
            }
            Ok(None) => {
                if is_waiting {
                    self.respond_continue(id);
                }
                match self.pass_file_on(id) {
                    Ok(()) => Step::NeedMore,
                    Err(problem) => {
                        self.refuse_body(&problem, id, now);
                        Step::Taken
                    }
                }
            }
            Err(problem) => {
                let problem = self.in_words_for_files(problem, id);
                self.refuse_body(&problem, id, now);
                Step::Taken
            }
        }
    }

    fn await_body(&mut self, id: ConnectionId, now: Now) {
        let arrived = self.get(id).map_or(0, |it| it.traffic.bytes_in);
        let deadline = self.limits.handshake_timeout.after(now.ms);
        self.enter(id, Phase::Body { arrived }, deadline);
    }

    /// The body has not arrived in time. If enough arrives it may continue: its length is bounded by that of a message.
    pub(in crate::core::server) fn on_body_timeout(
        &mut self,
        id: ConnectionId,
        arrived: u64,
        now: Now,
    ) {
        let least = self.limits.handshake_timeout.least_bytes();
        let goes_on = self.get(id).is_some_and(|connection| {
            // A delay is ours while the connection waits to be read.
            connection.read_pending || connection.traffic.bytes_in - arrived >= least
        }) || self.waits_for_disk(id);
        if goes_on {
            return self.await_body(id, now);
        }
        let detail = "the body did not arrive in time";
        self.refuse_body(&Problem::new(Status::REQUEST_TIMEOUT, detail), id, now);
    }

    /// Answers a request whose body will not be read to its end.
    pub(in crate::core::server) fn refuse_body(
        &mut self,
        problem: &Problem,
        id: ConnectionId,
        now: Now,
    ) {
        if let Some(pending) = self.drop_pending(id) {
            self.respond_problem(problem, &pending.reply.closing(), now);
            self.meter_connection(id);
        }
    }

    /// A request ends before its body is whole.
    pub(in crate::core::server) fn drop_pending(&mut self, id: ConnectionId) -> Option<Pending> {
        let pending = self.get_mut(id)?.take_pending()?;
        if let Some(upload) = pending.upload() {
            self.files.give_up(upload.id);
        }
        Some(*pending)
    }
}
