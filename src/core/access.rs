//! Who may do what: nothing is asked of anyone until there are keys, and then a token is.

mod fetching;
mod provider;
mod state;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::codec::token::TokenError;
pub use crate::codec::token::{Claims, Keys};
use crate::core::chat::{PersonName, RoomName};
use crate::core::ensure::ensure;
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::pattern::RoomPatterns;
pub use provider::FetchedKeys;
use provider::Provider;
pub(super) use provider::ProviderState;

/// The keys, and who has shown a token that they are good for.
#[derive(Debug, Default)]
pub(super) struct Access {
    keys: Option<Keys>,
    /// Who is asked for more of them; `None` where nobody is.
    provider: Option<Provider>,
    holders: BTreeMap<ConnectionId, Holder>,
    /// Those of whom a token is expected, by the time when they have to show one.
    due: BTreeSet<(u64, ConnectionId)>,
    /// The names of those who have shown one, by each of their keys.
    names: BTreeMap<Box<str>, UsedName>,
}

/// A name in the tokens of connections that last. No other is let in that looks the same.
#[derive(Debug)]
struct UsedName {
    shown: Rc<str>,
    connections: BTreeSet<ConnectionId>,
}

/// A connection that lasts, and has shown a token or is expected to.
#[derive(Debug)]
struct Holder {
    grant: Option<Rc<Grant>>,
    due_ms: u64,
}

/// What a token allows.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) name: PersonName,
    pub(super) claims: Claims,
    subscribe: RoomPatterns,
    publish: RoomPatterns,
    /// When it ends, on the clock of `Now::ms`.
    ends_ms: u64,
}

/// What someone may do.
#[derive(Clone, Debug)]
pub(super) enum Rights {
    /// The parlor is open: anyone may come in and speak.
    Open,
    /// A token is wanted, and has not been shown.
    Unauthenticated,
    /// What a token allows.
    Granted(Rc<Grant>),
}

/// The token that says this, signed with a shared secret, as [`Keys`] with that secret take it.
///
/// # Errors
/// They would not, and why.
pub fn issue(claims: &Claims, secret: &[u8]) -> Result<String, Cow<'static, str>> {
    if PersonName::of_token(&claims.sub).is_none() {
        return Err(TokenError::Subject.message().into());
    }
    for pattern in claims.subscribe.iter().chain(&claims.publish) {
        if RoomPatterns::new(std::slice::from_ref(pattern)).is_empty() {
            return Err(format!("no room can have the name {pattern:?}").into());
        }
    }
    claims.sign(secret)
}

impl Access {
    /// From now on a token is wanted that these keys are good for. Who has shown one to earlier keys may stay until it ends.
    pub(super) fn require_tokens(&mut self, mut keys: Keys) {
        if let Some(provider) = &self.provider {
            provider.give_to(&mut keys);
        }
        self.keys = Some(keys);
    }

    pub(super) fn is_open(&self) -> bool {
        self.keys.is_none()
    }

    /// What a token allows.
    pub(super) fn check(&mut self, token: &str, now: Now) -> Result<Rights, TokenError> {
        let Some(keys) = &self.keys else {
            return Ok(Rights::Open);
        };
        let claims = match keys.verify(token, now.unix_ms) {
            Err(refused) => return Err(self.await_keys(refused, token, now)),
            Ok(claims) => claims,
        };
        let left_ms = claims.expires_unix_ms().saturating_sub(now.unix_ms);
        Ok(Rights::Granted(Rc::new(Grant {
            name: PersonName::of_token(&claims.sub).ok_or(TokenError::Subject)?,
            subscribe: RoomPatterns::new(&claims.subscribe),
            publish: RoomPatterns::new(&claims.publish),
            ends_ms: now.ms.saturating_add(left_ms),
            claims,
        })))
    }

    /// What one may do who has shown no token, or not yet.
    pub(super) fn without_token(&self) -> Rights {
        match self.is_open() {
            true => Rights::Open,
            false => Rights::Unauthenticated,
        }
    }

    /// What a connection that lasts may do.
    pub(super) fn rights(&self, id: ConnectionId) -> Rights {
        let grant = self.holders.get(&id).and_then(|it| it.grant.as_ref());
        match grant {
            Some(grant) => Rights::Granted(Rc::clone(grant)),
            None => self.without_token(),
        }
    }

    /// A connection that lasts has these rights from now on. A stranger has until `login_by_ms` to show a token.
    pub(super) fn admit(&mut self, id: ConnectionId, rights: &Rights, login_by_ms: u64) {
        let holder = match rights {
            Rights::Open => return,
            Rights::Unauthenticated => Holder {
                grant: None,
                due_ms: login_by_ms,
            },
            Rights::Granted(grant) => Holder {
                grant: Some(Rc::clone(grant)),
                due_ms: grant.ends_ms,
            },
        };
        self.forget(id);
        if let Some(grant) = &holder.grant {
            self.hold(&grant.name, id);
        }
        self.due.insert((holder.due_ms, id));
        self.holders.insert(id, holder);
    }

    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(holder) = self.holders.remove(&id) {
            self.due.remove(&(holder.due_ms, id));
            if let Some(grant) = &holder.grant {
                self.let_go(&grant.name, id);
            }
        }
    }

    /// Whether a connection that lasts is of somebody else, who only looks the same: `carol` is not `CAROL`.
    pub(super) fn is_used_by_another(&self, name: &PersonName) -> bool {
        let shown = name.shown();
        let mut held = name.keys().filter_map(|key| self.names.get(key));
        held.any(|held| held.shown != shown)
    }

    fn hold(&mut self, name: &PersonName, id: ConnectionId) {
        for key in name.keys() {
            let held = self.names.entry(key.into()).or_insert_with(|| UsedName {
                shown: name.shown(),
                connections: BTreeSet::new(),
            });
            held.connections.insert(id);
        }
    }

    fn let_go(&mut self, name: &PersonName, id: ConnectionId) {
        for key in name.keys() {
            if let Some(held) = self.names.get_mut(key) {
                held.connections.remove(&id);
                if held.connections.is_empty() {
                    self.names.remove(key);
                }
            }
        }
    }

    /// The next connection whose time has come: its token has ended, or none was shown.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(ConnectionId, Rights)> {
        let &(due_ms, id) = self.due.first()?;
        if due_ms > now_ms {
            return None;
        }
        self.due.pop_first();
        Some((id, self.rights(id)))
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let &(due_ms, _) = self.due.first()?;
        Some(due_ms).filter(|due_ms| *due_ms < u64::MAX)
    }

    /// Connections that last, of the holders of tokens for this name, or for one that looks the same.
    pub(super) fn connections_of(&self, name: &PersonName) -> BTreeSet<ConnectionId> {
        let held = name.keys().filter_map(|key| self.names.get(key));
        held.flat_map(|held| &held.connections).copied().collect()
    }

    /// Whether a connection that lasts is of a holder of tokens for this name, to the letter.
    pub(super) fn is_held(&self, name: &str) -> bool {
        let held = PersonName::of_token(name);
        held.is_some_and(|name| self.count_of(&name) > 0 && !self.is_used_by_another(&name))
    }

    /// How many there are. Nobody else is let in whose name looks the same.
    pub(super) fn count_of(&self, name: &PersonName) -> usize {
        let held = name.keys().find_map(|key| self.names.get(key));
        held.map_or(0, |held| held.connections.len())
    }

    /// Checks that nothing is kept of connections that are gone.
    pub(super) fn check_holders(
        &self,
        is_here: impl Fn(ConnectionId) -> bool,
    ) -> Result<(), String> {
        ensure(
            self.holders.keys().all(|id| is_here(*id)),
            "a token is kept of a connection that is gone",
        )?;
        ensure(
            self.due.len() <= self.holders.len(),
            "times are kept of tokens that are gone",
        )?;
        let mut names: BTreeMap<&str, BTreeSet<ConnectionId>> = BTreeMap::new();
        for (id, holder) in &self.holders {
            let Some(grant) = &holder.grant else { continue };
            for key in grant.name.keys() {
                names.entry(key).or_default().insert(*id);
                let held = self.names.get(key);
                ensure(
                    held.is_some_and(|held| held.shown == grant.name.shown()),
                    "two who look the same are here",
                )?;
            }
        }
        let held = self.names.iter();
        let held = held.map(|(key, held)| (&**key, &held.connections));
        ensure(
            names.iter().map(|(key, ids)| (*key, ids)).eq(held),
            "names are not held by those who have them",
        )
    }
}

impl Rights {
    /// May read what is said in a room, and who is there.
    pub(super) fn may_subscribe(&self, room: &RoomName) -> bool {
        self.allows(room, |grant| &grant.subscribe)
    }

    /// May speak in a room.
    pub(super) fn may_publish(&self, room: &RoomName) -> bool {
        self.allows(room, |grant| &grant.publish)
    }

    /// May do what only those may who run the parlor.
    pub(super) fn is_admin(&self) -> bool {
        matches!(self, Self::Granted(grant) if grant.claims.admin)
    }

    pub(super) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Unauthenticated)
    }

    pub(super) fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Granted(grant) => Some(grant),
            Self::Open | Self::Unauthenticated => None,
        }
    }

    /// The rooms that may be listed; `None` for all.
    pub(super) fn listable(&self) -> Option<&RoomPatterns> {
        match self {
            Self::Granted(grant) if !grant.claims.admin => Some(&grant.subscribe),
            _ => None,
        }
    }

    fn allows(&self, room: &RoomName, patterns: impl Fn(&Grant) -> &RoomPatterns) -> bool {
        match self {
            Self::Open => true,
            Self::Unauthenticated => false,
            Self::Granted(grant) => patterns(grant).matches(room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";

    fn connection(index: u32) -> ConnectionId {
        ConnectionId::new(index as usize, index.into())
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    /// A token of `alice`'s that ends after so many seconds since 1970.
    fn token(sub: &str, exp: f64) -> String {
        let claims = Claims {
            sub: sub.to_owned(),
            exp,
            nbf: None,
            iat: None,
            aud: None,
            subscribe: vec!["tea-*".to_owned(), "lobby".to_owned()],
            publish: vec!["tea-1".to_owned()],
            admin: false,
        };
        claims.sign(SECRET).unwrap()
    }

    fn guarded() -> Access {
        let mut keys = Keys::default();
        keys.add_secret(SECRET).unwrap();
        let mut access = Access::default();
        access.require_tokens(keys);
        access
    }

    fn at(unix_ms: u64) -> Now {
        Now { ms: 5_000, unix_ms }
    }

    #[test]
    fn an_open_parlor_asks_for_nothing() {
        let access = Access::default();
        let rights = access.rights(connection(1));
        assert!(rights.may_subscribe(&room("tea")) && rights.may_publish(&room("tea")));
        assert!(!rights.is_admin() && !rights.is_unauthenticated());
    }

    #[test]
    fn rights_are_those_of_the_globs() {
        let mut access = guarded();
        let rights = access.check(&token("alice", 10.0), at(0)).unwrap();
        assert!(rights.may_subscribe(&room("tea-2")) && rights.may_subscribe(&room("lobby")));
        assert!(!rights.may_subscribe(&room("tea")) && !rights.may_subscribe(&room("lobby2")));
        assert!(rights.may_publish(&room("tea-1")) && !rights.may_publish(&room("tea-2")));
        let stranger = access.rights(connection(1));
        assert!(stranger.is_unauthenticated() && !stranger.may_subscribe(&room("lobby")));
        let refused = access.check(&token("guest-1", 10.0), at(0));
        assert_eq!(refused.err(), Some(TokenError::Subject));
    }

    #[test]
    fn what_ends_is_taken_when_its_time_has_come() {
        let mut access = guarded();
        let (alice, stranger) = (connection(1), connection(2));
        let short = access.check(&token("alice", 10.0), at(0)).unwrap();
        access.admit(alice, &short, 0);
        access.admit(stranger, &Rights::Unauthenticated, 6_000);
        assert_eq!(access.next_deadline_ms(), Some(6_000));
        assert!(access.take_due(5_999).is_none());
        assert_eq!(access.take_due(6_000).map(|(id, _)| id), Some(stranger));
        let long = access.check(&token("alice", 20.0), at(0)).unwrap();
        access.admit(alice, &long, 0);
        assert!(access.take_due(15_000).is_none(), "it was renewed");
        let name = PersonName::parse("ALICE").unwrap();
        assert_eq!(access.connections_of(&name), BTreeSet::from([alice]));
        assert_eq!(access.count_of(&name), 1);
        let [own, other] = ["alice", "\u{430}LICE"].map(|it| PersonName::of_token(it).unwrap());
        assert!(access.is_used_by_another(&other) && !access.is_used_by_another(&own));
        assert_eq!(access.check_holders(|_| true), Ok(()));
        access.forget(alice);
        assert!(!access.is_used_by_another(&other));
        assert_eq!(access.check_holders(|id| id == stranger), Ok(()));
        assert_eq!(access.next_deadline_ms(), None);
        assert_eq!(access.count_of(&name), 0);
    }
}
