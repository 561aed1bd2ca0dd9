//! Whose turn it is: escalations first, then alarms, then who has waited longest. Slow push services leave most calls to the
//! others, and one that wants to be left alone is.

use std::collections::{BTreeMap, BTreeSet};

use super::rank::{Rank, Turn};
use super::service::{Group, Pace, Service};
use crate::limits::{
    MAX_PUSH_CALLS, MAX_PUSH_CALLS_NEW, MAX_PUSH_CALLS_SLOW, MAX_PUSH_SERVICES, PUSH_SLOW_MS,
};

#[derive(Debug, Default)]
pub(super) struct Turns {
    services: BTreeMap<Box<str>, Service>,
    /// Services that may be called if their group may, by the first turn of each rank.
    ready: BTreeSet<(Group, Rank, u64, Box<str>)>,
    /// Calls on their way, by the pace of their services.
    leaving: [usize; Pace::COUNT],
    /// Services that have nothing to do, in the order in which they came to.
    idle: BTreeMap<u64, Box<str>>,
    serial: u64,
}

impl Turns {
    pub(super) fn add(&mut self, service: &str, turn: Turn) {
        let it = self.services.entry(service.into()).or_default();
        it.turns.insert(turn);
        self.refresh(service);
    }

    pub(super) fn remove(&mut self, service: &str, turn: Turn) {
        if let Some(it) = self.services.get_mut(service) {
            it.turns.remove(&turn);
        }
        self.refresh(service);
    }

    /// The next turn that has come. The service has a call more until [`end`](Self::end).
    pub(super) fn begin(&mut self, now_ms: u64) -> Option<Turn> {
        let first = self.first_ready().filter(|it| it.2 <= now_ms);
        let (_, rank, _, service) = first.min_by_key(|it| (it.1, it.2, &it.3))?.clone();
        let it = self.services.get_mut(&service)?;
        let turn = it.first(rank)?;
        it.turns.remove(&turn);
        it.leaving += 1;
        self.refresh(&service);
        Some(turn)
    }

    /// A call to a service has come to its end.
    pub(super) fn end(&mut self, service: &str) {
        if let Some(it) = self.services.get_mut(service) {
            it.leaving = it.leaving.saturating_sub(1);
        }
        self.refresh(service);
    }

    /// A call has held a thread for so long.
    pub(super) fn took(&mut self, service: &str, ms: u64) {
        if let Some(it) = self.services.get_mut(service) {
            it.pace = match ms < PUSH_SLOW_MS {
                true => Pace::Quick,
                false => Pace::Slow,
            };
        }
        self.refresh(service);
    }

    /// A service wants to be left alone until then.
    pub(super) fn pause(&mut self, service: &str, until_ms: u64) {
        let it = self.services.entry(service.into()).or_default();
        it.paused_ms = it.paused_ms.max(until_ms);
        self.refresh(service);
    }

    /// Services that have ever wanted to be left alone, and until when.
    pub(super) fn pauses(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self
            .services
            .iter()
            .map(|(name, it)| (&**name, it.paused_ms));
        all.filter(|(_, until_ms)| *until_ms > 0)
    }

    /// When the next turn comes.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.first_ready().map(|it| it.2).min()
    }

    pub(super) fn has(&self, service: &str, turn: Turn) -> bool {
        let it = self.services.get(service);
        it.is_some_and(|it| it.turns.contains(&turn))
    }

    /// Calls on their way.
    pub(super) fn leaving(&self) -> usize {
        self.leaving.iter().sum()
    }

    /// The first of each rank and group that may be called.
    fn first_ready(&self) -> impl Iterator<Item = &(Group, Rank, u64, Box<str>)> {
        let groups = Group::all().filter(|group| self.has_place(*group));
        let both = groups.flat_map(|group| Rank::ALL.map(|rank| (group, rank)));
        both.filter_map(|(group, rank)| {
            let first = self.ready.range((group, rank, 0, "".into())..).next();
            first.filter(|it| (it.0, it.1) == (group, rank))
        })
    }

    /// Whether one more call to a service of this group may leave. A quick one has fewer calls than are left to the others, so
    /// that a few that become slow do not hold all.
    fn has_place(&self, group: Group) -> bool {
        let left = MAX_PUSH_CALLS.saturating_sub(self.leaving());
        left > 0
            && match group {
                Group::New => self.leaving[Pace::New as usize] < MAX_PUSH_CALLS_NEW,
                Group::Slow => self.leaving[Pace::Slow as usize] < MAX_PUSH_CALLS_SLOW,
                Group::Quick(leaving) => leaving < left,
            }
    }

    fn refresh(&mut self, service: &str) {
        let Some(it) = self.services.get_mut(service) else {
            return;
        };
        for (group, rank, due_ms) in it.ready.drain(..) {
            self.ready.remove(&(group, rank, due_ms, service.into()));
        }
        let (pace, counted) = it.counted;
        self.leaving[pace as usize] -= counted;
        it.counted = (it.pace, it.leaving);
        self.leaving[it.pace as usize] += it.leaving;
        if let Some(group) = it.group() {
            let first = Rank::ALL.into_iter().filter_map(|rank| it.first(rank));
            let due_ms = |turn: Turn| turn.1.max(it.paused_ms);
            it.ready = first.map(|turn| (group, turn.0, due_ms(turn))).collect();
            for &(group, rank, due_ms) in &it.ready {
                self.ready.insert((group, rank, due_ms, service.into()));
            }
        }
        self.remember(service);
    }

    /// Keeps what is known of services that have nothing to do, of so many at most.
    fn remember(&mut self, service: &str) {
        let Some(it) = self.services.get_mut(service) else {
            return;
        };
        if let Some(serial) = it.idle.take() {
            self.idle.remove(&serial);
        }
        if !it.is_idle() {
            return;
        }
        self.serial += 1;
        it.idle = Some(self.serial);
        self.idle.insert(self.serial, service.into());
        if self.idle.len() > MAX_PUSH_SERVICES
            && let Some((_, oldest)) = self.idle.pop_first()
        {
            self.services.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_PUSH_CALLS_EACH;

    /// Turns of this many subscriptions for each service, which is quick or not.
    fn turns(services: &[(&str, u64)], subscriptions: u64) -> Turns {
        let mut turns = Turns::default();
        for (service, ms) in services {
            turns.add(service, (Rank::Normal, 0, 0));
            assert!(turns.begin(0).is_some());
            turns.took(service, *ms);
            turns.end(service);
        }
        for (at, (service, _)) in services.iter().enumerate() {
            for number in 0..subscriptions {
                turns.add(service, (Rank::Normal, 5, at as u64 * 100 + number));
            }
        }
        turns
    }

    fn begun(turns: &mut Turns, now_ms: u64) -> Vec<u64> {
        std::iter::from_fn(|| turns.begin(now_ms).map(|turn| turn.2)).collect()
    }

    #[test]
    fn alarms_go_first_and_one_service_has_some_calls_alone() {
        let mut turns = turns(&[("one", 0), ("other", 0)], 0);
        for number in 0..10 {
            turns.add("one", (Rank::Normal, 5, number));
        }
        turns.add("other", (Rank::High, 9, 20));
        turns.add("other", (Rank::High, 50, 21));
        assert_eq!(turns.begin(4), None);
        assert_eq!(turns.next_due_ms(), Some(5));
        assert_eq!(turns.begin(9), Some((Rank::High, 9, 20)));
        for number in 0..MAX_PUSH_CALLS_EACH as u64 {
            assert_eq!(turns.begin(9), Some((Rank::Normal, 5, number)));
        }
        assert_eq!(turns.begin(9), None, "the rest waits for the slow one");
        assert_eq!(turns.next_due_ms(), Some(50));
        turns.end("one");
        assert!(turns.begin(9).is_some());
        turns.remove("other", (Rank::High, 50, 21));
        turns.end("other");
        assert_eq!(turns.next_due_ms(), None);
    }

    /// Four services of four calls each had all of them, for as long as a call may take.
    #[test]
    fn services_that_become_slow_at_once_leave_calls_to_the_others() {
        let quick = [("a", 0), ("b", 0), ("c", 0), ("d", 0), ("e", 0)];
        let mut turns = turns(&quick, 0);
        for (at, service) in ["a", "b", "c", "d"].into_iter().enumerate() {
            for number in 0..10 {
                turns.add(service, (Rank::Normal, 5, at as u64 * 100 + number));
            }
        }
        let held = begun(&mut turns, 5).len();
        assert!(held < MAX_PUSH_CALLS, "{held}");
        turns.add("e", (Rank::Normal, 6, 900));
        assert_eq!(begun(&mut turns, 6), [900]);
    }

    #[test]
    fn slow_and_new_services_have_one_call_each_and_few_together() {
        let names: Vec<String> = (10..30).map(|n| format!("slow-{n}")).collect();
        let mut all: Vec<(&str, u64)> = names.iter().map(|it| (&**it, PUSH_SLOW_MS)).collect();
        all.push(("quick", PUSH_SLOW_MS - 1));
        let mut turns = turns(&all, 10);
        let quick = 100 * (all.len() as u64 - 1);
        let first = begun(&mut turns, 5);
        let of_quick = first.iter().filter(|it| **it >= quick).count();
        assert_eq!(of_quick, MAX_PUSH_CALLS_EACH);
        assert_eq!(first.len(), of_quick + MAX_PUSH_CALLS_SLOW);
        for n in 0..20 {
            for number in 0..2 {
                turns.add(&format!("new-{n}"), (Rank::Normal, 5, 10_000 + number));
            }
        }
        assert_eq!(begun(&mut turns, 5), [10_000; MAX_PUSH_CALLS_NEW]);
        // The first that is quick has more than one, at once.
        turns.took("new-0", 10);
        turns.end("new-0");
        assert_eq!(begun(&mut turns, 5), [10_001, 10_000], "and another is new");
        turns.end("quick");
        assert_eq!(begun(&mut turns, 5), [quick + 4]);
    }

    #[test]
    fn a_pause_is_for_all_of_a_service_and_for_nobody_else() {
        let mut turns = turns(&[("a", 0), ("b", 0)], 2);
        turns.pause("a", 1_000);
        turns.pause("a", 900);
        assert_eq!(begun(&mut turns, 999), [100, 101]);
        turns.add("a", (Rank::High, 7, 50));
        assert_eq!(turns.begin(999), None);
        assert_eq!(turns.next_due_ms(), Some(1_000));
        assert_eq!(begun(&mut turns, 1_000), [50, 0, 1]);
    }

    #[test]
    fn so_many_services_are_remembered_while_they_have_nothing_to_do() {
        let mut turns = turns(&[("first", 0), ("second", 0)], 0);
        for n in 0..MAX_PUSH_SERVICES - 1 {
            let name = format!("other-{n}");
            turns.add(&name, (Rank::Normal, 0, 1));
            turns.remove(&name, (Rank::Normal, 0, 1));
        }
        assert_eq!(turns.services.len(), MAX_PUSH_SERVICES);
        assert!(!turns.services.contains_key("first"));
        assert_eq!(turns.services["second"].pace, Pace::Quick);
    }
}
