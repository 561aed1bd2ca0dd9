//! Who came and who went, gathered for a moment so that a thousand arrivals are one event.

use std::collections::BTreeMap;

use super::person::{Author, PersonId};
use crate::limits::MAX_LISTED;

/// What has changed in a room since it was last said.
#[derive(Debug, Default)]
pub(super) struct Changes {
    people: BTreeMap<PersonId, (Change, Author)>,
    /// More has changed than is listed: who it was is forgotten, their number is not.
    is_crowd: bool,
    /// It will be said at a time that is set already.
    is_scheduled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Came,
    Renamed,
    Went,
}

/// What a room's members are told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) struct News {
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
            let id = who.id;
            let earlier = self.people.get(&id).map(|(earlier, _)| *earlier);
            let change = match (earlier, change) {
                // Gone again before anyone was told.
                (Some(Change::Came), Change::Went) => None,
                (Some(Change::Came), _) => Some(Change::Came),
                // Back before they were missed, it may be under another name.
                (Some(Change::Went), Change::Came) => Some(Change::Renamed),
                _ => Some(change),
            };
            match change {
                Some(change) => drop(self.people.insert(id, (change, who))),
                None => drop(self.people.remove(&id)),
            }
            if self.people.len() > MAX_LISTED {
                self.is_crowd = true;
                self.people.clear();
            }
        }
        !std::mem::replace(&mut self.is_scheduled, true)
    }

    /// What is to be told now that `count` are here; `None` when it all came to nothing.
    pub(super) fn take(&mut self, count: usize) -> Option<News> {
        let Self {
            people, is_crowd, ..
        } = std::mem::take(self);
        if people.is_empty() && !is_crowd {
            return None;
        }
        let is_crowd = is_crowd || count > MAX_LISTED;
        let mut news = News {
            joined: Vec::new(),
            left: Vec::new(),
            count,
            is_crowd,
        };
        if !is_crowd {
            for (change, who) in people.into_values() {
                match change {
                    Change::Came | Change::Renamed => news.joined.push(who),
                    Change::Went => news.left.push(who),
                }
            }
        }
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(number: u32) -> Author {
        Author::guest(PersonId(number))
    }

    fn ids(people: &[Author]) -> Vec<u32> {
        people.iter().map(|who| who.id.0).collect()
    }

    #[test]
    fn what_is_undone_in_time_is_not_told() {
        let mut changes = Changes::default();
        assert!(changes.note(Change::Came, guest(1)));
        assert!(!changes.note(Change::Went, guest(1)));
        assert_eq!(changes.take(5), None);
        assert!(
            changes.note(Change::Came, guest(3)),
            "the next time is to be set anew"
        );
    }

    #[test]
    fn who_is_renamed_and_goes_is_gone() {
        let mut changes = Changes::default();
        changes.note(Change::Renamed, guest(1));
        changes.note(Change::Went, guest(1));
        changes.note(Change::Renamed, guest(2));
        let news = changes.take(1).unwrap();
        assert_eq!((ids(&news.joined), ids(&news.left)), (vec![2], vec![1]));
    }

    #[test]
    fn who_comes_back_under_another_name_is_told_again() {
        let mut changes = Changes::default();
        changes.note(Change::Renamed, guest(1));
        changes.note(Change::Went, guest(1));
        changes.note(Change::Came, guest(1));
        let news = changes.take(1).unwrap();
        assert_eq!((ids(&news.joined), ids(&news.left)), (vec![1], vec![]));
    }

    #[test]
    fn of_a_crowd_the_count_is_told() {
        let mut changes = Changes::default();
        for number in 0..1000 {
            changes.note(Change::Came, guest(number));
        }
        let news = changes.take(1000).unwrap();
        assert!(news.is_crowd && news.joined.is_empty() && news.count == 1000);
    }
}
