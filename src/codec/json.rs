//! The messages of the subprotocol `parlor.v1.json`: commands in, events out.

pub mod ban;
pub mod command;
pub mod condition;
pub mod copies;
pub mod epoch;
pub mod event;
pub mod export;
pub mod file;
pub mod import;
pub mod push;
mod refused;
mod series;
mod strict;
mod words;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "parlor.v1.json";

/// The same JSON without the spaces between its parts, if it means one thing to everyone who reads it.
///
/// # Errors
/// It is not JSON; or it holds half a surrogate, a number that is too large, a key twice in an object, or more than 64
/// arrays and objects within each other.
pub fn compact(json: &str) -> serde_json::Result<String> {
    strict::check(json)?;
    let mut compact = String::with_capacity(json.len());
    let mut is_string = false;
    let mut is_escaped = false;
    for c in json.chars() {
        if is_string {
            is_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            is_string = c == '"';
        }
        compact.push(c);
    }
    Ok(compact)
}

/// Bytes of a text within the quotes of a JSON string, as `event::write` makes it.
pub fn escaped_bytes(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spaces_go_but_those_in_strings() {
        let json = " { \"a b\" : [ 1.50 , \"c \\\" d\\\\\" , null ] }\r\n";
        assert_eq!(
            compact(json).unwrap(),
            "{\"a b\":[1.50,\"c \\\" d\\\\\",null]}"
        );
    }

    proptest! {
        #[test]
        fn the_length_of_a_string_is_known_before(text in "[\\x00-\\x7f\\u{e9}\\u{1f600}\\u{2028}]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(escaped_bytes(&text) + 2, json.len());
        }

        #[test]
        fn compact_json_means_the_same(keys: Vec<String>, values: Vec<String>) {
            let map: serde_json::Map<_, _> = keys
                .into_iter()
                .zip(values.into_iter().map(Into::into))
                .collect();
            let value = serde_json::Value::from(map);
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty).ok(), Some(value.to_string()));
        }
    }
}
