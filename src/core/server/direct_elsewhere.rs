//! Direct messages to and from people at other nodes.
//!
//! A message goes to every connection of the addressee, wherever it is, and once one has taken it to those of the sender. The
//! sender is answered when one of the nodes where the addressee is has delivered it, or all have not.

use crate::codec::json::command::Id;
use crate::core::chat::{Author, Content, PersonId, PublicId, keys_of_mention};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arriving::DirectFrames;
use crate::core::server::direct_delivery::{DirectDelivery, ForOthers};
use crate::core::server::error::{BUSY, CommandError, NO_SUCH_USER};
use crate::core::server::nodes::public_person;
use crate::core::server::questions::Question;
use crate::core::server::sent_direct::{Fate, SentDirect};
use crate::core::server::storing::UNAVAILABLE;
use crate::core::server::unfinished::Unfinished;
use crate::core::store::{
    Addressee, DirectMessage, DirectOutcome, PeopleAnswer, PeopleRequest, PublicPerson, Request,
    Ticket,
};
use crate::core::stream::Stream;
use crate::limits::{MAX_UNANSWERED, UNANSWERED_SHARE};

impl<S: Stream> Server<S> {
    /// A direct message as other nodes get it; `None` if there are none.
    pub(super) fn direct_for_others(
        &self,
        from: &Author,
        to: &Author,
        (content, body): (Content, &[u8]),
        now: Now,
    ) -> Option<Box<ForOthers>> {
        self.nodes.as_ref()?;
        Some(Box::new(ForOthers {
            to: public_person(to),
            message: direct_message(from, content, body, now),
        }))
    }

    /// Asks other nodes to deliver a message to somebody who is not here. The sender is answered later.
    pub(super) fn direct_elsewhere(
        &mut self,
        id: ConnectionId,
        (from, to): (PersonId, &str),
        (content, body): (Content, &[u8]),
        echo: Id<'_>,
        now: Now,
    ) -> Result<(), CommandError> {
        let Some(keys) = keys_of_mention(to).filter(|_| self.nodes.is_some()) else {
            return Err(NO_SUCH_USER);
        };
        let author = self.chat.author(from);
        let message = direct_message(&author, content, body, now).into();
        let echo = echo.map(ToOwned::to_owned);
        let mut sent = SentDirect::new(id, echo, from, message, false);
        sent.pushed_to = Some(to.into());
        self.send_elsewhere(sent, Addressee::Called(keys), now)
    }

    fn send_elsewhere(
        &mut self,
        sent: SentDirect,
        to: Addressee,
        now: Now,
    ) -> Result<(), CommandError> {
        let most_bytes = self.limits.max_memory / UNANSWERED_SHARE;
        let (Some(nodes), Some(outbox)) = (&mut self.nodes, &mut self.outbox) else {
            return Err(NO_SUCH_USER);
        };
        if nodes.questions.bytes() > most_bytes {
            return Err(UNAVAILABLE.into());
        }
        let ticket = outbox.next_ticket();
        let id = sent.id;
        outbox.push(Request::People(PeopleRequest::Direct {
            ticket: Some(ticket),
            to,
            message: sent.message.clone(),
        }));
        let question = Question::Direct(Box::new(sent));
        nodes.questions.add(ticket, question, now.ms);
        self.loading.begin_wait(id);
        self.begin_wait(id);
        Ok(())
    }

    /// A message was delivered here, or could not be. It goes to the other nodes, too. Says whether its sender is answered
    /// later: somebody who takes nothing here may do so there.
    pub(super) fn pass_on(
        &mut self,
        id: ConnectionId,
        delivery: &mut DirectDelivery,
        now: Now,
    ) -> bool {
        let Some(others) = delivery.others.take() else {
            return false;
        };
        let ForOthers { to, message } = *others;
        let addressee = Addressee::Person(to.id);
        let message = Box::new(message);
        if delivery.is_refused() {
            let echo = delivery.echo.clone();
            let sent = SentDirect::new(id, echo, delivery.from, message, true);
            return self.send_elsewhere(sent, addressee, now).is_ok();
        }
        self.ask_nodes(PeopleRequest::Direct {
            ticket: None,
            to: addressee,
            message: message.clone(),
        });
        if delivery.from != delivery.to {
            self.ask_nodes(PeopleRequest::ShowSender { to, message });
        }
        false
    }

    /// The log, or another node, has answered.
    pub(super) fn on_sent_answer(
        &mut self,
        ticket: Ticket,
        mut sent: Box<SentDirect>,
        answer: PeopleAnswer,
        now: Now,
    ) {
        let fate = match answer {
            PeopleAnswer::SentTo(nodes) => sent.on_sent(nodes),
            PeopleAnswer::Outcome(outcome) => sent.on_outcome(outcome),
            _ => return self.refuse_direct(&sent, UNAVAILABLE.into(), now),
        };
        match fate {
            Fate::Open => {
                if let Some(nodes) = &mut self.nodes {
                    nodes.questions.put_back(ticket, Question::Direct(sent));
                }
            }
            Fate::Delivered(to) => self.show_sender(*sent, &to, now),
            Fate::NoSuchUser if self.push_instead(&sent, now) => {
                self.answer_direct_with(sent.id, Ok(()), sent.echo.as_deref());
                self.end_direct(sent.id, now);
            }
            Fate::NoSuchUser => self.refuse_direct(&sent, NO_SUCH_USER, now),
            Fate::Busy => self.refuse_direct(&sent, BUSY, now),
        }
    }

    /// The addressee is at no node. Says whether they are told by push.
    fn push_instead(&mut self, sent: &SentDirect, now: Now) -> bool {
        let Some(to) = &sent.pushed_to else {
            return false;
        };
        let DirectMessage { content, body, .. } = &*sent.message;
        self.push_to(sent.from, to, (*content, body), now)
    }

    fn refuse_direct(&mut self, sent: &SentDirect, refusal: CommandError, now: Now) {
        let id = sent.id;
        self.answer_direct_with(id, Err(refusal), sent.echo.as_deref());
        self.end_direct(id, now);
    }

    /// A message was delivered elsewhere: all connections of its sender show it, and then the command is answered.
    fn show_sender(&mut self, sent: SentDirect, to: &PublicPerson, now: Now) {
        let SentDirect {
            id,
            echo,
            from,
            message,
            ..
        } = sent;
        let DirectFrames { frames, line } =
            self.direct_frames(&message, &Author::stored(to.id, &to.name));
        if to.id != message.from.id {
            let to = to.clone();
            self.ask_nodes(PeopleRequest::ShowSender { to, message });
        }
        let receivers = self.chat.connections_of(from).to_vec();
        let mut delivery = DirectDelivery {
            echo,
            frames,
            line,
            from,
            to: from,
            receivers,
            addressed: 0,
            delivered: 0,
            is_accepted: true,
            others: None,
        };
        if self.deliver_some(id, &mut delivery, now) {
            self.answer_direct(id, &delivery);
            self.end_direct(id, now);
        } else if self.get(id).is_some_and(Connection::is_member) {
            self.loading.end_wait(id);
            self.defer_command(id, Unfinished::Direct(delivery));
        } else {
            self.end_direct(id, now);
        }
    }

    fn end_direct(&mut self, id: ConnectionId, now: Now) {
        self.loading.end_wait(id);
        self.end_wait(id);
        self.go_on_leaving(id, now);
    }

    /// A message has come for somebody here.
    pub(super) fn on_direct(
        &mut self,
        answer_to: Option<(Box<str>, Ticket)>,
        to: &Addressee,
        message: &DirectMessage,
    ) {
        let person = match to {
            Addressee::Called(keys) => self.chat.find_by_keys(keys),
            Addressee::Person(id) => self.chat.find_public(PublicId::of_number(*id)),
        };
        let is_full = self.is_arriving_full();
        match person.filter(|it| !self.chat.connections_of(*it).is_empty()) {
            Some(person) if !is_full => {
                let addressee = self.chat.author(person);
                let told = public_person(&addressee);
                let answer_to = answer_to.map(|(node, ticket)| (node, ticket, told));
                let frames = self.direct_frames(message, &addressee);
                self.arrive(person, frames, answer_to);
            }
            found => {
                let outcome = match found {
                    Some(_) => DirectOutcome::Busy,
                    None => DirectOutcome::NoSuchUser,
                };
                if let Some((node, ticket)) = answer_to {
                    self.ask_nodes(PeopleRequest::Outcome {
                        node,
                        ticket,
                        outcome,
                    });
                }
            }
        }
    }

    /// Somebody here has sent a message by another node: they see it here, too.
    pub(super) fn on_show_sender(&mut self, to: &PublicPerson, message: &DirectMessage) {
        let sender = PublicId::of_number(message.from.id);
        let Some(sender) = self.chat.find_public(sender) else {
            return;
        };
        if !self.is_arriving_full() {
            let frames = self.direct_frames(message, &Author::stored(to.id, &to.name));
            self.arrive(sender, frames, None);
        }
    }

    /// Whether more has come from other nodes than is delivered.
    fn is_arriving_full(&self) -> bool {
        let nodes = self.nodes.as_ref();
        nodes.is_some_and(|it| it.arriving.len() >= MAX_UNANSWERED)
            || self.meter.used() > self.limits.max_memory
    }
}

fn direct_message(from: &Author, content: Content, body: &[u8], now: Now) -> DirectMessage {
    DirectMessage {
        from: public_person(from),
        at_ms: now.unix_ms,
        content,
        body: body.into(),
    }
}
