//! How long a value is good for: when another has to follow it, and when it ends.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_EXPECT_SECONDS, MAX_KEY, MAX_TTL_SECONDS};

/// Keys of alarms begin so.
pub const ALARM_PREFIX: &str = "alarm.";

/// What is said of a value beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Seconds within which another value of its key has to come. `None`: as was said before of the key. 0: no other has to.
    #[serde(default)]
    pub expect: Option<u32>,
    /// Seconds after which it is removed. `None`: it stays.
    #[serde(default)]
    pub ttl: Option<u32>,
}

/// What is wrong with it, for people.
pub type FreshnessError = String;

impl Freshness {
    /// Seconds as they were sent; more than there can be are too many.
    pub fn new(expect: Option<u64>, ttl: Option<u64>) -> Self {
        let [expect, ttl] = [expect, ttl].map(|it| it.map(|it| it.try_into().unwrap_or(u32::MAX)));
        Self { expect, ttl }
    }

    /// Nothing is said.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads what stands behind the `?` of a key: `expect=60`, `ttl=600`, or both with an `&` between them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut expect, mut ttl) = (None, None);
        for field in text.split('&') {
            let (name, value) = field.split_once('=')?;
            let place = match name {
                "expect" => &mut expect,
                "ttl" => &mut ttl,
                _ => return None,
            };
            let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = value.parse().ok().filter(|_| is_digits)?;
            if place.replace(seconds).is_some() {
                return None;
            }
        }
        Some(Self::new(expect, ttl))
    }

    /// Whether this can be said of a value of a key.
    ///
    /// # Errors
    /// It cannot, because of what the text says.
    pub fn check(self, key: &str) -> Result<(), FreshnessError> {
        if self.expect.is_some_and(|it| it > MAX_EXPECT_SECONDS) {
            return Err(format!(
                "expect is the seconds until the next value, 1 to {MAX_EXPECT_SECONDS}, or 0 if none has to come"
            ));
        }
        if self.ttl.is_some_and(|it| it == 0 || it > MAX_TTL_SECONDS) {
            return Err(format!(
                "ttl is the seconds until the value is removed, 1 to {MAX_TTL_SECONDS}"
            ));
        }
        let most = MAX_KEY - ALARM_PREFIX.len();
        if self.expect.is_some() && key.len() > most {
            return Err(format!(
                "a key with expect has at most {most} bytes: its alarm is {ALARM_PREFIX} and the key"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_key() {
        for (text, expect, ttl) in [
            ("expect=60", Some(60), None),
            ("ttl=600", None, Some(600)),
            ("ttl=600&expect=0", Some(0), Some(600)),
            ("expect=99999999999", Some(u32::MAX), None),
        ] {
            assert_eq!(Freshness::parse(text), Some(Freshness { expect, ttl }));
        }
        for wrong in [
            "",
            "expect",
            "expect=",
            "expect=-1",
            "expect=+1",
            "age=1",
            "ttl=1&ttl=2",
        ] {
            assert_eq!(Freshness::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_can_be_said_of_a_value() {
        let most = "k".repeat(MAX_KEY - ALARM_PREFIX.len());
        let good = Freshness::new(Some(60), Some(600));
        assert_eq!(good.check(&most), Ok(()));
        assert!(good.check(&format!("{most}k")).is_err());
        assert_eq!(
            Freshness::new(None, Some(1)).check(&format!("{most}k")),
            Ok(())
        );
        assert_eq!(Freshness::new(Some(0), None).check("k"), Ok(()));
        for (expect, ttl) in [
            (Some(u64::from(MAX_EXPECT_SECONDS) + 1), None),
            (Some(u64::MAX), None),
            (None, Some(0)),
            (None, Some(u64::MAX)),
        ] {
            assert!(Freshness::new(expect, ttl).check("k").is_err());
        }
    }
}
