//! A log that other servers share: what they have published, and rooms that are not where they were.

use std::ops::Bound;

use crate::codec::json::event::{Durability, Event};
use crate::core::budget::cost;
use crate::core::chat::{
    Accepted, Author, Draft, Format, Keeping, Owner, Position, RoomId, RoomName, Sender,
};
use crate::core::delivery::{encode, feed};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::loading::{found, restored};
use crate::core::store::{Contents, Followed, News, Published, Record, Request, Shared, Stored};
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Keeps rooms in a log that other servers share from now on. To be called before the first connection. Whoever drives the
    /// server passes on what [`next_request`](Self::next_request) gives, and calls [`on_answer`](Self::on_answer) and
    /// [`on_news`](Self::on_news).
    pub fn use_shared_log(&mut self, now: Now) {
        self.use_store(Durability::Redis);
        self.chat.use_shared_log();
        self.share_people(now);
    }

    /// The rooms that are here, which a log is to tell of: for one that begins when the server does not.
    pub fn followed(&self) -> Vec<Followed> {
        let rooms = self.chat.rooms_from(Bound::Unbounded);
        let followed = rooms.filter_map(|(name, _)| {
            let room = self.chat.find(name)?;
            Some(Followed {
                room: name.as_str().into(),
                epoch: self.chat.epoch(room),
                offset: self.chat.offset(room),
                is_paused: self.chat.is_paused(room),
            })
        });
        followed.collect()
    }

    /// Whether what is told of a room can go to its members now: they are not too far behind.
    pub fn takes_news(&self, room: &str) -> bool {
        let room = RoomName::parse(room).and_then(|name| self.chat.find(&name));
        room.is_none_or(|room| {
            !self.waiting.defers(room) && self.broadcast.congested(room).is_none()
        })
    }

    /// The log tells what others have done. Of a room that is not here it is ignored, unless the log had nothing of
    /// it: then it has begun elsewhere.
    pub fn on_news(&mut self, news: News, now: Now) {
        self.budget.spend(cost::MESSAGE);
        let Some(name) = RoomName::parse(news.room()) else {
            return;
        };
        let Some(room) = self.chat.find(&name) else {
            if matches!(news, News::Published(_) | News::Reloaded { .. }) {
                self.chat.end_vacancy(&name);
            }
            return;
        };
        match news {
            News::Published(published) => self.on_published(room, &published, now),
            News::Signal { at_ms, record, .. } => self.on_signal(room, at_ms, record, now),
            News::Reloaded { contents, .. } => self.on_reloaded(room, &contents, now),
            News::Paused { .. } => self.set_paused(room, true),
            News::Resumed { .. } => self.set_paused(room, false),
            News::Forgotten { epoch, .. } => {
                if self.chat.epoch(room) == epoch {
                    log::info!("the room {name} was emptied at another server");
                    self.remove_members(room, now);
                }
            }
        }
    }

    fn on_published(&mut self, room: RoomId, published: &Published, now: Now) {
        let offset = published.stored.offset;
        let expected = self.chat.next_offset(room);
        if offset < expected {
            log::error!("the log has told the offset {offset} where {expected} is next");
            return;
        }
        let at_ms = published.stored.at_ms;
        let accepted = Accepted {
            offset: Some(offset),
            at_ms,
        };
        with_draft(&published.stored, |draft| {
            let keeping = self.chat.propose_accepted(room, draft, now);
            self.on_accepted(room, draft, accepted, keeping, now);
        });
        self.forget_ended();
    }

    /// A message that is not kept, from another server.
    fn on_signal(&mut self, room: RoomId, at_ms: u64, record: Record, now: Now) {
        let stored = Stored {
            offset: 0,
            at_ms,
            record,
        };
        let accepted = Accepted {
            offset: None,
            at_ms,
        };
        with_draft(&stored, |draft| {
            draft.ephemeral = true;
            let keeping = self.chat.propose_accepted(room, draft, now);
            self.on_accepted(room, draft, accepted, keeping, now);
        });
    }

    /// Tells a shared log what a message of this server's has left as the state of its key, where that is not its own body.
    /// Meanwhile others may have changed what it goes on with.
    pub(super) fn keep_state(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        keeping: &Keeping,
        (offset, at_ms): (u64, u64),
    ) {
        let state = keeping.other_state(draft);
        let Some((body, freshness)) = state.filter(|_| self.chat.has_shared_log()) else {
            return;
        };
        let (Some(outbox), Some(name)) = (&mut self.outbox, self.chat.room_name(room)) else {
            return;
        };
        let record = Record {
            body: body.to_vec(),
            freshness,
            ..Record::of(draft)
        };
        outbox.push(Request::Shared(Shared::KeepState {
            room: name.as_str().into(),
            state: Stored {
                offset,
                at_ms,
                record,
            },
        }));
    }

    /// Tells the log of a message that is not kept.
    pub(super) fn signal(&mut self, room: RoomId, draft: &Draft<'_>, now: Now) {
        let (Some(outbox), Some(name)) = (&mut self.outbox, self.chat.room_name(room)) else {
            return;
        };
        outbox.push(Request::Shared(Shared::Signal {
            room: name.as_str().into(),
            at_ms: draft.at_ms(now),
            record: Record::of(draft),
        }));
    }

    /// A room is not where it was known to be: its members are told what they have missed, or that its epoch is another one.
    fn on_reloaded(&mut self, room: RoomId, contents: &Contents, now: Now) {
        let count = contents.messages.len() + contents.state.len();
        self.budget.spend(cost::LOOKUP * count as u64);
        let before = self.chat.epoch(room);
        let next = self.chat.next_offset(room);
        let position = Position {
            epoch: contents.epoch,
            offset: contents.offset,
        };
        let [messages, state] = [&contents.messages, &contents.state].map(|it| found(it));
        let at = now.by_clock_of(contents.read_ms);
        self.chat.reload(
            room,
            position,
            messages.iter().map(restored),
            state.iter().map(restored),
            at,
        );
        match before == contents.epoch {
            true => self.fall_behind_all(room, next),
            false => {
                // They have messages of the other epoch, which may have the same offsets.
                self.snapshots.release();
                self.begin_anew(room);
            }
        }
        self.forget_ended();
    }

    /// Nothing can be published in a room for now, or it can again: its members are told.
    fn set_paused(&mut self, room: RoomId, is_paused: bool) {
        if !self.chat.set_paused(room, is_paused) {
            return;
        }
        self.encoder.begin();
        let next_offset = self.chat.next_offset(room);
        for format in Format::ALL.into_iter().filter(|it| !it.is_plain()) {
            let audience = room.audience(format);
            let Some(sequence) = self.chat.next_sequence(audience) else {
                continue;
            };
            let Some(context) = self.chat.context(audience) else {
                continue;
            };
            let event = pause_event(context.room, is_paused);
            self.broadcast
                .append(audience, sequence, next_offset, |out| match format {
                    Format::Lines => out.extend_from_slice(pause_line(is_paused)),
                    Format::Events => encode::named_event(pause_name(is_paused), None, &event, out),
                    Format::Feed => {
                        feed::begin_piece(None, None, out);
                        encode::named_event(pause_name(is_paused), None, &event, out);
                    }
                    _ => self.encoder.event(&context, &event, out),
                });
        }
    }

    /// Tells somebody who has come into a room if nothing can be published there.
    pub(super) fn tell_if_paused(&mut self, id: ConnectionId, room: RoomId) {
        if !self.chat.is_paused(room) {
            return;
        }
        let format = self.chat.reading_of(id).map(|it| it.format);
        let (Some(name), Some(format)) = (self.chat.room_name(room).cloned(), format) else {
            return;
        };
        let event = pause_event(name.as_str(), true);
        match format {
            Format::Json | Format::JsonDeflated => self.send(id, &event),
            Format::Events | Format::Feed => {
                let mut out = Vec::new();
                encode::named_event(pause_name(true), None, &event, &mut out);
                self.answer_with(id, format, out);
            }
            Format::Lines => self.answer_with(id, format, pause_line(true).to_vec()),
            // These formats have no word for it.
            Format::Plain | Format::PlainDeflated => {}
        }
    }

    /// All members of a room are told what is there: nothing of it is what they know.
    fn begin_anew(&mut self, room: RoomId) {
        for format in Format::ALL {
            let members = self.chat.members(room.audience(format));
            for member in members.iter().flat_map(|it| it.iter()) {
                // Who waits for the log is told when it answers.
                if !self.lagging.waits_for_store(member.id, room) {
                    self.lagging.begin_anew(member.id, room);
                    self.catch_up_if_idle(member.id);
                }
            }
        }
    }

    fn catch_up_if_idle(&mut self, id: ConnectionId) {
        if self.get(id).is_some_and(|it| !it.has_output()) {
            self.lagging.on_drained(id);
        }
    }

    /// All members of a room who can be told so miss what comes from this offset on, until they have read what is queued for
    /// them: then they are told where the room is.
    pub(super) fn fall_behind_all(&mut self, room: RoomId, from: u64) {
        for format in Format::ALL {
            let is_told = format.is_json() || format.is_events();
            let members = self.chat.members(room.audience(format));
            for member in members.filter(|_| is_told).iter().flat_map(|it| it.iter()) {
                self.lagging.fall_behind(member.id, room, from);
                self.catch_up_if_idle(member.id);
            }
        }
    }

    /// Removes all members from a room that is not here, and in which nothing was published.
    pub(super) fn empty_elsewhere(&mut self, name: &RoomName) {
        let epoch = self.chat.vacant_epoch(name);
        if let Some((outbox, epoch)) = self.outbox.as_mut().zip(epoch) {
            let room = name.as_str().into();
            outbox.push(Request::ForgetRoom { room, epoch });
        }
    }

    /// Tells the log at the end of a tick which rooms are not here any more.
    pub(super) fn unfollow_rooms(&mut self) {
        let left = self.chat.take_left();
        let Some(outbox) = &mut self.outbox else {
            return;
        };
        for name in left {
            let room = name.as_str().into();
            outbox.push(Request::Shared(Shared::Leave { room }));
        }
    }
}

fn pause_event(room: &str, is_paused: bool) -> Event<'_> {
    match is_paused {
        true => Event::Paused { room },
        false => Event::Resumed { room },
    }
}

fn pause_name(is_paused: bool) -> &'static str {
    match is_paused {
        true => "paused",
        false => "resumed",
    }
}

fn pause_line(is_paused: bool) -> &'static [u8] {
    match is_paused {
        true => b"* messages cannot be sent for now\n",
        false => b"* messages can be sent again\n",
    }
}

/// What somebody has said at another server, as a draft.
fn with_draft(stored: &Stored, then: impl FnOnce(&mut Draft<'_>)) {
    let record = &stored.record;
    let author = Author::stored(record.author_id, &record.author_name);
    let owner = Owner::from_text(&record.owner).unwrap_or_else(Owner::this_machine);
    let sent = record.sent.as_ref();
    let sender = sent.and_then(|sent| Sender::from_text(&sent.sender));
    then(&mut Draft {
        author: &author,
        owner: &owner,
        content: record.content,
        body: &record.body,
        key: record.key.as_deref(),
        retain: record.retain,
        ephemeral: false,
        dedup: sent.map(|sent| &*sent.id).zip(sender.as_ref()),
        file: None,
        imported: None,
        condition: None,
        freshness: record.freshness,
    });
}
