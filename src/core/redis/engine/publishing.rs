//! Publishing messages of this node, and what becomes of those that are not known to be published.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::codec::resp::Reply;
use crate::core::redis::command::{Published, published};
use crate::core::redis::engine::{Engine, Output, Purpose};
use crate::core::redis::room::{Follower, Position, Untold, own_among};
use crate::core::store::{Answer, Append, Ticket};
use crate::limits::{ASK_AGAIN_MS, BEGIN_MS, CHANNEL_LATE_MS};

impl Engine {
    /// Publishes a message, as soon as its room is heard; if it may not wait for that, it is refused.
    pub(super) fn append(&mut self, append: Append, is_up: bool) {
        let ticket = append.ticket;
        let is_heard = self.is_heard(&append.room);
        // At first the channel is not heard yet.
        if !is_heard && !is_up && self.wait_ms == 0 {
            return self.refuse(ticket);
        }
        let room = append.room.clone();
        self.appends.by_ticket.insert(ticket, room.clone());
        let follower = self.rooms.get(&room);
        let is_first = follower.is_some_and(|it| it.parked.is_empty());
        if is_heard && is_first {
            self.publish(&append);
            if self.wait_ms > 0 {
                self.keep_until(append, self.wait_ms);
            }
        } else {
            self.keep_until(append, self.wait_ms.max(BEGIN_MS));
            self.park(&room, ticket);
        }
    }

    /// A message may have to be sent again. If it is not published in this time, it is refused.
    fn keep_until(&mut self, append: Append, wait_ms: u64) {
        let due_ms = self.now_ms + wait_ms;
        self.appends.due.push_back((due_ms, append.ticket));
        self.appends.messages.insert(append.ticket, append);
    }

    fn publish(&mut self, append: &Append) {
        self.list_first(&append.room);
        let origin = format!("{}:{}", self.process, append.ticket.0);
        let follower = self.rooms.get(&append.room);
        let known = follower.and_then(Follower::position).unwrap_or(Position {
            epoch: append.epoch,
            offset: 0,
        });
        let places = (known, self.fresh_epoch());
        let limits = Rc::clone(&self.limits);
        let purpose = Purpose::Append(append.ticket);
        self.send_of(&append.room, purpose, |at| {
            at.publish(append, &origin, places, &limits)
        });
    }

    /// A message waits until its room is known to be where it is.
    fn park(&mut self, room: &str, ticket: Ticket) {
        match self.rooms.get_mut(room) {
            Some(follower) => follower.parked.push_back(ticket),
            None => self.refuse_append(ticket),
        }
    }

    /// Publishes what has waited for a room, if that is known to be where it is.
    pub(super) fn publish_parked(&mut self, room: &str) {
        let Some(follower) = self.rooms.get_mut(room).filter(|it| it.is_live()) else {
            return;
        };
        for ticket in std::mem::take(&mut follower.parked) {
            if let Some(append) = self.appends.messages.get(&ticket).cloned() {
                self.publish(&append);
            }
        }
    }

    /// The reply to a publish. What is published is told when it is on the channel, in its turn.
    pub(super) fn on_published(&mut self, ticket: Ticket, reply: &Reply) {
        match published(reply) {
            Some(Published::At(place)) => {
                let Some(room) = self.appends.publish(ticket, place) else {
                    return;
                };
                match self.rooms.get_mut(&room) {
                    Some(follower) => {
                        follower.expected.get_or_insert(place.offset);
                        self.look_in(&room, CHANNEL_LATE_MS);
                    }
                    None => self.answer_again(ticket, place.offset),
                }
            }
            Some(Published::Again(offset)) => self.answer_again(ticket, offset),
            Some(Published::Conflict(current)) => {
                if self.appends.take(ticket) {
                    let answer = Answer::Conflict { ticket, current };
                    self.outputs.push_back(Output::Answer(answer));
                }
            }
            None => {
                self.complain("take a message", reply);
                self.refuse_append(ticket);
            }
        }
    }

    /// A message of this node's was published before, or is in what the server was told as a whole.
    pub(super) fn answer_again(&mut self, ticket: Ticket, offset: u64) {
        if self.appends.take(ticket) {
            let answer = Answer::Again { ticket, offset };
            self.outputs.push_back(Output::Answer(answer));
        }
    }

    /// The server is told a room as a whole, up to `loaded`, and these messages of its own not one by one. They are in that, or are
    /// lost with their log: then their senders are to send them again.
    pub(super) fn settle(&mut self, published: BTreeMap<Ticket, Position>, loaded: Position) {
        for (ticket, place) in published {
            self.appends.take(ticket);
            if place.epoch == loaded.epoch && place.offset <= loaded.offset {
                let offset = place.offset;
                let answer = Answer::Again { ticket, offset };
                self.outputs.push_back(Output::Answer(answer));
            } else {
                self.refuse(ticket);
            }
        }
    }

    /// The server wants no messages of a room any more, which was followed up to here: those of its own are answered.
    pub(super) fn settle_untold(&mut self, untold: &VecDeque<Untold>, position: Option<Position>) {
        if let Some(position) = position {
            self.settle(own_among(untold, position.epoch).collect(), position);
        }
    }

    pub(super) fn refuse_append(&mut self, ticket: Ticket) {
        if self.appends.take(ticket) {
            self.refuse(ticket);
        }
    }

    /// A publish was not answered. It may have been carried out: then its message is found when the room is read again, before
    /// it would be published a second time.
    pub(super) fn on_publish_failed(&mut self, ticket: Ticket) {
        if !self.appends.messages.contains_key(&ticket) {
            return self.refuse_append(ticket);
        }
        let Some(room) = self.appends.by_ticket.get(&ticket).cloned() else {
            return;
        };
        if let Some(follower) = self.rooms.get_mut(&room) {
            follower.suspect();
        }
        self.park(&room, ticket);
        self.look_in(&room, ASK_AGAIN_MS);
    }

    /// Refuses what has waited for too long.
    pub(super) fn refuse_overdue(&mut self) {
        while let Some(&(due_ms, ticket)) = self.appends.due.front()
            && due_ms <= self.now_ms
        {
            self.appends.due.pop_front();
            self.refuse_append(ticket);
        }
    }

    /// The ticket of a message that this node has sent, and of which the server waits to hear.
    pub(super) fn own_ticket(&self, origin: &str) -> Option<Ticket> {
        let (node, number) = origin.split_once(':')?;
        let ticket = Ticket(number.parse().ok().filter(|_| *node == *self.process)?);
        self.appends
            .by_ticket
            .contains_key(&ticket)
            .then_some(ticket)
    }
}
