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

/// Arrays within arrays that are read. Redis needs three for what is asked of it; what reads them calls itself for each.
const MAX_DEPTH: usize = 16;

/// Bytes of a line: a number, a word, or why something was not done.
const MAX_LINE: usize = 64 << 10;

/// What came is no RESP.
#[derive(Debug, PartialEq, Eq)]
pub struct RespError(String);

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what answers is no Redis: {}", self.0)
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
/// It is none, or one that Redis does not give: with arrays deeper than 16, or a line longer than 64 KiB.
pub fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, RespError> {
    let Some(length) = measure(bytes)? else {
        return Ok(None);
    };
    match decode(&bytes[..length]) {
        Ok(found) => Ok(found.map(|(frame, length)| (reply(frame), length))),
        Err(error) => Err(RespError(error.to_string())),
    }
}

/// The length of the first reply; `None` if the rest is missing. It bounds how deep the decoder goes, which has no bound.
fn measure(bytes: &[u8]) -> Result<Option<usize>, RespError> {
    // How many replies each array that is open still lacks.
    let mut lacking = vec![1_u64];
    let mut at = 0;
    while let Some(left) = lacking.last_mut() {
        if *left == 0 {
            lacking.pop();
            continue;
        }
        *left -= 1;
        let Some(line) = line(&bytes[at..])? else {
            return Ok(None);
        };
        at += line.len() + 2;
        match line.split_first() {
            Some((b'*', count)) => lacking.extend(count_of(count)?),
            Some((b'$', length)) => {
                if let Some(length) = count_of(length)? {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let Some(end) = at.checked_add(length).and_then(|it| it.checked_add(2)) else {
                        return Err(RespError("a length is too great".to_owned()));
                    };
                    if bytes.len() < end {
                        return Ok(None);
                    }
                    if &bytes[end - 2..end] != b"\r\n" {
                        return Err(RespError("bytes are longer than was said".to_owned()));
                    }
                    at = end;
                }
            }
            Some((b'+' | b'-' | b':', _)) => {}
            _ => return Err(RespError("it begins with an unknown sign".to_owned())),
        }
        if lacking.len() > MAX_DEPTH {
            return Err(RespError(format!("arrays are deeper than {MAX_DEPTH}")));
        }
    }
    Ok(Some(at))
}

/// The first line, without its end; `None` if the end is missing.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, RespError> {
    let head = &bytes[..bytes.len().min(MAX_LINE)];
    match head.windows(2).position(|pair| pair == b"\r\n") {
        Some(length) => Ok(Some(&head[..length])),
        None if head.len() == MAX_LINE => {
            Err(RespError(format!("a line is longer than {MAX_LINE} bytes")))
        }
        None => Ok(None),
    }
}

/// How many are said to follow; `None` for nothing at all, which is not the same as none.
fn count_of(digits: &[u8]) -> Result<Option<u64>, RespError> {
    if digits == b"-1" {
        return Ok(None);
    }
    let count = str::from_utf8(digits).ok().and_then(|it| it.parse().ok());
    count
        .map(Some)
        .ok_or_else(|| RespError("a length is no number".to_owned()))
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

#[cfg(test)]
mod tests;
