//! A log of people that several servers share: it answers late, loses news, loses all that it has, or is away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlor::core::store::{
    Addressee, Answer, Here, KnownPresence, PeopleAnswer, PeopleNews, PeopleRequest, PublicPerson,
    Request, RoomsInUse, SharedPerson, Ticket, WantedRooms,
};
use parlor::core::{Now, Server, Stream};
use parlor::limits::NODE_TTL_MS;

use crate::random::Random;

/// Names that are looked at for a list of rooms before it is asked again.
const LISTED_AT_ONCE: usize = 3;

/// What a log does to those who use it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    /// Milliseconds after which a request is carried out, an answer comes, or a piece of news, at most.
    pub(crate) late_ms: usize,
    /// Of a thousand pieces of news so many are lost.
    pub(crate) lost: usize,
    /// It carries nothing out, and says so to those who wait.
    pub(crate) is_away: bool,
}

/// Something on its way, and when it is there.
type Late<T> = VecDeque<(u64, T)>;

/// What is on its way to and from one node.
#[derive(Default)]
struct Lines {
    requests: Late<PeopleRequest>,
    answers: Late<Answer>,
    news: Late<PeopleNews>,
    /// When it has died.
    dead_ms: Option<u64>,
}

/// What a node has told of a room.
#[derive(Clone, Debug)]
struct Told {
    sequence: u64,
    unlisted: usize,
    people: BTreeMap<u64, PublicPerson>,
    /// Until when it is kept.
    until_ms: u64,
}

#[derive(Debug)]
struct Record {
    shared: SharedPerson,
    /// Until when each node holds them.
    holders: BTreeMap<Box<str>, u64>,
}

pub(crate) struct PeopleLog {
    pub(crate) habit: Habit,
    random: Random,
    now_ms: u64,
    nodes: BTreeMap<Box<str>, Lines>,
    rooms: BTreeMap<Box<str>, BTreeMap<Box<str>, Told>>,
    people: BTreeMap<u64, Record>,
    /// Rooms that are in use, and until when.
    listed: BTreeMap<Box<str>, u64>,
    /// Whose each key is, and until when.
    names: BTreeMap<Box<str>, (u64, u64)>,
}

impl PeopleLog {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            habit: Habit::default(),
            random,
            now_ms: 0,
            nodes: BTreeMap::new(),
            rooms: BTreeMap::new(),
            people: BTreeMap::new(),
            listed: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    pub(crate) fn add_node(&mut self, node: &str) {
        self.nodes.insert(node.into(), Lines::default());
    }

    /// A node says nothing any more. What it has asked for last is carried out.
    pub(crate) fn kill(&mut self, node: &str) {
        if let Some(lines) = self.nodes.get_mut(node) {
            lines.dead_ms = Some(self.now_ms);
        }
    }

    /// It has nothing any more.
    pub(crate) fn lose_all(&mut self) {
        self.rooms.clear();
        self.people.clear();
        self.listed.clear();
        self.names.clear();
    }

    /// Whose a key is; for those who look.
    pub(crate) fn owner_of(&self, key: &str) -> Option<u64> {
        let (owner, until_ms) = self.names.get(key)?;
        (*until_ms > self.now_ms).then_some(*owner)
    }

    /// Takes what a node asks for, and gives it what has come for it.
    pub(crate) fn serve<S: Stream>(&mut self, node: &str, server: &mut Server<S>, now: Now) {
        self.now_ms = now.ms;
        while let Some(request) = server.next_request() {
            if let Request::People(request) = request {
                self.take(node, request);
            }
        }
        self.carry_out_due(node);
        let Some(lines) = self.nodes.get_mut(node) else {
            return;
        };
        let (mut answers, mut news) = (Vec::new(), Vec::new());
        take_due(&mut lines.answers, now.ms, &mut answers);
        take_due(&mut lines.news, now.ms, &mut news);
        let answers_first = self.random.chance(500);
        if answers_first {
            for answer in std::mem::take(&mut answers) {
                server.on_answer(answer, now);
            }
        }
        for news in news {
            server.on_people_news(news, now);
        }
        for answer in answers {
            server.on_answer(answer, now);
        }
    }

    fn take(&mut self, node: &str, request: PeopleRequest) {
        if self.habit.is_away {
            let ticket = match request {
                PeopleRequest::Look { ticket, .. }
                | PeopleRequest::Rooms { ticket, .. }
                | PeopleRequest::RoomsOf { ticket, .. }
                | PeopleRequest::HearBeginnings { ticket, .. }
                | PeopleRequest::Count { ticket, .. }
                | PeopleRequest::Whose { ticket, .. }
                | PeopleRequest::Claim { ticket, .. }
                | PeopleRequest::Find { ticket, .. } => ticket,
                PeopleRequest::Direct {
                    ticket: Some(ticket),
                    ..
                } => ticket,
                _ => return,
            };
            return self.answer(node, ticket, PeopleAnswer::Unavailable);
        }
        let due_ms = self.later();
        if let Some(lines) = self.nodes.get_mut(node) {
            lines.requests.push_back((due_ms, request));
        }
    }

    fn later(&mut self) -> u64 {
        self.now_ms + self.random.below(self.habit.late_ms + 1) as u64
    }

    fn carry_out_due(&mut self, node: &str) {
        let mut due = Vec::new();
        if let Some(lines) = self.nodes.get_mut(node) {
            take_due(&mut lines.requests, self.now_ms, &mut due);
        }
        for request in due {
            self.carry_out(node, request);
        }
    }

    /// What nodes that died have asked for, and their end.
    pub(crate) fn bury(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let dead = self.nodes.iter().filter(|(_, it)| it.dead_ms.is_some());
        let dead: Vec<(Box<str>, u64)> = dead
            .filter_map(|(node, it)| Some((node.clone(), it.dead_ms?)))
            .collect();
        for (node, dead_ms) in dead {
            self.carry_out_due(&node);
            if dead_ms + NODE_TTL_MS <= now_ms {
                self.nodes.remove(&node);
                for told in self.rooms.values_mut() {
                    told.remove(&node);
                }
                self.tell_others(&node, &PeopleNews::NodeGone { node: node.clone() });
            }
        }
        for told in self.rooms.values_mut() {
            told.retain(|_, told| told.until_ms > now_ms);
        }
        self.people.retain(|_, record| {
            record.holders.retain(|_, until_ms| *until_ms > now_ms);
            !record.holders.is_empty()
        });
        self.names.retain(|_, (_, until_ms)| *until_ms > now_ms);
    }

    fn answer(&mut self, node: &str, ticket: Ticket, answer: PeopleAnswer) {
        let due_ms = self.later();
        if let Some(lines) = self.nodes.get_mut(node) {
            let answer = Answer::People { ticket, answer };
            lines.answers.push_back((due_ms, answer));
        }
    }

    fn tell(&mut self, node: &str, news: PeopleNews) {
        let due_ms = self.later();
        if self.random.chance(self.habit.lost) {
            return;
        }
        if let Some(lines) = self.nodes.get_mut(node) {
            lines.news.push_back((due_ms, news));
        }
    }

    fn tell_others(&mut self, node: &str, news: &PeopleNews) {
        let others = self.nodes.keys().filter(|other| ***other != *node);
        for other in others.cloned().collect::<Vec<_>>() {
            self.tell(&other, news.clone());
        }
    }

    fn carry_out(&mut self, node: &str, request: PeopleRequest) {
        match request {
            PeopleRequest::Tell(here) => self.hear(node, here),
            PeopleRequest::Compare(rooms) => {
                for known in rooms {
                    self.compare(node, &known);
                }
            }
            PeopleRequest::Look { ticket, room } => {
                let present = self.present(node, &room);
                self.answer(node, ticket, PeopleAnswer::Present(present));
            }
            PeopleRequest::List(rooms) => {
                let until_ms = self.until_ms();
                let rooms = rooms.into_iter().map(|room| (room, until_ms));
                self.listed.extend(rooms);
            }
            // This log has no messages: servers find rooms by themselves.
            PeopleRequest::HearBeginnings { ticket, .. }
            | PeopleRequest::RoomsOf { ticket, .. } => {
                self.answer(node, ticket, PeopleAnswer::Unavailable);
            }
            PeopleRequest::IgnoreBeginnings => {}
            PeopleRequest::Rooms { ticket, wanted } => {
                let rooms = self.rooms(&wanted);
                self.answer(node, ticket, PeopleAnswer::Rooms(rooms));
            }
            PeopleRequest::Count { ticket, rooms } => {
                let counts = rooms.into_iter();
                let counts = counts.map(|room| (room.clone(), self.count(&room)));
                let counts = PeopleAnswer::Counts(counts.collect());
                self.answer(node, ticket, counts);
            }
            PeopleRequest::Whose { ticket, keys } => {
                let is_taken = keys.iter().any(|key| self.owner_of(key).is_some());
                let answer = match is_taken {
                    true => PeopleAnswer::Taken(None),
                    false => PeopleAnswer::Free,
                };
                self.answer(node, ticket, answer);
            }
            PeopleRequest::Claim {
                ticket,
                person,
                keys,
            } => {
                let answer = self.claim(person, &keys);
                self.answer(node, ticket, answer);
            }
            PeopleRequest::Release { person, keys } => self.release(person, &keys),
            PeopleRequest::Keep(shared) => self.keep(node, &shared),
            PeopleRequest::Renew(people) => self.renew(node, &people),
            PeopleRequest::Drop { person } => self.drop_holder(node, person),
            PeopleRequest::Find { ticket, person } => {
                let found = self.people.get(&person);
                let found = found.map(|it| Box::new(it.shared.clone()));
                self.answer(node, ticket, PeopleAnswer::Found(found));
            }
            PeopleRequest::Direct {
                ticket,
                to,
                message,
            } => {
                let owner = match &to {
                    Addressee::Called(keys) => keys.iter().find_map(|key| self.owner_of(key)),
                    Addressee::Person(id) => Some(*id),
                };
                let holders = owner.map_or_else(Vec::new, |owner| self.others_with(node, owner));
                for holder in &holders {
                    let direct = PeopleNews::Direct {
                        answer_to: ticket.map(|ticket| (node.into(), ticket)),
                        to: to.clone(),
                        message: message.clone(),
                    };
                    self.tell(holder, direct);
                }
                if let Some(ticket) = ticket {
                    self.answer(node, ticket, PeopleAnswer::SentTo(holders.len()));
                }
            }
            PeopleRequest::ShowSender { to, message } => {
                for holder in self.others_with(node, message.from.id) {
                    let (to, message) = (to.clone(), message.clone());
                    self.tell(&holder, PeopleNews::ShowSender { to, message });
                }
            }
            PeopleRequest::Outcome {
                node,
                ticket,
                outcome,
            } => self.answer(&node, ticket, PeopleAnswer::Outcome(outcome)),
            PeopleRequest::Close { name } => {
                self.tell_others(node, &PeopleNews::Close { name });
            }
        }
    }

    fn others_with(&self, node: &str, person: u64) -> Vec<Box<str>> {
        let holders = self.people.get(&person).map(|it| it.holders.keys());
        let others = holders.into_iter().flatten();
        others.filter(|it| ***it != *node).cloned().collect()
    }

    fn hear(&mut self, node: &str, here: Here) {
        let nodes = self.rooms.entry(here.room.clone()).or_default();
        let known = nodes.get(node).map_or(0, |told| told.sequence);
        if here.after != 0 && here.after != known {
            let room = here.room;
            return self.tell(node, PeopleNews::TellWhole { room });
        }
        let told = nodes.entry(node.into()).or_insert(Told {
            sequence: 0,
            unlisted: 0,
            people: BTreeMap::new(),
            until_ms: 0,
        });
        told.until_ms = self.now_ms + NODE_TTL_MS;
        if here.after == 0 {
            told.people.clear();
        }
        told.sequence = here.sequence;
        told.unlisted = here.unlisted;
        for person in &here.gone {
            told.people.remove(person);
        }
        for person in &here.present {
            told.people.insert(person.id, person.clone());
        }
        if told.unlisted == 0 && told.people.is_empty() {
            nodes.remove(node);
        }
        let node: Box<str> = node.into();
        self.tell_others(&node.clone(), &PeopleNews::Presence { node, here });
    }

    fn compare(&mut self, node: &str, known: &KnownPresence) {
        let (room, until_ms) = (&known.room, self.until_ms());
        let nodes = self.rooms.get_mut(room);
        if let Some(told) = nodes.and_then(|nodes| nodes.get_mut(node)) {
            told.until_ms = until_ms;
        }
        let told = self.rooms.get(room).cloned().unwrap_or_default();
        let own = told.get(node).map_or(0, |told| told.sequence);
        if own != known.own {
            let room = room.clone();
            self.tell(node, PeopleNews::TellWhole { room });
        }
        let heard: BTreeMap<&str, u64> = known.others.iter().map(|(it, at)| (&**it, *at)).collect();
        for (other, here) in self.present(node, room) {
            if heard.get(&*other) != Some(&here.sequence) {
                self.tell(node, PeopleNews::Presence { node: other, here });
            }
        }
        for (other, sequence) in heard
            .iter()
            .filter(|(other, _)| !told.contains_key(**other))
        {
            let here = Here {
                room: room.clone(),
                sequence: *sequence,
                after: 0,
                unlisted: 0,
                present: Vec::new(),
                gone: Vec::new(),
            };
            let other = (*other).into();
            self.tell(node, PeopleNews::Presence { node: other, here });
        }
    }

    /// The next rooms that are in use.
    fn rooms(&self, wanted: &WantedRooms) -> RoomsInUse {
        let is_wanted = |room: &str| match wanted {
            WantedRooms::Name(name) => *room == **name,
            WantedRooms::Head { head, after } => {
                let is_next = after.as_ref().is_none_or(|after| *room > **after);
                room.starts_with(&**head) && is_next
            }
        };
        let listed = self.listed.iter().filter(|(room, _)| is_wanted(room));
        let mut found: Vec<(&Box<str>, u64)> = listed.map(|(room, it)| (room, *it)).collect();
        let upto = found.get(LISTED_AT_ONCE - 1);
        let upto = upto.map(|(last, _)| (*last).clone());
        found.truncate(LISTED_AT_ONCE);
        found.retain(|(_, until_ms)| *until_ms > self.now_ms);
        let rooms = found.iter().map(|(room, _)| (*room).clone());
        RoomsInUse {
            rooms: rooms.collect(),
            upto,
        }
    }

    /// How many are in a room at all nodes.
    fn count(&self, room: &str) -> usize {
        let told = self.rooms.get(room).into_iter().flatten();
        let told: Vec<&Told> = told.map(|(_, told)| told).collect();
        let people: BTreeSet<&u64> = told.iter().flat_map(|it| it.people.keys()).collect();
        people.len() + told.iter().map(|it| it.unlisted).sum::<usize>()
    }

    /// Who is in a room at all nodes but this one.
    fn present(&self, node: &str, room: &str) -> Vec<(Box<str>, Here)> {
        let nodes = self.rooms.get(room).into_iter().flatten();
        let others = nodes.filter(|(other, _)| ***other != *node);
        let here = |told: &Told| Here {
            room: room.into(),
            sequence: told.sequence,
            after: 0,
            unlisted: told.unlisted,
            present: told.people.values().cloned().collect(),
            gone: Vec::new(),
        };
        others
            .map(|(other, told)| (other.clone(), here(told)))
            .collect()
    }

    fn until_ms(&self) -> u64 {
        self.now_ms + NODE_TTL_MS
    }

    fn claim(&mut self, person: u64, keys: &[Box<str>]) -> PeopleAnswer {
        let owners = keys.iter().filter_map(|key| self.owner_of(key));
        if let Some(owner) = owners.into_iter().find(|owner| *owner != person) {
            let by = self.people.get(&owner);
            return PeopleAnswer::Taken(by.map(|it| Box::new(it.shared.clone())));
        }
        for key in keys {
            self.names.insert(key.clone(), (person, self.until_ms()));
        }
        PeopleAnswer::Claimed
    }

    fn release(&mut self, person: u64, keys: &[Box<str>]) {
        for key in keys {
            if self.owner_of(key) == Some(person) {
                self.names.remove(key);
            }
        }
    }

    fn keep(&mut self, node: &str, shared: &SharedPerson) {
        let (id, until_ms) = (shared.person.public_id, self.until_ms());
        let record = self.people.entry(id).or_insert_with(|| Record {
            shared: shared.clone(),
            holders: BTreeMap::new(),
        });
        let before = std::mem::replace(&mut record.shared, shared.clone());
        record.holders.insert(node.into(), until_ms);
        let former = before.keys.into_iter();
        let former: Vec<Box<str>> = former.filter(|it| !shared.keys.contains(it)).collect();
        self.release(id, &former);
        self.hold_names(node, shared);
        for holder in self.others_with(node, id) {
            self.tell(&holder, PeopleNews::Kept(Box::new(shared.clone())));
        }
    }

    fn hold_names(&mut self, node: &str, shared: &SharedPerson) {
        let (person, until_ms) = (shared.person.public_id, self.until_ms());
        let is_lost = |key: &str| self.owner_of(key).is_some_and(|owner| owner != person);
        let keys = shared.keys.iter();
        let lost: Vec<Box<str>> = keys.filter(|key| is_lost(key)).cloned().collect();
        for key in shared.keys.iter().filter(|key| !lost.contains(key)) {
            self.names.insert(key.clone(), (person, until_ms));
        }
        if !lost.is_empty() {
            let keys = lost;
            self.tell(node, PeopleNews::NameLost { person, keys });
        }
    }

    fn renew(&mut self, node: &str, people: &[PublicPerson]) {
        let (mut unknown, until_ms) = (Vec::new(), self.until_ms());
        for PublicPerson { id, name } in people {
            let Some(record) = self.people.get_mut(id) else {
                unknown.push(*id);
                continue;
            };
            record.holders.insert(node.into(), until_ms);
            let shared = record.shared.clone();
            self.hold_names(node, &shared);
            if shared.person.name != *name {
                self.tell(node, PeopleNews::Kept(Box::new(shared)));
            }
        }
        if !unknown.is_empty() {
            self.tell(node, PeopleNews::Unknown(unknown));
        }
    }

    fn drop_holder(&mut self, node: &str, person: u64) {
        let Some(record) = self.people.get_mut(&person) else {
            return;
        };
        record.holders.remove(node);
        if record.holders.is_empty() {
            let keys = record.shared.keys.clone();
            self.people.remove(&person);
            self.release(person, &keys);
        }
    }
}

/// Moves what is due to `out`, in its order.
fn take_due<T>(late: &mut Late<T>, now_ms: u64, out: &mut Vec<T>) {
    while late.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms)
        && let Some((_, item)) = late.pop_front()
    {
        out.push(item);
    }
}
