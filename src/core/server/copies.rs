//! One message in several rooms: in each it is published or refused by itself, and the answer names what became of it there.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::codec::error_code::ErrorCode;
use crate::codec::http::response::{Problem, Status};
use crate::codec::json::command::{Id, Publish};
use crate::codec::json::condition::Condition;
use crate::codec::json::copies::Copied;
use crate::codec::json::event::{self, Epoch, Event};
use crate::core::chat::{self, RoomId, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::pending::{Addressed, Reply};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::answers::Answer;
use crate::core::server::arguments::{content_of, parse_room};
use crate::core::server::error::{CommandError, banned};
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::Publisher;
use crate::core::server::waiting::{CopiesId, ReplyTo};
use crate::core::stream::Stream;
use crate::limits::{MAX_COPIED_BYTES, MAX_COPIES};

/// The messages for several rooms that the log has not answered in all of them.
#[derive(Debug, Default)]
pub(super) struct Copies {
    open: BTreeMap<CopiesId, CopySet>,
    begun: u64,
}

/// Who is told what became of the copies.
#[derive(Debug)]
pub(super) enum Sender {
    /// Who has sent a command with this id.
    Json {
        id: ConnectionId,
        echo: Option<Box<RawValue>>,
    },
    /// Who has sent a request.
    Http(Reply),
}

#[derive(Debug)]
struct CopySet {
    sender: Sender,
    copies: Vec<(RoomName, Outcome)>,
    /// So many are not answered.
    open: usize,
}

#[derive(Debug)]
enum Outcome {
    Open,
    /// It is published, at this offset if it is kept.
    At(Epoch, Option<u64>),
    Refused(CommandError),
}

impl Sender {
    fn connection(&self) -> ConnectionId {
        match self {
            Self::Json { id, .. } => *id,
            Self::Http(reply) => reply.id,
        }
    }
}

/// Refuses rooms that are too many, or one that is named twice.
pub(super) fn check_copies(rooms: &[RoomName]) -> Result<(), CommandError> {
    let mut sorted: Vec<&RoomName> = rooms.iter().collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    let message = match twice {
        _ if rooms.len() > MAX_COPIES => {
            format!(
                "one message goes into at most {MAX_COPIES} rooms: send it again for the others"
            )
        }
        Some(pair) => format!("the room {} is named twice; once is enough", pair[0]),
        None => return Ok(()),
    };
    Err(bad(message))
}

/// Refuses what cannot be said in several rooms.
fn check_message(publish: &Publish<'_>, rooms: usize) -> Result<(), CommandError> {
    if matches!(publish.condition, Some(Condition::Offset { .. })) {
        let message = "if_offset is that of one room: publish in one room at a time, or use if_new";
        return Err(bad(message.to_owned()));
    }
    let bytes = content_of(&publish.data).1.len();
    // One room takes what it always does.
    if rooms > 1 && bytes.saturating_mul(rooms) > MAX_COPIED_BYTES {
        let most = MAX_COPIED_BYTES / rooms;
        return Err(bad(format!(
            "a message for {rooms} rooms has at most {most} bytes: send it to fewer rooms at a time"
        )));
    }
    Ok(())
}

fn bad(message: String) -> CommandError {
    CommandError {
        message: message.into(),
        ..CommandError::new(ErrorCode::BadCommand, "")
    }
}

impl<S: Stream> Server<S> {
    /// Publishes a message in each of several rooms, and tells its sender when all have answered.
    pub(super) fn publish_copies(
        &mut self,
        rooms: Vec<Addressed>,
        publish: &Publish<'_>,
        publisher: Publisher<'_>,
        sender: Sender,
        now: Now,
    ) -> Result<(), CommandError> {
        check_message(publish, rooms.len())?;
        let copies = CopiesId(self.copies.begun);
        self.copies.begun += 1;
        let id = sender.connection();
        let mut set = CopySet {
            sender,
            copies: Vec::with_capacity(rooms.len()),
            open: 0,
        };
        for (place, addressed) in rooms.into_iter().enumerate() {
            let room = addressed.room;
            let published = match addressed.ban {
                Some(ban) => Err(banned(&ban)),
                None if addressed.is_allowed => self.publish(&room, publish, publisher, now),
                None => Err(NOT_ALLOWED),
            };
            let outcome = match published {
                Ok((at, Submitted::Published(offset))) => {
                    Outcome::At(Epoch(self.chat.epoch(at)), offset)
                }
                Ok((_, Submitted::Waiting(ticket))) => {
                    let copy = ReplyTo::Copy { id, copies, place };
                    self.waiting.tell(ticket, copy, now.ms);
                    set.open += 1;
                    Outcome::Open
                }
                Err(failure) => Outcome::Refused(failure),
            };
            set.copies.push((room, outcome));
        }
        if set.open == 0 {
            self.answer_copies(set, now);
            return Ok(());
        }
        if matches!(set.sender, Sender::Http(_)) {
            self.enter(id, Phase::AwaitingStore, u64::MAX);
        }
        self.copies.open.insert(copies, set);
        Ok(())
    }

    /// `publish` with `rooms`.
    pub(super) fn publish_in_rooms(
        &mut self,
        publish: &Publish<'_>,
        others: &[String],
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let Some(person) = self.person(id) else {
            return Ok(None);
        };
        let names = std::iter::once(&*publish.room).chain(others.iter().map(String::as_str));
        let names = names.take(MAX_COPIES + 1).map(parse_room);
        let names: Vec<RoomName> = names.collect::<Result<_, _>>()?;
        check_copies(&names)?;
        if let Some(session) = self.get_mut(id).and_then(|it| it.session_mut()) {
            // One was counted already.
            session.charge(names.len() - 1);
        }
        let rights = self.access.rights(id);
        let peer = self.peer(None, id);
        let rooms = names.iter().map(|room| Addressed {
            room: room.clone(),
            is_allowed: rights.may_publish(room),
            ban: self.ban_of(&rights, peer, Some(room)).map(Box::new),
        });
        let rooms: Vec<Addressed> = rooms.collect();
        let owner = self.owner(id);
        let publisher = Publisher {
            author: &self.chat.author(person),
            sender: &chat::Sender::of(person, &owner),
            owner: &owner,
        };
        let echo = echo.map(ToOwned::to_owned);
        let sender = Sender::Json { id, echo };
        self.publish_copies(rooms, publish, publisher, sender, now)?;
        let slowest = self.slowest_of(names.iter());
        if let Some(session) = self.get_mut(id).and_then(|it| it.session_mut()) {
            session.publishes_to = slowest;
        }
        Ok(None)
    }

    /// The log has answered one of the copies.
    pub(super) fn on_copied(
        &mut self,
        copies: CopiesId,
        place: usize,
        (room, outcome): (RoomId, Result<u64, CommandError>),
        now: Now,
    ) {
        let Some(set) = self.copies.open.get_mut(&copies) else {
            return;
        };
        set.copies[place].1 = match outcome {
            Ok(offset) => Outcome::At(Epoch(self.chat.epoch(room)), Some(offset)),
            Err(failure) => Outcome::Refused(failure),
        };
        set.open -= 1;
        if set.open == 0
            && let Some(set) = self.copies.open.remove(&copies)
        {
            self.answer_copies(set, now);
        }
    }

    /// Of these rooms the one that whoever publishes in them has to wait for, or else the first.
    pub(super) fn slowest_of<'a>(
        &self,
        rooms: impl Iterator<Item = &'a RoomName>,
    ) -> Option<RoomId> {
        let mut first = None;
        for room in rooms.filter_map(|name| self.chat.find(name)) {
            first = first.or(Some(room));
            if self.broadcast.congested(room).is_some() {
                return Some(room);
            }
        }
        first
    }

    fn answer_copies(&mut self, set: CopySet, now: Now) {
        let CopySet { sender, copies, .. } = set;
        match sender {
            Sender::Json { id, echo } => {
                let json = told_as_json(&copies, echo.as_deref());
                self.send_json(id, &json);
            }
            Sender::Http(reply) => self.respond_copies(&copies, &reply, now),
        }
    }

    /// 200 if all are published, 207 if some are, and else what the first of them alone would have been answered with.
    fn respond_copies(&mut self, copies: &[(RoomName, Outcome)], reply: &Reply, now: Now) {
        let rooms = rooms_json(copies, true);
        let (is_any, refused) = summary(copies);
        match refused {
            Some(failure) if !is_any => {
                let problem = Problem {
                    extension: Some(("rooms", rooms.into())),
                    ..failure.clone().into()
                };
                self.respond_problem(&problem, reply, now);
            }
            refused => {
                let status = refused.map_or(Status::OK, |_| Status::MULTI_STATUS);
                self.respond_json_as(status, &format!("{{\"rooms\":{rooms}}}\n"), reply, now);
            }
        }
    }
}

const NOT_ALLOWED: CommandError = CommandError::new(
    ErrorCode::NotAllowed,
    "your token does not allow that in this room",
);

/// Whether any is published, and why the first is not that is refused.
fn summary(copies: &[(RoomName, Outcome)]) -> (bool, Option<&CommandError>) {
    let mut outcomes = copies.iter().map(|(_, outcome)| outcome);
    let is_any = outcomes.clone().any(|it| matches!(it, Outcome::At(..)));
    let refused = outcomes.find_map(|it| match it {
        Outcome::Refused(failure) => Some(failure),
        _ => None,
    });
    (is_any, refused)
}

/// `ok` if any is published, else the error of the first; either with all of them.
fn told_as_json(copies: &[(RoomName, Outcome)], echo: Id<'_>) -> String {
    let event = match summary(copies) {
        (false, Some(failure)) => Event::Error {
            id: echo,
            code: failure.code,
            message: &failure.message,
            retry_ms: failure.retry_ms,
        },
        _ => Event::Ok {
            id: echo,
            offset: None,
        },
    };
    let mut json = Vec::new();
    event::open(&event, &mut json);
    let rooms = rooms_json(copies, false);
    format!("{},\"rooms\":{rooms}}}", String::from_utf8_lossy(&json))
}

fn rooms_json(copies: &[(RoomName, Outcome)], has_status: bool) -> String {
    let told: Vec<Copied<'_>> = copies
        .iter()
        .map(|(room, outcome)| told_of(room, outcome, has_status))
        .collect();
    let mut json = Vec::new();
    event::write(&told, &mut json);
    String::from_utf8(json).unwrap_or_default()
}

fn told_of<'a>(room: &'a RoomName, outcome: &'a Outcome, has_status: bool) -> Copied<'a> {
    let mut told = Copied {
        room: room.as_str(),
        status: has_status.then_some(Status::OK.code),
        epoch: None,
        offset: None,
        code: None,
        message: None,
        retry_ms: None,
        current: None,
        ban: None,
    };
    match outcome {
        Outcome::Open => {}
        Outcome::At(epoch, offset) => {
            (told.epoch, told.offset) = (Some(*epoch), *offset);
        }
        Outcome::Refused(failure) => {
            told.status = has_status.then_some(failure.status().code);
            told.code = Some(failure.code);
            told.message = Some(&failure.message);
            told.retry_ms = failure.retry_ms;
            let more = |field| {
                let more = failure.more.as_ref().filter(|(name, _)| *name == field);
                more.and_then(|(_, json)| serde_json::from_str(json).ok())
            };
            (told.current, told.ban) = (more("current"), more("ban"));
        }
    }
    told
}
