//! What only the log can say: whether somebody may have a name, and who somebody is that comes back. The command that asks is
//! put aside until it has answered, and is done then as if it came then.

use crate::core::access::Rights;
use crate::core::chat::{Author, KeptPerson, PersonId, PersonName};
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::loading::Aside;
use crate::core::server::questions::{Claim, NameOutcome, Outcome, PersonOutcome, Question};
use crate::core::server::storing::UNAVAILABLE;
use crate::core::store::{Answer, PeopleAnswer, PeopleRequest, Request, SharedPerson, Ticket};
use crate::core::stream::Stream;

/// Who somebody wants to be.
#[derive(Debug, Default)]
pub(super) struct Wish<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) resume: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

impl<S: Stream> Server<S> {
    /// Whether a command waits until the log has said who somebody is, or whether they may have their name.
    pub(super) fn asks_log(
        &mut self,
        wish: &Wish<'_>,
        text: &str,
        id: ConnectionId,
        now: Now,
    ) -> bool {
        if self.nodes.is_none() {
            return false;
        }
        let aside = |text: &str| Aside::Command {
            id,
            text: text.into(),
        };
        let asked = match wish.token.filter(|_| !self.access.is_open()) {
            Some(token) => self
                .grant_of_token(token, id, now)
                .map(|name| self.asks_for_token(&name, id, || aside(text), now)),
            None => self.question(wish, id, || aside(text)).map(|question| {
                self.put_question(question, now);
                true
            }),
        };
        asked.unwrap_or(false)
    }

    /// The name that a token gives to somebody who has shown none, if it is good. What is wrong with it is said when the
    /// command is done.
    fn grant_of_token(&mut self, token: &str, id: ConnectionId, now: Now) -> Option<PersonName> {
        let peer = self.peer(None, id);
        if !self.access.rights(id).is_unauthenticated() || !self.may_try_token(peer, now) {
            return None;
        }
        let rights = self.access.check(token, now).ok()?;
        rights.grant().map(|grant| grant.name.clone())
    }

    /// Whether somebody waits until the log has said whether the name of their token is theirs.
    pub(super) fn asks_for_token(
        &mut self,
        name: &PersonName,
        id: ConnectionId,
        aside: impl FnOnce() -> Aside,
        now: Now,
    ) -> bool {
        let is_asked = self.outcome_of(id).is_some_and(|it| it.name.is_some());
        let (Some(person), false) = (self.person(id), is_asked || self.is_lookalike(name)) else {
            return false;
        };
        let Some(person) = self.chat.claimant_by_token(person, name) else {
            return false;
        };
        let keys = name.keys().map(Into::into).collect();
        let question = Question::Name {
            id,
            aside: aside(),
            claim: Claim { person, keys },
            of_token: Some(name.shown()),
        };
        let is_shared = self.nodes.is_some();
        if is_shared {
            self.put_question(question, now);
        }
        is_shared
    }

    fn question(
        &mut self,
        wish: &Wish<'_>,
        id: ConnectionId,
        aside: impl FnOnce() -> Aside,
    ) -> Option<Question> {
        if !matches!(self.access.rights(id), Rights::Open) {
            return None;
        }
        let outcome = self.outcome_of(id);
        let is_known = outcome.is_some_and(|it| it.person.is_some());
        let is_named = outcome.is_some_and(|it| it.name.is_some());
        let shown = wish.resume.filter(|_| !is_known);
        if let Some(shown) = shown.and_then(|token| self.chat.unknown_holder(token)) {
            let aside = aside();
            return Some(Question::Person { id, aside, shown });
        }
        let name = PersonName::parse(wish.name.filter(|_| !is_named)?)?;
        let person = self.person(id)?;
        let person = self.chat.claimant(person, wish.resume, &name)?;
        let keys = name.keys().map(Into::into).collect();
        Some(Question::Name {
            id,
            aside: aside(),
            claim: Claim { person, keys },
            of_token: None,
        })
    }

    fn put_question(&mut self, question: Question, now: Now) {
        // The name that they gave up for their present one is free before they ask for it again.
        self.send_people_to_store(now);
        let (Some(nodes), Some(outbox)) = (&mut self.nodes, &mut self.outbox) else {
            return;
        };
        let ticket = outbox.next_ticket();
        let (id, request) = match &question {
            Question::Name { id, claim, .. } => {
                let Claim { person, keys } = claim.clone();
                let person = person.number();
                (
                    *id,
                    PeopleRequest::Claim {
                        ticket,
                        person,
                        keys,
                    },
                )
            }
            Question::Person { id, shown, .. } => {
                let person = shown.person.number();
                (*id, PeopleRequest::Find { ticket, person })
            }
            // Those are asked elsewhere.
            Question::Rooms(_)
            | Question::Found(_)
            | Question::Beginnings
            | Question::Counts(_)
            | Question::Whose(_)
            | Question::Direct(_) => return,
        };
        outbox.push(Request::People(request));
        nodes.questions.add(ticket, question, now.ms);
        self.loading.begin_wait(id);
        self.begin_wait(id);
    }

    fn outcome_of(&self, id: ConnectionId) -> Option<&Outcome> {
        self.nodes.as_ref()?.questions.outcomes.get(&id)
    }

    /// Refuses what the log has refused. `taken`: how it is said that the name is another's.
    pub(super) fn check_log(
        &self,
        id: ConnectionId,
        taken: CommandError,
    ) -> Result<(), CommandError> {
        let Some(Outcome { name, person }) = self.outcome_of(id) else {
            return Ok(());
        };
        match name {
            _ if *person == Some(PersonOutcome::Unavailable) => Err(UNAVAILABLE.into()),
            Some(NameOutcome::Unavailable) => Err(UNAVAILABLE.into()),
            Some(NameOutcome::Taken) => Err(taken),
            Some(NameOutcome::Claimed(_) | NameOutcome::IsOwn) | None => Ok(()),
        }
    }

    /// What was put aside for an answer is done. A name that was claimed and is not theirs after all is free again.
    pub(super) fn end_question(&mut self, id: ConnectionId) {
        if self.loading.has_aside(id) {
            return;
        }
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        let outcome = nodes.questions.outcomes.remove(&id);
        if let Some(NameOutcome::Claimed(claim)) = outcome.and_then(|it| it.name) {
            self.release_unused(claim);
        }
    }

    fn release_unused(&mut self, claim: Claim) {
        let Claim { person, keys } = claim;
        let unused = keys
            .into_iter()
            .filter(|key| !self.chat.has_key(person, key));
        let keys: Vec<Box<str>> = unused.collect();
        if !keys.is_empty() {
            let person = person.number();
            self.ask_nodes(PeopleRequest::Release { person, keys });
        }
    }

    /// The answer to a question about people, if it is one.
    pub(super) fn on_people_answer(&mut self, answer: Answer, now: Now) -> Result<(), Answer> {
        let Some(nodes) = &mut self.nodes else {
            return Err(answer);
        };
        let ticket = answer.ticket();
        match (nodes.questions.take(ticket), answer) {
            (Some(question), Answer::People { answer, .. }) => {
                self.conclude_question(ticket, question, answer, now);
            }
            (Some(question), _) => {
                self.conclude_question(ticket, question, PeopleAnswer::Unavailable, now);
            }
            // It has come too late, or nobody waits for it any more.
            (None, Answer::People { .. }) => {}
            (None, answer) => return Err(answer),
        }
        Ok(())
    }

    fn conclude_question(
        &mut self,
        ticket: Ticket,
        question: Question,
        answer: PeopleAnswer,
        now: Now,
    ) {
        match question {
            Question::Name {
                id,
                aside,
                claim,
                of_token,
            } => {
                let outcome = match answer {
                    PeopleAnswer::Claimed => NameOutcome::Claimed(claim),
                    PeopleAnswer::Taken(by) => {
                        self.on_taken(by.as_deref(), of_token.as_deref(), now)
                    }
                    _ => {
                        // It may be claimed yet.
                        self.release_unused(claim);
                        NameOutcome::Unavailable
                    }
                };
                self.resume_with(id, aside, |it| it.name = Some(outcome));
            }
            Question::Person { id, aside, shown } => {
                let outcome = match answer {
                    PeopleAnswer::Found(found) => {
                        if let Some(found) = found {
                            self.chat.admit_person(kept_person(&found), shown, now.ms);
                        }
                        PersonOutcome::Known
                    }
                    _ => PersonOutcome::Unavailable,
                };
                self.resume_with(id, aside, |it| it.person = Some(outcome));
            }
            Question::Rooms(list) => match answer {
                PeopleAnswer::Rooms(page) => self.on_listed(list, page, now),
                _ => self.refuse_list(*list, now),
            },
            Question::Found(page) => {
                let rooms = match &answer {
                    PeopleAnswer::Rooms(rooms) => Some(rooms),
                    _ => None,
                };
                self.on_found(&page, rooms, now);
            }
            Question::Beginnings => {
                let heard = match answer {
                    PeopleAnswer::Hearing(last) => Some(last),
                    _ => None,
                };
                self.on_hearing(heard, now);
            }
            Question::Counts(list) => match answer {
                PeopleAnswer::Counts(counts) => self.on_counted(*list, counts, now),
                _ => self.refuse_list(*list, now),
            },
            Question::Whose(name) => self.on_whose(name, &answer, now),
            Question::Direct(sent) => self.on_sent_answer(ticket, sent, answer, now),
        }
    }

    /// A name is somebody's: of the same token's name they are the same person, who is here now, too.
    fn on_taken(
        &mut self,
        by: Option<&SharedPerson>,
        of_token: Option<&str>,
        now: Now,
    ) -> NameOutcome {
        let own = by.filter(|by| of_token == Some(&*by.person.name));
        match own.is_some_and(|own| self.chat.adopt_person(kept_person(own), now.ms)) {
            true => NameOutcome::IsOwn,
            false => NameOutcome::Taken,
        }
    }

    fn resume_with(&mut self, id: ConnectionId, aside: Aside, note: impl FnOnce(&mut Outcome)) {
        if let Some(nodes) = &mut self.nodes {
            note(nodes.questions.outcomes.entry(id).or_default());
        }
        self.loading.resume(aside);
    }

    /// Gives up what the log does not answer.
    pub(super) fn give_up_questions(&mut self, now: Now) {
        self.give_up_lists(now.ms, now);
        while self.budget.is_left()
            && let Some(nodes) = &mut self.nodes
            && let Some((ticket, question)) = nodes.questions.take_due(now.ms)
        {
            self.conclude_question(ticket, question, PeopleAnswer::Unavailable, now);
        }
    }

    /// The log answers nothing any more.
    pub(super) fn refuse_questions(&mut self, now: Now) {
        self.give_up_lists(u64::MAX, now);
        while let Some(nodes) = &mut self.nodes
            && let Some((ticket, question)) = nodes.questions.take_due(u64::MAX)
        {
            self.conclude_question(ticket, question, PeopleAnswer::Unavailable, now);
        }
    }
}

/// Somebody whom another node has kept.
fn kept_person(shared: &SharedPerson) -> KeptPerson {
    let person = &shared.person;
    let author = Author::stored(person.public_id, &person.name);
    KeptPerson {
        id: PersonId::of_public(author.id),
        author,
        secret_hash: person.secret_hash,
    }
}
