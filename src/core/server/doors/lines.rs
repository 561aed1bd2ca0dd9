//! The door for people with `nc`: a line in is a message or a command, a message is a line out.

use std::fmt::Write as _;
use std::mem;
use std::net::SocketAddr;

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Publish;
use crate::codec::line::foreign::{self, Foreign};
use crate::codec::line::{self, Line, LineError};
use crate::codec::target::Target;
use crate::codec::ws::close::CloseReason;
use crate::core::access::Rights;
use crate::core::chat::{Content, Draft, Format, PersonId, RoomId, RoomName, Selection, Sender};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::addresses::AdmissionError;
use crate::core::net::connection::Connection;
use crate::core::net::door::Door;
use crate::core::net::ending::{EndReason, Ending, PeerEnd};
use crate::core::net::phase::Phase;
use crate::core::net::session::Session;
use crate::core::now::Now;
use crate::core::pace::Admission;
use crate::core::server::Server;
use crate::core::server::arguments::parse_room;
use crate::core::server::asking::Wish;
use crate::core::server::error::{CommandError, NO_TOKEN_LINE};
use crate::core::server::loading::{Aside, Readiness, Wanted};
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::Publisher;
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;
use crate::limits::{MAX_LINE, MAX_LISTED, RECENT_LINES};

const HELP: &str = "* what you type is said in the room\n\
    * /nick NAME     take a name\n\
    * /join ROOM     go into another room\n\
    * /who           who is here\n\
    * /msg NAME TEXT say something to one person\n\
    * /set ROOM/KEY VALUE keep a value; so does a line like plant/boiler.temp 21.5\n\
    * /login TOKEN   show a token, where one is needed\n\
    * /quit          leave\n";

impl<S: Stream> Server<S> {
    /// Takes a socket of the line port in, which is in the lobby from the start; see `admit`.
    pub fn admit_lines(&mut self, socket: S, peer: SocketAddr, now: Now) -> Result<usize, S> {
        let index = self.admit(socket, peer, now)?;
        let id = self.connections[index].id;
        let is_ending = self.drain.is_begun().then_some(AdmissionError::Full);
        if let Some(refusal) = self.refusal(id).or(is_ending) {
            self.send_line(id, refusal.line());
            self.close(id, Ending::Flush(refusal.reason()), now);
            return Ok(index);
        }
        let session = Session::new(PersonId(id.number()), self.limits.rate, now.ms);
        let door = Door::Lines {
            session: Box::new(session),
            has_answers: false,
        };
        self.set_door(id, door);
        // Nothing is expected of someone who only reads; a dead peer is found by TCP.
        self.enter(id, Phase::Streaming { stuck_at: None }, u64::MAX);
        let rights = self.access.without_token();
        self.grant(id, &rights, now);
        if rights.is_unauthenticated() {
            log::info!("opened peer={} room=-", self.connections[index].peer);
            self.send_line(id, "* a token is needed here: /login TOKEN\n");
            return Ok(index);
        }
        if let Err(refused) = self.check_ban_of(id, None) {
            self.refuse_banned(id, refused, None, now);
            return Ok(index);
        }
        self.chat.begin_person(id);
        log::info!("opened peer={} room=lobby", self.connections[index].peer);
        self.lead_into_lobby(id, now);
        self.send_line(id, "* /help says what else you can do\n");
        Ok(index)
    }

    /// Someone has come, and goes into the lobby as soon as it is here.
    pub(in crate::core::server) fn lead_into_lobby(&mut self, id: ConnectionId, now: Now) {
        let lobby = RoomName::parse(RoomName::DEFAULT).expect("the lobby's name is valid");
        if let Err(refused) = self.check_ban_of(id, Some(&lobby)) {
            return self.send_line(id, &format!("! {}\n", refused.message));
        }
        match self.readiness_for(&lobby, Wanted::Members, now) {
            Readiness::Ready => self.go_into(&lobby, id, now),
            Readiness::Loading => {
                self.loading.put_aside(&lobby, id, Aside::Newcomer(id));
                self.begin_wait(id);
            }
            Readiness::Unavailable => {
                let text = "! what is kept of the lobby cannot be read now; /join lobby later\n";
                self.send_line(id, text);
            }
        }
    }

    /// Takes the next line off the front of the input. Says whether there was one.
    pub(in crate::core::server) fn take_line(
        &mut self,
        input: &mut &mut [u8],
        id: ConnectionId,
        now: Now,
    ) -> bool {
        if self.is_before_first_line(id)
            && let Some(foreign) = foreign::recognize(input)
        {
            *input = &mut [];
            self.reject_foreign(id, foreign, now);
            return true;
        }
        let mut text = mem::take(&mut self.text);
        let result = line::take(input, MAX_LINE, &mut text);
        let is_taken = !matches!(result, Ok(None));
        self.on_result(id, result, now);
        self.text = text;
        is_taken
    }

    /// The peer will send no more. What it has sent last needs no end of a line; then it is told what is still on its way.
    pub(in crate::core::server) fn end_lines(
        &mut self,
        input: &mut [u8],
        id: ConnectionId,
        now: Now,
    ) {
        let mut text = mem::take(&mut self.text);
        let is_request =
            self.is_before_first_line(id) && foreign::is_request_line(input.trim_ascii());
        if !input.is_empty() && !is_request {
            let result = line::take_last(input, MAX_LINE, &mut text);
            self.on_result(id, result, now);
        }
        self.text = text;
        if matches!(
            self.get(id).map(|it| it.phase),
            Some(Phase::Streaming { .. })
        ) {
            self.close(id, Ending::Answer(PeerEnd::EndOfInput), now);
        }
    }

    /// Whether the next line is the first that says something.
    fn is_before_first_line(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|it| it.traffic.messages_in == 0)
    }

    /// Closes who speaks another protocol. A web page may send any lines to any port of its visitor's machine, but none
    /// before the head of its request.
    fn reject_foreign(&mut self, id: ConnectionId, foreign: Foreign, now: Now) {
        let (protocol, reason) = match foreign {
            Foreign::Http => ("HTTP", EndReason::SpokeHttp),
            Foreign::Tls => ("TLS", EndReason::SpokeTls),
        };
        if let Some(peer) = self.peer(None, id) {
            log::info!("{reason} peer={peer}");
        }
        let text = format!("! this port takes lines of text, and no {protocol}\n");
        self.send_line(id, &text);
        self.close(id, Ending::Flush(reason), now);
    }

    fn on_result(&mut self, id: ConnectionId, result: Result<Option<&str>, LineError>, now: Now) {
        match result {
            Ok(None) => {}
            Ok(Some(line)) => self.on_line(id, line, now),
            Err(LineError::NotUtf8) => {
                if self.admit_line(id, now) {
                    self.count_line(id);
                    self.send_line(id, "! that line is not UTF-8\n");
                }
            }
            Err(LineError::TooLong) => {
                self.send_line(id, "! that line is too long\n");
                self.close(id, Ending::Announce(CloseReason::TooBig), now);
            }
        }
    }

    fn on_line(&mut self, id: ConnectionId, text: &str, now: Now) {
        if !self.admit_line(id, now) {
            return;
        }
        if line::parse(text) != Line::Empty {
            self.count_line(id);
        }
        self.execute_line(id, text, now);
    }

    /// Does what a line says, now or when its room is here.
    pub(in crate::core::server) fn execute_line(&mut self, id: ConnectionId, text: &str, now: Now) {
        let line = line::parse(text);
        if self.is_put_aside(wanted_of(&line), text, id, now)
            || self.asks_log(&wish_of(&line), text, id, now)
        {
            return;
        }
        let needs_no_login = matches!(line, Line::Empty | Line::Login(_) | Line::Help | Line::Quit);
        let result = match line {
            _ if !needs_no_login && self.access.rights(id).is_unauthenticated() => {
                Err(NO_TOKEN_LINE)
            }
            Line::Empty => Ok(()),
            Line::Login(token) => match self.log_in_on_line(id, token, now) {
                Err(refused) if refused.code == ErrorCode::Banned => {
                    return self.refuse_banned(id, refused, None, now);
                }
                done => done,
            },
            Line::Say(text) => self.publish_line(id, text, now),
            Line::Nick(name) => self.log_in(id, Some(name), None, now).map(|()| {
                let name = self.person(id).map(|person| self.chat.author(person).name);
                let name = name.map_or(String::new(), |name| name.to_string());
                self.send_line(id, &format!("* you are {name}\n"));
            }),
            Line::Join(room) => parse_room(room).and_then(|room| {
                self.check_may(id, Rights::may_subscribe, &room)?;
                self.check_here(&room, now)?;
                self.go_into(&room, id, now);
                Ok(())
            }),
            Line::Who => {
                self.send_members(id);
                Ok(())
            }
            Line::Set { target, value } => self.set_on_line(id, target, value, now),
            Line::Msg { to, text } => self
                .direct_to(id, to, Content::Text, text.as_bytes(), None, now)
                .map(|_| ()),
            Line::Help => {
                self.send_line(id, HELP);
                Ok(())
            }
            Line::Quit => {
                self.send_line(id, "* goodbye\n");
                self.close(id, Ending::Flush(EndReason::ClosedByPeer), now);
                Ok(())
            }
            Line::Unknown(_) => Err(CommandError::new(
                ErrorCode::BadCommand,
                "there is no such command; /help lists them",
            )),
        };
        if let Err(CommandError { message, .. }) = result {
            self.send_line(id, &format!("! {message}\n"));
        }
    }

    fn admit_line(&mut self, id: ConnectionId, now: Now) -> bool {
        let session = self.get_mut(id).and_then(Connection::session_mut);
        let admission = session.map(|session| session.admit(now.ms));
        match admission {
            Some(Admission::Granted) => true,
            Some(Admission::TooEarly { .. }) => {
                self.send_line(id, "! too fast, that line was not taken\n");
                false
            }
            Some(Admission::Insistent) => {
                self.close(id, Ending::Announce(CloseReason::TooManyCommands), now);
                false
            }
            None => false,
        }
    }

    fn count_line(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
    }

    fn publish_line(&mut self, id: ConnectionId, text: &str, now: Now) -> Result<(), CommandError> {
        let (Some(room), Some(person)) = (self.chat.room_of(id), self.person(id)) else {
            let message = "you are in no room; /join one";
            return Err(CommandError::new(ErrorCode::NotJoined, message));
        };
        if let Some(name) = self.chat.room_name(room) {
            self.check_may(id, Rights::may_publish, name)?;
        }
        let draft = Draft {
            author: &self.chat.author(person),
            owner: &self.owner(id),
            content: Content::Text,
            body: text.as_bytes(),
            key: None,
            retain: false,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        let submitted = self.submit(room, &draft, now)?;
        self.wait_on_line(id, submitted, now);
        Ok(())
    }

    /// The room keeps a value as the state of a key. Nothing is answered: a sensor need not read.
    fn set_on_line(
        &mut self,
        id: ConnectionId,
        target: &str,
        value: &str,
        now: Now,
    ) -> Result<(), CommandError> {
        let message = "it is /set ROOM/KEY VALUE or /set ROOM/KEY?expect=SECONDS&ttl=SECONDS VALUE, the key of 1 to 128 bytes";
        let target = Target::parse(target).ok().filter(|_| !value.is_empty());
        let Some(Target {
            room,
            key: Some(key),
            freshness,
        }) = target
        else {
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        };
        let Some(person) = self.person(id) else {
            return Ok(());
        };
        let room = parse_room(room)?;
        self.check_may(id, Rights::may_publish, &room)?;
        let author = self.chat.author(person);
        let publish = Publish::state(room.as_str(), key, value, freshness);
        let owner = self.owner(id);
        let publisher = Publisher {
            author: &author,
            sender: &Sender::of(person, &owner),
            owner: &owner,
        };
        let (_, submitted) = self.publish(&room, &publish, publisher, now)?;
        self.wait_on_line(id, submitted, now);
        Ok(())
    }

    /// What goes wrong later is shown then.
    fn wait_on_line(&mut self, id: ConnectionId, submitted: Submitted, now: Now) {
        if let Submitted::Waiting(ticket) = submitted {
            self.waiting.tell(ticket, ReplyTo::Lines(id), now.ms);
        }
    }

    /// The first token leads into the lobby, if it may; a later one leaves them where they are.
    fn log_in_on_line(
        &mut self,
        id: ConnectionId,
        token: &str,
        now: Now,
    ) -> Result<(), CommandError> {
        if self.access.is_open() {
            let message = "no token is needed here; /nick takes a name";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        let was_unauthenticated = self.access.rights(id).is_unauthenticated();
        self.log_in_by_token(id, token, now)?;
        if !was_unauthenticated {
            self.send_line(id, "* your new token is good\n");
            return Ok(());
        }
        let rights = self.access.rights(id);
        let lobby = RoomName::parse(RoomName::DEFAULT).filter(|room| rights.may_subscribe(room));
        match (lobby, rights.grant()) {
            (Some(_), _) => self.lead_into_lobby(id, now),
            (None, Some(grant)) => {
                let text = match grant.claims.subscribe.join(" ") {
                    rooms if rooms.is_empty() => "your token lets you into no room".to_owned(),
                    rooms => format!("/join one of: {rooms}"),
                };
                let text = format!("* you are {}; {text}\n", grant.name.shown());
                self.send_line(id, &text);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// From one room into another, of which the last lines are shown.
    fn go_into(&mut self, name: &RoomName, id: ConnectionId, now: Now) {
        let Some(person) = self.person(id) else {
            return;
        };
        let owner = self.owner(id);
        let found = self.chat.find_or_create(name, &owner, now.ms);
        self.forget_ended();
        if found.is_err() {
            return self.send_line(id, "! the server has as many rooms as it may have\n");
        }
        while let Some(room) = self.chat.room_of(id) {
            self.lagging.forget(id, room);
            self.chat.leave(id, person, room, now.ms);
        }
        let joined = self
            .chat
            .join(id, person, Format::Lines.into(), name, &owner, now.ms);
        self.forget_ended();
        if let Ok(room) = joined {
            if let Some(connection) = self.get_mut(id) {
                connection.delivered_sequence = 0;
            }
            self.greet(id, room, now);
        }
    }

    fn greet(&mut self, id: ConnectionId, room: RoomId, now: Now) {
        let Some(name) = self.person(id).map(|person| self.chat.author(person).name) else {
            return;
        };
        self.chat.forget_expired_of(room, now.ms);
        let Some(arrival) = self.chat.arrival(room, Selection::Last(RECENT_LINES)) else {
            return;
        };
        let mut out = format!(
            "* you are {name} in {}, {} here\n",
            arrival.room, arrival.count
        )
        .into_bytes();
        for message in &arrival.messages {
            encode::line(message, self.encoder.address(), &mut out);
        }
        self.answer_with(id, Format::Lines, out);
        self.tell_if_paused(id, room);
    }

    fn send_members(&mut self, id: ConnectionId) {
        let Some(name) = self
            .chat
            .room_of(id)
            .and_then(|room| self.chat.room_name(room))
        else {
            return self.send_line(id, "* you are in no room; /join one\n");
        };
        let (people, count) = self.chat.listed(name, MAX_LISTED);
        let mut line = format!("* {count} in {name}:");
        for person in &people {
            // Writing to a String does not fail.
            let _ = write!(line, " {}", person.name);
        }
        line.push_str(if people.len() < count {
            " and others\n"
        } else {
            "\n"
        });
        self.send_line(id, &line);
    }

    /// Shows lines to one connection.
    pub(in crate::core::server) fn send_line(&mut self, id: ConnectionId, lines: &str) {
        self.answer_with(id, Format::Lines, lines.as_bytes().to_vec());
    }
}

/// The room that a line is about, and what is wanted of it.
fn wanted_of<'a>(line: &'a Line<'_>) -> Option<(&'a str, Wanted)> {
    let wanted = match line {
        Line::Join(_) => Wanted::Members,
        _ => Wanted::Room,
    };
    Some((line.room()?, wanted))
}

/// Who somebody wants to be.
fn wish_of<'a>(line: &Line<'a>) -> Wish<'a> {
    match *line {
        Line::Nick(name) => Wish {
            name: Some(name),
            ..Wish::default()
        },
        Line::Login(token) => Wish {
            token: Some(token),
            ..Wish::default()
        },
        _ => Wish::default(),
    }
}
