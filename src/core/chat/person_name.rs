//! The name someone has chosen: a type that can only hold a valid one.

use std::rc::Rc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::confusable_detection::skeleton;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

use crate::core::chat::person::{Author, GUEST_PREFIX, Name, PublicId};
use crate::core::chat::visible::{is_joiner, is_visible};
use crate::limits::{MAX_PERSON_NAME, MAX_TOKEN_NAME};

/// 1 to 32 characters that can be seen, with single spaces between them; spaces around it are dropped. Two names that
/// look the same (see [`NameSkeleton`]) are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct PersonName {
    shown: Rc<str>,
    skeleton: NameSkeleton,
}

impl PersonName {
    /// A name as people write it; `None` if it is not valid, looks like a guest's, or mixes scripts within a word.
    pub(in crate::core) fn parse(text: &str) -> Option<Self> {
        let name = Self::within(text.trim_matches(' '), MAX_PERSON_NAME)?;
        (!mixes_scripts(&name.shown)).then_some(name)
    }

    /// The name that a token gives, exactly as it stands there: others may make longer ones, as a UUID is, and answer for
    /// how they are written.
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
            || !is_visible(shown)
        {
            return None;
        }
        let skeleton = NameSkeleton::of(shown);
        let is_like = |what: fn(&str) -> bool| what(shown) || skeleton.keys().any(what);
        if is_like(is_like_a_line) || is_like(is_like_a_guest) {
            return None;
        }
        Some(Self {
            shown: shown.into(),
            skeleton,
        })
    }

    pub(in crate::core) fn shown(&self) -> Rc<str> {
        Rc::clone(&self.shown)
    }

    /// What it is found by; see [`NameSkeleton::keys`].
    pub(in crate::core) fn keys(&self) -> impl Iterator<Item = &str> {
        self.skeleton.keys()
    }
}

impl Author {
    /// Whoever others know by this id and this name: a guest, or someone whose name they, or their token, have chosen.
    /// `None` if nobody can be.
    pub(in crate::core) fn parse(id: &str, name: &str) -> Option<Self> {
        let is_guest = is_like_a_guest(name) && is_visible(name) && name.len() <= MAX_PERSON_NAME;
        let is_name = is_guest || PersonName::of_token(name).is_some();
        let id = PublicId::parse(id).filter(|_| is_name)?;
        Some(Self::stored(id.number(), name))
    }
}

/// What two names are compared by: the skeletons of UTS 39 section 4, which are equal for what looks the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameSkeleton {
    /// Without case: `alice` is `ALICE`, and `Bob` is `b0b`.
    folded: String,
    /// Others, where they differ. With case: `Ida` looks like `lda`, which `ida` does not. And that without case: the
    /// Cyrillic В looks like B, though в does not look like b.
    others: Vec<String>,
}

impl NameSkeleton {
    pub(super) fn of(name: &str) -> Self {
        // Prototypes have case: 0 looks like O.
        let without_case = |name: &str| fold(&skeleton(&fold(name)).collect::<String>());
        let folded = without_case(name);
        let compatible: String = name.trim().nfkc().collect();
        let cased: String = skeleton(&compatible).collect();
        let mut others = vec![without_case(&cased), cased];
        others.dedup();
        others.retain(|other| *other != folded);
        Self { folded, others }
    }

    /// The look of a name that someone has; guests' names differ from each other by themselves.
    pub(super) fn of_name(name: &Name) -> Self {
        match name {
            // Such a one comes from a store.
            Name::Chosen(shown) if is_like_a_guest(shown) => Self {
                folded: shown.to_string(),
                others: Vec::new(),
            },
            Name::Chosen(shown) => Self::of(shown),
            Name::Guest(guest) => Self {
                folded: guest.to_string(),
                others: Vec::new(),
            },
        }
    }

    /// The look of what someone calls another.
    pub(super) fn of_mention(text: &str) -> Option<Self> {
        // Longer than any name; a character is at most four bytes.
        if text.len() > 4 * MAX_TOKEN_NAME {
            return None;
        }
        let folded = fold(text);
        let others = Vec::new();
        Some(match is_like_a_guest(&folded) {
            true => Self { folded, others },
            false => Self::of(text),
        })
    }

    /// One to three texts: who has one of another's is taken for them.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = [&self.folded].into_iter().chain(&self.others);
        keys.map(String::as_str)
    }
}

/// A name without case, and in the one form of those that mean the same (NFKC).
fn fold(name: &str) -> String {
    let lower: String = name
        .trim()
        .nfkc()
        // One capital may have several small letters (σ and ς, i and ı), and one small letter several capitals (ß).
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .map(plain_dash)
        .collect();
    lower.nfkc().collect()
}

/// Nobody tells `guest—1` from `guest-1`, which skeletons do.
fn plain_dash(c: char) -> char {
    match c.general_category() {
        GeneralCategory::DashPunctuation => '-',
        _ => c,
    }
}

fn is_like_a_guest(name: &str) -> bool {
    name.starts_with(GUEST_PREFIX)
}

/// What the line port would show as if the server, or somebody else, had said it: `* bob has left`, `bob: hello`,
/// `bob -> ann`.
fn is_like_a_line(name: &str) -> bool {
    name.starts_with(['*', '!']) || name.contains(": ") || name.contains("->")
}

/// Whether a word is of letters that are not written together, as a Latin one with a Cyrillic а in it is (UTS 39 section
/// 5.2, below "moderately restrictive"). Next to each other such words are fine.
fn mixes_scripts(name: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || is_combining_mark(c) || is_joiner(c);
    let mut words = name.split(|c| !is_of_word(c));
    words.any(|word| {
        // Joiners belong to all scripts, and have been looked at.
        let word: String = word.chars().filter(|c| !is_joiner(*c)).collect();
        AugmentedScriptSet::for_str(&word).is_empty()
            && word.detect_restriction_level() > RestrictionLevel::ModeratelyRestrictive
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        for good in [
            "alice",
            "Alice B.",
            "茶",
            "हिन्दी",
            "می\u{200c}خواهم",
            "അവന്\u{200d}",
            "👨\u{200d}👩\u{200d}👧",
            "Анна Smith",
            "三菱UFJ",
            "Tシャツ",
            "Иван_B",
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
            "a\u{200c}b",
            "a\u{200d}b",
            "a\u{2066}b",
            "a\u{fe0f}",
            "\u{430}lice",
            "p\u{430}ypal",
            "gu\u{435}st-ab12",
            "guest\u{2014}ab12",
            "\u{2217} bob has left,",
            "bob\u{ff1a} hello",
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

    /// Whether people would take two names for one.
    fn is_same(a: &PersonName, b: &PersonName) -> bool {
        a.keys().any(|key| b.keys().any(|it| it == key))
    }

    fn look_the_same(a: &str, b: &str) -> bool {
        let [a, b] = [a, b].map(|name| PersonName::of_token(name).expect(name));
        assert_eq!(is_same(&a, &b), is_same(&b, &a));
        is_same(&a, &b)
    }

    #[test]
    fn who_looks_the_same_is_the_same() {
        for (a, b) in [
            ("Alice", "aLICE"),
            ("Ａlice", "alice"),
            ("Zoe\u{308}", "zoë"),
            ("Νίκος", "ΝΊΚΟΣ"),
            ("Weiß", "WEISS"),
            ("Ida", "ıda"),
            ("Anne–Marie", "anne-marie"),
            ("Anne—Marie", "anne-marie"),
            // Cyrillic, in part or whole, whatever the case.
            ("\u{430}lice", "alice"),
            ("\u{410}LICE", "alice"),
            ("сосо", "coco"),
            // Where only the capital letter looks like another.
            ("\u{412}\u{41e}\u{412}", "bob"),
            ("\u{412}ob", "bob"),
            ("\u{422}\u{41e}\u{41c}", "tom"),
            ("\u{39d}ick", "nick"),
            ("\u{41a}im", "kim"),
            // A capital I, a one, and a small l; a nought.
            ("paypaI", "paypal"),
            ("Ida", "lda"),
            ("b0b", "BOB"),
            ("corner", "comer"),
            // What is not seen on its own.
            ("می\u{200c}خواهم", "میخواهم"),
            ("👨\u{200d}👩", "👨👩"),
            ("❤\u{fe0f}", "❤"),
            ("葛\u{e0100}城", "葛城"),
        ] {
            assert!(look_the_same(a, b), "{a:?} {b:?}");
        }
        for (a, b) in [
            ("alice", "alicia"),
            ("Elia", "Ella"),
            ("Ali", "All"),
            ("ida", "lda"),
            ("茶", "茶室"),
            ("👨\u{200d}👩", "👨"),
        ] {
            assert!(!look_the_same(a, b), "{a:?} {b:?}");
        }
    }

    /// Letters of several scripts, some of which look the same, marks, joiners, emoji, and what is not seen.
    const ALPHABET: &str = "[aAbIl10O a\u{430}\u{410}\u{3b1}éß\u{301}\u{627}\u{647}\u{200c}\u{200d}\u{d28}\u{d4d}👨❤\u{fe0f}\u{202e}\u{2066}\u{200b}\u{feff}\u{3164}茶._:*>-]{0,12}";

    proptest! {
        #[test]
        fn no_name_hides_anything(text in ALPHABET) {
            if let Some(name) = PersonName::parse(&text) {
                let shown = name.shown();
                let is_hidden = |c| matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{feff}' | '\u{3164}');
                prop_assert!(!shown.contains(is_hidden));
                prop_assert!(PersonName::of_token(&shown).is_some(), "what one may choose a token may give");
                prop_assert_eq!(PersonName::parse(&shown), Some(name), "it is its own name");
            }
        }

        #[test]
        fn case_and_form_make_no_other_person(text in ALPHABET) {
            if let Some(name) = PersonName::of_token(&text) {
                let shown = name.shown();
                let composed: String = shown.nfc().collect();
                for other in [shown.to_uppercase(), shown.to_lowercase(), composed] {
                    if let Some(other) = PersonName::of_token(&other) {
                        prop_assert!(is_same(&name, &other) && is_same(&other, &name), "{:?}", other);
                    }
                }
                let mention = NameSkeleton::of_mention(&shown).unwrap();
                prop_assert!(name.keys().eq(mention.keys()));
            }
        }
    }
}
