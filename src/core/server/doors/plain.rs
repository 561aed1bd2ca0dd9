//! The plain door: the messages of one room, as they are.

use crate::codec::ws::close::CloseReason;
use crate::codec::ws::message::Kind;
use crate::core::chat::{Content, Draft, PersonId, PublishError};
use crate::core::id::ConnectionId;
use crate::core::net::door::Door;
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::owner_of;
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// What a member says at the plain door.
    pub(in crate::core::server) fn publish_plain(
        &mut self,
        id: ConnectionId,
        kind: Kind,
        payload: &[u8],
        now: Now,
    ) {
        // A connection that is closing is in no room: what it still sends is not heard.
        let Some(room) = self.chat.room_of(id) else {
            return;
        };
        let rights = self.access.rights(id);
        let may = self.chat.room_name(room);
        if !may.is_some_and(|name| rights.may_publish(name)) {
            return self.close(id, Ending::Announce(CloseReason::MayNotPublish), now);
        }
        let (key, retain) = match self.get(id).map(|connection| &connection.door) {
            Some(Door::Keyed(keyed)) => (Some(keyed.key.clone()), keyed.retain),
            _ => (None, false),
        };
        let draft = Draft {
            author: &self.author(&rights, PersonId(id.number())),
            owner: &owner_of(&rights, self.peer(None, id)),
            content: match kind {
                Kind::Text => Content::Text,
                Kind::Binary => Content::Binary,
            },
            body: payload,
            key: key.as_deref(),
            retain,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        let submitted = self.submit(room, &draft, now);
        if let Some(connection) = self.get_mut(id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
        match submitted {
            Ok(Submitted::Published(_)) => {}
            Ok(Submitted::Waiting(ticket)) => {
                self.waiting.tell(ticket, ReplyTo::Plain(id), now.ms);
            }
            Err(PublishError::Unavailable { .. }) => {
                self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
            }
            Err(_) => self.close(id, Ending::Announce(CloseReason::TooManyKeys), now),
        }
    }
}
