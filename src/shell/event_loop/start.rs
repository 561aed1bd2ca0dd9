//! How the loop begins: with sockets of its own, or with those of a server that it takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::{DATAGRAMS, EventLoop, IMPORTS, LISTENERS, REDIS, SIGNALS, STORE, hosts, names};
use crate::core::site::Site;
use crate::core::store::Durability;
use crate::core::{Proxied, Server};
use crate::settings::{KeepWhen, Settings};
use crate::shell::announce::{Page, here};
use crate::shell::clock::{Clock, nanoseconds};
use crate::shell::config::{Config, Sources};
use crate::shell::datagrams::DatagramPort;
use crate::shell::entrance::{Entrance, admit_lines};
use crate::shell::error::RunError;
use crate::shell::files::{FILES, GUIDE};
use crate::shell::import_socket::ImportSocket;
use crate::shell::listener;
use crate::shell::redis::RedisNode;
use crate::shell::reload::{Files, log_kept};
use crate::shell::store::{Inventory, Store};
use crate::shell::systemd::Manager;
use crate::shell::systemd::sockets::{Purpose, Sockets};
use crate::shell::tls::Tls;
use crate::shell::transport::Transport;
use crate::shell::upgrade::{Baggage, Handover, Next, SocketState, Taker};

impl EventLoop {
    /// A server that begins with nothing, or with what its store has.
    pub(super) fn begin(sources: Sources, config: Config) -> Result<Self, RunError> {
        let mut passed = Sockets::inherited(&config.settings.listen)?;
        let mut this = Self::build(sources, config, Clock::new(), &mut passed, site())?;
        this.open_store()?;
        this.open_redis()?;
        this.begin_redis();
        this.listen_for_imports();
        let kept = this.config.settings.keeping.data.as_deref();
        let page = this.page()?;
        let is_open = !this.config.settings.access.asks_for_tokens();
        announce(&page, &this.entrances, &this.datagrams, (is_open, kept))
            .map_err(cannot_listen)?;
        this.manager.ready();
        Ok(this)
    }

    /// A server that goes on where another one stops. What only a restart changes of the settings stays as it is there.
    pub(super) fn take_over(sources: Sources, mut config: Config) -> Result<Self, RunError> {
        // What is wrong with them is found before the other one stops for it.
        Files::read(&config.settings)?;
        // Nobody is served from when the other one stops: what takes long and does not depend on it is done before.
        let site = site();
        let mut taker = Taker::begin()?;
        let Handover {
            baggage,
            state,
            mut descriptors,
        } = taker.receive()?;
        let (settings, _, kept) = baggage.settings().reload(config.settings);
        config.settings = settings;
        log_kept(&kept, &config.settings);
        let ports = baggage.ports.iter().zip(descriptors.by_ref());
        let ports = ports.filter_map(|(name, socket)| Some((Purpose::parse(name)?, socket)));
        let mut passed = Sockets::handed_over(ports);
        let lock = descriptors
            .by_ref()
            .take(usize::from(baggage.has_store))
            .next();
        let clock = Clock::at(baggage.now_ms);
        let mut this = Self::build(sources, config, clock, &mut passed, site)?;
        this.take_connections(&baggage, &state, descriptors)?;
        this.take_store(lock)?;
        taker.finish()?;
        if let Some(store) = &mut this.store {
            store.claim();
        }
        this.listen_for_imports();
        let count = this.server.connection_count();
        log::info!("took over {count} connections from process {}", baggage.pid);
        Ok(this)
    }

    /// One with its ports, and without connections.
    fn build(
        sources: Sources,
        config: Config,
        clock: Clock,
        passed: &mut Sockets,
        site: Site,
    ) -> Result<Self, RunError> {
        let settings = &config.settings;
        let files = Files::read(settings)?;
        let mut datagrams = DatagramPort::open(&settings.listen, passed)?;
        let (http, lines) = listener::open(&settings.listen, passed)?;
        let mut main = Entrance::new(http, "HTTP", Server::admit);
        main.tls = files.identity.map(Tls::new);
        let mut entrances = vec![main];
        entrances.extend(lines.map(|it| Entrance::new(it, "lines", admit_lines)));
        let mut server = new_server(&config, &clock, site)?;
        if let Some(keys) = files.keys {
            server.require_tokens(keys);
        }
        let cannot_poll = |error| RunError::new("cannot poll", error, "");
        let (poll, signals) = start_polling(&mut entrances).map_err(cannot_poll)?;
        datagrams
            .register(poll.registry(), DATAGRAMS)
            .map_err(cannot_poll)?;
        let mut this = Self {
            poll,
            entrances,
            datagrams,
            signals,
            server,
            sources,
            config,
            clock,
            store: None,
            imports: None,
            redis: None,
            manager: Manager::new(),
            next: Next::this_program(),
            upgrade: None,
            failure: None,
            notice_ms: None,
        };
        let page = this.page()?;
        let own = page.own();
        this.server.set_page_addresses(page.elsewhere, &own);
        Ok(this)
    }

    /// The page, where the first entrance is.
    fn page(&self) -> Result<Page, RunError> {
        let main = &self.entrances[0];
        let bound = main.listener.local_addr().map_err(cannot_listen)?;
        Ok(Page::new(bound, main.tls.is_some()))
    }

    /// Has the server begin with what is kept in its directory, if it has one, and keep there what it is told.
    fn open_store(&mut self) -> Result<(), RunError> {
        let settings = &self.config.settings;
        let Some(path) = &settings.keeping.data else {
            return Ok(());
        };
        let durability = durability(settings.keeping.durability);
        let waker = self.waker()?;
        let (store, inventory) = Store::open(path, durability, &settings.limits, waker)?;
        let Inventory {
            people,
            rooms,
            files,
        } = inventory;
        self.server.use_store(durability);
        let names = rooms.iter().map(|name| &**name);
        self.server.restore(people, names, self.clock.now());
        self.server.use_files(files);
        self.store = Some(store);
        Ok(())
    }

    /// Has the server share its rooms with others, if the settings say so.
    fn open_redis(&mut self) -> Result<(), RunError> {
        let Settings {
            sharing, limits, ..
        } = &self.config.settings;
        let redis = RedisNode::new(sharing, limits, (REDIS, || self.waker()))?;
        self.redis = redis;
        if self.redis.is_some() {
            self.server.use_shared_log(self.clock.now());
        }
        Ok(())
    }

    fn begin_redis(&mut self) {
        if let Some(redis) = &mut self.redis {
            redis.begin(self.server.node(), self.server.followed());
        }
    }

    fn take_connections(
        &mut self,
        baggage: &Baggage,
        state: &[u8],
        descriptors: impl Iterator<Item = OwnedFd>,
    ) -> Result<(), RunError> {
        if baggage.has_store {
            self.server
                .use_store(durability(self.config.settings.keeping.durability));
            self.server.use_files(Vec::new());
        }
        self.open_redis()?;
        let sockets = baggage.sockets.iter().zip(descriptors);
        let sockets: BTreeMap<usize, Transport> = sockets
            .map(|(state, socket)| (state.index, transport(state, socket)))
            .collect();
        let indices: Vec<usize> = sockets.keys().copied().collect();
        self.server
            .take_over(state, sockets, self.clock.now())
            .map_err(|error| RunError::new("cannot take over", io::Error::other(error), ""))?;
        self.begin_redis();
        let interest = Interest::READABLE | Interest::WRITABLE;
        for index in indices {
            if let Some(transport) = self.server.socket_mut(index) {
                let registry = self.poll.registry();
                let registered = registry.register(transport.source(), Token(index), interest);
                registered.map_err(|error| RunError::new("cannot poll", error, ""))?;
            }
        }
        Ok(())
    }

    fn take_store(&mut self, lock: Option<OwnedFd>) -> Result<(), RunError> {
        let settings = &self.config.settings;
        let (Some(path), Some(lock)) = (&settings.keeping.data, lock) else {
            return Ok(());
        };
        let arriving: BTreeSet<_> = self.server.arriving_files().collect();
        let limits = &settings.limits;
        let (store, inventory) = Store::take_over(path, lock, &arriving, limits, self.waker()?)?;
        let names = inventory.rooms.iter().map(|name| &**name);
        // The state tells of people and of files.
        self.server.restore(Vec::new(), names, self.clock.now());
        self.store = Some(store);
        Ok(())
    }

    /// Without it the server serves all the same.
    fn listen_for_imports(&mut self) {
        let Some(path) = self.store.as_ref().map(Store::path) else {
            return;
        };
        let listening = ImportSocket::listen(path).and_then(|mut socket| {
            socket.register(self.poll.registry(), IMPORTS)?;
            Ok(socket)
        });
        let cannot = |error: io::Error| {
            let socket = ImportSocket::path_in(path);
            log::warn!(
                "nothing can be imported while this server runs: cannot listen on {}: {error}",
                socket.display()
            );
        };
        self.imports = listening.map_err(cannot).ok();
    }

    fn waker(&self) -> Result<Arc<Waker>, RunError> {
        let waker = Waker::new(self.poll.registry(), STORE);
        waker
            .map(Arc::new)
            .map_err(|error| RunError::new("cannot poll", error, ""))
    }
}

/// The page and the guide, each file compressed, too.
fn site() -> Site {
    Site::new(&[FILES, GUIDE].concat())
}

fn new_server(config: &Config, clock: &Clock, site: Site) -> Result<Server<Transport>, RunError> {
    let settings = &config.settings;
    let mut limits = settings.limits.clone();
    limits.max_connections = listener::connections_allowed(limits.max_connections)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| RunError::new("cannot get random bytes", error.into(), ""))?;
    let mut server = Server::new(
        limits,
        names(&settings.access.allow_origin),
        site,
        seed,
        clock.now(),
    );
    server.answer_to(hosts(&settings.access));
    server.budget().use_clock(nanoseconds);
    Ok(server)
}

fn durability(when: KeepWhen) -> Durability {
    match when {
        KeepWhen::Commit => Durability::Disk,
        KeepWhen::Memory => Durability::Memory,
    }
}

/// A client's connection that another process had.
fn transport(state: &SocketState, socket: OwnedFd) -> Transport {
    let socket = TcpStream::from_std(socket.into());
    Transport::Plain(Proxied::resume(socket, state.proxied.clone()))
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
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR2])?;
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
