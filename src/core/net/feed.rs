//! A stream of several rooms: what its reader wants of them, and how far it is in each.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::codec::json::epoch::Epoch;
use crate::codec::key_patterns::KeyPatterns;
use crate::core::chat::{Position, RoomId, Selection};
use crate::limits::{MAX_FEED_ROOMS, MAX_PAGE};

/// What is kept of such a stream.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Feed {
    keys: KeyPatterns,
    /// How many of the newest messages of each room it wants.
    last: Option<usize>,
    /// The rooms that it is in, in the order in which it came into them, and up to where it has been sent each.
    places: Vec<(RoomId, Position)>,
    /// Where it was in rooms that it has not come into again. They are told in ids until then, so that a reader that is cut
    /// off before has not lost them.
    brought: Vec<Position>,
    /// It was here before.
    is_back: bool,
    /// Messages were passed over since the last id.
    is_ahead: bool,
}

/// What stands in an id before and after the offset in one room.
#[derive(Debug)]
pub(in crate::core) struct IdFrame {
    before: String,
    after: String,
}

impl IdFrame {
    pub(in crate::core) fn id(&self, offset: u64) -> String {
        format!("{}{offset}{}", self.before, self.after)
    }
}

impl Feed {
    /// `brought`: the id that the reader has got last.
    pub(in crate::core) fn new(
        keys: KeyPatterns,
        last: Option<usize>,
        brought: Option<&str>,
    ) -> Self {
        Self {
            keys,
            last,
            places: Vec::new(),
            brought: brought.map_or_else(Vec::new, parse_id),
            is_back: brought.is_some(),
            is_ahead: false,
        }
    }

    /// Whether it is told all messages.
    pub(in crate::core) fn wants_all(&self) -> bool {
        self.keys.is_all()
    }

    /// Whether it is told messages with this key.
    pub(in crate::core) fn wants(&self, key: Option<&str>) -> bool {
        self.keys.is_all() || key.is_some_and(|key| self.keys.matches(key))
    }

    /// Whether it was in the room of this epoch before.
    pub(in crate::core) fn knows(&self, epoch: u64) -> bool {
        self.brought.iter().any(|it| it.epoch == epoch)
    }

    /// What it wants of a room of this epoch that is there already.
    pub(in crate::core) fn selection(&self, epoch: u64) -> Selection {
        let brought = self.brought.iter().find(|it| it.epoch == epoch).copied();
        // A room that it did not know, or that is another one by now.
        let lost = self.is_back.then_some(Position {
            epoch: 0,
            offset: 0,
        });
        match brought.or(lost) {
            Some(position) => Selection::from_reader(Some(position), self.last),
            // Some of the newest may be of other keys.
            None if !self.keys.is_all() && self.last.is_some_and(|it| it > 0) => {
                Selection::Last(MAX_PAGE)
            }
            None => Selection::from_reader(None, self.last),
        }
    }

    /// Of so many messages that it wants it is told so many of the newest.
    pub(in crate::core) fn most_of(&self, selection: Selection, count: usize) -> usize {
        match selection {
            Selection::Last(_) => count.min(self.last.unwrap_or(0)),
            _ => count,
        }
    }

    /// It is told what comes after this position of a room.
    pub(in crate::core) fn enter(&mut self, room: RoomId, at: Position) {
        self.brought.retain(|it| it.epoch != at.epoch);
        match self.places.iter_mut().find(|(it, _)| *it == room) {
            Some(place) => place.1 = at,
            None => self.places.push((room, at)),
        }
    }

    /// It is in all rooms that it had come for: where it was in others is not asked for any more; of patterns, when these begin.
    pub(in crate::core) fn settle(&mut self, has_patterns: bool) {
        let most = match has_patterns {
            true => MAX_FEED_ROOMS.saturating_sub(self.places.len()),
            false => 0,
        };
        self.brought.truncate(most);
    }

    /// It has been sent a room up to this offset; `has_id`: with an id that says so.
    pub(in crate::core) fn move_to(&mut self, room: RoomId, offset: u64, has_id: bool) {
        if let Some((_, at)) = self.places.iter_mut().find(|(it, _)| *it == room) {
            at.offset = offset;
            self.is_ahead = !has_id;
        }
    }

    /// The ids of events in a room, where it is where it is in all others.
    pub(in crate::core) fn ids_in(&self, room: RoomId) -> IdFrame {
        let mut frame = IdFrame {
            before: String::new(),
            after: String::new(),
        };
        let mut is_before = true;
        for (index, (other, at)) in self.places.iter().enumerate() {
            let out = match is_before {
                true => &mut frame.before,
                false => &mut frame.after,
            };
            if index > 0 {
                out.push(',');
            }
            // Writing to a String does not fail.
            let _ = match *other == room {
                true => write!(out, "{}-", Epoch(at.epoch)),
                false => write!(out, "{}-{}", Epoch(at.epoch), at.offset),
            };
            is_before &= *other != room;
        }
        for at in &self.brought {
            let _ = write!(frame.after, ",{}-{}", Epoch(at.epoch), at.offset);
        }
        frame
    }

    /// The id that says where it is in all rooms, if the last one does not.
    pub(in crate::core) fn id_of_all(&mut self) -> Option<String> {
        let &(room, at) = self.places.first()?;
        std::mem::take(&mut self.is_ahead).then(|| self.ids_in(room).id(at.offset))
    }
}

/// The positions that an id names. What is none is left out.
fn parse_id(id: &str) -> Vec<Position> {
    let positions = id
        .split(',')
        .take(MAX_FEED_ROOMS)
        .filter_map(parse_position);
    positions.collect()
}

/// The position of a room as an id names it.
pub(in crate::core) fn parse_position(text: &str) -> Option<Position> {
    let (epoch, offset) = text.split_once('-')?;
    Some(Position {
        epoch: Epoch::parse(epoch)?.0,
        offset: offset.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(index: usize) -> RoomId {
        let mut room = RoomId::default();
        room.index = index;
        room
    }

    fn at(epoch: u64, offset: u64) -> Position {
        Position { epoch, offset }
    }

    #[test]
    fn an_id_says_where_a_reader_is_in_all_rooms() {
        let id = "000000000000000a-5,000000000000000b-7,nonsense,000000000000000c-9";
        let mut feed = Feed::new(KeyPatterns::default(), None, Some(id));
        feed.enter(room(1), at(11, 7));
        assert_eq!(
            feed.ids_in(room(1)).id(8),
            "000000000000000b-8,000000000000000a-5,000000000000000c-9",
            "where it was elsewhere is not lost"
        );
        feed.enter(room(2), at(12, 9));
        feed.move_to(room(1), 8, true);
        feed.settle(false);
        assert_eq!(
            feed.ids_in(room(2)).id(10),
            "000000000000000b-8,000000000000000c-10"
        );
        assert_eq!(feed.id_of_all(), None);
        feed.move_to(room(1), 9, false);
        let all = "000000000000000b-9,000000000000000c-9";
        assert_eq!(feed.id_of_all().as_deref(), Some(all));
        assert_eq!(feed.id_of_all(), None);
    }

    #[test]
    fn who_comes_back_is_told_what_it_missed() {
        let feed = Feed::new(KeyPatterns::default(), Some(3), Some("000000000000000a-5"));
        let missed = feed.selection(10);
        assert!(
            matches!(missed, Selection::Since { position, or_last: 3 } if position == at(10, 5))
        );
        assert!(
            matches!(feed.selection(11), Selection::Since { position, .. } if position.epoch == 0)
        );
        let new = Feed::new(KeyPatterns::default(), Some(3), None);
        assert!(matches!(new.selection(10), Selection::Last(3)));
    }
}
