//! Commands that Redis has not carried out because their slot is elsewhere, or because it has forgotten the scripts. They are
//! sent again, those about one key in their order: none before those of the slot are answered that are under way.

use std::collections::{BTreeMap, VecDeque};

use crate::core::redis::links::command::Sent;
use crate::core::redis::links::target::Address;
use crate::core::redis::partition::Slot;
use crate::limits::{MAX_REDIS_OUTPUT, REDIS_TIMEOUT_MS};

/// Where a command is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To the master of the slot.
    Master,
    /// To the one that takes the slot over, and has the keys of this command already: it is announced.
    Next(Address),
}

#[derive(Debug)]
struct Waiting {
    /// Where commands of the slot may be under way.
    server: usize,
    /// They are, as far as was looked.
    is_under_way: bool,
    /// What was not carried out, and where it is to be sent.
    again: VecDeque<(Sent, Destination)>,
    /// What was to be sent since.
    later: VecDeque<Sent>,
    /// Not before.
    at_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    slots: BTreeMap<Slot, Waiting>,
    /// The bytes of all commands.
    bytes: usize,
}

impl Waiting {
    fn fronts(&self) -> impl Iterator<Item = &Sent> {
        let again = self.again.front().map(|(sent, _)| sent);
        again.into_iter().chain(self.later.front())
    }
}

impl Held {
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.slots.contains_key(&slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Nothing of a slot is sent while commands of it are under way at a server.
    pub(super) fn hold(&mut self, slot: Slot, server: usize) {
        self.slots.entry(slot).or_insert(Waiting {
            server,
            is_under_way: true,
            again: VecDeque::new(),
            later: VecDeque::new(),
            at_ms: 0,
        });
    }

    /// A command that was under way was not carried out: it is sent again, not before `at_ms`. The slot is held.
    pub(super) fn push_again(&mut self, sent: Sent, to: Destination, at_ms: u64) {
        if let Some(waiting) = self.slots.get_mut(&sent.slot) {
            self.bytes += sent.size();
            waiting.again.push_back((sent, to));
            waiting.at_ms = waiting.at_ms.max(at_ms);
        }
    }

    /// A command is to be sent after those that wait.
    ///
    /// # Errors
    /// Too much waits.
    pub(super) fn push_later(&mut self, sent: Sent) -> Result<(), Sent> {
        match self.slots.get_mut(&sent.slot) {
            Some(waiting) if self.bytes + sent.size() <= MAX_REDIS_OUTPUT => {
                self.bytes += sent.size();
                waiting.later.push_back(sent);
                Ok(())
            }
            _ => Err(sent),
        }
    }

    /// A change was carried out. What was to change the same key before it must not come after it: gives what is given up.
    pub(super) fn overtaken(&mut self, by: &Sent) -> Vec<Sent> {
        let Some(waiting) = self.slots.get_mut(&by.slot) else {
            return Vec::new();
        };
        let all = std::mem::take(&mut waiting.again);
        let (overtaken, others) = all.into_iter().partition(|(it, _)| it.key() == by.key());
        waiting.again = others;
        let overtaken: VecDeque<(Sent, Destination)> = overtaken;
        self.let_go(overtaken.into_iter().map(|(sent, _)| sent))
    }

    /// The next slot whose commands can be sent. `is_under_way`: whether commands of a slot are, at a server.
    pub(super) fn next_due(
        &mut self,
        is_under_way: impl Fn(usize, Slot) -> bool,
        now_ms: u64,
    ) -> Option<Slot> {
        for (&slot, waiting) in &mut self.slots {
            waiting.is_under_way = is_under_way(waiting.server, slot);
            if !waiting.is_under_way && waiting.at_ms <= now_ms {
                return Some(slot);
            }
        }
        None
    }

    /// Where the next commands of a slot are to be sent; `None` if there are none.
    pub(super) fn destination(&self, slot: Slot) -> Option<Destination> {
        let waiting = self.slots.get(&slot)?;
        let first = waiting.again.front().map(|(_, to)| to.clone());
        first.or_else(|| waiting.later.front().map(|_| Destination::Master))
    }

    /// The next commands of a slot: those that are to be sent to one place.
    pub(super) fn take_next(&mut self, slot: Slot, to: &Destination) -> Vec<Sent> {
        let mut next = Vec::new();
        if let Some(waiting) = self.slots.get_mut(&slot) {
            while waiting.again.front().is_some_and(|(_, it)| it == to) {
                next.extend(waiting.again.pop_front().map(|(sent, _)| sent));
            }
            if waiting.again.is_empty() && *to == Destination::Master {
                next.extend(waiting.later.drain(..));
            }
        }
        self.let_go(next.into_iter())
    }

    /// Commands of a slot are under way at a server: others wait for those.
    pub(super) fn wait_for(&mut self, slot: Slot, server: usize) {
        if let Some(waiting) = self.slots.get_mut(&slot) {
            (waiting.server, waiting.is_under_way) = (server, true);
        }
    }

    /// Nothing of a slot waits.
    pub(super) fn release(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }

    /// They cannot be sent before `at_ms`.
    pub(super) fn postpone(&mut self, slot: Slot, at_ms: u64) {
        if let Some(waiting) = self.slots.get_mut(&slot) {
            waiting.at_ms = at_ms;
        }
    }

    /// Who was to take a slot over cannot be reached: the master is asked again.
    pub(super) fn ask_master(&mut self, slot: Slot) {
        if let Some(waiting) = self.slots.get_mut(&slot) {
            let all = waiting.again.iter_mut();
            all.for_each(|(_, to)| *to = Destination::Master);
        }
    }

    /// Whether something is to be sent to a server that takes a slot over.
    pub(super) fn is_to(&self, address: &Address) -> bool {
        let mut all = self.slots.values().flat_map(|it| &it.again);
        all.any(|(_, to)| matches!(to, Destination::Next(it) if it == address))
    }

    /// What has waited for too long.
    pub(super) fn take_overdue(&mut self, now_ms: u64) -> Vec<Sent> {
        let is_overdue = |sent: &Sent| sent.since_ms + REDIS_TIMEOUT_MS <= now_ms;
        let mut overdue = Vec::new();
        for waiting in self.slots.values_mut() {
            while waiting.again.front().is_some_and(|(it, _)| is_overdue(it)) {
                overdue.extend(waiting.again.pop_front().map(|(sent, _)| sent));
            }
            while waiting.later.front().is_some_and(is_overdue) {
                overdue.extend(waiting.later.pop_front());
            }
        }
        self.let_go(overdue.into_iter())
    }

    /// When something is due.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let due_ms = self.slots.values().map(|waiting| {
            let overdue = waiting
                .fronts()
                .map(|sent| sent.since_ms + REDIS_TIMEOUT_MS);
            let at_ms = (!waiting.is_under_way).then_some(waiting.at_ms);
            overdue.chain(at_ms).min()
        });
        due_ms.flatten().min()
    }

    fn let_go(&mut self, all: impl Iterator<Item = Sent>) -> Vec<Sent> {
        let all: Vec<Sent> = all.collect();
        self.bytes -= all.iter().map(Sent::size).sum::<usize>();
        all
    }
}
