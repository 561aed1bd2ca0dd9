//! Direct messages that have come from other nodes, on their way to the connections here.

use std::rc::Rc;

use crate::core::budget::cost;
use crate::core::chat::{Author, Format, Message, PersonId};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::store::{DirectMessage, DirectOutcome, PeopleRequest, PublicPerson, Ticket};
use crate::core::stream::Stream;
use crate::limits::DIRECT_RECEIVERS_AT_ONCE;

/// A direct message for the connections of one person.
#[derive(Debug)]
pub(super) struct Arriving {
    person: PersonId,
    frames: Rc<Frames>,
    line: Rc<Frames>,
    receivers: Vec<ConnectionId>,
    delivered: usize,
    is_accepted: bool,
    /// Where it was sent, and its ticket there, with the addressee as they are told.
    answer_to: Option<(Box<str>, Ticket, PublicPerson)>,
}

impl Arriving {
    /// The frames that it holds, for the meter.
    pub(super) fn frames(&self) -> [&Rc<Frames>; 2] {
        [&self.frames, &self.line]
    }
}

/// A message as readers of JSON and of lines get it.
pub(super) struct DirectFrames {
    pub(super) frames: Rc<Frames>,
    pub(super) line: Rc<Frames>,
}

impl<S: Stream> Server<S> {
    /// A direct message as its readers get it.
    pub(super) fn direct_frames(&mut self, message: &DirectMessage, to: &Author) -> DirectFrames {
        let from = &message.from;
        let message = Message {
            offset: None,
            at_ms: message.at_ms,
            author: &Author::stored(from.id, &from.name),
            key: None,
            content: message.content,
            body: &message.body,
            expect: None,
        };
        let json = encode::direct(&message, to);
        self.budget
            .spend(cost::MESSAGE + cost::of_bytes(json.len(), cost::JSON_BYTE));
        let frame = self.encoder.text_frame(Format::Json.into(), &json);
        let line = encode::direct_line(&message, to);
        DirectFrames {
            frames: Frames::new(frame, FrameKind::Data, &self.meter),
            line: Frames::new(line, FrameKind::Line, &self.meter),
        }
    }

    /// A message has come for all connections of a person here.
    pub(super) fn arrive(
        &mut self,
        person: PersonId,
        DirectFrames { frames, line }: DirectFrames,
        answer_to: Option<(Box<str>, Ticket, PublicPerson)>,
    ) {
        let receivers = self.chat.connections_of(person).to_vec();
        if let Some(nodes) = &mut self.nodes {
            nodes.arriving.push_back(Arriving {
                person,
                frames,
                line,
                receivers,
                delivered: 0,
                is_accepted: false,
                answer_to,
            });
        }
    }

    /// Delivers what has come from other nodes, in turn, as long as its share of the tick lasts.
    pub(super) fn deliver_arriving(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(nodes) = &mut self.nodes
            && let Some(mut arriving) = nodes.arriving.pop_front()
        {
            self.deliver_part(&mut arriving, now);
            if arriving.delivered < arriving.receivers.len() {
                if let Some(nodes) = &mut self.nodes {
                    nodes.arriving.push_back(arriving);
                }
                continue;
            }
            let Some((node, ticket, addressee)) = arriving.answer_to else {
                continue;
            };
            let outcome = match arriving.is_accepted {
                true => DirectOutcome::Delivered(addressee),
                // They have gone meanwhile.
                false if self.chat.connections_of(arriving.person).is_empty() => {
                    DirectOutcome::NoSuchUser
                }
                false => DirectOutcome::Busy,
            };
            self.ask_nodes(PeopleRequest::Outcome {
                node,
                ticket,
                outcome,
            });
        }
    }

    fn deliver_part(&mut self, arriving: &mut Arriving, now: Now) {
        let end = arriving.delivered + DIRECT_RECEIVERS_AT_ONCE;
        let end = end.min(arriving.receivers.len());
        for index in arriving.delivered..end {
            let receiver = arriving.receivers[index];
            // Since the last turn `resume` may have given the connection to another person.
            if self.person(receiver) != Some(arriving.person) {
                continue;
            }
            let shared = match self.get(receiver).and_then(|it| it.door.facts().words) {
                Some(Format::Lines) => &arriving.line,
                _ => &arriving.frames,
            };
            let shared = Rc::clone(shared);
            arriving.is_accepted |= self.offer(receiver, shared, now);
        }
        arriving.delivered = end;
    }
}
