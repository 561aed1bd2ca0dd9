//! What leads from one stage of a run to the next.

use std::time::Duration;

use mio::{Interest, Token};

use super::Load;
use super::client::Role;
use super::connecting::list;
use super::stage::Stage;
use crate::process::Processes;

/// How often progress is shown and the stage looked at, when nothing else happens.
const TICK_NS: u64 = 100_000_000;
/// Without a delivery, and those that stalled have read all there was for them.
const WAKING_NS: u64 = 1_000_000_000;
const PROBE_EVERY_NS: u64 = 1_000_000_000;
/// Points in the plot, whatever the length of the run; and the shortest stretch that one may stand for.
const INTERVALS: u64 = 100;
const MIN_INTERVAL_NS: u64 = 100_000_000;

/// When the last delivery came, by looking at the count now and then.
#[derive(Debug, Default)]
pub(super) struct Silence {
    deliveries: u64,
    pub(super) since_ns: u64,
}

impl Load {
    /// Goes on to the next stage when it is time.
    pub(super) fn advance(&mut self, now_ns: u64) -> Result<(), String> {
        let is_tick = now_ns >= self.next_tick_ns;
        if is_tick {
            self.next_tick_ns = now_ns + TICK_NS;
            self.expire_connects(now_ns);
            self.watch_silence(now_ns);
            self.show_progress(now_ns);
        }
        match self.stage {
            Stage::Connecting => self.connect_more(now_ns)?,
            Stage::Probing {
                next_ns,
                give_up_ns,
            } => self.probe(now_ns, next_ns, give_up_ns)?,
            Stage::WarmingUp { until_ns } if now_ns >= until_ns => self.begin_measuring(now_ns),
            Stage::Measuring {
                until_ns,
                next_cut_ns,
            } => self.measure(now_ns, until_ns, next_cut_ns),
            Stage::Returns(step) => self.advance_returns(now_ns, step)?,
            Stage::Draining if self.books.ledger.owed == 0 || self.is_silent(now_ns) => {
                self.close_books(now_ns);
            }
            Stage::Waking
                if self.silent_ns(now_ns) > WAKING_NS
                    || self.stallers_cut_off == self.options.stall as u64 =>
            {
                self.stage = Stage::Done;
            }
            Stage::Holding { until_ns } if now_ns >= until_ns => {
                self.marks.end(self.mark(now_ns));
                self.leave_all(now_ns);
            }
            Stage::Leaving { give_up_ns } if self.clients.is_empty() || now_ns >= give_up_ns => {
                if self.clients.is_empty() {
                    self.marks.left(self.server.as_ref());
                }
                self.stage = Stage::Done;
            }
            _ => {}
        }
        if let Some(reason) = self.books.refusal.take() {
            return Err(format!("the server refused a command: {reason}"));
        }
        if self.books.ledger.is_deserted() {
            return Err(format!(
                "every connection was lost: {}",
                list(&self.books.disconnected)
            ));
        }
        Ok(())
    }

    fn connect_more(&mut self, now_ns: u64) -> Result<(), String> {
        let (wanted, stallers) = (self.options.connections, self.options.stall);
        let begun = self.connector.opened as usize + self.connector.under_way;
        for nth in begun..wanted {
            if !self.connector.has_room() || !self.connector.failures.is_empty() {
                break;
            }
            let role = if nth < wanted - stallers {
                Role::Reader
            } else {
                Role::Staller
            };
            let (room, node) = (
                self.rooms.of_connection(nth),
                self.rooms.node_of_connection(nth),
            );
            self.begin_connect(role, room, node);
        }
        if self.connector.under_way > 0 {
            return Ok(());
        }
        if !self.connector.failures.is_empty() {
            let opened = self.connector.opened;
            return Err(format!(
                "connected {opened} of {wanted}, then: {}",
                list(&self.connector.failures)
            ));
        }
        self.marks.connected(now_ns, self.server.as_ref());
        self.seat_senders();
        self.stage = if self.options.idle {
            self.marks.begin(self.mark(now_ns));
            Stage::Holding {
                until_ns: now_ns + self.options.seconds.as_nanos() as u64,
            }
        } else {
            Stage::Probing {
                next_ns: now_ns,
                give_up_ns: now_ns + self.options.connect_timeout.as_nanos() as u64,
            }
        };
        Ok(())
    }

    fn probe(&mut self, now_ns: u64, next_ns: u64, give_up_ns: u64) -> Result<(), String> {
        if self.books.unprobed == 0 {
            self.begin_load(now_ns);
        } else if now_ns >= give_up_ns {
            let (unprobed, all) = (self.books.unprobed, self.books.probed.len());
            return Err(format!(
                "{unprobed} of {all} connections get no message: does the server relay to all, the sender included?"
            ));
        } else if now_ns >= next_ns {
            self.send_probes();
            self.stage = Stage::Probing {
                next_ns: now_ns + PROBE_EVERY_NS,
                give_up_ns,
            };
        }
        Ok(())
    }

    fn begin_load(&mut self, now_ns: u64) {
        for (_, client) in self
            .clients
            .iter_mut()
            .filter(|(_, client)| client.role == Role::Staller)
        {
            // Nobody will hear of its socket again; the kernel's buffers fill up.
            let _ = self.poll.registry().deregister(client.stream.socket_mut());
        }
        self.visitors.begin(now_ns);
        self.begin_sending(now_ns);
        if self.returns.is_some() {
            return self.gather(now_ns);
        }
        self.stage = Stage::WarmingUp {
            until_ns: now_ns + self.options.warmup.as_nanos() as u64,
        };
    }

    fn begin_measuring(&mut self, now_ns: u64) {
        self.marks.begin(self.mark(now_ns));
        self.books.recorder.begin(now_ns);
        self.visitors.begin_counting();
        let until_ns = now_ns + self.options.seconds.as_nanos() as u64;
        self.stage = Stage::Measuring {
            until_ns,
            next_cut_ns: now_ns + self.interval_ns(),
        };
    }

    fn interval_ns(&self) -> u64 {
        (self.options.seconds.as_nanos() as u64 / INTERVALS).max(MIN_INTERVAL_NS)
    }

    fn measure(&mut self, now_ns: u64, until_ns: u64, next_cut_ns: u64) {
        if now_ns >= next_cut_ns {
            let resident_bytes = self
                .server
                .as_ref()
                .and_then(Processes::resident_bytes_roughly);
            self.books.recorder.cut(now_ns, resident_bytes);
            self.stage = Stage::Measuring {
                until_ns,
                next_cut_ns: next_cut_ns + self.interval_ns(),
            };
        }
        if now_ns >= until_ns {
            self.marks.end(self.mark(now_ns));
            self.books.recorder.end(now_ns);
            self.sending = false;
            self.visitors.end();
            self.silence.since_ns = now_ns;
            self.stage = Stage::Draining;
        }
    }

    /// The last delivery has come, or never will.
    fn close_books(&mut self, now_ns: u64) {
        self.books.recorder.fold();
        for (key, client) in &self.clients {
            if client.role == Role::Reader {
                self.books.close(key, client.room);
            }
        }
        self.marks.drained(self.server.as_ref());
        for (key, client) in self
            .clients
            .iter_mut()
            .filter(|(_, client)| client.role == Role::Staller)
        {
            let both = Interest::READABLE | Interest::WRITABLE;
            // Where it fails, the connection counts as one that the server has kept.
            let _ = self
                .poll
                .registry()
                .register(client.stream.socket_mut(), Token(key), both);
        }
        self.silence.since_ns = now_ns;
        self.stage = Stage::Waking;
    }

    fn leave_all(&mut self, now_ns: u64) {
        let all: Vec<(usize, u64)> = self
            .clients
            .iter()
            .map(|(key, client)| (key, client.id))
            .collect();
        all.into_iter().for_each(|(key, id)| self.leave(key, id));
        self.stage = Stage::Leaving {
            give_up_ns: now_ns + self.options.connect_timeout.as_nanos() as u64,
        };
    }

    fn show_progress(&self, now_ns: u64) {
        let seconds = |until_ns: u64| {
            format!(
                "{} s left",
                until_ns.saturating_sub(now_ns).div_ceil(1_000_000_000)
            )
        };
        let (wanted, deliveries) = (
            self.options.connections as u64,
            self.books.recorder.deliveries,
        );
        let readers = self.books.probed.len() as u64;
        let in_ms = |until_ns: u64, length: Duration| {
            let all = length.as_millis() as u64;
            (
                all.saturating_sub(until_ns.saturating_sub(now_ns) / 1_000_000),
                all,
            )
        };
        let (name, (done, all), message) = match self.stage {
            Stage::Connecting => {
                let rate = self.connector.opened * 1_000_000_000 / now_ns.max(1);
                let opened = self.connector.opened;
                (
                    "connecting",
                    (opened, wanted),
                    format!("{opened} of {wanted}, {rate}/s"),
                )
            }
            Stage::Probing { .. } => {
                let seen = readers - self.books.unprobed as u64;
                (
                    "probing",
                    (seen, readers),
                    format!("{seen} of {readers} in the room"),
                )
            }
            Stage::WarmingUp { until_ns } => (
                "warming up",
                in_ms(until_ns, self.options.warmup),
                seconds(until_ns),
            ),
            Stage::Measuring { until_ns, .. } => {
                let message = format!("{}, {deliveries} delivered", seconds(until_ns));
                ("measuring", in_ms(until_ns, self.options.seconds), message)
            }
            Stage::Returns(step) => self.show_returns(step),
            Stage::Holding { until_ns } => (
                "holding",
                in_ms(until_ns, self.options.seconds),
                seconds(until_ns),
            ),
            Stage::Leaving { .. } => {
                let left = wanted - self.clients.len() as u64;
                ("leaving", (left, wanted), format!("{left} of {wanted}"))
            }
            Stage::Draining | Stage::Waking | Stage::Done => (
                "draining",
                (1, 1),
                format!("{} still to come", self.books.ledger.owed),
            ),
        };
        self.progress.show(name, done, all, message);
    }

    fn watch_silence(&mut self, now_ns: u64) {
        let deliveries = self.books.recorder.deliveries;
        let is_over = matches!(self.stage, Stage::Draining | Stage::Waking);
        if deliveries != self.silence.deliveries || !self.sending && !is_over {
            self.silence = Silence {
                deliveries,
                since_ns: now_ns,
            };
        }
        if self.sending {
            self.books
                .ledger
                .give_up(now_ns, self.options.loss_timeout.as_nanos() as u64);
        }
    }

    fn is_silent(&self, now_ns: u64) -> bool {
        self.silent_ns(now_ns) > self.options.loss_timeout.as_nanos() as u64
    }

    fn silent_ns(&self, now_ns: u64) -> u64 {
        now_ns - self.silence.since_ns
    }
}
