//! The poll loop: the only place that waits, and the only one that knows mio and the clock.

mod handover;
mod start;

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::clock::Clock;
use super::config::{Config, Sources};
use super::datagrams::DatagramPort;
use super::entrance::Entrance;
use super::import_socket::ImportSocket;
use super::outgoing::{KeyRequests, Outgoing};
use super::push::{Means, PushSender};
use super::redis::RedisNode;
use super::reload::Reload;
use super::shared_folder::SharedFolder;
use super::store::{Store, StoreError};
use super::systemd::Manager;
use super::transport::Transport;
use super::upgrade::{Next, Upgrade};
use super::{listener, logging};
use crate::core::budget::Stage;
use crate::core::{Hosts, Now, Ready, Server};
use crate::limits::{MAX_LINKS, TICK};
use crate::settings::{Access, HookUrl, OnDiskError};
use crate::shell::error::RunError;

const SIGNALS: Token = Token(usize::MAX - 1);
const DATAGRAMS: Token = Token(usize::MAX - 2);
const STORE: Token = Token(usize::MAX - 3);
const UPGRADE: Token = Token(usize::MAX - 4);
const IMPORTS: Token = Token(usize::MAX - 5);
/// The token of the first listener; those of the others follow, in their order. No connection's comes near.
const LISTENERS: usize = usize::MAX - 64;

/// The token of the first connection to Redis; those of the others follow.
const REDIS: usize = LISTENERS - MAX_LINKS;

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
    let event_loop = match sources.takes_over() {
        true => EventLoop::take_over(sources, config),
        false => EventLoop::begin(sources, config),
    };
    event_loop?.run()
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
    /// By which the store is given what was exported; the same.
    imports: Option<ImportSocket>,
    /// Where rooms are shared with other servers, if they are.
    redis: Option<RedisNode>,
    /// Where the bytes of files are that they share; the same.
    shared_folder: Option<SharedFolder>,
    /// What makes calls to webhooks, if there are any.
    outgoing: Option<Outgoing>,
    /// The same to push services, if push is on.
    push: Option<PushSender>,
    /// What gets the keys of the provider, if there is one.
    key_requests: KeyRequests,
    /// What wakes the loop when a thread has something to tell.
    waker: Arc<Waker>,
    manager: Manager,
    /// What is started when another process is to take over, and that process.
    next: Next,
    upgrade: Option<Upgrade>,
    /// Why it is to end with an error, once the connections have ended.
    failure: Option<RunError>,
    /// When to say what a drain waits for.
    notice_ms: Option<u64>,
}

impl EventLoop {
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
                    return Err(self.failure.take().unwrap_or_else(ended_at_once));
                }
            }
            self.take_in(now);
            self.server.run_reads(now);
            self.take_answers(now);
            self.server.end_of_tick(now);
            self.pass_requests_on(now);
            if let Some(long) = self.server.budget().end_tick(LONG_TICK) {
                log::debug!("{long}");
            }
            self.continue_upgrade(now);
            if self.server.is_drained(now) {
                return self.end();
            }
            if self.notice_ms.is_some_and(|notice_ms| notice_ms <= now.ms) {
                self.notice_ms = None;
                self.say_what_is_waited_for(now);
            }
        }
    }

    /// Takes in who has come, and datagrams: unless another process is to do so in a moment.
    fn take_in(&mut self, now: Now) {
        if self.is_settling() {
            return;
        }
        self.datagrams.receive(&mut self.server, now);
        self.server.budget().enter(Stage::Accepting);
        for entrance in &mut self.entrances {
            entrance.accept(&mut self.server, &self.poll, now);
        }
        if let Some(imports) = &mut self.imports {
            imports.accept(&mut self.server, &self.poll, now);
        }
    }

    /// Passes on what the server asks of the store, unless that is pausing: then it waits. If it has failed, all is refused.
    fn pass_requests_on(&mut self, now: Now) {
        self.key_requests
            .take_request(&mut self.server, &self.waker, now);
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.take_calls(&mut self.server, now);
        }
        if let Some(push) = &mut self.push {
            push.take_calls(&mut self.server, now);
        }
        if let Some(folder) = &self.shared_folder {
            folder.take_requests(&mut self.server);
        }
        if let Some(redis) = &mut self.redis {
            return redis.send(&mut self.server, now);
        }
        match &self.store {
            Some(store) if store.is_pausing() => {}
            Some(store) => store.take_requests(&mut self.server),
            None if self.failure.is_some() => self.server.refuse_requests(now),
            None => {}
        }
    }

    /// Passes on what the store has answered. If the disk has failed, the server shuts down, or goes on without a store.
    fn take_answers(&mut self, now: Now) {
        // Before another process takes over, nothing new is told: it is told there.
        let is_resting = self.is_settling() && self.server.waits_for_nothing();
        if let Some(redis) = self.redis.as_mut().filter(|_| !is_resting) {
            self.server.budget().enter(Stage::Storing);
            redis.receive(&mut self.server, self.poll.registry(), now);
        }
        if let Some(folder) = &mut self.shared_folder {
            self.server.budget().enter(Stage::Storing);
            folder.give_answers(&mut self.server, now);
        }
        self.key_requests.give_answers(&mut self.server, now);
        if let Some(outgoing) = &mut self.outgoing {
            self.server.budget().enter(Stage::Storing);
            outgoing.give_outcomes(&mut self.server, now);
        }
        if let Some(push) = &mut self.push {
            self.server.budget().enter(Stage::Storing);
            push.give_outcomes(&mut self.server, now);
        }
        let Some(store) = &mut self.store else {
            return;
        };
        self.server.budget().enter(Stage::Storing);
        let Err(error) = store.give_answers(&mut self.server, now) else {
            return;
        };
        let path = store.path().to_owned();
        self.imports = None;
        self.store = None;
        if self.config.settings.keeping.on_disk_error == OnDiskError::Stop {
            let advice = "nothing that was acknowledged is lost; look at the disk";
            let failure = cannot_keep(&path, &error, advice);
            log::error!("{failure}");
            self.failure = Some(failure);
            return self.shut_down(now);
        }
        log::error!(
            "cannot keep messages in {}: {error}; from now on they are in memory alone",
            path.display()
        );
        self.server.lose_store(now);
    }

    /// Nobody is connected any more: what was published is written before the end, if the disk has not failed.
    fn end(&mut self) -> Result<(), RunError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(folder) = self.shared_folder.take() {
            folder.close();
        }
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
            UPGRADE => self.on_upgrade_event(now),
            IMPORTS => {
                if let Some(imports) = &mut self.imports {
                    imports.on_waiting();
                }
            }
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
                match &mut self.redis {
                    Some(redis) if index >= REDIS => redis.on_ready(index, ready),
                    _ => self.server.on_ready(index, ready),
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The first signal drains, the second breaks; SIGHUP and SIGUSR2 do neither.
    fn on_signal(&mut self, now: Now) -> ControlFlow<()> {
        for signal in self.signals.pending() {
            if signal == SIGHUP {
                self.manager.reloading();
                let is_changed = self.reload();
                self.manager.reloaded(is_changed);
                continue;
            }
            if signal == SIGUSR2 {
                self.begin_upgrade(now);
                continue;
            }
            if self.entrances.is_empty() {
                return ControlFlow::Break(());
            }
            self.shut_down(now);
        }
        ControlFlow::Continue(())
    }

    /// Lets nobody in any more, and ends the connections.
    fn shut_down(&mut self, now: Now) {
        self.entrances.clear();
        self.datagrams = DatagramPort::default();
        self.imports = None;
        let count = self.server.connection_count();
        log::info!("shutting down, connections to end: {count}");
        self.manager.stopping(count, now.ms);
        self.server.begin_drain(now);
        self.notice_ms = Some(now.ms + DRAIN_NOTICE_MS);
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
        if let Some(redis) = &mut self.redis {
            redis.reconfigure(&settings.limits);
        }
        if let Some(keys) = reload.files.keys {
            self.server.require_tokens(keys);
        }
        match Means::new(&reload.config.settings) {
            Ok(means) => self.push_with(means),
            Err(error) => log::error!("pushes are sent as before: {error}"),
        }
        let now = self.clock.now();
        self.key_requests.reconfigure(reload.files.key_requests);
        let keys_url = settings.access.jwks_url.as_ref();
        self.server
            .fetch_keys_from(keys_url.map(HookUrl::as_str), None, now);
        self.call_with(reload.files.client);
        self.server.change_hooks(reload.files.hooks, now);
        self.server
            .escalate_by(reload.files.escalations, Vec::new(), now);
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
        let has_answer = self.store.as_mut().is_some_and(Store::has_answer)
            || self
                .shared_folder
                .as_mut()
                .is_some_and(SharedFolder::has_answer);
        let has_outcome = self.outgoing.as_mut().is_some_and(Outgoing::has_outcome)
            || self.push.as_mut().is_some_and(PushSender::has_outcome);
        let has_news = self.redis.as_ref().is_some_and(RedisNode::has_work);
        let imports = self.imports.as_ref();
        let is_waited_for = self.datagrams.has_more()
            || entrances.any(|it| it.may_accept(&self.server, now))
            || imports.is_some_and(|it| it.may_accept(&self.server, now));
        if self.server.has_work()
            || has_answer
            || has_outcome
            || has_news
            || (is_waited_for && !self.is_settling())
        {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.server.next_deadline_ms(),
            self.server.drain_deadline_ms(),
            self.notice_ms,
            self.manager.next_ms(),
            self.upgrade.as_ref().map(Upgrade::deadline_ms),
            imports.and_then(ImportSocket::retry_ms),
            self.redis.as_ref().and_then(RedisNode::next_deadline_ms),
        ];
        let retries = self.entrances.iter().filter_map(Entrance::retry_ms);
        let next_ms = deadlines.into_iter().flatten().chain(retries).min()?;
        Some(Duration::from_millis(next_ms.saturating_sub(now.ms)))
    }
}

fn ended_at_once() -> RunError {
    RunError {
        what: "ended at once by a second signal".to_owned(),
        cause: None,
        advice: "",
    }
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
