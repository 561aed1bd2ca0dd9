//! Who people are: under which names they come, and how they come back.

use crate::core::chat::Chat;
use crate::core::chat::format::{Format, RoomId};
use crate::core::chat::people::{KeptPerson, NameTakenError, PersonChange};
use crate::core::chat::person::{Author, Name, PersonId, PublicId};
use crate::core::chat::person_name::PersonName;
use crate::core::chat::presence::Change;
use crate::core::chat::secret::Secret;
use crate::core::id::ConnectionId;
use chacha20::rand_core::Rng;

/// Why someone cannot be who they say.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) enum Login {
    Done(PersonId),
    NameTaken,
    UnknownSecret,
    /// `--max-per-person`.
    TooManyConnections,
}

impl Chat {
    /// Someone comes by the JSON door, as a guest for now.
    pub(in crate::core) fn begin_person(&mut self, id: ConnectionId) -> PersonId {
        let person = PersonId(id.number());
        let secret = self.random_secret();
        self.people.begin(person, Secret::Known(secret), id);
        person
    }

    fn random_secret(&mut self) -> u128 {
        u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64())
    }

    /// Someone whom the store has kept is away, and may come back.
    pub(in crate::core) fn restore_person(&mut self, person: KeptPerson, now_ms: u64) {
        self.people.restore(person, now_ms);
    }

    /// What the store is to be told of people since this was asked last.
    pub(in crate::core) fn take_person_changes(&mut self) -> Vec<PersonChange> {
        self.people.take_changes()
    }

    /// One of a person's connections has ended, and has left its rooms.
    pub(in crate::core) fn disconnect(&mut self, id: ConnectionId, person: PersonId, now_ms: u64) {
        self.people.disconnect(person, id, now_ms);
    }

    /// Makes a connection that of the person whose secret is `resume`, and gives that person a name.
    pub(in crate::core) fn login(
        &mut self,
        id: ConnectionId,
        person: PersonId,
        resume: Option<&str>,
        name: Option<&PersonName>,
        now_ms: u64,
    ) -> Login {
        let owner = match resume.map(|token| self.people.find_by_token(token)) {
            Some(None) => return Login::UnknownSecret,
            Some(Some(owner)) if owner != person && self.has_all_connections(owner) => {
                return Login::TooManyConnections;
            }
            Some(Some(owner)) => owner,
            None => person,
        };
        // The name first: if it is taken, nothing has happened.
        if let Some(name) = name {
            let before = self.people.author(owner);
            if self.people.rename(owner, name) == Err(NameTakenError) {
                return Login::NameTaken;
            }
            if before != self.people.author(owner) {
                self.send_new_name(owner, now_ms);
            }
        }
        if owner != person {
            self.move_connection(id, person, owner, now_ms);
        }
        Login::Done(owner)
    }

    /// Whether someone has as many connections as they may have.
    fn has_all_connections(&self, person: PersonId) -> bool {
        let most = self.limits.max_per_person;
        most > 0 && self.people.connections(person).len() >= most
    }

    /// Whether this name is somebody else's, who only looks the same: `alice` is not `ALICE`.
    pub(in crate::core) fn is_taken_by_another(&self, name: &PersonName) -> bool {
        let mut alike = self.people.find(name);
        alike.any(|owner| !self.is_named(owner, name))
    }

    /// Whether this name is somebody's, or looks like somebody's.
    pub(in crate::core) fn is_taken(&self, name: &PersonName) -> bool {
        self.people.find(name).next().is_some()
    }

    /// Makes a connection that of the person of this name, to the letter. Says who that is.
    pub(in crate::core) fn login_as(
        &mut self,
        id: ConnectionId,
        person: PersonId,
        name: &PersonName,
        now_ms: u64,
    ) -> Result<PersonId, NameTakenError> {
        if self.is_taken_by_another(name) {
            return Err(NameTakenError);
        }
        match self.find_named(name) {
            Some(owner) if owner != person => {
                let secret = self.random_secret();
                self.people.ensure_secret(owner, secret);
                self.move_connection(id, person, owner, now_ms);
                Ok(owner)
            }
            Some(_) => Ok(person),
            None => {
                self.people.rename(person, name)?;
                self.send_new_name(person, now_ms);
                Ok(person)
            }
        }
    }

    /// Whether someone has come in, and is not forgotten.
    pub(in crate::core) fn knows(&self, person: PersonId) -> bool {
        self.people.knows(person)
    }

    /// How others know someone.
    pub(in crate::core) fn public_id(&self, id: PersonId) -> PublicId {
        self.people.public_id(id)
    }

    pub(in crate::core) fn author(&self, id: PersonId) -> Author {
        self.people.author(id)
    }

    /// The secret by which someone comes back.
    pub(in crate::core) fn resume_token(&self, id: PersonId) -> Option<String> {
        self.people.resume_token(id)
    }

    /// Whose secret this is, as the author of a message.
    pub(in crate::core) fn author_by_secret(&mut self, secret: &str) -> Option<Author> {
        let person = self.people.find_by_token(secret)?;
        Some(self.people.author(person))
    }

    /// Whose name this is, to the letter.
    pub(in crate::core) fn find_named(&self, name: &PersonName) -> Option<PersonId> {
        let mut alike = self.people.find(name);
        alike.find(|owner| self.is_named(*owner, name))
    }

    fn is_named(&self, person: PersonId, name: &PersonName) -> bool {
        self.people.author(person).name == Name::Chosen(name.shown())
    }

    pub(in crate::core) fn find_person(&self, name: &str) -> Option<PersonId> {
        self.people.find_by_name(name)
    }

    pub(in crate::core) fn connections_of(&self, id: PersonId) -> &[ConnectionId] {
        self.people.connections(id)
    }

    /// The connection is from now on one of `to`'s; who was nothing but this connection is forgotten.
    fn move_connection(&mut self, id: ConnectionId, from: PersonId, to: PersonId, now_ms: u64) {
        let rooms: Vec<RoomId> = self.rooms_of(id).collect();
        for &room in &rooms {
            // They were told that they are here as `from`.
            self.rooms[room.index].changes.on_listed();
            self.disappear(room, from, Format::Json, now_ms);
        }
        if self.people.connections(from) == [id] {
            self.people.forget(from);
        } else {
            self.people.disconnect(from, id, now_ms);
        }
        self.people.connect(to, id);
        for &room in &rooms {
            self.appear(room, to, Format::Json, now_ms);
            self.rooms[room.index].roster_changes += 1;
        }
    }

    pub(super) fn send_new_name(&mut self, person: PersonId, now_ms: u64) {
        let connections = self.people.connections(person).to_vec();
        let mut rooms: Vec<RoomId> = connections
            .into_iter()
            .flat_map(|id| self.rooms_of(id))
            .collect();
        rooms.sort_unstable();
        rooms.dedup();
        for room in rooms {
            self.rooms[room.index].roster_changes += 1;
            self.note(room, Change::Renamed, person, now_ms);
        }
    }
}
