//! Checks of what commands and requests name.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Data;
use crate::codec::key_patterns::KeyPatterns;
use crate::core::chat::{Chart, Content, RoomName, Window};
use crate::core::server::error::CommandError;
use crate::limits::{DEFAULT_POINTS, MAX_KEY, MAX_PAGE, MAX_SERIES_POINTS};

pub(super) fn content_of<'a>(data: &'a Data<'_>) -> (Content, &'a [u8]) {
    match data {
        Data::Text(text) => (Content::Text, text.as_bytes()),
        Data::Json(json) => (Content::Json, json.as_bytes()),
        Data::Binary(bytes) => (Content::Binary, bytes),
    }
}

/// The number of entries that is asked for, up to the limit of one answer.
pub(super) fn page_size(asked: u64) -> usize {
    usize::try_from(asked).map_or(MAX_PAGE, |asked| asked.min(MAX_PAGE))
}

pub(super) fn check_key(field: &'static str, key: Option<&str>) -> Result<(), CommandError> {
    match key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => Err(CommandError {
            code: ErrorCode::BadCommand,
            message: format!("{field} must be 1 to {MAX_KEY} bytes").into(),
            retry_ms: None,
            more: None,
        }),
        _ => Ok(()),
    }
}

pub(super) fn parse_room(text: &str) -> Result<RoomName, CommandError> {
    let message = "a room is named by 1 to 64 letters, digits and - _ . : but no spaces";
    RoomName::parse(text).ok_or(CommandError::new(ErrorCode::BadRoom, message))
}

/// Which numbers are asked for: how far back, at how many points of each key, or how many of the newest.
pub(super) fn chart<'a>(
    keys: impl IntoIterator<Item = &'a str>,
    (seconds, points, count): (Option<u64>, Option<u64>, Option<u64>),
) -> Result<Chart, CommandError> {
    let bad = |message| CommandError::new(ErrorCode::BadCommand, message);
    let keys = KeyPatterns::new(keys).map_err(|message| CommandError {
        code: ErrorCode::BadCommand,
        message: message.into(),
        retry_ms: None,
        more: None,
    })?;
    let seconds = match (seconds, count) {
        (None, None) => return Err(bad(NO_WINDOW)),
        (_, Some(0)) => return Err(bad("count is 1 at the least")),
        (_, Some(_)) if points.is_some() => return Err(bad(POINTS_AND_COUNT)),
        (seconds, _) => seconds.unwrap_or(u64::MAX),
    };
    let at_most = |asked| {
        usize::try_from(asked).map_or(MAX_SERIES_POINTS, |it: usize| it.min(MAX_SERIES_POINTS))
    };
    let window = Window {
        seconds,
        points: points.map_or(DEFAULT_POINTS, at_most),
        count: count.map(at_most),
    };
    Ok(Chart { window, keys })
}

const NO_WINDOW: &str =
    "series needs seconds, how far back, or count, how many of the newest values of each key";

const POINTS_AND_COUNT: &str =
    "points thins out a time, and count is for the newest values: name one of them";
