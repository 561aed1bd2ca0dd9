//! The answers of the JSON door to commands that only read: `login`, `members`, `history`, `search`, `rooms`.

use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Cut, Epoch, Event};
use crate::codec::ws::deflate::Readers;
use crate::core::chat::{Context, Message, Reading, RoomId, RoomName};
use crate::core::delivery::encode::{self, Encoder};
use crate::core::delivery::rope::Rope;
use crate::core::delivery::snapshot::{Form, MessageSource, RoomView, Snapshots};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::readers::Page;
use crate::core::store::{Excerpt, messages, ranges};
use crate::core::stream::Stream;
use crate::limits::{MAX_ANSWER, MAX_KEY, MAX_LISTED, MAX_PAGE, MAX_PERSON_NAME, MAX_ROOM_NAME};

/// The answer to a command, as JSON. `None` for a pong, and for an answer that was sent as shared chunks already.
pub(super) type Answer = Result<Option<String>, CommandError>;

/// The answer to a message that is published, and has this offset if it is kept.
pub(super) fn ok(echo: Id<'_>, offset: Option<u64>) -> Option<String> {
    Some(encode::event_json(&Event::Ok { id: echo, offset }))
}

/// The answer to a command that has no result.
pub(super) fn done(echo: Id<'_>) -> Option<String> {
    ok(echo, None)
}

impl<S: Stream> Server<S> {
    /// The `welcome` event, sent after connecting, after `login` and after a change of name.
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
            durability: self.durability(),
            push: self.pushing.is_some(),
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
                file: self.files.is_on.then_some(limits.max_file),
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
    pub(super) fn history(
        &mut self,
        page: &Page,
        echo: Id<'_>,
        reading: Reading,
        now: Now,
    ) -> Rope {
        let name = &page.room;
        self.chat.forget_expired_in(name, now.ms);
        self.snapshots.begin(now.ms);
        let room = self.chat.find(name);
        let found = room.and_then(|room| self.chat.history(room, page.before, page.limit));
        let (found, more) = found.unwrap_or_default();
        let view = room.map(|room| (room, self.chat.epoch(room)));
        let content = Content {
            messages: &found,
            damaged: &[],
            more,
        };
        let to = (&mut self.snapshots, &mut self.encoder);
        write_page(page, view, &content, (echo, reading), to)
    }

    /// The same of messages that the store has found; of those that were looked for, the answer to `search`.
    pub(super) fn page_of(
        &mut self,
        page: &Page,
        found: &Excerpt,
        echo: Id<'_>,
        reading: Reading,
        now: Now,
    ) -> Rope {
        self.snapshots.begin(now.ms);
        let room = self.chat.find(&page.room);
        let view = room.map(|room| (room, self.chat.epoch(room)));
        let content = Content {
            messages: &messages(&found.messages),
            damaged: &found.damaged,
            more: found.more,
        };
        let to = (&mut self.snapshots, &mut self.encoder);
        write_page(page, view, &content, (echo, reading), to)
    }
}

/// What a page has of a room.
struct Content<'a> {
    messages: &'a [Message<'a>],
    /// The offsets of messages that are damaged.
    damaged: &'a [u64],
    more: bool,
}

/// Writes the answer to `history` or to `search`, as far as one answer goes; `view`: the room and its epoch, if there is one.
fn write_page(
    page: &Page,
    view: Option<(RoomId, u64)>,
    content: &Content<'_>,
    (echo, reading): (Id<'_>, Reading),
    (snapshots, encoder): (&mut Snapshots, &mut Encoder),
) -> Rope {
    let name = page.room.as_str();
    let messages = encode::newest_within(content.messages, name, MAX_ANSWER);
    let is_cut = messages.len() < content.messages.len();
    let mut rope = Rope::default();
    event::open(&head_of(page, view, echo), rope.own());
    rope.own().extend_from_slice(b",\"messages\":[");
    if let Some((room, epoch)) = view {
        let context = Context {
            room: name,
            epoch,
            reading,
            readers: Readers::One,
        };
        let view = RoomView { room, context };
        let talk = (MessageSource::History, messages);
        match page.query.is_none() && content.damaged.is_empty() {
            true => snapshots.messages(view, talk, Form::Json, encoder, &mut rope),
            false => snapshots.scattered(view, talk, Form::Json, encoder, &mut rope),
        }
    }
    rope.own().extend_from_slice(b"],\"more\":");
    event::write(&(content.more || is_cut), rope.own());
    // What comes before the first message of a page that is cut is told with the page before it.
    let first = messages.first().filter(|_| is_cut);
    let first = first.and_then(|message| message.offset).unwrap_or(0);
    write_gaps(content.damaged, first, rope.own());
    if is_cut {
        rope.own().extend_from_slice(b",\"reason\":");
        event::write(&Cut::Bytes, rope.own());
    }
    rope.own().push(b'}');
    rope
}

/// Writes which messages from an offset on are damaged, if any are.
fn write_gaps(damaged: &[u64], from: u64, out: &mut Vec<u8>) {
    let damaged = &damaged[damaged.partition_point(|offset| *offset < from)..];
    if damaged.is_empty() {
        return;
    }
    let gaps = ranges(damaged).map(|(from, to)| event::GapRange { from, to });
    out.extend_from_slice(b",\"gaps\":");
    event::write(&gaps.collect::<Vec<_>>(), out);
}

/// The fields before the messages.
fn head_of<'a>(page: &'a Page, view: Option<(RoomId, u64)>, id: Id<'a>) -> Event<'a> {
    let room = page.room.as_str();
    let epoch = Epoch(view.map_or(0, |(_, epoch)| epoch));
    match page.query {
        None => Event::History { id, room, epoch },
        Some(_) => Event::Found { id, room, epoch },
    }
}
