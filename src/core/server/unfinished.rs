//! Commands that are too much work for one turn. They continue in later turns, and the next command of their connection
//! waits for them.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::codec::json::command::Id;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::frames::Frames;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::answers::Answer;
use crate::core::server::direct_delivery::DirectDelivery;
use crate::core::server::listing::Listing;
use crate::core::server::lists::Asker;
use crate::core::stream::Stream;
use crate::limits::{SCANS_AT_ONCE, SCANS_PER_COMMAND};

/// Commands that continue, each with its connection, in the order of their turns.
pub(super) type UnfinishedCommands = VecDeque<(ConnectionId, Box<Unfinished>)>;

#[derive(Debug)]
pub(super) enum Unfinished {
    /// `rooms`
    Listing(Listing),
    /// `direct`
    Direct(DirectDelivery),
}

impl Unfinished {
    /// The frames that it holds, for the meter.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let frames = match self {
            Self::Listing(_) => None,
            Self::Direct(delivery) => Some(delivery.frames()),
        };
        frames.into_iter().flatten()
    }
}

impl<S: Stream> Server<S> {
    /// The answer to `rooms`, if the scan ends at once. Otherwise it is sent when it ends.
    pub(super) fn list_rooms(
        &mut self,
        id: ConnectionId,
        rights: Rights,
        echo: Id<'_>,
        now: Now,
    ) -> Answer {
        let mut listing = Listing::new(rights, echo);
        if self.nodes.is_some() {
            self.ask_for_list(Asker::Command(id, listing), now);
            return Ok(None);
        }
        if self.scan(id, &mut listing) {
            return Ok(Some(listing.to_json()));
        }
        self.defer_command(id, Unfinished::Listing(listing));
        Ok(None)
    }

    /// Continues the command in the next turn.
    pub(super) fn defer_command(&mut self, id: ConnectionId, command: Unfinished) {
        self.set_busy(id, true);
        self.unfinished.push_back((id, Box::new(command)));
    }

    /// Continues commands in turn, as long as their share of the tick lasts.
    pub(super) fn continue_commands(&mut self, now: Now) {
        for _ in 0..self.unfinished.len() {
            if !self.budget.is_left() {
                break;
            }
            let Some((id, mut command)) = self.unfinished.pop_front() else {
                break;
            };
            let is_done = match &mut *command {
                Unfinished::Listing(listing) => {
                    let is_done = self.scan(id, listing);
                    if is_done {
                        self.send_json(id, &listing.to_json());
                    }
                    is_done
                }
                Unfinished::Direct(delivery) => {
                    let is_done = self.deliver_some(id, delivery, now);
                    if is_done && self.pass_on(id, delivery, now) {
                        // Other nodes have to answer first.
                        continue;
                    }
                    if is_done {
                        self.answer_direct(id, delivery);
                    }
                    is_done
                }
            };
            if is_done {
                self.set_busy(id, false);
                self.schedule_read(id);
            } else if self.get(id).is_some_and(Connection::is_member) {
                self.unfinished.push_back((id, command));
            }
        }
    }

    /// The next command of a connection waits until the store has answered the last.
    pub(super) fn begin_wait(&mut self, id: ConnectionId) {
        self.set_busy(id, true);
    }

    /// The store has answered it.
    pub(super) fn end_wait(&mut self, id: ConnectionId) {
        self.set_busy(id, false);
        self.schedule_read(id);
    }

    fn set_busy(&mut self, id: ConnectionId, is_busy: bool) {
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.is_busy = is_busy;
        }
    }

    /// Scans the next part of the rooms, charged to the connection. Returns whether that was all.
    fn scan(&mut self, id: ConnectionId, listing: &mut Listing) -> bool {
        let progress = listing.scan(&self.chat, SCANS_AT_ONCE);
        self.charge_scan(id, progress.work);
        progress.is_done
    }

    /// Charges scans to the connection that caused them.
    pub(super) fn charge_scan(&mut self, id: ConnectionId, scans: usize) {
        self.budget.spend(cost::SCAN * scans as u64);
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.charge(scans / SCANS_PER_COMMAND);
        }
    }
}
