//! The files of all rooms, and what the server asks of whoever keeps their bytes. How they come is in `uploads`, and how they
//! leave in `downloads`.

pub(super) mod state;

use std::collections::{BTreeMap, VecDeque};

use chacha20::rand_core::Rng;

use crate::codec::http::response::{Problem, Status};
use crate::core::budget::cost;
use crate::core::chat::{Draft, Owner, RoomName};
use crate::core::ensure::ensure;
use crate::core::file::{FileAnswer, FileId, FileRequest, KeptFile, PlacedFile, ReadTicket, Space};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::pending::{Pending, Reply, Upload};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::catalogue::Catalogue;
use crate::core::server::file_questions::SharedFiles;
use crate::core::server::storing::Outbox;
use crate::core::store::{FilesRequest, FilesToForget, Request};
use crate::core::stream::Stream;
use crate::limits::{FILE_WEIGHT, FILES_SHARE, FILES_SWEEP_MS};

const NO_DISK: Problem = Problem::new(
    Status::SERVICE_UNAVAILABLE,
    "the server's disk has failed, and it keeps no files any more",
);

/// The answer to whoever asks for a file that is not there.
pub(super) const GONE: Problem = Problem::new(
    Status::NOT_FOUND,
    "there is no such file, or not any more: files go with their messages, and after --file-time",
);

/// All files, and those on their way.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Whether files are kept at all.
    pub(super) is_on: bool,
    pub(super) catalogue: Catalogue,
    /// What is asked for, and not taken yet.
    pub(super) requests: VecDeque<FileRequest>,
    /// Whose bodies bring files.
    pub(super) arriving: BTreeMap<FileId, ConnectionId>,
    /// Files that have come, and are not kept yet.
    pub(super) finishing: BTreeMap<FileId, (Upload, Reply)>,
    /// Who is sent a file.
    pub(super) downloads: BTreeMap<ConnectionId, Download>,
    /// Who waits for a part of it.
    pub(super) reads: BTreeMap<ReadTicket, ConnectionId>,
    /// Tickets given so far.
    pub(super) tickets: u64,
    next_sweep_ms: Option<u64>,
    /// Where other servers have the same files.
    pub(super) shared: Option<Box<SharedFiles>>,
}

/// A file that is sent to a connection.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) file: FileId,
    pub(super) reply: Reply,
    /// The head of the response, which leaves with the first part: if that cannot be read, another response does.
    pub(super) head: Option<(Status, Vec<u8>)>,
    /// The place of the next byte, and that behind the last one.
    pub(super) next: u64,
    pub(super) end: u64,
}

impl Files {
    /// What the store is to keep of the file that a message tells of.
    pub(super) fn kept(&self, draft: &Draft<'_>) -> Option<Box<KeptFile>> {
        let entry = self.catalogue.get(draft.file?)?;
        Some(Box::new(entry.file.clone()))
    }

    /// The message of a file is published.
    pub(super) fn place(&mut self, id: FileId, epoch: u64) {
        self.catalogue.place(id, epoch);
        self.next_sweep_ms.get_or_insert(0);
    }

    /// A file is no more: its bytes go, too.
    pub(super) fn remove(&mut self, id: FileId) {
        if self.catalogue.remove(id) {
            self.requests.push_back(FileRequest::Remove { id });
        }
    }

    /// The file of a body that does not come to its end.
    pub(super) fn give_up(&mut self, id: FileId) {
        self.arriving.remove(&id);
        self.remove(id);
    }

    /// A room is forgotten, with all that is in it.
    pub(super) fn forget_room(&mut self, room: &RoomName, epoch: u64) {
        for id in self.catalogue.of_room(room.as_str(), epoch) {
            self.remove(id);
        }
    }

    /// Has the log forget links, where it keeps any.
    pub(super) fn forget_links(&self, which: FilesToForget, outbox: Option<&mut Outbox>) {
        if let Some(outbox) = outbox.filter(|_| self.shared.is_some()) {
            outbox.push(Request::Files(FilesRequest::Forget(which)));
        }
    }

    /// The files of one owner go. Says how many.
    pub(super) fn forget_owner(&mut self, owner: &Owner) -> usize {
        let ids = self.catalogue.owned_by(&owner.to_text());
        for id in &ids {
            self.remove(*id);
        }
        ids.len()
    }

    /// Bytes of the files of one owner.
    pub(super) fn bytes_of(&self, owner: &Owner) -> u64 {
        self.catalogue.of_owner(&owner.to_text()).bytes
    }

    /// When it is looked next whether files are too old, or something else is due.
    pub(super) fn next_due_ms(&self, is_held: bool) -> Option<u64> {
        match &self.shared {
            Some(shared) => shared.next_due_ms(is_held),
            None => self.next_sweep_ms,
        }
    }

    /// How much all files take, here, or as the log has said last that keeps their links.
    pub(super) fn space(&self) -> Space {
        match &self.shared {
            Some(shared) => shared.space(),
            None => self.catalogue.all(),
        }
    }

    /// Files that are on their way.
    fn on_their_way(&self) -> usize {
        self.arriving.len() + self.finishing.len() + self.downloads.len()
    }
}

impl<S: Stream> Server<S> {
    /// Keeps files from now on, and has these. To be called after `use_store`, before the first connection. Whoever drives the
    /// server passes on what [`next_file_request`](Self::next_file_request) gives, and calls
    /// [`on_file_answer`](Self::on_file_answer).
    pub fn use_files(&mut self, files: Vec<PlacedFile>) {
        self.files.is_on = true;
        for file in files {
            self.files.catalogue.restore(file);
            self.files.next_sweep_ms = Some(0);
        }
    }

    /// The next request for whoever keeps the bytes of files.
    pub fn next_file_request(&mut self) -> Option<FileRequest> {
        self.files.requests.pop_front()
    }

    /// They have answered. An answer to what was given up is ignored.
    pub fn on_file_answer(&mut self, answer: FileAnswer, now: Now) {
        self.budget.spend(cost::LOOKUP);
        match answer {
            FileAnswer::Written { id, bytes } => self.on_written(id, bytes),
            FileAnswer::Finished { id } => self.on_finished(id, now),
            FileAnswer::Failed { id, is_full } => self.on_file_failed(id, is_full, now),
            FileAnswer::Read { ticket, bytes } => self.on_part(ticket, bytes, now),
            FileAnswer::Found { ids } => self.on_found_files(ids, now),
        }
    }

    /// The store has forgotten the messages of these files, because of their age or their number: they go, too.
    pub fn on_files_forgotten(&mut self, ids: &[FileId]) {
        for id in ids {
            self.files.remove(*id);
        }
    }

    /// There is nobody any more who keeps bytes: what is on its way ends, and nothing more is taken or sent.
    pub(super) fn lose_files(&mut self, now: Now) {
        self.files.is_on = false;
        let arriving: Vec<ConnectionId> = self.files.arriving.values().copied().collect();
        for id in arriving {
            self.refuse_body(&NO_DISK, id, now);
        }
        for (_, (_, reply)) in std::mem::take(&mut self.files.finishing) {
            self.respond_problem(&NO_DISK, &reply, now);
        }
        let downloads: Vec<ConnectionId> = self.files.downloads.keys().copied().collect();
        for id in downloads {
            self.fail_download(id, now);
        }
        self.files = Files::default();
    }

    /// Forgets files that are older than `--file-time`, as many as the budget allows.
    pub(super) fn forget_old_files(&mut self, now: Now) {
        if self.files.shared.is_some() {
            return self.look_after_shared_files(now);
        }
        if self
            .files
            .next_sweep_ms
            .is_none_or(|due_ms| due_ms > now.ms)
        {
            return;
        }
        let most_ms = self.limits.file_time.ms();
        let before_ms = most_ms.map_or(0, |most_ms| now.unix_ms.saturating_sub(most_ms));
        while self.budget.is_left()
            && let Some(id) = self.files.catalogue.oldest_before(before_ms)
        {
            self.budget.spend(cost::LOOKUP);
            self.files.remove(id);
        }
        // A clock that is set, and a limit that changes, are noticed in time.
        let oldest_ms = self.files.catalogue.oldest_ms();
        self.files.next_sweep_ms = oldest_ms.map(|_| now.ms + FILES_SWEEP_MS);
    }

    /// Whether nothing is asked of whoever keeps the bytes of files, and all is written that has come of files.
    pub(super) fn are_files_quiet(&self) -> bool {
        let mut arriving = self.files.arriving.values();
        let is_written = |id: &ConnectionId| {
            let pending = self.get(*id).and_then(Connection::pending);
            let upload = pending.and_then(Pending::upload);
            upload.is_none_or(|upload| upload.unwritten == 0)
        };
        self.files.are_asked_nothing() && arriving.all(is_written)
    }

    /// Files that have not come to their end: what there is of them is to be kept when another server takes over.
    pub fn arriving_files(&self) -> impl Iterator<Item = FileId> {
        self.files.arriving_ids()
    }

    /// Whether one more file may be on its way.
    pub(super) fn has_place_for_file(&self) -> bool {
        let most = self.limits.max_memory / FILES_SHARE / FILE_WEIGHT;
        self.files.on_their_way() < most.max(1)
    }

    pub(super) fn new_file_id(&mut self) -> FileId {
        let (upper, lower) = (self.random.next_u64(), self.random.next_u64());
        FileId(u128::from(upper) << 64 | u128::from(lower))
    }

    /// Checks that every file on its way is somebody's.
    pub(super) fn check_files(&self) -> Result<(), String> {
        self.files.catalogue.check_sums()?;
        let connections = self.connections.iter().map(|(_, it)| it);
        let uploads = connections.clone().filter_map(|connection| {
            let upload = connection.pending().and_then(Pending::upload)?;
            Some((upload.id, connection.id))
        });
        let uploads: BTreeMap<FileId, ConnectionId> = uploads.collect();
        ensure(
            uploads == self.files.arriving,
            "a file arrives with nobody, or unseen",
        )?;
        ensure(
            self.files
                .downloads
                .keys()
                .all(|&id| self.get(id).is_some()),
            "a file is sent to nobody",
        )
    }
}
