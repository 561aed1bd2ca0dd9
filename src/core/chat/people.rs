//! Those who have come by the JSON door: their names, their connections, and the secrets by which they come back.

pub(super) mod shared;
pub(super) mod shown;
pub(super) mod state;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::core::chat::people::shown::Shown;
use crate::core::chat::person::{Author, Guests, Name, PersonId, PublicId};
use crate::core::chat::person_name::{NameSkeleton, PersonName};
use crate::core::chat::secret::Secret;
pub(in crate::core) use crate::core::chat::secret::SecretHash;
use crate::core::id::ConnectionId;
use crate::limits::{ABSENCE_MS, MAX_ABSENT};

#[derive(Debug)]
pub(super) struct People {
    guests: Guests,
    people: BTreeMap<PersonId, Record>,
    /// By what names are found by; guests' names among them.
    by_name: BTreeMap<String, PersonId>,
    /// Who has left with their last connection, and when they are forgotten; some may have come back.
    absent: VecDeque<(u64, PersonId)>,
    /// By connection index: where that connection stands among those of its person.
    places: Vec<u32>,
    /// What a store is to be told, if there is one.
    changes: Option<Vec<PersonChange>>,
    /// Other nodes have the same people.
    is_shared: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    public_id: PublicId,
    name: Name,
    secret: Secret,
    connections: Vec<ConnectionId>,
    /// Forgotten then, unless they come back.
    forgotten_ms: Option<u64>,
}

/// What is to be kept of people, or forgotten.
#[derive(Debug)]
pub(in crate::core) enum PersonChange {
    /// Someone has come, or has another name.
    Keep(KeptPerson),
    Forget(PersonId, PublicId),
    /// Somebody whom other nodes keep is here, too.
    Hold(PersonId),
}

/// Someone as a store keeps them.
#[derive(Clone, Debug)]
pub(in crate::core) struct KeptPerson {
    pub(in crate::core) id: PersonId,
    pub(in crate::core) author: Author,
    pub(in crate::core) secret_hash: SecretHash,
}

/// The name is someone else's.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) struct NameTakenError;

impl People {
    pub(super) fn new(guests: Guests) -> Self {
        Self {
            guests,
            people: BTreeMap::new(),
            by_name: BTreeMap::new(),
            absent: VecDeque::new(),
            places: Vec::new(),
            changes: None,
            is_shared: false,
        }
    }

    /// From now on a store is told of changes.
    pub(super) fn use_store(&mut self) {
        self.changes = Some(Vec::new());
    }

    /// It is not any more.
    pub(super) fn lose_store(&mut self) {
        self.changes = None;
    }

    /// What has changed since this was asked last.
    pub(super) fn take_changes(&mut self) -> Vec<PersonChange> {
        self.changes.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// Someone whom the store has kept is away, and may come back.
    pub(super) fn restore(&mut self, person: KeptPerson, now_ms: u64) {
        let KeptPerson {
            id,
            author,
            secret_hash,
        } = person;
        let skeleton = NameSkeleton::of_name(&author.name);
        if self.people.contains_key(&id)
            || skeleton.keys().any(|key| self.by_name.contains_key(key))
        {
            return;
        }
        self.link(&skeleton, id);
        let until_ms = now_ms + ABSENCE_MS;
        let record = Record {
            public_id: author.id,
            name: author.name,
            secret: Secret::Hash(secret_hash),
            connections: Vec::new(),
            forgotten_ms: Some(until_ms),
        };
        self.people.insert(id, record);
        self.absent.push_back((until_ms, id));
    }

    /// Someone who came back without the secret gets a new one.
    pub(super) fn ensure_secret(&mut self, id: PersonId, secret: u128) {
        if let Some(record) = self.people.get_mut(&id)
            && record.secret.shown().is_none()
        {
            record.secret = Secret::Known(secret);
            self.note_kept(id);
        }
    }

    pub(super) fn note_kept(&mut self, id: PersonId) {
        if let (Some(changes), Some(record)) = (&mut self.changes, self.people.get(&id)) {
            changes.push(PersonChange::Keep(KeptPerson {
                id,
                author: Author {
                    id: record.public_id,
                    name: record.name.clone(),
                },
                secret_hash: record.secret.hash(),
            }));
        }
    }

    /// A new guest with their first connection.
    pub(super) fn begin(&mut self, id: PersonId, secret: Secret, connection: ConnectionId) {
        self.set_place(connection, 0);
        let name = self.guests.author(id).name;
        self.link(&NameSkeleton::of_name(&name), id);
        let record = Record {
            public_id: self.guests.public_id(id),
            name,
            secret,
            connections: vec![connection],
            forgotten_ms: None,
        };
        self.people.insert(id, record);
        self.note_kept(id);
    }

    /// How others know someone.
    pub(super) fn public_id(&self, id: PersonId) -> PublicId {
        let record = self.people.get(&id);
        record.map_or_else(|| self.guests.public_id(id), |record| record.public_id)
    }

    /// Someone as they are now. Who came by another door is a guest.
    pub(super) fn author(&self, id: PersonId) -> Author {
        match self.people.get(&id) {
            Some(record) => Author {
                id: record.public_id,
                name: record.name.clone(),
            },
            None => self.guests.author(id),
        }
    }

    /// What `resume` wants to see; `None` for someone who was restored, and has not shown it.
    pub(super) fn resume_token(&self, id: PersonId) -> Option<String> {
        let record = self.people.get(&id)?;
        let secret = record.secret.shown()?;
        let number = match self.is_shared {
            true => record.public_id.number(),
            false => id.0,
        };
        Some(format!("{number:x}.{secret:032x}"))
    }

    /// Whose secret this is.
    pub(super) fn find_by_token(&mut self, token: &str) -> Option<PersonId> {
        let Shown { person, secret } = Shown::parse(token)?;
        let id = PersonId::of_public(person);
        let record = self.people.get_mut(&id)?;
        // A server that shares its people with no other tells a number that is only its own.
        let is_it = person == record.public_id || person.number() == id.0;
        (is_it && record.secret.admits(secret)).then_some(id)
    }

    pub(super) fn knows(&self, id: PersonId) -> bool {
        self.people.contains_key(&id)
    }

    /// Those whose names look like this one: two if half of each looks like another's.
    pub(super) fn find(&self, name: &PersonName) -> impl Iterator<Item = PersonId> {
        name.keys().filter_map(|key| self.by_name.get(key).copied())
    }

    pub(super) fn find_by_name(&self, name: &str) -> Option<PersonId> {
        let skeleton = NameSkeleton::of_mention(name)?;
        skeleton
            .keys()
            .find_map(|key| self.by_name.get(key).copied())
    }

    pub(super) fn connections(&self, id: PersonId) -> &[ConnectionId] {
        self.people
            .get(&id)
            .map_or(&[], |record| &record.connections)
    }

    /// Takes a free name.
    pub(super) fn rename(&mut self, id: PersonId, name: &PersonName) -> Result<(), NameTakenError> {
        if self.find(name).any(|owner| owner != id) {
            return Err(NameTakenError);
        }
        if let Some(record) = self.people.get_mut(&id) {
            let name = Name::Chosen(name.shown());
            let former = std::mem::replace(&mut record.name, name.clone());
            self.unlink(&NameSkeleton::of_name(&former));
            self.link(&NameSkeleton::of_name(&name), id);
            self.note_kept(id);
        }
        Ok(())
    }

    /// Another connection of someone who is known.
    pub(super) fn connect(&mut self, id: PersonId, connection: ConnectionId) {
        if let Some(record) = self.people.get_mut(&id) {
            let place = record.connections.len();
            record.connections.push(connection);
            let was_away = record.forgotten_ms.take().is_some();
            self.set_place(connection, place);
            if was_away {
                self.note_held(id);
            }
        }
    }

    /// A connection has ended. After the last one the name is kept for a while.
    pub(super) fn disconnect(&mut self, id: PersonId, connection: ConnectionId, now_ms: u64) {
        let Some(record) = self.people.get_mut(&id) else {
            return;
        };
        // At a cost that does not grow with their number: the last one takes its place.
        let place = self.places.get(connection.index()).copied();
        let place = place.map_or(usize::MAX, |place| place as usize);
        if record.connections.get(place) == Some(&connection) {
            record.connections.swap_remove(place);
            if let Some(moved) = record.connections.get(place) {
                self.places[moved.index()] = place as u32;
            }
        }
        if record.connections.is_empty() {
            let forgotten_ms = now_ms + ABSENCE_MS;
            record.forgotten_ms = Some(forgotten_ms);
            self.absent.push_back((forgotten_ms, id));
        }
        while self.absent.len() > MAX_ABSENT {
            self.forget_first();
        }
    }

    fn set_place(&mut self, connection: ConnectionId, place: usize) {
        let index = connection.index();
        if self.places.len() <= index {
            self.places.resize(index + 1, 0);
        }
        self.places[index] = place as u32;
    }

    /// Drops someone at once whose only connection has become somebody else's.
    pub(super) fn forget(&mut self, id: PersonId) {
        if let Some(record) = self.people.remove(&id) {
            self.unlink(&NameSkeleton::of_name(&record.name));
            if let Some(changes) = &mut self.changes {
                changes.push(PersonChange::Forget(id, record.public_id));
            }
        }
    }

    fn link(&mut self, skeleton: &NameSkeleton, id: PersonId) {
        let keys = skeleton.keys().map(|key| (key.to_owned(), id));
        self.by_name.extend(keys);
    }

    fn unlink(&mut self, skeleton: &NameSkeleton) {
        for key in skeleton.keys() {
            self.by_name.remove(key);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.people.len()
    }

    /// When the next one is forgotten.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.absent.front().map(|(forgotten_ms, _)| *forgotten_ms)
    }

    pub(super) fn forget_due(&mut self, now_ms: u64) -> bool {
        let forgotten_ms = self.next_deadline_ms();
        let is_due = forgotten_ms.is_some_and(|forgotten_ms| forgotten_ms <= now_ms);
        if is_due {
            self.forget_first();
        }
        is_due
    }

    fn forget_first(&mut self) {
        if let Some((forgotten_ms, id)) = self.absent.pop_front()
            && let Some(record) = self.people.get(&id)
            && record.forgotten_ms == Some(forgotten_ms)
        {
            self.forget(id);
        }
    }

    /// Checks that names and people agree.
    pub(super) fn check(&self) -> Result<(), String> {
        use crate::core::ensure::ensure;
        let mut keys = 0;
        for (id, record) in &self.people {
            let skeleton = NameSkeleton::of_name(&record.name);
            keys += skeleton.keys().count();
            ensure(
                skeleton.keys().all(|key| self.by_name.get(key) == Some(id)),
                "someone is not found by their name",
            )?;
            let mut connections = record.connections.iter().enumerate();
            ensure(
                connections.all(|(place, id)| self.places[id.index()] as usize == place),
                "a connection stands elsewhere among those of its person",
            )?;
            ensure(
                record.connections.is_empty() == record.forgotten_ms.is_some(),
                "someone without a connection is not to be forgotten",
            )?;
        }
        ensure(
            self.by_name.len() == keys,
            "names are left of people who are gone",
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(index: u32) -> ConnectionId {
        ConnectionId::new(index as usize, index.into())
    }

    fn name(text: &str) -> PersonName {
        PersonName::parse(text).unwrap()
    }

    #[test]
    fn a_name_stays_theirs_for_a_while() {
        let mut people = People::new(Guests::starting_at(PersonId(0), 0));
        people.begin(PersonId(1), Secret::Known(7), connection(1));
        people.begin(PersonId(2), Secret::Known(8), connection(2));
        assert_eq!(people.rename(PersonId(1), &name("Alice")), Ok(()));
        assert_eq!(people.rename(PersonId(1), &name("alice")), Ok(()));
        assert_eq!(
            people.rename(PersonId(2), &name("ALICE")),
            Err(NameTakenError)
        );
        people.disconnect(PersonId(1), connection(1), 1000);
        assert_eq!(
            people.rename(PersonId(2), &name("alice")),
            Err(NameTakenError)
        );
        assert!(people.forget_due(1000 + ABSENCE_MS));
        assert_eq!(people.rename(PersonId(2), &name("alice")), Ok(()));
        assert_eq!(people.check(), Ok(()));
    }

    #[test]
    fn who_comes_back_in_time_is_not_forgotten() {
        let mut people = People::new(Guests::starting_at(PersonId(0), 0));
        people.begin(PersonId(1), Secret::Known(7), connection(1));
        let token = people.resume_token(PersonId(1)).unwrap();
        people.disconnect(PersonId(1), connection(1), 0);
        assert_eq!(people.find_by_token(&token), Some(PersonId(1)));
        people.connect(PersonId(1), connection(5));
        while people.forget_due(10 * ABSENCE_MS) {}
        assert_eq!(people.find_by_token(&token), Some(PersonId(1)));
        for wrong in ["", "1.", "1.8", "2.7", "1.zz", &format!("{token}0")] {
            assert_eq!(people.find_by_token(wrong), None, "{wrong}");
        }
    }
}
