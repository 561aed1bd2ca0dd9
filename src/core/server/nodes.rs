//! Other nodes that share rooms and people with this one: what they are told, and what they tell.
//!
//! All of it goes through the log ([`PeopleRequest`], [`PeopleNews`]). What the log cannot carry out now it may leave undone:
//! what was told is compared every `limits::RENEW_MS`, and told again where it differs.

use std::collections::VecDeque;

use crate::codec::ws::close::CloseReason;
use crate::core::budget::cost;
use crate::core::chat::{
    Author, Format, KeptPerson, PersonChange, PersonId, PersonName, PublicId, RoomName, Told,
    keys_of_name,
};
use crate::core::id::ConnectionId;
use crate::core::net::ending::Ending;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::arriving::Arriving;
use crate::core::server::finding::Finding;
use crate::core::server::known_names::KnownNames;
use crate::core::server::lists::Lists;
use crate::core::server::questions::Questions;
use crate::core::store::{
    BanRequest, Here, KnownPresence, PeopleNews, PeopleRequest, Person, PublicPerson, Request,
    SharedPerson,
};
use crate::core::stream::Stream;
use crate::limits::{RENEW_MS, RENEWED_AT_ONCE};

/// What is kept of the other nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    /// What the log was asked, and has not answered.
    pub(super) questions: Questions,
    pub(super) lists: Lists,
    pub(super) finding: Finding,
    pub(super) known_names: KnownNames,
    /// Direct messages that have come from other nodes.
    pub(super) arriving: VecDeque<Arriving>,
    /// When what was told is renewed next.
    renew_ms: u64,
    rooms: Walk<RoomName>,
    people: Walk<PersonId>,
}

/// How far a walk over all of something has come.
#[derive(Debug)]
enum Walk<T> {
    Over,
    /// It goes on after this one, or begins.
    After(Option<T>),
}

impl<T> Walk<T> {
    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

impl Nodes {
    fn new(now_ms: u64) -> Self {
        Self {
            questions: Questions::default(),
            lists: Lists::default(),
            finding: Finding::default(),
            known_names: KnownNames::default(),
            arriving: VecDeque::new(),
            renew_ms: now_ms + RENEW_MS,
            rooms: Walk::Over,
            people: Walk::Over,
        }
    }

    /// Whether the next tick has something to do.
    pub(super) fn has_work(&self) -> bool {
        !(self.arriving.is_empty() && self.rooms.is_over() && self.people.is_over())
    }

    /// When something is to be done next.
    pub(super) fn next_deadline_ms(&self) -> u64 {
        let due_ms = [
            self.questions.next_due_ms(),
            self.lists.next_due_ms(),
            self.finding.next_due_ms(),
        ];
        let due_ms = due_ms.into_iter().flatten().min();
        due_ms.map_or(self.renew_ms, |due_ms| due_ms.min(self.renew_ms))
    }
}

impl<S: Stream> Server<S> {
    /// From now on other nodes have the same rooms and people: the log that `use_store` has announced knows them all. To be
    /// called after that, and before the first connection or `take_over`. Whoever drives the server passes on what the log
    /// tells, by [`on_people_news`](Self::on_people_news).
    pub fn share_people(&mut self, now: Now) {
        self.nodes = Some(Box::new(Nodes::new(now.ms)));
        self.chat.share(now.ms);
    }

    /// There is no log any more, and so no other node.
    pub(super) fn lose_nodes(&mut self, now: Now) {
        self.refuse_questions(now);
        self.nodes = None;
        self.chat.stop_sharing();
    }

    /// Asks the log for something that is not answered, if there is one that is shared.
    pub(super) fn ask_nodes(&mut self, request: PeopleRequest) {
        if let Some(outbox) = self.outbox.as_mut().filter(|_| self.nodes.is_some()) {
            outbox.push(Request::People(request));
        }
    }

    /// The log tells what others have done.
    pub fn on_people_news(&mut self, news: PeopleNews, now: Now) {
        self.budget.spend(cost::MESSAGE);
        if self.nodes.is_none() {
            return;
        }
        match news {
            PeopleNews::Presence { node, here } => self.on_presence(&node, here, now),
            PeopleNews::TellWhole { room } => {
                if let Some(room) = RoomName::parse(&room) {
                    self.chat.tell_whole(&room, now.ms);
                }
            }
            PeopleNews::Begun {
                partition,
                number,
                room,
                offset,
            } => {
                if let Some(nodes) = &mut self.nodes {
                    nodes.finding.on_beginning(partition, number);
                }
                if let Some(room) = RoomName::parse(&room) {
                    self.chat.on_beginning(&room, offset);
                }
            }
            PeopleNews::BeginningsMissed => self.chat.miss_beginnings(),
            PeopleNews::NodeGone { node } => self.chat.on_node_gone(&node),
            PeopleNews::Kept(person) => {
                let author = Author::stored(person.person.public_id, &person.person.name);
                self.chat.follow_name(&author, now.ms);
            }
            PeopleNews::Unknown(people) => {
                self.budget.spend(cost::LOOKUP * people.len() as u64);
                for person in people {
                    self.chat.keep_again(PublicId::of_number(person));
                }
            }
            PeopleNews::NameLost { person, keys } => {
                self.on_name_lost(PublicId::of_number(person), &keys, now);
            }
            PeopleNews::Direct {
                answer_to,
                to,
                message,
            } => self.on_direct(answer_to, &to, &message),
            PeopleNews::ShowSender { to, message } => self.on_show_sender(&to, &message),
            PeopleNews::Ban { id, text } => self.on_ban_elsewhere(&id, text.as_deref(), now),
            PeopleNews::Bans(texts) => self.replace_bans(&texts, now),
            PeopleNews::BansLost => self.keep_bans_again(),
            PeopleNews::Close { name } => {
                if let Some(name) = PersonName::of_token(&name) {
                    self.close_person(&name, "an admin at another node", now);
                }
            }
        }
    }

    fn on_presence(&mut self, node: &str, here: Here, now: Now) {
        let Some(room) = RoomName::parse(&here.room) else {
            return;
        };
        let count = here.present.len() + here.gone.len();
        self.budget.spend(cost::LOOKUP * count as u64);
        self.chat.hear(node, &room, told(here), now.ms);
    }

    /// Tells other nodes what is due, and asks them what is not known.
    pub(super) fn tell_nodes(&mut self, now: Now) {
        if self.nodes.is_none() {
            return;
        }
        // The server that takes the place of this one does not know what is due.
        let until_ms = if self.is_held { u64::MAX } else { now.ms };
        while self.budget.is_left()
            && let Some((room, told)) = self.chat.take_told(until_ms)
        {
            let count = told.present.len() + told.gone.len();
            self.budget
                .spend(cost::MESSAGE + cost::LOOKUP * count as u64);
            self.ask_nodes(PeopleRequest::Tell(here(&room, &told)));
        }
        while self.budget.is_left() {
            let begun = self.chat.take_begun(RENEWED_AT_ONCE);
            if begun.is_empty() {
                break;
            }
            self.list(&begun);
        }
        while self.budget.is_left()
            && let Some(room) = self.chat.take_unknown()
        {
            self.budget.spend(cost::MESSAGE);
            if let Some(known) = self.known_presence(&room) {
                self.ask_nodes(PeopleRequest::Compare(vec![known]));
            }
        }
        while self.budget.is_left() && self.chat.forget_gone(now.ms) {
            self.budget.spend(cost::LOOKUP);
        }
        self.renew(now);
    }

    fn known_presence(&self, room: &RoomName) -> Option<KnownPresence> {
        let known = self.chat.known_of(room)?;
        let others = known.others.iter();
        Some(KnownPresence {
            room: room.as_str().into(),
            own: known.own,
            others: others.map(|(node, it)| ((&**node).into(), *it)).collect(),
        })
    }

    /// These rooms are in use here.
    fn list(&mut self, rooms: &[RoomName]) {
        if !rooms.is_empty() {
            self.budget.spend(cost::LOOKUP * rooms.len() as u64);
            let rooms = rooms.iter().map(|room| room.as_str().into());
            self.ask_nodes(PeopleRequest::List(rooms.collect()));
        }
    }

    /// What this node has told, and whom it holds, is to be kept for longer: in parts, as long as the tick's share lasts.
    fn renew(&mut self, now: Now) {
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        if nodes.renew_ms <= now.ms {
            nodes.renew_ms = now.ms + RENEW_MS;
            nodes.rooms = Walk::After(None);
            nodes.people = Walk::After(None);
            self.ask_store_of_ban(BanRequest::Compare);
        }
        while self.budget.is_left()
            && let Some(nodes) = &mut self.nodes
            && let Walk::After(last) = std::mem::replace(&mut nodes.rooms, Walk::Over)
        {
            let last = last.as_ref().map(RoomName::as_str);
            let (rooms, next) = self.chat.rooms_after(last, RENEWED_AT_ONCE);
            self.budget.spend(cost::LOOKUP * RENEWED_AT_ONCE as u64);
            self.list(&rooms);
            let known = rooms.iter().filter_map(|room| self.known_presence(room));
            let known: Vec<KnownPresence> = known.collect();
            if !known.is_empty() {
                self.ask_nodes(PeopleRequest::Compare(known));
            }
            if let (Some(nodes), Some(next)) = (&mut self.nodes, next) {
                nodes.rooms = Walk::After(Some(next));
            }
        }
        while self.budget.is_left()
            && let Some(nodes) = &mut self.nodes
            && let Walk::After(last) = std::mem::replace(&mut nodes.people, Walk::Over)
        {
            let (held, next) = self.chat.held_after(last, RENEWED_AT_ONCE);
            self.budget.spend(cost::LOOKUP * RENEWED_AT_ONCE as u64);
            let held: Vec<PublicPerson> = held.iter().map(public_person).collect();
            if let (Some(nodes), Some(next)) = (&mut self.nodes, next) {
                nodes.people = Walk::After(Some(next));
                self.ask_nodes(PeopleRequest::Renew(held));
            }
        }
    }

    /// Somebody's name is another's: the log had lost it. Whoever holds a token for it logs in again, as that person or not at
    /// all; all others are told that they are guests.
    fn on_name_lost(&mut self, person: PublicId, keys: &[Box<str>], now: Now) {
        let Some(person) = self.chat.lose_name(person, keys, now.ms) else {
            return;
        };
        let name = self.chat.author(person).name;
        log::warn!("a name is somebody else's at another node: its owner here is {name} now");
        for id in self.chat.connections_of(person).to_vec() {
            self.budget.spend(cost::MESSAGE);
            if self.access.rights(id).grant().is_some() {
                self.close(id, Ending::Announce(CloseReason::TryAgainLater), now);
            } else {
                self.tell_new_name(id);
            }
        }
    }

    fn tell_new_name(&mut self, id: ConnectionId) {
        let words = self.get(id).and_then(|it| it.door.facts().words);
        let Some(name) = self.person(id).map(|person| self.chat.author(person).name) else {
            return;
        };
        if words == Some(Format::Lines) {
            let text = format!("* you are {name}: somebody else has your name now\n");
            self.send_line(id, &text);
        } else if let Some(welcome) = self.welcome(None, id) {
            self.send_json(id, &welcome);
        }
    }

    /// What the log is told of a person.
    pub(super) fn tell_of_person(&mut self, change: PersonChange, now: Now) {
        self.ask_nodes(match change {
            PersonChange::Keep(person) => {
                let keys = keys_of_name(&person.author.name);
                let person = stored_person(&person, now);
                PeopleRequest::Keep(Box::new(SharedPerson { person, keys }))
            }
            PersonChange::Forget(_, id) => PeopleRequest::Drop {
                person: id.number(),
            },
            PersonChange::Hold(person) => {
                let author = self.chat.author(person);
                PeopleRequest::Renew(vec![public_person(&author)])
            }
        });
    }
}

/// Somebody as a store keeps them.
pub(super) fn stored_person(person: &KeptPerson, now: Now) -> Person {
    Person {
        number: person.id.0,
        public_id: person.author.id.number(),
        name: person.author.name.to_string().into(),
        secret_hash: person.secret_hash,
        seen_ms: now.unix_ms,
    }
}

/// Somebody as others know them.
pub(super) fn public_person(author: &Author) -> PublicPerson {
    PublicPerson {
        id: author.id.number(),
        name: author.name.to_string().into(),
    }
}

/// What a node has told.
pub(super) fn told(here: Here) -> Told {
    let present = here.present.iter();
    Told {
        sequence: here.sequence,
        after: here.after,
        unlisted: here.unlisted,
        present: present.map(|it| Author::stored(it.id, &it.name)).collect(),
        gone: here.gone.into_iter().map(PublicId::of_number).collect(),
    }
}

fn here(room: &RoomName, told: &Told) -> Here {
    Here {
        room: room.as_str().into(),
        sequence: told.sequence,
        after: told.after,
        unlisted: told.unlisted,
        present: told.present.iter().map(public_person).collect(),
        gone: told.gone.iter().map(|id| id.number()).collect(),
    }
}
