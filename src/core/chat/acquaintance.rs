//! People of whom other nodes know: those who come back here, and whose names are theirs everywhere.

use crate::core::chat::Chat;
use crate::core::chat::people::KeptPerson;
use crate::core::chat::people::shown::Shown;
use crate::core::chat::person::{Author, Name, PersonId, PublicId};
use crate::core::chat::person_name::{NameSkeleton, PersonName};

impl Chat {
    /// Who is to be asked for elsewhere, because nobody here has this secret.
    pub(in crate::core) fn unknown_holder(&mut self, token: &str) -> Option<Shown> {
        match self.people.find_by_token(token) {
            Some(_) => None,
            None => Shown::parse(token),
        }
    }

    /// Whether nobody but the log can say if somebody may have this name: whoever shows `resume`, or else `person`.
    /// `None`: they have it, or somebody else here has.
    pub(in crate::core) fn claimant(
        &mut self,
        person: PersonId,
        resume: Option<&str>,
        name: &PersonName,
    ) -> Option<PublicId> {
        let owner = match resume {
            Some(token) => self.people.find_by_token(token)?,
            None => person,
        };
        let mut alike = self.people.find(name);
        let is_free = alike.all(|other| other == owner);
        let lacks_key = self.people.lacks_key(owner, name);
        (is_free && lacks_key).then(|| self.people.public_id(owner))
    }

    /// The same for the name of a token, which may be that of somebody here.
    pub(in crate::core) fn claimant_by_token(
        &self,
        person: PersonId,
        name: &PersonName,
    ) -> Option<PublicId> {
        let is_known = self.people.find(name).next().is_some();
        (!is_known).then(|| self.people.public_id(person))
    }

    /// Somebody whom another node has kept comes back here, if this is their secret. Says whether they are here now.
    pub(in crate::core) fn admit_person(
        &mut self,
        person: KeptPerson,
        shown: Shown,
        now_ms: u64,
    ) -> bool {
        self.people.admit(person, shown, now_ms)
    }

    /// Somebody whom another node has kept is here, too, or will be in a moment.
    pub(in crate::core) fn adopt_person(&mut self, person: KeptPerson, now_ms: u64) -> bool {
        self.people.adopt(person, now_ms)
    }

    /// Somebody has another name at another node: here, too. Says whether there is something to tell them.
    pub(in crate::core) fn follow_name(
        &mut self,
        author: &Author,
        now_ms: u64,
    ) -> Option<PersonId> {
        let person = self.people.follow(author)?;
        self.send_new_name(person, now_ms);
        Some(person)
    }

    /// Somebody has lost their name to another, and is a guest again. Says who.
    pub(in crate::core) fn lose_name(
        &mut self,
        person: PublicId,
        keys: &[Box<str>],
        now_ms: u64,
    ) -> Option<PersonId> {
        let person = self.people.lose_name(person, keys)?;
        self.send_new_name(person, now_ms);
        Some(person)
    }

    /// They are to be kept again.
    pub(in crate::core) fn keep_again(&mut self, person: PublicId) {
        if let Some(person) = self.people.find_public(person) {
            self.people.note_kept(person);
        }
    }

    /// Whether somebody has a name that is compared by this.
    pub(in crate::core) fn has_key(&self, person: PublicId, key: &str) -> bool {
        let owner = self.people.find_key(key);
        owner.is_some() && owner == self.people.find_public(person)
    }

    /// Those after this one whom this node holds, so many at most, and the last of them.
    pub(in crate::core) fn held_after(
        &self,
        after: Option<PersonId>,
        most: usize,
    ) -> (Vec<Author>, Option<PersonId>) {
        let (mut held, mut last) = (Vec::new(), None);
        for (person, author) in self.people.after(after).take(most) {
            held.push(author);
            last = Some(person);
        }
        (held, last)
    }

    /// Somebody who is called by one of these keys.
    pub(in crate::core) fn find_by_keys(&self, keys: &[Box<str>]) -> Option<PersonId> {
        keys.iter().find_map(|key| self.people.find_key(key))
    }

    /// Somebody of this id whom this node holds.
    pub(in crate::core) fn find_public(&self, person: PublicId) -> Option<PersonId> {
        self.people.find_public(person)
    }
}

/// What somebody is asked for by whom others call by this; `None` if nobody is called so.
pub(in crate::core) fn keys_of_mention(text: &str) -> Option<Vec<Box<str>>> {
    NameSkeleton::of_mention(text).map(|it| boxed(&it))
}

/// What a name is compared by.
pub(in crate::core) fn keys_of_name(name: &Name) -> Vec<Box<str>> {
    boxed(&NameSkeleton::of_name(name))
}

fn boxed(skeleton: &NameSkeleton) -> Vec<Box<str>> {
    skeleton.keys().map(Into::into).collect()
}
