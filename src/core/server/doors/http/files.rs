//! Files over HTTP: how they are sent to a room, and read.

use percent_encoding::percent_decode_str;

use crate::codec::http::body;
use crate::codec::http::disposition;
use crate::codec::http::range::Part;
use crate::codec::http::request::{BodyLength, Request};
use crate::codec::http::response::{Head, Problem, Status};
use crate::codec::json::event::Epoch;
use crate::codec::json::file::shown_bytes;
use crate::codec::media::Media;
use crate::core::access::Rights;
use crate::core::chat::{Author, RoomId, RoomName};
use crate::core::file::{FileId, KeptFile, Shortage};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::pending::{Arriving, Pending, Reply, Upload};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::http::fields::{FOREIGN_ORIGIN, read_only};
use crate::core::server::doors::http::respond::{unavailable, write_sharing};
use crate::core::server::doors::http::rooms::check_encoding;
use crate::core::server::error::CommandError;
use crate::core::server::file_view::{FileView, etag_of};
use crate::core::server::files::{Download, GONE};
use crate::core::stream::Stream;
use crate::limits::MAX_FILE_NAME;

/// What a browser is told of a file: not to guess what it is, and to run nothing in it. It plays sound and video that is
/// opened by itself in a page of its own, which loads it again and has a style.
const SECURITY_FIELDS: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

impl<S: Stream> Server<S> {
    /// Begins to take a file that comes as the request's body.
    pub(in crate::core::server) fn begin_upload(
        &mut self,
        request: &Request<'_>,
        (room, name): (RoomName, &str),
        rights: &Rights,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !self.files.is_on || self.outbox.is_none() {
            return Err(NO_FILES);
        }
        let name = parse_name(name)?;
        check_encoding(request)?;
        let author = self.author_of_upload(request, rights, reply)?;
        let owner = self.owner_of_request(request, rights, reply.id);
        self.chat
            .may_post(&owner, now)
            .map_err(CommandError::from)?;
        let announced = match request.body {
            BodyLength::Counted(length) => length,
            BodyLength::Chunked => 0,
        };
        let most = usize::try_from(self.limits.max_file).unwrap_or(usize::MAX);
        let body = body::Decoder::new(request.body, most).map_err(|_| self.too_long())?;
        if !self.has_place_for_file() {
            return Err(unavailable(
                "too many files are on their way; try again soon",
            ));
        }
        let file = KeptFile {
            id: self.new_file_id(),
            name: name.clone(),
            content_type: "".into(),
            bytes: announced,
            size: None,
            owner: owner.to_text().into(),
            at_ms: now.unix_ms,
        };
        let id = file.id;
        let catalogue = &mut self.files.catalogue;
        let reserved = catalogue.reserve(room.as_str(), file, &self.limits);
        reserved.map_err(Shortage::problem)?;
        self.files.arriving.insert(id, reply.id);
        let arriving = Arriving::File(Upload::new(id, room, name, (author, owner)));
        self.begin_body(Pending::new(request, arriving, reply, body), now);
        Ok(())
    }

    /// Who sends a file: as with POST, or, where the parlor is open, whoever has this secret at the JSON door. A page sends it
    /// for the person who looks at it.
    fn author_of_upload(
        &mut self,
        request: &Request<'_>,
        rights: &Rights,
        reply: &Reply,
    ) -> Result<Author, Problem> {
        match (request.value("parlor-resume"), rights) {
            (Some(secret), Rights::Open) => {
                self.chat.author_by_secret(secret).ok_or(UNKNOWN_SECRET)
            }
            _ => self.author_of_post(request, rights, reply),
        }
    }

    fn too_long(&self) -> Problem {
        let most = shown_bytes(self.limits.max_file);
        let detail = format!(
            "the file is longer than the {most} that this server takes; its operator raises that by --max-file"
        );
        Problem::detailed(Status::CONTENT_TOO_LARGE, detail)
    }

    /// What is wrong with a body, where that is a file.
    pub(in crate::core::server) fn in_words_for_files(
        &self,
        problem: Problem,
        id: ConnectionId,
    ) -> Problem {
        let is_too_long = problem.status == Status::CONTENT_TOO_LARGE;
        let pending = self.get(id).and_then(Connection::pending);
        match pending.and_then(Pending::upload) {
            Some(_) if is_too_long => self.too_long(),
            _ => problem,
        }
    }

    /// Answers whoever has sent a file with its message.
    pub(in crate::core::server) fn respond_to_upload(
        &mut self,
        room: RoomId,
        id: FileId,
        outcome: Result<u64, CommandError>,
        reply: &Reply,
        now: Now,
    ) {
        let offset = match outcome {
            Ok(offset) => offset,
            Err(failure) => return self.respond_problem(&failure.into(), reply, now),
        };
        let (Some(entry), Some(name)) = (self.files.catalogue.get(id), self.chat.room_name(room))
        else {
            let problem = Problem::new(Status::NOT_FOUND, "the room was emptied meanwhile");
            return self.respond_problem(&problem, reply, now);
        };
        let facts = entry.file.facts();
        let epoch = Epoch(self.chat.epoch(room));
        let data = facts.to_json();
        // A room's name holds nothing that JSON would have to escape.
        let json = format!(
            "{{\"room\":\"{name}\",\"epoch\":\"{epoch}\",\"offset\":{offset},\"data\":{data}}}\n"
        );
        let mut head = Head::new(Status::CREATED, now.unix_ms);
        head.field("Location", &facts.href);
        head.field("Cache-Control", "no-store");
        head.connection(reply.keeps_alive());
        let kind = "application/json";
        self.respond_text(Status::CREATED, head, kind, &json, reply, now);
    }

    /// Sends a file, or a part of it, to those who may read its room.
    pub(in crate::core::server) fn answer_file(
        &mut self,
        request: &Request<'_>,
        path: &str,
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        if !matches!(request.method, "GET" | "HEAD") {
            return Err(read_only());
        }
        if !self.is_origin_allowed(request) {
            return Err(FOREIGN_ORIGIN);
        }
        request.check_query(&["token"])?;
        let rights = self.rights_of_request(request, reply.id, now)?;
        // The name is for people: the file is found by its id alone.
        let id = FileId::parse(path.split('/').next().unwrap_or_default());
        let id = id.ok_or(GONE)?;
        let reply = Reply {
            sharing: self.sharing(request),
            ..reply.clone()
        };
        let peer = self.peer(Some(request), reply.id);
        let view = FileView::new(request, id, (rights, peer), reply);
        if self.files.shared.is_some() {
            return self.find_file(view, now);
        }
        let entry = self.files.catalogue.get(id);
        let entry = entry.filter(|entry| entry.is_published()).ok_or(GONE)?;
        let room = RoomName::parse(&entry.room).ok_or(GONE)?;
        let file = entry.file.clone();
        self.show_file(&view, &room, &file, now)
    }

    /// Sends a file of this room, or what is wanted of it, to whoever may read it.
    pub(in crate::core::server) fn show_file(
        &mut self,
        view: &FileView,
        room: &RoomName,
        file: &KeptFile,
        now: Now,
    ) -> Result<(), Problem> {
        let FileView {
            rights,
            reply,
            is_fresh,
            ..
        } = view;
        let is_fresh = *is_fresh;
        rights.check_subscribe(room)?;
        self.check_ban(rights, view.peer, Some(room))?;
        let etag = etag_of(file.id);
        let part = view.wanted.part(file.bytes);
        let status = match part {
            _ if is_fresh => Status::NOT_MODIFIED,
            Part::Whole => Status::OK,
            Part::Range { .. } => Status::PARTIAL_CONTENT,
            Part::Unsatisfiable => Status::RANGE_NOT_SATISFIABLE,
        };
        let (next, end) = part.bounds(file.bytes);
        let mut head = Head::new(status, now.unix_ms);
        head.field("ETag", &etag);
        // Asked for again each time: whoever may not read the room any more does not get it.
        head.field("Cache-Control", "private, no-cache");
        write_sharing(&mut head, &reply.sharing);
        for (name, value) in SECURITY_FIELDS {
            head.field(name, value);
        }
        if !is_fresh {
            let is_inline = Media::is_inline(&file.content_type);
            head.field("Content-Type", &file.content_type);
            head.field(
                "Content-Disposition",
                &disposition::of(&file.name, is_inline),
            );
            head.field("Accept-Ranges", "bytes");
            head.field("Content-Length", &(end - next).to_string());
            if let Some(range) = part.content_range(file.bytes) {
                head.field("Content-Range", &range);
            }
        }
        head.connection(reply.keeps_alive());
        if is_fresh || reply.is_head || next == end {
            self.queue_response(status, reply.id, head.finish(), None);
            self.begin_response(reply, now);
            return Ok(());
        }
        if !self.has_place_for_file() {
            return Err(unavailable(
                "too many files are on their way; try again soon",
            ));
        }
        self.begin_download(Download {
            file: file.id,
            reply: reply.clone(),
            head: Some((status, head.finish())),
            next,
            end,
        });
        Ok(())
    }
}

/// The name of a file in a path: what stands behind the last slash, as on its sender's machine. It never names a file here.
fn parse_name(encoded: &str) -> Result<Box<str>, Problem> {
    let refuse = |detail| Problem::new(Status::BAD_REQUEST, detail);
    let Ok(decoded) = percent_decode_str(encoded).decode_utf8() else {
        return Err(refuse("the file's name is not UTF-8"));
    };
    let name = decoded.rsplit(['/', '\\']).next().unwrap_or_default();
    // What could change how the rest is shown, or leave its line.
    let is_odd =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let name: String = name.chars().filter(|c| !is_odd(*c)).collect();
    match name.trim() {
        "" | "." | ".." => Err(refuse(
            "the file's name is missing: it stands at the end, as in /rooms/tea/files/report.pdf",
        )),
        name if name.len() > MAX_FILE_NAME => {
            Err(refuse("the file's name is too long: it may have 255 bytes"))
        }
        name => Ok(name.into()),
    }
}

const NO_FILES: Problem = Problem::new(
    Status::NOT_IMPLEMENTED,
    "this server keeps no files: start it with --data DIR, or with --redis and --files DIR",
);

/// A request says by a secret that it is somebody's, and it is nobody's.
pub(super) const UNKNOWN_SECRET: Problem = Problem::new(
    Status::FORBIDDEN,
    "nobody has this secret in Parlor-Resume: it is that of the last welcome",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_for_people() {
        for (encoded, name) in [
            ("report.pdf", "report.pdf"),
            ("my%20cat.png", "my cat.png"),
            ("%E2%82%AC.txt", "\u{20ac}.txt"),
            ("..%2F..%2Fetc%2Fpasswd", "passwd"),
            ("../etc/passwd", "passwd"),
            ("C:%5Ctemp%5Ca.txt", "a.txt"),
            ("a%0Ab%00.txt", "ab.txt"),
            ("evil%E2%80%AEgnp.exe", "evilgnp.exe"),
            (".bashrc", ".bashrc"),
        ] {
            assert_eq!(parse_name(encoded).as_deref(), Ok(name), "{encoded}");
        }
        let long = "x".repeat(256);
        for bad in ["", "%20", "..", "a/", "%2E%2E", "%FF", "%0A", &long] {
            let problem = parse_name(bad).unwrap_err();
            assert_eq!(problem.status, Status::BAD_REQUEST, "{bad}");
        }
    }
}
