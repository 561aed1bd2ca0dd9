//! The JSON door: a command comes in, its answer goes out.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::{self, Command, Data, Id, Publish, Series};
use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Kind;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{Chart, Format, Login, PersonName, RoomName, Selection, Sender};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::pace::Admission;
use crate::core::server::Server;
use crate::core::server::answers::{Answer, done, ok};
use crate::core::server::arguments::{chart, content_of, page_size, parse_room};
use crate::core::server::asking::Wish;
use crate::core::server::direct::Progress;
use crate::core::server::doors::admin::admin_name;
use crate::core::server::error::{
    BAD_NAME, CommandError, NAME_OF_ANOTHER, NO_SUCH_USER, NO_TOKEN, TOO_MANY_OF_ONE,
};
use crate::core::server::join_options::JoinOptions;
use crate::core::server::loading::Wanted;
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::Publisher;
use crate::core::server::readers::{Page, Reader, Returning};
use crate::core::server::waiting::ReplyTo;
use crate::core::store::Excerpt;
use crate::core::stream::Stream;
use crate::limits::DEFAULT_PAGE;

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
            Ok(command) if self.is_about_past(&command, text, id, now) => return,
            Ok(command) if self.is_about_beginnings(&command, text, id, now) => return,
            Ok(command) => self.execute(command, echo, id, now),
            Err(error) => Err(error.into()),
        };
        self.answer_command(answer, echo, id);
    }

    /// Whether a command waits for numbers that only the store has.
    fn is_about_past(
        &mut self,
        command: &Command<'_>,
        text: &str,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let (Command::Join { room, series, .. } | Command::History { room, series, .. }) = command
        else {
            return false;
        };
        let chart = series.as_ref().and_then(|it| chart_of(it).ok());
        let wanted = chart.as_ref().map(|chart| (&**room, chart));
        self.waits_for_past(wanted, text, id, now)
    }

    /// Whether a command waits until other nodes tell which rooms begin.
    fn is_about_beginnings(
        &mut self,
        command: &Command<'_>,
        text: &str,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let Command::Join { room, .. } = command else {
            return false;
        };
        let is_wanted = is_pattern(room) && !self.access.rights(id).is_unauthenticated();
        is_wanted && self.waits_to_hear(text, id, now)
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
                more,
            }) => {
                let event = Event::Error {
                    id: echo,
                    code,
                    message: &message,
                    retry_ms,
                };
                match more {
                    None => self.send(id, &event),
                    Some((field, more)) => {
                        let mut json = encode::event_json(&event);
                        json.truncate(json.len() - 1);
                        self.send_json(id, &format!("{json},\"{field}\":{more}}}"));
                    }
                }
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
                        match self.log_in_by_token(id, &token, now) {
                            Err(refused) if refused.code == ErrorCode::Banned => {
                                self.refuse_banned(id, refused, echo, now);
                                return Ok(None);
                            }
                            done => done?,
                        }
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
                let chart = series.as_ref().map(chart_of).transpose()?;
                let options = JoinOptions::new(since.as_ref(), last, chart);
                if is_pattern(&room) {
                    return self.follow(&room, options, echo, id);
                }
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                self.join(&room, &options, echo, id, now)
            }
            Command::Leave { room } if is_pattern(&room) => self.unfollow(&room, echo, id, now),
            Command::Leave { room } => self.leave_room(&parse_room(&room)?, echo, id, now),
            Command::Publish(publish) => self.publish_as_member(&publish, echo, id, now),
            Command::PublishCopies { publish, others } => {
                self.publish_in_rooms(&publish, &others, echo, id, now)
            }
            Command::Direct { to, data } => self.direct(&to, &data, echo, id, now),
            Command::History {
                room,
                before,
                limit,
                series,
            } => {
                let limit = limit.map_or(DEFAULT_PAGE, page_size);
                let room = parse_room(&room)?;
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                if let Some(series) = series {
                    let answer = self.series_of(&room, &chart_of(&series)?, echo, id, now);
                    self.send_message(id, answer);
                    return Ok(None);
                }
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
                self.list_rooms(id, rights, echo, now)
            }
            Command::Close { name } => {
                let rights = self.check_is_admin(id)?;
                match self.close_user(&name, &rights, now) {
                    true => Ok(done(echo)),
                    false => Err(NO_SUCH_USER),
                }
            }
            Command::Ban(asked) => {
                let rights = self.check_is_admin(id)?;
                self.ban(&asked, &admin_name(&rights), now)?;
                Ok(done(echo))
            }
            Command::Unban(target) => {
                let rights = self.check_is_admin(id)?;
                self.lift_ban(&target, &admin_name(&rights))?;
                Ok(done(echo))
            }
            Command::Bans => {
                self.check_is_admin(id)?;
                Ok(Some(self.bans_json(echo)))
            }
            Command::Empty { room } => {
                let rights = self.check_is_admin(id)?;
                let room = parse_room(&room)?;
                self.check_here(&room, now)?;
                self.empty_room(&room, &rights, now);
                Ok(done(echo))
            }
            Command::Push(asked) => {
                let (rights, person, owner) =
                    (self.access.rights(id), self.person(id), self.owner(id));
                let rooms = rights.grant().map(|it| &it.claims.subscribe[..]);
                let subscriber = self.subscriber(&rights, person, owner);
                self.subscribe(asked, rooms, subscriber, now)?;
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
                self.on_named(id);
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
        self.followers.forget_room(id, name);
        let selection = if was_in && !options.has_position() {
            // What is on its way to one who is here already still comes, and is not announced as if it had.
            let upto = self.delivered_upto(id, room);
            Selection::LastUpTo {
                upto,
                count: options.last().unwrap_or(0),
            }
        } else {
            // They get what is still on its way with the answer, and what they have missed.
            self.skip_to_now(id, room);
            options.selection()
        };
        let member = Returning {
            id,
            room,
            selection,
            chart: options.chart().cloned(),
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
            options.chart(),
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
        match self.leave_named(name, id, now) {
            true => Ok(done(echo)),
            false => Err(CommandError::new(
                ErrorCode::NotJoined,
                "you are not in this room",
            )),
        }
    }

    /// Takes somebody out of a room. Says whether they were in it.
    pub(in crate::core::server) fn leave_named(
        &mut self,
        name: &RoomName,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        let (Some(room), Some(person)) = (self.chat.find(name), self.person(id)) else {
            return false;
        };
        self.lagging.forget(id, room);
        self.followers.forget_room(id, name);
        let left = self.chat.leave(id, person, room, now.ms);
        self.forget_ended();
        left
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

/// Whether this is a pattern of rooms: no room has these characters in its name.
pub(in crate::core::server) fn is_pattern(room: &str) -> bool {
    room.contains(['*', '?'])
}

/// The rooms that a command is about, and what is wanted of them.
fn wanted_of<'a>(command: &'a Command<'_>) -> impl Iterator<Item = (&'a str, Wanted)> {
    let wanted = match command {
        Command::Join { .. } | Command::Members { .. } => Wanted::Members,
        _ => Wanted::Room,
    };
    command.rooms().map(move |room| (room, wanted))
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

/// Which numbers somebody wants.
fn chart_of(series: &Series) -> Result<Chart, CommandError> {
    let keys = series.keys.iter().map(String::as_str);
    chart(keys, (series.seconds, series.points, series.count))
}
