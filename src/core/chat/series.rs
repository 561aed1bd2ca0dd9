//! The numbers that came with keys lately, thinned so that a chart of them looks the same.

use std::collections::BTreeMap;

use crate::core::chat::Chat;
use crate::core::chat::format::RoomId;
use crate::core::chat::message::{Content, Message};
use crate::limits::{MAX_SERIES_MESSAGES, MAX_SERIES_POINTS};

/// How far back someone wants the numbers, and how many of each key at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct Window {
    pub(in crate::core) seconds: u64,
    pub(in crate::core) points: usize,
}

/// The numbers of one key, the oldest first.
#[derive(Debug, PartialEq)]
pub(in crate::core) struct Series<'a> {
    pub(in crate::core) key: &'a str,
    pub(in crate::core) points: Vec<Point>,
}

/// A number, and when it was said, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::core) struct Point {
    pub(in crate::core) at_ms: u64,
    pub(in crate::core) value: f64,
}

/// Points that a chart needs at the least: two extremes, and the last.
const FEWEST_POINTS: usize = 3;

impl Chat {
    /// The numbers of each key of a room, in the order of the keys, and how many messages were looked at. In all there are
    /// no more points than `MAX_SERIES_POINTS`, but of each key `FEWEST_POINTS`.
    pub(in crate::core) fn series(
        &self,
        room: RoomId,
        window: Window,
        now_ms: u64,
    ) -> (Vec<Series<'_>>, usize) {
        let Some(room) = self.get(room) else {
            return (Vec::new(), 0);
        };
        let from_ms = now_ms.saturating_sub(window.seconds.saturating_mul(1000));
        let messages = room.history.keyed_since(from_ms, MAX_SERIES_MESSAGES);
        let looked_at = messages.len();
        let mut by_key: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
        for message in messages {
            let Some(key) = message.key else { continue };
            match number(&message) {
                Some(value) => {
                    let at_ms = message.at_ms;
                    by_key.entry(key).or_default().push(Point { at_ms, value });
                }
                None if message.is_null() => drop(by_key.remove(key)),
                None => {}
            }
        }
        let share = MAX_SERIES_POINTS / by_key.len().max(1);
        let most = window.points.min(share).max(FEWEST_POINTS);
        let series = by_key.into_iter().map(|(key, points)| Series {
            key,
            points: thinned(points, most),
        });
        (series.collect(), looked_at)
    }
}

/// The number that a message carries: as JSON, or as text, which is what plain senders have.
fn number(message: &Message<'_>) -> Option<f64> {
    if message.content == Content::Binary {
        return None;
    }
    let value: f64 = str::from_utf8(message.body).ok()?.trim().parse().ok()?;
    value.is_finite().then_some(value)
}

/// So many points at most: of each stretch the least and the greatest, and the last of all.
fn thinned(points: Vec<Point>, most: usize) -> Vec<Point> {
    let Some(&last) = points.last().filter(|_| points.len() > most) else {
        return points;
    };
    let stretches = ((most - 1) / 2).max(1);
    let mut thinned = Vec::with_capacity(most);
    for stretch in points.chunks(points.len().div_ceil(stretches)) {
        let indices = || 0..stretch.len();
        let by_value =
            |one: &usize, other: &usize| stretch[*one].value.total_cmp(&stretch[*other].value);
        let (Some(least), Some(greatest)) =
            (indices().min_by(by_value), indices().max_by(by_value))
        else {
            continue;
        };
        thinned.push(stretch[least.min(greatest)]);
        if least != greatest {
            thinned.push(stretch[least.max(greatest)]);
        }
    }
    if thinned.last() != Some(&last) {
        thinned.push(last);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let numbered = values.into_iter().zip(0..);
        numbered
            .map(|(value, at_ms)| Point { at_ms, value })
            .collect()
    }

    #[test]
    fn few_stay_as_they_are() {
        for count in [0, 1, 3, 7] {
            let all = points((0..count).map(f64::from));
            assert_eq!(thinned(all.clone(), 7), all);
        }
    }

    #[test]
    fn of_many_the_extremes_stay_and_the_last() {
        let value = |n: u32| match n {
            333 => 1e9,
            777 => -1e9,
            _ => f64::from(n % 10),
        };
        let all = points((0..1000).map(value));
        for most in 3..100 {
            let few = thinned(all.clone(), most);
            assert!(few.len() <= most, "{} of {most}", few.len());
            assert!(few.is_sorted_by(|one, other| one.at_ms < other.at_ms));
            assert!(few.contains(&all[333]) && few.contains(&all[777]));
            assert_eq!(few.last(), all.last());
        }
    }
}
