//! The files as they are told to the server that takes over. The room that they take is counted anew.

use serde::{Deserialize, Serialize};

use super::{Catalogue, Entry};
use crate::core::file::KeptFile;

/// A file, and the epoch of its room in which its message is, if that is published.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::server) struct FileState {
    room: Box<str>,
    file: KeptFile,
    epoch: Option<u64>,
}

impl Catalogue {
    pub(in crate::core::server) fn state(&self) -> Vec<FileState> {
        let files = self
            .files
            .values()
            .map(|Entry { room, file, epoch }| FileState {
                room: room.clone(),
                file: file.clone(),
                epoch: *epoch,
            });
        files.collect()
    }

    pub(in crate::core::server) fn take_over(&mut self, files: Vec<FileState>) {
        for FileState { room, file, epoch } in files {
            let id = file.id;
            self.insert(room, file);
            if let Some(epoch) = epoch {
                self.place(id, epoch);
            }
        }
    }
}
