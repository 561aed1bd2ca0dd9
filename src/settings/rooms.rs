//! What is different in rooms of a pattern: how much they remember, and what happens to their slow readers.

use std::fmt;
use std::str::FromStr;

use wildmatch::WildMatch;

use super::{Limits, Timeout};

/// What happens to someone whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Closed with 1008.
    Close,
    /// Misses messages, and gets the latest of each key when the queue is empty again.
    Latest,
}

impl FromStr for Overflow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "close" => Ok(Self::Close),
            "latest" => Ok(Self::Latest),
            _ => Err("expected close or latest".to_owned()),
        }
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "close",
            Self::Latest => "latest",
        })
    }
}

/// What happens to slow readers in the rooms whose names match.
#[derive(Clone, Debug)]
pub struct OverflowRule {
    pattern: WildMatch,
    policy: Overflow,
}

impl FromStr for OverflowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pattern, policy) = text.rsplit_once('=').unwrap_or((text, ""));
        let policy = policy.parse().map_err(|_| {
            "expected a pattern and close or latest, such as plant*=latest".to_owned()
        })?;
        Ok(Self {
            pattern: WildMatch::new(pattern),
            policy,
        })
    }
}

impl fmt::Display for OverflowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.policy)
    }
}

/// What is different in the rooms whose names match. What it does not set is as in all rooms.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomRule {
    pattern: WildMatch,
    /// In place of `history`.
    pub history: Option<usize>,
    /// In place of `history_bytes`.
    pub history_bytes: Option<usize>,
    /// In place of `history_time`.
    pub history_time: Option<Timeout>,
    /// In place of `max_keys`.
    pub max_keys: Option<usize>,
    /// In place of `retain`.
    pub retain: Option<usize>,
    /// In place of `retain_bytes`.
    pub retain_bytes: Option<usize>,
    /// In place of `retain_time`.
    pub retain_time: Option<Timeout>,
    /// What happens to slow readers, unless a rule of `overflow` says it.
    pub overflow: Option<Overflow>,
}

impl RoomRule {
    /// A rule that sets nothing yet. In a pattern `*` is any characters, and `?` is one.
    pub fn new(pattern: &str) -> Self {
        Self {
            pattern: WildMatch::new(pattern),
            history: None,
            history_bytes: None,
            history_time: None,
            max_keys: None,
            retain: None,
            retain_bytes: None,
            retain_time: None,
            overflow: None,
        }
    }

    /// The pattern of the rooms that it is for.
    pub fn pattern(&self) -> String {
        self.pattern.pattern()
    }
}

/// What holds in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Messages that it remembers without a key, and of each key.
    pub history: usize,
    /// Bytes of memory of them.
    pub history_bytes: usize,
    /// Time for which it remembers them.
    pub history_time: Timeout,
    /// Keys of which it keeps the latest message.
    pub max_keys: usize,
    /// What happens to slow readers.
    pub overflow: Overflow,
}

/// How much of a room is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages; 0 for all.
    pub count: usize,
    /// Bytes of them; 0 for no limit.
    pub bytes: usize,
    /// For how long.
    pub time: Timeout,
}

impl Limits {
    /// How much of the room of this name is kept on disk.
    pub fn retention_of_room(&self, name: &str) -> Retention {
        let rule = self.rooms.iter().find(|rule| rule.pattern.matches(name));
        Retention {
            count: rule.and_then(|it| it.retain).unwrap_or(self.retain),
            bytes: rule
                .and_then(|it| it.retain_bytes)
                .unwrap_or(self.retain_bytes),
            time: rule
                .and_then(|it| it.retain_time)
                .unwrap_or(self.retain_time),
        }
    }

    /// What holds in the room of this name: what the first rule that matches sets, and else what holds in all.
    pub fn of_room(&self, name: &str) -> RoomLimits {
        let rule = self.rooms.iter().find(|rule| rule.pattern.matches(name));
        let mut policies = self.overflow.iter();
        let policy = policies
            .find(|it| it.pattern.matches(name))
            .map(|it| it.policy);
        RoomLimits {
            history: rule.and_then(|it| it.history).unwrap_or(self.history),
            history_bytes: rule
                .and_then(|it| it.history_bytes)
                .unwrap_or(self.history_bytes),
            history_time: rule
                .and_then(|it| it.history_time)
                .unwrap_or(self.history_time),
            max_keys: rule.and_then(|it| it.max_keys).unwrap_or(self.max_keys),
            overflow: policy
                .or_else(|| rule.and_then(|it| it.overflow))
                .unwrap_or(Overflow::Close),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(patterns: &[&str]) -> Limits {
        Limits {
            rooms: patterns.iter().map(|it| RoomRule::new(it)).collect(),
            ..Limits::default()
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let mut limits = with(&["plant-1", "plant-*"]);
        limits.rooms[0].history = Some(1);
        limits.rooms[1].history = Some(2);
        limits.rooms[1].max_keys = Some(3);
        let of = |name| {
            let RoomLimits {
                history, max_keys, ..
            } = limits.of_room(name);
            (history, max_keys)
        };
        assert_eq!(of("plant-1"), (1, limits.max_keys));
        assert_eq!(of("plant-2"), (2, 3));
        assert_eq!(of("lobby"), (limits.history, limits.max_keys));
    }

    #[test]
    fn a_flag_for_slow_readers_comes_before_the_rule_of_the_room() {
        let mut limits = with(&["plant-*"]);
        limits.rooms[0].overflow = Some(Overflow::Latest);
        limits.overflow = vec![
            "plant-1=close".parse().unwrap(),
            "tea=latest".parse().unwrap(),
        ];
        let of = |name| limits.of_room(name).overflow;
        assert_eq!(
            ["plant-1", "plant-2", "tea", "lobby"].map(of),
            [
                Overflow::Close,
                Overflow::Latest,
                Overflow::Latest,
                Overflow::Close
            ]
        );
    }
}
