//! RESP, the protocol of Redis: commands out, replies in. Version 2 of it, which every Redis speaks.

use std::fmt;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// The slot of a key, by which Redis Cluster spreads keys: 0 to 16,383.
pub use redis_protocol::redis_keyslot as key_slot;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A word such as `OK`.
    Simple(Box<str>),
    /// Why it was not done; its first word is a code.
    Error(Box<str>),
    /// A whole number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

/// What came is no RESP.
#[derive(Debug, PartialEq, Eq)]
pub struct RespError(String);

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is not Redis: {}", self.0)
    }
}

impl std::error::Error for RespError {}

impl Reply {
    /// The replies that it consists of.
    pub fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(replies) => Some(replies),
            _ => None,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Its text.
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(self.bytes()?).ok()
    }

    /// The number that it is, or that its text is.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            reply => reply.text()?.parse().ok(),
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) | Self::Error(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bulk(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Nil => f.write_str("nothing"),
            Self::Array(replies) => write!(f, "{} replies", replies.len()),
        }
    }
}

/// Reads the first reply of some bytes, and says how many they are; `None` if the rest is missing.
///
/// # Errors
/// It is none.
pub fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, RespError> {
    match decode(bytes) {
        Ok(found) => Ok(found.map(|(frame, length)| (reply(frame), length))),
        Err(error) => Err(RespError(error.to_string())),
    }
}

fn reply(frame: OwnedFrame) -> Reply {
    match frame {
        OwnedFrame::SimpleString(bytes) => {
            Reply::Simple(String::from_utf8_lossy(&bytes).into_owned().into())
        }
        OwnedFrame::Error(text) => Reply::Error(text.into()),
        OwnedFrame::Integer(number) => Reply::Integer(number),
        OwnedFrame::BulkString(bytes) => Reply::Bulk(bytes),
        OwnedFrame::Array(frames) => Reply::Array(frames.into_iter().map(reply).collect()),
        OwnedFrame::Null => Reply::Nil,
    }
}

/// Writes a command: an array of bulk strings.
pub fn write_command<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
