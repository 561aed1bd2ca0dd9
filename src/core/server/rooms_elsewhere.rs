//! Rooms that are in use at other nodes: the log is asked for them, and those who have asked are told.

use std::rc::Rc;

use crate::core::budget::cost;
use crate::core::net::connection::Connection;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::lists::{Asker, List};
use crate::core::server::questions::Question;
use crate::core::server::storing::UNAVAILABLE;
use crate::core::server::unfinished::Unfinished;
use crate::core::store::{PeopleRequest, Request, RoomsInUse, Ticket};
use crate::core::stream::Stream;
use crate::limits::{MAX_PAGE, SCANS_PER_COMMAND};

impl<S: Stream> Server<S> {
    /// Asks for the rooms that are in use at other nodes. What is here is looked at when they are known.
    pub(super) fn ask_for_list(&mut self, asker: Asker, now: Now) {
        if let Asker::Command(id, _) = &asker {
            self.loading.begin_wait(*id);
            self.begin_wait(*id);
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.lists.add(asker, now);
        }
        self.begin_lists(now);
    }

    fn begin_lists(&mut self, now: Now) {
        while let Some(nodes) = &mut self.nodes
            && let Some(list) = nodes.lists.begin()
        {
            self.go_on_listing(Box::new(list), now);
        }
    }

    fn go_on_listing(&mut self, mut list: Box<List>, now: Now) {
        match list.next() {
            Some(wanted) => {
                let rooms = |ticket| PeopleRequest::Rooms { ticket, wanted };
                self.ask_for_rooms(rooms, list, Question::Rooms, now);
            }
            None => self.count_rooms(list, now),
        }
    }

    /// All rooms of the list are found: who is in them is counted.
    fn count_rooms(&mut self, list: Box<List>, now: Now) {
        let rooms = list.found.uncounted(&self.chat);
        self.budget.spend(cost::LOOKUP * MAX_PAGE as u64);
        if rooms.is_empty() {
            return self.end_list(*list, now);
        }
        let count = |ticket| PeopleRequest::Count { ticket, rooms };
        self.ask_for_rooms(count, list, Question::Counts, now);
    }

    fn ask_for_rooms(
        &mut self,
        request: impl FnOnce(Ticket) -> PeopleRequest,
        list: Box<List>,
        question: impl FnOnce(Box<List>) -> Question,
        now: Now,
    ) {
        let is_overdue = now.ms >= list.until_ms;
        match (&mut self.nodes, &mut self.outbox) {
            (Some(nodes), Some(outbox)) if !is_overdue => {
                let ticket = outbox.next_ticket();
                outbox.push(Request::People(request(ticket)));
                nodes.questions.add(ticket, question(list), now.ms);
            }
            _ => self.fail_list(*list, now),
        }
    }

    /// The log says which rooms are in use.
    pub(super) fn on_listed(&mut self, mut list: Box<List>, page: RoomsInUse, now: Now) {
        let (work, is_done) = list.take(page);
        self.budget.spend(cost::SCAN * work as u64);
        for asker in &list.askers {
            if let Asker::Command(id, _) = asker
                && let Some(session) = self.get_mut(*id).and_then(Connection::session_mut)
            {
                session.charge(work / SCANS_PER_COMMAND);
            }
        }
        match is_done {
            true => self.count_rooms(list, now),
            false => self.go_on_listing(list, now),
        }
        self.begin_lists(now);
    }

    /// The log says how many are in the rooms.
    pub(super) fn on_counted(&mut self, mut list: List, counts: Vec<(Box<str>, usize)>, now: Now) {
        self.budget.spend(cost::LOOKUP * counts.len() as u64);
        list.found.count(counts);
        self.end_list(list, now);
        self.begin_lists(now);
    }

    /// The log does not say it.
    pub(super) fn refuse_list(&mut self, list: List, now: Now) {
        self.fail_list(list, now);
        self.begin_lists(now);
    }

    fn end_list(&mut self, list: List, now: Now) {
        self.free_list(&list);
        let found = Rc::new(list.found);
        for asker in list.askers {
            self.budget.spend(cost::LOOKUP);
            match asker {
                Asker::Command(id, mut listing) => {
                    listing.set_in_use(Rc::clone(&found));
                    self.loading.end_wait(id);
                    if self.get(id).is_some_and(Connection::is_member) {
                        self.defer_command(id, Unfinished::Listing(listing));
                    }
                    self.go_on_leaving(id, now);
                }
                Asker::Request(reply, mut listing) => {
                    listing.set_in_use(Rc::clone(&found));
                    self.respond_list(Some(listing), &reply, now);
                }
            }
        }
    }

    fn fail_list(&mut self, list: List, now: Now) {
        self.free_list(&list);
        self.refuse_askers(list, now);
    }

    /// There is place for another list.
    fn free_list(&mut self, list: &List) {
        if let Some(nodes) = &mut self.nodes {
            nodes.lists.end(list);
        }
    }

    fn refuse_askers(&mut self, list: List, now: Now) {
        for asker in list.askers {
            self.budget.spend(cost::MESSAGE);
            match asker {
                Asker::Command(id, listing) => {
                    self.answer_command(Err(UNAVAILABLE.into()), listing.echo(), id);
                    self.loading.end_wait(id);
                    self.end_wait(id);
                    self.go_on_leaving(id, now);
                }
                Asker::Request(reply, _) => self.respond_list(None, &reply, now),
            }
        }
    }

    /// Gives up those that have waited in vain.
    pub(super) fn give_up_lists(&mut self, now_ms: u64, now: Now) {
        while let Some(nodes) = &mut self.nodes
            && let Some(list) = nodes.lists.take_due(now_ms)
        {
            self.refuse_askers(list, now);
        }
    }
}
