//! How the loop begins: with sockets of its own, or with those of a server that it takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::{DATAGRAMS, EventLoop, IMPORTS, LISTENERS, REDIS, SIGNALS, STORE, hosts, names};
use crate::core::escalation::Escalation;
use crate::core::hooks::Target;
use crate::core::site::{File, Site};
use crate::core::store::{Durability, KeptPush, Stored};
use crate::core::{Proxied, Server};
use crate::settings::{HookUrl, KeepWhen, Settings};
use crate::shell::announce::{Kept, Page, here};
use crate::shell::clock::{Clock, nanoseconds};
use crate::shell::config::{Config, Sources};
use crate::shell::datagrams::DatagramPort;
use crate::shell::entrance::{Entrance, admit_lines};
use crate::shell::error::RunError;
use crate::shell::files::{self, FILES, GUIDE};
use crate::shell::import_socket::ImportSocket;
use crate::shell::listener;
use crate::shell::outgoing::{Client, Outgoing};
use crate::shell::push::{Means, PushSender};
use crate::shell::push_key;
use crate::shell::redis::RedisNode;
use crate::shell::reload::{Files, log_kept};
use crate::shell::shared_folder::SharedFolder;
use crate::shell::store::{Inventory, IsFor, KeptBeside, Store};
use crate::shell::systemd::Manager;
use crate::shell::systemd::sockets::{Purpose, Sockets};
use crate::shell::tls::Tls;
use crate::shell::transport::Transport;
use crate::shell::upgrade::{Baggage, Handover, Next, SocketState, Taker};

/// The webhooks, and what becomes of alarms that nobody acknowledges.
type Outward = (Vec<Target>, Vec<Escalation>);

impl EventLoop {
    /// A server that begins with nothing, or with what its store has.
    pub(super) fn begin(sources: Sources, config: Config) -> Result<Self, RunError> {
        let mut passed = Sockets::inherited(&config.settings.listen)?;
        let (mut this, (hooks, escalations)) =
            Self::build(sources, config, Clock::new(), &mut passed, site())?;
        let (kept, kept_push, bans) = this.open_store(&hooks)?;
        let alarms = this.kept_alarms(&escalations)?;
        this.open_redis()?;
        let now = this.clock.now();
        this.server.use_bans(&bans, now);
        this.server.use_hooks(hooks, Some(kept), now);
        this.server.escalate_by(escalations, alarms, now);
        let made = this.use_push(kept_push)?;
        this.warn_of_new_key(made.as_deref());
        this.begin_redis();
        this.listen_for_imports();
        let settings = &this.config.settings;
        let kept = match settings.keeping.data.as_deref() {
            Some(directory) => Kept::Directory(directory),
            None if settings.sharing.redis.is_empty() => Kept::Memory,
            None => Kept::Redis,
        };
        let page = this.page()?;
        let is_open = !this.config.settings.access.asks_for_tokens();
        announce(&page, &this.entrances, &this.datagrams, (is_open, &kept))
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
        let mut before = baggage.settings();
        let is_push_new = begin_push(&mut before, &config.settings);
        let (settings, _, kept) = before.reload(config.settings);
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
        let (mut this, told) = Self::build(sources, config, clock, &mut passed, site)?;
        let made = this.take_connections((&baggage, &state), descriptors, told)?;
        this.take_store(lock)?;
        if is_push_new {
            this.restore_push()?;
        }
        this.warn_of_new_key(made.as_deref());
        taker.finish()?;
        if let Some(store) = &mut this.store {
            store.claim();
        }
        this.listen_for_imports();
        let count = this.server.connection_count();
        log::info!("took over {count} connections from process {}", baggage.pid);
        Ok(this)
    }

    /// One with its ports, and without connections; and the webhooks and escalations that it is to have.
    fn build(
        sources: Sources,
        config: Config,
        clock: Clock,
        passed: &mut Sockets,
        site: Site,
    ) -> Result<(Self, Outward), RunError> {
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
        let keys_url = settings.access.jwks_url.as_ref().map(HookUrl::as_str);
        let kept = keys_url.and_then(|url| files.key_requests.kept(url));
        server.fetch_keys_from(keys_url, kept, clock.now());
        let cannot_poll = |error| RunError::new("cannot poll", error, "");
        let (poll, signals) = start_polling(&mut entrances).map_err(cannot_poll)?;
        datagrams
            .register(poll.registry(), DATAGRAMS)
            .map_err(cannot_poll)?;
        let waker = Arc::new(Waker::new(poll.registry(), STORE).map_err(cannot_poll)?);
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
            shared_folder: None,
            outgoing: None,
            key_requests: files.key_requests,
            push: None,
            waker,
            manager: Manager::new(),
            next: Next::this_program(),
            upgrade: None,
            failure: None,
            notice_ms: None,
        };
        let page = this.page()?;
        let own = page.own();
        this.server.set_page_addresses(page.elsewhere, &own);
        this.call_with(files.client);
        Ok((this, (files.hooks, files.escalations)))
    }

    /// The page, where the first entrance is.
    fn page(&self) -> Result<Page, RunError> {
        let main = &self.entrances[0];
        let bound = main.listener.local_addr().map_err(cannot_listen)?;
        Ok(Page::new(bound, main.tls.is_some()))
    }

    /// Has the server begin with what is kept in its directory, if it has one, and keep there what it is told. Gives what is
    /// kept for these webhooks, for push, and of bans.
    fn open_store(&mut self, hooks: &[Target]) -> Result<KeptBeside, RunError> {
        let settings = &self.config.settings;
        let Some(path) = &settings.keeping.data else {
            return Ok(Default::default());
        };
        let durability = durability(settings.keeping.durability);
        let webhooks: Vec<u64> = hooks.iter().map(Target::key).collect();
        let is_for = |webhook, room: &str| {
            let mut hooks = hooks.iter();
            hooks.any(|it| it.key() == webhook && it.is_for(room))
        };
        let waker = Arc::clone(&self.waker);
        let limits = &settings.limits;
        let of_hooks: (&[u64], &IsFor<'_>) = (&webhooks, &is_for);
        let (store, inventory, kept) = Store::open(path, durability, limits, of_hooks, waker)?;
        let Inventory {
            people,
            rooms,
            files,
            deadlines,
        } = inventory;
        self.server.use_store(durability);
        let names = rooms.iter().map(|name| &**name);
        self.server.restore(people, names, self.clock.now());
        let deadlines = deadlines.iter().map(|(name, due_ms)| (&**name, *due_ms));
        self.server.restore_deadlines(deadlines, self.clock.now());
        self.server.use_files(files);
        self.store = Some(store);
        Ok(kept)
    }

    /// Has the server tell people by push, if the settings say so. Gives the file in which a key was made for that, if one was.
    fn use_push(&mut self, kept: KeptPush) -> Result<Option<PathBuf>, RunError> {
        let mut made = None;
        if let Some(it) = push_key::load_or_make(&self.config.settings)? {
            self.server.use_push(&it.key.public_text(), kept);
            made = it.made;
        }
        self.push_with(Means::new(&self.config.settings)?);
        Ok(made)
    }

    /// Goes on with what is kept of push: the server that this one takes over had none.
    fn restore_push(&mut self) -> Result<(), RunError> {
        if let Some(store) = &self.store {
            self.server.restore_push(store.push()?);
        }
        Ok(())
    }

    /// What is pushed by another key than that of a subscription, its push service refuses.
    fn warn_of_new_key(&self, made: Option<&Path>) {
        let count = self.server.push_subscriptions();
        if let Some(path) = made.filter(|_| count > 0) {
            log::warn!(
                "the key for push was not there, and a new one is made in {}: nothing is pushed to subscriptions of the old key, of which there are {count}, \
                 until their owners open the page again; if a backup has the old key, put it back and start again",
                path.display()
            );
        }
    }

    /// The alarms that are kept, and that these escalations are for.
    fn kept_alarms(&self, escalations: &[Escalation]) -> Result<Vec<(Box<str>, Stored)>, RunError> {
        let is_for = |room: &str| escalations.iter().any(|it| it.is_for(room));
        match self.store.as_ref().filter(|_| !escalations.is_empty()) {
            None => Ok(Vec::new()),
            Some(store) => store.alarms(&is_for),
        }
    }

    /// Has the server share its rooms with others, if the settings say so.
    fn open_redis(&mut self) -> Result<(), RunError> {
        let Settings {
            sharing, limits, ..
        } = &self.config.settings;
        let redis = RedisNode::new(sharing, limits, (REDIS, &self.waker))?;
        self.redis = redis;
        if self.redis.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        self.server.use_shared_log(now);
        if let Some(path) = &sharing.files {
            self.shared_folder = Some(SharedFolder::open(path, &self.waker)?);
            self.server.share_files(now);
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
        (baggage, state): (&Baggage, &[u8]),
        descriptors: impl Iterator<Item = OwnedFd>,
        (hooks, escalations): Outward,
    ) -> Result<Option<PathBuf>, RunError> {
        if baggage.has_store {
            self.server
                .use_store(durability(self.config.settings.keeping.durability));
            self.server.use_files(Vec::new());
        }
        self.open_redis()?;
        let now = self.clock.now();
        self.server.use_hooks(hooks, None, now);
        let made = self.use_push(KeptPush::default())?;
        self.server.escalate_by(escalations, Vec::new(), now);
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
        Ok(made)
    }

    fn take_store(&mut self, lock: Option<OwnedFd>) -> Result<(), RunError> {
        let settings = &self.config.settings;
        let (Some(path), Some(lock)) = (&settings.keeping.data, lock) else {
            return Ok(());
        };
        let arriving: BTreeSet<_> = self.server.arriving_files().collect();
        let limits = &settings.limits;
        let (store, inventory) =
            Store::take_over(path, lock, &arriving, limits, Arc::clone(&self.waker))?;
        let names = inventory.rooms.iter().map(|name| &**name);
        // The state tells of people and of files.
        self.server.restore(Vec::new(), names, self.clock.now());
        self.store = Some(store);
        Ok(())
    }

    /// Makes calls to push services with this from now on, if push is on.
    pub(super) fn push_with(&mut self, means: Option<Means>) {
        match (&mut self.push, means) {
            (Some(push), Some(means)) => push.reconfigure(means),
            (push, Some(means)) => *push = Some(PushSender::new(means, Arc::clone(&self.waker))),
            (_, None) => {}
        }
    }

    /// Makes calls to webhooks with this from now on.
    pub(super) fn call_with(&mut self, client: Option<Client>) {
        match (&mut self.outgoing, client) {
            (Some(outgoing), Some(client)) => outgoing.reconfigure(client),
            (outgoing, client) => {
                let waker = &self.waker;
                *outgoing = client.map(|client| Outgoing::new(client, Arc::clone(waker)));
            }
        }
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
}

/// The page and the guide, each file compressed, too.
fn site() -> Site {
    let worker = files::worker();
    let worker = File {
        path: files::WORKER_PATH,
        content_type: files::SCRIPT,
        bytes: worker.as_bytes(),
    };
    Site::new(&[FILES, GUIDE, &[worker]].concat())
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

/// Push begins with a server that takes over, if the one before had none: nobody has been told a key that another would replace.
/// Says whether it does.
fn begin_push(before: &mut Settings, wanted: &Settings) -> bool {
    let begins = before.push.push_contact.is_none() && wanted.push.push_contact.is_some();
    if begins {
        before.push = wanted.push.clone();
    }
    begins
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
    (is_open, kept): (bool, &Kept<'_>),
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
