//! The door for things that can only spray UDP: a datagram is a message. Nothing is ever sent back, so that nobody is
//! flooded under a forged address, and nothing can be held back: what cannot be taken at once is dropped, and counted.

use std::fmt;
use std::net::SocketAddr;

use crate::codec::datagram::{self, Datagram, DatagramError};
use crate::codec::error_code::ErrorCode;
use crate::codec::json::command::Publish;
use crate::codec::token::TokenError;
use crate::core::access::Rights;
use crate::core::budget::cost;
use crate::core::chat::{Content, Draft, PersonId, PublishError, RoomName, Sender};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::loading::{Aside, Readiness};
use crate::core::server::publisher::{Publisher, owner_of};
use crate::core::stream::Stream;
use crate::limits::MAX_DATAGRAM;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatagramResult {
    /// It has been published in its room, or given to the store.
    Taken,
    /// It is refused as a command would be: too fast, nothing to be kept for now, a bad token, a ban, a bad room, too many rooms or keys.
    Refused(ErrorCode),
    /// Its text is longer than `--max-message`, or it is longer than it can be.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// Nothing follows the room's name.
    NoText,
    /// No key can be what follows the slash behind it.
    BadKey,
    /// Its room is too far behind.
    RoomBehind,
    /// `--max-memory` is used up.
    OutOfMemory,
    /// The server is ending.
    ShuttingDown,
}

impl DatagramResult {
    /// All of them.
    pub(in crate::core::server) const ALL: [Self; 17] = [
        Self::Taken,
        Self::Refused(ErrorCode::RateLimited),
        Self::TooLong,
        Self::NotUtf8,
        Self::NoText,
        Self::BadKey,
        Self::Refused(ErrorCode::BadToken),
        Self::Refused(ErrorCode::NotAllowed),
        Self::Refused(ErrorCode::Banned),
        Self::Refused(ErrorCode::NameTaken),
        Self::Refused(ErrorCode::BadRoom),
        Self::Refused(ErrorCode::TooManyRooms),
        Self::Refused(ErrorCode::TooManyKeys),
        Self::RoomBehind,
        Self::Refused(ErrorCode::Unavailable),
        Self::OutOfMemory,
        Self::ShuttingDown,
    ];
}

impl fmt::Display for DatagramResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "taken",
            Self::Refused(code) => code.as_str(),
            Self::TooLong => "too_long",
            Self::NotUtf8 => "not_utf8",
            Self::NoText => "no_text",
            Self::BadKey => "bad_key",
            Self::RoomBehind => "room_behind",
            Self::OutOfMemory => "out_of_memory",
            Self::ShuttingDown => "shutting_down",
        })
    }
}

impl<S: Stream> Server<S> {
    /// A datagram has come: it is said in its room, or dropped. Says which, for who wants to know; it is counted.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Now) -> DatagramResult {
        let bytes_cost = cost::of_bytes(bytes.len(), cost::BYTE);
        self.budget.spend(cost::READ + cost::MESSAGE + bytes_cost);
        let result = match self.take_datagram(from, bytes, now) {
            Ok(()) => DatagramResult::Taken,
            Err(result) => {
                log::debug!(
                    "dropped a datagram peer={from} bytes={} result={result}",
                    bytes.len()
                );
                result
            }
        };
        self.counters.count_datagram(result, bytes.len());
        result
    }

    fn take_datagram(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        now: Now,
    ) -> Result<(), DatagramResult> {
        if self.drain.is_begun() {
            return Err(DatagramResult::ShuttingDown);
        }
        // Before anything that costs more.
        let person = self
            .datagram_source(from, now)
            .ok_or(DatagramResult::Refused(ErrorCode::RateLimited))?;
        if bytes.len() > MAX_DATAGRAM {
            return Err(DatagramResult::TooLong);
        }
        self.publish_datagram(person, from, bytes, now)
    }

    /// The room of a datagram is here, or cannot be read.
    pub(in crate::core::server) fn resume_datagram(
        &mut self,
        person: PersonId,
        from: SocketAddr,
        bytes: &[u8],
        now: Now,
    ) {
        if let Err(result) = self.publish_datagram(person, from, bytes, now) {
            log::debug!("dropped a datagram peer={from} result={result}");
            self.counters.recount_datagram(result);
        }
    }

    fn publish_datagram(
        &mut self,
        person: PersonId,
        from: SocketAddr,
        bytes: &[u8],
        now: Now,
    ) -> Result<(), DatagramResult> {
        let (rights, datagram) = self.read_datagram(bytes, now)?;
        if datagram.text.len() > self.limits.max_message {
            return Err(DatagramResult::TooLong);
        }
        let name = RoomName::parse(datagram.target.room)
            .ok_or(DatagramResult::Refused(ErrorCode::BadRoom))?;
        if !rights.may_publish(&name) {
            return Err(DatagramResult::Refused(ErrorCode::NotAllowed));
        }
        if self
            .check_ban(&rights, Some(from.into()), Some(&name))
            .is_err()
        {
            return Err(DatagramResult::Refused(ErrorCode::Banned));
        }
        let grant = rights.grant();
        if grant.is_some_and(|grant| self.is_lookalike(&grant.name)) {
            return Err(DatagramResult::Refused(ErrorCode::NameTaken));
        }
        match self.readiness(&name, now) {
            Readiness::Ready => {}
            Readiness::Loading => {
                let bytes = bytes.into();
                let datagram = Aside::Datagram {
                    person,
                    from,
                    bytes,
                };
                return match self.loading.put_datagram_aside(&name, datagram) {
                    true => Ok(()),
                    false => Err(DatagramResult::Refused(ErrorCode::Unavailable)),
                };
            }
            Readiness::Unavailable => {
                return Err(DatagramResult::Refused(ErrorCode::Unavailable));
            }
        }
        self.check_capacity(&name)?;
        let author = self.author(&rights, person);
        let owner = owner_of(&rights, Some(from.into()));
        if let Some(key) = datagram.target.key {
            let publish =
                Publish::state(name.as_str(), key, datagram.text, datagram.target.freshness);
            let publisher = Publisher {
                author: &author,
                sender: &Sender::Owner(owner.clone()),
                owner: &owner,
            };
            let published = self.publish(&name, &publish, publisher, now);
            return published
                .map(|_| ())
                .map_err(|error| DatagramResult::Refused(error.code));
        }
        let draft = Draft {
            author: &author,
            owner: &owner,
            content: Content::Text,
            body: datagram.text.as_bytes(),
            key: None,
            retain: false,
            ephemeral: false,
            dedup: None,
            file: None,
            imported: None,
            condition: None,
            freshness: Default::default(),
        };
        let found = self.chat.find_or_create_for_publish(&name, &owner, now.ms);
        self.forget_ended();
        self.submit(found?, &draft, now)?;
        Ok(())
    }

    /// What a datagram says, and what whoever sent it may do.
    fn read_datagram<'a>(
        &mut self,
        bytes: &'a [u8],
        now: Now,
    ) -> Result<(Rights, Datagram<'a>), DatagramResult> {
        if self.access.is_open() {
            return Ok((Rights::Open, datagram::parse(bytes)?));
        }
        let (token, datagram) = datagram::parse_with_token(bytes)?;
        let checked = self.access.check(token, now);
        let label = checked.as_ref().map_or_else(|it| it.label(), |_| "taken");
        self.counters.count_token(label);
        Ok((
            checked.map_err(|refused| {
                DatagramResult::Refused(match refused {
                    TokenError::KeysAwaited { .. } => ErrorCode::Unavailable,
                    _ => ErrorCode::BadToken,
                })
            })?,
            datagram,
        ))
    }

    /// Who sends from this address: a guest, for as long as the address is remembered.
    fn datagram_source(&mut self, from: SocketAddr, now: Now) -> Option<PersonId> {
        let Self {
            sources, numbers, ..
        } = self;
        sources.admit(from.ip(), now.ms, || PersonId(numbers.take()))
    }

    /// Where a member would not be read for a while, a datagram is dropped.
    fn check_capacity(&self, name: &RoomName) -> Result<(), DatagramResult> {
        let room = self.chat.find(name);
        if room
            .and_then(|room| self.broadcast.congested(room))
            .is_some()
        {
            return Err(DatagramResult::RoomBehind);
        }
        if self.meter.used() > self.limits.max_memory {
            return Err(DatagramResult::OutOfMemory);
        }
        Ok(())
    }
}

impl From<PublishError> for DatagramResult {
    fn from(refusal: PublishError) -> Self {
        Self::Refused(CommandError::from(refusal).code)
    }
}

impl From<DatagramError> for DatagramResult {
    fn from(refused: DatagramError) -> Self {
        match refused {
            DatagramError::NotUtf8 => Self::NotUtf8,
            DatagramError::NoText => Self::NoText,
            DatagramError::BadKey => Self::BadKey,
        }
    }
}
