//! A folder in memory, as several nodes see it.

use std::collections::BTreeMap;

use parlor::core::file::{FileAnswer, FileId, FileRequest};
use parlor::limits::ORPHAN_MS;

/// The bytes of a file, and when they were written last.
type Written = (u64, Vec<u8>);

#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) parts: BTreeMap<FileId, Written>,
    pub(crate) files: BTreeMap<FileId, Written>,
    pub(crate) now_ms: u64,
}

impl Folder {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.files.is_empty()
    }

    /// Does what a node asks for.
    pub(crate) fn carry_out(&mut self, request: FileRequest) -> Option<FileAnswer> {
        let now_ms = self.now_ms;
        Some(match request {
            FileRequest::Write { id, bytes } => {
                let (at_ms, part) = self.parts.entry(id).or_default();
                *at_ms = now_ms;
                part.extend(&bytes);
                let bytes = bytes.len();
                FileAnswer::Written { id, bytes }
            }
            FileRequest::Finish { id, bytes } => match self.parts.remove(&id) {
                Some(part) if part.1.len() as u64 == bytes => {
                    self.files.insert(id, part);
                    FileAnswer::Finished { id }
                }
                _ => FileAnswer::Failed { id, is_full: false },
            },
            FileRequest::Remove { id } => {
                self.parts.remove(&id);
                self.files.remove(&id);
                return None;
            }
            FileRequest::Read {
                ticket,
                id,
                from,
                length,
            } => {
                let from = usize::try_from(from).unwrap();
                let file = self.files.get(&id);
                let bytes = file.and_then(|(_, file)| file.get(from..from + length));
                let bytes = bytes.unwrap_or_default().to_vec();
                FileAnswer::Read { ticket, bytes }
            }
            FileRequest::Sweep { digit, arriving } => {
                for id in arriving {
                    if let Some((at_ms, _)) = self.parts.get_mut(&id) {
                        *at_ms = now_ms;
                    }
                }
                let is_old = |id: &FileId, at_ms: u64| {
                    id.first_digit() == digit && now_ms - at_ms > ORPHAN_MS
                };
                self.parts.retain(|id, (at_ms, _)| !is_old(id, *at_ms));
                let old = self.files.iter();
                let old = old.filter(|(id, (at_ms, _))| is_old(id, *at_ms));
                let ids = old.map(|(id, _)| *id).collect();
                FileAnswer::Found { ids }
            }
        })
    }
}
