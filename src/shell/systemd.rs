//! What the service manager systemd is told: when the server is ready, what it is doing, and that its loop has not hung
//! (sd_notify(3)). Without NOTIFY_SOCKET nobody is told, and no tick comes earlier for it.

pub(super) mod sockets;

use std::env;
use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

/// How long a shutdown may go on after each extension, in milliseconds. systemd waits no longer than TimeoutStopSec= for one
/// that is not extended, but `--drain-timeout` may be longer.
const EXTENSION_MS: u64 = 30_000;
/// The same for what was published last to be written, during which nothing is told: a slow disk may take minutes.
const CLOSING_MS: u64 = 300_000;

const SERVING: &str = "serving";

/// What is told to systemd, and when. A message waits while systemd has many unread ones; systemd that hangs is not worked
/// around.
pub(super) struct Manager {
    is_there: bool,
    /// Milliseconds between signs of life, if it waits for them.
    watchdog_ms: Option<u64>,
    is_stopping: bool,
    next_ms: u64,
}

impl Manager {
    /// The manager that the environment names, if it names one.
    pub(super) fn new() -> Self {
        let is_there = env::var_os("NOTIFY_SOCKET").is_some();
        let wait = sd_notify::watchdog_enabled().filter(|_| is_there);
        Self {
            is_there,
            watchdog_ms: wait.and_then(interval_of),
            is_stopping: false,
            next_ms: 0,
        }
    }

    /// The server serves.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status(SERVING)]);
    }

    /// The settings are about to be read again. `reloaded` must follow.
    pub(super) fn reloading(&self) {
        // systemd tells by the time which request to reload this answers.
        let now = NotifyState::monotonic_usec_now().ok();
        let states: Vec<_> = [NotifyState::Reloading].into_iter().chain(now).collect();
        tell(&states);
    }

    /// The settings have been read again, or are as they were because the new ones are no good.
    pub(super) fn reloaded(&self, is_changed: bool) {
        let status = match is_changed {
            true => SERVING,
            false => "serving with the old settings: the new ones are wrong, see the log",
        };
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A shutdown begins, and lasts until these connections have ended.
    pub(super) fn stopping(&mut self, connections: usize, now_ms: u64) {
        let status = format!("shutting down, connections to end: {connections}");
        tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
        self.is_stopping = self.is_there;
        self.next_ms = now_ms;
    }

    /// Nobody is connected any more, and what was published last is written now.
    pub(super) fn closing(&self) {
        let status = NotifyState::Status("shutting down, writing what was published last");
        tell(&[extension(CLOSING_MS), status]);
    }

    /// Another process has taken over: it is the one that systemd listens to, and watches, from now on. Its environment
    /// must not have WATCHDOG_PID, which names this one.
    pub(super) fn main_process(&self, pid: u32) {
        tell(&[NotifyState::MainPid(pid)]);
    }

    /// Gives a sign of life if one is due. The poll loop calls this in every tick, so that a loop that hangs gives none.
    pub(super) fn on_tick(&mut self, now_ms: u64) {
        let Some(interval_ms) = self.interval_ms() else {
            return;
        };
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms.saturating_add(interval_ms);
        let life = self.watchdog_ms.map(|_| NotifyState::Watchdog);
        let more_time = self.is_stopping.then(|| extension(EXTENSION_MS));
        let states: Vec<_> = life.into_iter().chain(more_time).collect();
        tell(&states);
    }

    /// When the next sign of life is due.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.interval_ms().map(|_| self.next_ms)
    }

    fn interval_ms(&self) -> Option<u64> {
        let extension_ms = self.is_stopping.then_some(EXTENSION_MS / 2);
        self.watchdog_ms.into_iter().chain(extension_ms).min()
    }
}

/// Milliseconds between signs of life for one who waits that long for each: the half, which sd_watchdog_enabled(3)
/// recommends. Zero is no watchdog.
fn interval_of(wait: Duration) -> Option<u64> {
    (!wait.is_zero()).then(|| (wait.as_millis() as u64 / 2).max(1))
}

fn extension(ms: u64) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(ms * 1000).unwrap_or(u32::MAX))
}

fn tell(states: &[NotifyState<'_>]) {
    report(sd_notify::notify(states));
}

/// A server that cannot be heard goes on serving; systemd decides what its silence means.
fn report(told: io::Result<()>) {
    if let Err(error) = told {
        log::warn!("cannot tell systemd: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(watchdog_ms: Option<u64>) -> Manager {
        Manager {
            is_there: true,
            watchdog_ms,
            is_stopping: false,
            next_ms: 0,
        }
    }

    #[test]
    fn the_interval_is_half_of_the_wait() {
        for (wait_us, interval_ms) in [(30_000_000, 15_000), (3_000, 1), (1, 1)] {
            assert_eq!(
                interval_of(Duration::from_micros(wait_us)),
                Some(interval_ms)
            );
        }
        assert_eq!(interval_of(Duration::ZERO), None);
    }

    #[test]
    fn the_next_sign_of_life_is_due_an_interval_after_the_last() {
        let mut manager = manager(Some(100));
        for (now_ms, next_ms) in [(7, 107), (8, 107), (106, 107), (107, 207), (900, 1000)] {
            manager.on_tick(now_ms);
            assert_eq!(manager.next_ms(), Some(next_ms));
        }
    }

    #[test]
    fn a_shutdown_is_extended_at_once_and_before_the_extension_ends() {
        let mut unwatched = manager(None);
        unwatched.on_tick(7);
        assert_eq!(unwatched.next_ms(), None);
        unwatched.stopping(1, 8);
        assert_eq!(unwatched.next_ms(), Some(8));
        unwatched.on_tick(8);
        assert!(unwatched.next_ms().unwrap() < 8 + EXTENSION_MS);

        let mut watched = manager(Some(100));
        watched.stopping(1, 8);
        watched.on_tick(8);
        assert_eq!(watched.next_ms(), Some(108));
    }
}
