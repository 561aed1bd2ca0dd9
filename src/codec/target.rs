//! Where something is said at doors that have nothing but text: `room`, or `room/key` for the state of a key. A room's
//! name holds no slash.

use super::freshness::Freshness;
use crate::limits::MAX_KEY;

/// A room, and perhaps a key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The room's name as it was sent, which may not be a valid one.
    pub room: &'a str,
    /// What is said is the state of this, and the room keeps it.
    pub key: Option<&'a str>,
    /// How long the value is good for.
    pub freshness: Freshness,
}

/// The key is empty, or longer than keys may be, or what follows a `?` behind it cannot be said of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl<'a> Target<'a> {
    /// Reads what stands before the first space.
    ///
    /// # Errors
    /// What follows the first slash is no key.
    pub fn parse(text: &'a str) -> Result<Self, KeyError> {
        match text.split_once('/') {
            None => Ok(Self {
                room: text,
                key: None,
                freshness: Freshness::default(),
            }),
            Some((room, rest)) => {
                let (key, freshness) = key_of(rest).ok_or(KeyError)?;
                Ok(Self {
                    room,
                    key: Some(key),
                    freshness,
                })
            }
        }
    }
}

/// A key, and what stands behind it.
fn key_of(text: &str) -> Option<(&str, Freshness)> {
    let (key, freshness) = match text.split_once('?') {
        None => (text, Freshness::default()),
        Some((key, said)) => (key, Freshness::parse(said)?),
    };
    let is_key = !key.is_empty() && key.len() <= MAX_KEY;
    (is_key && freshness.check(key).is_ok()).then_some((key, freshness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_and_perhaps_a_key() {
        let target = |room, key| {
            let freshness = Freshness::default();
            Ok(Target {
                room,
                key,
                freshness,
            })
        };
        let longest = "k".repeat(MAX_KEY);
        assert_eq!(Target::parse("plant"), target("plant", None));
        assert_eq!(Target::parse(""), target("", None));
        for key in ["boiler.temp", "boiler/temp", "/", "茶", longest.as_str()] {
            let text = format!("plant/{key}");
            assert_eq!(Target::parse(&text), target("plant", Some(key)));
        }
        let expected = Target::parse("plant/a?expect=60&ttl=600");
        let freshness = Freshness::new(Some(60), Some(600));
        assert_eq!(
            expected,
            Ok(Target {
                room: "plant",
                key: Some("a"),
                freshness
            })
        );
        for bad in [
            "plant/",
            "/",
            "plant/a?age=60",
            "plant/?",
            "plant/?ttl=1",
            "plant/a?ttl=0",
        ] {
            assert_eq!(Target::parse(bad), Err(KeyError), "{bad}");
        }
        assert_eq!(Target::parse(&format!("plant/{longest}k")), Err(KeyError));
    }
}
