//! What one person says to another.

use std::rc::Rc;

use super::Server;
use super::commands::{Failure, NO_SUCH_USER};
use crate::core::chat::{Content, Format, Message, PersonId};
use crate::core::connection::{Connection, ConnectionId};
use crate::core::frames::{FrameKind, Frames};
use crate::core::{Now, Stream, encode};

impl<S: Stream> Server<S> {
    /// Says something to every connection of the addressee, and of the sender, whose other tabs show it too.
    pub(super) fn direct_to(
        &mut self,
        id: ConnectionId,
        to: &str,
        content: Content,
        body: &[u8],
        now: Now,
    ) -> Result<(), Failure> {
        let to = self.chat.find_person(to);
        let (Some(from), Some(to)) = (self.person(id), to.filter(|to| self.is_here(*to))) else {
            return Err(NO_SUCH_USER);
        };
        let (sender, addressee) = (self.chat.author(from), self.chat.author(to));
        let message = Message {
            offset: None,
            at_ms: now.unix_ms,
            author: &sender,
            key: None,
            content,
            body,
        };
        let json = encode::direct(&message, &addressee);
        let frame = self.encoder.text_frame(Format::Json.into(), &json);
        let frames = Frames::new(frame, FrameKind::Data, &self.meter);
        let line = encode::direct_line(&message, &addressee);
        let line = Frames::new(line, FrameKind::Line, &self.meter);
        let mut is_taken = false;
        for receiver in self.chat.connections_of(to).to_vec() {
            is_taken |= self.tell(receiver, id, &frames, &line, now);
        }
        if !is_taken {
            return Err(Failure::new(
                "busy",
                "they do not read as fast as they are written to; try again",
            ));
        }
        if from != to {
            for receiver in self.chat.connections_of(from).to_vec() {
                self.tell(receiver, id, &frames, &line, now);
            }
        }
        Ok(())
    }

    /// Passes on what the connection `sender` says, in a frame or a line. Says whether it was taken. Who has sent it sees
    /// it, however slowly they read.
    fn tell(
        &mut self,
        receiver: ConnectionId,
        sender: ConnectionId,
        frames: &Rc<Frames>,
        line: &Rc<Frames>,
        now: Now,
    ) -> bool {
        let format = self.get(receiver).map(Connection::own_format);
        let shared = if format == Some(Format::Lines) {
            line
        } else {
            frames
        };
        match format {
            Some(format) if receiver == sender => {
                self.answer_with(receiver, format, shared.bytes().to_vec());
                true
            }
            _ => self.offer(receiver, Rc::clone(shared), now),
        }
    }

    fn is_here(&self, person: PersonId) -> bool {
        !self.chat.connections_of(person).is_empty()
    }
}
