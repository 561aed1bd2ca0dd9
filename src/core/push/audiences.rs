//! Who is told of a room: lists that are made when they are first needed, some subscriptions at a time.

use std::collections::BTreeMap;

use super::subscriptions::Subscriptions;
use crate::codec::json::push::PushKind;
use crate::core::chat::RoomName;
use crate::limits::MAX_PUSH_INDEX;

/// The lists of rooms of which something was to be told.
#[derive(Debug, Default)]
pub(super) struct Audiences {
    rooms: BTreeMap<RoomName, Audience>,
    /// Entries of all.
    count: usize,
}

/// The subscriptions for one room, by their numbers.
#[derive(Debug, Default)]
struct Audience {
    /// That of the subscriptions of which it is.
    generation: u64,
    /// Up to where they were looked at; `None`: all were.
    looked_at: Option<u64>,
    alarm: Vec<u64>,
    message: Vec<u64>,
}

/// What comes next in the list of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// One more was put on the list, or not: ask again.
    Building,
    /// This subscription.
    One(u64),
    End,
}

impl Audiences {
    /// What follows a subscription in the list of those who are told of a room, one step at a time.
    pub(super) fn next(
        &mut self,
        all: &Subscriptions,
        (room, kind): (&RoomName, PushKind),
        after: u64,
    ) -> Next {
        if self.count > MAX_PUSH_INDEX {
            *self = Self::default();
        }
        let generation = all.generation();
        let audience = self.rooms.entry(room.clone()).or_insert_with(|| {
            self.count += 1;
            Audience::new(generation)
        });
        if audience.generation != generation {
            self.count -= audience.alarm.len() + audience.message.len();
            *audience = Audience::new(generation);
        }
        if let Some(looked_at) = audience.looked_at {
            audience.looked_at = all.after(looked_at).map(|(number, subscription)| {
                if subscription.is_for(room) {
                    for (kind, list) in [
                        (PushKind::Alarm, &mut audience.alarm),
                        (PushKind::Message, &mut audience.message),
                    ] {
                        if subscription.wants(kind) {
                            list.push(number);
                            self.count += 1;
                        }
                    }
                }
                number
            });
            return Next::Building;
        }
        let list = match kind {
            PushKind::Alarm => &audience.alarm,
            _ => &audience.message,
        };
        let next = list.get(list.partition_point(|number| *number <= after));
        next.map_or(Next::End, |number| Next::One(*number))
    }
}

impl Audience {
    fn new(generation: u64) -> Self {
        Self {
            generation,
            looked_at: Some(0),
            ..Self::default()
        }
    }
}
