//! Commands that are too much work for one turn: they go on in the next, and until they are done the next command of
//! their connection waits.

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
use crate::core::server::listing::Listing;
use crate::core::server::mailing::Mailing;
use crate::core::stream::Stream;
use crate::limits::{COMMAND_LOOKS, LOOKS_AT_ONCE};

/// The commands that go on, each with the connection that it came from, in turn.
pub(super) type UnfinishedCommands = VecDeque<(ConnectionId, Box<Unfinished>)>;

#[derive(Debug)]
pub(super) enum Unfinished {
    /// `rooms`
    Listing(Listing),
    /// `direct`
    Mailing(Mailing),
}

impl Unfinished {
    /// What it holds of the metered memory.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        let frames = match self {
            Self::Listing(_) => None,
            Self::Mailing(mailing) => Some(mailing.frames()),
        };
        frames.into_iter().flatten()
    }
}

impl<S: Stream> Server<S> {
    /// The answer to `rooms`, if it is found at once; else it comes when it is.
    pub(super) fn list_rooms(&mut self, id: ConnectionId, rights: Rights, echo: Id<'_>) -> Answer {
        let mut listing = Listing::new(rights, echo);
        if self.look(id, &mut listing) {
            return Ok(Some(listing.to_json()));
        }
        self.finish_later(id, Unfinished::Listing(listing));
        Ok(None)
    }

    /// The command goes on in the next turn.
    pub(super) fn finish_later(&mut self, id: ConnectionId, command: Unfinished) {
        self.set_busy(id, true);
        self.unfinished.push_back((id, Box::new(command)));
    }

    /// Goes on with them in turn, for as long as their share of the tick lasts.
    pub(super) fn go_on_with_commands(&mut self, now: Now) {
        for _ in 0..self.unfinished.len() {
            if !self.budget.is_left() {
                break;
            }
            let Some((id, mut command)) = self.unfinished.pop_front() else {
                break;
            };
            let is_done = match &mut *command {
                Unfinished::Listing(listing) => {
                    let is_done = self.look(id, listing);
                    if is_done {
                        self.send_json(id, &listing.to_json());
                    }
                    is_done
                }
                Unfinished::Mailing(mailing) => {
                    let is_done = self.tell_some(id, mailing, now);
                    if is_done {
                        self.answer_mailing(id, mailing);
                    }
                    is_done
                }
            };
            if is_done {
                self.set_busy(id, false);
                self.line_up(id);
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
        self.line_up(id);
    }

    fn set_busy(&mut self, id: ConnectionId, is_busy: bool) {
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.is_busy = is_busy;
        }
    }

    /// Looks at the next part of the rooms, at the cost of who has asked. Says whether that was all.
    fn look(&mut self, id: ConnectionId, listing: &mut Listing) -> bool {
        let looked = listing.look(&self.chat, LOOKS_AT_ONCE);
        self.charge_looks(id, looked.work);
        looked.is_done
    }

    /// So much was looked at for a command of a connection.
    pub(super) fn charge_looks(&mut self, id: ConnectionId, looks: usize) {
        self.budget.spend(cost::LOOK * looks as u64);
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.charge(looks / COMMAND_LOOKS);
        }
    }
}
