//! What is read of a reply.

use crate::codec::resp::Reply;

/// A reply as a refusal, a text or a list.
pub(super) trait Read {
    /// Why the command was refused.
    fn error(&self) -> Option<&str>;
    /// A text, or a number as one.
    fn words(&self) -> Option<String>;
    fn list(&self) -> Option<&[Reply]>;
}

impl Read for Reply {
    fn error(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(error),
            _ => None,
        }
    }

    fn words(&self) -> Option<String> {
        match self {
            Self::Simple(text) => Some(text.to_string()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn list(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(replies) => Some(replies),
            _ => None,
        }
    }
}
