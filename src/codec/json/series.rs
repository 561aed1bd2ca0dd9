//! Which numbers a command asks for.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::refused::CommandParseError;

/// The numbers that came with keys lately.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object with seconds or count")]
pub struct Series {
    /// How far back.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// At how many points of each key at most.
    #[serde(default)]
    pub points: Option<u64>,
    /// How many of the newest of each key.
    #[serde(default)]
    pub count: Option<u64>,
    /// Patterns of the keys; none for all.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// The numbers that `history` asks for, if it does.
pub(super) fn series_of(
    key: Option<Cow<'_, str>>,
    keys: Option<&RawValue>,
    (seconds, points, count): (Option<u64>, Option<u64>, Option<u64>),
) -> Result<Option<Series>, CommandParseError> {
    if seconds.is_none() && count.is_none() {
        let needed = "history with key, keys or points needs seconds, how far back, or count, how many of each key";
        return match key.is_some() || keys.is_some() || points.is_some() {
            true => Err(CommandParseError::new(needed.to_owned())),
            false => Ok(None),
        };
    }
    let keys = keys.map(|keys| serde_json::from_str::<Vec<String>>(keys.get()));
    let keys = keys
        .transpose()
        .map_err(|error| CommandParseError::of_json(&error))?;
    let mut keys = keys.unwrap_or_default();
    keys.extend(key.map(Cow::into_owned));
    Ok(Some(Series {
        keys,
        seconds,
        points,
        count,
    }))
}
