//! People whom other nodes have, too.

use std::ops::Bound;

use super::{KeptPerson, People, PersonChange, Record};
use crate::core::chat::people::shown::Shown;
use crate::core::chat::person::{Author, Name, PersonId, PublicId};
use crate::core::chat::person_name::{NameSkeleton, PersonName};

impl People {
    /// From now on other nodes have the same people, and are told of all who are here.
    pub(in crate::core::chat) fn share(&mut self) {
        self.is_shared = true;
        self.guests.share();
        let ids: Vec<PersonId> = self.people.keys().copied().collect();
        for id in ids {
            self.note_kept(id);
        }
    }

    /// Somebody of this public id, if they are here or were a moment ago.
    pub(in crate::core::chat) fn find_public(&self, id: PublicId) -> Option<PersonId> {
        let local = PersonId::of_public(id);
        let record = self.people.get(&local)?;
        (record.public_id == id).then_some(local)
    }

    /// Somebody whom another node has kept comes back here. Says whether the secret is theirs, and there is place for them.
    pub(in crate::core::chat) fn admit(
        &mut self,
        person: KeptPerson,
        shown: Shown,
        now_ms: u64,
    ) -> bool {
        let mut secret = super::Secret::Hash(person.secret_hash);
        secret.admits(shown.secret) && self.adopt(person, now_ms)
    }

    /// The same of somebody whom nobody asks for a secret. Says whether there is place for them.
    pub(in crate::core::chat) fn adopt(&mut self, person: KeptPerson, now_ms: u64) -> bool {
        let (id, public_id) = (person.id, person.author.id);
        self.restore(person, now_ms);
        let is_here = self.find_public(public_id) == Some(id);
        if is_here {
            self.note_held(id);
        }
        is_here
    }

    /// Somebody is here whom other nodes may have given another name.
    pub(super) fn note_held(&mut self, id: PersonId) {
        if let Some(changes) = self.changes.as_mut().filter(|_| self.is_shared) {
            changes.push(PersonChange::Hold(id));
        }
    }

    /// Somebody has another name at another node. Says whether they have it here now.
    pub(in crate::core::chat) fn follow(&mut self, author: &Author) -> Option<PersonId> {
        let id = self.find_public(author.id)?;
        let skeleton = NameSkeleton::of_name(&author.name);
        let mut owners = skeleton.keys().filter_map(|key| self.by_name.get(key));
        let is_free = owners.all(|owner| *owner == id);
        let record = self.people.get(&id)?;
        let is_same = record.name.to_string() == author.name.to_string();
        if !is_free || is_same {
            return None;
        }
        self.set_name(id, author.name.clone(), &skeleton);
        Some(id)
    }

    /// Somebody has lost their name to another, if it has one of these keys: they are a guest again. Says whether.
    pub(in crate::core::chat) fn lose_name(
        &mut self,
        id: PublicId,
        keys: &[Box<str>],
    ) -> Option<PersonId> {
        let id = self.find_public(id)?;
        let record = self.people.get(&id)?;
        let former = NameSkeleton::of_name(&record.name);
        let is_lost = former
            .keys()
            .any(|key| keys.iter().any(|lost| **lost == *key));
        if !is_lost || matches!(record.name, Name::Guest(_)) {
            return None;
        }
        let name = self.guests.author(id).name;
        let skeleton = NameSkeleton::of_name(&name);
        if skeleton == former {
            // There is no other name for them.
            return None;
        }
        self.set_name(id, name, &skeleton);
        self.note_kept(id);
        Some(id)
    }

    fn set_name(&mut self, id: PersonId, name: Name, skeleton: &NameSkeleton) {
        if let Some(record) = self.people.get_mut(&id) {
            let former = std::mem::replace(&mut record.name, name);
            self.unlink(&NameSkeleton::of_name(&former));
            self.link(skeleton, id);
        }
    }

    /// Whether somebody needs more than they have to have this name: one of its keys is not theirs.
    pub(in crate::core::chat) fn lacks_key(&self, id: PersonId, name: &PersonName) -> bool {
        let mut keys = name.keys();
        keys.any(|key| self.by_name.get(key) != Some(&id))
    }

    /// Whose key this is.
    pub(in crate::core::chat) fn find_key(&self, key: &str) -> Option<PersonId> {
        self.by_name.get(key).copied()
    }

    /// Those after this one, in the order of their numbers.
    pub(in crate::core::chat) fn after(
        &self,
        id: Option<PersonId>,
    ) -> impl Iterator<Item = (PersonId, Author)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let people = self.people.range((from, Bound::Unbounded));
        people.map(
            |(
                id,
                Record {
                    public_id, name, ..
                },
            )| {
                let (author_id, name) = (*public_id, name.clone());
                (
                    *id,
                    Author {
                        id: author_id,
                        name,
                    },
                )
            },
        )
    }
}
