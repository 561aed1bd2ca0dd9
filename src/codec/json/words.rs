//! What is wrong with the fields of a JSON object, in the words of those who write JSON.

/// What the reader of JSON calls kinds of values, and what people do.
const EXPECTED: [(&str, &str); 3] = [
    ("u64", "a whole number"),
    ("a sequence", "a list"),
    ("a boolean", "true or false"),
];

/// The same of what is there instead, by its beginning.
const FOUND: [(&str, &str); 6] = [
    ("integer ", ""),
    ("floating point ", ""),
    ("boolean ", ""),
    ("string ", "the string "),
    ("sequence", "a list"),
    ("map", "an object"),
];

/// What an error says, with its place.
pub(super) fn of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = text.strip_suffix(&place).unwrap_or(&text);
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|it| said.strip_prefix(it));
    let Some((found, expected)) = found.and_then(|it| it.rsplit_once(", expected ")) else {
        return text;
    };
    let expected = EXPECTED
        .iter()
        .find(|(name, _)| *name == expected)
        .map_or(expected, |it| it.1);
    let known = FOUND
        .iter()
        .find_map(|(name, word)| Some((word, found.strip_prefix(name)?)));
    let found = known.map_or_else(
        || found.to_owned(),
        |(word, rest)| format!("{word}{}", rest.trim_matches('`')),
    );
    format!("expected {expected}, not {found}{place}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "they are read")]
    struct Fields {
        number: Option<u64>,
        flag: Option<bool>,
        list: Option<Vec<String>>,
    }

    #[test]
    fn kinds_have_the_names_that_people_know() {
        for (json, text) in [
            (
                r#"{"number":"7"}"#,
                "expected a whole number, not the string \"7\" at line 1 column 13",
            ),
            (
                r#"{"number":-1}"#,
                "expected a whole number, not -1 at line 1 column 12",
            ),
            (
                r#"{"number":1.5}"#,
                "expected a whole number, not 1.5 at line 1 column 13",
            ),
            (
                r#"{"number":[]}"#,
                "expected a whole number, not a list at line 1 column 10",
            ),
            (
                r#"{"number":{}}"#,
                "expected a whole number, not an object at line 1 column 10",
            ),
            (
                r#"{"flag":1}"#,
                "expected true or false, not 1 at line 1 column 9",
            ),
            (
                r#"{"list":true}"#,
                "expected a list, not true at line 1 column 12",
            ),
            (
                r#"{"number":1,"number":2}"#,
                "duplicate field `number` at line 1 column 20",
            ),
        ] {
            let error = serde_json::from_str::<Fields>(json).unwrap_err();
            assert_eq!(of(&error), text, "{json}");
        }
    }
}
