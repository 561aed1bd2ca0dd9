//! Direct messages from one person to another.

use std::rc::Rc;

use crate::codec::json::command::Id;
use crate::core::chat::{Content, Format, Message, PersonId};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::answers::done;
use crate::core::server::direct_delivery::DirectDelivery;
use crate::core::server::error::{BUSY, CommandError, NO_SUCH_USER};
use crate::core::server::unfinished::Unfinished;
use crate::core::stream::Stream;
use crate::limits::DIRECT_RECEIVERS_AT_ONCE;

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// It continues in later turns, and is answered when it is done.
    Later,
}

impl<S: Stream> Server<S> {
    /// Sends a direct message to every connection of the addressee, and to those of the sender, whose other tabs show
    /// it too.
    pub(super) fn direct_to(
        &mut self,
        id: ConnectionId,
        to: &str,
        content: Content,
        body: &[u8],
        echo: Id<'_>,
        now: Now,
    ) -> Result<Progress, CommandError> {
        let Some(from) = self.person(id) else {
            return Err(NO_SUCH_USER);
        };
        let found = self.chat.find_person(to);
        let Some(to) = found.filter(|to| self.is_here(*to)) else {
            // Where there are other nodes, they are asked first.
            if self.nodes.is_none() && self.push_to(from, to, (content, body), now) {
                return Ok(Progress::Done);
            }
            let sent = self.direct_elsewhere(id, (from, to), (content, body), echo, now);
            return sent.map(|()| Progress::Later);
        };
        let (sender, addressee) = (self.chat.author(from), self.chat.author(to));
        let message = Message {
            offset: None,
            at_ms: now.unix_ms,
            author: &sender,
            key: None,
            content,
            body,
            expect: None,
        };
        let json = encode::direct(&message, &addressee);
        let frame = self.encoder.text_frame(Format::Json.into(), &json);
        let line = encode::direct_line(&message, &addressee);
        let mut receivers = self.chat.connections_of(to).to_vec();
        let addressed = receivers.len();
        if from != to {
            receivers.extend(self.chat.connections_of(from));
        }
        let mut delivery = DirectDelivery {
            echo: echo.map(ToOwned::to_owned),
            frames: Frames::new(frame, FrameKind::Data, &self.meter),
            line: Frames::new(line, FrameKind::Line, &self.meter),
            from,
            to,
            receivers,
            addressed,
            delivered: 0,
            is_accepted: false,
            others: self.direct_for_others(&sender, &addressee, (content, body), now),
        };
        if !self.deliver_some(id, &mut delivery, now) {
            self.defer_command(id, Unfinished::Direct(delivery));
            return Ok(Progress::Later);
        }
        if self.pass_on(id, &mut delivery, now) {
            return Ok(Progress::Later);
        }
        if delivery.is_refused() {
            return Err(BUSY);
        }
        Ok(Progress::Done)
    }

    /// Delivers to the next receivers, charged to the sender. Returns whether all have been served.
    pub(super) fn deliver_some(
        &mut self,
        id: ConnectionId,
        delivery: &mut DirectDelivery,
        now: Now,
    ) -> bool {
        let end = (delivery.delivered + DIRECT_RECEIVERS_AT_ONCE).min(delivery.receivers.len());
        for index in delivery.delivered..end {
            if index == delivery.addressed && !delivery.is_accepted {
                break;
            }
            let receiver = delivery.receivers[index];
            delivery.delivered += 1;
            // Since the last turn `resume` may have given the connection to another person.
            if self.person(receiver) == Some(delivery.receiver_at(index)) {
                delivery.is_accepted |= self.deliver_direct(receiver, id, delivery, now);
            }
        }
        let is_done = delivery.delivered == delivery.receivers.len() || delivery.is_refused();
        if !is_done && let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.charge(1);
        }
        is_done
    }

    /// Answers the sender of a delivery that took several turns.
    pub(super) fn answer_direct(&mut self, id: ConnectionId, delivery: &DirectDelivery) {
        let answer = match delivery.is_refused() {
            true => Err(BUSY),
            false => Ok(()),
        };
        self.answer_direct_with(id, answer, delivery.echo.as_deref());
    }

    /// The same in the words of their door.
    pub(super) fn answer_direct_with(
        &mut self,
        id: ConnectionId,
        answer: Result<(), CommandError>,
        echo: Id<'_>,
    ) {
        match (self.get(id).and_then(|it| it.door.facts().words), answer) {
            (Some(Format::Lines), Err(CommandError { message, .. })) => {
                self.send_line(id, &format!("! {message}\n"));
            }
            (Some(Format::Lines), Ok(())) => {}
            (_, answer) => self.answer_command(answer.map(|()| done(echo)), echo, id),
        }
    }

    /// Queues the message for one receiver, as a frame or a line. Returns whether it was taken. The sender's own
    /// connection always takes it.
    fn deliver_direct(
        &mut self,
        receiver: ConnectionId,
        sender: ConnectionId,
        delivery: &DirectDelivery,
        now: Now,
    ) -> bool {
        let format = self.get(receiver).and_then(|it| it.door.facts().words);
        let shared = if format == Some(Format::Lines) {
            &delivery.line
        } else {
            &delivery.frames
        };
        match format {
            Some(format) if receiver == sender => {
                self.answer_with(receiver, format, shared.bytes().to_vec());
                true
            }
            _ => self.offer(receiver, Rc::clone(shared), now),
        }
    }

    /// Whether somebody who is away is told by push.
    pub(super) fn push_to(
        &mut self,
        from: PersonId,
        to: &str,
        (content, body): (Content, &[u8]),
        now: Now,
    ) -> bool {
        let author = self.chat.author(from);
        let message = Message {
            expect: None,
            offset: None,
            at_ms: now.unix_ms,
            author: &author,
            key: None,
            content,
            body,
        };
        self.push_direct(to, &message, now)
    }

    fn is_here(&self, person: PersonId) -> bool {
        !self.chat.connections_of(person).is_empty()
    }
}
