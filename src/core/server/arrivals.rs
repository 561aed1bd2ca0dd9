//! What a member is sent on joining a room, on coming back to it, or after falling behind. What many members get is
//! encoded once.

use std::rc::Rc;

use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Event};
use crate::codec::sse;
use crate::core::budget::cost;
use crate::core::chat::{Arrival, Chart, Format, Message, Reading, RoomId, Selection};
use crate::core::delivery::encode;
use crate::core::delivery::lagging::ANEW;
use crate::core::delivery::rope::Rope;
use crate::core::delivery::snapshot::{Form, MessageSource, RoomView};
use crate::core::id::ConnectionId;
use crate::core::net::frames::{FrameKind, Frames};
use crate::core::net::phase::Phase;
use crate::core::net::write_queue::Chunk;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::readers::Returning;
use crate::core::store::{Excerpt, messages, ranges};
use crate::core::stream::Stream;
use crate::limits::{MAX_ANSWER, MAX_PAGE, RECONNECT_MS};

impl<S: Stream> Server<S> {
    /// Notes that the connection has been sent everything up to the newest message of a room.
    pub(super) fn skip_to_now(&mut self, id: ConnectionId, room: RoomId) {
        let offset = self.chat.offset(room);
        if let Some((audience, sequence)) = self.chat.skip_to_now(id, room) {
            self.broadcast.note_entry(audience, sequence, offset);
        }
        if self.chat.conflates(room) {
            self.lagging.on_sent_upto(id, room, offset);
        }
    }

    /// The answer to `join` of a connection, which is charged for what is looked at for it; `chart`: with which
    /// numbers; `found`: what the store has found of what was missed.
    pub(super) fn joined(
        &mut self,
        (id, reading): (ConnectionId, Reading),
        room: RoomId,
        selection: Selection,
        chart: Option<&Chart>,
        (echo, found): (Id<'_>, &Excerpt),
        now: Now,
    ) -> Rope {
        let mut rope = Rope::default();
        self.chat.forget_expired_of(room, now.ms);
        self.chat.on_listed(room);
        self.snapshots.begin(now.ms);
        let read = messages(&found.messages);
        let recovered = self.chat.arrival_after(room, found.last_offset(), read);
        if let Some(arrival) = recovered.or_else(|| self.chat.arrival(room, selection)) {
            let context = arrival.context(reading);
            let view = RoomView { room, context };
            encode::open_joined(&arrival, echo, rope.own());
            let (snapshots, encoder) = (&mut self.snapshots, &mut self.encoder);
            rope.own().extend_from_slice(b",\"messages\":[");
            let newest = (MessageSource::History, newest_of(&arrival, selection));
            snapshots.messages(view, newest, Form::Json, encoder, &mut rope);
            rope.own().extend_from_slice(b"],\"retained\":[");
            match &arrival.state {
                Some(state) => {
                    let state = (MessageSource::State, &**state);
                    snapshots.messages(view, state, Form::Json, encoder, &mut rope);
                }
                None => snapshots.state(view, &self.chat, Form::Json, encoder, &mut rope),
            }
            rope.own().extend_from_slice(b"],\"members\":[");
            snapshots.members(view, &self.chat, encoder, &mut rope);
            // A member who has missed nothing has the series already.
            let count = arrival.count;
            let chart = chart.filter(|_| !arrival.recovered);
            if let Some(chart) = chart.filter(|chart| chart.keys.is_all()) {
                rope.own().extend_from_slice(b"],\"series\":[");
                let past = self.pasts.of(&self.chat, room, chart, now.ms);
                let when = (chart.window, past, now);
                let (snapshots, encoder) = (&mut self.snapshots, &mut self.encoder);
                let scans = snapshots.series(view, &self.chat, when, encoder, &mut rope);
                self.charge_scan(id, scans);
            } else if let Some(chart) = chart {
                rope.own().extend_from_slice(b"],\"series\":[");
                self.push_series(room, chart, id, now, &mut rope);
            }
            rope.own().extend_from_slice(b"],\"count\":");
            event::write(&count, rope.own());
            rope.own().push(b'}');
        }
        rope
    }

    /// The offset up to which a member has been sent messages, or will have been before an answer that is queued now.
    pub(super) fn delivered_upto(&self, id: ConnectionId, room: RoomId) -> u64 {
        let missed = self.lagging.missed_from(id, room);
        let unserved = || {
            let (audience, member, index) = self.chat.membership(id, room)?;
            self.broadcast.first_undelivered(audience, member, index)
        };
        let next = missed.or_else(unserved);
        // All of a room that has begun anew is told with the answer, too.
        let next = next.filter(|next| *next != ANEW);
        next.map_or_else(|| self.chat.offset(room), |next| next - 1)
    }

    /// The beginning of a stream of Server-Sent Events.
    pub(super) fn opened(&mut self, room: RoomId, selection: Selection, now: Now) -> Rope {
        let mut rope = Rope::default();
        sse::encode_retry(RECONNECT_MS, rope.own());
        self.chat.forget_expired_of(room, now.ms);
        self.snapshots.begin(now.ms);
        self.push_opened(room, selection, &Excerpt::default(), &mut rope);
        rope
    }

    /// Sends a member who has come back what it has missed, as the store has found it. From now on it is live.
    pub(super) fn send_missed_from_store(&mut self, member: &Returning, now: Now) {
        let Returning {
            id,
            room,
            selection,
            chart,
            echo,
            found,
        } = member;
        let (id, room) = (*id, *room);
        let Some(reading) = self.chat.reading_of(id) else {
            return;
        };
        self.lagging.forget(id, room);
        self.skip_to_now(id, room);
        let name = self.chat.room_name(room).cloned();
        let gaps = name.iter().flat_map(|name| {
            let room = name.as_str();
            ranges(&found.damaged).map(move |(from, to)| Event::Gap { room, from, to })
        });
        if reading.format.is_events() {
            let mut rope = Rope::default();
            self.chat.forget_expired_of(room, now.ms);
            self.snapshots.begin(now.ms);
            for gap in gaps {
                encode::named_event("gap", None, &gap, rope.own());
            }
            self.push_opened_for(id, room, *selection, found, &mut rope);
            self.answer_rope(id, reading.format, rope);
            self.tell_if_paused(id, room);
            self.settle_feed(id);
        } else {
            for gap in gaps {
                self.send(id, &gap);
            }
            let echo = (echo.as_deref(), found);
            let joined = self.joined((id, reading), room, *selection, chart.as_ref(), echo, now);
            self.send_message(id, joined);
            self.tell_if_paused(id, room);
            self.end_wait(id);
        }
    }

    /// The state of all keys for a newcomer at the plain door.
    pub(super) fn state_of(&mut self, room: RoomId, now: Now) -> Rope {
        let mut rope = Rope::default();
        self.snapshots.begin(now.ms);
        if let Some(context) = self.chat.context(room.audience(Format::Plain)) {
            let view = RoomView { room, context };
            let (form, encoder) = (Form::Plain, &mut self.encoder);
            self.snapshots
                .state(view, &self.chat, form, encoder, &mut rope);
        }
        rope
    }

    /// Sends members who fell behind, and whose queue is empty again, the gap and then the room as it is now: the
    /// latest message of each key, the state of all keys, and the members.
    pub(super) fn catch_up(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((id, room, from)) = self.lagging.take_drained()
        {
            if let Some(reading) = self.chat.reading_of(id) {
                self.send_missed(id, room, reading, from, now);
            }
        }
    }

    fn send_missed(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        reading: Reading,
        from: u64,
        now: Now,
    ) {
        self.chat.forget_expired_of(room, now.ms);
        self.snapshots.begin(now.ms);
        let to = self.chat.offset(room);
        let mut rope = Rope::default();
        if let Some(name) = self.chat.room_name(room)
            && from <= to
            && from != ANEW
        {
            let room = name.as_str();
            let gap = Event::Gap { room, from, to };
            match reading.format {
                Format::Json | Format::JsonDeflated => event::write(&gap, rope.own()),
                Format::Events | Format::Feed => {
                    encode::named_event("gap", None, &gap, rope.own());
                }
                // These formats have no event for a gap.
                Format::Plain | Format::PlainDeflated | Format::Lines => {}
            }
        }
        let (selection, of_others) = match from.checked_sub(1) {
            Some(after) => (
                Selection::LatestBesideState { after },
                Selection::LatestByKey { after },
            ),
            None => (Selection::Last(MAX_PAGE), Selection::Last(MAX_PAGE)),
        };
        match reading.format {
            Format::Json | Format::JsonDeflated => {
                self.answer_message(id, reading, rope);
                let joined = self.joined(
                    (id, reading),
                    room,
                    selection,
                    None,
                    (None, &Excerpt::default()),
                    now,
                );
                self.answer_message(id, reading, joined);
            }
            Format::Events | Format::Feed => {
                self.push_opened_for(id, room, selection, &Excerpt::default(), &mut rope);
                self.answer_rope(id, reading.format, rope);
            }
            Format::Plain | Format::PlainDeflated | Format::Lines => {
                if let Some(arrival) = self.chat.arrival(room, of_others) {
                    let context = arrival.context(reading);
                    let view = RoomView { room, context };
                    let (form, encoder) = (Form::of_messages(reading), &mut self.encoder);
                    // For a key with a state, that is the latest.
                    let latest = (MessageSource::State, &*arrival.messages);
                    self.snapshots
                        .messages(view, latest, form, encoder, &mut rope);
                }
                self.answer_rope(id, reading.format, rope);
            }
        }
        // What said so before is skipped with the rest.
        self.tell_if_paused(id, room);
        self.skip_to_now(id, room);
    }

    fn push_opened_for(
        &mut self,
        id: ConnectionId,
        room: RoomId,
        selection: Selection,
        found: &Excerpt,
        rope: &mut Rope,
    ) {
        match self.get(id).is_some_and(|it| it.door.feed().is_some()) {
            true => self.push_feed_opened(id, room, selection, found, rope),
            false => self.push_opened(room, selection, found, rope),
        }
    }

    fn push_opened(
        &mut self,
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
        let context = arrival.context(Format::Events.into());
        let view = RoomView { room, context };
        let (snapshots, encoder) = (&mut self.snapshots, &mut self.encoder);
        let last = match &arrival.state {
            _ if arrival.recovered => None,
            Some(state) => state.last().copied(),
            None => self.chat.last_retained(room),
        };
        let id = encode::id_before(&arrival);
        encode::opened(&arrival, Some(&*id).filter(|_| last.is_none()), rope.own());
        if let Some(last) = last {
            // The last part of the state carries the id of the event: a client that is cut off before it does not have
            // the whole state, and resumes from its earlier position.
            match arrival.state.as_deref().and_then(<[_]>::split_last) {
                Some((_, rest)) => {
                    let rest = (MessageSource::State, rest);
                    snapshots.messages(view, rest, Form::StateEvents, encoder, rope);
                }
                None => snapshots.state(view, &self.chat, Form::StateEvents, encoder, rope),
            }
            encode::server_sent_state(view.context.room, &last, Some(&id), rope.own());
        }
        let newest = (MessageSource::History, newest_of(&arrival, selection));
        snapshots.messages(view, newest, Form::Events, encoder, rope);
    }

    /// Sends an answer to one connection at the JSON door. Nothing is sent after a close frame.
    pub(super) fn send_message(&mut self, id: ConnectionId, rope: Rope) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        if !matches!(connection.phase, Phase::Open { .. }) {
            return;
        }
        connection.traffic.messages_out += 1;
        let reading = connection.reading(Format::Json);
        self.counters.traffic.messages_out += 1;
        self.answer_message(id, reading, rope);
    }

    fn answer_message(&mut self, id: ConnectionId, reading: Reading, rope: Rope) {
        if !rope.is_empty() {
            let encoded = rope.len();
            let chunks = rope.into_message(reading, &mut self.encoder, &self.meter);
            self.answer_in_chunks(id, chunks, encoded);
        }
    }

    /// Queues what a new member gets, for the formats of whole frames, events or lines.
    pub(super) fn answer_rope(&mut self, id: ConnectionId, format: Format, rope: Rope) {
        let encoded = rope.len();
        let chunks = rope.into_frames(FrameKind::of(format), &self.meter);
        self.answer_in_chunks(id, chunks, encoded);
    }

    /// Queues the answer to a command of one connection. `encoded`: its bytes before compression.
    pub(super) fn answer_in_chunks(
        &mut self,
        id: ConnectionId,
        chunks: impl IntoIterator<Item = Rc<Frames>>,
        encoded: usize,
    ) {
        if let Some(connection) = self.get_mut(id) {
            let (mut length, mut count) = (0, 0);
            for frames in chunks {
                count += 1;
                length += frames.bytes().len();
                connection.queue.append(Chunk::whole(frames));
            }
            connection.on_answer(length, encoded);
            self.budget.spend(cost::MESSAGE + cost::LOOKUP * count);
            self.mark_dirty(id);
        }
    }
}

/// What of a room's newest messages a newcomer is told: as many as one answer takes. What someone has missed, and the latest
/// of each key, is whole.
pub(super) fn newest_of<'a, 'm>(
    arrival: &'a Arrival<'m>,
    selection: Selection,
) -> &'a [Message<'m>] {
    let is_whole = match selection {
        Selection::Last(_) | Selection::LastUpTo { .. } => false,
        Selection::Since { .. } => arrival.recovered,
        Selection::Begun { .. }
        | Selection::LatestByKey { .. }
        | Selection::LatestBesideState { .. } => true,
    };
    match is_whole {
        true => &arrival.messages,
        false => encode::newest_within(&arrival.messages, arrival.room.as_str(), MAX_ANSWER),
    }
}
