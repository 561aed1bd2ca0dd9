//! Where something is said at doors that have nothing but text: `room`, or `room/key` for the state of a key. A room's
//! name holds no slash.

use crate::limits::MAX_KEY;

/// A room, and perhaps a key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The room's name as it was sent, which may not be a valid one.
    pub room: &'a str,
    /// What is said is the state of this, and the room keeps it.
    pub key: Option<&'a str>,
}

/// The key is empty, or longer than keys may be, or has a `?` in it, which is left for what is to be said of a value.
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
            }),
            Some((_, key)) if key.is_empty() || key.len() > MAX_KEY || key.contains('?') => {
                Err(KeyError)
            }
            Some((room, key)) => Ok(Self {
                room,
                key: Some(key),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_and_perhaps_a_key() {
        let target = |room, key| Ok(Target { room, key });
        let longest = "k".repeat(MAX_KEY);
        assert_eq!(Target::parse("plant"), target("plant", None));
        assert_eq!(Target::parse(""), target("", None));
        for key in ["boiler.temp", "boiler/temp", "/", "茶", longest.as_str()] {
            let text = format!("plant/{key}");
            assert_eq!(Target::parse(&text), target("plant", Some(key)));
        }
        for bad in ["plant/", "/", "plant/a?expect=60", "plant/?"] {
            assert_eq!(Target::parse(bad), Err(KeyError), "{bad}");
        }
        assert_eq!(Target::parse(&format!("plant/{longest}k")), Err(KeyError));
    }
}
