//! Authentication by token: who needs one, and what happens when it expires.

use std::borrow::Cow;

use crate::codec::error_code::ErrorCode;
use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::token::TokenError;
use crate::codec::ws::close::CloseReason;
use crate::core::access::{FetchedKeys, Keys, Rights};
use crate::core::budget::cost;
use crate::core::chat::{
    Author, Name, NameTakenError, Owner, PersonId, PersonName, RoomId, RoomName,
};
use crate::core::id::ConnectionId;
use crate::core::net::connection::Connection;
use crate::core::net::ending::Ending;
use crate::core::net::peer::Peer;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::{CommandError, NAME_TAKEN, NO_TOKEN, TOO_MANY_OF_ONE};
use crate::core::server::publisher::owner_of;
use crate::core::stream::Stream;
use crate::limits::RETRY_AFTER_SECONDS;

/// How to ask for a token, and how to refuse one (RFC 6750 section 3).
const WANTED: (&str, &str) = ("WWW-Authenticate", "Bearer realm=\"parlor\"");
const INVALID: (&str, &str) = (
    "WWW-Authenticate",
    "Bearer realm=\"parlor\", error=\"invalid_token\"",
);
const INSUFFICIENT: (&str, &str) = (
    "WWW-Authenticate",
    "Bearer realm=\"parlor\", error=\"insufficient_scope\"",
);

/// The message for a client whose address sent too many bad tokens.
const TOO_MANY_BAD: &str = "too many bad tokens came from your address, try again in a minute";

/// The label for metrics of tokens that were not verified.
pub(super) const NOT_LOOKED_AT: &str = "not_looked_at";

impl<S: Stream> Server<S> {
    /// From now on only clients with a token that one of these keys verifies are let in. Called at the start, and when
    /// the keys change.
    pub fn require_tokens(&mut self, keys: Keys) {
        self.access.require_tokens(keys);
    }

    /// From now on this provider is asked for keys beside those of [`require_tokens`](Self::require_tokens), or none is. To be
    /// called after that. `kept`: the last set that it has given, if a file has it. Whoever drives the server makes the requests
    /// of [`next_key_request`](Self::next_key_request), and tells what was answered.
    pub fn fetch_keys_from(&mut self, url: Option<&str>, kept: Option<Vec<u8>>, now: Now) {
        self.access.fetch_from(url, kept, now);
    }

    /// The address that keys are to be got from now. There is one request at a time for each address.
    pub fn next_key_request(&mut self, now: Now) -> Option<&str> {
        match self.is_held {
            true => None,
            false => self.access.next_fetch(now),
        }
    }

    /// When that is.
    pub(super) fn next_key_request_ms(&self) -> Option<u64> {
        self.access.next_fetch_ms().filter(|_| !self.is_held)
    }

    /// What was answered at this address, or why nothing was.
    pub fn on_keys(&mut self, url: &str, answer: Result<FetchedKeys, String>, now: Now) {
        self.budget.spend(cost::MESSAGE);
        if let Some(is_ok) = self.access.on_fetched(url, answer, now) {
            self.counters.count_key_request(is_ok);
        }
    }

    /// The rights of a request: by its `Authorization: Bearer` or its `?token=` (RFC 6750 section 2), or those of a
    /// client without a token.
    pub(super) fn rights_of_request(
        &mut self,
        request: &Request<'_>,
        id: ConnectionId,
        now: Now,
    ) -> Result<Rights, Problem> {
        if self.access.is_open() {
            return Ok(Rights::Open);
        }
        let token = match (bearer(request)?, request.query_value("token")) {
            (None, None) => return Ok(self.access.without_token()),
            (Some(token), None) => Cow::Borrowed(token),
            (None, Some(token)) => token,
            (Some(_), Some(_)) => {
                let detail = "the token stands in the header or in the query, not in both";
                return Err(Problem::new(Status::BAD_REQUEST, detail));
            }
        };
        let peer = self.peer(Some(request), id);
        if !self.may_try_token(peer, now) {
            self.counters.count_token(NOT_LOOKED_AT);
            let fields = &[("Retry-After", RETRY_AFTER_SECONDS)];
            return Err(Problem::new(Status::TOO_MANY_REQUESTS, TOO_MANY_BAD).with(fields));
        }
        self.check_token(&token, peer, now)
            .map_err(|refused| match refused {
                TokenError::KeysAwaited { .. } => CommandError::from(refused).into(),
                _ => Problem::new(Status::UNAUTHORIZED, refused.message()).with(&[INVALID]),
            })
    }

    /// Verifies a token. A refused one is logged and counted, but never shown. It counts against its address, unless it
    /// only has expired, or waits for keys.
    fn check_token(
        &mut self,
        token: &str,
        peer: Option<Peer>,
        now: Now,
    ) -> Result<Rights, TokenError> {
        let checked = self.access.check(token, now);
        let label = checked.as_ref().map_or_else(|it| it.label(), |_| "taken");
        self.counters.count_token(label);
        if let (Err(refused), Some(peer)) = (&checked, peer) {
            log::info!("refused a token peer={peer} reason={label}");
            if !matches!(
                refused,
                TokenError::Expired | TokenError::KeysAwaited { .. }
            ) {
                self.addresses.on_failed_token(peer.ip, now.ms);
            }
        }
        checked
    }

    /// `login` with a token. The first one makes the connection that of its person. A later one extends its time, in
    /// the rooms that it still allows.
    pub(super) fn log_in_by_token(
        &mut self,
        id: ConnectionId,
        token: &str,
        now: Now,
    ) -> Result<(), CommandError> {
        let peer = self.peer(None, id);
        let earlier = self.access.rights(id);
        // A client that is authenticated is not locked out by what others try from the same address.
        if earlier.is_unauthenticated() && !self.may_try_token(peer, now) {
            self.counters.count_token(NOT_LOOKED_AT);
            return Err(CommandError::new(ErrorCode::RateLimited, TOO_MANY_BAD));
        }
        let rights = self.check_token(token, peer, now)?;
        self.check_ban(&rights, peer, None)?;
        let (Some(grant), earlier) = (rights.grant(), earlier.grant()) else {
            return Ok(());
        };
        if earlier.is_some_and(|earlier| earlier.name != grant.name) {
            let message = "this is somebody else's token; open another connection for it";
            return Err(CommandError::new(ErrorCode::BadToken, message));
        }
        if earlier.is_none() && !self.may_connect_again(&grant.name) {
            return Err(TOO_MANY_OF_ONE);
        }
        self.identify(id, &grant.name, now)?;
        self.grant(id, &rights, now);
        let rooms: Vec<RoomId> = self.chat.rooms_of(id).collect();
        for room in rooms {
            let name = self.chat.room_name(room);
            if !name.is_some_and(|name| rights.may_subscribe(name)) {
                self.remove_from_room(id, room, CloseReason::NotAllowed, now);
            }
        }
        self.followers.search_again(id);
        Ok(())
    }

    /// Whether another person is connected, or was a moment ago, whose name looks the same.
    pub(super) fn is_lookalike(&self, name: &PersonName) -> bool {
        self.chat.is_taken_by_another(name) || self.access.is_used_by_another(name)
    }

    /// Refuses a request of a person whose name looks like another's.
    pub(super) fn check_lookalike(&self, rights: &Rights) -> Result<(), Problem> {
        match rights.grant() {
            Some(grant) if self.is_lookalike(&grant.name) => Err(NAME_TAKEN.into()),
            _ => Ok(()),
        }
    }

    /// Makes the connection that of the person of this name. Only for doors at which one can log in.
    pub(super) fn identify(
        &mut self,
        id: ConnectionId,
        name: &PersonName,
        now: Now,
    ) -> Result<(), CommandError> {
        let Some(mut person) = self.person(id) else {
            return Ok(());
        };
        if self.is_lookalike(name) {
            return Err(NAME_TAKEN);
        }
        self.check_log(id, NAME_TAKEN)?;
        if !self.chat.knows(person) {
            person = self.chat.begin_person(id);
        }
        let person = self.chat.login_as(id, person, name, now.ms);
        let person = person.map_err(|NameTakenError| NAME_TAKEN)?;
        if let Some(session) = self.get_mut(id).and_then(Connection::session_mut) {
            session.person = person;
        }
        Ok(())
    }

    /// Gives a WebSocket or a stream these rights from now on.
    pub(super) fn grant(&mut self, id: ConnectionId, rights: &Rights, now: Now) {
        let login_by_ms = self.limits.login_timeout.after(now.ms);
        self.access.admit(id, rights, login_by_ms);
    }

    /// Whether the person may have one more connection: `--max-per-person`.
    fn may_connect_again(&self, name: &PersonName) -> bool {
        let most = self.limits.max_per_person;
        most == 0 || self.access.count_of(name) < most
    }

    /// The same for a request that opens a connection that lasts.
    pub(super) fn check_connection_limit(&self, rights: &Rights) -> Result<(), Problem> {
        match rights.grant() {
            Some(grant) if !self.may_connect_again(&grant.name) => Err(TOO_MANY_OF_ONE.into()),
            _ => Ok(()),
        }
    }

    /// The author of a message: by the name in the token, or the guest of this number.
    pub(super) fn author(&self, rights: &Rights, guest: PersonId) -> Author {
        let Some(grant) = rights.grant() else {
            return self.chat.author(guest);
        };
        Author {
            id: self
                .chat
                .public_id(self.chat.find_named(&grant.name).unwrap_or(guest)),
            name: Name::Chosen(grant.name.shown()),
        }
    }

    /// The owner whose quota a connection uses.
    pub(super) fn owner(&self, id: ConnectionId) -> Owner {
        let peer = self.get(id).map(|connection| connection.peer);
        owner_of(&self.access.rights(id), peer)
    }

    /// The same for a request.
    pub(super) fn owner_of_request(
        &self,
        request: &Request<'_>,
        rights: &Rights,
        id: ConnectionId,
    ) -> Owner {
        owner_of(rights, self.peer(Some(request), id))
    }

    /// Checks a command's right to a room.
    pub(super) fn check_may(
        &self,
        id: ConnectionId,
        may: fn(&Rights, &RoomName) -> bool,
        room: &RoomName,
    ) -> Result<(), CommandError> {
        match self.access.rights(id) {
            Rights::Unauthenticated => Err(NO_TOKEN),
            rights if may(&rights, room) => self.check_ban_of(id, Some(room)),
            _ => Err(CommandError::new(
                ErrorCode::NotAllowed,
                "your token does not allow that in this room",
            )),
        }
    }

    /// Closes the connections whose token has expired, and those that have not shown one in time.
    pub(super) fn end_expired(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((id, rights)) = self.access.take_due(now.ms)
        {
            self.budget.spend(cost::LOOKUP);
            let reason = match rights {
                Rights::Granted(_) => CloseReason::TokenExpired,
                Rights::Open | Rights::Unauthenticated => CloseReason::NoToken,
            };
            self.close(id, Ending::Announce(reason), now);
        }
    }
}

impl Rights {
    /// Refuses who has shown no token where one is wanted.
    pub(super) fn check_login(&self) -> Result<(), Problem> {
        self.check(!self.is_unauthenticated())
    }

    /// Checks a request's right to read a room.
    pub(super) fn check_subscribe(&self, room: &RoomName) -> Result<(), Problem> {
        self.check(self.may_subscribe(room))
    }

    /// Checks a request's right to publish in a room.
    pub(super) fn check_publish(&self, room: &RoomName) -> Result<(), Problem> {
        self.check(self.may_publish(room))
    }

    /// Checks a request's right to what only admins may do.
    pub(super) fn check_admin(&self) -> Result<(), Problem> {
        if matches!(self, Self::Open) {
            let detail = "only an admin may do that, and there is none without --secret-file";
            return Err(Problem::new(Status::FORBIDDEN, detail));
        }
        self.check(self.is_admin())
    }

    fn check(&self, may: bool) -> Result<(), Problem> {
        if may {
            return Ok(());
        }
        Err(if self.is_unauthenticated() {
            let detail = "a token is needed: Authorization: Bearer, or ?token=";
            Problem::new(Status::UNAUTHORIZED, detail).with(&[WANTED])
        } else {
            Problem::new(Status::FORBIDDEN, "the token does not allow this").with(&[INSUFFICIENT])
        })
    }
}

/// The token of an `Authorization` field. The scheme's name may be in any case (RFC 9110 section 11.1). Fields of other
/// schemes are ignored: they may be for a proxy.
fn bearer<'a>(request: &Request<'a>) -> Result<Option<&'a str>, Problem> {
    let mut tokens = request.values("authorization").filter_map(bearer_token);
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token),
        (_, Some(_)) => {
            let detail = "the only Authorization taken is one Bearer token";
            Err(Problem::new(Status::UNAUTHORIZED, detail).with(&[WANTED]))
        }
    }
}

/// What follows `Bearer`. Bytes that are not UTF-8 count as an empty token, which is refused.
fn bearer_token(value: &[u8]) -> Option<&str> {
    let scheme = value.get(.."bearer".len())?;
    let rest = &value[scheme.len()..];
    let is_bearer =
        scheme.eq_ignore_ascii_case(b"bearer") && matches!(rest, [] | [b' ' | b'\t', ..]);
    is_bearer.then(|| str::from_utf8(rest).unwrap_or_default().trim())
}
