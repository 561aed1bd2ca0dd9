//! Files that leave: one part is read when the part before it has left, so that a slow reader holds no more than one.

use std::collections::BTreeSet;

use crate::core::file::{FileRequest, ReadTicket};
use crate::core::id::ConnectionId;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::{AfterResponse, Phase};
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::files::{Download, Files};
use crate::core::stream::Stream;
use crate::limits::FILE_SLICE;

impl Download {
    fn next_length(&self) -> usize {
        let left = self.end - self.next;
        usize::try_from(left).map_or(FILE_SLICE, |left| left.min(FILE_SLICE))
    }
}

impl Files {
    /// The connection is gone.
    pub(super) fn forget_download(&mut self, id: ConnectionId) {
        self.downloads.remove(&id);
    }

    /// Asks for the next part of what a connection is sent.
    fn read_part(&mut self, id: ConnectionId) {
        let Some(download) = self.downloads.get(&id) else {
            return;
        };
        self.tickets += 1;
        let ticket = ReadTicket(self.tickets);
        self.reads.insert(ticket, id);
        self.requests.push_back(FileRequest::Read {
            ticket,
            id: download.file,
            from: download.next,
            length: download.next_length(),
        });
    }
}

impl<S: Stream> Server<S> {
    /// Begins to send a file, or a part of it, which is not empty.
    pub(super) fn begin_download(&mut self, download: Download) {
        let id = download.reply.id;
        self.files.downloads.insert(id, download);
        self.read_next_part(id);
    }

    /// The part before it has left.
    pub(super) fn read_next_part(&mut self, id: ConnectionId) {
        self.enter(id, Phase::AwaitingStore, u64::MAX);
        if !self.is_held {
            self.files.read_part(id);
        }
    }

    /// Asks for the parts that were not asked for while the server was held.
    pub(super) fn resume_downloads(&mut self) {
        let asked: BTreeSet<ConnectionId> = self.files.reads.values().copied().collect();
        let waiting = self.files.downloads.keys().filter(|id| {
            let phase = self.get(**id).map(|it| it.phase);
            phase == Some(Phase::AwaitingStore) && !asked.contains(id)
        });
        let waiting: Vec<ConnectionId> = waiting.copied().collect();
        for id in waiting {
            self.files.read_part(id);
        }
    }

    /// A part has been read.
    pub(super) fn on_part(&mut self, ticket: ReadTicket, bytes: Vec<u8>, now: Now) {
        let Some(id) = self.files.reads.remove(&ticket) else {
            return;
        };
        // Someone who is gone, or about to go, gets no more.
        let waits = self
            .get(id)
            .is_some_and(|it| it.phase == Phase::AwaitingStore);
        let Some(download) = self.files.downloads.get_mut(&id).filter(|_| waits) else {
            return;
        };
        let head = download.head.take();
        if bytes.len() != download.next_length() {
            log::error!("the file {:?} cannot be read", download.file);
            download.head = head;
            return self.fail_download(id, now);
        }
        download.next += bytes.len() as u64;
        let is_last = download.next == download.end;
        let mut reply = download.reply.clone();
        if is_last {
            self.files.downloads.remove(&id);
            if self.drain.is_begun() {
                reply.then = AfterResponse::Close;
            }
        } else {
            reply.then = AfterResponse::NextPart;
        }
        let part = Chunk::whole(Frames::new(bytes, FrameKind::Response, &self.meter));
        match head {
            Some((status, head)) => self.queue_response(status, id, head, Some(part)),
            None => self.queue_part(id, part),
        }
        self.begin_response(&reply, now);
    }

    fn queue_part(&mut self, id: ConnectionId, part: Chunk) {
        if let Some(connection) = self.get_mut(id) {
            connection.queue.append(part);
            self.mark_dirty(id);
        }
    }

    /// A part cannot be read. Where the head has left, only the end of the connection can say so.
    pub(super) fn fail_download(&mut self, id: ConnectionId, now: Now) {
        let Some(download) = self.files.downloads.remove(&id) else {
            return;
        };
        if download.head.is_some() {
            let problem = unavailable("the file cannot be read now; see the server's log");
            self.respond_problem(&problem, &download.reply, now);
        } else {
            self.close(id, Ending::Abort(EndReason::FileFailed), now);
        }
    }
}
