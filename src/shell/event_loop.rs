//! The poll loop: the only place that waits, and the only one that knows mio and the clock.

use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::announce::{Page, here};
use super::clock::{Clock, nanoseconds};
use super::config::{Config, Sources};
use super::datagrams::DatagramPort;
use super::entrance::{Entrance, admit_lines};
use super::files::{FILES, GUIDE};
use super::reload::{Files, Reload};
use super::store::{Store, StoreError};
use super::systemd::Manager;
use super::systemd::sockets::Sockets;
use super::tls::Tls;
use super::transport::Transport;
use super::{listener, logging};
use crate::core::budget::Stage;
use crate::core::site::Site;
use crate::core::store::Durability;
use crate::core::{Hosts, Now, Ready, Server};
use crate::limits::TICK;
use crate::settings::{Access, KeepWhen, OnDiskError, Settings};
use crate::shell::error::RunError;

const SIGNALS: Token = Token(usize::MAX - 1);
const DATAGRAMS: Token = Token(usize::MAX - 2);
const STORE: Token = Token(usize::MAX - 3);
/// The token of the first listener; those of the others follow, in their order. No connection's comes near.
const LISTENERS: usize = usize::MAX - 64;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Ticks that take longer are logged, in nanoseconds.
const LONG_TICK: u64 = 5 * TICK;
/// How long a drain may take before it is said what is waited for.
const DRAIN_NOTICE_MS: u64 = 500;

/// Serves until a signal ends it.
///
/// # Errors
/// What kept it from starting, or from going on.
pub fn run(sources: Sources, config: Config) -> Result<(), RunError> {
    EventLoop::new(sources, config)?.run()
}

struct EventLoop {
    poll: Poll,
    /// Gone when the server is ending.
    entrances: Vec<Entrance>,
    datagrams: DatagramPort,
    signals: Signals,
    server: Server<Transport>,
    sources: Sources,
    config: Config,
    clock: Clock,
    /// Where messages are kept, if they are.
    store: Option<Store>,
    manager: Manager,
    /// When to say what a drain waits for.
    notice_ms: Option<u64>,
}

impl EventLoop {
    fn new(sources: Sources, config: Config) -> Result<Self, RunError> {
        let listen = &config.settings.listen;
        let mut passed = Sockets::inherited(listen)?;
        let settings = &config.settings;
        let files = Files::read(settings)?;
        let mut datagrams = DatagramPort::open(listen, &mut passed)?;
        let mut limits = settings.limits.clone();
        limits.max_connections = listener::connections_allowed(limits.max_connections)?;
        let (http, lines) = listener::open(listen, &mut passed)?;
        let mut main = Entrance::new(http, "HTTP", Server::admit);
        main.tls = files.identity.map(Tls::new);
        let bound = main.listener.local_addr().map_err(cannot_listen)?;
        let page = Page::new(bound, main.tls.is_some());
        let mut entrances = vec![main];
        entrances.extend(lines.map(|it| Entrance::new(it, "lines", admit_lines)));
        let clock = Clock::new();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| RunError::new("cannot get random bytes", error.into(), ""))?;
        let mut server = Server::new(
            limits,
            names(&settings.access.allow_origin),
            Site::new(&[FILES, GUIDE].concat()),
            seed,
            clock.now(),
        );
        server.answer_to(hosts(&settings.access));
        server.budget().use_clock(nanoseconds);
        let is_open = match files.keys {
            None => true,
            Some(keys) => {
                server.require_tokens(keys);
                false
            }
        };
        let (poll, signals) = start_polling(&mut entrances)
            .map_err(|error| RunError::new("cannot poll", error, ""))?;
        datagrams
            .register(poll.registry(), DATAGRAMS)
            .map_err(|error| RunError::new("cannot poll", error, ""))?;
        let store = match &settings.keeping.data {
            None => None,
            Some(path) => Some(open_store(path, settings, &poll, &mut server, clock.now())?),
        };
        let kept = settings.keeping.data.as_deref();
        announce(&page, &entrances, &datagrams, (is_open, kept)).map_err(cannot_listen)?;
        let own = page.own();
        server.set_page_addresses(page.elsewhere, &own);
        let manager = Manager::new();
        manager.ready();
        Ok(Self {
            poll,
            entrances,
            datagrams,
            signals,
            server,
            sources,
            config,
            clock,
            store,
            manager,
            notice_ms: None,
        })
    }

    fn run(mut self) -> Result<(), RunError> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(RunError::new("cannot poll", error, ""));
                }
                _ => {}
            }
            let now = self.clock.now();
            self.manager.on_tick(now.ms);
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
            self.server.run_reads(now);
            self.take_answers(now)?;
            self.server.end_of_tick(now);
            if let Some(store) = &self.store {
                store.take_requests(&mut self.server);
            }
            if let Some(long) = self.server.budget().end_tick(LONG_TICK) {
                log::debug!("{long}");
            }
            if self.server.is_drained(now) {
                return self.close_store();
            }
            if self.notice_ms.is_some_and(|notice_ms| notice_ms <= now.ms) {
                self.notice_ms = None;
                self.say_what_is_waited_for(now);
            }
        }
    }

    /// Passes on what the store has answered. If the disk has failed, the server ends, or goes on without a store.
    fn take_answers(&mut self, now: Now) -> Result<(), RunError> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        self.server.budget().enter(Stage::Storing);
        let Err(error) = store.give_answers(&mut self.server, now) else {
            return Ok(());
        };
        if self.config.settings.keeping.on_disk_error == OnDiskError::Stop {
            let advice = "nothing that was acknowledged is lost; look at the disk";
            return Err(cannot_keep(store.path(), &error, advice));
        }
        log::error!(
            "cannot keep messages in {}: {error}; from now on they are in memory alone",
            store.path().display()
        );
        self.store = None;
        self.server.lose_store(now);
        Ok(())
    }

    /// Nobody is connected any more: what was published is written before the end.
    fn close_store(&mut self) -> Result<(), RunError> {
        let Some(store) = self.store.take() else {
            return Ok(());
        };
        self.manager.closing();
        let path = store.path().to_owned();
        store.close().map_err(|error| {
            let advice = "what was published last may not be kept; look at the disk";
            cannot_keep(&path, &error, advice)
        })
    }

    fn on_event(&mut self, event: &Event, now: Now) -> ControlFlow<()> {
        match event.token() {
            SIGNALS => return self.on_signal(now),
            DATAGRAMS => self.datagrams.on_ready(),
            // Its answers are taken in every tick.
            STORE => {}
            Token(number) if number >= LISTENERS => {
                if let Some(entrance) = self.entrances.get_mut(number - LISTENERS) {
                    entrance.on_waiting();
                }
            }
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
                self.manager.reloading();
                let is_changed = self.reload();
                self.manager.reloaded(is_changed);
                continue;
            }
            if std::mem::take(&mut self.entrances).is_empty() {
                return ControlFlow::Break(());
            }
            self.datagrams = DatagramPort::default();
            let count = self.server.connection_count();
            log::info!("shutting down, connections to end: {count}");
            self.manager.stopping(count, now.ms);
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

    /// Reads the settings again, and the files that they name. Where anything is no good now, all stays as it was, and the
    /// answer is no.
    fn reload(&mut self) -> bool {
        let reload = match Reload::prepare(&self.sources, &self.config) {
            Ok(reload) => reload,
            Err(errors) => {
                for error in errors {
                    log::error!("SIGHUP changes nothing: {error}");
                }
                return false;
            }
        };
        logging::set_level(reload.config.log_level());
        reload.log(&self.sources);
        let settings = &reload.config.settings;
        let mut limits = settings.limits.clone();
        limits.max_connections = reload.max_connections;
        self.server
            .reconfigure(limits, names(&settings.access.allow_origin));
        self.server.answer_to(hosts(&settings.access));
        if let Some(store) = &self.store {
            store.reconfigure(&settings.limits);
        }
        if let Some(keys) = reload.files.keys {
            self.server.require_tokens(keys);
        }
        let tls = self.entrances.iter_mut().find_map(|it| it.tls.as_mut());
        if let Some((tls, identity)) = tls.zip(reload.files.identity) {
            tls.set_identity(identity);
        }
        self.config = reload.config;
        true
    }

    /// How long to wait for events: not at all with work to do, else until the next deadline.
    fn timeout(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let mut entrances = self.entrances.iter();
        let has_answer = self.store.as_mut().is_some_and(Store::has_answer);
        let has_work = self.server.has_work() || self.datagrams.has_more() || has_answer;
        if has_work || entrances.any(|it| it.may_accept(&self.server, now)) {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.server.next_deadline_ms(),
            self.server.drain_deadline_ms(),
            self.notice_ms,
            self.manager.next_ms(),
        ];
        let retries = self.entrances.iter().filter_map(Entrance::retry_ms);
        let next_ms = deadlines.into_iter().flatten().chain(retries).min()?;
        Some(Duration::from_millis(next_ms.saturating_sub(now.ms)))
    }
}

/// Has the server begin with what is kept in a directory, and keep there what it is told.
fn open_store(
    path: &Path,
    settings: &Settings,
    poll: &Poll,
    server: &mut Server<Transport>,
    now: Now,
) -> Result<Store, RunError> {
    let waker = Waker::new(poll.registry(), STORE)
        .map_err(|error| RunError::new("cannot poll", error, ""))?;
    let durability = match settings.keeping.durability {
        KeepWhen::Commit => Durability::Disk,
        KeepWhen::Memory => Durability::Memory,
    };
    let (store, inventory) = Store::open(path, durability, &settings.limits, Arc::new(waker))?;
    server.use_store(durability);
    let rooms = inventory.rooms.iter().map(|name| &**name);
    server.restore(inventory.people, rooms, now);
    server.use_files(inventory.files);
    Ok(store)
}

fn cannot_keep(path: &Path, error: &StoreError, advice: &'static str) -> RunError {
    let what = format!("cannot keep messages in {}", path.display());
    RunError::new(what, io::Error::other(error.to_string()), advice)
}

fn names(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn hosts(access: &Access) -> Hosts {
    Hosts::new(listener::own_names(), names(&access.allow_host))
}

fn cannot_listen(error: io::Error) -> RunError {
    RunError::new("cannot listen", error, "")
}

fn start_polling(entrances: &mut [Entrance]) -> io::Result<(Poll, Signals)> {
    let poll = Poll::new()?;
    for (place, entrance) in entrances.iter_mut().enumerate() {
        let token = Token(LISTENERS + place);
        poll.registry()
            .register(&mut entrance.listener, token, Interest::READABLE)?;
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
    (is_open, kept): (bool, Option<&Path>),
) -> io::Result<()> {
    let mut stdout = io::stdout();
    page.announce(is_open, kept, &mut stdout);
    // The first is the page's.
    for entrance in entrances.iter().skip(1) {
        let address = here(entrance.listener.local_addr()?);
        let _ = writeln!(
            stdout,
            "parlor listening for {} on {address}",
            entrance.takes
        );
    }
    datagrams.announce(&mut stdout)?;
    page.announce_elsewhere(&mut stdout);
    let _ = stdout.flush();
    Ok(())
}
