//! From something to say to the pieces that a room's audiences are told.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Publish;
use crate::core::chat::{
    Accepted, Draft, Format, Keeping, Message, Proposed, PublishError, RoomId, RoomName,
};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arguments::{check_key, content_of};
use crate::core::server::error::CommandError;
use crate::core::server::publisher::Publisher;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::Ticket;
use crate::core::stream::Stream;

/// How far a submission has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Submitted {
    /// It is published, at this offset, unless it is not kept.
    Published(Option<u64>),
    /// The store has to answer first. Who wants to know gives the ticket to [`Waiting::tell`].
    ///
    /// [`Waiting::tell`]: super::waiting::Waiting::tell
    Waiting(Ticket),
}

impl<S: Stream> Server<S> {
    /// Does what the command and the request ask for: publishes a message in a room, which begins if it does not exist.
    pub(super) fn publish(
        &mut self,
        name: &RoomName,
        publish: &Publish<'_>,
        publisher: Publisher<'_>,
        now: Now,
    ) -> Result<(RoomId, Submitted), CommandError> {
        check_key("key", publish.key.as_deref())?;
        check_key("dedup", publish.dedup.as_deref())?;
        if publish.retain && publish.key.is_none() {
            return Err(CommandError::new(ErrorCode::BadCommand, "retain needs key"));
        }
        if publish.condition.is_some() && !publish.retain {
            let message =
                "if_offset and if_new are about the state of a key: they need key and retain";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        if publish.retain && publish.ephemeral {
            let message = "an ephemeral message is not kept, so it cannot be retained";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        check_freshness(publish)?;
        let Publisher {
            author,
            sender,
            owner,
        } = publisher;
        let found = self.chat.find_or_create_for_publish(name, owner, now.ms);
        self.forget_ended();
        let room = found?;
        let condition = publish.condition.map(|it| it.of(self.chat.epoch(room)));
        let (content, body) = content_of(&publish.data);
        let draft = Draft {
            author,
            owner,
            content,
            body,
            key: publish.key.as_deref(),
            retain: publish.retain,
            ephemeral: publish.ephemeral,
            dedup: publish.dedup.as_deref().map(|dedup| (dedup, sender)),
            file: None,
            imported: None,
            condition,
            freshness: publish.freshness,
        };
        let submitted = self.submit(room, &draft, now).map_err(|error| {
            let is_conflict = error == PublishError::Conflict;
            CommandError {
                more: is_conflict.then(|| ("current", self.state_json(room, draft.key))),
                ..error.into()
            }
        });
        Ok((room, submitted?))
    }

    /// Publishes a message, unless it was published before. It is accepted at once unless a
    /// store has to commit it first. The room exists.
    pub(super) fn submit(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        now: Now,
    ) -> Result<Submitted, PublishError> {
        if let Some(ticket) = self.waiting.find(room, draft) {
            return Ok(Submitted::Waiting(ticket));
        }
        let waits = !draft.ephemeral && self.waits_for_commits();
        let keeping = match self.chat.propose(room, draft, !waits, now)? {
            Proposed::Again(offset) => return Ok(Submitted::Published(Some(offset))),
            Proposed::New(keeping) => keeping,
        };
        if waits {
            return self
                .append(room, draft, &keeping, now)
                .map(Submitted::Waiting);
        }
        if draft.ephemeral && self.chat.has_shared_log() {
            if self.chat.is_paused(room) {
                return Err(UNAVAILABLE);
            }
            self.signal(room, draft, now);
        }
        let accepted = Accepted {
            offset: (!draft.ephemeral).then(|| self.chat.offset_for(room, draft)),
            at_ms: draft.at_ms(now),
        };
        if let Some(offset) = accepted.offset {
            self.write_behind(room, draft, offset, now)?;
        }
        self.on_accepted(room, draft, accepted, keeping, now);
        if self.hooks.is_some() {
            self.tell_hooks(room, draft, accepted, now);
        }
        if self.pushing.is_some() {
            self.tell_push(room, draft, accepted, now);
        }
        if self.escalations.is_some() {
            self.note_alarm(room, draft.key, now);
        }
        Ok(Submitted::Published(accepted.offset))
    }

    /// A message has its place in its room's order: its readers get it, and the room remembers it.
    pub(super) fn on_accepted(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        accepted: Accepted,
        keeping: Keeping,
        now: Now,
    ) {
        if let Some(file) = draft.file {
            self.files.place(file, self.chat.epoch(room));
        }
        self.count_if_said(draft);
        let message = self.chat.accept(room, draft, accepted, now);
        self.fan_out(room, &message);
        self.chat.keep(room, &message, draft, keeping, now);
        self.forget_ended();
    }

    /// Encodes a message once for each format that someone in the room reads, behind what else they are told in this
    /// tick.
    fn fan_out(&mut self, room: RoomId, message: &Message<'_>) {
        self.encoder.begin();
        let next_offset = self.chat.offset(room) + 1;
        for format in Format::ALL {
            // A signal to those who understand it: noise to everyone else.
            if message.offset.is_none() && !format.is_json() {
                continue;
            }
            let audience = room.audience(format);
            let Some(sequence) = self.chat.next_sequence(audience) else {
                continue;
            };
            let Some(context) = self.chat.context(audience) else {
                continue;
            };
            let offset = message.offset.unwrap_or(next_offset);
            self.broadcast.append(audience, sequence, offset, |out| {
                self.encoder.message(&context, message, out);
            });
        }
    }
}

/// How long a value is good for is said of the state of a key.
fn check_freshness(publish: &Publish<'_>) -> Result<(), CommandError> {
    let bad = |message| CommandError {
        code: ErrorCode::BadCommand,
        message,
        retry_ms: None,
        more: None,
    };
    match publish.key.as_deref().filter(|_| publish.retain) {
        _ if publish.freshness.is_none() => Ok(()),
        None => Err(bad("expect and ttl need key and retain".into())),
        Some(key) => {
            let checked = publish.freshness.check(key);
            checked.map_err(|message| bad(message.into()))
        }
    }
}
