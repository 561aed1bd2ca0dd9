//! The door for the lines of an export, which `parlor import` hands over beside a server that runs. Nobody but the owner of
//! the data directory comes in here, so no token is asked for.
//!
//! Each line is published in its room's log as anything else is, with the time and the author that it had, and its offset
//! unless others have come in between. A line that cannot be ends the import: those before it stay.

use std::net::SocketAddr;

use crate::codec::json::import::ImportEnd;
use crate::core::budget::cost;
use crate::core::chat::{Author, Draft, Format, Imported, Owner, PublishError, RoomId, RoomName};
use crate::core::export::{self, ImportError};
use crate::core::id::ConnectionId;
use crate::core::net::door::Door;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::import::{Gathered, ImportSession, longest_line};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::loading::Readiness;
use crate::core::server::publish::Submitted;
use crate::core::server::step::Step;
use crate::core::server::waiting::ReplyTo;
use crate::core::store::Stored;
use crate::core::stream::Stream;
use crate::limits::{IMPORT_REPORT_MS, MAX_IMPORTED_ROOMS, READ_BUFFER};

/// What becomes of a line.
enum LineStep {
    /// It is submitted.
    Submitted,
    /// It waits: for its room, or for the lines before it.
    Waits,
}

impl<S: Stream> Server<S> {
    /// Takes a socket in whose client hands over the lines of an export; see `admit`. Each line that it gets is an
    /// [`ImportReport`](export::ImportReport).
    pub fn admit_import(&mut self, socket: S, peer: SocketAddr, now: Now) -> Result<usize, S> {
        let index = self.admit(socket, peer, now)?;
        let id = self.connections[index].id;
        let mut session = ImportSession::default();
        session.next_report_ms = now.ms + IMPORT_REPORT_MS;
        self.set_door(id, Door::Import(Box::new(session)));
        // Whoever types lines may take their time.
        self.enter(id, Phase::Streaming { stuck_at: None }, u64::MAX);
        let refusal = match self.refusal(id) {
            Some(refusal) => Some(refusal.reason().as_str()),
            None if self.drain.is_begun() => Some("the server is shutting down"),
            None => None,
        };
        if let Some(why) = refusal {
            self.fail_import(id, None, why.to_owned(), now);
        }
        Ok(index)
    }

    /// Takes what belongs to the next line off the front of the input, and publishes it if it is whole.
    pub(in crate::core::server) fn take_import(
        &mut self,
        input: &mut &mut [u8],
        id: ConnectionId,
        now: Now,
    ) -> Step {
        let most = longest_line(self.limits.max_message);
        let Some(session) = self.import_mut(id).filter(|it| !it.has_failed()) else {
            return Step::Wait;
        };
        let number = session.number();
        match session.gather(input, most) {
            Gathered::Nothing => return Step::NeedMore,
            Gathered::TooLong => {
                let why = format!("it is longer than {most} bytes; see --max-message");
                self.fail_import(id, Some(number), why, now);
                return Step::Wait;
            }
            Gathered::Line => {}
        }
        let line = session.take_line();
        let length = cost::of_bytes(line.len(), cost::JSON_BYTE);
        self.budget.spend(length);
        let done = self.import_line(&line, number, id, now);
        let Some(session) = self.import_mut(id) else {
            return Step::Wait;
        };
        match done {
            Ok(LineStep::Submitted) => {
                session.finish_line(line, READ_BUFFER);
                self.count_imported_line(id);
                self.end_import_if_over(id, now);
                Step::Taken
            }
            Ok(LineStep::Waits) => {
                session.put_back(line);
                Step::Wait
            }
            Err(why) => {
                self.fail_import(id, Some(number), why, now);
                Step::Wait
            }
        }
    }

    /// The client hands over nothing more.
    pub(in crate::core::server) fn end_import(&mut self, id: ConnectionId, now: Now) {
        if let Some(session) = self.import_mut(id) {
            session.end_input();
        }
        self.take_import(&mut &mut [][..], id, now);
        self.end_import_if_over(id, now);
    }

    /// A line of an import is published, or is not.
    pub(in crate::core::server) fn on_imported(
        &mut self,
        id: ConnectionId,
        (line, room): (u64, &RoomName),
        outcome: Result<u64, PublishError>,
        now: Now,
    ) {
        let waits = self.waiting.count_of(id) > 0;
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let has_read = connection.queue.is_empty();
        let Some(session) = connection.door.import_mut() else {
            return;
        };
        match outcome {
            Ok(_) => session.on_published(room),
            Err(refusal) => session.fail(Some(line), why_not(refusal)),
        }
        let is_due = session.next_report_ms <= now.ms && !session.is_over();
        if is_due && has_read {
            session.next_report_ms = now.ms + IMPORT_REPORT_MS;
            self.report_import(id);
        }
        if !waits {
            // A line may have waited for those before it.
            self.schedule_read(id);
            self.end_import_if_over(id, now);
        }
    }

    /// The server closes a connection: an import is told so.
    pub(in crate::core::server) fn break_import_off(&mut self, id: ConnectionId, why: &str) {
        if let Some(session) = self.import_mut(id) {
            session.fail(Some(session.number()), why.to_owned());
            self.report_import(id);
        }
    }

    /// Submits the message of a line, or says why that cannot be.
    fn import_line(
        &mut self,
        line: &[u8],
        number: u64,
        id: ConnectionId,
        now: Now,
    ) -> Result<LineStep, String> {
        let line = str::from_utf8(line).map_err(|error| error.to_string())?;
        let (name, stored) = export::parse_json(line).map_err(|error| error.to_string())?;
        let (length, most) = (stored.record.body.len(), self.limits.max_message);
        if length > most {
            return Err(format!(
                "the message has {length} bytes, and --max-message of the server is {most}"
            ));
        }
        if self.outbox.is_none() {
            return Err("the server keeps no messages any more: its disk has failed".to_owned());
        }
        match self.readiness(&name, now) {
            Readiness::Ready => {}
            Readiness::Loading => {
                self.loading.hold(&name, id);
                return Ok(LineStep::Waits);
            }
            Readiness::Unavailable => {
                return Err(format!(
                    "what is kept of the room {name} cannot be read now"
                ));
            }
        }
        // Whether there is place for the state of a key is known when those before it have theirs.
        if stored.record.retain && self.waiting.count_of(id) > 0 {
            return Ok(LineStep::Waits);
        }
        let room = self.room_to_import(&name, stored.offset, id, now)?;
        let submitted = self.submit_imported(room, &stored, now).map_err(why_not)?;
        let epoch = self.chat.epoch(room);
        if let Submitted::Waiting(ticket) = submitted {
            let reply = ReplyTo::Import {
                id,
                line: number,
                room: name.clone(),
            };
            self.waiting.tell(ticket, reply, now.ms);
        }
        if let Some(session) = self.import_mut(id) {
            session.publishes_to = Some(room);
            session.on_submitted(&name, epoch, stored.offset);
            if matches!(submitted, Submitted::Published(_)) {
                session.on_published(&name);
            }
        }
        Ok(LineStep::Submitted)
    }

    /// The room of a line, which begins with its first. One that was there before is left alone.
    fn room_to_import(
        &mut self,
        name: &RoomName,
        offset: u64,
        id: ConnectionId,
        now: Now,
    ) -> Result<RoomId, String> {
        let Some(session) = self.get(id).and_then(|it| it.door.import()) else {
            return Err("the connection is closed".to_owned());
        };
        let (begun, count) = (session.begun(name), session.begun_count());
        let found = self.chat.find(name);
        if let Some(begun) = begun {
            let same = found.filter(|room| self.chat.epoch(*room) == begun.epoch);
            let last = begun.last;
            return match same {
                Some(room) if offset > last => Ok(room),
                Some(_) => Err(ImportError::Order {
                    room: name.clone(),
                    offset,
                    last,
                }
                .to_string()),
                None => Err(format!("the room {name} was emptied meanwhile")),
            };
        }
        if found.is_some_and(|room| self.chat.has_begun(room)) {
            return Err(ImportError::IsThere(name.clone()).to_string());
        }
        if count >= MAX_IMPORTED_ROOMS {
            return Err(format!(
                "beside a server {MAX_IMPORTED_ROOMS} rooms are imported at once: give the others to another import"
            ));
        }
        let owner = Owner::this_machine();
        let room = self.chat.find_or_create(name, &owner, now.ms);
        self.forget_ended();
        room.map_err(|error| why_not(error.into()))
    }

    fn submit_imported(
        &mut self,
        room: RoomId,
        stored: &Stored,
        now: Now,
    ) -> Result<Submitted, PublishError> {
        let record = &stored.record;
        let draft = Draft {
            author: &Author::stored(record.author_id, &record.author_name),
            owner: &Owner::this_machine(),
            content: record.content,
            body: &record.body,
            key: record.key.as_deref(),
            retain: record.retain,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: Some(Imported {
                offset: stored.offset,
                at_ms: stored.at_ms,
            }),
            condition: None,
            freshness: Default::default(),
        };
        self.submit(room, &draft, now)
    }

    /// The import ends with what is submitted already.
    fn fail_import(&mut self, id: ConnectionId, line: Option<u64>, why: String, now: Now) {
        if let Some(session) = self.import_mut(id) {
            session.fail(line, why);
        }
        self.end_import_if_over(id, now);
    }

    /// Says how the import has ended, and closes, once all that was submitted is answered.
    fn end_import_if_over(&mut self, id: ConnectionId, now: Now) {
        let waits = self.waiting.count_of(id) > 0;
        let is_open = |phase| matches!(phase, Phase::Streaming { .. });
        let over = self.get(id).filter(|it| !waits && is_open(it.phase));
        let session = over.and_then(|connection| connection.door.import());
        let Some(session) = session.filter(|session| session.is_over()) else {
            return;
        };
        let report = session.report();
        let is_done = report.end == Some(ImportEnd::Done);
        // Not why: a reason may quote the line.
        log::info!(
            "imported messages={} rooms={} all={is_done}",
            report.messages,
            report.rooms
        );
        self.report_import(id);
        self.close(id, Ending::Flush(EndReason::Done), now);
    }

    fn report_import(&mut self, id: ConnectionId) {
        if let Some(session) = self.import_mut(id) {
            let mut line = Vec::new();
            session.report().write(&mut line);
            self.answer_with(id, Format::Lines, line);
        }
    }

    fn import_mut(&mut self, id: ConnectionId) -> Option<&mut ImportSession> {
        self.get_mut(id)?.door.import_mut()
    }

    fn count_imported_line(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
    }
}

/// In the words of whoever imports.
fn why_not(refusal: PublishError) -> String {
    match refusal {
        PublishError::Unavailable { .. } => {
            "the server cannot keep it now; its log says why".to_owned()
        }
        PublishError::TooManyKeys => {
            "its room retains as many keys as it may; raise --max-keys".to_owned()
        }
        PublishError::NoMemory => {
            "the server retains as much as it may; raise --history-memory".to_owned()
        }
        PublishError::TooManyRooms => {
            "the server has as many rooms as it may; raise --max-rooms".to_owned()
        }
        refusal @ (PublishError::TooFast { .. } | PublishError::Conflict) => {
            CommandError::from(refusal).message.into_owned()
        }
    }
}
