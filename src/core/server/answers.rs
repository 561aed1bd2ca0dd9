//! What the JSON door tells of: who one is, who is here, what was said, and which rooms there are.

use super::Server;
use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Cut, Epoch, Event};
use crate::core::chat::RoomName;
use crate::core::connection::ConnectionId;
use crate::core::{Stream, encode};
use crate::limits::{MAX_ANSWER, MAX_KEY, MAX_LISTED, MAX_PAGE, MAX_PERSON_NAME, MAX_ROOM_NAME};

impl<S: Stream> Server<S> {
    /// What someone is told who has come in, or has a new name.
    pub(super) fn welcome(&self, echo: Id<'_>, id: ConnectionId) -> Option<String> {
        let person = self.get(id)?.person();
        let rights = self.access.rights(id);
        let rights = rights.grant().map(|grant| event::Rights {
            subscribe: &grant.claims.subscribe,
            publish: &grant.claims.publish,
            admin: grant.claims.admin,
            expires: grant.claims.expires_unix_ms(),
        });
        let limits = &self.limits;
        let rate = (limits.rate > 0).then_some(limits.rate);
        Some(encode::event_json(&Event::Welcome {
            id: echo,
            you: encode::person(&self.chat.author(person)),
            resume: &self.chat.resume_token(person)?,
            node: &self.node,
            server: concat!("parlor/", env!("CARGO_PKG_VERSION")),
            ping_ms: limits.ping_interval.ms(),
            limits: event::Limits {
                message: limits.max_message,
                rate,
                burst: rate.map(|rate| 2 * rate),
                rooms: limits.max_joined,
                name: MAX_PERSON_NAME,
                room: MAX_ROOM_NAME,
                key: MAX_KEY,
                dedup: MAX_KEY,
                history: MAX_PAGE,
            },
            rights,
        }))
    }

    /// The answer to `members`.
    pub(super) fn members_json(&self, name: &RoomName, echo: Id<'_>) -> String {
        let (members, count) = self.chat.listed(name, MAX_LISTED);
        encode::event_json(&Event::Members {
            id: echo,
            room: name.as_str(),
            members: members.iter().map(encode::person).collect(),
            count,
        })
    }

    /// The answer to `history`.
    pub(super) fn history<'a>(
        &'a self,
        name: &'a RoomName,
        before: u64,
        limit: usize,
        echo: Id<'a>,
    ) -> Event<'a> {
        let room = self.chat.find(name);
        let found = room.and_then(|room| self.chat.history(room, before, limit));
        let (found, more) = found.unwrap_or_default();
        let kept = encode::newest_within(&found, name.as_str(), MAX_ANSWER);
        let is_cut = kept.len() < found.len();
        let messages = kept
            .iter()
            .map(|message| encode::message_event(name.as_str(), message));
        Event::History {
            id: echo,
            room: name.as_str(),
            epoch: Epoch(room.map_or(0, |room| self.chat.epoch(room))),
            messages: messages.collect(),
            more: more || is_cut,
            reason: is_cut.then_some(Cut::Bytes),
        }
    }
}
