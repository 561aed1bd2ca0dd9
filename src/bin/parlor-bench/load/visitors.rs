//! Connections that come and go while the broadcast goes on (`--churn`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Shutdown;
use std::time::Duration;

use socket2::SockRef;

use super::Load;
use super::client::{Phase, Role};
use crate::frames::{append_frame, text_frame};

const CLOSE: u8 = 0x8;
const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

/// The schedule of comings and goings.
#[derive(Debug)]
pub(super) struct Visitors {
    rate: f64,
    hold: Duration,
    begin_ns: u64,
    begun: u64,
    /// Who leaves when.
    leaving: BinaryHeap<Reverse<(u64, usize, u64)>>,
    pub(super) arrived: u64,
    pub(super) left: u64,
    /// Cut off by the server.
    pub(super) dropped: u64,
}

impl Visitors {
    /// `rate` comings per second from `begin_ns` on; 0 for none.
    pub(super) fn new(rate: f64, hold: Duration) -> Visitors {
        Visitors {
            rate,
            hold,
            begin_ns: u64::MAX,
            begun: 0,
            leaving: BinaryHeap::new(),
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

    fn arrived(&mut self, leave_ns: u64, key: usize, id: u64) {
        self.arrived += 1;
        self.leaving.push(Reverse((leave_ns, key, id)));
    }

    /// As long as visits are on average, but never the same.
    fn about_hold_ns(&self) -> u64 {
        fastrand::u64(..=2 * self.hold.as_nanos() as u64)
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
            .peek()
            .map_or(u64::MAX, |&Reverse((leave_ns, ..))| leave_ns)
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
            let node = self.connector.next_node();
            if !self.begin_connect(Role::Visitor, 0, node) {
                break;
            }
        }
        while let Some(&Reverse((leave_ns, key, id))) = self.visitors.leaving.peek() {
            if leave_ns > now_ns {
                break;
            }
            self.visitors.leaving.pop();
            match self.rooms.get(0).door.json() {
                Some(_) => {
                    let back_ns = self.now_ns() + self.visitors.about_hold_ns();
                    self.cut_off(key, id, back_ns);
                }
                None => self.leave(key, id),
            }
        }
    }

    /// A visitor's connection is open: whoever was here before asks for what they have missed.
    pub(super) fn arrive(&mut self, now_ns: u64, began_ns: u64, key: usize, id: u64) {
        let own = &self.rooms.get(0).door;
        let visited = self.returns.as_ref().map_or(own, |it| &it.door);
        let Some(room) = visited.json() else {
            let leave_ns = now_ns + self.visitors.hold.as_nanos() as u64;
            return self.visitors.arrived(leave_ns, key, id);
        };
        let life = self.books.lives.next(now_ns, began_ns);
        let client = &mut self.clients[key];
        client.life = Some(life);
        let join = room.join(self.books.lives.since(life));
        client.out.append(&mut text_frame(&join));
        // A socket that is broken will say so when it is read.
        let _ = client.flush();
        if let Some(returns) = &mut self.returns {
            return returns.arrived(key, id);
        }
        let leave_ns = now_ns + self.visitors.about_hold_ns();
        self.visitors.arrived(leave_ns, key, id);
    }

    /// Ends a connection with a reset, whatever is under way on it. Whose it was is to come back at `back_ns`.
    pub(super) fn cut_off(&mut self, key: usize, id: u64, back_ns: u64) {
        if self.clients.get(key).is_none_or(|client| client.id != id) {
            return;
        }
        let client = self.clients.remove(key);
        // What cannot be reset is closed, which is a way to go as well.
        let _ = SockRef::from(client.stream.socket()).set_linger(Some(Duration::ZERO));
        self.visitors.left += 1;
        if let Some(life) = client.life {
            self.books.lives.leave(life, back_ns);
        }
    }

    /// Says that it goes, by a close frame where there are such; the server ends the connection.
    pub(super) fn leave(&mut self, key: usize, id: u64) {
        let Some(client) = self.clients.get_mut(key).filter(|client| client.id == id) else {
            return;
        };
        client.phase = Phase::Closing;
        let said = match self.rooms.get(client.room).door.is_websocket() {
            true => {
                append_frame(&mut client.out, CLOSE, &NORMAL_CLOSURE);
                client.flush()
            }
            false => client.stream.socket().shutdown(Shutdown::Write),
        };
        if said.is_err() {
            self.gone(key, "reset by the server");
        }
    }
}
