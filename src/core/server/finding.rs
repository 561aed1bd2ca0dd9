//! Rooms of all nodes for those who follow patterns here: the log says which begin, as long as somebody follows, and which are
//! in use, a page at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::core::budget::cost;
use crate::core::id::ConnectionId;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::loading::Aside;
use crate::core::server::page::Page;
use crate::core::server::questions::Question;
use crate::core::store::{PeopleRequest, Request, RoomsInUse, WantedRooms};
use crate::core::stream::Stream;
use crate::limits::{HEARING_MS, MAX_FINDING, STORE_RETRY_MS};

/// Whether the log tells which rooms begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hearing {
    #[default]
    No,
    /// It is asked to.
    Asked,
    /// It does. `until_ms`: nobody follows patterns, and it is told to stop then.
    Yes { until_ms: Option<u64> },
    /// It cannot, and is asked again then at the earliest.
    Failed { until_ms: u64 },
}

/// What the log is asked for those who follow patterns.
#[derive(Debug, Default)]
pub(super) struct Finding {
    hearing: Hearing,
    /// The numbers of the last beginnings that were told, of each partition.
    heard: Vec<u64>,
    /// Commands that wait until it is heard which rooms begin: one of each connection.
    asides: Vec<Aside>,
    /// Connections whose requests wait for that.
    unread: BTreeSet<ConnectionId>,
    /// Pages that are asked for next: no more than there are followers.
    queued: VecDeque<Page>,
    /// For whom. A page that is asked for already may be too old for who comes now.
    askers: BTreeMap<Page, Vec<ConnectionId>>,
    /// Pages that are asked for, and for whom.
    asked: Vec<(Page, Vec<ConnectionId>)>,
}

impl Finding {
    fn is_hearing(&self) -> bool {
        matches!(self.hearing, Hearing::Yes { .. })
    }

    /// A room of a partition has begun.
    pub(super) fn on_beginning(&mut self, partition: u16, number: u64) {
        if let Some(last) = self.heard.get_mut(usize::from(partition)) {
            *last = number;
        }
    }

    /// What was heard, for the server that takes over.
    pub(super) fn heard(&self) -> &[u64] {
        &self.heard
    }

    /// The server before this one has heard that.
    pub(super) fn take_over(&mut self, heard: Vec<u64>) {
        self.heard = heard;
    }

    /// When something is to be done.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        match self.hearing {
            Hearing::Yes { until_ms } => until_ms,
            Hearing::Failed { until_ms } => Some(until_ms),
            Hearing::No | Hearing::Asked => None,
        }
    }

    fn want(&mut self, page: Page, id: ConnectionId) {
        let askers = self.askers.entry(page.clone()).or_default();
        if askers.is_empty() {
            self.queued.push_back(page);
        }
        askers.push(id);
    }

    fn take_next(&mut self) -> Option<Page> {
        if self.asked.len() >= MAX_FINDING {
            return None;
        }
        let page = self.queued.pop_front()?;
        let askers = self.askers.remove(&page).unwrap_or_default();
        self.asked.push((page.clone(), askers));
        Some(page)
    }

    /// Who has asked for a page that is answered.
    fn take_askers(&mut self, page: &Page) -> Vec<ConnectionId> {
        let place = self.asked.iter().position(|(it, _)| it == page);
        place.map_or_else(Vec::new, |place| self.asked.remove(place).1)
    }
}

impl<S: Stream> Server<S> {
    /// Whether other nodes have the same rooms.
    pub(super) fn shares_rooms(&self) -> bool {
        self.nodes.is_some() && self.chat.has_shared_log()
    }

    /// Whether it is known of all rooms when they begin.
    pub(super) fn hears_beginnings(&self) -> bool {
        let nodes = self.nodes.as_ref().filter(|_| self.shares_rooms());
        nodes.is_none_or(|it| it.finding.is_hearing())
    }

    /// Whether a command waits until that is so.
    pub(super) fn waits_to_hear(&mut self, text: &str, id: ConnectionId, now: Now) -> bool {
        let waits = self.begins_to_hear(now);
        if let Some(nodes) = self.nodes.as_mut().filter(|_| waits) {
            let text = text.into();
            nodes.finding.asides.push(Aside::Command { id, text });
            self.loading.begin_wait(id);
            self.begin_wait(id);
        }
        waits
    }

    /// The same of a request, which is read again then.
    pub(super) fn holds_to_hear(&mut self, id: ConnectionId, now: Now) -> bool {
        let waits = self.begins_to_hear(now);
        if let Some(nodes) = self.nodes.as_mut().filter(|_| waits) {
            nodes.finding.unread.insert(id);
        }
        waits
    }

    /// Asks the log to tell which rooms begin, if it does not. Says whether that is to be waited for.
    fn begins_to_hear(&mut self, now: Now) -> bool {
        let is_shared = self.shares_rooms();
        let (Some(nodes), Some(outbox)) = (&mut self.nodes, &mut self.outbox) else {
            return false;
        };
        match nodes.finding.hearing {
            Hearing::Asked => true,
            Hearing::Yes { .. } => false,
            Hearing::Failed { until_ms } if until_ms > now.ms => false,
            Hearing::No | Hearing::Failed { .. } if is_shared => {
                nodes.finding.hearing = Hearing::Asked;
                let ticket = outbox.next_ticket();
                let after = nodes.finding.heard.clone();
                let request = PeopleRequest::HearBeginnings { ticket, after };
                outbox.push(Request::People(request));
                nodes.questions.add(ticket, Question::Beginnings, now.ms);
                true
            }
            Hearing::No | Hearing::Failed { .. } => false,
        }
    }

    /// The log tells which rooms begin from now on, or cannot.
    pub(super) fn on_hearing(&mut self, heard: Option<Vec<u64>>, now: Now) {
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        let is_heard = heard.is_some();
        nodes.finding.hearing = match heard {
            Some(heard) => {
                nodes.finding.heard = heard;
                Hearing::Yes { until_ms: None }
            }
            None => Hearing::Failed {
                until_ms: now.ms + STORE_RETRY_MS,
            },
        };
        for aside in std::mem::take(&mut nodes.finding.asides) {
            self.loading.resume(aside);
        }
        for id in std::mem::take(&mut nodes.finding.unread) {
            self.schedule_read(id);
        }
        match is_heard {
            // Who follows already has not heard of those that have begun before.
            true => self.chat.miss_beginnings(),
            false => self.ask_nodes(PeopleRequest::IgnoreBeginnings),
        }
    }

    /// Goes on to hear which rooms begin as long as somebody follows patterns, and a while longer.
    pub(super) fn go_on_hearing(&mut self, is_wanted: bool, now: Now) {
        if is_wanted {
            self.begins_to_hear(now);
        }
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        match &mut nodes.finding.hearing {
            Hearing::Yes { until_ms } if is_wanted => *until_ms = None,
            Hearing::Yes { until_ms } => {
                let until_ms = *until_ms.get_or_insert(now.ms + HEARING_MS);
                if until_ms <= now.ms {
                    nodes.finding.hearing = Hearing::No;
                    nodes.finding.heard.clear();
                    self.ask_nodes(PeopleRequest::IgnoreBeginnings);
                }
            }
            Hearing::Failed { until_ms } if *until_ms <= now.ms => {
                nodes.finding.hearing = Hearing::No;
            }
            Hearing::No | Hearing::Asked | Hearing::Failed { .. } => {}
        }
    }

    /// Asks for the next rooms that a follower looks for.
    pub(super) fn find_elsewhere(&mut self, id: ConnectionId, now: Now) {
        if !self.hears_beginnings() {
            return self.followers.rest(id, now.ms + STORE_RETRY_MS);
        }
        if let Some(page) = self.followers.next_page(id)
            && let Some(nodes) = &mut self.nodes
        {
            nodes.finding.want(page, id);
            self.ask_for_pages(now);
        }
    }

    fn ask_for_pages(&mut self, now: Now) {
        while let (Some(nodes), Some(outbox)) = (&mut self.nodes, &mut self.outbox)
            && let Some(page) = nodes.finding.take_next()
        {
            let ticket = outbox.next_ticket();
            let wanted = WantedRooms::Head {
                head: page.head.clone(),
                after: page.after.clone(),
            };
            outbox.push(Request::People(PeopleRequest::RoomsOf {
                ticket,
                partition: page.partition,
                wanted,
            }));
            nodes.questions.add(ticket, Question::Found(page), now.ms);
        }
    }

    /// The log says which rooms are in use, or cannot.
    pub(super) fn on_found(&mut self, page: &Page, rooms: Option<&RoomsInUse>, now: Now) {
        let Some(nodes) = &mut self.nodes else {
            return;
        };
        for id in nodes.finding.take_askers(page) {
            match rooms {
                Some(rooms) => self.take_page(id, page, rooms),
                None => {
                    let until_ms = now.ms + STORE_RETRY_MS;
                    self.followers.on_no_page(id, page, until_ms);
                }
            }
        }
        self.ask_for_pages(now);
    }

    fn take_page(&mut self, id: ConnectionId, page: &Page, rooms: &RoomsInUse) {
        let most = self.most_rooms(id);
        let rights = self.access.rights(id);
        self.budget.spend(cost::LOOKUP);
        let found = (page, rooms);
        let work = self.followers.on_page(id, found, &self.chat, &rights, most);
        let is_full = work.is_err();
        self.charge_scan(id, work.unwrap_or_else(|work| work));
        if is_full {
            self.tell_full(id);
        }
        if !self.followers.has_work(id) {
            self.settle_feed(id);
        }
        self.followers.get_ready(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(partition: u16) -> Page {
        Page {
            partition,
            head: "plant-".into(),
            after: None,
        }
    }

    #[test]
    fn who_comes_while_a_page_is_asked_for_gets_one_that_is_read_later() {
        let [one, two, late] = [1, 2, 3].map(|index| ConnectionId::new(index, 0));
        let mut finding = Finding::default();
        finding.want(page(0), one);
        finding.want(page(0), two);
        assert_eq!(finding.take_next(), Some(page(0)));
        finding.want(page(0), late);
        assert_eq!(finding.take_askers(&page(0)), [one, two]);
        assert!(finding.take_askers(&page(0)).is_empty());
        assert_eq!(finding.take_next(), Some(page(0)));
        assert_eq!(finding.take_askers(&page(0)), [late]);
    }

    #[test]
    fn so_many_pages_are_asked_for_at_a_time() {
        let mut finding = Finding::default();
        let asker = ConnectionId::new(1, 0);
        for partition in 0..=MAX_FINDING as u16 {
            finding.want(page(partition), asker);
        }
        let asked = std::iter::from_fn(|| finding.take_next()).count();
        assert_eq!(asked, MAX_FINDING);
        finding.take_askers(&page(3));
        assert_eq!(finding.take_next(), Some(page(MAX_FINDING as u16)));
    }
}
