//! The JSON door: a command comes in, its answer goes out.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::{self, Command, Data, Id, Publish, Series, Since};
use crate::codec::json::event::{Epoch, Event};
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Kind;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{Format, Login, PersonName, Position, RoomName, Selection, Sender, Window};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::pace::Admission;
use crate::core::server::Server;
use crate::core::server::answers::{Answer, done, ok};
use crate::core::server::arguments::{content_of, page_size, parse_room};
use crate::core::server::asking::Wish;
use crate::core::server::direct::Progress;
use crate::core::server::error::{
    BAD_NAME, CommandError, NAME_OF_ANOTHER, NO_SUCH_USER, NO_TOKEN, TOO_MANY_OF_ONE,
};
use crate::core::server::loading::Wanted;
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::Publisher;
use crate::core::server::readers::{Page, Reader, Returning};
use crate::core::server::waiting::ReplyTo;
use crate::core::store::Excerpt;
use crate::core::stream::Stream;
use crate::limits::{DEFAULT_PAGE, DEFAULT_POINTS, MAX_SERIES_POINTS};

/// What someone wants to be told who comes into a room.
#[derive(Debug, Default)]
pub(in crate::core::server) struct JoinOptions {
    position: Option<Position>,
    last: Option<usize>,
    window: Option<Window>,
}

impl JoinOptions {
    fn new(since: Option<&Since<'_>>, last: Option<u64>, series: Option<&Series>) -> Self {
        Self {
            position: since.map(|since| Position {
                // An epoch that is none is that of no room.
                epoch: Epoch::parse(&since.epoch).map_or(0, |epoch| epoch.0),
                offset: since.offset,
            }),
            last: last.map(page_size),
            window: series.map(|series| Window {
                seconds: series.seconds,
                points: series.points.map_or(DEFAULT_POINTS, |points| {
                    usize::try_from(points)
                        .map_or(MAX_SERIES_POINTS, |it| it.min(MAX_SERIES_POINTS))
                }),
            }),
        }
    }
}

impl<S: Stream> Server<S> {
    /// A message has come at the JSON door.
    pub(in crate::core::server) fn on_command(
        &mut self,
        id: ConnectionId,
        kind: Kind,
        payload: &[u8],
        now: Now,
    ) {
        let text = str::from_utf8(payload).unwrap_or_default();
        if !self.admit_command(id, text, now) {
            return;
        }
        if kind == Kind::Binary {
            let detail =
                "a command is a text message, and this one was binary: send the same as text";
            let failure = CommandError::new(ErrorCode::BadJson, detail);
            return self.answer_command(Err(failure), command::id_of(text), id);
        }
        self.execute_text(text, id, now);
    }

    /// Does what a command says, now or when its room is here.
    pub(in crate::core::server) fn execute_text(&mut self, text: &str, id: ConnectionId, now: Now) {
        self.budget
            .spend(cost::of_bytes(text.len(), cost::JSON_BYTE));
        let (echo, command) = command::parse(text);
        let answer = match command {
            Ok(command) if self.is_put_aside(wanted_of(&command), text, id, now) => return,
            Ok(command) if self.asks_log(&wish_of(&command), text, id, now) => return,
            Ok(command) => self.execute(command, echo, id, now),
            Err(error) => Err(error.into()),
        };
        self.answer_command(answer, echo, id);
    }

    pub(in crate::core::server) fn answer_command(
        &mut self,
        answer: Answer,
        echo: Id<'_>,
        id: ConnectionId,
    ) {
        match answer {
            Ok(Some(json)) => self.send_json(id, &json),
            Ok(None) => {}
            Err(CommandError {
                code,
                message,
                retry_ms,
            }) => {
                let event = Event::Error {
                    id: echo,
                    code,
                    message: &message,
                    retry_ms,
                };
                self.send(id, &event);
            }
        }
    }

    /// Who sends more than `--rate` is told when to go on, and who goes on regardless is closed.
    fn admit_command(&mut self, id: ConnectionId, text: &str, now: Now) -> bool {
        let Some(connection) = self.get_mut(id) else {
            return false;
        };
        if !matches!(connection.phase, Phase::Open { .. }) {
            return false;
        }
        connection.traffic.messages_in += 1;
        let admission = connection
            .session_mut()
            .map_or(Admission::Granted, |session| session.admit(now.ms));
        self.counters.traffic.messages_in += 1;
        match admission {
            Admission::Granted => true,
            Admission::TooEarly { retry_ms } => {
                let event = Event::Error {
                    id: command::id_of(text),
                    code: ErrorCode::RateLimited,
                    message: "too many commands; send it again after retry_ms",
                    retry_ms: Some(retry_ms),
                };
                self.send(id, &event);
                false
            }
            Admission::Insistent => {
                self.close(id, Ending::Announce(CloseReason::TooManyCommands), now);
                false
            }
        }
    }

    fn execute(
        &mut self,
        command: Command<'_>,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let needs_no_login = matches!(
            command,
            Command::Login { .. } | Command::Ping | Command::Pong
        );
        if !needs_no_login && self.access.rights(id).is_unauthenticated() {
            return Err(NO_TOKEN);
        }
        match command {
            Command::Login {
                name,
                resume,
                token,
            } => {
                match token {
                    Some(token) if !self.access.is_open() => {
                        self.log_in_by_token(id, &token, now)?;
                    }
                    _ => self.log_in(id, name.as_deref(), resume.as_deref(), now)?,
                }
                Ok(self.welcome(echo, id))
            }
            Command::Join {
                room,
                since,
                last,
                series,
            } => {
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                let options = JoinOptions::new(since.as_ref(), last, series.as_ref());
                self.join(&room, &options, echo, id, now)
            }
            Command::Leave { room } => self.leave_room(&parse_room(&room)?, echo, id, now),
            Command::Publish(publish) => self.publish_as_member(&publish, echo, id, now),
            Command::Direct { to, data } => self.direct(&to, &data, echo, id, now),
            Command::History {
                room,
                before,
                limit,
            } => {
                let limit = limit.map_or(DEFAULT_PAGE, page_size);
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                let before = before.unwrap_or(u64::MAX);
                let page = Page {
                    room,
                    query: None,
                    before,
                    limit,
                };
                self.answer_history(id, &page, echo, now);
                Ok(None)
            }
            Command::Search {
                room,
                q,
                before,
                limit,
            } => {
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                let page = Page {
                    room,
                    query: Some((*q).into()),
                    before: before.unwrap_or(u64::MAX),
                    limit: limit.map_or(DEFAULT_PAGE, page_size),
                };
                self.answer_search(id, &page, echo, now)
            }
            Command::Members { room } => {
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                Ok(Some(self.members_json(&room, echo)))
            }
            Command::Rooms => {
                let rights = self.access.rights(id);
                self.list_rooms(id, rights, echo)
            }
            Command::Close { name } => {
                let rights = self.check_is_admin(id)?;
                match self.close_user(&name, &rights, now) {
                    true => Ok(done(echo)),
                    false => Err(NO_SUCH_USER),
                }
            }
            Command::Empty { room } => {
                let rights = self.check_is_admin(id)?;
                let room = parse_room(&room)?;
                self.check_here(&room, now)?;
                self.empty_room(&room, &rights, now);
                Ok(done(echo))
            }
            Command::Ping => Ok(Some(encode::event_json(&Event::Pong { id: echo }))),
            Command::Pong => Ok(None),
        }
    }

    pub(in crate::core::server) fn log_in(
        &mut self,
        id: ConnectionId,
        name: Option<&str>,
        resume: Option<&str>,
        now: Now,
    ) -> Result<(), CommandError> {
        match self.access.rights(id) {
            Rights::Open => {}
            Rights::Unauthenticated => return Err(NO_TOKEN),
            Rights::Granted(_) => {
                let message = "your name is that of your token; log in with another";
                return Err(CommandError::new(ErrorCode::NotAllowed, message));
            }
        }
        let name = match name.map(|name| PersonName::parse(name).ok_or(name)) {
            None => None,
            Some(Ok(name)) => Some(name),
            Some(Err(_)) => {
                return Err(BAD_NAME);
            }
        };
        let Some(person) = self.person(id) else {
            return Ok(());
        };
        self.check_log(id, NAME_OF_ANOTHER)?;
        match self.chat.login(id, person, resume, name.as_ref(), now.ms) {
            Login::Done(person) => {
                if let Some(session) = self.get_mut(id).and_then(|it| it.session_mut()) {
                    session.person = person;
                }
                Ok(())
            }
            Login::NameTaken => Err(NAME_OF_ANOTHER),
            Login::TooManyConnections => Err(TOO_MANY_OF_ONE),
            Login::UnknownSecret => Err(CommandError::new(
                ErrorCode::BadResume,
                "whom this secret was given to is not known any more",
            )),
        }
    }

    pub(in crate::core::server) fn join(
        &mut self,
        name: &RoomName,
        options: &JoinOptions,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let Some(connection) = self.get(id).filter(|it| it.is_member()) else {
            return Ok(None);
        };
        let (person, reading) = (connection.person(), connection.reading(Format::Json));
        let found = self.chat.find(name);
        let was_in = found.is_some_and(|room| self.chat.is_in(id, room));
        let owner = self.owner(id);
        let joined = self.chat.join(id, person, reading, name, &owner, now.ms);
        self.forget_ended();
        let room = joined?;
        let selection = if was_in && options.position.is_none() {
            // What is on its way to one who is here already still comes, and is not announced as if it had.
            let upto = self.delivered_upto(id, room);
            Selection::LastUpTo {
                upto,
                count: options.last.unwrap_or(0),
            }
        } else {
            // They get what is still on its way with the answer, and what they have missed.
            self.skip_to_now(id, room);
            Selection::from_reader(options.position, options.last)
        };
        let member = Returning {
            id,
            room,
            selection,
            window: options.window,
            echo: echo.map(ToOwned::to_owned),
            found: Excerpt::default(),
        };
        if self.recover_from_store(member, now) {
            self.begin_wait(id);
            return Ok(None);
        }
        let joined = self.joined(
            (id, reading),
            room,
            selection,
            options.window,
            (echo, &Excerpt::default()),
            now,
        );
        self.send_message(id, joined);
        self.tell_if_paused(id, room);
        Ok(None)
    }

    fn answer_history(&mut self, id: ConnectionId, page: &Page, echo: Id<'_>, now: Now) {
        let owned = echo.map(ToOwned::to_owned);
        let reader = |page| Reader::Command {
            id,
            page,
            echo: owned,
        };
        if self.read_page(page, now, reader) {
            return self.begin_wait(id);
        }
        if let Some(reading) = self.get(id).map(|it| it.reading(Format::Json)) {
            let answer = self.history(page, echo, reading, now);
            self.send_message(id, answer);
        }
    }

    fn answer_search(&mut self, id: ConnectionId, page: &Page, echo: Id<'_>, now: Now) -> Answer {
        let owned = echo.map(ToOwned::to_owned);
        let reader = |page| Reader::Command {
            id,
            page,
            echo: owned,
        };
        if self.search(page, now, reader)? {
            self.begin_wait(id);
        } else if let Some(reading) = self.get(id).map(|it| it.reading(Format::Json)) {
            let answer = self.page_of(page, &Excerpt::default(), echo, reading, now);
            self.send_message(id, answer);
        }
        Ok(None)
    }

    fn leave_room(&mut self, name: &RoomName, echo: Id<'_>, id: ConnectionId, now: Now) -> Answer {
        let person = self.person(id);
        let left = match (self.chat.find(name), person) {
            (Some(room), Some(person)) => {
                self.lagging.forget(id, room);
                self.chat.leave(id, person, room, now.ms)
            }
            _ => false,
        };
        self.forget_ended();
        if !left {
            return Err(CommandError::new(
                ErrorCode::NotJoined,
                "you are not in this room",
            ));
        }
        Ok(done(echo))
    }

    fn publish_as_member(
        &mut self,
        publish: &Publish<'_>,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let Some(person) = self.person(id) else {
            return Ok(None);
        };
        let name = parse_room(&publish.room)?;
        self.check_may(id, Rights::may_publish, &name)?;
        let author = self.chat.author(person);
        let owner = self.owner(id);
        let publisher = Publisher {
            author: &author,
            sender: &Sender::of(person, &owner),
            owner: &owner,
        };
        let (room, submitted) = self.publish(&name, publish, publisher, now)?;
        if let Some(session) = self.get_mut(id).and_then(|it| it.session_mut()) {
            session.publishes_to = Some(room);
        }
        match submitted {
            Submitted::Published(offset) => Ok(ok(echo, offset)),
            Submitted::Waiting(ticket) => {
                let echo = echo.map(ToOwned::to_owned);
                self.waiting
                    .tell(ticket, ReplyTo::Json { id, echo }, now.ms);
                Ok(None)
            }
        }
    }

    fn direct(
        &mut self,
        to: &str,
        data: &Data<'_>,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let (content, body) = content_of(data);
        match self.direct_to(id, to, content, body, echo, now)? {
            Progress::Done => Ok(done(echo)),
            Progress::Later => Ok(None),
        }
    }
}

/// The room that a command is about, and what is wanted of it.
fn wanted_of<'a>(command: &'a Command<'_>) -> Option<(&'a str, Wanted)> {
    let wanted = match command {
        Command::Join { .. } | Command::Members { .. } => Wanted::Members,
        _ => Wanted::Room,
    };
    Some((command.room()?, wanted))
}

/// Who somebody wants to be.
fn wish_of<'a>(command: &'a Command<'_>) -> Wish<'a> {
    match command {
        Command::Login {
            name,
            resume,
            token,
        } => Wish {
            name: name.as_deref(),
            resume: resume.as_deref(),
            token: token.as_deref(),
        },
        _ => Wish::default(),
    }
}
