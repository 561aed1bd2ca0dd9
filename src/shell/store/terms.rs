//! What a message is found by, and what is looked for: words, and characters of scripts that do not separate words.
//!
//! Chinese, Japanese and Korean are found by any characters that people type, without a dictionary: each run of them is
//! indexed as its pairs of neighbours, in their order, and then as its single characters. Everything else is left to the
//! tokenizer of SQLite (unicode61), which folds case and takes diacritics off.

use unicode_normalization::UnicodeNormalization as _;
use unicode_script::{Script, UnicodeScript as _};

/// Bytes of a message that are indexed.
const MAX_INDEXED: usize = 16 << 10;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Characters of scripts that do not separate words.
    Run(Vec<char>),
    /// Everything else.
    Text(String),
}

/// What of a text is indexed.
pub(super) fn indexed(text: &str) -> String {
    let text = beginning(text);
    let mut terms = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Text(text) => terms.push_str(&text),
            Part::Run(run) => {
                push_pairs(&run, &mut terms);
                for character in run {
                    terms.push(' ');
                    terms.push(character);
                }
                terms.push(' ');
            }
        }
    }
    terms
}

/// As much of a text as is indexed.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MAX_INDEXED);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The query of SQLite's full-text search that finds the messages with all words of a text, the last of which may be the
/// beginning of one; `None` if there is no word in it.
pub(super) fn query(text: &str) -> Option<String> {
    let mut phrases = Vec::new();
    let parts: Vec<Part> = parts(text).collect();
    let last = parts.len().saturating_sub(1);
    for (place, part) in parts.iter().enumerate() {
        match part {
            Part::Run(run) => phrases.push(phrase_of_run(run)),
            Part::Text(text) => {
                let has_letters = |word: &&str| word.chars().any(char::is_alphanumeric);
                let words: Vec<&str> = text.split_whitespace().filter(has_letters).collect();
                // What begins with one letter is too much to go through, and nothing that anyone looks for.
                let is_long =
                    |word: &str| word.chars().filter(|it| it.is_alphanumeric()).count() > 1;
                let is_open = place == last && !text.ends_with(char::is_whitespace);
                let count = words.len();
                for (number, word) in words.into_iter().enumerate() {
                    let star = if is_open && number + 1 == count && is_long(word) {
                        "*"
                    } else {
                        ""
                    };
                    // A quote would end the phrase, and a zero the query.
                    let is_syntax = |it: char| it == '"' || it.is_control();
                    phrases.push(format!("\"{}\"{star}", word.replace(is_syntax, " ")));
                }
            }
        }
    }
    (!phrases.is_empty()).then(|| phrases.join(" "))
}

fn phrase_of_run(run: &[char]) -> String {
    let mut phrase = String::from("\"");
    match run {
        [single] => phrase.push(*single),
        _ => push_pairs(run, &mut phrase),
    }
    phrase.push('"');
    phrase
}

fn push_pairs(run: &[char], out: &mut String) {
    for pair in run.windows(2) {
        out.push(' ');
        out.extend(pair);
    }
}

/// The parts of a text in their order, with one form for what looks the same (NFKC).
fn parts(text: &str) -> impl Iterator<Item = Part> {
    let mut characters = text.nfkc().peekable();
    std::iter::from_fn(move || {
        let is_run = is_of_run(*characters.peek()?);
        let mut taken = Vec::new();
        while let Some(next) = characters.next_if(|it| is_of_run(*it) == is_run) {
            taken.push(next);
        }
        Some(match is_run {
            true => Part::Run(taken),
            false => Part::Text(taken.into_iter().collect()),
        })
    })
}

/// Whether a character is of a script that does not separate words, or of Korean, whose words are looked for in parts.
fn is_of_run(character: char) -> bool {
    matches!(
        character.script(),
        Script::Han | Script::Hiragana | Script::Katakana | Script::Hangul | Script::Bopomofo
    ) || character == 'ー'
}

/// The texts that a JSON message shows to people: its strings, wherever they are.
pub(super) fn strings_of(json: &[u8]) -> String {
    let mut texts = String::new();
    if let Ok(value) = serde_json::from_slice(json) {
        push_strings(&value, &mut texts);
    }
    texts
}

fn push_strings(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::String(text) if out.len() < MAX_INDEXED => {
            out.push_str(text);
            out.push(' ');
        }
        Value::Array(values) => values.iter().for_each(|value| push_strings(value, out)),
        Value::Object(fields) => fields.values().for_each(|value| push_strings(value, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn runs_are_indexed_as_pairs_and_characters() {
        assert_eq!(indexed("hello"), "hello");
        let terms = indexed("go 東京都!");
        let terms: Vec<&str> = terms.split_whitespace().collect();
        assert_eq!(terms, ["go", "東京", "京都", "東", "京", "都", "!"]);
    }

    #[test]
    fn queries_hold_no_syntax_of_their_own() {
        assert_eq!(query("one two").unwrap(), "\"one\" \"two\"*");
        assert_eq!(query("one two ").unwrap(), "\"one\" \"two\"");
        assert_eq!(
            query("a OR \"b\" -c*").unwrap(),
            "\"a\" \"OR\" \" b \" \"-c*\""
        );
        assert_eq!(query("東京").unwrap(), "\" 東京\"");
        assert_eq!(query("京").unwrap(), "\"京\"");
        assert!(finds("a b", "a\0b"), "a zero would end the query");
        for nothing in ["", " ", "- * \"", "!"] {
            assert_eq!(query(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn json_is_found_by_its_strings() {
        let json = br#"{"text":"hot","list":["a",1],"file":{"name":"report.pdf"}}"#;
        let texts = strings_of(json);
        for word in ["hot", "a", "report.pdf"] {
            assert!(texts.split(' ').any(|text| text == word), "{texts}");
        }
    }

    fn finds(text: &str, wanted: &str) -> bool {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(super::super::schema::SEARCH)
            .unwrap();
        connection
            .execute(
                "INSERT INTO search (rowid, terms) VALUES (1, ?1)",
                [indexed(text)],
            )
            .unwrap();
        let sql = "SELECT count(*) FROM search WHERE search MATCH ?1";
        let count: i64 = connection
            .query_row(sql, [query(wanted).unwrap()], |row| row.get(0))
            .unwrap();
        count == 1
    }

    #[test]
    fn people_find_what_they_type() {
        for (text, wanted) in [
            ("Der Kessel ist heiß", "kessel"),
            ("Der Kessel ist heiß", "heiß kes"),
            ("Crème brûlée", "creme BRU"),
            ("我们明天去东京塔", "东京"),
            ("我们明天去东京塔", "塔"),
            ("東京タワーへ行く", "タワー"),
            ("東京タワーへ行く", "ﾀﾜｰ"),
            ("서울에서 만나요", "서울"),
            ("서울에서 만나요", "만나"),
            ("mail to a.b@example.com now", "a.b@example.com"),
            ("mixed 中文text", "中文 tex"),
        ] {
            assert!(finds(text, wanted), "{wanted} in {text}");
        }
        for (text, wanted) in [
            ("我们明天去东京塔", "京东"),
            ("Der Kessel", "essel"),
            ("one two", "one three"),
        ] {
            assert!(!finds(text, wanted), "{wanted} in {text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 200,
            // What has failed once is an example above.
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_query_is_one_that_the_database_takes(text in ".{0,40}", wanted in ".{0,40}") {
            if query(&wanted).is_some() {
                finds(&text, &wanted);
            }
        }

        #[test]
        fn any_part_of_a_run_is_found(run in "[一-龥]{1,12}", from in 0_usize..12, length in 1_usize..5) {
            let characters: Vec<char> = run.chars().collect();
            let from = from % characters.len();
            let part: String = characters[from..].iter().take(length).collect();
            prop_assert!(finds(&run, &part), "{} in {}", part, run);
        }
    }
}
