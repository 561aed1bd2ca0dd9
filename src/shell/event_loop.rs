//! The poll loop: the only place that waits, and the only one that knows mio and the clock.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use socket2::{SockRef, TcpKeepalive};

use super::announce::{Page, here};
use super::config::Config;
use super::datagrams::DatagramPort;
use super::files::FILES;
use super::keys::KeyFiles;
use super::tls::{Files, Tls};
use super::transport::Transport;
use super::{RunError, listener};
use crate::core::budget::Stage;
use crate::core::site::Site;
use crate::core::{Hosts, Now, Proxied, Ready, Server};
use crate::limits::TICK;

const SIGNALS: Token = Token(usize::MAX - 1);
const LISTENER: Token = Token(usize::MAX - 2);
const LINE_LISTENER: Token = Token(usize::MAX - 3);
const DATAGRAMS: Token = Token(usize::MAX - 4);

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections accepted in one tick, so that a storm of them does not starve those already in.
const ACCEPT_BATCH: usize = 128;
/// Ticks that take longer are logged, in nanoseconds.
const LONG_TICK: u64 = 5 * TICK;
/// Silence after which TCP asks whether the other end of a line connection is there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long a drain may take before it is said what is waited for.
const DRAIN_NOTICE_MS: u64 = 500;
/// When to try accepting again after the machine was out of descriptors or memory.
const ACCEPT_PAUSE_MS: u64 = 1000;

/// Serves until a signal ends it.
///
/// # Errors
/// What kept it from starting, or from going on.
pub fn run(config: Config) -> Result<(), RunError> {
    EventLoop::new(config)?.run()
}

struct EventLoop {
    poll: Poll,
    /// Gone when the server is ending.
    entrances: Vec<Entrance>,
    datagrams: DatagramPort,
    signals: Signals,
    server: Server<Transport>,
    key_files: KeyFiles,
    clock: Clock,
    /// When to say what a drain waits for.
    notice_ms: Option<u64>,
}

/// A port, and who comes in there.
struct Entrance {
    listener: TcpListener,
    token: Token,
    admit: Admit,
    /// For those who come in here to speak.
    tls: Option<Tls>,
    accepting: Accepting,
}

/// How a socket is taken in.
type Admit = fn(&mut Server<Transport>, Transport, SocketAddr, Now) -> Result<usize, Transport>;

/// What is known of a listener, whose events come only once.
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
        let keys = config.keys.load()?;
        let mut datagrams = DatagramPort::open(&config)?;
        let mut limits = config.limits;
        limits.max_connections = listener::connections_allowed(limits.max_connections)?;
        let listen = |port| listener::listen(config.bind, port, config.reuse_port);
        let tls = match (config.tls_cert, config.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls::new(Files { certificate, key })?),
            _ => None,
        };
        let mut main = Entrance::new(listen(config.port)?, LISTENER, Server::admit);
        main.tls = tls;
        let bound = main.listener.local_addr().map_err(cannot_listen)?;
        let page = Page::new(bound, main.tls.is_some());
        let mut entrances = vec![main];
        if let Some(port) = config.line_port {
            let lines = Entrance::new(listen(port)?, LINE_LISTENER, admit_lines);
            entrances.push(lines);
        }
        let clock = Clock::new();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| RunError::new("cannot get random bytes", error.into(), ""))?;
        let mut server = Server::new(
            limits,
            config.allow_origin,
            Site::new(FILES),
            seed,
            clock.now(),
        );
        server.answer_to(Hosts::new(listener::own_names(), config.allow_host));
        server.budget().use_clock(nanoseconds);
        let is_open = match keys {
            None => true,
            Some(keys) => {
                server.guard(keys);
                false
            }
        };
        let (poll, signals) = start_polling(&mut entrances)
            .map_err(|error| RunError::new("cannot poll", error, ""))?;
        datagrams
            .register(poll.registry(), DATAGRAMS)
            .map_err(|error| RunError::new("cannot poll", error, ""))?;
        announce(&page, &entrances, &datagrams, is_open).map_err(cannot_listen)?;
        server.set_page_addresses(page.elsewhere);
        Ok(Self {
            poll,
            entrances,
            datagrams,
            signals,
            server,
            key_files: config.keys,
            clock,
            notice_ms: None,
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
            self.server.budget().begin_tick(TICK);
            for event in &events {
                if self.on_event(event, now).is_break() {
                    return Err(RunError {
                        what: "ended at once by a second signal".to_owned(),
                        cause: None,
                        advice: "",
                    });
                }
            }
            self.datagrams.receive(&mut self.server, now);
            self.server.budget().enter(Stage::Accepting);
            for entrance in &mut self.entrances {
                entrance.accept(&mut self.server, &self.poll, now);
            }
            self.server.read_in_line(now);
            self.server.end_of_tick(now);
            if let Some(long) = self.server.budget().end_tick(LONG_TICK) {
                log::debug!("{long}");
            }
            if self.server.is_drained(now) {
                return Ok(());
            }
            if self.notice_ms.is_some_and(|notice_ms| notice_ms <= now.ms) {
                self.notice_ms = None;
                self.say_what_is_waited_for(now);
            }
        }
    }

    fn on_event(&mut self, event: &Event, now: Now) -> ControlFlow<()> {
        match event.token() {
            SIGNALS => return self.on_signal(now),
            token @ (LISTENER | LINE_LISTENER) => {
                let mut entrances = self.entrances.iter_mut();
                if let Some(entrance) = entrances.find(|entrance| entrance.token == token) {
                    entrance.on_waiting();
                }
            }
            DATAGRAMS => self.datagrams.on_ready(),
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

    /// The first signal drains, the second breaks; SIGHUP does neither.
    fn on_signal(&mut self, now: Now) -> ControlFlow<()> {
        for signal in self.signals.pending() {
            if signal == SIGHUP {
                self.reload();
                continue;
            }
            if std::mem::take(&mut self.entrances).is_empty() {
                return ControlFlow::Break(());
            }
            self.datagrams = DatagramPort::default();
            log::info!(
                "shutting down, connections to end: {}",
                self.server.connection_count()
            );
            self.server.begin_drain(now);
            self.notice_ms = Some(now.ms + DRAIN_NOTICE_MS);
        }
        ControlFlow::Continue(())
    }

    /// Whoever has pressed Ctrl-C sees nothing happen while clients do not answer.
    fn say_what_is_waited_for(&self, now: Now) {
        let count = self.server.connection_count();
        let connections = if count == 1 {
            "1 connection".to_owned()
        } else {
            format!("{count} connections")
        };
        let most = match self.server.drain_deadline_ms() {
            Some(deadline) if deadline < u64::MAX => {
                format!(
                    ", at most {:.1} s more",
                    deadline.saturating_sub(now.ms) as f64 / 1000.0
                )
            }
            _ => String::new(),
        };
        log::warn!(
            "shutting down: waiting for {connections} to end{most}; a second Ctrl-C, or signal, ends at once"
        );
    }

    /// Reads the certificate and the keys again. Where they are no good now, the old ones stay.
    fn reload(&mut self) {
        let certificate = self.entrances.iter_mut().find_map(|it| it.tls.as_mut());
        let certificate = certificate.map(Tls::reload);
        let keys = self.key_files.load().transpose();
        if certificate.is_none() && keys.is_none() {
            log::warn!("SIGHUP is ignored: there is neither a certificate nor a key to read again");
        }
        match certificate {
            Some(Ok(())) => log::info!("the certificate was read again"),
            Some(Err(error)) => log::error!("the old certificate stays: {error}"),
            None => {}
        }
        match keys {
            Some(Ok(keys)) => {
                self.server.guard(keys);
                log::info!("the keys for tokens were read again");
            }
            Some(Err(error)) => log::error!("the old keys for tokens stay: {error}"),
            None => {}
        }
    }

    /// How long to wait for events: not at all with work to do, else until the next deadline.
    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut entrances = self.entrances.iter();
        let has_work = self.server.has_work() || self.datagrams.has_more();
        if has_work || entrances.any(|it| it.may_accept(&self.server, now)) {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.server.next_deadline_ms(),
            self.server.drain_deadline_ms(),
            self.notice_ms,
        ];
        let retries = self.entrances.iter().filter_map(Entrance::retry_ms);
        let next_ms = deadlines.into_iter().flatten().chain(retries).min()?;
        Some(Duration::from_millis(next_ms.saturating_sub(now.ms)))
    }
}

impl Entrance {
    fn new(listener: TcpListener, token: Token, admit: Admit) -> Self {
        Self {
            listener,
            token,
            admit,
            tls: None,
            accepting: Accepting::Idle,
        }
    }

    /// Someone is waiting. A pause is not cut short: whoever comes next would find no descriptor either.
    fn on_waiting(&mut self) {
        if self.accepting == Accepting::Idle {
            self.accepting = Accepting::Ready;
        }
    }

    /// Takes in a batch of those who wait.
    fn accept(&mut self, server: &mut Server<Transport>, poll: &Poll, now: Now) {
        if !self.may_accept(server, now) {
            return;
        }
        self.accepting = Accepting::Ready;
        for _ in 0..ACCEPT_BATCH {
            if !server.has_room() || !server.budget().is_left() {
                return;
            }
            match self.listener.accept() {
                Ok((socket, peer)) => self.take_in(server, poll, socket, peer, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accepting = Accepting::Idle;
                    return;
                }
                Err(error) if is_shortage(&error) => {
                    log::warn!(
                        "cannot accept for now: {error}; raise the limit on open files (ulimit -n)"
                    );
                    let (until_ms, connections) =
                        (now.ms + ACCEPT_PAUSE_MS, server.connection_count());
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

    fn may_accept(&self, server: &Server<Transport>, now: Now) -> bool {
        match self.accepting {
            Accepting::Idle => false,
            Accepting::Ready => server.has_room(),
            Accepting::Paused {
                until_ms,
                connections,
            } => now.ms >= until_ms || server.connection_count() < connections,
        }
    }

    fn retry_ms(&self) -> Option<u64> {
        match self.accepting {
            Accepting::Paused { until_ms, .. } => Some(until_ms),
            Accepting::Idle | Accepting::Ready => None,
        }
    }

    fn take_in(
        &self,
        server: &mut Server<Transport>,
        poll: &Poll,
        socket: TcpStream,
        peer: SocketAddr,
        now: Now,
    ) {
        // An IPv4 peer on the dual-stack socket is shown as what it is.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let socket = if server.is_trusted(peer.ip()) {
            Proxied::trusted(socket)
        } else {
            Proxied::plain(socket)
        };
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some(tls) => match tls.accept(socket) {
                Ok(stream) => Transport::Tls(Box::new(stream)),
                Err(error) => return log::warn!("cannot begin a TLS connection: {error}"),
            },
        };
        let Ok(index) = (self.admit)(server, transport, peer, now) else {
            return;
        };
        if self.tls.is_some() && server.is_over_its_limit(index) {
            // To be told so takes a handshake, which is what the limit is to save.
            return server.abandon(index, "too many from its address", now);
        }
        let Some(transport) = server.socket_mut(index) else {
            return;
        };
        // Once, for both, edge-triggered: there is no re-registration per write.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = poll
            .registry()
            .register(transport.socket_mut(), Token(index), interest)
        {
            log::warn!("cannot poll a connection: {error}");
            server.abandon(index, "cannot be polled", now);
        }
    }
}

/// Whoever types lines may be silent for hours: TCP finds out who is gone.
fn admit_lines(
    server: &mut Server<Transport>,
    mut transport: Transport,
    peer: SocketAddr,
    now: Now,
) -> Result<usize, Transport> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    if let Err(error) = SockRef::from(&*transport.socket_mut()).set_tcp_keepalive(&keepalive) {
        log::debug!("cannot keep a connection alive: {error}");
    }
    server.admit_lines(transport, peer, now)
}

fn cannot_listen(error: io::Error) -> RunError {
    RunError::new("cannot listen", error, "")
}

fn start_polling(entrances: &mut [Entrance]) -> io::Result<(Poll, Signals)> {
    let poll = Poll::new()?;
    for Entrance {
        listener, token, ..
    } in entrances
    {
        poll.registry()
            .register(listener, *token, Interest::READABLE)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    poll.registry()
        .register(&mut signals, SIGNALS, Interest::READABLE)?;
    Ok((poll, signals))
}

/// The lines on standard output: the page, each other port, and the page again for other machines.
fn announce(
    page: &Page,
    entrances: &[Entrance],
    datagrams: &DatagramPort,
    is_open: bool,
) -> io::Result<()> {
    let mut stdout = io::stdout();
    page.announce(is_open, &mut stdout);
    for entrance in entrances.iter().filter(|it| it.token == LINE_LISTENER) {
        let address = here(entrance.listener.local_addr()?);
        let _ = writeln!(stdout, "parlor listening for lines on {address}");
    }
    datagrams.announce(&mut stdout)?;
    page.announce_elsewhere(&mut stdout);
    let _ = stdout.flush();
    Ok(())
}

/// The clock of a tick's budget.
fn nanoseconds() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed().as_nanos() as u64
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
