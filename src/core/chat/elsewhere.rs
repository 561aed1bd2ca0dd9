//! Who is in a room at other nodes, as these have told it.

pub(super) mod state;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::core::chat::person::{Author, Name, PublicId};
use crate::core::chat::presence::Change;
use crate::limits::MAX_LISTED;

/// Who is in a room at one node, or what has changed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct Told {
    /// It grows with each that a node tells.
    pub(in crate::core) sequence: u64,
    /// That of the one before it of this room; 0: this is the whole.
    pub(in crate::core) after: u64,
    /// So many are there besides those who are listed.
    pub(in crate::core) unlisted: usize,
    pub(in crate::core) present: Vec<Author>,
    pub(in crate::core) gone: Vec<PublicId>,
}

/// What was told does not follow on what is known: the whole has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HoleError;

/// Who has come, gone or has another name, and whether the number of those who are not listed has changed.
pub(super) type Heard = (Vec<(Change, Author)>, bool);

/// Those in a room at other nodes.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    nodes: BTreeMap<Rc<str>, Node>,
    /// All whom they list.
    people: BTreeMap<PublicId, Seen>,
    unlisted: usize,
    /// How many of `people` are in the room here, too.
    here_too: usize,
}

#[derive(Debug, Default)]
struct Node {
    sequence: u64,
    unlisted: usize,
    people: BTreeMap<PublicId, Name>,
}

#[derive(Debug)]
struct Seen {
    name: Name,
    /// At so many nodes.
    nodes: usize,
}

impl Told {
    /// Nobody is there any more.
    pub(super) fn nobody(sequence: u64) -> Self {
        Self {
            sequence,
            after: 0,
            unlisted: 0,
            present: Vec::new(),
            gone: Vec::new(),
        }
    }
}

impl Elsewhere {
    /// How many are there who are not here.
    pub(super) fn count(&self) -> usize {
        self.unlisted + self.people.len() - self.here_too
    }

    pub(super) fn has(&self, person: PublicId) -> bool {
        self.people.contains_key(&person)
    }

    /// Somebody has come here. Says whether they were there already.
    pub(super) fn on_arrival(&mut self, person: PublicId) -> bool {
        let is_there = self.has(person);
        self.here_too += usize::from(is_there);
        is_there
    }

    /// Somebody has gone from here. Says whether they are there still.
    pub(super) fn on_departure(&mut self, person: PublicId) -> bool {
        let is_there = self.has(person);
        self.here_too -= usize::from(is_there);
        is_there
    }

    /// Those who are listed.
    pub(super) fn people(&self) -> impl Iterator<Item = Author> {
        let people = self.people.iter();
        people.map(|(id, seen)| Author {
            id: *id,
            name: seen.name.clone(),
        })
    }

    /// The nodes that somebody is at, and what was heard last of each.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Rc<str>, u64)> {
        self.nodes.iter().map(|(node, it)| (node, it.sequence))
    }

    /// A node has told who is there. Says who has come, gone or has another name by that, and whether the number of others
    /// has changed. What was heard before is ignored.
    pub(super) fn hear(
        &mut self,
        from: &Rc<str>,
        mut told: Told,
        is_here: impl Fn(PublicId) -> bool,
    ) -> Result<Heard, HoleError> {
        let known = self.nodes.get(from).map_or(0, |node| node.sequence);
        let is_whole = told.after == 0;
        if told.sequence < known || (told.sequence == known && !is_whole) {
            return Ok((Vec::new(), false));
        }
        if !is_whole && told.after != known {
            return Err(HoleError);
        }
        let listed = self.nodes.get(from).map_or(0, |node| node.people.len());
        if !is_whole && listed + told.present.len() > 2 * MAX_LISTED {
            // No node lists as many.
            return Err(HoleError);
        }
        if told.present.len() > MAX_LISTED {
            told.unlisted += told.present.len();
            told.present.clear();
        }
        let mut gone = told.gone;
        if let Some(node) = self.nodes.get(from).filter(|_| is_whole) {
            let is_present = |id: &PublicId| told.present.iter().any(|it| it.id == *id);
            gone = node
                .people
                .keys()
                .filter(|id| !is_present(id))
                .copied()
                .collect();
        }
        let mut changes = Vec::new();
        for id in gone {
            changes.extend(self.remove(from, id, &is_here));
        }
        for who in told.present {
            changes.extend(self.add(from, who, &is_here));
        }
        let node = self.nodes.entry(Rc::clone(from)).or_default();
        node.sequence = told.sequence;
        let before = std::mem::replace(&mut node.unlisted, told.unlisted);
        self.unlisted = self.unlisted - before + told.unlisted;
        let (listed, is_over) = (node.people.len(), node.unlisted == 0);
        if listed == 0 && is_over {
            self.nodes.remove(from);
        }
        Ok((changes, before != told.unlisted))
    }

    /// A node has ended. Says the same.
    pub(super) fn forget(&mut self, from: &str, is_here: impl Fn(PublicId) -> bool) -> Heard {
        let Some((from, node)) = self.nodes.remove_entry(from) else {
            return (Vec::new(), false);
        };
        let unlisted = node.unlisted;
        self.unlisted -= unlisted;
        let ids: Vec<PublicId> = node.people.keys().copied().collect();
        self.nodes.insert(Rc::clone(&from), node);
        let gone = ids.into_iter();
        let changes = gone
            .filter_map(|id| self.remove(&from, id, &is_here))
            .collect();
        self.nodes.remove(&from);
        (changes, unlisted > 0)
    }

    fn add(
        &mut self,
        from: &Rc<str>,
        who: Author,
        is_here: &impl Fn(PublicId) -> bool,
    ) -> Option<(Change, Author)> {
        let node = self.nodes.entry(Rc::clone(from)).or_default();
        let is_new_there = node.people.insert(who.id, who.name.clone()).is_none();
        let Some(seen) = self.people.get_mut(&who.id) else {
            let (name, nodes) = (who.name.clone(), 1);
            self.people.insert(who.id, Seen { name, nodes });
            let is_here = is_here(who.id);
            self.here_too += usize::from(is_here);
            return (!is_here).then_some((Change::Joined, who));
        };
        seen.nodes += usize::from(is_new_there);
        let is_renamed = seen.name != who.name;
        seen.name = who.name.clone();
        // Who is here, too, has their name from here.
        (is_renamed && !is_here(who.id)).then_some((Change::Renamed, who))
    }

    fn remove(
        &mut self,
        from: &Rc<str>,
        id: PublicId,
        is_here: &impl Fn(PublicId) -> bool,
    ) -> Option<(Change, Author)> {
        self.nodes.get_mut(from)?.people.remove(&id)?;
        let seen = self.people.get_mut(&id)?;
        seen.nodes -= 1;
        if seen.nodes > 0 {
            return self.rename(id, is_here);
        }
        let name = self.people.remove(&id)?.name;
        let is_here = is_here(id);
        self.here_too -= usize::from(is_here);
        (!is_here).then_some((Change::Left, Author { id, name }))
    }

    /// Somebody is called what one of the nodes says at which they are still.
    fn rename(
        &mut self,
        id: PublicId,
        is_here: &impl Fn(PublicId) -> bool,
    ) -> Option<(Change, Author)> {
        let mut told = self.nodes.values().filter_map(|node| node.people.get(&id));
        let name = told.next()?.clone();
        let seen = self.people.get_mut(&id)?;
        if seen.name == name {
            return None;
        }
        seen.name = name.clone();
        (!is_here(id)).then_some((Change::Renamed, Author { id, name }))
    }

    /// Checks that the sums are right.
    pub(super) fn check(&self, is_here: impl Fn(PublicId) -> bool) -> Result<(), String> {
        use crate::core::ensure::ensure;
        let mut nodes: BTreeMap<PublicId, usize> = BTreeMap::new();
        for id in self.nodes.values().flat_map(|node| node.people.keys()) {
            *nodes.entry(*id).or_default() += 1;
        }
        let seen = self.people.iter().map(|(id, seen)| (*id, seen.nodes));
        ensure(
            nodes.into_iter().eq(seen),
            "people at other nodes are miscounted",
        )?;
        let unlisted: usize = self.nodes.values().map(|node| node.unlisted).sum();
        ensure(
            unlisted == self.unlisted,
            "those at other nodes who are not listed are miscounted",
        )?;
        let here_too = self.people.keys().filter(|id| is_here(**id)).count();
        ensure(
            here_too == self.here_too,
            "those who are here and elsewhere are miscounted",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::person::PersonId;

    fn guest(number: u64) -> Author {
        Author::guest(PersonId(number))
    }

    fn whole(sequence: u64, unlisted: usize, present: &[u64]) -> Told {
        Told {
            sequence,
            after: 0,
            unlisted,
            present: present.iter().copied().map(guest).collect(),
            gone: Vec::new(),
        }
    }

    fn change(sequence: u64, after: u64, present: &[u64], gone: &[u64]) -> Told {
        let gone = gone.iter().map(|number| guest(*number).id).collect();
        Told {
            after,
            gone,
            ..whole(sequence, 0, present)
        }
    }

    fn nobody(_: PublicId) -> bool {
        false
    }

    #[test]
    fn who_is_at_two_nodes_counts_once() {
        let [a, b]: [Rc<str>; 2] = ["a".into(), "b".into()];
        let mut elsewhere = Elsewhere::default();
        let (changes, is_counted) = elsewhere.hear(&a, whole(1, 3, &[1, 2]), nobody).unwrap();
        assert_eq!((changes.len(), is_counted, elsewhere.count()), (2, true, 5));
        let (changes, _) = elsewhere.hear(&b, whole(1, 0, &[2, 3]), nobody).unwrap();
        assert_eq!(changes, [(Change::Joined, guest(3))]);
        assert_eq!(elsewhere.count(), 6);
        assert!(elsewhere.on_arrival(guest(3).id) && !elsewhere.on_arrival(guest(4).id));
        assert_eq!(elsewhere.count(), 5, "one of them is counted here");
        let is_here = |id| id == guest(3).id || id == guest(4).id;
        assert_eq!(elsewhere.check(is_here), Ok(()));
        let (changes, _) = elsewhere.forget("b", is_here);
        assert_eq!((changes, elsewhere.count()), (Vec::new(), 5));
        assert_eq!(elsewhere.check(is_here), Ok(()));
        let (changes, is_counted) = elsewhere.forget("a", is_here);
        assert_eq!((changes.len(), is_counted, elsewhere.count()), (2, true, 0));
        assert_eq!(elsewhere.nodes().count(), 0);
    }

    #[test]
    fn a_change_that_does_not_follow_is_not_taken() {
        let node: Rc<str> = "a".into();
        let mut elsewhere = Elsewhere::default();
        assert_eq!(
            elsewhere.hear(&node, change(2, 1, &[1], &[]), nobody),
            Err(HoleError)
        );
        elsewhere.hear(&node, whole(2, 0, &[1, 2]), nobody).unwrap();
        let (changes, _) = elsewhere
            .hear(&node, change(5, 2, &[3], &[1]), nobody)
            .unwrap();
        assert_eq!(
            changes,
            [(Change::Left, guest(1)), (Change::Joined, guest(3))]
        );
        assert_eq!(
            elsewhere.hear(&node, change(8, 7, &[], &[2]), nobody),
            Err(HoleError)
        );
        for late in [whole(4, 9, &[]), change(5, 2, &[9], &[])] {
            let heard = elsewhere.hear(&node, late, nobody);
            assert_eq!(heard, Ok((Vec::new(), false)));
        }
        let (changes, _) = elsewhere.hear(&node, whole(8, 0, &[3]), nobody).unwrap();
        assert_eq!(changes, [(Change::Left, guest(2))]);
        assert_eq!((elsewhere.count(), elsewhere.check(nobody)), (1, Ok(())));
        elsewhere
            .hear(&node, change(9, 8, &[], &[3]), nobody)
            .unwrap();
        assert_eq!(
            elsewhere.nodes().count(),
            0,
            "a node without members is none"
        );
    }

    #[test]
    fn who_has_another_name_is_told() {
        let node: Rc<str> = "a".into();
        let mut elsewhere = Elsewhere::default();
        elsewhere.hear(&node, whole(1, 0, &[1]), nobody).unwrap();
        let renamed = Author {
            name: Name::Chosen("ana".into()),
            ..guest(1)
        };
        let told = Told {
            present: vec![renamed.clone()],
            ..change(2, 1, &[], &[])
        };
        let (changes, _) = elsewhere.hear(&node, told, nobody).unwrap();
        assert_eq!(changes, [(Change::Renamed, renamed.clone())]);
        let listed: Vec<Author> = elsewhere.people().collect();
        assert_eq!(listed, std::slice::from_ref(&renamed));
        // What the last node says counts that they are at.
        let late: Rc<str> = "late".into();
        let (changes, _) = elsewhere.hear(&late, whole(1, 0, &[1]), nobody).unwrap();
        assert_eq!(changes, [(Change::Renamed, guest(1))]);
        let (changes, _) = elsewhere.forget("late", nobody);
        assert_eq!(changes, [(Change::Renamed, renamed)]);
    }
}
