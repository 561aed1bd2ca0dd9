//! The messages of the subprotocol `parlor.v1.json`: commands in, events out.

pub mod command;
pub mod event;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "parlor.v1.json";

/// Arrays and objects within each other, beyond which others could not read what one has sent.
const MAX_DEPTH: usize = 64;

/// JSON without the spaces between its parts; `json` is valid. `None` if it is nested too deeply.
pub fn compact(json: &str) -> Option<String> {
    let mut depth = 0_usize;
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
            match c {
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                _ => {}
            }
            if depth > MAX_DEPTH {
                return None;
            }
        }
        compact.push(c);
    }
    Some(compact)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(compact(&nested(64)).is_some() && compact(&nested(65)).is_none());
        assert!(compact(&format!("[{}]", ["[]"; 100].join(","))).is_some());
    }

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
        fn compact_json_means_the_same(keys: Vec<String>, values: Vec<String>) {
            let map: serde_json::Map<_, _> = keys
                .into_iter()
                .zip(values.into_iter().map(Into::into))
                .collect();
            let value = serde_json::Value::from(map);
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty), Some(value.to_string()));
        }
    }
}
