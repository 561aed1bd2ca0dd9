//! Checks of what commands and requests name.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Data;
use crate::core::chat::{Content, RoomName};
use crate::core::server::error::CommandError;
use crate::limits::{MAX_KEY, MAX_PAGE};

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
        }),
        _ => Ok(()),
    }
}

pub(super) fn parse_room(text: &str) -> Result<RoomName, CommandError> {
    let message = "a room is named by 1 to 64 letters, digits and - _ . : but no spaces";
    RoomName::parse(text).ok_or(CommandError::new(ErrorCode::BadRoom, message))
}
