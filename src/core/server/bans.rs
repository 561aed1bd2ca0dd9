//! Bans: who is refused, who is put out when one begins, and how they are set and lifted.

mod keeping;

use std::collections::BTreeSet;

use crate::codec::error_code::ErrorCode;
use crate::codec::http::request::Request;
use crate::codec::http::response::Problem;
use crate::codec::json::ban::{AskedBan, BanRecord, BanTarget};
use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Event};
use crate::codec::ws::close::CloseReason;
use crate::core::access::Rights;
use crate::core::ban::{Ban, Bans, TooManyBans, Whom, id_of_target};
use crate::core::budget::cost;
use crate::core::chat::{Format, PersonName, RoomId, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::ending::{EndReason, Ending};
use crate::core::net::peer::Peer;
use crate::core::net::pending::Reply;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::{CommandError, banned};
use crate::core::store::BanRequest;
use crate::core::stream::Stream;
use crate::limits::MAX_LISTED_BANS;
use keeping::{kept, text_of};

/// The bans, and how far it was looked whom they concern.
#[derive(Debug, Default)]
pub(super) struct Banning {
    bans: Bans,
    /// The index of the connection to look at next, after a ban has begun.
    next: Option<usize>,
    /// Rooms and bans that webhooks were told of meanwhile.
    told: BTreeSet<(RoomName, BanRecord)>,
}

impl Banning {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.bans.len()
    }

    /// Whether connections are to be looked at.
    pub(super) fn has_work(&self) -> bool {
        self.next.is_some()
    }

    /// When a ban ends next.
    pub(super) fn next_end_ms(&self) -> Option<u64> {
        self.bans.next_end_ms()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.bans.check()
    }
}

impl<S: Stream> Server<S> {
    /// The ban for which somebody with these rights, who comes from there, is refused in a room, or, without one, everywhere.
    /// Admins are not: else one could lock themselves out.
    pub(super) fn ban_of(
        &self,
        rights: &Rights,
        peer: Option<Peer>,
        room: Option<&RoomName>,
    ) -> Option<BanRecord> {
        let bans = &self.banning.bans;
        if bans.is_empty() || rights.is_admin() {
            return None;
        }
        let name = rights.grant().map(|grant| &grant.name);
        let ban = bans.find(name, peer.map(|peer| peer.ip), room)?;
        Some(ban.record().clone())
    }

    /// Whether whoever has tokens of this name is banned from a room, or, without one, from the server.
    pub(super) fn is_name_banned(&self, name: &str, room: Option<&RoomName>) -> bool {
        let bans = &self.banning.bans;
        !bans.is_empty() && {
            let name = PersonName::of_token(name);
            name.is_some_and(|name| bans.find(Some(&name), None, room).is_some())
        }
    }

    /// Refuses who is banned.
    pub(super) fn check_ban(
        &self,
        rights: &Rights,
        peer: Option<Peer>,
        room: Option<&RoomName>,
    ) -> Result<(), CommandError> {
        match self.ban_of(rights, peer, room) {
            None => Ok(()),
            Some(ban) => Err(banned(&ban)),
        }
    }

    /// The same of a connection that lasts. Who has not shown a token yet may turn out to be an admin.
    pub(super) fn check_ban_of(
        &self,
        id: ConnectionId,
        room: Option<&RoomName>,
    ) -> Result<(), CommandError> {
        if self.banning.bans.is_empty() {
            return Ok(());
        }
        match self.access.rights(id) {
            Rights::Unauthenticated => Ok(()),
            rights => self.check_ban(&rights, self.peer(None, id), room),
        }
    }

    /// The same of a request.
    pub(super) fn check_ban_of_request(
        &self,
        request: &Request<'_>,
        rights: &Rights,
        room: Option<&RoomName>,
        reply: &Reply,
    ) -> Result<(), Problem> {
        let peer = self.peer(Some(request), reply.id);
        Ok(self.check_ban(rights, peer, room)?)
    }

    /// Tells a connection why it is refused, and closes it.
    pub(super) fn refuse_banned(
        &mut self,
        id: ConnectionId,
        refused: CommandError,
        echo: Id<'_>,
        now: Now,
    ) {
        match self.get(id).and_then(|it| it.door.facts().words) {
            Some(Format::Lines) => {
                self.send_line(id, &format!("! {}\n", refused.message));
                self.close(id, Ending::Flush(EndReason::Told(CloseReason::Banned)), now);
            }
            Some(Format::Json) => {
                self.answer_command(Err(refused), echo, id);
                self.close(id, Ending::Announce(CloseReason::Banned), now);
            }
            _ => self.close(id, Ending::Announce(CloseReason::Banned), now),
        }
    }

    /// Bans somebody, in the name of an admin. It holds at once; who is here is put out within the next ticks.
    pub(super) fn ban(
        &mut self,
        asked: &AskedBan<'_>,
        by: &str,
        now: Now,
    ) -> Result<BanRecord, CommandError> {
        let ban = Ban::asked(asked, by, now).map_err(bad)?;
        if self.access.is_open() && matches!(ban.whom(), Whom::Person(_)) {
            return Err(NAMES_ARE_FREE);
        }
        let (record, request) = (ban.record().clone(), kept(&ban));
        let (whom, room) = (ban.whom().to_string(), ban.room());
        self.begin_ban(ban, now)?;
        log::warn!("{by} bans {whom}{}", place_in_words(&record));
        self.ask_store_of_ban(request);
        if let Some(room) = room {
            self.tell_hooks_of_ban(&room, &record, now);
        }
        Ok(record)
    }

    /// It holds from now on.
    fn begin_ban(&mut self, ban: Ban, now: Now) -> Result<(), CommandError> {
        let put = self.banning.bans.put(ban, now);
        put.map_err(|TooManyBans| TOO_MANY_BANS)?;
        // From the first on: who was looked at already may be concerned.
        self.banning.next = Some(0);
        Ok(())
    }

    /// Lifts a ban, in the name of an admin.
    pub(super) fn lift_ban(
        &mut self,
        target: &BanTarget<'_>,
        by: &str,
    ) -> Result<(), CommandError> {
        let id = id_of_target(target).map_err(bad)?;
        let ban = self.banning.bans.remove(&id).ok_or(NO_SUCH_BAN)?;
        let place = place_in_words(ban.record());
        log::warn!("{by} lifts the ban of {}{place}", ban.whom());
        self.ask_store_of_ban(BanRequest::Forget { id: id.into() });
        Ok(())
    }

    /// All bans in JSON, the newest first, as many as one list has.
    pub(super) fn bans_json(&self, echo: Id<'_>) -> String {
        let mut bans: Vec<&Ban> = self.banning.bans.iter().collect();
        bans.sort_by_key(|ban| std::cmp::Reverse(ban.record().at));
        let more = bans.len() > MAX_LISTED_BANS;
        bans.truncate(MAX_LISTED_BANS);
        let mut json = Vec::new();
        let event = Event::Bans {
            id: echo,
            bans: bans.into_iter().map(Ban::record).collect(),
            more,
        };
        event::write(&event, &mut json);
        self.budget
            .spend(cost::of_bytes(json.len(), cost::JSON_BYTE));
        String::from_utf8(json).unwrap_or_default()
    }

    /// Ends the bans whose time has come, and puts out those whom new ones concern.
    pub(super) fn run_bans(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some(ban) = self.banning.bans.take_ended(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            log::info!("the ban of {} has ended", ban.whom());
            let (id, text) = (ban.id().into(), text_of(&ban));
            self.ask_store_of_ban(BanRequest::End { id, text });
        }
        while self.budget.is_left()
            && let Some(index) = self.banning.next
        {
            self.budget.spend(cost::LOOKUP);
            let is_last = index >= self.connections.capacity();
            self.banning.next = (!is_last).then_some(index + 1);
            if is_last {
                self.banning.told.clear();
            }
            if let Some(id) = self.connections.get(index).map(|it| it.id) {
                self.put_out(id, now);
            }
        }
    }

    /// Closes a connection of somebody who is banned everywhere, and takes it out of the rooms that they are banned from.
    pub(super) fn put_out(&mut self, id: ConnectionId, now: Now) {
        if !self.get(id).is_some_and(Connection::is_member) {
            return;
        }
        let rights = self.access.rights(id);
        if rights.is_unauthenticated() {
            // They may turn out to be an admin.
            return;
        }
        let peer = self.peer(None, id);
        let everywhere = self.ban_of(&rights, peer, None);
        let rooms: Vec<RoomId> = self.chat.rooms_of(id).collect();
        self.budget.spend(cost::LOOKUP * rooms.len() as u64);
        for room in rooms {
            let Some(name) = self.chat.room_name(room).cloned() else {
                continue;
            };
            let Some(ban) = self.ban_of(&rights, peer, Some(&name)) else {
                continue;
            };
            self.tell_hooks_of_ban(&name, &ban, now);
            if everywhere.is_none() {
                if self.get(id).and_then(|it| it.door.facts().words) == Some(Format::Json) {
                    self.answer_command(Err(banned(&ban)), None, id);
                }
                self.remove_from_room(id, room, CloseReason::Banned, now);
            }
        }
        if let Some(ban) = everywhere {
            self.refuse_banned(id, banned(&ban), None, now);
        }
    }

    /// Webhooks are told once of each room, however many connections somebody has there.
    fn tell_hooks_of_ban(&mut self, room: &RoomName, ban: &BanRecord, now: Now) {
        if let Some(hooks) = &mut self.hooks
            && self.banning.told.insert((room.clone(), ban.clone()))
        {
            self.budget.spend(cost::MESSAGE);
            hooks.on_banned(room, ban, now);
        }
    }
}

fn bad(message: &'static str) -> CommandError {
    CommandError::new(ErrorCode::BadCommand, message)
}

/// Where a ban holds, and until when, for the log.
fn place_in_words(record: &BanRecord) -> String {
    let room = record.room.as_deref();
    let mut words = room.map_or(" everywhere".to_owned(), |room| format!(" from {room}"));
    if let Some(until_ms) = record.until {
        words += &format!(" for {} s", until_ms.saturating_sub(record.at) / 1_000);
    }
    words
}

const NAMES_ARE_FREE: CommandError = CommandError::new(
    ErrorCode::NotAllowed,
    "names are free here, and whoever is banned takes another: ban an address, or use tokens",
);

const TOO_MANY_BANS: CommandError = CommandError::new(
    ErrorCode::TooManyKeys,
    "there are 10,000 bans, as many as there may be: lift one first, or ban a network",
);

const NO_SUCH_BAN: CommandError = CommandError::new(
    ErrorCode::NoSuchUser,
    "there is no such ban: name the person or address and the room as the list of bans has them",
);
