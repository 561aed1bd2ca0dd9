//! The name someone has chosen: a type that can only hold a valid one.

use std::rc::Rc;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::person::GUEST_PREFIX;
use crate::limits::{MAX_PERSON_NAME, MAX_TOKEN_NAME};

/// 1 to 32 characters that can be seen, with single spaces between them; spaces around it are dropped. Two names that
/// differ only in case, or in how the same characters are written (NFKC), are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct PersonName {
    shown: Rc<str>,
    folded: String,
}

impl PersonName {
    /// A name as people write it; `None` if it is not valid, or looks like a guest's.
    pub(in crate::core) fn parse(text: &str) -> Option<Self> {
        Self::within(text.trim_matches(' '), MAX_PERSON_NAME)
    }

    /// The name that a token gives, exactly as it stands there: others may make longer ones, as a UUID is.
    pub(in crate::core) fn of_token(sub: &str) -> Option<Self> {
        let is_bare = sub.trim_matches(' ') == sub;
        Self::within(sub, MAX_TOKEN_NAME).filter(|_| is_bare)
    }

    fn within(shown: &str, most: usize) -> Option<Self> {
        // Bounded before it is counted: a character is at most four bytes.
        if shown.is_empty() || shown.len() > 4 * most {
            return None;
        }
        if shown.chars().count() > most
            || shown.contains("  ")
            || shown.starts_with(is_combining_mark)
            || shown.chars().any(is_unseen)
            || is_like_a_line(shown)
        {
            return None;
        }
        let folded = fold(shown);
        if folded.starts_with(GUEST_PREFIX) || folded.trim().is_empty() {
            return None;
        }
        Some(Self {
            shown: shown.into(),
            folded,
        })
    }

    /// Whether people would take two names for one.
    pub(in crate::core) fn is_same(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    pub(in crate::core) fn shown(&self) -> Rc<str> {
        Rc::clone(&self.shown)
    }

    pub(super) fn folded(&self) -> &str {
        &self.folded
    }
}

/// What two names are compared by.
pub(super) fn fold(name: &str) -> String {
    let lower: String = name
        .trim()
        .chars()
        // Asks for the coloured form of an emoji.
        .filter(|&c| c != '\u{fe0f}')
        .nfkc()
        // One capital may have several small letters (σ and ς, i and ı), and one small letter several capitals (ß).
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .map(plain_dash)
        .collect();
    lower.nfkc().collect()
}

/// Nobody tells `guest‐1` from `guest-1`.
fn plain_dash(c: char) -> char {
    match get_general_category(c) {
        GeneralCategory::DashPunctuation => '-',
        _ => c,
    }
}

/// What the line port would show as if the server, or somebody else, had said it: `* bob has left`, `bob: hello`,
/// `bob -> ann`.
fn is_like_a_line(name: &str) -> bool {
    name.starts_with(['*', '!']) || name.contains(": ") || name.contains("->")
}

/// Characters that are not seen, or that change how others are: controls, spaces but the plain one, Unicode's format
/// characters, the direction overrides among them, and a few letters and marks that show nothing.
fn is_unseen(c: char) -> bool {
    let is_blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}');
    is_blank
        || match get_general_category(c) {
            GeneralCategory::SpaceSeparator => c != ' ',
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "alice",
            "Alice B.",
            "茶",
            "हिन्दी",
            "<b>",
            "🍵",
            &"é".repeat(32),
        ] {
            let name = PersonName::parse(good).map(|name| name.shown().to_string());
            assert_eq!(name.as_deref(), Some(good));
        }
        for bad in [
            "",
            " ",
            "a  b",
            "a\tb",
            "a\n",
            "\u{202e}evil",
            "a\u{200b}b",
            "alice\u{1d173}",
            "a\u{e0041}",
            "\u{a0}",
            "\u{301}a",
            "guest-ab12",
            "* bob has left,",
            "! no",
            "bob: hello",
            "bob -> ann",
            "Guest-x",
            "ｇuest-x",
            "guest\u{2011}ab12",
            "guest\u{2013}ab12",
            &"é".repeat(33),
            &"a".repeat(1000),
        ] {
            assert_eq!(PersonName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_may_give_a_longer_one() {
        for sub in [
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "google-oauth2|103547991597142817347",
            &"a".repeat(64),
        ] {
            assert!(PersonName::of_token(sub).is_some(), "{sub}");
            assert!(PersonName::parse(sub).is_none(), "{sub}");
        }
        for bad in ["", " alice", "alice ", "guest-1", &"a".repeat(65)] {
            assert!(PersonName::of_token(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn who_looks_the_same_is_the_same() {
        let folded = |text| PersonName::parse(text).unwrap().folded;
        assert_eq!(folded("Alice"), folded(" aLICE "));
        assert_eq!(folded("Ａlice"), folded("alice"));
        assert_eq!(folded("Zoe\u{308}"), folded("zoë"));
        assert_eq!(folded("Νίκος"), folded("ΝΊΚΟΣ"));
        assert_eq!(folded("Weiß"), folded("WEISS"));
        assert_eq!(folded("Ida"), folded("ıda"));
        assert_eq!(folded("Anne–Marie"), folded("anne-marie"));
        assert_ne!(folded("alice"), folded("alicia"));
    }
}
