//! What holds of rooms, seats and people between any two calls.

use crate::core::chat::Chat;
use crate::core::chat::format::Format;
use crate::core::chat::ledger::Contents;
use crate::core::ensure::ensure;

impl Chat {
    /// Checks that rooms and seats agree, and that what is remembered is counted right and within its limits.
    pub(in crate::core) fn check(&self) -> Result<(), String> {
        let mut seated = 0;
        let mut contents = Contents::default();
        let listed = std::cell::Cell::new(0);
        for (index, room) in &self.rooms {
            ensure(
                room.is_detached || self.by_name.get(&room.name) == Some(&index),
                "a room is not found by its name",
            )?;
            ensure(
                !room.is_detached || room.waiting > 0,
                "a room that was emptied waits for nothing",
            )?;
            for format in Format::ALL {
                seated += self.check_audience(index, format)?;
            }
            let connections: u32 = room.people.values().sum();
            let named = Format::PEOPLE.map(|format| room.audience(format).members.len());
            ensure(
                connections as usize == named.iter().sum::<usize>(),
                "people and their connections differ",
            )?;
            let is_dormant = room
                .ends_ms
                .is_some_and(|ends_ms| self.dormant.contains(&(ends_ms, index)));
            ensure(is_dormant == room.is_idle(), "an empty room does not end")?;
            ensure(
                room.dormant.is_some() == room.is_idle(),
                "an empty room cannot be forgotten",
            )?;
            ensure(
                self.is_reconfiguring() || room.limits == self.limits.of_room(room.name.as_str()),
                "a room has other limits than it should",
            )?;
            contents
                .rooms
                .push((index, room.owner, room.dormant, room.has_state()));
            for (owner, said) in room.history.check(room.offset, &room.limits)? {
                contents.messages.push((index, *owner, *said));
            }
            contents
                .state
                .extend(room.history.retained.check(&room.limits, |key, vigil| {
                    listed.set(listed.get() + usize::from(vigil.is_listed()));
                    vigil.due_ms() == u64::MAX || self.deadlines.has(index, key, vigil)
                })?);
        }
        ensure(
            listed.get() == self.deadlines.count(),
            "deadlines are left of values that are gone",
        )?;
        let rooms = self.rooms.iter();
        let detached = rooms.filter(|(_, room)| room.is_detached).count();
        ensure(
            self.by_name.len() + detached == self.rooms.len(),
            "names are left of rooms that ended",
        )?;
        let seats: usize = self.seats.iter().map(|seats| seats.all().len()).sum();
        ensure(seated == seats, "a seat is taken by no member")?;
        ensure(seats == self.seated, "seats are miscounted")?;
        ensure(
            self.rooms.len() <= self.reconfiguring.most_rooms(),
            "there are too many rooms",
        )?;
        self.ledger.check(&contents)?;
        self.dedup.check()?;
        self.check_sharing()?;
        ensure(
            self.history_bytes() <= self.limits.history_memory
                && self.ledger.state_bytes() <= self.limits.history_memory / 2,
            "the histories take more memory than they may",
        )?;
        self.people.check()
    }

    /// Says how many members it has.
    fn check_audience(&self, index: usize, format: Format) -> Result<usize, String> {
        let room = &self.rooms[index];
        let members = &room.audience(format).members;
        for (place, member) in members.iter().enumerate() {
            let seats = self.seats.get(member.id.index());
            let is_there = seats.is_some_and(|seats| {
                let seat = seats.of_room(index);
                seats.reading().map(|reading| reading.format) == Some(format)
                    && seat.is_some_and(|seat| seat.member_index as usize == place)
            });
            ensure(is_there, "a member's seat is elsewhere")?;
        }
        Ok(members.len())
    }
}
