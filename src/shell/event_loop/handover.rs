//! How the loop ends when another process takes over.

use std::os::fd::{AsFd as _, BorrowedFd};

use signal_hook::consts::SIGUSR2;
use signal_hook::low_level::raise;
use signal_hook_mio::v1_0::Signals;

use super::{EventLoop, UPGRADE};
use crate::core::Now;
use crate::shell::datagrams::DatagramPort;
use crate::shell::store::Store;
use crate::shell::systemd::sockets::Purpose;
use crate::shell::upgrade::{Baggage, SocketState, Upgrade};

impl EventLoop {
    /// Starts the process that is to take over.
    pub(super) fn begin_upgrade(&mut self, now: Now) {
        if self.entrances.is_empty() {
            return log::warn!("no upgrade: the server is shutting down");
        }
        if let Some(upgrade) = &self.upgrade {
            return log::warn!(
                "no other upgrade: process {} is to take over",
                upgrade.pid()
            );
        }
        let program = self.next.program().display();
        match Upgrade::begin(&self.next, self.poll.registry(), UPGRADE, now) {
            Ok(upgrade) => {
                log::info!("upgrade: process {} starts from {program}", upgrade.pid());
                self.upgrade = Some(upgrade);
            }
            Err(error) => log::error!("no upgrade: cannot start {program}: {error}"),
        }
    }

    /// The new process has said something.
    pub(super) fn on_upgrade_event(&mut self, now: Now) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        match upgrade.on_readable(now) {
            Ok(true) => self.server.hold(),
            Ok(false) => {}
            Err(why) => self.give_upgrade_up(&why),
        }
    }

    /// Whether the server is to come to rest, so that another process can take over.
    pub(super) fn is_settling(&self) -> bool {
        self.upgrade.as_ref().is_some_and(Upgrade::is_settling)
    }

    /// At the end of a tick: hands over if nothing is on its way.
    pub(super) fn continue_upgrade(&mut self, now: Now) {
        let Some(upgrade) = &self.upgrade else {
            return;
        };
        if self.entrances.is_empty() {
            return self.give_upgrade_up("the server is shutting down");
        }
        if upgrade.deadline_ms() <= now.ms {
            let why = upgrade.overdue();
            return self.give_upgrade_up(why);
        }
        if !upgrade.is_settling() {
            return;
        }
        if !self.server.is_quiet() {
            // Something has begun by itself, as at a deadline, and may need the store.
            self.store.iter_mut().for_each(Store::resume);
            return;
        }
        if self.store.as_mut().is_none_or(Store::pause) {
            self.hand_over(now);
        }
    }

    fn hand_over(&mut self, now: Now) {
        let Some(mut upgrade) = self.upgrade.take() else {
            return;
        };
        match self.try_to_hand_over(&mut upgrade) {
            Ok(count) => {
                log::info!(
                    "process {} has taken over {count} connections",
                    upgrade.pid()
                );
                self.manager.main_process(upgrade.pid());
                self.part(now);
            }
            Err(why) => {
                self.upgrade = Some(upgrade);
                self.give_upgrade_up(&why);
            }
        }
    }

    /// Says how many connections the other process has.
    fn try_to_hand_over(&mut self, upgrade: &mut Upgrade) -> Result<usize, String> {
        let state = self.server.state().map_err(|error| error.to_string())?;
        // Not the time of the tick: the other clock goes on from here, and is not to go back.
        let mut baggage = Baggage::new(&self.config.settings, self.clock.now().ms);
        let mut descriptors: Vec<BorrowedFd<'_>> = Vec::new();
        for (entrance, purpose) in self.entrances.iter().zip([Purpose::Http, Purpose::Lines]) {
            baggage.ports.push(purpose.name().to_owned());
            descriptors.push(entrance.listener.as_fd());
        }
        for socket in self.datagrams.sockets() {
            baggage.ports.push(Purpose::Datagrams.name().to_owned());
            descriptors.push(socket.as_fd());
        }
        if let Some(store) = &self.store {
            baggage.has_store = true;
            descriptors.push(store.lock());
        }
        for (index, transport) in self.server.sockets() {
            if let Some(proxied) = transport.plain() {
                let proxied_state = proxied.state();
                baggage.sockets.push(SocketState {
                    index,
                    proxied: proxied_state,
                });
                descriptors.push(proxied.get_ref().as_fd());
            }
        }
        let signals = &mut self.signals;
        upgrade.hand_over(&baggage, &state, &descriptors, || !has_signal(signals))?;
        Ok(baggage.sockets.len())
    }

    /// The clients are the other process's, but for those over TLS: they are told to come back.
    fn part(&mut self, now: Now) {
        self.entrances.clear();
        self.datagrams = DatagramPort::default();
        self.imports = None;
        // Its files are the other process's, too. The writer is paused, and ends without another word.
        self.store = None;
        self.redis = None;
        self.shared_folder = None;
        self.outgoing = None;
        self.push = None;
        let taken = self.server.give_sockets_up(|it| it.plain().is_some(), now);
        for mut transport in taken {
            // The poll would go on to report them, because the other process has them open.
            if let Err(error) = self.poll.registry().deregister(transport.source()) {
                log::debug!("cannot stop polling a connection: {error}");
            }
        }
        self.server.release();
        self.server.begin_drain(now);
    }

    /// Goes on as if there had been no upgrade.
    fn give_upgrade_up(&mut self, why: &str) {
        log::error!("no upgrade, and this process goes on: {why}");
        if let Some(upgrade) = self.upgrade.take() {
            upgrade.abandon(self.poll.registry());
        }
        self.store.iter_mut().for_each(Store::resume);
        self.server.release();
    }
}

/// Whether a signal has come that this process is to heed itself: it comes again, and is heeded in the next tick.
fn has_signal(signals: &mut Signals) -> bool {
    let came = signals.pending().filter(|signal| *signal != SIGUSR2);
    let came: Vec<i32> = came.collect();
    for signal in &came {
        if let Err(error) = raise(*signal) {
            log::error!("signal {signal} is lost: {error}");
        }
    }
    !came.is_empty()
}
