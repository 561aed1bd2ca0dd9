//! Streams of several rooms: each reader gets what it wants of them, with ids that say where it is in all.

use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::chat::{Format, Message, Position, RoomId, RoomName, Selection};
use crate::core::delivery::broadcast::Delivery;
use crate::core::delivery::encode;
use crate::core::delivery::feed::select;
use crate::core::delivery::rope::Rope;
use crate::core::delivery::snapshot::{Form, MessageSource, RoomView};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::ending::Ending;
use crate::core::net::feed::Feed;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arrivals::newest_of;
use crate::core::server::readers::Returning;
use crate::core::store::{Excerpt, messages};
use crate::core::stream::Stream;
use crate::limits::ANSWER_BYTES;

impl<S: Stream> Server<S> {
    /// Delivers to the reader of a stream what it wants of a batch. It is copied: its ids are this reader's own.
    pub(super) fn deliver_to_feed(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        delivery: &Delivery,
        now: Now,
    ) {
        if self.lagging.is_behind(id, room) {
            return;
        }
        let Some(feed) = self.get(id).and_then(|it| it.door.feed()) else {
            return;
        };
        let selected = select(feed, room, delivery.chunk.remaining());
        let bytes = selected.bytes.len() + delivery.chunk.remaining().len();
        self.budget.spend(cost::of_bytes(bytes, cost::BYTE));
        if !selected.bytes.is_empty() {
            let frames = Frames::new(selected.bytes, FrameKind::Event, &self.meter);
            let delivery = Delivery {
                chunk: Chunk::whole(frames),
                messages: selected.count,
                last: delivery.last,
                first_offset: delivery.first_offset,
            };
            if !self.deliver(id, room, delivery, now) {
                return;
            }
        }
        if let Some((offset, has_id)) = selected.last
            && let Some(feed) = self.get_mut(id).and_then(|it| it.door.feed_mut())
        {
            feed.move_to(room, offset, has_id);
        }
    }

    /// Leads the reader of a stream into a room; `begun_at`: the room has begun at this offset, a moment ago.
    pub(super) fn enter_by_feed(
        &mut self,
        id: ConnectionId,
        name: &RoomName,
        begun_at: Option<u64>,
        now: Now,
    ) {
        let Some(person) = self.get(id).map(Connection::person) else {
            return;
        };
        let (reading, owner) = (Format::Feed.into(), self.owner(id));
        let joined = self.chat.join(id, person, reading, name, &owner, now.ms);
        self.forget_ended();
        let Ok(room) = joined else {
            return self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
        };
        self.skip_to_now(id, room);
        let epoch = self.chat.epoch(room);
        let Some(feed) = self.get(id).and_then(|it| it.door.feed()) else {
            return;
        };
        let selection = match begun_at {
            Some(after) if !feed.knows(epoch) => Selection::Begun { after },
            _ => feed.selection(epoch),
        };
        let member = Returning {
            id,
            room,
            selection,
            chart: None,
            echo: None,
            found: Excerpt::default(),
        };
        if self.recover_from_store(member, now) {
            return;
        }
        let mut rope = Rope::default();
        self.chat.forget_expired_of(room, now.ms);
        self.snapshots.begin(now.ms);
        self.push_feed_opened(id, room, selection, &Excerpt::default(), &mut rope);
        if let Some(peer) = self.peer(None, id) {
            let commands = 1 + rope.len() / ANSWER_BYTES;
            self.addresses.charge(peer.ip, commands, now.ms);
        }
        self.answer_rope(id, Format::Feed, rope);
        self.tell_if_paused(id, room);
    }

    /// What the reader of a stream is told who comes into a room, or comes back to it.
    pub(super) fn push_feed_opened(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        selection: Selection,
        found: &Excerpt,
        rope: &mut Rope,
    ) {
        let read = messages(&found.messages);
        let recovered = self.chat.arrival_after(room, found.last_offset(), read);
        let Some(arrival) = recovered.or_else(|| self.chat.arrival(room, selection)) else {
            return;
        };
        let connection = self.connections.get_mut(id.index());
        let connection = connection.filter(|it| it.id == id);
        let Some(feed) = connection.and_then(|it| it.door.feed_mut()) else {
            return;
        };
        let newest = newest_of(&arrival, selection).iter().copied();
        let newest: Vec<Message<'_>> = newest.filter(|it| feed.wants(it.key)).collect();
        let newest = &newest[newest.len() - feed.most_of(selection, newest.len())..];
        let Position { epoch, offset } = arrival.position;
        let first = newest.first().and_then(|message| message.offset);
        let before = first.map_or(offset, |first| first - 1);
        feed.enter(
            room,
            Position {
                epoch,
                offset: before,
            },
        );
        let id_before = feed.ids_in(room).id(before);
        // Of the state the last message has the id: a reader that is cut off before it is told all of it again.
        let mut state = match (&arrival.state, arrival.recovered) {
            (_, true) => Vec::new(),
            (Some(state), _) => state.clone(),
            (None, _) => self.chat.retained(room),
        };
        let is_whole = arrival.state.is_none() && feed.wants_all();
        state.retain(|it| feed.wants(it.key));
        let last = state.pop();
        let id_of_joined = Some(&*id_before).filter(|_| last.is_none());
        encode::opened(&arrival, id_of_joined, rope.own());
        let context = arrival.context(Format::Feed.into());
        let view = RoomView { room, context };
        let (snapshots, encoder) = (&mut self.snapshots, &mut self.encoder);
        if let Some(last) = last {
            let form = Form::StateEvents;
            match is_whole {
                true => snapshots.state(view, &self.chat, form, encoder, rope),
                false => {
                    let rest = (MessageSource::State, &state[..]);
                    snapshots.scattered(view, rest, form, encoder, rope);
                }
            }
            encode::server_sent_state(context.room, &last, Some(&id_before), rope.own());
        }
        let mut pieces = Rope::default();
        let talk = (MessageSource::History, newest);
        match feed.wants_all() {
            true => snapshots.messages(view, talk, Form::Feed, encoder, &mut pieces),
            false => snapshots.scattered(view, talk, Form::Feed, encoder, &mut pieces),
        }
        self.budget.spend(cost::of_bytes(pieces.len(), cost::BYTE));
        for piece in pieces.pieces() {
            let selected = select(feed, room, piece);
            rope.own().extend_from_slice(&selected.bytes);
        }
        let last_id = newest.last().and_then(|it| it.offset).unwrap_or(before);
        feed.move_to(room, offset, last_id == offset);
    }

    /// Tells the reader of a stream where it is, if it was told nothing for so long that it does not know.
    pub(super) fn tell_feed_position(&mut self, id: ConnectionId) {
        let feed = self.get_mut(id).and_then(|it| it.door.feed_mut());
        let Some(position) = feed.and_then(Feed::id_of_all) else {
            return;
        };
        let mut out = Vec::new();
        encode::named_event("position", Some(&position), &Event::Position, &mut out);
        self.answer_with(id, Format::Feed, out);
    }

    /// The reader of a stream is in all rooms that it had come for, if it waits for none.
    pub(super) fn settle_feed(&mut self, id: ConnectionId) {
        let waits_in = |room| self.lagging.waits_for_store(id, room);
        let waits = self.chat.rooms_of(id).any(waits_in);
        if waits || self.followers.has_work(id) {
            return;
        }
        let has_patterns = self.followers.has_patterns(id);
        if let Some(feed) = self.get_mut(id).and_then(|it| it.door.feed_mut()) {
            feed.settle(has_patterns);
        }
    }
}
