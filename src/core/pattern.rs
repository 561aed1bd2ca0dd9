//! Patterns of rooms, as tokens have them: `*` is any characters, `?` is one.
//!
//! A name is matched in one step for each of its characters, whatever the pattern: all ways in which a pattern may go on
//! are bits of one number (Baeza-Yates and Gonnet, 1992). There are few enough, because a name has 64 characters at most.

use std::collections::BTreeSet;

use crate::core::chat::RoomName;
use crate::limits::MAX_ROOM_NAME;

/// The rooms that a token names, by themselves or by patterns.
#[derive(Debug, Default)]
pub(super) struct RoomPatterns {
    names: BTreeSet<RoomName>,
    /// In the order of their heads.
    wild: Vec<WildPattern>,
    /// Where in the order of names they may be, without overlap.
    scopes: Vec<Scope>,
}

/// A part of all names, in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// All that begin with this.
    Head(Box<str>),
    /// This one.
    Name(RoomName),
}

impl Scope {
    /// Where it begins.
    pub(super) fn start(&self) -> &str {
        match self {
            Self::Head(head) => head,
            Self::Name(name) => name.as_str(),
        }
    }

    pub(super) fn contains(&self, name: &RoomName) -> bool {
        match self {
            Self::Head(head) => name.as_str().starts_with(&**head),
            Self::Name(only) => name == only,
        }
    }
}

/// What came of trying patterns on a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MatchResult {
    pub(super) matches: bool,
    /// Patterns that were tried.
    pub(super) patterns: usize,
}

impl RoomPatterns {
    /// Whether there is no room that they could match.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.wild.is_empty()
    }

    pub(super) fn new(globs: &[String]) -> Self {
        let (wild, plain): (Vec<_>, Vec<_>) = globs.iter().partition(|glob| glob.contains(is_wild));
        // What is no name is that of no room.
        let names: BTreeSet<_> = plain.iter().filter_map(|it| RoomName::parse(it)).collect();
        let mut wild: Vec<_> = wild.iter().filter_map(|it| WildPattern::new(it)).collect();
        wild.sort_by(|one, other| one.head.cmp(&other.head));
        let scopes = scopes(&names, &wild);
        Self {
            names,
            wild,
            scopes,
        }
    }

    pub(super) fn matches(&self, name: &RoomName) -> bool {
        self.try_on(name).matches
    }

    /// The same, and what it took.
    pub(super) fn try_on(&self, name: &RoomName) -> MatchResult {
        if self.names.contains(name) {
            return MatchResult {
                matches: true,
                patterns: 0,
            };
        }
        let mut patterns = 0;
        let matches = self.wild.iter().any(|pattern| {
            let may_match = name.as_str().starts_with(&*pattern.head);
            patterns += usize::from(may_match);
            may_match && pattern.matches(name.as_str())
        });
        MatchResult { matches, patterns }
    }

    /// Where in the order of names all are that match.
    pub(super) fn scopes(&self) -> &[Scope] {
        &self.scopes
    }
}

/// Heads that begin with another, and names that begin with a head, are in its scope already.
fn scopes(names: &BTreeSet<RoomName>, wild: &[WildPattern]) -> Vec<Scope> {
    let mut heads: Vec<&str> = Vec::new();
    for WildPattern { head, .. } in wild {
        // Those that begin with a head follow it in their order.
        if !heads.last().is_some_and(|last| head.starts_with(last)) {
            heads.push(head);
        }
    }
    let is_alone = |name: &&RoomName| {
        let after = heads.partition_point(|head| *head <= name.as_str());
        !heads[..after]
            .last()
            .is_some_and(|head| name.as_str().starts_with(head))
    };
    let names = names.iter().filter(is_alone).cloned().map(Scope::Name);
    let mut scopes: Vec<Scope> = names.collect();
    scopes.extend(heads.iter().map(|&head| Scope::Head(head.into())));
    scopes.sort_by(|one, other| one.start().cmp(other.start()));
    scopes
}

/// Whether a pattern matches every name that another one matches. Where that cannot be told from the two, it does not.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    if wide.len().max(narrow.len()) > 2 * MAX_ROOM_NAME + 1 {
        return false;
    }
    // `reached[i]`: the first `i` characters of the wide one match what was seen of the narrow one, whose `*` and `?` are
    // characters that only the same, or a `*`, takes.
    let mut reached = vec![false; wide.len() + 1];
    reached[0] = true;
    let follow_stars = |reached: &mut Vec<bool>| {
        for (at, c) in wide.iter().enumerate() {
            reached[at + 1] |= reached[at] && *c == '*';
        }
    };
    follow_stars(&mut reached);
    for c in narrow {
        let mut next = vec![false; wide.len() + 1];
        for (at, wanted) in wide.iter().enumerate() {
            match wanted {
                '*' => next[at] |= reached[at],
                '?' => next[at + 1] |= reached[at] && c != '*',
                wanted => next[at + 1] |= reached[at] && *wanted == c,
            }
        }
        follow_stars(&mut next);
        reached = next;
    }
    reached[wide.len()]
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?')
}

/// A pattern with wildcards that can match a name.
#[derive(Debug)]
struct WildPattern {
    /// What stands before the first wildcard.
    head: Box<str>,
    /// Bit `i` of a character: it may be the character `i` of the pattern, stars left out.
    positions: Vec<(char, u128)>,
    /// The same of any character.
    anywhere: u128,
    /// Bit `i`: a star stands before the character `i`, or at the end.
    stars: u128,
    /// The bit of the end.
    end: u128,
}

impl WildPattern {
    /// `None` if it is too long for any name.
    fn new(glob: &str) -> Option<Self> {
        let head = glob.split(is_wild).next().unwrap_or_default();
        let mut pattern = Self {
            head: head.into(),
            positions: Vec::new(),
            anywhere: 0,
            stars: 0,
            end: 1,
        };
        for c in glob.chars() {
            if c == '*' {
                pattern.stars |= pattern.end;
                continue;
            }
            if pattern.end == 1 << MAX_ROOM_NAME {
                return None;
            }
            match c {
                '?' => pattern.anywhere |= pattern.end,
                c => pattern.add(c),
            }
            pattern.end <<= 1;
        }
        Some(pattern)
    }

    fn add(&mut self, c: char) {
        match self.positions.binary_search_by_key(&c, |(other, _)| *other) {
            Ok(found) => self.positions[found].1 |= self.end,
            Err(position) => self.positions.insert(position, (c, self.end)),
        }
    }

    fn positions_of(&self, c: char) -> u128 {
        let found = self.positions.binary_search_by_key(&c, |(other, _)| *other);
        self.anywhere | found.map_or(0, |found| self.positions[found].1)
    }

    fn matches(&self, name: &str) -> bool {
        // Bit `i`: what was seen of the name may be the first `i` characters of the pattern.
        let mut reached = 1;
        for c in name.chars() {
            reached = ((reached & self.positions_of(c)) << 1) | (reached & self.stars);
            if reached == 0 {
                return false;
            }
        }
        reached & self.end != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wildmatch::WildMatch;

    use super::*;

    fn patterns(globs: &[&str]) -> RoomPatterns {
        RoomPatterns::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn a_pattern_is_as_long_as_a_name_may_be() {
        let name = room(&"é".repeat(64));
        for glob in [
            "é".repeat(64),
            "?".repeat(64),
            "*é".repeat(64),
            "*".repeat(3000),
        ] {
            assert!(patterns(&[&glob]).matches(&name), "{glob}");
        }
        for glob in ["?".repeat(65), "*é".repeat(65), "é".repeat(65)] {
            assert!(!patterns(&[&glob]).matches(&name), "{glob}");
        }
    }

    #[test]
    fn only_patterns_that_begin_alike_are_tried() {
        let set = patterns(&["tea-*", "tea-1*", "lobby", "x*", "y*"]);
        let tried = |matches, patterns| MatchResult { matches, patterns };
        assert_eq!(set.try_on(&room("lobby")), tried(true, 0));
        assert_eq!(set.try_on(&room("tea-1")), tried(true, 1));
        assert_eq!(set.try_on(&room("tea")), tried(false, 0));
    }

    #[test]
    fn scopes_do_not_overlap() {
        let names = |globs: &[&str]| -> Vec<String> {
            let set = patterns(globs);
            let scopes = set.scopes().iter().map(|scope| match scope {
                Scope::Head(head) => format!("{head}*"),
                Scope::Name(name) => name.to_string(),
            });
            scopes.collect()
        };
        assert_eq!(
            names(&["b", "tea-?", "tea-1", "tea-1*", "a*z", "no name", "tea"]),
            ["a*", "b", "tea", "tea-*"]
        );
        assert_eq!(names(&["b", "x*", "*y"]), ["*"]);
    }

    fn glob() -> impl Strategy<Value = String> {
        let c = prop_oneof![Just('a'), Just('b'), Just('é'), Just('*'), Just('?')];
        prop::collection::vec(c, 0..12).prop_map(|it| it.into_iter().collect())
    }

    #[test]
    fn a_pattern_covers_others() {
        for (wide, narrow) in [
            ("*", "*"),
            ("*", "plant-*"),
            ("plant-*", "plant-*"),
            ("plant-*", "plant-1*"),
            ("plant-*", "plant-?"),
            ("plant-*", "plant-"),
            ("plant", "plant"),
            ("?", "a"),
            ("*a*", "*ba?"),
            ("**", "*?"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("plant-*", "*"),
            ("plant-*", "plant*"),
            ("?", "*"),
            ("a", "?"),
            ("plant-?", "plant-*"),
            ("", "a"),
            ("*b", "*"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_is_matched_by_both(
            wide in "[ab*?]{0,5}", narrow in "[ab*?]{0,5}", name in "[ab]{1,5}",
        ) {
            let matches = |glob: &str| WildMatch::new(glob).matches(&name);
            prop_assert!(!covers(&wide, &narrow) || !matches(&narrow) || matches(&wide));
        }

        #[test]
        fn all_agree_on_what_matches(globs in prop::collection::vec(glob(), 0..4), name in "[abé]{1,10}") {
            let set = RoomPatterns::new(&globs);
            let name = room(&name);
            let expected = globs.iter().any(|glob| WildMatch::new(glob).matches(name.as_str()));
            prop_assert_eq!(set.matches(&name), expected);
            let scopes = set.scopes().iter().filter(|it| it.contains(&name)).count();
            prop_assert!(scopes == usize::from(expected) || (scopes == 1 && !expected));
        }
    }
}
