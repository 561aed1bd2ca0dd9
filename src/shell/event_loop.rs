//! The poll loop: the only place that waits, and the only one that knows mio and the clock.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::config::Config;
use super::files::FILES;
use super::{RunError, listener};
use crate::core::site::Site;
use crate::core::{Now, Ready, Server, Stream};

const LISTENER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections accepted in one tick, so that a storm of them does not starve those already in.
const ACCEPT_BATCH: usize = 128;
/// How long a tick may read, and then hand out messages, before it looks at the sockets again.
const TICK_BUDGET: Duration = Duration::from_millis(2);
/// When to try accepting again after the machine was out of descriptors or memory.
const ACCEPT_PAUSE_MS: u64 = 1000;

/// Serves until a signal ends it.
///
/// # Errors
/// What kept it from starting, or from going on.
pub fn run(config: Config) -> Result<(), RunError> {
    EventLoop::new(config)?.run()
}

impl Stream for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

struct EventLoop {
    poll: Poll,
    /// Gone when the server is ending.
    listener: Option<TcpListener>,
    accepting: Accepting,
    signals: Signals,
    server: Server<TcpStream>,
    clock: Clock,
}

/// What is known of the listener, whose events come only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    /// Nobody is waiting; an event will tell.
    Idle,
    /// Someone may be waiting.
    Ready,
    /// Out of descriptors or memory: until then, or until a connection has ended.
    Paused { until_ms: u64, connections: usize },
}

impl EventLoop {
    fn new(config: Config) -> Result<Self, RunError> {
        let mut limits = config.limits;
        limits.max_connections = listener::connections_allowed(limits.max_connections)?;
        let mut listener = listener::listen(config.bind, config.port, config.reuse_port)?;
        let address = listener
            .local_addr()
            .map_err(|error| RunError::new("cannot listen", error, ""))?;
        let clock = Clock::new();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| RunError::new("cannot get random bytes", error.into(), ""))?;
        let server = Server::new(
            limits,
            config.allow_origin,
            Site::new(FILES),
            seed,
            clock.now(),
        );
        let (poll, signals) = start_polling(&mut listener)
            .map_err(|error| RunError::new("cannot poll", error, ""))?;
        announce(address);
        Ok(Self {
            poll,
            listener: Some(listener),
            accepting: Accepting::Idle,
            signals,
            server,
            clock,
        })
    }

    fn run(mut self) -> Result<(), RunError> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(RunError::new("cannot poll", error, ""));
                }
                _ => {}
            }
            let now = self.clock.now();
            for event in &events {
                if self.on_event(event, now).is_break() {
                    return Err(RunError {
                        what: "ended at once by a second signal".to_owned(),
                        cause: None,
                        advice: "",
                    });
                }
            }
            self.accept(now);
            self.server.read_in_line(now, time_left());
            self.server.end_of_tick(now, time_left());
            if self.server.is_drained(now) {
                return Ok(());
            }
        }
    }

    fn on_event(&mut self, event: &Event, now: Now) -> ControlFlow<()> {
        match event.token() {
            // A pause is not cut short: whoever comes next would find no descriptor either.
            LISTENER if self.accepting == Accepting::Idle => self.accepting = Accepting::Ready,
            LISTENER => {}
            SIGNALS => return self.on_signal(now),
            Token(index) => {
                let ready = Ready {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    ending: event.is_read_closed() || event.is_error(),
                };
                self.server.on_ready(index, ready);
            }
        }
        ControlFlow::Continue(())
    }

    /// The first signal drains, the second breaks.
    fn on_signal(&mut self, now: Now) -> ControlFlow<()> {
        for _ in self.signals.pending() {
            if self.listener.take().is_none() {
                return ControlFlow::Break(());
            }
            log::info!(
                "shutting down, connections to end: {}",
                self.server.connection_count()
            );
            self.server.begin_drain(now);
        }
        ControlFlow::Continue(())
    }

    /// Takes in a batch of those who wait.
    fn accept(&mut self, now: Now) {
        if !self.may_accept(now) {
            return;
        }
        let Some(listener) = &self.listener else {
            return;
        };
        self.accepting = Accepting::Ready;
        for _ in 0..ACCEPT_BATCH {
            if !self.server.has_room() {
                return;
            }
            match listener.accept() {
                Ok((socket, peer)) => admit(&mut self.server, &self.poll, socket, peer, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accepting = Accepting::Idle;
                    return;
                }
                Err(error) if is_shortage(&error) => {
                    log::warn!(
                        "cannot accept for now: {error}; raise the limit on open files (ulimit -n)"
                    );
                    let (until_ms, connections) =
                        (now.ms + ACCEPT_PAUSE_MS, self.server.connection_count());
                    self.accepting = Accepting::Paused {
                        until_ms,
                        connections,
                    };
                    return;
                }
                // The peer has gone while it waited (accept(2)); so may the next not have.
                Err(error) => log::debug!("cannot accept: {error}"),
            }
        }
    }

    fn may_accept(&self, now: Now) -> bool {
        match self.accepting {
            Accepting::Idle => false,
            Accepting::Ready => self.server.has_room(),
            Accepting::Paused {
                until_ms,
                connections,
            } => now.ms >= until_ms || self.server.connection_count() < connections,
        }
    }

    /// How long to wait for events: not at all with work to do, else until the next deadline.
    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.now();
        if self.server.has_work() || (self.listener.is_some() && self.may_accept(now)) {
            return Some(Duration::ZERO);
        }
        let retry_ms = match self.accepting {
            Accepting::Paused { until_ms, .. } if self.listener.is_some() => Some(until_ms),
            _ => None,
        };
        let deadlines = [
            self.server.next_deadline_ms(),
            self.server.drain_deadline_ms(),
            retry_ms,
        ];
        let next_ms = deadlines.into_iter().flatten().min()?;
        Some(Duration::from_millis(next_ms.saturating_sub(now.ms)))
    }
}

fn admit(
    server: &mut Server<TcpStream>,
    poll: &Poll,
    socket: TcpStream,
    peer: SocketAddr,
    now: Now,
) {
    // An IPv4 peer on the dual-stack socket is shown as what it is.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Ok(index) = server.admit(socket, peer, now) else {
        return;
    };
    let Some(socket) = server.socket_mut(index) else {
        return;
    };
    // Once, for both, edge-triggered: there is no re-registration per write.
    if let Err(error) = poll.registry().register(
        socket,
        Token(index),
        Interest::READABLE | Interest::WRITABLE,
    ) {
        log::warn!("cannot poll a connection: {error}");
        server.abandon(index, now);
    }
}

fn start_polling(listener: &mut TcpListener) -> io::Result<(Poll, Signals)> {
    let poll = Poll::new()?;
    poll.registry()
        .register(listener, LISTENER, Interest::READABLE)?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    poll.registry()
        .register(&mut signals, SIGNALS, Interest::READABLE)?;
    Ok((poll, signals))
}

/// The first line on standard output, which scripts that start on port 0 read. Whoever has closed it does not want it.
fn announce(address: SocketAddr) {
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "parlor listening on http://{address}").and_then(|()| stdout.flush());
}

/// Says whether a tick's budget, which begins now, has not been used up.
fn time_left() -> impl FnMut() -> bool {
    let began = Instant::now();
    move || began.elapsed() < TICK_BUDGET
}

fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

struct Clock {
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            ms: self.start.elapsed().as_millis() as u64,
            unix_ms: unix.as_millis() as u64,
        }
    }
}
