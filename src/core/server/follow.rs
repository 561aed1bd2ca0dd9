//! Patterns of rooms that somebody follows: rooms that are there are looked for, rooms that begin are offered, and their
//! follower comes into each that it may read, one at a time, when it has taken what it was sent of the last.

use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Id;
use crate::codec::json::event::Event;
use crate::codec::ws::close::CloseReason;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{Format, Selection};
use crate::core::delivery::encode;
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
use crate::core::server::Server;
use crate::core::server::answers::{Answer, done};
use crate::core::server::error::CommandError;
use crate::core::server::followers::{ToEnter, Why};
use crate::core::server::join_options::JoinOptions;
use crate::core::server::loading::{Readiness, Wanted};
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::Excerpt;
use crate::core::stream::Stream;
use crate::limits::{MAX_FEED_ROOMS, MAX_FOLLOWED_PATTERN, STORE_RETRY_MS};

impl<S: Stream> Server<S> {
    /// `join` with a pattern: a member of all rooms that match, as they begin.
    pub(super) fn follow(
        &mut self,
        pattern: &str,
        options: JoinOptions,
        echo: Id<'_>,
        id: ConnectionId,
    ) -> Answer {
        check_patterns([pattern])?;
        if options.has_position() {
            let message =
                "since is a place in one room: join the rooms that you know by their names first";
            return Err(CommandError::new(ErrorCode::BadCommand, message));
        }
        if !self.hears_beginnings() {
            return Err(UNAVAILABLE.into());
        }
        if !self.followers.follow(id, pattern, options) {
            let message = "you follow 8 patterns already: leave one first";
            return Err(CommandError::new(ErrorCode::TooManyRooms, message));
        }
        self.chat.watch_beginnings(true);
        Ok(done(echo))
    }

    /// `leave` with a pattern: out of the rooms that it has led to, and no other does.
    pub(super) fn unfollow(
        &mut self,
        pattern: &str,
        echo: Id<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Answer {
        let Some(left) = self.followers.unfollow(id, pattern) else {
            let message = "you have not joined this pattern";
            return Err(CommandError::new(ErrorCode::NotJoined, message));
        };
        for room in left {
            self.leave_named(&room, id, now);
        }
        self.forget_ended();
        Ok(done(echo))
    }

    /// Offers rooms that have begun to those who follow patterns, and leads them into their rooms, in turn.
    pub(super) fn continue_following(&mut self, now: Now) {
        let is_wanted = !self.followers.is_empty();
        self.go_on_hearing(is_wanted, now);
        if !is_wanted {
            return self.chat.watch_beginnings(false);
        }
        self.followers.end_rests(now.ms);
        while (self.followers.is_offering() || self.chat.has_begun_rooms())
            && self.budget.is_left()
            && let Some(tried) = self.followers.offer_next(&mut self.chat)
        {
            self.budget.spend(cost::LOOKUP + cost::SCAN * tried as u64);
        }
        for _ in 0..self.followers.ready_count() {
            if !self.budget.is_left() {
                break;
            }
            if let Some(id) = self.followers.pop_ready() {
                self.follow_on(id, now);
            }
        }
    }

    fn follow_on(&mut self, id: ConnectionId, now: Now) {
        if self.get(id).is_none_or(Connection::has_output) {
            // It goes on when it has taken that.
            return;
        }
        if let Some(next) = self.followers.next_room(id) {
            self.enter_next(id, next, now);
        } else if !self.followers.is_offering() && !self.chat.has_begun_rooms() {
            // A room that begins now is offered first, with its offset.
            self.search_some(id, now);
        }
        if !self.followers.has_work(id) {
            self.settle_feed(id);
        }
        self.followers.get_ready(id);
    }

    fn enter_next(&mut self, id: ConnectionId, next: ToEnter, now: Now) {
        let room = self.chat.find(&next.room);
        let is_in = room.is_some_and(|room| self.chat.is_in(id, room));
        // A room that a pattern has found may have ended since. Others may have it all the same.
        let is_there = room.is_some() || next.why == Why::Named || self.shares_rooms();
        let may = self.check_may(id, Rights::may_subscribe, &next.room);
        if is_in || !is_there || may.is_err() {
            return;
        }
        // A search has found what began meanwhile. It does not know from which message on the room is wanted.
        if next.why == Why::Found && self.loading.has_entry_aside(id, &next.room) {
            return;
        }
        if self.chat.rooms_of(id).count() >= self.most_rooms(id) {
            return self.tell_full(id);
        }
        match self.readiness_for(&next.room, Wanted::Members, now) {
            Readiness::Ready => {}
            Readiness::Loading => return self.loading.put_entry_aside(id, next),
            Readiness::Unavailable => return self.miss_room(id, next, now),
        }
        let begun_at = match next.why {
            Why::Begun(offset) => Some(offset),
            Why::Named | Why::Found => None,
        };
        match self.get(id).is_some_and(|it| it.door.feed().is_some()) {
            true => self.enter_by_feed(id, &next.room, begun_at, now),
            false => self.enter_by_pattern(id, next, begun_at, now),
        }
    }

    /// A room cannot be read now. If it is one that others have, too, it is tried again. Else whoever reads a stream comes again
    /// with the places of its last id; those at the JSON door come into the room when it begins again.
    fn miss_room(&mut self, id: ConnectionId, next: ToEnter, now: Now) {
        let until_ms = now.ms + STORE_RETRY_MS;
        let is_put_off = self.shares_rooms() && self.followers.put_off(id, next, until_ms);
        if !is_put_off && self.get(id).is_some_and(|it| it.door.feed().is_some()) {
            self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
        }
    }

    fn enter_by_pattern(
        &mut self,
        id: ConnectionId,
        next: ToEnter,
        begun_at: Option<u64>,
        now: Now,
    ) {
        let Some(options) = self.followers.options_for(id, &next.room) else {
            return;
        };
        if let Some(chart) = options.chart()
            && self.asks_past_for_entry(id, &next, chart, now)
        {
            return;
        }
        let Some(connection) = self.get(id).filter(|it| it.is_member()) else {
            return;
        };
        let (person, reading) = (connection.person(), connection.reading(Format::Json));
        let owner = self.owner(id);
        let joined = self
            .chat
            .join(id, person, reading, &next.room, &owner, now.ms);
        self.forget_ended();
        let Ok(room) = joined else { return };
        self.skip_to_now(id, room);
        let selection = match begun_at {
            Some(after) => Selection::Begun { after },
            None => Selection::from_reader(None, options.last()),
        };
        let nothing = (None, &Excerpt::default());
        let chart = options.chart();
        let joined = self.joined((id, reading), room, selection, chart, nothing, now);
        self.send_message(id, joined);
        self.tell_if_paused(id, room);
        self.followers.on_entered(id, next.room);
    }

    /// Looks for rooms that match, a part at a time.
    fn search_some(&mut self, id: ConnectionId, now: Now) {
        if self.shares_rooms() {
            return self.find_elsewhere(id, now);
        }
        let most = self.most_rooms(id);
        let rights = self.access.rights(id);
        let work = self.followers.search(id, &self.chat, &rights, most);
        let is_full = work.is_err();
        self.charge_scan(id, work.unwrap_or_else(|work| work));
        if is_full {
            self.tell_full(id);
        }
    }

    pub(super) fn most_rooms(&self, id: ConnectionId) -> usize {
        let is_feed = self.get(id).is_some_and(|it| it.door.feed().is_some());
        let most = if is_feed { MAX_FEED_ROOMS } else { usize::MAX };
        self.limits.max_joined.min(most)
    }

    /// Tells a follower, once, that there are more rooms than it can be in.
    pub(super) fn tell_full(&mut self, id: ConnectionId) {
        let most = self.most_rooms(id);
        if !self.followers.on_full(id) {
            return;
        }
        let message = format!(
            "more rooms match than the {most} that you can be in: use patterns that match fewer"
        );
        let event = Event::Error {
            id: None,
            code: ErrorCode::TooManyRooms,
            message: &message,
            retry_ms: None,
        };
        match self.get(id).is_some_and(|it| it.door.feed().is_some()) {
            true => {
                let mut out = Vec::new();
                encode::named_event("too_many_rooms", None, &event, &mut out);
                self.answer_with(id, Format::Feed, out);
            }
            false => self.send(id, &event),
        }
    }
}

/// Refuses patterns that cannot be followed.
pub(super) fn check_patterns<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
) -> Result<(), CommandError> {
    for pattern in patterns {
        let is_long = pattern.len() > MAX_FOLLOWED_PATTERN;
        if is_long || RoomPatterns::new(&[pattern.to_owned()]).is_empty() {
            let message = "no room can have a name like this pattern";
            return Err(CommandError::new(ErrorCode::BadRoom, message));
        }
    }
    Ok(())
}
