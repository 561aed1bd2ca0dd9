//! Which characters of a name are seen, or change how others are seen where scripts need that.

use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::emoji::is_regional_indicator;
use unicode_properties::{GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Asks for the coloured form of an emoji.
const EMOJI_PRESENTATION: char = '\u{fe0f}';
/// Makes a key of the digit before it.
const KEYCAP: char = '\u{20e3}';

/// The black flag, and what of it makes that of a part of a country (UTS 51, ED-14a): its code in tags, and the last tag.
const FLAG: char = '\u{1f3f4}';
const TAG_BASE: char = '\u{e0020}';
const TAG_END: char = '\u{e007f}';

/// Chooses among the forms of an ideograph, as names in Japanese registers need it (UTS 37).
const FIRST_VARIATION: char = '\u{e0100}';
const LAST_VARIATION: char = '\u{e01ef}';

/// Canonical combining class of the marks that take a consonant's vowel away (UAX 44, `Virama`).
const VIRAMA: u8 = 9;

/// Whether there is nothing in a text that people do not see: no controls, no spaces but the plain one, none of Unicode's
/// format characters, the direction overrides among them, and no letters and marks that show nothing. Joiners may stand
/// where they change what is seen.
pub(super) fn is_visible(text: &str) -> bool {
    text.char_indices().all(|(at, c)| {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        match c {
            ' ' => true,
            NON_JOINER => parts_letters(before, after) || shows_virama(before, after),
            JOINER => {
                joins_emoji(before, after)
                    || shows_half_form(before, after)
                    || keeps_ra(before, after)
            }
            TAG_BASE..=TAG_END => is_in_flag(before, c, after),
            FIRST_VARIATION..=LAST_VARIATION => before.ends_with(is_ideograph),
            EMOJI_PRESENTATION => ends_with_emoji(before) || after.starts_with(KEYCAP),
            _ => !is_unseen(c),
        }
    })
}

/// Whether it is one of the two characters that are only seen by what they do to their neighbours.
pub(super) fn is_joiner(c: char) -> bool {
    matches!(c, NON_JOINER | JOINER)
}

/// Between letters that would be joined without it, as in Persian (UAX 31, A1).
fn parts_letters(before: &str, after: &str) -> bool {
    let joining = |c: char| Some(get_joining_type(c)).filter(|it| *it != JoiningType::Transparent);
    let left = before.chars().rev().find_map(joining);
    let right = after.chars().find_map(joining);
    matches!(
        left,
        Some(JoiningType::DualJoining | JoiningType::LeftJoining)
    ) && matches!(
        right,
        Some(JoiningType::DualJoining | JoiningType::RightJoining)
    )
}

/// Behind a virama and before a letter, which it keeps from growing together (UAX 31, A2).
fn shows_virama(before: &str, after: &str) -> bool {
    let next = after.chars().find(|c| canonical_combining_class(*c) == 0);
    follows_virama(before) && next.is_some_and(char::is_alphabetic)
}

/// Behind a virama and before no mark, as in Malayalam and Sinhala (UAX 31, B).
fn shows_half_form(before: &str, after: &str) -> bool {
    follows_virama(before) && !after.starts_with(is_combining_mark)
}

/// Between ra and a virama, which otherwise are a mark above the next letter, in Bengali and Kannada (The Unicode Standard,
/// sections 12.2 and 12.8).
fn keeps_ra(before: &str, after: &str) -> bool {
    const WITH_VIRAMA: [(char, char); 2] = [('\u{9b0}', '\u{9cd}'), ('\u{cb0}', '\u{ccd}')];
    let mut pairs = WITH_VIRAMA.iter();
    pairs.any(|(ra, virama)| before.ends_with(*ra) && after.starts_with(*virama))
}

/// Whether a tag belongs to a flag that is whole: three to six letters and digits, and the end.
fn is_in_flag(before: &str, tag: char, after: &str) -> bool {
    let is_tag = |c: char| (TAG_BASE..TAG_END).contains(&c);
    let base = before.trim_end_matches(is_tag);
    let code = before[base.len()..].chars().chain([tag]);
    let code = code.chain(after.chars());
    let code: Vec<char> = code.take_while(|c| is_tag(*c)).collect();
    let end = if tag == TAG_END {
        TAG_END
    } else {
        let rest = after.trim_start_matches(is_tag);
        rest.chars().next().unwrap_or_default()
    };
    let is_code = |c: &char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    base.ends_with(FLAG)
        && (3..=6).contains(&code.len())
        && code.iter().all(is_code)
        && end == TAG_END
}

/// One of the characters that have ideographic variants: the unified ones, and those for compatibility.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// A letter, its marks, and a virama.
fn follows_virama(before: &str) -> bool {
    let mut reversed = before.chars().rev();
    let class = |c: char| canonical_combining_class(c);
    let mark = reversed.find(|c| matches!(class(*c), 0 | VIRAMA));
    let letter = reversed.find(|c| !is_combining_mark(*c));
    mark.is_some_and(|c| class(c) == VIRAMA) && letter.is_some_and(char::is_alphabetic)
}

/// Between two emoji of a sequence, as in families (UTS 51, ED-16).
fn joins_emoji(before: &str, after: &str) -> bool {
    let before = before.strip_suffix(EMOJI_PRESENTATION).unwrap_or(before);
    ends_with_emoji(before) && after.starts_with(is_emoji)
}

fn ends_with_emoji(text: &str) -> bool {
    text.ends_with(is_emoji)
}

/// An emoji on its own, not a digit or half a flag.
fn is_emoji(c: char) -> bool {
    c.is_emoji_char() && !c.is_ascii() && !is_regional_indicator(c)
}

fn is_unseen(c: char) -> bool {
    let is_blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{16fe4}' | '\u{e0100}'..='\u{e01ef}');
    is_blank
        || match c.general_category() {
            GeneralCategory::SpaceSeparator => c != ' ',
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::Surrogate => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_where_scripts_need_them() {
        for good in [
            "می\u{200c}خواهم",
            "خانه\u{200c}ها",
            "അവന്\u{200d}",
            "ന്\u{200d}റെ",
            "ශ්\u{200d}රී",
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}🚀",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🇩🇪",
            "র\u{200d}্যাচেল",
            "ರ\u{200d}್ಯಾನ್",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "葛\u{e0100}城",
        ] {
            assert!(is_visible(good), "{good:?}");
        }
    }

    #[test]
    fn and_nowhere_else() {
        for bad in [
            "al\u{200c}ice",
            "al\u{200d}ice",
            "\u{200c}خانه",
            "خانه\u{200c}",
            "خانه\u{200c}\u{200c}ها",
            // Reh joins nothing that follows it, so nobody sees that it is kept from it.
            "در\u{200c}ها",
            "خانه\u{200d}ها",
            "क\u{200d}ष",
            "क\u{200c}ष",
            "क्\u{200c}",
            "ന്\u{200d}\u{d3e}",
            "\u{94d}\u{200d}",
            "👨\u{200d}",
            "\u{200d}👨",
            "👨\u{200d}\u{200d}👨",
            "a\u{200d}👨",
            "1\u{200d}2",
            "🇩\u{200d}🇪",
            "a\u{fe0f}",
            "1\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "❤\u{fe0e}",
            "র\u{200d}ক",
            "क\u{200d}्",
            "🏴\u{e0067}\u{e0062}",
            "🏴\u{e0067}\u{e007f}",
            "🏴\u{e007f}",
            "a\u{e0067}\u{e0062}\u{e0065}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e007f}\u{e007f}",
            "a\u{e0100}",
            "葛\u{e0100}\u{e0101}",
        ] {
            assert!(!is_visible(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_seen() {
        for unseen in "\0\t\n\r\u{7f}\u{85}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{2003}\u{200b}\
            \u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{2800}\u{3000}\u{3164}\
            \u{e000}\u{fe00}\u{feff}\u{ffa0}\u{fff9}\u{1d173}\u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{10ffff}"
            .chars()
        {
            assert!(!is_visible(&format!("a{unseen}b")), "{unseen:?}");
        }
    }
}
