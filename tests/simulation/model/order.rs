//! The order of what is said in a room, and what of it each member has seen.

use super::{Model, Status};
use crate::model::Checked;

impl Model {
    pub(super) fn on_message(&mut self, life: usize, message: usize) {
        let record = &self.records[life];
        let Some(join) = &record.join else {
            return;
        };
        let status = if self.is_draining || !join.may_succeed {
            Status::Ignored
        } else if record.is_surely_member(&self.plan) {
            Status::Published
        } else {
            Status::MaybePublished
        };
        self.messages[message].status = status;
        if status == Status::Ignored {
            return;
        }
        if !self.plan.keeps_order {
            self.records[life].said.push_back(message);
        } else if self.plan.store.is_none() {
            self.rooms[join.room].push(message);
        }
    }

    /// The store has accepted a message, which has its place in the order from now on. Its sender does not leave before it
    /// has come back.
    pub(crate) fn on_accepted(&mut self, payload: &[u8]) {
        let index = index_of(payload).expect("the server has read it");
        let message = &self.messages[index];
        if message.status == Status::Ignored || !self.plan.keeps_order {
            return;
        }
        let room = &mut self.rooms[message.room];
        room.push(index);
        let sender = &mut self.records[message.life];
        if sender.ended.is_some() {
            sender.until = room.len();
        }
    }

    pub(super) fn on_seen_message(
        &mut self,
        life: usize,
        is_text: bool,
        payload: &[u8],
    ) -> Checked {
        let index = index_of(payload)
            .filter(|&index| index < self.messages.len())
            .ok_or_else(|| {
                format!(
                    "a message nobody sent: {:?}",
                    String::from_utf8_lossy(payload)
                )
            })?;
        let message = &self.messages[index];
        if message.payload != payload || message.is_text != is_text {
            return Err(format!("message {index} has changed on its way"));
        }
        let record = &self.records[life];
        let joined = record.join.as_ref().filter(|_| record.upgraded);
        let room = joined.ok_or("a message for who is in no room")?.room;
        if message.room != room {
            return Err(format!(
                "message {index} of room {} came to room {room}",
                message.room
            ));
        }
        if self.plan.keeps_order {
            self.go_along(life, room, index)
        } else {
            self.go_on(life, index)
        }
    }

    /// Along the room's order; what is passed over must be something that nobody gets.
    fn go_along(&mut self, life: usize, room: usize, index: usize) -> Checked {
        let record = &mut self.records[life];
        while let Some(&next) = self.rooms[room].get(record.cursor) {
            record.cursor += 1;
            let status = &mut self.messages[next].status;
            if next == index {
                if *status == Status::Skipped {
                    return Err(format!("message {index} came to some and not to others"));
                }
                *status = Status::Seen;
                return Ok(());
            }
            match status {
                Status::MaybePublished | Status::Skipped => *status = Status::Skipped,
                _ => {
                    return Err(format!(
                        "message {index} came where {next} was to come ({status:?})"
                    ));
                }
            }
        }
        Err(format!(
            "message {index} ({:?}) came again, or too early, or from before",
            self.messages[index].status
        ))
    }

    /// Where a room is behind, what was read of different members may change places. But whoever sees one message after
    /// another shows that they are neighbours for all, and each sender's messages keep their order.
    fn go_on(&mut self, life: usize, index: usize) -> Checked {
        let message = &mut self.messages[index];
        if matches!(message.status, Status::Unread | Status::Ignored) {
            return Err(format!("message {index} came, and is {:?}", message.status));
        }
        message.status = Status::Seen;
        let sender = message.life;
        let record = &mut self.records[life];
        let earlier = record.latest_of.insert(sender, index);
        if earlier.is_some_and(|earlier| earlier >= index) {
            return Err(format!(
                "message {index} came after {earlier:?} of the same sender"
            ));
        }
        if let Some(last) = record.last_seen.replace(index) {
            let (after, before) = (&mut self.after, &mut self.before);
            let (next, previous) = (
                *after.entry(last).or_insert(index),
                *before.entry(index).or_insert(last),
            );
            if (next, previous) != (index, last) {
                return Err(format!(
                    "message {index} came after {last}, and for others {next} after {previous}"
                ));
            }
        }
        if sender == life {
            self.follow_own(life, index)?;
        }
        Ok(())
    }

    /// A member's own messages come back to it in the order in which it sent them.
    fn follow_own(&mut self, life: usize, index: usize) -> Checked {
        loop {
            let own = self.records[life]
                .said
                .pop_front()
                .ok_or("an own message came again")?;
            match self.messages[own].status {
                _ if own == index => return Ok(()),
                Status::MaybePublished => {}
                _ => return Err(format!("own message {own} did not come")),
            }
        }
    }

    /// The first message that a member has not seen and must have: of all, or of those read before it ended.
    pub(crate) fn unseen(&self, life: usize) -> Option<usize> {
        let record = &self.records[life];
        let join = record.join.as_ref().filter(|_| record.upgraded)?;
        if !self.plan.keeps_order {
            let is_lost = |&&message: &&usize| self.messages[message].status == Status::Published;
            let own = record.said.iter().find(is_lost);
            let next = record.last_seen.and_then(|last| self.after.get(&last));
            return own.or(next).filter(|_| record.ended.is_none()).copied();
        }
        let until = if record.ended.is_some() {
            record.until
        } else {
            self.rooms[join.room].len()
        };
        let missed = self.rooms[join.room].get(record.cursor..until)?;
        let must_come = |&&message: &&usize| {
            matches!(
                self.messages[message].status,
                Status::Published | Status::Seen
            )
        };
        missed.iter().find(must_come).copied()
    }
}

/// The index that a message's payload begins with.
fn index_of(payload: &[u8]) -> Option<usize> {
    let digits = payload.split(|&byte| byte == b'|').next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}
