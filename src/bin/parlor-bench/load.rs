//! The load generator: one loop that connects, sends, receives and checks.
//!
//! Its stages: all connections are opened; probes show that each is in its room; the load begins and warms up; the
//! measuring; then what is still under way may come, and what does not is lost.

mod advance;
mod books;
mod client;
mod connecting;
mod lives;
mod outcome;
mod receiving;
mod returns;
mod rooms;
mod sending;
mod stage;
mod visitors;

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::check::Checker;
use crate::door::named_after;
use crate::ledger::Ledger;
use crate::options::Options;
use crate::order::Order;
use crate::process::{Process, Processes};
use crate::progress::Progress;
use crate::record::Recorder;
use crate::stamp::new_run;
use advance::Silence;
use books::Books;
use client::Client;
use connecting::{Connector, Node, describe};
pub(crate) use lives::Recovery;
use outcome::Marks;
pub(crate) use outcome::{NodeShare, Outcome};
pub(crate) use returns::Returned;
use returns::Returns;
use rooms::Rooms;
use sending::Pace;
use stage::Stage;
use visitors::Visitors;

/// Few enough that what is due is never late by much.
const EVENTS_PER_TICK: usize = 256;
/// Shared by all connections; holds what a socket buffer usually holds.
const READ_BUFFER: usize = 256 * 1024;

/// The whole state of a run.
struct Load {
    options: Options,
    clock: Instant,
    poll: Poll,
    clients: Slab<Client>,
    connector: Connector,
    visitors: Visitors,
    returns: Option<Returns>,
    rooms: Rooms,
    books: Books,
    pace: Pace,
    stage: Stage,
    sending: bool,
    /// Slot and id of the connections that send.
    sender_keys: Vec<(usize, u64)>,
    /// The same of those who ask all in their room whether they are there.
    probers: Vec<(usize, u64)>,
    stallers_cut_off: u64,
    silence: Silence,
    server: Option<Processes>,
    /// By node, where each has a process.
    node_processes: Vec<Process>,
    marks: Marks,
    progress: Progress,
    /// Bytes that have come from the server.
    received_bytes: u64,
    /// Time spent waiting for events.
    idle_ns: u64,
    next_tick_ns: u64,
    buffer: Box<[u8]>,
    control: Vec<(u8, Vec<u8>)>,
    ready: Vec<u16>,
}

/// Runs the load that the options ask for.
pub(crate) fn run(options: Options) -> Result<Outcome, String> {
    let mut load = Load::new(options)?;
    let mut events = Events::with_capacity(EVENTS_PER_TICK);
    while load.stage != Stage::Done {
        load.wait(&mut events)
            .map_err(|error| format!("poll: {error}"))?;
        events.iter().for_each(|event| load.on_event(event));
        load.send_due(load.now_ns());
        load.serve_returns()
            .map_err(|error| format!("poll: {error}"))?;
        let now_ns = load.now_ns();
        load.send_due(now_ns);
        load.move_visitors(now_ns);
        load.advance(now_ns)?;
    }
    Ok(load.into_outcome())
}

impl Load {
    fn new(options: Options) -> Result<Load, String> {
        let uris = options.urls.clone();
        let rate = options.churn.unwrap_or(0.0);
        // Ports stay taken for a minute after a connection.
        let ports = options.connections + (rate * 60.0) as usize + 2 * options.returns.unwrap_or(0);
        let poll = Poll::new().map_err(|error| format!("epoll: {error}"))?;
        let returns = Returns::new(&options, &uris, &poll)?;
        let nodes = uris
            .iter()
            .map(|uri| Node::new(&options, uri, ports))
            .collect::<Result<Vec<_>, _>>()?;
        let uris = match returns {
            Some(_) => uris
                .iter()
                .map(|uri| named_after(uri, "-beside"))
                .collect::<Result<Vec<_>, _>>()?,
            None => uris,
        };
        let rooms = Rooms::new(&options, &uris)?;
        let window = if options.rate.is_some() {
            0
        } else {
            options.window
        };
        let readers = options.readers();
        let server = Processes::new(&options.pid)?;
        let node_processes = match options.nodes() {
            1 => Vec::new(),
            _ => options
                .pid
                .iter()
                .map(|&pid| Process::new(pid))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let crowd = rooms.crowd();
        let order = (options.is_spread() && crowd.echoes)
            .then(|| Order::new(crowd.rooms, crowd.rooms * crowd.senders));
        Ok(Load {
            clock: Instant::now(),
            poll,
            clients: Slab::with_capacity(options.connections),
            connector: Connector::new(nodes, options.connect_concurrency, options.connect_timeout),
            visitors: Visitors::new(rate, options.churn_hold),
            returns,
            books: Books {
                run: new_run(),
                checker: Checker::new(options.senders),
                order,
                ledger: Ledger::new(crowd, window),
                recorder: Recorder::new(options.nodes()),
                foreign: 0,
                probed: vec![false; readers],
                unprobed: readers,
                disconnected: Default::default(),
                lives: Default::default(),
                heard: 0,
                last_said: 0,
                refusal: None,
            },
            rooms,
            pace: match options.rate {
                Some(per_second) => Pace::rate(per_second, u64::MAX),
                None => Pace::Window,
            },
            stage: Stage::Connecting,
            sending: false,
            sender_keys: Vec::new(),
            probers: Vec::new(),
            stallers_cut_off: 0,
            silence: Silence::default(),
            marks: Marks::new(server.as_ref()),
            server,
            node_processes,
            progress: Progress::new(options.quiet || options.json),
            received_bytes: 0,
            idle_ns: 0,
            next_tick_ns: 0,
            buffer: vec![0; READ_BUFFER].into(),
            control: Vec::new(),
            ready: Vec::new(),
            options,
        })
    }

    /// Nanoseconds since the run began: the clock of stamps and schedules.
    #[inline]
    fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Waits for events or the next thing that is due. epoll counts in milliseconds: the last one is polled away,
    /// so that nothing leaves late.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let before_ns = self.now_ns();
        let due_ns = self
            .next_tick_ns
            .min(self.pace.next_ns())
            .min(self.visitors_next_ns())
            .min(self.returns_next_ns());
        let wait = Duration::from_millis(due_ns.saturating_sub(before_ns) / 1_000_000);
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.idle_ns += self.now_ns() - before_ns;
        Ok(())
    }

    /// A visitor that has to wait for a free place among the connects waits for an event, not for a time.
    fn visitors_next_ns(&self) -> u64 {
        if self.connector.has_room() {
            self.visitors.next_ns()
        } else {
            self.visitors.next_leave_ns()
        }
    }

    fn on_event(&mut self, event: &Event) {
        let Token(key) = event.token();
        if event.is_writable() {
            self.on_writable(key);
        }
        if event.is_readable() {
            self.on_readable(key, event.is_read_closed());
        }
    }

    /// Writes what waits; on a socket that was connecting, that is the request.
    fn on_writable(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if let Err(error) = client.flush() {
            self.gone(key, &describe(&error));
        }
    }
}
