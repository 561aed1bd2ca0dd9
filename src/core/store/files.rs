//! What is asked of a log that several servers share about files: it keeps their links, by which each server finds the files that
//! others have taken. The bytes are elsewhere, where all servers reach them.

use crate::core::file::{FileId, KeptFile, Shortage, Space};
use crate::core::store::ticket::Ticket;

/// What is asked.
#[derive(Clone, Debug)]
pub enum FilesRequest {
    /// To keep the link of a file, if the limits leave place for it. Answered by `Kept` or `Full`. The same may be asked twice.
    Keep {
        /// To be named in the answer.
        ticket: Ticket,
        /// The link.
        link: Box<FileLink>,
        /// The epoch of the room in which its message will be.
        epoch: u64,
    },
    /// What is known of a file. Answered by `Link`.
    Find {
        /// To be named in the answer.
        ticket: Ticket,
        /// The file.
        id: FileId,
    },
    /// Which of these files have no link. Answered by `Orphans`.
    Check {
        /// To be named in the answer.
        ticket: Ticket,
        /// The files: no more than `limits::FILES_AT_ONCE`.
        ids: Vec<FileId>,
    },
    /// How much the files of some owners take. Answered by `Usage`.
    Usage {
        /// To be named in the answer.
        ticket: Ticket,
        /// The owners, as their texts.
        owners: Vec<Box<str>>,
    },
    /// To forget links. Not answered: the server is told which they were, as `FilesNews`.
    Forget(FilesToForget),
}

/// What is known of a file that any server may have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// The name of its room.
    pub room: Box<str>,
    /// The file.
    pub file: KeptFile,
}

/// Which links are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesToForget {
    /// That of this file.
    One(FileId),
    /// Those of a room.
    Room {
        /// The name of the room.
        room: Box<str>,
        /// Which of the rooms that had this name.
        epoch: u64,
    },
    /// Those of an owner, who is named by this text.
    Owner(Box<str>),
    /// Those that are older than `--file-time`.
    Old,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesAnswer {
    /// The link is kept.
    Kept,
    /// There is no place for it.
    Full(Shortage),
    /// What is known of the file; `None` if it has no link.
    Link(Option<Box<FileLink>>),
    /// These have no link.
    Orphans(Vec<FileId>),
    /// Bytes of the files of each owner, in the order in which they were asked for.
    Usage(Vec<u64>),
    /// The log cannot say it now, or cannot do it.
    Unavailable,
}

/// Links were forgotten by what this server has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesNews {
    /// Of which files: nobody else is told of these.
    pub forgotten: Vec<FileId>,
    /// How much all others take.
    pub space: Space,
}

impl FilesRequest {
    /// By which the answer is known; `None` if there is none.
    pub(in crate::core) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Keep { ticket, .. }
            | Self::Find { ticket, .. }
            | Self::Check { ticket, .. }
            | Self::Usage { ticket, .. } => Some(*ticket),
            Self::Forget(_) => None,
        }
    }
}
