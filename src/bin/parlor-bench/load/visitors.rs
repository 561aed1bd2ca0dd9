//! Connections that come and go while the broadcast goes on (`--churn`).

use std::collections::VecDeque;
use std::time::Duration;

use super::Load;
use super::client::{Phase, Role, append_frame};

const CLOSE: u8 = 0x8;
const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

/// The schedule of comings and goings.
#[derive(Debug)]
pub(super) struct Visitors {
    rate: f64,
    hold: Duration,
    begin_ns: u64,
    begun: u64,
    /// Who leaves when; all stay equally long, so in order of time.
    leaving: VecDeque<(u64, usize, u64)>,
    pub(super) arrived: u64,
    pub(super) left: u64,
    /// Cut off by the server.
    pub(super) dropped: u64,
}

impl Visitors {
    /// `rate` comings per second from `begin_ns` on; 0 for none.
    pub(super) fn new(rate: f64, hold: Duration) -> Visitors {
        let leaving = VecDeque::new();
        Visitors {
            rate,
            hold,
            begin_ns: u64::MAX,
            begun: 0,
            leaving,
            arrived: 0,
            left: 0,
            dropped: 0,
        }
    }

    pub(super) fn begin(&mut self, now_ns: u64) {
        if self.rate > 0.0 {
            self.begin_ns = now_ns;
        }
    }

    /// No more of them come.
    pub(super) fn end(&mut self) {
        self.begin_ns = u64::MAX;
    }

    pub(super) fn arrived(&mut self, now_ns: u64, key: usize, id: u64) {
        self.arrived += 1;
        self.leaving
            .push_back((now_ns + self.hold.as_nanos() as u64, key, id));
    }

    /// Counts from here on.
    pub(super) fn begin_counting(&mut self) {
        (self.arrived, self.left, self.dropped) = (0, 0, 0);
    }

    /// When there is something to do.
    pub(super) fn next_ns(&self) -> u64 {
        self.next_leave_ns().min(self.next_coming_ns())
    }

    pub(super) fn next_leave_ns(&self) -> u64 {
        self.leaving
            .front()
            .map_or(u64::MAX, |&(leave_ns, ..)| leave_ns)
    }

    fn next_coming_ns(&self) -> u64 {
        match self.begin_ns {
            u64::MAX => u64::MAX,
            begin_ns => begin_ns + (self.begun as f64 * 1e9 / self.rate) as u64,
        }
    }
}

impl Load {
    pub(super) fn move_visitors(&mut self, now_ns: u64) {
        while self.visitors.next_coming_ns() <= now_ns && self.connector.has_room() {
            self.visitors.begun += 1;
            if !self.begin_connect(Role::Visitor) {
                break;
            }
        }
        while let Some(&(leave_ns, key, id)) = self.visitors.leaving.front() {
            if leave_ns > now_ns {
                break;
            }
            self.visitors.leaving.pop_front();
            self.leave(key, id);
        }
    }

    /// Begins the closing handshake; the server ends it.
    fn leave(&mut self, key: usize, id: u64) {
        let Some(client) = self.clients.get_mut(key).filter(|client| client.id == id) else {
            return;
        };
        append_frame(&mut client.out, CLOSE, &NORMAL_CLOSURE);
        client.phase = Phase::Closing;
        if client.flush().is_err() {
            self.gone(key, "reset by the server");
        }
    }
}
