//! Checks that all receivers of a room get its messages in one order, whichever node they are connected to.
//!
//! O(1) per delivery. A message has a place in its room: its offset where the door tells offsets, else the place at which it
//! was first seen. A receiver must get places that grow, and with offsets the same place as all others. A place is 8 bytes,
//! which are kept to the end of the run.

/// The last place of a receiver that has missed something. It cannot tell an order from a loss, which is counted already.
const UNSURE: u64 = u64::MAX;

/// The places of all messages. Senders are numbered over all rooms.
#[derive(Debug)]
pub(crate) struct Order {
    /// By sender and sequence number; 0 for a message that nobody has got yet.
    places: Vec<Vec<u64>>,
    /// By room: the place that was given last.
    given: Vec<u64>,
    /// By receiver: the place of its last message.
    last: Vec<u64>,
    /// Deliveries in another order than elsewhere.
    pub(crate) disordered: u64,
}

impl Order {
    pub(crate) fn new(rooms: usize, senders: usize) -> Order {
        Order {
            places: vec![Vec::new(); senders],
            given: vec![0; rooms],
            last: Vec::new(),
            disordered: 0,
        }
    }

    /// A receiver has got a message, in its order among those of the same sender.
    #[inline]
    pub(crate) fn check(
        &mut self,
        (room, receiver): (usize, usize),
        (sender, sequence): (u16, u32),
        offset: Option<u64>,
    ) {
        let last = last_of(&mut self.last, receiver);
        if *last == UNSURE && offset.is_none() {
            return;
        }
        let places = &mut self.places[usize::from(sender)];
        let sequence = sequence as usize;
        if places.len() <= sequence {
            places.resize(sequence + 1, 0);
        }
        let place = &mut places[sequence];
        if *place == 0 {
            let given = &mut self.given[room];
            // Offsets begin with 1, but this is a check of what others say.
            *place = offset.map_or(*given + 1, |offset| offset.max(1));
            *given = (*given).max(*place);
        }
        let is_elsewhere = offset.is_some_and(|offset| offset != *place);
        if is_elsewhere || *place <= *last {
            self.disordered += 1;
        } else {
            *last = *place;
        }
    }

    /// A receiver has missed messages, or got one twice.
    pub(crate) fn make_unsure(&mut self, receiver: usize) {
        *last_of(&mut self.last, receiver) = UNSURE;
    }
}

#[inline]
fn last_of(last: &mut Vec<u64>, receiver: usize) -> &mut u64 {
    if last.len() <= receiver {
        last.resize(receiver + 1, 0);
    }
    &mut last[receiver]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these deliveries to receivers are in another order.
    fn disordered(deliveries: &[(usize, (u16, u32), Option<u64>)]) -> u64 {
        let mut order = Order::new(1, 2);
        for &(receiver, message, offset) in deliveries {
            order.check((0, receiver), message, offset);
        }
        order.disordered
    }

    #[test]
    fn one_order_is_no_fault_however_late_some_get_it() {
        let messages = [(0, 0), (1, 0), (1, 1), (0, 1)];
        let to = |receiver| messages.map(|message| (receiver, message, None));
        assert_eq!(disordered(&[to(0), to(3), to(1)].concat()), 0);
        let mut mixed = Vec::new();
        for (behind, message) in messages.iter().enumerate() {
            mixed.push((0, *message, None));
            mixed.extend((behind > 0).then(|| (1, messages[behind - 1], None)));
        }
        assert_eq!(disordered(&mixed), 0);
    }

    #[test]
    fn two_senders_messages_the_other_way_round_are_a_fault() {
        let (first, second) = ((0, 0), (1, 0));
        let deliveries = [
            (0, first, None),
            (1, second, None),
            (1, first, None),
            (0, second, None),
        ];
        assert_eq!(disordered(&deliveries), 1);
    }

    #[test]
    fn who_has_missed_something_says_nothing_of_the_order() {
        let mut order = Order::new(1, 2);
        order.make_unsure(0);
        order.check((0, 0), (1, 0), None);
        order.check((0, 1), (0, 0), None);
        order.check((0, 1), (1, 0), None);
        assert_eq!(order.disordered, 0);
    }

    #[test]
    fn a_message_has_one_offset_and_offsets_grow() {
        let (first, second) = ((0, 0), (1, 0));
        for (deliveries, expected) in [
            (
                [(0, first, 7), (0, second, 9), (1, first, 7), (1, second, 9)],
                0,
            ),
            (
                [(0, first, 7), (0, second, 9), (1, first, 8), (1, second, 9)],
                1,
            ),
            (
                [(0, first, 7), (0, second, 7), (1, first, 7), (1, second, 7)],
                2,
            ),
            (
                [(0, first, 9), (0, second, 7), (1, second, 7), (1, first, 9)],
                1,
            ),
        ] {
            let deliveries =
                deliveries.map(|(receiver, message, offset)| (receiver, message, Some(offset)));
            assert_eq!(disordered(&deliveries), expected, "{deliveries:?}");
        }
    }

    #[test]
    fn rooms_have_an_order_each() {
        let mut order = Order::new(2, 2);
        order.check((0, 0), (0, 0), None);
        order.check((1, 1), (1, 0), None);
        order.check((1, 2), (1, 0), None);
        assert_eq!((order.disordered, order.given), (0, vec![1, 1]));
    }
}
