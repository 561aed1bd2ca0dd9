//! Who is at other nodes in rooms that have nobody here, as it was looked up a moment ago.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::core::chat::elsewhere::{Elsewhere, Told};
use crate::core::chat::room_name::RoomName;
use crate::core::ensure::ensure;
use crate::limits::{MAX_SIGHTINGS, SIGHTING_MS};

#[derive(Debug, Default)]
pub(super) struct Sightings {
    by_room: BTreeMap<RoomName, Sighting>,
    /// When each is forgotten, the earliest first.
    due: VecDeque<(u64, RoomName)>,
}

#[derive(Debug)]
struct Sighting {
    elsewhere: Elsewhere,
    until_ms: u64,
}

impl Sightings {
    /// Keeps what was looked up for a moment. The oldest give way to it.
    pub(super) fn add(&mut self, room: &RoomName, elsewhere: Elsewhere, now_ms: u64) {
        while self.due.len() >= MAX_SIGHTINGS {
            self.forget_first();
        }
        let until_ms = now_ms + SIGHTING_MS;
        self.due.push_back((until_ms, room.clone()));
        let sighting = Sighting {
            elsewhere,
            until_ms,
        };
        self.by_room.insert(room.clone(), sighting);
    }

    pub(super) fn of(&self, room: &RoomName) -> Option<&Elsewhere> {
        self.by_room.get(room).map(|it| &it.elsewhere)
    }

    /// Somebody comes into a room here: it is not a sighting any more.
    pub(super) fn take(&mut self, room: &RoomName) -> Option<Elsewhere> {
        self.by_room.remove(room).map(|it| it.elsewhere)
    }

    /// A node has told who is in a room there. What does not follow on what is known has to be looked up again.
    pub(super) fn hear(&mut self, node: &Rc<str>, room: &RoomName, told: Told) {
        let Some(sighting) = self.by_room.get_mut(room) else {
            return;
        };
        let heard = sighting.elsewhere.hear(node, told, |_| false);
        if heard.is_err() {
            self.by_room.remove(room);
        }
    }

    /// All have to be looked up again.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    /// Forgets one whose time has come. Says whether there was one.
    pub(super) fn forget_due(&mut self, now_ms: u64) -> bool {
        let is_due = self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        if is_due {
            self.forget_first();
        }
        is_due
    }

    fn forget_first(&mut self) {
        let Some((due_ms, room)) = self.due.pop_front() else {
            return;
        };
        let sighting = self.by_room.get(&room);
        if sighting.is_some_and(|it| it.until_ms <= due_ms) {
            self.by_room.remove(&room);
        }
    }

    /// Checks that each is counted right, and is forgotten in time.
    pub(super) fn check(&self) -> Result<(), String> {
        for (room, sighting) in &self.by_room {
            sighting.elsewhere.check(|_| false)?;
            let is_due = self
                .due
                .iter()
                .any(|(due_ms, due)| due == room && *due_ms == sighting.until_ms);
            ensure(is_due, "who is in a room elsewhere is kept without an end")?;
        }
        ensure(
            self.due.len() <= MAX_SIGHTINGS,
            "too many rooms are known that have nobody here",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::person::{Author, PersonId};

    fn told(sequence: u64, after: u64, present: &[u64]) -> Told {
        let present = present.iter().map(|it| Author::guest(PersonId(*it)));
        Told {
            sequence,
            after,
            unlisted: 0,
            present: present.collect(),
            gone: Vec::new(),
        }
    }

    fn seen(sightings: &Sightings, room: &RoomName) -> Option<usize> {
        sightings.of(room).map(Elsewhere::count)
    }

    #[test]
    fn what_was_looked_up_is_followed_for_a_moment() {
        let (room, node): (_, Rc<str>) = (RoomName::parse("tea").unwrap(), "a".into());
        let mut sightings = Sightings::default();
        sightings.hear(&node, &room, told(1, 0, &[1]));
        assert_eq!(seen(&sightings, &room), None, "nobody has asked for it");
        sightings.add(&room, Elsewhere::default(), 0);
        sightings.hear(&node, &room, told(2, 0, &[1]));
        sightings.hear(&node, &room, told(3, 2, &[2]));
        assert_eq!(seen(&sightings, &room), Some(2));
        sightings.hear(&node, &room, told(9, 8, &[3]));
        assert_eq!(seen(&sightings, &room), None, "something was missed");
        // One that is looked up again lasts from then on.
        for now_ms in [0, 500] {
            sightings.add(&room, Elsewhere::default(), now_ms);
        }
        while sightings.forget_due(SIGHTING_MS) {}
        assert_eq!(seen(&sightings, &room), Some(0));
        assert_eq!(sightings.check(), Ok(()));
        assert!(sightings.forget_due(SIGHTING_MS + 500));
        assert_eq!(
            (seen(&sightings, &room), sightings.next_due_ms()),
            (None, None)
        );
    }

    #[test]
    fn the_oldest_give_way() {
        let mut sightings = Sightings::default();
        let room = |number: usize| RoomName::parse(&format!("room-{number}")).unwrap();
        for number in 0..=MAX_SIGHTINGS {
            sightings.add(&room(number), Elsewhere::default(), number as u64);
        }
        assert_eq!(sightings.by_room.len(), MAX_SIGHTINGS);
        assert_eq!(seen(&sightings, &room(0)), None);
        assert_eq!(seen(&sightings, &room(MAX_SIGHTINGS)), Some(0));
        assert_eq!(sightings.check(), Ok(()));
    }
}
