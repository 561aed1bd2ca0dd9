//! What numbers keys had, as far back as a store knows.

use std::collections::BTreeMap;

use crate::codec::key_patterns::KeyPatterns;
use crate::core::chat::{Content, PastSeries, Point, chosen, number_in};
use crate::core::store::ticket::Ticket;

/// Which numbers are asked for: those of a room, after a time.
#[derive(Clone, Debug)]
pub struct ReadPast {
    /// To be named in the answer.
    pub ticket: Ticket,
    /// The name of the room.
    pub room: Box<str>,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// Milliseconds since 1970.
    pub after_ms: u64,
    /// Of which keys.
    pub keys: KeyPatterns,
    /// So many of each key at most.
    pub points: usize,
    /// How many of the newest of each key; `None` to thin them out.
    pub count: Option<usize>,
}

/// What numbers the keys of a room had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Up to this offset.
    pub upto: u64,
    /// Of each key, in their order.
    pub series: Vec<PastSeries>,
}

/// The numbers that are read, the newest message first.
#[derive(Debug)]
pub struct PastReading<'a> {
    request: &'a ReadPast,
    keys: BTreeMap<Box<str>, OfKey>,
    /// Keys of which there is not enough yet; `None` if not all are known.
    missing: Option<usize>,
}

/// What was read of a key.
#[derive(Debug)]
enum OfKey {
    Unwanted,
    Numbers(Vec<Point>),
    /// It was removed, and what was before belongs to no chart; or these are enough.
    Ended(Vec<Point>),
}

impl<'a> PastReading<'a> {
    /// Nothing is read yet.
    pub fn new(request: &'a ReadPast) -> Self {
        let exact = request.count.and(request.keys.exact());
        Self {
            request,
            keys: BTreeMap::new(),
            missing: exact.map(|keys| keys.len()),
        }
    }

    /// The next older message. Says whether older ones are asked for.
    pub fn add(&mut self, at_ms: u64, key: Option<&str>, content: Content, body: &[u8]) -> bool {
        if at_ms <= self.request.after_ms {
            return false;
        }
        let Some(key) = key else {
            return true;
        };
        if !self.keys.contains_key(key) {
            let of_key = match self.request.keys.matches(key) {
                true => OfKey::Numbers(Vec::new()),
                false => OfKey::Unwanted,
            };
            self.keys.insert(key.into(), of_key);
        }
        if let Some(of_key) = self.keys.get_mut(key)
            && let OfKey::Numbers(points) = of_key
        {
            let number = number_in(content, body);
            points.extend(number.map(|value| Point { at_ms, value }));
            let is_removed = number.is_none() && content == Content::Json && body == b"null";
            if is_removed || Some(points.len()) == self.request.count {
                *of_key = OfKey::Ended(std::mem::take(points));
                self.missing = self.missing.map(|keys| keys.saturating_sub(1));
            }
        }
        self.missing != Some(0)
    }

    /// All were read, up to this offset.
    pub fn end(self, upto: u64) -> Past {
        let found = self.keys.into_iter().filter_map(|(key, of_key)| {
            let (OfKey::Numbers(mut points) | OfKey::Ended(mut points)) = of_key else {
                return None;
            };
            points.reverse();
            (!points.is_empty()).then_some((key, points))
        });
        let found: Vec<_> = found.collect();
        let most = (self.request.points, self.request.count);
        let keys = found.len();
        let series = found.into_iter().map(|(key, points)| PastSeries {
            key,
            points: chosen(points, most, keys),
        });
        Past {
            upto,
            series: series.collect(),
        }
    }
}
