//! People as they are told to the server that takes over.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{People, Record};
use crate::core::chat::person::{Guests, PersonId};
use crate::core::chat::person_name::NameSkeleton;

/// Everyone, and who is away. How names are compared is each server's own.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core::chat) struct PeopleState {
    guests: Guests,
    people: BTreeMap<PersonId, Record>,
    absent: VecDeque<(u64, PersonId)>,
}

impl People {
    pub(in crate::core::chat) fn state(&self) -> PeopleState {
        PeopleState {
            guests: self.guests,
            people: self.people.clone(),
            absent: self.absent.clone(),
        }
    }

    pub(in crate::core::chat) fn take_over(&mut self, state: PeopleState) {
        self.guests = state.guests;
        self.absent = state.absent;
        for (id, record) in state.people {
            self.link(&NameSkeleton::of_name(&record.name), id);
            for (place, connection) in record.connections.iter().enumerate() {
                self.set_place(*connection, place);
            }
            self.people.insert(id, record);
        }
    }
}
