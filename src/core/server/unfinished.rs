//! Commands that are too much work for one turn: they go on in the next, and until they are done the next command of
//! their connection waits.

use super::Server;
use super::commands::Answer;
use super::listing::Listing;
use crate::codec::json::command::Id;
use crate::core::Stream;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::connection::{Connection, ConnectionId, Phase};
use crate::limits::{COMMAND_LOOKS, LOOKS_AT_ONCE};

impl<S: Stream> Server<S> {
    /// The answer to `rooms`, if it is found at once; else it comes when it is.
    pub(super) fn list_rooms(&mut self, id: ConnectionId, rights: Rights, echo: Id<'_>) -> Answer {
        let mut listing = Listing::new(rights, echo);
        if self.look(id, &mut listing) {
            return Ok(Some(listing.to_json()));
        }
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.is_busy = true;
        }
        self.unfinished.push_back((id, Box::new(listing)));
        Ok(None)
    }

    /// Goes on with them in turn, for as long as their share of the tick lasts.
    pub(super) fn go_on_with_commands(&mut self) {
        for _ in 0..self.unfinished.len() {
            if !self.budget.is_left() {
                break;
            }
            let Some((id, mut listing)) = self.unfinished.pop_front() else {
                break;
            };
            if self.look(id, &mut listing) {
                self.send_json(id, &listing.to_json());
                if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
                    session.is_busy = false;
                }
                self.line_up(id);
            } else if self
                .get(id)
                .is_some_and(|it| matches!(it.phase, Phase::Open { .. }))
            {
                self.unfinished.push_back((id, listing));
            }
        }
    }

    /// Looks at the next part of the rooms, at the cost of who has asked. Says whether that was all.
    fn look(&mut self, id: ConnectionId, listing: &mut Listing) -> bool {
        let looked = listing.look(&self.chat, LOOKS_AT_ONCE);
        self.budget.spend(cost::LOOK * looked.work as u64);
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.charge(looked.work / COMMAND_LOOKS);
        }
        looked.is_done
    }
}
