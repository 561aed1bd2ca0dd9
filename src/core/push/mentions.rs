//! Whom a message names: `@ana`, wherever a word may begin.

use std::borrow::Cow;

use serde_json::Value;

use crate::core::chat::{Content, Message};
use crate::limits::{MAX_PUSH_MENTIONS, MAX_TOKEN_NAME};

/// Words of a name that are tried at most: names may have spaces in them.
const MAX_WORDS: usize = 3;

/// What a message says to people, if that is text: its own, or the field `text` of JSON.
pub(super) fn text_of<'a>(message: &Message<'a>) -> Option<Cow<'a, str>> {
    match message.content {
        Content::Text => str::from_utf8(message.body).ok().map(Into::into),
        Content::Json => {
            let fields: Value = serde_json::from_slice(message.body).ok()?;
            let text = fields
                .get("text")
                .or_else(|| fields.get("name"))?
                .as_str()?;
            Some(text.to_owned().into())
        }
        Content::Binary => None,
    }
}

/// What may be the names of those who are mentioned, each with the longest first: some for each `@`.
pub(super) fn names_in(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let places = text.match_indices('@').filter(|(place, _)| {
        let before = text[..*place].chars().next_back();
        !before.is_some_and(char::is_alphanumeric)
    });
    let places = places.take(MAX_PUSH_MENTIONS);
    places.map(|(place, _)| candidates(&text[place + 1..]))
}

/// The first words of a text: three, two and one, each as it is and without what ends a sentence.
fn candidates(text: &str) -> Vec<&str> {
    let most = text.char_indices().nth(MAX_TOKEN_NAME + 1);
    let text = most.map_or(text, |(end, _)| &text[..end]);
    let mut ends: Vec<usize> = text
        .match_indices(char::is_whitespace)
        .map(|(end, _)| end)
        .take(MAX_WORDS)
        .collect();
    if ends.len() < MAX_WORDS {
        ends.push(text.len());
    }
    let mut names = Vec::new();
    for end in ends.into_iter().rev() {
        let word = &text[..end];
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        // As in `Ana's`, and where no space follows the comma.
        let first = word.split(|c: char| !c.is_alphanumeric() && !"-_. ".contains(c));
        let first = first.into_iter().next().unwrap_or_default();
        for name in [word, bare, first] {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Vec<&str>> {
        names_in(text).collect()
    }

    #[test]
    fn names_are_found_where_words_begin() {
        assert_eq!(names("@ana"), [vec!["ana"]]);
        assert_eq!(names("hi @ana, look"), [vec!["ana, look", "ana", "ana,"]]);
        assert_eq!(
            names("(@Ben B. is here) @ana!"),
            [
                vec!["Ben B. is", "Ben B.", "Ben B", "Ben"],
                vec!["ana!", "ana"]
            ]
        );
        assert!(names("ana@example.org").is_empty());
        assert!(names("see @Ana's")[0].contains(&"Ana"));
        let of_two = names("@Ana,@bob");
        assert!(of_two[0].contains(&"Ana") && of_two[1].contains(&"bob"));
        for text in ["@安娜，你好", "@安娜。"] {
            assert!(names(text)[0].contains(&"安娜"), "{text}");
        }
        assert_eq!(names("@"), [vec![""; 0]]);
        let many = "@a ".repeat(100);
        assert_eq!(names(&many).len(), MAX_PUSH_MENTIONS);
        let long = "@".to_owned() + &"é".repeat(1_000);
        assert!(names(&long)[0][0].chars().count() <= MAX_TOKEN_NAME + 1);
    }
}
