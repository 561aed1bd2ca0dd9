//! Opening connections: many under way at a time, but not more than asked for.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Interest, Token};
use rustix::io::Errno;
use tungstenite::http::Uri;

use super::Load;
use super::client::{Client, Phase, Role};
use crate::handshake::{RequestTemplate, parse_response};
use crate::line::{Line, Security};
use crate::options::Options;
use crate::record::{Latencies, no_latencies};
use crate::target::{Target, is_port_shortage};

/// Where one URL leads to.
#[derive(Debug)]
pub(super) struct Node {
    target: Target,
    security: Option<Security>,
}

impl Node {
    /// The node of a URL, to which there will be as many connections.
    pub(super) fn new(options: &Options, uri: &Uri, connections: usize) -> Result<Node, String> {
        let host = uri.host().unwrap_or_default();
        let security = options.ca.as_ref().map(|file| Security::new(file, host));
        Ok(Node {
            target: Target::new(uri, connections)?,
            security: security.transpose()?,
        })
    }
}

/// Connects under way and done.
#[derive(Debug)]
pub(super) struct Connector {
    nodes: Vec<Node>,
    next_node: usize,
    pub(super) concurrency: usize,
    pub(super) timeout: Duration,
    pub(super) under_way: usize,
    pub(super) opened: u64,
    pub(super) failures: BTreeMap<String, u64>,
    /// From the call to connect() until the server says that one is in.
    pub(super) times: Latencies,
    deadlines: VecDeque<(u64, usize, u64)>,
    next_id: u64,
}

impl Connector {
    pub(super) fn new(nodes: Vec<Node>, concurrency: usize, timeout: Duration) -> Connector {
        Connector {
            nodes,
            next_node: 0,
            concurrency,
            timeout,
            under_way: 0,
            opened: 0,
            failures: BTreeMap::new(),
            times: no_latencies(),
            deadlines: VecDeque::new(),
            next_id: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.under_way < self.concurrency
    }

    /// The node of the next one that comes and goes: those who come back find themselves at another.
    pub(super) fn next_node(&mut self) -> usize {
        self.next_node = (self.next_node + 1) % self.nodes.len();
        self.next_node
    }

    fn fail(&mut self, reason: String) {
        *self.failures.entry(reason).or_default() += 1;
    }
}

impl Load {
    /// Begins one more connection, to that room at that node; false when there is no socket for it.
    pub(super) fn begin_connect(&mut self, role: Role, room: usize, node: usize) -> bool {
        let began_ns = self.now_ns();
        let connector = &mut self.connector;
        let Node { target, security } = &mut connector.nodes[node];
        let line = target
            .connect()
            .and_then(|socket| Line::new(socket, security.as_ref()));
        let mut stream = match line {
            Ok(stream) => stream,
            Err(error) => {
                connector.fail(describe(&error));
                return false;
            }
        };
        let entry = self.clients.vacant_entry();
        let (key, id) = (entry.key(), connector.next_id);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = match (&self.returns, role) {
            (Some(returns), Role::Visitor | Role::Speaker) => returns.registry(),
            _ => self.poll.registry(),
        };
        if let Err(error) = registry.register(stream.socket_mut(), Token(key), both) {
            connector.fail(describe(&error));
            return false;
        }
        let template = match (role, &self.returns) {
            (Role::Visitor, _) => self.rooms.visit(node),
            (Role::Speaker, Some(returns)) => returns.template(node),
            _ => self.rooms.get(room).request(node),
        };
        let (out, phase) = match template.map(RequestTemplate::request) {
            Some((request, accept_key)) => {
                let head = Vec::new();
                let phase = Phase::Handshaking {
                    began_ns,
                    accept_key,
                    head,
                };
                (request, phase)
            }
            None => (Vec::new(), Phase::Entering { began_ns }),
        };
        entry.insert(Client {
            id,
            stream,
            role,
            room,
            node,
            phase,
            incoming: self.rooms.get(room).door.stream(),
            life: None,
            out,
        });
        match role {
            Role::Visitor | Role::Speaker => self.books.checker.add_late(key),
            Role::Reader | Role::Staller => self.books.checker.add(key),
        }
        if role == Role::Speaker
            && let Some(returns) = &mut self.returns
        {
            returns.speaker_comes(key, id);
        }
        connector.next_id += 1;
        connector.under_way += 1;
        connector
            .deadlines
            .push_back((began_ns + connector.timeout.as_nanos() as u64, key, id));
        true
    }

    /// Bytes for a connection whose response has not ended: those after it, once it has.
    pub(super) fn on_response(&mut self, key: usize, input: &[u8]) -> Option<Vec<u8>> {
        let client = &mut self.clients[key];
        let Phase::Handshaking {
            began_ns,
            accept_key,
            head,
        } = &mut client.phase
        else {
            return None;
        };
        head.extend_from_slice(input);
        let length = match parse_response(head, accept_key, self.rooms.asked()) {
            Ok(Some(length)) => length,
            Ok(None) => return None,
            Err(reason) => {
                self.connect_failed(key, reason);
                return None;
            }
        };
        let (rest, began_ns) = (head.split_off(length), *began_ns);
        client.phase = Phase::Entering { began_ns };
        if self.rooms.get(client.room).door.is_in_at_once() {
            self.entered(key);
        }
        Some(rest)
    }

    /// A connection is in its room.
    pub(super) fn entered(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let Phase::Entering { began_ns } = client.phase else {
            return;
        };
        client.phase = Phase::Open;
        let (id, role) = (client.id, client.role);
        let now_ns = self.now_ns();
        self.connector
            .times
            .saturating_record((now_ns - began_ns) / 1_000);
        self.connector.under_way -= 1;
        self.connector.opened += 1;
        if role == Role::Visitor {
            self.arrive(now_ns, began_ns, key, id);
        }
    }

    pub(super) fn connect_failed(&mut self, key: usize, reason: String) {
        self.clients.remove(key);
        self.connector.under_way -= 1;
        self.connector.fail(reason);
    }

    /// Ends the connects that take too long. They began in order, so the first ones are the oldest.
    pub(super) fn expire_connects(&mut self, now_ns: u64) {
        while let Some(&(deadline_ns, key, id)) = self.connector.deadlines.front() {
            let client = self.clients.get(key).filter(|client| client.id == id);
            let waits =
                client.is_some_and(|client| !matches!(client.phase, Phase::Open | Phase::Closing));
            if waits && deadline_ns > now_ns {
                return;
            }
            if waits {
                self.connect_failed(key, "timed out".into());
            }
            self.connector.deadlines.pop_front();
        }
    }
}

/// An error in words that say what to do, where that is known.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused: is the server running?".into(),
        _ if is_port_shortage(error) => {
            "no free source port left: raise net.ipv4.ip_local_port_range, or wait a minute".into()
        }
        _ if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
            "too many open files: raise ulimit -n".into()
        }
        _ => error.to_string(),
    }
}

/// Reasons and how often each, as one line.
pub(super) fn list<'a>(reasons: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    let each = reasons
        .into_iter()
        .map(|(reason, count)| format!("{reason} ({count} times)"));
    each.collect::<Vec<_>>().join(", ")
}
