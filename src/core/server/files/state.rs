//! Files, and those who are sent one, as they are told to the server that takes over.

use serde::{Deserialize, Serialize};

use super::{Download, Files};
use crate::codec::http::response::Status;
use crate::core::file::FileId;
use crate::core::handover::Bytes;
use crate::core::id::ConnectionId;
use crate::core::net::pending::Reply;
use crate::core::server::catalogue::state::FileState;

/// All files, and the downloads.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::server) struct FilesState<'a> {
    catalogue: Vec<FileState>,
    downloads: Vec<DownloadState<'a>>,
}

/// A download, of which no part is asked for.
#[derive(Debug, Serialize, Deserialize)]
struct DownloadState<'a> {
    id: ConnectionId,
    file: FileId,
    reply: Reply,
    head: Option<(u16, Bytes<'a>)>,
    next: u64,
    end: u64,
}

impl Files {
    /// To be called when nothing is asked for.
    pub(in crate::core::server) fn state(&self) -> FilesState<'_> {
        let downloads = self.downloads.iter().map(|(id, it)| DownloadState {
            id: *id,
            file: it.file,
            reply: it.reply.clone(),
            head: it
                .head
                .as_ref()
                .map(|(status, head)| (status.code, Bytes::of(head))),
            next: it.next,
            end: it.end,
        });
        FilesState {
            catalogue: self.catalogue.state(),
            downloads: downloads.collect(),
        }
    }

    pub(in crate::core::server) fn take_over(&mut self, state: FilesState<'_>) {
        if !state.catalogue.is_empty() {
            self.next_sweep_ms = Some(0);
        }
        self.catalogue.take_over(state.catalogue);
        for it in state.downloads {
            let head = it.head.and_then(|(code, head)| {
                let status = Status::ALL.into_iter().find(|status| status.code == code)?;
                Some((status, head.into_vec()))
            });
            let download = Download {
                file: it.file,
                reply: it.reply,
                head,
                next: it.next,
                end: it.end,
            };
            self.downloads.insert(it.id, download);
        }
    }

    /// Whether nothing is asked for, and no file has come that is not kept.
    pub(in crate::core::server) fn are_asked_nothing(&self) -> bool {
        self.requests.is_empty() && self.reads.is_empty() && self.finishing.is_empty()
    }

    /// The ids of files that arrive.
    pub(in crate::core::server) fn arriving_ids(&self) -> impl Iterator<Item = FileId> {
        self.arriving.keys().copied()
    }

    /// Whoever is not here is sent nothing.
    pub(in crate::core::server) fn forget_downloads(
        &mut self,
        is_here: impl Fn(ConnectionId) -> bool,
    ) {
        self.downloads.retain(|id, _| is_here(*id));
    }
}
