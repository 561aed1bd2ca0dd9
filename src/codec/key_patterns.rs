//! Patterns of keys: `*` is any characters, `?` is one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_KEY, MAX_KEY_PATTERNS};

/// The keys that somebody wants; without a pattern all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyPatterns(Vec<Box<str>>);

impl KeyPatterns {
    /// Those of a list.
    ///
    /// # Errors
    /// There are too many, or one is too long, as the text says.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let patterns: Vec<Box<str>> = patterns
            .into_iter()
            .take(MAX_KEY_PATTERNS + 1)
            .map(Into::into)
            .collect();
        let mut lengths = patterns.iter().map(|it| it.len());
        let are_good = lengths.all(|length| (1..=MAX_KEY).contains(&length));
        match patterns.len() <= MAX_KEY_PATTERNS && are_good {
            true => Ok(Self(patterns)),
            false => Err(format!(
                "keys are at most {MAX_KEY_PATTERNS} patterns of 1 to {MAX_KEY} bytes, as in boiler.*"
            )),
        }
    }

    /// Whether all keys are wanted.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, if no pattern has a wildcard; of a key that is named twice once.
    pub fn exact(&self) -> Option<BTreeSet<&str>> {
        let keys = self.0.iter().map(|it| &**it);
        let has_wildcard = |key: &str| key.contains(['*', '?']);
        (!self.is_all() && !keys.clone().any(has_wildcard)).then(|| keys.collect())
    }

    /// Whether a key is wanted.
    pub fn matches(&self, key: &str) -> bool {
        self.is_all() || self.0.iter().any(|pattern| matches(pattern, key))
    }
}

/// One star is tried again with a character more whenever what follows it does not match: what stands before the last star
/// never has to be looked at again.
fn matches(pattern: &str, key: &str) -> bool {
    let (mut pattern, mut key) = (pattern.chars(), key.chars());
    let mut last_star = None;
    loop {
        let before = (pattern.clone(), key.clone());
        match (pattern.next(), key.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                key = before.1;
                last_star = Some((pattern.clone(), key.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            (_, None) => return false,
            _ => {
                let Some((after_star, mut rest)) = last_star.take() else {
                    return false;
                };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, key) = (after_star.clone(), rest.clone());
                last_star = Some((after_star, rest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wildmatch::WildMatch;

    use super::*;

    #[test]
    fn some_keys_and_no_others() {
        let patterns = KeyPatterns::new(["boiler.*", "pump"]).unwrap();
        assert!(patterns.matches("boiler.temp") && patterns.matches("pump"));
        assert!(!patterns.matches("boiler") && !patterns.matches("pump.1"));
        assert!(KeyPatterns::default().matches("anything"));
        assert!(KeyPatterns::new([""]).is_err());
        assert!(KeyPatterns::new(["k"; MAX_KEY_PATTERNS + 1]).is_err());
        assert!(KeyPatterns::new(["k".repeat(MAX_KEY + 1).as_str()]).is_err());
    }

    #[test]
    fn keys_without_a_wildcard_are_known_by_name() {
        let exact = |patterns: &[&str]| {
            let patterns = KeyPatterns::new(patterns.iter().copied()).unwrap();
            let keys = patterns.exact();
            keys.map(|keys| keys.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(exact(&["b", "a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(exact(&["a", "b*"]), None);
        assert_eq!(exact(&["a?"]), None);
        assert_eq!(exact(&[]), None);
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_others_say(pattern in "[ab*?é]{1,9}", key in "[abé]{1,9}") {
            let patterns = KeyPatterns::new([pattern.as_str()]).unwrap();
            prop_assert_eq!(patterns.matches(&key), WildMatch::new(&pattern).matches(&key));
        }
    }
}
