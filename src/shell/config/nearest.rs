//! The name that somebody may have meant.

/// Changes of a letter after which another word is meant.
const MOST_CHANGES: usize = 3;

/// Which of `known` is most like `name`; `None` if none is much like it.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let name = name.to_lowercase().replace('_', "-");
    let distance =
        |known: &String| strsim::osa_distance(&name, &known.to_lowercase().replace('_', "-"));
    let (changes, found) = known
        .map(|it| (distance(&it), it))
        .min_by_key(|(changes, _)| *changes)?;
    let most = MOST_CHANGES.min(found.len() / 2);
    (changes <= most).then_some(found)
}

/// What to add to an error about `name`.
pub(super) fn hint(name: &str, known: impl Iterator<Item = String>) -> String {
    nearest(name, known).map_or_else(String::new, |found| format!("; did you mean {found}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = || {
            ["max-queue", "max-keys", "rate", "port"]
                .map(str::to_owned)
                .into_iter()
        };
        for (typed, meant) in [
            ("max-qeue", "max-queue"),
            ("max_keys", "max-keys"),
            ("Rate", "rate"),
            ("prot", "port"),
        ] {
            assert_eq!(nearest(typed, known()).as_deref(), Some(meant));
        }
        for other in ["x", "listen", "max", "quite-another-word"] {
            assert_eq!(nearest(other, known()), None);
        }
    }
}
