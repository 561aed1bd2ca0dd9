//! What became of a message in each of several rooms.

use serde::Serialize;
use serde_json::value::RawValue;

use super::epoch::Epoch;
use crate::codec::error_code::ErrorCode;

/// What became of it in one of the rooms.
#[derive(Debug, Serialize)]
pub struct Copied<'a> {
    /// The room's name.
    pub room: &'a str,
    /// The status that the message alone would have been answered with, where a request is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The epoch of the offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The offset, if it is published and kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Why it is refused, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    /// Milliseconds after which it may be sent there again, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// The state of the key, of a condition that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<&'a RawValue>,
    /// The ban for which it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban: Option<&'a RawValue>,
}
