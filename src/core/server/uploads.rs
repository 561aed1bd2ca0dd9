//! Files that arrive: slices of a body go on to whoever keeps them as they come, and the message that tells of the file is
//! published when all is kept.

use crate::codec::http::response::{Problem, Status};
use crate::codec::media::MAX_LOOKED_AT;
use crate::core::chat::{Content, Draft, RoomId};
use crate::core::file::{FileId, FileRequest, Shortage};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::pending::{Pending, Reply, Upload};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::respond::unavailable;
use crate::core::server::error::CommandError;
use crate::core::server::loading::Readiness;
use crate::core::server::publish::Submitted;
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;
use crate::limits::{FILE_SLICE, MAX_UNWRITTEN, READ_BUFFER};

/// Bytes of memory that a connection holds at most whose body is a file: what gathers, in a vector that may have doubled,
/// what is not written, and what was kept to look at.
pub(super) const MAX_UPLOAD_BYTES: usize =
    MAX_UNWRITTEN + 2 * MAX_LOOKED_AT + 4 * (FILE_SLICE + READ_BUFFER);

impl<S: Stream> Server<S> {
    /// Whether so much of a file is not written that its sender is not read for now.
    pub(super) fn waits_for_disk(&self, id: ConnectionId) -> bool {
        let pending = self.get(id).and_then(Connection::pending);
        let upload = pending.and_then(Pending::upload);
        upload.is_some_and(Upload::must_wait)
    }

    /// Passes on what has gathered of a file, once that is a slice.
    pub(super) fn pass_file_on(&mut self, id: ConnectionId) -> Result<(), Problem> {
        let files = &mut self.files;
        let connection = self.connections.get_mut(id.index());
        let pending = connection.and_then(|it| it.door.pending_mut());
        let Some((upload, body)) = pending.and_then(Pending::upload_mut) else {
            return Ok(());
        };
        if body.held_bytes() < FILE_SLICE {
            return Ok(());
        }
        let bytes = body.take_arrived();
        upload.pass_on(&bytes, false);
        let announced = files.catalogue.get(upload.id).map_or(0, |it| it.file.bytes);
        let more = upload.bytes.saturating_sub(announced);
        let grown = files.catalogue.grow(upload.id, more, &self.limits);
        files.requests.push_back(FileRequest::Write {
            id: upload.id,
            bytes,
        });
        grown.map_err(Shortage::problem)
    }

    /// All of a file has come. It is kept, and then its message is published.
    pub(super) fn finish_upload(
        &mut self,
        mut upload: Upload,
        bytes: Vec<u8>,
        reply: Reply,
        now: Now,
    ) {
        let id = upload.id;
        self.files.arriving.remove(&id);
        upload.pass_on(&bytes, true);
        let announced = self.files.catalogue.get(id).map_or(0, |it| it.file.bytes);
        let more = upload.bytes.saturating_sub(announced);
        if let Err(shortage) = self.files.catalogue.grow(id, more, &self.limits) {
            self.files.remove(id);
            return self.respond_problem(&shortage.problem(), &reply, now);
        }
        let finish = FileRequest::Finish {
            id,
            bytes: upload.bytes,
        };
        if let Some(file) = self.files.catalogue.get_mut(id) {
            let media = upload.media();
            file.content_type = media.content_type.into();
            file.size = media.size;
            file.at_ms = now.unix_ms;
        }
        self.files
            .requests
            .extend([FileRequest::Write { id, bytes }, finish]);
        self.enter(reply.id, Phase::AwaitingStore, u64::MAX);
        self.files.finishing.insert(id, (upload, reply));
    }

    /// Some of a file is written: its sender is read again.
    pub(super) fn on_written(&mut self, id: FileId, bytes: usize) {
        let Some(&connection_id) = self.files.arriving.get(&id) else {
            return;
        };
        let connection = self.get_mut(connection_id);
        let pending = connection.and_then(|it| it.door.pending_mut());
        let Some((upload, _)) = pending.and_then(Pending::upload_mut) else {
            return;
        };
        let had_to_wait = upload.must_wait();
        upload.unwritten = upload.unwritten.saturating_sub(bytes);
        let must_wait = upload.must_wait();
        self.meter_connection(connection_id);
        if had_to_wait && !must_wait {
            self.schedule_read(connection_id);
        }
    }

    /// A file is kept.
    pub(super) fn on_finished(&mut self, id: FileId, now: Now) {
        if let Some((upload, reply)) = self.files.finishing.remove(&id) {
            self.publish_file(upload, reply, now);
        }
    }

    /// A file could not be written.
    pub(super) fn on_file_failed(&mut self, id: FileId, is_full: bool, now: Now) {
        let problem = match is_full {
            true => DISK_FULL,
            false => unavailable("the file cannot be written now; see the server's log"),
        };
        if let Some(&connection) = self.files.arriving.get(&id) {
            self.refuse_body(&problem, connection, now);
        } else if let Some((_, reply)) = self.files.finishing.remove(&id) {
            self.files.remove(id);
            self.respond_problem(&problem, &reply, now);
        }
    }

    /// Publishes the message that tells of a file, as soon as its room is here.
    pub(super) fn publish_file(&mut self, upload: Upload, reply: Reply, now: Now) {
        match self.readiness(&upload.room, now) {
            Readiness::Ready => {}
            Readiness::Loading => return self.loading.put_file_aside(upload, reply),
            Readiness::Unavailable => {
                self.drop_file(upload.id);
                let problem = unavailable("what is kept of this room cannot be read now");
                return self.respond_problem(&problem, &reply, now);
            }
        }
        match self.files.shared.is_some() {
            true => self.link_file(upload, reply, now),
            false => self.publish_ready(&upload, reply, now),
        }
    }

    /// The log keeps the link of a file. Its room may have ended meanwhile.
    pub(super) fn publish_linked(&mut self, upload: Upload, reply: Reply, now: Now) {
        match self.readiness(&upload.room, now) {
            Readiness::Ready => self.publish_ready(&upload, reply, now),
            Readiness::Loading | Readiness::Unavailable => self.publish_file(upload, reply, now),
        }
    }

    fn publish_ready(&mut self, upload: &Upload, reply: Reply, now: Now) {
        match self.submit_file(upload, now) {
            Ok((_, Submitted::Waiting(ticket))) => {
                let reply_to = ReplyTo::File(Box::new(reply), upload.id);
                self.waiting.tell(ticket, reply_to, now.ms);
            }
            Ok((room, Submitted::Published(offset))) => {
                let offset = Ok(offset.unwrap_or_default());
                self.respond_to_upload(room, upload.id, offset, &reply, now);
            }
            Err(failure) => {
                self.drop_file(upload.id);
                self.respond_problem(&failure.into(), &reply, now);
            }
        }
    }

    fn submit_file(
        &mut self,
        upload: &Upload,
        now: Now,
    ) -> Result<(RoomId, Submitted), CommandError> {
        let owner = &upload.owner;
        let found = self
            .chat
            .find_or_create_for_publish(&upload.room, owner, now.ms);
        self.forget_ended();
        let room = found?;
        let entry = self.files.catalogue.get(upload.id);
        let body = entry.map_or(String::new(), |entry| entry.file.facts().to_json());
        let draft = Draft {
            author: &upload.author,
            owner,
            content: Content::Json,
            body: body.as_bytes(),
            key: None,
            retain: false,
            ephemeral: false,
            dedup: None,
            file: Some(upload.id),
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        Ok((room, self.submit(room, &draft, now)?))
    }
}

const DISK_FULL: Problem = Problem::new(
    Status::INSUFFICIENT_STORAGE,
    "the server's disk is full; its operator has to make room",
);

impl Shortage {
    /// The refusal of a file that has no place.
    pub(super) fn problem(self) -> Problem {
        let detail = match self {
            Self::All => {
                "the server keeps as many files as it may; its operator raises --file-space or --max-files, or empties rooms"
            }
            Self::Room => {
                "the room has as many files as it may; send it to another, or ask the operator to raise --room-file-space or --max-room-files"
            }
            Self::Owner => {
                "your files take as much as one person's may; wait until old ones are gone, or ask the operator to raise --file-quota"
            }
        };
        Problem::new(Status::INSUFFICIENT_STORAGE, detail)
    }
}
