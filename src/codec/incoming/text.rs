//! Texts that others have written, as people can read them.

use crate::limits::{MAX_ALARM_TEXT, MAX_INCOMING_LINK, MAX_INCOMING_TEXT};

/// What there is of a text, if there is more than space.
pub(super) fn some(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// The beginning of a text, with a sign that there was more.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text[..end].trim_end())
}

/// A text of an alarm, without what a terminal obeys or what turns its letters around.
pub(super) fn alarm(text: &str) -> String {
    let is_plain = |c: &char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        matches!(c, '\n' | '\t') || !(c.is_control() || turns)
    };
    let plain: String = text.chars().filter(is_plain).collect();
    cut(&plain, MAX_ALARM_TEXT)
}

/// A text that is as long as a message for people may be.
pub(super) fn readable(text: &str) -> String {
    cut(text, MAX_INCOMING_TEXT)
}

/// The first line of a text.
pub(super) fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// Whether a browser can follow this without harm.
pub(super) fn is_link(href: &str) -> bool {
    let rest = href
        .strip_prefix("https://")
        .or_else(|| href.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && href.len() <= MAX_INCOMING_LINK
        && !href.contains(|c: char| c.is_whitespace() || c.is_control())
}
