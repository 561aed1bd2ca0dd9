//! Who came and who went, gathered for a moment so that a thousand arrivals are one event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::chat::person::{Author, PublicId};
use crate::limits::MAX_LISTED;

/// What has changed in a room since it was last said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Changes {
    people: BTreeMap<PublicId, Entry>,
    /// How often someone was told who is here.
    listings: u64,
    /// More has changed than is listed: who it was is forgotten, their number is not.
    is_crowd: bool,
    /// The number of members has changed by some who are not named.
    #[serde(default)]
    is_counted: bool,
    /// It will be said at a time that is set already.
    is_scheduled: bool,
}

/// The last that happened to someone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    change: Change,
    who: Author,
    /// All who are to be told know how it was before, if nobody was told since this listing who is here.
    since_listing: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    Joined,
    Renamed,
    Left,
}

/// What a room's members are told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) struct PresenceChanges {
    pub(in crate::core) joined: Vec<Author>,
    pub(in crate::core) left: Vec<Author>,
    pub(in crate::core) count: usize,
    /// More than are listed one by one: the count alone is said.
    pub(in crate::core) is_crowd: bool,
}

impl Changes {
    /// Takes note of a change. Says whether a time has to be set at which it is told.
    pub(super) fn note(&mut self, change: Change, who: Author) -> bool {
        if !self.is_crowd {
            let listings = self.listings;
            match self.people.remove(&who.id) {
                // Gone again before anyone was told, or back before they were missed.
                Some(earlier) if earlier.is_undone_by(change, &who, listings) => {}
                earlier => {
                    let entry = Entry::new(change, who, earlier, listings);
                    self.people.insert(entry.who.id, entry);
                }
            }
            if self.people.len() > MAX_LISTED {
                self.is_crowd = true;
                self.people.clear();
            }
        }
        !std::mem::replace(&mut self.is_scheduled, true)
    }

    /// Takes note that the number of members has changed by some who are not named. Says the same.
    pub(super) fn note_count(&mut self) -> bool {
        self.is_counted = true;
        !std::mem::replace(&mut self.is_scheduled, true)
    }

    /// Somebody is told who is here, and will take what is told next for what has changed since.
    pub(super) fn on_listed(&mut self) {
        self.listings += 1;
    }

    /// There is nobody to be told: whoever comes next is told who is here.
    pub(super) fn forget(&mut self) {
        self.people.clear();
        self.is_crowd = false;
        self.is_counted = false;
    }

    /// What is to be told now that `count` are here; `None` when it all came to nothing.
    pub(super) fn take(&mut self, count: usize) -> Option<PresenceChanges> {
        let people = std::mem::take(&mut self.people);
        let is_crowd = std::mem::take(&mut self.is_crowd);
        let is_counted = std::mem::take(&mut self.is_counted);
        self.is_scheduled = false;
        if people.is_empty() && !is_crowd && !is_counted {
            return None;
        }
        let is_crowd = is_crowd || people.is_empty() || count > MAX_LISTED;
        let mut news = PresenceChanges {
            joined: Vec::new(),
            left: Vec::new(),
            count,
            is_crowd,
        };
        if !is_crowd {
            for Entry { change, who, .. } in people.into_values() {
                match change {
                    Change::Joined | Change::Renamed => news.joined.push(who),
                    Change::Left => news.left.push(who),
                }
            }
        }
        Some(news)
    }
}

impl Entry {
    fn new(change: Change, who: Author, earlier: Option<Self>, listings: u64) -> Self {
        match earlier {
            // Nobody has heard of the name before.
            Some(Self {
                change: Change::Joined,
                since_listing,
                ..
            }) if change == Change::Renamed => Self {
                change: Change::Joined,
                who,
                since_listing,
            },
            earlier => Self {
                change,
                who,
                since_listing: earlier.is_none().then_some(listings),
            },
        }
    }

    fn is_undone_by(&self, change: Change, who: &Author, listings: u64) -> bool {
        let is_undone = match (self.change, change) {
            (Change::Joined, Change::Left) => true,
            (Change::Left, Change::Joined) => self.who == *who,
            _ => false,
        };
        is_undone && self.since_listing == Some(listings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::person::PersonId;

    fn guest(number: u64) -> Author {
        Author::guest(PersonId(number))
    }

    fn ids(people: &[Author]) -> Vec<u64> {
        people.iter().map(|who| who.id.number()).collect()
    }

    #[test]
    fn what_is_undone_in_time_is_not_told() {
        let mut changes = Changes::default();
        assert!(changes.note(Change::Joined, guest(1)));
        assert!(!changes.note(Change::Left, guest(1)));
        changes.note(Change::Left, guest(2));
        changes.note(Change::Joined, guest(2));
        assert_eq!(changes.take(5), None);
        assert!(
            changes.note(Change::Joined, guest(3)),
            "the next time is to be set anew"
        );
    }

    /// Who came in between had been told of someone who was gone, or not of someone who was back.
    #[test]
    fn what_someone_was_told_of_is_told_when_it_is_undone() {
        let mut changes = Changes::default();
        changes.note(Change::Joined, guest(1));
        changes.note(Change::Left, guest(2));
        changes.on_listed();
        changes.note(Change::Left, guest(1));
        changes.note(Change::Joined, guest(2));
        let news = changes.take(1).unwrap();
        assert_eq!((ids(&news.joined), ids(&news.left)), (vec![2], vec![1]));
    }

    /// A new name was not told of someone who went and came back with it.
    #[test]
    fn who_comes_back_with_a_new_name_is_told() {
        let renamed = Author {
            id: Author::guest(PersonId(1)).id,
            name: super::super::person::Name::Chosen("alice".into()),
        };
        let mut changes = Changes::default();
        changes.note(Change::Left, guest(1));
        changes.note(Change::Joined, renamed.clone());
        assert_eq!(
            changes.take(1).unwrap().joined,
            std::slice::from_ref(&renamed)
        );
        for change in [Change::Renamed, Change::Left, Change::Joined] {
            changes.note(change, renamed.clone());
        }
        assert_eq!(changes.take(1).unwrap().joined, [renamed]);
    }

    #[test]
    fn who_is_renamed_and_goes_is_gone() {
        let mut changes = Changes::default();
        changes.note(Change::Renamed, guest(1));
        changes.note(Change::Left, guest(1));
        changes.note(Change::Renamed, guest(2));
        let news = changes.take(1).unwrap();
        assert_eq!((ids(&news.joined), ids(&news.left)), (vec![2], vec![1]));
    }

    #[test]
    fn of_a_crowd_the_count_is_told() {
        let mut changes = Changes::default();
        for number in 0..1000 {
            changes.note(Change::Joined, guest(number));
        }
        let news = changes.take(1000).unwrap();
        assert!(news.is_crowd && news.joined.is_empty() && news.count == 1000);
    }
}
