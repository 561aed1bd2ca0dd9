//! Why what a client says is refused before anything is asked of the server.

use serde_json::error::Category;

use super::words;
use crate::codec::error_code::ErrorCode;

/// Why a message is not a command.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandParseError {
    /// `BadJson` or `BadCommand`.
    pub code: ErrorCode,
    /// What is wrong, for people.
    pub message: String,
}

impl CommandParseError {
    /// The fields of a command are not valid.
    pub(super) fn new(message: String) -> Self {
        Self {
            code: ErrorCode::BadCommand,
            message,
        }
    }

    /// It is no JSON, or has other fields than are expected.
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::new(words::of(error)),
            _ => Self {
                code: ErrorCode::BadJson,
                message: format!("one JSON object per message is expected: {error}"),
            },
        }
    }
}
