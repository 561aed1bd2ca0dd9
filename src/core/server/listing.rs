//! The answer to `rooms`, which is found in parts over several turns.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Event};
use crate::core::access::Rights;
use crate::core::chat::{Chat, RoomName};
use crate::core::delivery::encode;
use crate::core::pattern::Scope;
use crate::limits::MAX_PAGE;
use serde_json::value::RawValue;

/// The first rooms that a client may see, in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Found {
    rooms: Vec<(RoomName, usize)>,
    /// There are more rooms than an answer holds.
    more: bool,
}

/// A list of rooms that is made.
#[derive(Debug)]
pub(super) struct Listing {
    rights: Rights,
    echo: Option<Box<RawValue>>,
    /// The scope of names that is being scanned, among those that may hold visible rooms.
    scope: usize,
    /// The last room that was scanned in it.
    after: Option<RoomName>,
    found: Found,
    /// Those in use at all nodes, if there are others.
    in_use: Option<Rc<Found>>,
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
            found: Found::default(),
            in_use: None,
        }
    }

    pub(super) fn rights(&self) -> &Rights {
        &self.rights
    }

    pub(super) fn echo(&self) -> Id<'_> {
        self.echo.as_deref()
    }

    /// These are in use at all nodes.
    pub(super) fn set_in_use(&mut self, found: Rc<Found>) {
        self.in_use = Some(found);
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
                let is_visible = tried.is_none_or(|tried| tried.matches);
                if is_visible && !self.found.add(name, count) {
                    return ScanProgress {
                        work,
                        is_done: true,
                    };
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
        let in_use = self.in_use.iter().flat_map(|it| &it.rooms);
        let mut counts: BTreeMap<&RoomName, usize> =
            in_use.map(|(name, count)| (name, *count)).collect();
        for (name, count) in &self.found.rooms {
            let known = counts.entry(name).or_default();
            // Where somebody is here, this node is told who is elsewhere.
            *known = if *count > 0 { *count } else { *known };
        }
        let is_cut = counts.len() > MAX_PAGE;
        let rooms = counts.iter().map(|(name, count)| event::Room {
            name: name.as_str(),
            count: *count,
        });
        let mut found = [Some(&self.found), self.in_use.as_deref()].into_iter();
        encode::event_json(&Event::Rooms {
            id: self.echo(),
            rooms: rooms.take(MAX_PAGE).collect(),
            more: is_cut || found.any(|it| it.is_some_and(|it| it.more)),
        })
    }
}

impl Found {
    /// Adds the next one, unless there are as many as an answer holds. Says whether it was added.
    pub(super) fn add(&mut self, name: &RoomName, count: usize) -> bool {
        self.more = self.rooms.len() == MAX_PAGE;
        if !self.more {
            self.rooms.push((name.clone(), count));
        }
        !self.more
    }

    /// Those that are to be counted: nobody is in them as far as this server knows.
    pub(super) fn uncounted(&self, chat: &Chat) -> Vec<Box<str>> {
        let names = self.rooms.iter().map(|(name, _)| name);
        let is_empty = |name: &&RoomName| {
            let next = chat.rooms_from(Bound::Included(name.as_str())).next();
            next.is_none_or(|(next, count)| next != *name || count == 0)
        };
        let names = names.filter(is_empty);
        names.map(|name| name.as_str().into()).collect()
    }

    /// So many people are in these rooms.
    pub(super) fn count(&mut self, counts: Vec<(Box<str>, usize)>) {
        let counts: BTreeMap<Box<str>, usize> = counts.into_iter().collect();
        for (name, count) in &mut self.rooms {
            *count = counts.get(name.as_str()).copied().unwrap_or(0);
        }
    }

    /// There may be more that were not looked for.
    pub(super) fn cut(&mut self) {
        self.more = true;
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
            .rooms
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
        assert_eq!(listing.found.rooms.len(), 90);
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
        assert_eq!(listing.found.rooms.len(), 10);
    }

    #[test]
    fn who_may_see_all_is_shown_the_first() {
        let mut listing = Listing::new(Rights::Open, None);
        let progress = listing.scan(&chat(), SCANS_AT_ONCE);
        assert!(
            progress.is_done && progress.work <= MAX_PAGE + 2,
            "{progress:?}"
        );
        assert!(listing.found.more && listing.found.rooms.len() == MAX_PAGE);
    }

    #[test]
    fn what_is_in_use_at_other_nodes_has_its_place_in_the_order() {
        let mut chat = Chat::new(Limits::default(), [1; 32], PersonId(0));
        for name in ["bar", "tea"] {
            begin(&mut chat, name);
        }
        let mut listing = Listing::new(Rights::Open, None);
        assert!(listing.scan(&chat, SCANS_AT_ONCE).is_done);
        let mut in_use = Found::default();
        for (name, count) in [("ale", 1), ("tea", 2), ("zoo", 3)] {
            assert!(in_use.add(&RoomName::parse(name).unwrap(), count));
        }
        listing.set_in_use(Rc::new(in_use));
        let rooms = r#"[{"name":"ale","count":1},{"name":"bar","count":0},{"name":"tea","count":2},{"name":"zoo","count":3}]"#;
        let expected = format!(r#"{{"type":"rooms","rooms":{rooms},"more":false}}"#);
        assert_eq!(listing.to_json(), expected);
        // An answer holds as many as always.
        let mut in_use = Found::default();
        for number in 0..=MAX_PAGE {
            in_use.add(&RoomName::parse(&format!("room-{number}")).unwrap(), 1);
        }
        listing.set_in_use(Rc::new(in_use));
        let json: serde_json::Value = serde_json::from_str(&listing.to_json()).unwrap();
        assert_eq!(json["rooms"].as_array().unwrap().len(), MAX_PAGE);
        assert_eq!(
            (&json["rooms"][0]["name"], &json["more"]),
            (&"bar".into(), &true.into())
        );
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
        assert!(found.is_sorted() && found.len() == MAX_PAGE && listing.found.more);
        let mut whole = Listing::new(rights, None);
        let progress = whole.scan(&self::chat(), usize::MAX);
        assert!(progress.work < ROOMS * 100);
        assert_eq!(found, names(&whole));
    }
}
