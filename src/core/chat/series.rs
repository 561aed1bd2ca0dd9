//! The numbers that came with keys lately, thinned so that a chart of them looks the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::key_patterns::KeyPatterns;
use crate::core::chat::Chat;
use crate::core::chat::format::RoomId;
use crate::core::chat::message::Content;
use crate::core::now::Now;
use crate::limits::{MAX_SERIES_POINTS, SERIES_POINTS_EACH};

/// How far back someone wants the numbers, and how many of each key at most: thinned out, or the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) struct Window {
    pub(in crate::core) seconds: u64,
    pub(in crate::core) points: usize,
    /// How many of the newest; `None` to thin them out.
    #[serde(default)]
    pub(in crate::core) count: Option<usize>,
}

/// Which numbers someone wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::core) struct Chart {
    pub(in crate::core) window: Window,
    pub(in crate::core) keys: KeyPatterns,
}

/// The numbers of one key, the oldest first.
#[derive(Debug, PartialEq)]
pub(in crate::core) struct Series<'a> {
    pub(in crate::core) key: &'a str,
    pub(in crate::core) points: Vec<Point>,
}

/// The same of a key that a store has told.
#[derive(Clone, Debug, PartialEq)]
pub struct PastSeries {
    /// The key.
    pub key: Box<str>,
    /// Its numbers, the oldest first.
    pub points: Vec<Point>,
}

/// A number, and when it was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The number.
    pub value: f64,
}

impl Chat {
    /// The numbers of each key of a room, in the order of the keys, and how many messages were looked at. In all there are
    /// no more points than `MAX_SERIES_POINTS`, but of each key `SERIES_POINTS_EACH`. `past`: what a store has told of them,
    /// up to an offset.
    pub(in crate::core) fn series<'a>(
        &'a self,
        room: RoomId,
        chart: &Chart,
        (upto, past): (u64, &'a [PastSeries]),
        now: Now,
    ) -> (Vec<Series<'a>>, usize) {
        let Some(room) = self.get(room) else {
            return (Vec::new(), 0);
        };
        let window_ms = chart.window.seconds.saturating_mul(1000);
        let from_ms = now.ms.saturating_sub(window_ms);
        let messages = room.history.keyed_since(&chart.keys, from_ms);
        let looked_at = messages.len() + past.iter().map(|it| it.points.len()).sum::<usize>();
        let since_ms = now.unix_ms.saturating_sub(window_ms);
        let mut by_key: BTreeMap<&str, Option<Vec<Point>>> = BTreeMap::new();
        for PastSeries { key, points } in past {
            let late = points.iter().filter(|point| point.at_ms > since_ms);
            by_key.insert(key, Some(late.copied().collect()));
        }
        for message in messages.filter(|it| it.offset.is_none_or(|offset| offset > upto)) {
            let Some(key) = message.key else { continue };
            let wanted = || chart.keys.matches(key).then(Vec::new);
            let Some(points) = by_key.entry(key).or_insert_with(wanted) else {
                continue;
            };
            match number_in(message.content, message.body) {
                Some(value) => {
                    let at_ms = message.at_ms;
                    points.push(Point { at_ms, value });
                }
                None if message.is_null() => points.clear(),
                None => {}
            }
        }
        let found = by_key.into_iter().filter_map(|(key, points)| {
            let points = points.filter(|points| !points.is_empty())?;
            Some((key, points))
        });
        let found: Vec<_> = found.collect();
        let most = (chart.window.points, chart.window.count);
        let keys = found.len();
        let series = found.into_iter().map(|(key, points)| Series {
            key,
            points: chosen(points, most, keys),
        });
        (series.collect(), looked_at)
    }

    /// Whether a room remembers all that was said with the keys of a chart, within its time.
    pub(in crate::core) fn remembers(&self, room: RoomId, chart: &Chart, now_ms: u64) -> bool {
        let from_ms = now_ms.saturating_sub(chart.window.seconds.saturating_mul(1000));
        let room = self.get(room);
        room.is_none_or(|room| room.history.is_whole_since(&chart.keys, from_ms))
    }
}

/// The number that a message carries: as JSON, or as text, which is what plain senders have.
pub(in crate::core) fn number_in(content: Content, body: &[u8]) -> Option<f64> {
    if content == Content::Binary {
        return None;
    }
    let value: f64 = str::from_utf8(body).ok()?.trim().parse().ok()?;
    value.is_finite().then_some(value)
}

/// Of the points of one of so many keys those that are told: thinned out, or a number of the newest.
pub(in crate::core) fn chosen(
    mut points: Vec<Point>,
    (most, count): (usize, Option<usize>),
    keys: usize,
) -> Vec<Point> {
    let share = MAX_SERIES_POINTS / keys.max(1);
    match count {
        None => thinned(points, most.min(share).max(SERIES_POINTS_EACH)),
        Some(count) => {
            let newest = count.min(share).max(1);
            points.drain(..points.len().saturating_sub(newest));
            points
        }
    }
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
    fn a_number_of_the_newest_is_told_of_each_key() {
        let last = |count, keys| {
            let points = chosen(points((0..9).map(f64::from)), (5_000, Some(count)), keys);
            points.iter().map(|it| it.value).collect::<Vec<_>>()
        };
        assert_eq!(last(2, 1), [7.0, 8.0]);
        assert_eq!(last(9, 1), last(20, 1));
        assert_eq!(last(9, MAX_SERIES_POINTS / 4).len(), 4);
        assert_eq!(last(9, 2 * MAX_SERIES_POINTS), [8.0]);
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
