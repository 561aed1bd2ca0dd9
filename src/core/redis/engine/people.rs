//! What the server asks about people, and what other nodes say of them.

use crate::codec::resp::Reply;
use crate::core::redis::engine::question::Question;
use crate::core::redis::engine::{Engine, Order, Output, Purpose};
use crate::core::redis::links::Command;
use crate::core::redis::partition::{Partition, Slot};
use crate::core::redis::people::{self, ALL_NODES, As, Claimed, Word};
use crate::core::store::{
    Addressee, Answer, Here, KnownPresence, PeopleAnswer, PeopleNews, PeopleRequest, Ticket,
};

impl Engine {
    /// Hears what is said to this node, which has this name.
    pub(in crate::core::redis) fn begin_hearing_nodes(&mut self, node: &str) {
        self.node = node.into();
        for channel in [people::channel_of(&self.node), ALL_NODES.into()] {
            let slot = people::slot();
            self.orders.push_back(Order::Subscribe { slot, channel });
        }
    }

    pub(super) fn on_people(&mut self, request: PeopleRequest) {
        let node = self.node.clone();
        let this = As {
            node: &node,
            is_sharded: self.is_sharded,
        };
        match request {
            PeopleRequest::Tell(here) => {
                let slot = Partition::of(&here.room).slot();
                let command = this.tell(&here);
                self.question(slot, Question::Tell(here.room), command);
            }
            PeopleRequest::Compare(rooms) => {
                for known in rooms {
                    let slot = Partition::of(&known.room).slot();
                    let command = this.compare(&known);
                    self.question(slot, Question::Compare(known), command);
                }
            }
            PeopleRequest::Look { ticket, room } => {
                let slot = Partition::of(&room).slot();
                let command = this.look(&room);
                self.question(slot, Question::Look(ticket, room), command);
            }
            PeopleRequest::List(rooms) => self.list(&rooms),
            PeopleRequest::Rooms { ticket, wanted } => self.gather_rooms(ticket, &wanted),
            PeopleRequest::Count { ticket, rooms } => self.count(ticket, &rooms),
            PeopleRequest::HearBeginnings { ticket, after } => {
                self.hear_beginnings(ticket, &after);
            }
            PeopleRequest::IgnoreBeginnings => self.ignore_beginnings(),
            PeopleRequest::RoomsOf {
                ticket,
                partition,
                wanted,
            } => self.find_rooms(ticket, Partition::numbered(partition), &wanted),
            PeopleRequest::Whose { ticket, keys } => {
                self.about_people(Question::Whose(ticket), people::whose(&keys));
            }
            PeopleRequest::Claim {
                ticket,
                person,
                keys,
            } => self.about_people(Question::Claim(ticket), people::claim(person, &keys)),
            PeopleRequest::Release { person, keys } => {
                self.about_people(Question::Nothing, people::release(person, &keys));
            }
            PeopleRequest::Keep(shared) => {
                let question = Question::Keep(shared.person.public_id);
                self.about_people(question, this.keep(&shared));
            }
            PeopleRequest::Renew(people) => {
                self.about_people(Question::Renew, this.renew(&people));
            }
            PeopleRequest::Drop { person } => {
                self.about_people(Question::Nothing, this.drop(person));
            }
            PeopleRequest::Find { ticket, person } => {
                self.about_people(Question::Find(ticket), people::find(person));
            }
            PeopleRequest::Direct {
                ticket,
                to,
                message,
            } => {
                let answer_to = ticket.map(|ticket| (node.clone(), ticket.0));
                let word = Word::Direct {
                    answer_to,
                    to: to.clone(),
                    message,
                };
                self.about_people(Question::Direct(ticket), this.send(&to, &word));
            }
            PeopleRequest::ShowSender { to, message } => {
                let from = Addressee::Person(message.from.id);
                let word = Word::ShowSender { to, message };
                self.about_people(Question::Nothing, this.send(&from, &word));
            }
            PeopleRequest::Outcome {
                node,
                ticket,
                outcome,
            } => {
                let ticket = ticket.0;
                let word = Word::Outcome { ticket, outcome };
                let command = this.say(&people::channel_of(&node), &word);
                self.about_people(Question::Nothing, command);
            }
            PeopleRequest::Close { name } => {
                let by = node.clone();
                let command = this.say(ALL_NODES, &Word::Close { by, name });
                self.about_people(Question::Nothing, command);
            }
        }
    }

    fn about_people(&mut self, question: Question, command: Command) {
        self.question(people::slot(), question, command);
    }

    pub(super) fn question(&mut self, slot: Slot, question: Question, command: Command) {
        self.send(slot, Purpose::People(question), command);
    }

    pub(super) fn on_people_reply(&mut self, question: Question, reply: &Reply) {
        if reply.is_error() {
            self.complain("do what it is asked about people", reply);
            return self.on_people_failed(&question);
        }
        match question {
            Question::Tell(room) => {
                let words = reply.array().unwrap_or_default();
                if words.first().and_then(Reply::text) == Some("whole") {
                    self.people_news(PeopleNews::TellWhole { room });
                }
            }
            Question::Compare(known) => self.on_here_compared(known, reply),
            Question::Claim(ticket) => {
                let answer = match people::claimed(reply) {
                    Some(Claimed::Yes) => PeopleAnswer::Claimed,
                    Some(Claimed::No(by)) => PeopleAnswer::Taken(by),
                    None => PeopleAnswer::Unavailable,
                };
                self.people_answer(ticket, answer);
            }
            Question::Keep(person) => {
                let keys = people::lost(reply).unwrap_or_default();
                if !keys.is_empty() {
                    self.people_news(PeopleNews::NameLost { person, keys });
                }
            }
            Question::Renew => self.on_renewed(reply),
            Question::Look(ticket, room) => {
                let nodes = people::looked_up(reply, &room);
                let answer = nodes.map_or(PeopleAnswer::Unavailable, PeopleAnswer::Present);
                self.people_answer(ticket, answer);
            }
            Question::Rooms(ticket) => self.on_rooms(ticket, reply),
            Question::Found(partition, ticket) => self.on_found(partition, ticket, reply),
            Question::Begun(partition, number) => self.on_begun(partition, number, reply),
            Question::Count(ticket, rooms) => self.on_counted(ticket, rooms, reply),
            Question::Whose(ticket) => {
                let answer = match people::is_somebodys(reply) {
                    Some(true) => PeopleAnswer::Taken(None),
                    Some(false) => PeopleAnswer::Free,
                    None => PeopleAnswer::Unavailable,
                };
                self.people_answer(ticket, answer);
            }
            Question::Find(ticket) => {
                let found = people::found(reply);
                let answer = found.map_or(PeopleAnswer::Unavailable, PeopleAnswer::Found);
                self.people_answer(ticket, answer);
            }
            Question::Direct(Some(ticket)) => {
                let count = reply.number().and_then(|it| usize::try_from(it).ok());
                let answer = count.map_or(PeopleAnswer::Unavailable, PeopleAnswer::SentTo);
                self.people_answer(ticket, answer);
            }
            Question::CompareBans => self.on_bans_compared(reply),
            Question::Ban(_) => self.on_ban_kept(reply),
            Question::List(_) | Question::Direct(None) | Question::Nothing => {}
        }
    }

    /// Who waits is told so. What was told of rooms and people is compared in a while.
    pub(super) fn on_people_failed(&mut self, question: &Question) {
        match question {
            Question::Rooms(ticket) | Question::Count(ticket, _) => self.give_up_rooms(*ticket),
            Question::List(rooms) => self.on_list_failed(rooms),
            Question::Begun(partition, number) => self.on_begun_failed(*partition, *number),
            Question::Found(_, ticket)
            | Question::Look(ticket, _)
            | Question::Whose(ticket)
            | Question::Claim(ticket)
            | Question::Find(ticket)
            | Question::Direct(Some(ticket)) => {
                self.people_answer(*ticket, PeopleAnswer::Unavailable);
            }
            Question::Ban(request) => self.put_ban_off(request),
            Question::CompareBans
            | Question::Tell(_)
            | Question::Compare(_)
            | Question::Keep(_)
            | Question::Renew
            | Question::Direct(None)
            | Question::Nothing => {}
        }
    }

    fn on_here_compared(&mut self, known: KnownPresence, reply: &Reply) {
        let Some(compared) = people::compared(reply, &known) else {
            return self.complain("say who is in a room", reply);
        };
        if compared.is_lost {
            let room = known.room;
            self.people_news(PeopleNews::TellWhole { room });
        }
        for (node, here) in compared.news {
            self.people_news(PeopleNews::Presence { node, here });
        }
    }

    fn on_renewed(&mut self, reply: &Reply) {
        let renewed = people::renewed(reply).unwrap_or_default();
        for shared in renewed.kept {
            self.people_news(PeopleNews::Kept(Box::new(shared)));
        }
        for (person, key) in renewed.lost {
            let keys = vec![key];
            self.people_news(PeopleNews::NameLost { person, keys });
        }
        if !renewed.unknown.is_empty() {
            self.people_news(PeopleNews::Unknown(renewed.unknown));
        }
    }

    /// Somebody has come or gone in a room at a node.
    pub(super) fn on_here(&mut self, node: &str, here: Here) {
        if *node != *self.node && self.rooms.contains_key(&here.room) {
            let node = node.into();
            self.people_news(PeopleNews::Presence { node, here });
        }
    }

    /// Another node says something to this one.
    pub(super) fn on_word(&mut self, word: Word) {
        let news = match word {
            Word::Kept(shared) => PeopleNews::Kept(shared),
            Word::Direct {
                answer_to,
                to,
                message,
            } => PeopleNews::Direct {
                answer_to: answer_to.map(|(node, ticket)| (node, Ticket(ticket))),
                to,
                message,
            },
            Word::ShowSender { to, message } => PeopleNews::ShowSender { to, message },
            Word::Outcome { ticket, outcome } => {
                return self.people_answer(Ticket(ticket), PeopleAnswer::Outcome(outcome));
            }
            Word::Ban { id, text } => return self.on_ban_said(id, text),
            Word::Close { by, .. } if by == self.node => return,
            Word::Close { name, .. } => PeopleNews::Close { name },
        };
        self.people_news(news);
    }

    pub(super) fn people_news(&mut self, news: PeopleNews) {
        self.outputs.push_back(Output::PeopleNews(news));
    }

    pub(super) fn people_answer(&mut self, ticket: Ticket, answer: PeopleAnswer) {
        let answer = Answer::People { ticket, answer };
        self.outputs.push_back(Output::Answer(answer));
    }
}
