//! What is in flight: which messages their senders have not got back, and how many deliveries are still owed.

/// The messages of all senders that are still under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    senders: Vec<Flight>,
    window: u32,
    /// Receivers that must get each message.
    pub(crate) receivers: u32,
    /// Deliveries still to come, in all.
    pub(crate) owed: u64,
    /// Senders that may send again, each once.
    ready: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Flight {
    /// The sender's own connection, where its messages come back.
    connection: usize,
    /// Sequence number of the next message.
    next: u32,
    /// The oldest that has not come back.
    oldest: u32,
    in_ready: bool,
    /// Since when that has been the oldest, by looking now and then.
    seen_oldest: u32,
    stuck_since_ns: u64,
}

impl Ledger {
    /// `window` messages in flight per sender; 0 for an open loop, where nobody asks.
    pub(crate) fn new(senders: usize, window: u32, receivers: u32) -> Ledger {
        let flight = Flight {
            connection: usize::MAX,
            next: 0,
            oldest: 0,
            in_ready: false,
            seen_oldest: 0,
            stuck_since_ns: 0,
        };
        Ledger {
            senders: vec![flight; senders],
            window,
            receivers,
            owed: 0,
            ready: Vec::new(),
        }
    }

    /// Says which connection a sender sends on.
    pub(crate) fn seat(&mut self, sender: u16, connection: usize) {
        self.senders[usize::from(sender)].connection = connection;
    }

    /// How many senders there are.
    pub(crate) fn senders(&self) -> u16 {
        self.senders.len() as u16
    }

    /// Messages that a sender has sent.
    pub(crate) fn sent(&self, sender: u16) -> u32 {
        self.senders[usize::from(sender)].next
    }

    /// Messages of all senders.
    pub(crate) fn messages(&self) -> u64 {
        self.senders
            .iter()
            .map(|flight| u64::from(flight.next))
            .sum()
    }

    /// How many more a sender may send.
    pub(crate) fn room(&self, sender: u16) -> u32 {
        let flight = &self.senders[usize::from(sender)];
        self.window.saturating_sub(flight.next - flight.oldest)
    }

    /// A sender sends: the sequence number.
    pub(crate) fn send(&mut self, sender: u16) -> u32 {
        let flight = &mut self.senders[usize::from(sender)];
        let sequence = flight.next;
        flight.next += 1;
        self.owed += u64::from(self.receivers);
        sequence
    }

    /// One receiver waits for this message no longer: it has it, or never will.
    #[inline]
    pub(crate) fn settle(&mut self, receiver: usize, sender: u16, sequence: u32) {
        self.owed -= 1;
        let flight = &mut self.senders[usize::from(sender)];
        if flight.connection == receiver && sequence >= flight.oldest {
            flight.oldest = sequence + 1;
            self.make_ready(sender);
        }
    }

    /// Lets senders go on that have waited for longer than `timeout_ns`, so that they show what is missing.
    pub(crate) fn give_up(&mut self, now_ns: u64, timeout_ns: u64) {
        for sender in 0..self.senders() {
            let flight = &mut self.senders[usize::from(sender)];
            if flight.oldest != flight.seen_oldest || flight.oldest == flight.next {
                (flight.seen_oldest, flight.stuck_since_ns) = (flight.oldest, now_ns);
            } else if now_ns - flight.stuck_since_ns > timeout_ns {
                flight.oldest = flight.next;
                self.make_ready(sender);
            }
        }
    }

    fn make_ready(&mut self, sender: u16) {
        let flight = &mut self.senders[usize::from(sender)];
        if !flight.in_ready {
            flight.in_ready = true;
            self.ready.push(sender);
        }
    }

    /// The senders that got room since the last call.
    pub(crate) fn take_ready(&mut self, into: &mut Vec<u16>) {
        for &sender in &self.ready {
            self.senders[usize::from(sender)].in_ready = false;
        }
        into.clear();
        into.append(&mut self.ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ledger(senders: usize, window: u32, receivers: u32) -> Ledger {
        let mut ledger = Ledger::new(senders, window, receivers);
        (0..senders).for_each(|sender| ledger.seat(sender as u16, sender));
        ledger
    }

    fn ready(ledger: &mut Ledger) -> Vec<u16> {
        let mut ready = Vec::new();
        ledger.take_ready(&mut ready);
        ready
    }

    #[test]
    fn a_message_is_in_flight_until_its_sender_has_it_back() {
        let mut ledger = ledger(2, 3, 2);
        assert_eq!([ledger.send(1), ledger.send(1), ledger.send(1)], [0, 1, 2]);
        assert_eq!((ledger.room(0), ledger.room(1), ledger.owed), (3, 0, 6));
        ledger.settle(0, 1, 0);
        assert_eq!(
            (ready(&mut ledger), ledger.room(1), ledger.owed),
            (vec![], 0, 5)
        );
        ledger.settle(1, 1, 0);
        ledger.settle(1, 1, 1);
        assert_eq!(
            (ready(&mut ledger), ledger.room(1), ledger.owed),
            (vec![1], 2, 3)
        );
        assert!(ready(&mut ledger).is_empty());
    }

    #[test]
    fn a_sender_goes_on_without_what_does_not_come_back() {
        let mut ledger = ledger(1, 1, 1);
        ledger.send(0);
        ledger.give_up(SECOND, 5 * SECOND);
        ledger.give_up(7 * SECOND, 5 * SECOND);
        assert_eq!(
            (ready(&mut ledger), ledger.room(0), ledger.owed),
            (vec![0], 1, 1)
        );
        ledger.send(0);
        ledger.settle(0, 0, 0);
        assert_eq!((ledger.room(0), ledger.owed), (0, 1));
        ledger.give_up(8 * SECOND, 5 * SECOND);
        assert_eq!(ledger.room(0), 0);
        ledger.settle(0, 0, 1);
        assert_eq!((ledger.room(0), ledger.owed), (1, 0));
    }
}
