//! The name of a room: a type that can only hold a valid one.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use percent_encoding::percent_decode_str;
use unicode_normalization::char::is_combining_mark;

use serde::{Deserialize, Serialize};

use crate::core::chat::visible::{is_joiner, is_visible};
use crate::limits::MAX_ROOM_NAME;

/// 1 to 64 characters: letters, with their marks, and digits of any script, and `-`, `_`, `.`, `:`, all of which can be
/// seen; but neither `.` nor `..`, which clients take for steps in a path. Compared byte for byte. One pointer wide: each connection has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomName(Rc<String>);

impl RoomName {
    /// The room of those who name none.
    pub const DEFAULT: &'static str = "lobby";

    /// A name as people write it; `None` if it is not valid.
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = |c: char| {
            c.is_alphanumeric()
                || is_combining_mark(c)
                || is_joiner(c)
                || matches!(c, '-' | '_' | '.' | ':')
        };
        if matches!(text, "." | "..") || text.starts_with(is_combining_mark) {
            return None;
        }
        // Bounded before it is counted: a character is at most four bytes.
        if text.is_empty() || text.len() > 4 * MAX_ROOM_NAME || text.chars().count() > MAX_ROOM_NAME
        {
            return None;
        }
        (text.chars().all(is_valid) && is_visible(text)).then(|| Self(Rc::new(text.to_owned())))
    }

    /// A name as it stands in a URL's path, percent-encoded UTF-8; `None` if it is not valid.
    pub fn parse_encoded(text: &str) -> Option<Self> {
        Self::parse(&percent_decode_str(text).decode_utf8().ok()?)
    }
}

impl RoomName {
    /// The name as people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RoomName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "lobby",
            "tea-1_a.b:c",
            "茶室",
            "чай",
            "हिन्दी",
            "ห้อง",
            "می\u{200c}خواهم",
            "അവന്\u{200d}",
            "e\u{301}",
            "...",
            "a",
            &"é".repeat(64),
        ] {
            assert_eq!(
                RoomName::parse(good)
                    .map(|name| name.to_string())
                    .as_deref(),
                Some(good)
            );
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "<b>",
            "\u{202e}x",
            "a\u{200c}b",
            "a\u{200d}b",
            "a\u{3164}b",
            "a\u{115f}",
            "a\u{34f}b",
            "a\u{fe0f}",
            "a\u{e0100}",
            "a\u{17b4}",
            "a\n",
            ".",
            "..",
            "\u{301}e",
            &"é".repeat(65),
            &"a".repeat(1000),
        ] {
            assert_eq!(RoomName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_in_a_path() {
        assert_eq!(RoomName::parse_encoded("%E8%8C%B6"), RoomName::parse("茶"));
        assert_eq!(RoomName::parse_encoded("%ff"), None);
        assert_eq!(RoomName::parse_encoded("a%2Fb"), None);
        assert_eq!(RoomName::parse_encoded("a%E2%80%AEb"), None);
    }
}
