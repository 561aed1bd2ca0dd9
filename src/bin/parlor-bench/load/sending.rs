//! The load itself: who sends when.

use super::Load;
use crate::stamp::{PROBE, Stamp};

/// When messages are sent.
#[derive(Debug)]
pub(super) enum Pace {
    /// As soon as a sender has room in its window.
    Window,
    /// The nth at `begin_ns + n / rate`, whatever the server does.
    Rate {
        per_second: f64,
        begin_ns: u64,
        scheduled: u64,
    },
}

impl Pace {
    /// So many messages per second from then on.
    pub(super) fn rate(per_second: f64, begin_ns: u64) -> Pace {
        Pace::Rate {
            per_second,
            begin_ns,
            scheduled: 0,
        }
    }

    /// When the next message is due; never in a closed loop, where events say so.
    pub(super) fn next_ns(&self) -> u64 {
        match *self {
            Pace::Window => u64::MAX,
            Pace::Rate {
                begin_ns: u64::MAX, ..
            } => u64::MAX,
            Pace::Rate {
                per_second,
                begin_ns,
                scheduled,
            } => begin_ns + (scheduled as f64 * 1e9 / per_second) as u64,
        }
    }

    /// The scheduled time of the next message and its number, if it is due.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        let due_ns = self.next_ns();
        match self {
            Pace::Rate { scheduled, .. } if due_ns <= now_ns => {
                *scheduled += 1;
                Some((due_ns, *scheduled - 1))
            }
            _ => None,
        }
    }
}

impl Load {
    /// Starts the load.
    pub(super) fn begin_sending(&mut self, now_ns: u64) {
        self.sending = true;
        match &mut self.pace {
            Pace::Rate { begin_ns, .. } => *begin_ns = now_ns,
            Pace::Window => {
                (0..self.books.ledger.senders()).for_each(|sender| self.fill_window(sender));
            }
        }
    }

    /// Sends what is due.
    pub(super) fn send_due(&mut self, now_ns: u64) {
        if !self.sending {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.books.ledger.take_ready(&mut ready);
        for &sender in &ready {
            self.fill_window(sender);
        }
        ready.clear();
        while let Some((due_ns, number)) = self.pace.take_due(now_ns) {
            let sender = (number % u64::from(self.books.ledger.senders())) as u16;
            if self.queue_message(sender, due_ns) && !ready.contains(&sender) {
                ready.push(sender);
            }
        }
        for &sender in &ready {
            self.flush(sender);
        }
        self.ready = ready;
    }

    fn fill_window(&mut self, sender: u16) {
        if let Pace::Rate { .. } = self.pace {
            return;
        }
        let now_ns = self.now_ns();
        let room = self.books.ledger.room(sender);
        if (0..room).all(|_| self.queue_message(sender, now_ns)) {
            self.flush(sender);
        }
    }

    /// Makes the next message of a sender; false when that sender is gone.
    fn queue_message(&mut self, sender: u16, time_ns: u64) -> bool {
        let key = self.sender_keys[usize::from(sender)];
        let Some(client) = self
            .clients
            .get_mut(key.0)
            .filter(|client| client.id == key.1)
        else {
            return false;
        };
        let sequence = self.books.ledger.send(sender);
        let stamp = Stamp {
            run: self.books.run,
            sender,
            sequence,
            time_ns,
        };
        let draft = &mut self.rooms.get_mut(client.room).draft;
        draft.append(&stamp, &mut client.out);
        true
    }

    fn flush(&mut self, sender: u16) {
        self.flush_client(self.sender_keys[usize::from(sender)].0);
    }

    fn flush_client(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key)
            && client.flush().is_err()
        {
            self.gone(key, "reset by the server");
        }
    }

    /// Asks the readers of all rooms whether they are there yet.
    pub(super) fn send_probes(&mut self) {
        for nth in 0..self.probers.len() {
            let key = self.probers[nth].0;
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            let stamp = Stamp {
                run: self.books.run,
                sender: PROBE,
                sequence: client.room as u32,
                time_ns: 0,
            };
            let draft = &mut self.rooms.get_mut(client.room).draft;
            draft.append(&stamp, &mut client.out);
            self.flush_client(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_on_a_fixed_schedule_however_late_it_is_asked() {
        let mut pace = Pace::Rate {
            per_second: 1_000.0,
            begin_ns: 5_000_000,
            scheduled: 0,
        };
        assert_eq!(pace.take_due(4_999_999), None);
        assert_eq!(pace.take_due(5_000_000), Some((5_000_000, 0)));
        assert_eq!(pace.take_due(5_999_999), None);
        let late: Vec<_> = std::iter::from_fn(|| pace.take_due(9_000_000)).collect();
        assert_eq!(
            late,
            [
                (6_000_000, 1),
                (7_000_000, 2),
                (8_000_000, 3),
                (9_000_000, 4)
            ]
        );
        assert_eq!(pace.next_ns(), 10_000_000);
    }

    #[test]
    fn a_window_is_never_due_by_time() {
        assert_eq!(
            (Pace::Window.next_ns(), Pace::Window.take_due(u64::MAX)),
            (u64::MAX, None)
        );
    }
}
