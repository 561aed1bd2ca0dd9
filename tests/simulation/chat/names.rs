//! Who has which name: never two people one, and a name stays someone's for a minute after their last connection.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Checked;

const ABSENCE_MS: u64 = 60_000;

/// Names to choose from, and what they are compared by.
pub(crate) const NAMES: [(&str, usize); 8] = [
    ("alice", 0),
    ("ALICE", 0),
    ("\u{ff21}lice", 0),
    ("bob", 1),
    ("B0b", 1),
    ("zo\u{eb}", 2),
    ("Zoe\u{308}", 2),
    ("\u{8336}", 3),
];

#[derive(Debug, Default)]
struct Person {
    /// Index in `NAMES` of what is surely the name; `None` for a guest.
    name: Option<usize>,
    /// A login has not been answered, or never will be: the name may be any of these.
    perhaps: BTreeSet<usize>,
    /// Logins that have not been answered.
    asked: usize,
    /// Two of them at once: which comes first is not known.
    overlapped: bool,
    /// Names given up, and when that was known.
    former: BTreeMap<usize, u64>,
    lives: BTreeSet<usize>,
    /// When the last connection began to be given up, as far as its owner knows.
    left_ms: u64,
    /// The earliest that the server may have ended it.
    left_from_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Names {
    people: BTreeMap<String, Person>,
    /// Connections that the server has let go, which their owners need not know, and since when it may have been done
    /// with them.
    dropped: BTreeMap<usize, u64>,
}

impl Names {
    fn fold(name: usize) -> usize {
        NAMES[name].1
    }

    /// A login with a name is sent by someone.
    pub(crate) fn on_asked(&mut self, id: &str, name: usize) {
        let person = self.people.entry(id.to_owned()).or_default();
        person.overlapped |= person.asked > 0;
        person.asked += 1;
        person.perhaps.insert(name);
    }

    /// It is answered; `is_theirs`: with the name.
    pub(crate) fn on_answered(
        &mut self,
        id: &str,
        name: usize,
        is_theirs: bool,
        now: u64,
    ) -> Checked {
        let person = self.people.entry(id.to_owned()).or_default();
        person.asked -= 1;
        if !person.overlapped {
            person.perhaps.clear();
            if is_theirs && let Some(former) = person.name.replace(name) {
                person.former.insert(former, now);
            }
        }
        let (is_certain, known) = (!person.overlapped, person.name);
        if !is_theirs {
            return self.check_taken(id, name, now);
        }
        if is_certain && known == Some(name) {
            return self.check_free(id, name, now);
        }
        Ok(())
    }

    /// A login with a name is sent back unread.
    pub(crate) fn on_refused(&mut self, id: &str) {
        let person = self.people.entry(id.to_owned()).or_default();
        person.asked -= 1;
        if !person.overlapped {
            person.perhaps.clear();
        }
    }

    /// The name that is surely someone's; `Some(None)` for a guest.
    pub(crate) fn of(&self, id: &str) -> Option<Option<usize>> {
        let person = self.people.get(id)?;
        person.perhaps.is_empty().then_some(person.name)
    }

    /// A connection is from now on one of this person's.
    pub(crate) fn on_here(&mut self, id: &str, life: usize) {
        for person in self.people.values_mut() {
            person.lives.remove(&life);
        }
        let person = self.people.entry(id.to_owned()).or_default();
        person.lives.insert(life);
    }

    /// A connection is given up, or has ended, which the server may have seen to since `from_ms`.
    pub(crate) fn on_gone(&mut self, life: usize, from_ms: u64, now: u64) {
        let from_ms = self.dropped.get(&life).copied().unwrap_or(from_ms);
        for person in self.people.values_mut() {
            if person.lives.remove(&life) {
                person.left_ms = now;
                person.left_from_ms = person.left_from_ms.max(from_ms);
            }
        }
    }

    /// The server has let a connection go, with which it may have been done since `from_ms`.
    pub(crate) fn on_dropped(&mut self, life: usize, from_ms: u64) {
        self.dropped.insert(life, from_ms);
    }

    /// Nobody else may have it.
    fn check_free(&mut self, id: &str, name: usize, now: u64) -> Checked {
        for (other, person) in &mut self.people {
            let has_it = person
                .name
                .is_some_and(|it| Self::fold(it) == Self::fold(name));
            if other == id || !has_it || !person.perhaps.is_empty() {
                continue;
            }
            let mut ends = person.lives.iter().map(|life| self.dropped.get(life));
            // `None` while one of them is surely there.
            let left_ms = ends.try_fold(person.left_from_ms, |left, end| Some(left.max(*end?)));
            if left_ms.is_none_or(|left_ms| now < left_ms + ABSENCE_MS) {
                return Err(format!(
                    "{id} is {:?}, and so is {other}: {person:?}",
                    NAMES[name]
                ));
            }
            // They were forgotten.
            let former = person.name.take();
            person.former.extend(former.map(|former| (former, now)));
        }
        Ok(())
    }

    /// Somebody else must have it, or have had it a moment ago.
    fn check_taken(&self, id: &str, name: usize, now: u64) -> Checked {
        // Until when is not known exactly: a connection that is given up ends when the server learns of it, and an answer
        // may be long on its way.
        const SLACK_MS: u64 = 200_000;
        let is_taken = self.people.iter().any(|(other, person)| {
            let mut names = person.name.iter().chain(&person.perhaps);
            let has_it = names.any(|it| Self::fold(*it) == Self::fold(name));
            let is_here = !person.lives.is_empty() || now < person.left_ms + ABSENCE_MS + SLACK_MS;
            let mut former = person.former.iter();
            let had_it = former
                .any(|(it, until)| Self::fold(*it) == Self::fold(name) && now < until + SLACK_MS);
            other != id && (had_it || has_it && (is_here || !person.perhaps.is_empty()))
        });
        is_taken
            .then_some(())
            .ok_or_else(|| format!("nobody is {:?}, and {id} cannot be", NAMES[name]))
    }
}
