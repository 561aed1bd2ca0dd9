//! Messages that were sent twice because their sender could not know that they had arrived.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::RoomId;
use super::person::PersonId;
use crate::limits::{DEDUP_MS, MAX_DEDUP};

/// Whose id of a message it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) enum Sender {
    /// Anyone's who knows it: a retry may come on another connection.
    Anyone,
    /// A person's at a door at which one can take a name.
    Person(PersonId),
    /// That of whoever holds a token for this name.
    Holder(Rc<str>),
}

/// Whose message it is, and what they call it.
type Name = (RoomId, Sender, Box<str>);

/// The senders' own ids of the messages of the last two minutes, and the offsets these got.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    offsets: BTreeMap<Name, u64>,
    /// When each is forgotten, in that order.
    order: VecDeque<(u64, Name)>,
}

impl Dedup {
    /// The offset that the message of this name got.
    pub(super) fn find(
        &mut self,
        room: RoomId,
        sender: &Sender,
        name: &str,
        now_ms: u64,
    ) -> Option<u64> {
        while self
            .order
            .front()
            .is_some_and(|(until, _)| *until <= now_ms)
        {
            self.forget_oldest();
        }
        self.offsets
            .get(&(room, sender.clone(), name.into()))
            .copied()
    }

    pub(super) fn remember(
        &mut self,
        room: RoomId,
        sender: &Sender,
        name: &str,
        offset: u64,
        now_ms: u64,
    ) {
        if self.order.len() >= MAX_DEDUP {
            self.forget_oldest();
        }
        let name: Name = (room, sender.clone(), name.into());
        self.offsets.insert(name.clone(), offset);
        self.order.push_back((now_ms + DEDUP_MS, name));
    }

    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front() {
            self.offsets.remove(&name);
        }
    }
}
