//! What not every reader of JSON takes, or not all take for the same, which RFC 8259 leaves open (sections 4, 6, 8.2 and
//! 9) and I-JSON forbids (RFC 7493 section 2): who is sent it loses the whole event, or reads something else.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Arrays and objects within each other, beyond which others could not read what one has sent.
const MAX_DEPTH: usize = 64;

/// Checks that a JSON text means one thing to everyone: no half surrogates, no numbers beyond those of RFC 7493 section
/// 2.2, no key twice in an object, and no more than 64 arrays and objects within each other.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn check(json: &str) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Value { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Any value, within so many others. Strings and numbers are checked by being read.
struct Value {
    depth: usize,
}

impl Value {
    fn inner<E: Error>(&self) -> Result<Self, E> {
        let depth = self.depth + 1;
        match depth > MAX_DEPTH {
            true => Err(E::custom(format_args!(
                "more than {MAX_DEPTH} arrays and objects within each other"
            ))),
            false => Ok(Self { depth }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut keys: Vec<Cow<'de, str>> = Vec::new();
        while let Some(key) = members.next_key_seed(Key)? {
            members.next_value_seed(self.inner()?)?;
            keys.push(key);
        }
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(A::Error::custom(format_args!(
                "the key {:?} stands twice in an object",
                twice[0]
            ))),
            None => Ok(()),
        }
    }
}

/// A key, which is copied only where something is escaped in it.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Tree;

    use super::*;

    #[test]
    fn what_everyone_reads() {
        for good in [
            "null",
            " [ ] ",
            r#""\ud83c\udf75 \u0000 \/""#,
            r#"{"a":{"a":1},"b":[{"a":1},{"a":2}],"":0,"A":0}"#,
            "[1.50,-0,1e308,1E-999,12345678901234567890.10,0.1e1]",
            &"9".repeat(308),
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(&nested(64)).is_ok() && check(&nested(65)).is_err());
        assert!(check(&nested(100_000)).is_err());
        let objects = |depth| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        assert!(check(&objects(64)).is_ok() && check(&objects(65)).is_err());
        assert!(check(&format!("[{}]", ["[]"; 100].join(","))).is_ok());
    }

    #[test]
    fn what_some_do_not_read_or_read_otherwise() {
        for (bad, why) in [
            (r#""\ud800""#, "hex escape"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            (r#"{"a":["x\udfff"]}"#, "surrogate"),
            (r#"{"\ud800":1}"#, "hex escape"),
            (r#"[[{"a":{"\udc00\ud800":1}}]]"#, "surrogate"),
            (r#"["\ud800\ud800"]"#, "surrogate"),
            (r#"["\ud800\u0041"]"#, "surrogate"),
            ("1e999", "out of range"),
            (r#"{"a":[-1E+999]}"#, "out of range"),
            (&"9".repeat(400), "out of range"),
            (r#"{"a":1,"a":1}"#, "\"a\" stands twice"),
            (r#"[{"b":{"a":1,"c":2,"\u0061":3}}]"#, "\"a\" stands twice"),
            ("[1] [2]", "trailing"),
            ("[01]", "column"),
            ("", "EOF"),
        ] {
            let error = check(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    proptest! {
        /// What is taken is what a reader that keeps all of it makes of it, as long as no number is beyond a float's.
        #[test]
        fn what_is_taken_is_read(json in r#"[\[\]{}":,0-9eE.ud8a\\ -]{0,24}"#) {
            prop_assert!(check(&json).is_err() || serde_json::from_str::<Tree>(&json).is_ok());
        }
    }
}
