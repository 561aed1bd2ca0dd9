//! What a store keeps besides the messages that somebody waits for, and what becomes of a server that loses its store.

use std::ops::Bound;

use crate::codec::json::event::Durability;
use crate::core::chat::{Author, Draft, KeptPerson, PersonChange, PersonId, PublishError, RoomId};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::nodes::stored_person;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{Answer, FilesToForget, Person, Request};
use crate::core::stream::Stream;
use crate::limits::STORE_RETRY_MS;

impl<S: Stream> Server<S> {
    /// What the store has kept, after `use_store` and before the first connection: people who may come back, and the names of rooms.
    pub fn restore<'a>(
        &mut self,
        people: Vec<Person>,
        rooms: impl Iterator<Item = &'a str>,
        now: Now,
    ) {
        self.chat.restore_names(rooms);
        for person in people {
            let kept = KeptPerson {
                id: PersonId(person.number),
                author: Author::stored(person.public_id, &person.name),
                secret_hash: person.secret_hash,
            };
            self.chat.restore_person(kept, now.ms);
        }
    }

    /// Rooms of the store in which values are expected or end, each with when the first is late or ends, in milliseconds since
    /// 1970: they are asked for then. To be called after `restore`.
    pub fn restore_deadlines<'a>(&mut self, rooms: impl Iterator<Item = (&'a str, u64)>, now: Now) {
        self.chat.restore_wakes(rooms, now);
    }

    /// The store has failed for good, and nothing is kept from now on. What it has not accepted is refused. Rooms go on
    /// with a new epoch, and their members are told so.
    pub fn lose_store(&mut self, now: Now) {
        self.lose_nodes(now);
        let Some(_) = self.outbox.take() else {
            return;
        };
        for ticket in self.waiting.tickets() {
            let answer = Answer::Refused {
                ticket,
                retry_ms: 0,
            };
            self.conclude(&answer, now);
        }
        self.waiting.forget_written_behind();
        self.end_readers(now);
        self.end_pasts(now);
        self.lose_files(now);
        self.chat.lose_store();
        self.lose_hook_store(now);
        self.lose_push_store();
        self.end_loads();
        self.tell_new_epochs();
    }

    /// The store has failed for good, and the server is to end. Who waits for the store is refused, and so is who has asked
    /// it for something since: to be called in each tick until the end, in place of passing requests on.
    pub fn refuse_requests(&mut self, now: Now) {
        let Some(outbox) = &mut self.outbox else {
            return;
        };
        outbox.clear();
        for ticket in self.waiting.unanswered() {
            let retry_ms = STORE_RETRY_MS;
            self.conclude(&Answer::Refused { ticket, retry_ms }, now);
        }
        self.waiting.forget_written_behind();
        self.refuse_readers(now);
        self.end_pasts(now);
        self.lose_files(now);
        self.refuse_loads(now);
        self.refuse_questions(now);
    }

    /// Members who know epochs are told where their rooms are now, once they have read what is queued for them.
    fn tell_new_epochs(&mut self) {
        let names = self.chat.rooms_from(Bound::Unbounded).map(|(name, _)| name);
        let rooms: Vec<RoomId> = names.filter_map(|name| self.chat.find(name)).collect();
        for room in rooms {
            self.fall_behind_all(room, self.chat.next_offset(room));
        }
    }

    /// Whether a message is published only once the store has committed it.
    pub(super) fn waits_for_commits(&self) -> bool {
        self.outbox.is_some() && self.durability() != Durability::Memory
    }

    /// Gives a message that is published now to the store, if there is one.
    pub(super) fn write_behind(
        &mut self,
        room: RoomId,
        draft: &Draft<'_>,
        offset: u64,
        now: Now,
    ) -> Result<(), PublishError> {
        let is_full = self.waiting.is_full();
        let (Some(outbox), Some(name)) = (&mut self.outbox, self.chat.room_name(room)) else {
            return Ok(());
        };
        if is_full {
            return Err(UNAVAILABLE);
        }
        let epoch = self.chat.epoch(room);
        let place = (Some(offset), self.files.kept(draft));
        let (ticket, bytes) = outbox.append(name, epoch, draft, None, place, draft.at_ms(now));
        self.waiting.add_behind(ticket, bytes);
        Ok(())
    }

    /// The answer to a message that was published before it, if it is one.
    pub(super) fn on_written_behind(&mut self, answer: Answer) -> Result<(), Answer> {
        if !self.waiting.take_behind(answer.ticket()) {
            return Err(answer);
        }
        if matches!(answer, Answer::Refused { .. }) {
            log::error!("a message that was published is not kept: the store has refused it");
        }
        let held = self.waiting.take_held();
        self.resume_reading(held);
        Ok(())
    }

    /// Tells the store who has come, has another name, or is forgotten.
    pub(super) fn send_people_to_store(&mut self, now: Now) {
        if self.outbox.is_none() {
            return;
        }
        for change in self.chat.take_person_changes() {
            if self.nodes.is_some() {
                self.tell_of_person(change, now);
            } else if let Some(outbox) = &mut self.outbox {
                outbox.push(match change {
                    PersonChange::Keep(person) => Request::KeepPerson(stored_person(&person, now)),
                    PersonChange::Forget(PersonId(number), _) => Request::ForgetPerson { number },
                    PersonChange::Hold(_) => continue,
                });
            }
        }
    }

    /// Tells the store at the end of a tick who has come, has another name, or is forgotten, and what is to be forgotten.
    pub(super) fn send_changes_to_store(&mut self, now: Now) {
        self.unfollow_rooms();
        self.send_people_to_store(now);
        let Some(outbox) = &mut self.outbox else {
            return;
        };
        for it in self.chat.take_to_forget() {
            let (room, epoch) = (it.room.as_str().into(), it.epoch);
            let request = match it.state {
                None => {
                    self.files.forget_room(&it.room, epoch);
                    let in_room = FilesToForget::Room {
                        room: it.room.as_str().into(),
                        epoch,
                    };
                    self.files.forget_links(in_room, Some(outbox));
                    Request::ForgetRoom { room, epoch }
                }
                Some((key, offset)) => Request::ForgetState {
                    room,
                    epoch,
                    key,
                    offset,
                },
            };
            outbox.push(request);
        }
    }
}
