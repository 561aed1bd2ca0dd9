//! What is in flight: which messages their senders have not got back, and how many deliveries are still owed.

/// Rooms that are all alike: who sends there, and who gets it. Sender 0 of room 1 comes after the last one of room 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) rooms: usize,
    /// In each room.
    pub(crate) senders: usize,
    pub(crate) receivers: u32,
    /// Whether a message goes to its sender, too.
    pub(crate) echoes: bool,
}

/// The messages of all senders that are still under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    senders: Vec<Flight>,
    senders_each: usize,
    echoes: bool,
    window: u32,
    /// By room: receivers that must get each message, or their own but not each other's.
    receivers: Vec<u32>,
    all_receivers: usize,
    /// Deliveries still to come, in all.
    pub(crate) owed: u64,
    /// Senders that may send again, each once.
    ready: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Flight {
    /// Where its messages come back: the sender's own connection, or another's if the sender gets none of its own.
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
    pub(crate) fn new(crowd: Crowd, window: u32) -> Ledger {
        let flight = Flight {
            connection: usize::MAX,
            next: 0,
            oldest: 0,
            in_ready: false,
            seen_oldest: 0,
            stuck_since_ns: 0,
        };
        Ledger {
            senders: vec![flight; crowd.rooms * crowd.senders],
            senders_each: crowd.senders,
            echoes: crowd.echoes,
            window,
            receivers: vec![crowd.receivers; crowd.rooms],
            all_receivers: crowd.rooms * crowd.receivers as usize,
            owed: 0,
            ready: Vec::new(),
        }
    }

    /// Says at which connection a sender's messages come back.
    pub(crate) fn seat(&mut self, sender: u16, connection: usize) {
        self.senders[usize::from(sender)].connection = connection;
    }

    /// How many senders there are, in all rooms.
    pub(crate) fn senders(&self) -> u16 {
        self.senders.len() as u16
    }

    /// How many senders each room has.
    #[inline]
    pub(crate) fn senders_each(&self) -> u16 {
        self.senders_each as u16
    }

    /// A receiver is gone.
    pub(crate) fn lose_receiver(&mut self, room: usize) {
        self.receivers[room] -= 1;
        self.all_receivers -= 1;
    }

    /// Nobody is left to get anything.
    pub(crate) fn is_deserted(&self) -> bool {
        self.all_receivers == 0
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
        let receivers = self.receivers[usize::from(sender) / self.senders_each];
        self.owed += u64::from(receivers - u32::from(!self.echoes));
        let flight = &mut self.senders[usize::from(sender)];
        let sequence = flight.next;
        flight.next += 1;
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

    fn crowd(senders: usize, receivers: u32) -> Crowd {
        Crowd {
            rooms: 1,
            senders,
            receivers,
            echoes: true,
        }
    }

    fn ledger(senders: usize, window: u32, receivers: u32) -> Ledger {
        let mut ledger = Ledger::new(crowd(senders, receivers), window);
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

    #[test]
    fn a_message_is_owed_to_those_in_its_room() {
        let rooms = Crowd {
            rooms: 3,
            ..crowd(2, 5)
        };
        let mut ledger = Ledger::new(rooms, 1);
        assert_eq!((ledger.senders(), ledger.senders_each()), (6, 2));
        ledger.lose_receiver(1);
        ledger.send(3);
        assert_eq!(ledger.owed, 4);
        ledger.send(4);
        assert_eq!(ledger.owed, 9);
        (0..14).for_each(|nth| {
            assert!(!ledger.is_deserted());
            ledger.lose_receiver([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2][nth]);
        });
        assert!(ledger.is_deserted());
    }

    #[test]
    fn a_message_that_goes_to_others_only_is_back_when_one_of_them_has_it() {
        let others = Crowd {
            echoes: false,
            ..crowd(1, 3)
        };
        let mut ledger = Ledger::new(others, 1);
        ledger.seat(0, 1);
        ledger.send(0);
        assert_eq!(ledger.owed, 2);
        ledger.settle(2, 0, 0);
        assert!(ready(&mut ledger).is_empty());
        ledger.settle(1, 0, 0);
        assert_eq!((ready(&mut ledger), ledger.owed), (vec![0], 0));
    }
}
