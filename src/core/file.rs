//! Files that people send to rooms: what is known of each, and what the server asks of whoever keeps their bytes, as values
//! that can go to another thread.
//!
//! Requests leave by [`Server::next_file_request`](super::Server::next_file_request), answers come back by
//! [`Server::on_file_answer`](super::Server::on_file_answer). What is asked of one file is carried out in the order in which it
//! was asked; of several in any order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::json::file::{FileFacts, href};
pub use crate::codec::media::Size;

/// Names a file for ever. Nobody guesses it: it is 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub(super) u128);

impl FileId {
    /// The first hexadecimal digit of what is written.
    pub fn first_digit(self) -> u8 {
        (self.0 >> 124) as u8
    }

    /// Reads it as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = text.len() == 32 && text.bytes().all(is_hex);
        let number = is_id.then(|| u128::from_str_radix(text, 16).ok())?;
        number.map(Self)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Not the whole of it, with which the file could be had.
impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({:08x}...)", self.0 >> 96)
    }
}

/// What is kept of a file beside its bytes, with the message that tells of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its id.
    pub id: FileId,
    /// The name that it was sent under: for people, and no path.
    pub name: Box<str>,
    /// Its media type.
    pub content_type: Box<str>,
    /// Its length.
    pub bytes: u64,
    /// That of a picture.
    pub size: Option<Size>,
    /// For whom it is counted.
    pub owner: Box<str>,
    /// When it had come, in milliseconds since 1970.
    pub at_ms: u64,
}

impl KeptFile {
    /// What is told of it.
    pub(super) fn facts(&self) -> FileFacts<'_> {
        FileFacts {
            name: (*self.name).into(),
            content_type: (*self.content_type).into(),
            bytes: self.bytes,
            href: href(&self.id.to_string(), &self.name).into(),
            width: self.size.map(|size| size.width),
            height: self.size.map(|size| size.height),
        }
    }
}

/// Without its name.
impl fmt::Debug for KeptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut file = f.debug_struct("KeptFile");
        file.field("id", &self.id).field("bytes", &self.bytes);
        file.finish_non_exhaustive()
    }
}

/// A file that was kept, and where its message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFile {
    /// The name of its room.
    pub room: Box<str>,
    /// Which of the rooms that had this name.
    pub epoch: u64,
    /// The offset of its message.
    pub offset: u64,
    /// The file.
    pub file: KeptFile,
}

/// Which limit leaves no place for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// `--max-files`, or `--file-space`.
    All,
    /// `--max-room-files`, or `--room-file-space`.
    Room,
    /// `--file-quota`.
    Owner,
}

/// How much files take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// How many there are.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Names a read until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadTicket(pub(super) u64);

impl ReadTicket {
    /// One that no server has given.
    #[cfg(test)]
    pub(crate) fn for_test(number: u64) -> Self {
        Self(number)
    }
}

/// What whoever keeps the bytes of files is asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum FileRequest {
    /// To append these bytes to a file that is arriving, which begins with the first of them. Answered by `Written`.
    Write {
        /// The file.
        id: FileId,
        /// Some of its bytes, in their order.
        bytes: Vec<u8>,
    },
    /// To keep a file of which all has arrived, as safely as anything is kept. Answered by `Finished`.
    Finish {
        /// The file.
        id: FileId,
        /// Its length: what has another one is not whole, and not kept.
        bytes: u64,
    },
    /// To forget what has arrived of a file, or a file. Not answered.
    Remove {
        /// The file.
        id: FileId,
    },
    /// For bytes of a file that is kept. Answered by `Read`.
    Read {
        /// To be named in the answer.
        ticket: ReadTicket,
        /// The file.
        id: FileId,
        /// The place of the first byte.
        from: u64,
        /// So many of them.
        length: usize,
    },
    /// Which files are there whose ids begin with this hexadecimal digit. Answered by `Found`. What has arrived of others is
    /// removed, if it is older than `limits::ORPHAN_MS`. Only asked for where several servers keep files in one place.
    Sweep {
        /// From 0 to 15.
        digit: u8,
        /// Files that arrive here: what there is of them counts as new.
        arriving: Vec<FileId>,
    },
}

/// Without the bytes.
impl fmt::Debug for FileRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { id, bytes } => write!(f, "Write {{ {id:?}, {} bytes }}", bytes.len()),
            Self::Finish { id, bytes } => write!(f, "Finish {{ {id:?}, {bytes} bytes }}"),
            Self::Remove { id } => write!(f, "Remove {{ {id:?} }}"),
            Self::Read {
                id, from, length, ..
            } => write!(f, "Read {{ {id:?}, {length} bytes from {from} }}"),
            Self::Sweep { digit, .. } => write!(f, "Sweep {{ {digit:x} }}"),
        }
    }
}

/// What they answer.
#[derive(Clone, PartialEq, Eq)]
pub enum FileAnswer {
    /// These bytes are written.
    Written {
        /// The file.
        id: FileId,
        /// So many of them.
        bytes: usize,
    },
    /// The file is kept.
    Finished {
        /// The file.
        id: FileId,
    },
    /// It could not be written, or kept. Nothing is left of it.
    Failed {
        /// The file.
        id: FileId,
        /// Because there is no place for it.
        is_full: bool,
    },
    /// The bytes that were asked for; fewer if they cannot be read.
    Read {
        /// That of the request.
        ticket: ReadTicket,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The files that are there, and older than `limits::ORPHAN_MS`.
    Found {
        /// Their ids.
        ids: Vec<FileId>,
    },
}

impl fmt::Debug for FileAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written { id, bytes } => write!(f, "Written {{ {id:?}, {bytes} bytes }}"),
            Self::Finished { id } => write!(f, "Finished {{ {id:?} }}"),
            Self::Failed { id, is_full } => write!(f, "Failed {{ {id:?}, full: {is_full} }}"),
            Self::Read { ticket, bytes } => write!(f, "Read {{ {ticket:?}, {} }}", bytes.len()),
            Self::Found { ids } => write!(f, "Found {{ {} }}", ids.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for number in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef] {
            let text = FileId(number).to_string();
            assert_eq!(FileId::parse(&text), Some(FileId(number)));
        }
        let id = "0123456789abcdef0123456789abcdef";
        assert!(FileId::parse(id).is_some());
        for bad in [
            "",
            &id[1..],
            &id.to_uppercase(),
            "../../../../../../../../etc/passwd",
            "+123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(FileId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_does_not_get_into_the_log() {
        let id = FileId::parse("0123456789abcdef0123456789abcdef").unwrap();
        let request = FileRequest::Write {
            id,
            bytes: b"secret".to_vec(),
        };
        let logged = format!("{request:?} {:?}", FileAnswer::Finished { id });
        assert!(
            !logged.contains("89ab") && !logged.contains("115"),
            "{logged}"
        );
    }
}
