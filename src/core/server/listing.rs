//! The answer to `rooms`, which is found in parts over several turns.

use std::ops::Bound;

use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Event};
use crate::core::access::Rights;
use crate::core::chat::{Chat, RoomName};
use crate::core::delivery::encode;
use crate::core::pattern::Scope;
use crate::limits::MAX_PAGE;
use serde_json::value::RawValue;

/// The first rooms that a client may see, in the order of their names.
#[derive(Debug)]
pub(super) struct Listing {
    rights: Rights,
    echo: Option<Box<RawValue>>,
    /// The scope of names that is being scanned, among those that may hold visible rooms.
    scope: usize,
    /// The last room that was scanned in it.
    after: Option<RoomName>,
    found: Vec<(RoomName, usize)>,
    /// There are more rooms than an answer holds.
    more: bool,
}

/// How far a part of the scan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanProgress {
    /// Rooms scanned, and patterns matched against them.
    pub(super) work: usize,
    pub(super) is_done: bool,
}

impl Listing {
    pub(super) fn new(rights: Rights, echo: Id<'_>) -> Self {
        Self {
            rights,
            echo: echo.map(ToOwned::to_owned),
            scope: 0,
            after: None,
            found: Vec::new(),
            more: false,
        }
    }

    /// Scans the next rooms, and stops after `most` units of work.
    pub(super) fn scan(&mut self, chat: &Chat, most: usize) -> ScanProgress {
        let all = [Scope::Head("".into())];
        let patterns = self.rights.listable();
        let scopes = patterns.map_or(&all[..], |patterns| patterns.scopes());
        let mut work = 0;
        while let Some(scope) = scopes.get(self.scope) {
            let from = match &self.after {
                Some(after) => Bound::Excluded(after.as_str()),
                None => Bound::Included(scope.start()),
            };
            work += 1;
            for (name, count) in chat.rooms_from(from) {
                if !scope.contains(name) {
                    break;
                }
                if work >= most {
                    return ScanProgress {
                        work,
                        is_done: false,
                    };
                }
                let tried = patterns.map(|patterns| patterns.try_on(name));
                work += 1 + tried.map_or(0, |tried| tried.patterns);
                if tried.is_none_or(|tried| tried.matches) {
                    if self.found.len() == MAX_PAGE {
                        self.more = true;
                        return ScanProgress {
                            work,
                            is_done: true,
                        };
                    }
                    self.found.push((name.clone(), count));
                }
                self.after = Some(name.clone());
            }
            self.scope += 1;
            self.after = None;
        }
        ScanProgress {
            work,
            is_done: true,
        }
    }

    /// The rooms found, as JSON.
    pub(super) fn to_json(&self) -> String {
        let rooms = self.found.iter().map(|(name, count)| event::Room {
            name: name.as_str(),
            count: *count,
        });
        encode::event_json(&Event::Rooms {
            id: self.echo.as_deref(),
            rooms: rooms.collect(),
            more: self.more,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::access::{Access, Claims, Keys};
    use crate::core::chat::{Owner, PersonId};
    use crate::core::now::Now;
    use crate::limits::SCANS_AT_ONCE;
    use crate::settings::Limits;

    const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted";
    const ROOMS: usize = 9_000;

    fn chat() -> Chat {
        let mut chat = Chat::new(Limits::default(), [1; 32], PersonId(0));
        for number in 0..ROOMS {
            begin(&mut chat, &format!("room-{number}"));
        }
        chat
    }

    fn begin(chat: &mut Chat, name: &str) {
        let name = RoomName::parse(name).unwrap();
        let owner = Owner::at(std::net::Ipv4Addr::LOCALHOST.into());
        chat.find_or_create(&name, &owner, 0).unwrap();
    }

    fn rights(subscribe: Vec<String>) -> Rights {
        let claims = Claims {
            sub: "ann".to_owned(),
            exp: 10.0,
            nbf: None,
            iat: None,
            aud: None,
            subscribe,
            publish: Vec::new(),
            admin: false,
        };
        let mut keys = Keys::default();
        keys.add_secret(SECRET).unwrap();
        let mut access = Access::default();
        access.require_tokens(keys);
        let now = Now { ms: 0, unix_ms: 0 };
        access.check(&claims.sign(SECRET).unwrap(), now).unwrap()
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing
            .found
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    #[test]
    fn names_are_looked_up() {
        let globs = (0..99).map(|number| format!("room-{}", 100 * number));
        let mut listing = Listing::new(rights(globs.collect()), None);
        let progress = listing.scan(&chat(), SCANS_AT_ONCE);
        assert!(progress.is_done && progress.work <= 2 * 99, "{progress:?}");
        assert_eq!(listing.found.len(), 90);
    }

    #[test]
    fn a_head_is_a_range() {
        let mut listing = Listing::new(rights(vec!["room-12?".to_owned()]), None);
        let progress = listing.scan(&chat(), SCANS_AT_ONCE);
        // Of the rooms from `room-12` to `room-1299`.
        assert!(
            progress.is_done && progress.work <= 1 + 2 * 111,
            "{progress:?}"
        );
        assert_eq!(listing.found.len(), 10);
    }

    #[test]
    fn who_may_see_all_is_shown_the_first() {
        let mut listing = Listing::new(Rights::Open, None);
        let progress = listing.scan(&chat(), SCANS_AT_ONCE);
        assert!(
            progress.is_done && progress.work <= MAX_PAGE + 2,
            "{progress:?}"
        );
        assert!(listing.more && listing.found.len() == MAX_PAGE);
    }

    #[test]
    fn much_is_looked_at_in_parts() {
        let mut chat = chat();
        let globs = (0..99).map(|number| format!("*m-{number}?1"));
        let rights = rights(globs.collect());
        let mut listing = Listing::new(rights.clone(), None);
        let mut parts = 1;
        loop {
            let progress = listing.scan(&chat, SCANS_AT_ONCE);
            assert!(progress.work <= SCANS_AT_ONCE + 100, "{progress:?}");
            if progress.is_done {
                break;
            }
            parts += 1;
            // What comes and goes meanwhile has its place in the order.
            begin(&mut chat, &format!("a{parts}"));
            let seen = listing.after.clone().expect("it has begun");
            let seen = chat.find(&seen).expect("it is there");
            chat.end_if_empty(seen);
        }
        assert!(parts > 100, "{parts} parts");
        let found = names(&listing);
        assert!(found.is_sorted() && found.len() == MAX_PAGE && listing.more);
        let mut whole = Listing::new(rights, None);
        let progress = whole.scan(&self::chat(), usize::MAX);
        assert!(progress.work < ROOMS * 100);
        assert_eq!(found, names(&whole));
    }
}
