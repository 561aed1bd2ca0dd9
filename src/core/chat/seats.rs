//! Where one connection sits: in no room, in one, or, at the JSON door, in several.

use crate::core::chat::format::Reading;

/// A place in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) room: u32,
    /// Index among the members of the audience that the connection's reading makes it one of.
    pub(super) member_index: u32,
}

/// The seats of one connection, in all of which it reads the same. One seat is held inline: so many connections have just one.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "8 bytes instead of 24 for each of 100,000 connections"
)]
pub(super) enum Seats {
    #[default]
    None,
    One(Reading, Seat),
    Many(Reading, Box<Vec<Seat>>),
}

impl Seats {
    pub(super) fn reading(&self) -> Option<Reading> {
        match self {
            Self::None => None,
            Self::One(reading, _) | Self::Many(reading, _) => Some(*reading),
        }
    }

    pub(super) fn all(&self) -> &[Seat] {
        match self {
            Self::None => &[],
            Self::One(_, seat) => std::slice::from_ref(seat),
            Self::Many(_, seats) => seats,
        }
    }

    fn all_mut(&mut self) -> &mut [Seat] {
        match self {
            Self::None => &mut [],
            Self::One(_, seat) => std::slice::from_mut(seat),
            Self::Many(_, seats) => seats,
        }
    }

    /// The seat in a room, if there is one.
    pub(super) fn of_room(&self, room: usize) -> Option<Seat> {
        self.all()
            .iter()
            .copied()
            .find(|seat| seat.room as usize == room)
    }

    pub(super) fn of_room_mut(&mut self, room: usize) -> Option<&mut Seat> {
        self.all_mut()
            .iter_mut()
            .find(|seat| seat.room as usize == room)
    }

    pub(super) fn add(&mut self, reading: Reading, seat: Seat) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(reading, seat),
            Self::One(_, first) => Self::Many(reading, Box::new(vec![first, seat])),
            Self::Many(_, mut seats) => {
                seats.push(seat);
                Self::Many(reading, seats)
            }
        };
    }

    /// Gives the seat in a room up, if there is one.
    pub(super) fn remove(&mut self, room: usize) -> Option<Seat> {
        let seat = self.of_room(room)?;
        match self {
            Self::Many(_, seats) if seats.len() > 1 => {
                seats.retain(|other| *other != seat);
            }
            _ => *self = Self::None,
        }
        Some(seat)
    }
}
