//! What a run has shown.

use super::Load;
use super::lives::Recovery;
use super::returns::Returned;
use crate::check::Faults;
use crate::options::{DoorKind, Options};
use crate::process::{Process, Processes};
use crate::record::{Interval, Latencies};

/// Share of its time from which on the generator itself may have been the limit.
const BUSY_LIMIT: f64 = 0.90;

/// CPU time and memory at the turns of a run.
#[derive(Debug, Default)]
pub(super) struct Marks {
    resident_before: Option<u64>,
    cpu_before_ns: Option<u64>,
    resident_connected: Option<u64>,
    cpu_connected_ns: Option<u64>,
    resident_drained: Option<u64>,
    cpu_left_ns: Option<u64>,
    connected_ns: u64,
    begin: Mark,
    end: Mark,
}

/// How things stand at the beginning or the end of what is measured.
#[derive(Debug, Default)]
pub(super) struct Mark {
    now_ns: u64,
    idle_ns: u64,
    deliveries: u64,
    messages: u64,
    received_bytes: u64,
    server_cpu_ns: Option<u64>,
    server_resident: Option<u64>,
    own_cpu_ns: Option<u64>,
    /// By node, if there are several; CPU time where each has a process.
    node_deliveries: Vec<u64>,
    node_cpu_ns: Vec<Option<u64>>,
}

impl Mark {
    fn node_cpu(&self, node: usize) -> Option<u64> {
        self.node_cpu_ns.get(node).copied()?
    }
}

impl Marks {
    pub(super) fn new(server: Option<&Processes>) -> Marks {
        Marks {
            resident_before: server.and_then(Processes::resident_bytes),
            cpu_before_ns: server.and_then(Processes::cpu_ns),
            ..Marks::default()
        }
    }

    pub(super) fn connected(&mut self, now_ns: u64, server: Option<&Processes>) {
        self.connected_ns = now_ns;
        self.resident_connected = server.and_then(Processes::resident_bytes);
        self.cpu_connected_ns = server.and_then(Processes::cpu_ns);
    }

    pub(super) fn begin(&mut self, mark: Mark) {
        self.begin = mark;
    }

    pub(super) fn end(&mut self, mark: Mark) {
        self.end = mark;
    }

    /// The last connection has ended.
    pub(super) fn left(&mut self, server: Option<&Processes>) {
        self.cpu_left_ns = server.and_then(Processes::cpu_ns);
    }

    pub(super) fn drained(&mut self, server: Option<&Processes>) {
        self.resident_drained = server.and_then(Processes::resident_bytes);
    }
}

/// The figures of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) options: Options,
    /// Seconds from the first connect to the last answer, and the times of single ones.
    pub(crate) connect_s: f64,
    pub(crate) connect_times: Latencies,
    /// Seconds that were measured, and what was sent and delivered in them.
    pub(crate) measured_s: f64,
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Bytes that came from the server meanwhile, frame headers among them.
    pub(crate) received_bytes: u64,
    pub(crate) latencies: Latencies,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) faults: Faults,
    pub(crate) foreign: u64,
    /// Readers cut off by the server, by reason.
    pub(crate) disconnected: Vec<(String, u64)>,
    /// Connects that failed while the load was on, by reason.
    pub(crate) failures: Vec<(String, u64)>,
    pub(crate) visitors: VisitorCount,
    /// Of those who were cut off and came back, over the whole run.
    pub(crate) recovery: Recovery,
    /// Of --return.
    pub(crate) returned: Option<Returned>,
    pub(crate) stallers_cut_off: u64,
    pub(crate) server: Option<ServerUse>,
    /// What each of several nodes did.
    pub(crate) nodes: Vec<NodeShare>,
    /// Share of the measured time that the generator was not waiting, and its CPU time's share.
    pub(crate) own_busy: f64,
    pub(crate) own_cpu: Option<f64>,
}

/// What one of several nodes did while it was measured.
#[derive(Debug)]
pub(crate) struct NodeShare {
    pub(crate) url: String,
    /// Those that stay.
    pub(crate) connections: usize,
    pub(crate) deliveries: u64,
    pub(crate) latencies: Latencies,
    pub(crate) cpu_ns: Option<u64>,
}

/// Connections that came and went while it was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VisitorCount {
    pub(crate) arrived: u64,
    pub(crate) left: u64,
    pub(crate) dropped: u64,
}

/// What the server has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerUse {
    /// Its CPU time while the connections were opened, and while it was measured.
    pub(crate) connect_cpu_ns: u64,
    pub(crate) cpu_ns: u64,
    /// The same while all left at once, if they did.
    pub(crate) leave_cpu_ns: Option<u64>,
    pub(crate) resident_before: u64,
    pub(crate) resident_connected: u64,
    pub(crate) resident_end: u64,
    /// When all had been delivered.
    pub(crate) resident_drained: Option<u64>,
}

impl Outcome {
    /// The generator, not the server, may have set the pace.
    pub(crate) fn is_generator_limit(&self) -> bool {
        self.own_busy > BUSY_LIMIT
    }

    /// Nothing was lost, doubled, reordered, refused or cut off.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults == Faults::default()
            && self.disconnected.is_empty()
            && self.failures.is_empty()
            && self.visitors.dropped == 0
            && self.recovery.is_clean()
            && self.unanswered() == 0
    }
}

impl Outcome {
    /// Some were cut off and came back, and said what they had seen.
    pub(crate) fn has_recovery(&self) -> bool {
        let comes_back = self.options.churn.is_some() || self.options.returns.is_some();
        comes_back && self.options.door == DoorKind::Json
    }

    /// Those who were to come back and were not let in.
    pub(crate) fn unanswered(&self) -> u64 {
        let wanted = self.options.returns.unwrap_or_default() as u64;
        let answered = self.returned.as_ref().map_or(0, |it| it.answered);
        wanted.saturating_sub(answered)
    }

    /// The server's CPU time for each that came back, in microseconds.
    pub(crate) fn cpu_us_per_return(&self) -> Option<f64> {
        let answered = self.returned.as_ref()?.answered;
        let cpu_us = self.server?.cpu_ns as f64 / 1e3;
        (answered > 0).then(|| cpu_us / answered as f64)
    }
}

impl Load {
    /// How things stand now.
    pub(super) fn mark(&self, now_ns: u64) -> Mark {
        let server = self.server.as_ref();
        Mark {
            now_ns,
            idle_ns: self.idle_ns,
            deliveries: self.books.recorder.deliveries,
            messages: self.books.ledger.messages(),
            received_bytes: self.received_bytes,
            server_cpu_ns: server.and_then(Processes::cpu_ns),
            // The exact count takes milliseconds, in which others who come back are not read.
            server_resident: match self.returns {
                Some(_) => server.and_then(Processes::resident_bytes_roughly),
                None => server.and_then(Processes::resident_bytes),
            },
            own_cpu_ns: Process::own().cpu_ns(),
            node_deliveries: self.books.recorder.node_deliveries(),
            node_cpu_ns: self.node_processes.iter().map(Process::cpu_ns).collect(),
        }
    }

    /// What each of several nodes did.
    fn take_nodes(&mut self) -> Vec<NodeShare> {
        let Marks { begin, end, .. } = &self.marks;
        let connections = self.connections_by_node();
        let latencies = self.books.recorder.take_node_latencies();
        let nodes = (0..).zip(latencies);
        nodes
            .map(|(node, latencies)| NodeShare {
                url: self.options.urls[node].to_string(),
                connections: connections[node],
                deliveries: end.node_deliveries[node] - begin.node_deliveries[node],
                latencies,
                cpu_ns: end.node_cpu(node).zip(begin.node_cpu(node)).map(
                    // Ended threads are missing in the one, and counted in the other.
                    |(end, begin)| end.saturating_sub(begin),
                ),
            })
            .collect()
    }

    /// How many connections that stay each node was given.
    fn connections_by_node(&self) -> Vec<usize> {
        let mut connections = vec![0; self.options.nodes()];
        for nth in 0..self.options.connections {
            connections[self.rooms.node_of_connection(nth)] += 1;
        }
        connections
    }

    pub(super) fn into_outcome(mut self) -> Outcome {
        let returned = self.take_returned();
        let faults = Faults {
            disordered: self.books.order.as_ref().map_or(0, |it| it.disordered),
            ..self.books.checker.faults
        };
        let nodes = self.take_nodes();
        let Marks { begin, end, .. } = &self.marks;
        let measured_ns = (end.now_ns - begin.now_ns).max(1) as f64;
        let own_cpu_ns = begin
            .own_cpu_ns
            .zip(end.own_cpu_ns)
            .map(|(begin, end)| (end - begin) as f64);
        Outcome {
            connect_s: self.marks.connected_ns as f64 / 1e9,
            measured_s: measured_ns / 1e9,
            messages: end.messages - begin.messages,
            deliveries: end.deliveries - begin.deliveries,
            received_bytes: end.received_bytes - begin.received_bytes,
            server: self.marks.server_use(),
            own_busy: 1.0 - (end.idle_ns - begin.idle_ns) as f64 / measured_ns,
            own_cpu: own_cpu_ns.map(|cpu_ns| cpu_ns / measured_ns),
            options: self.options,
            connect_times: self.connector.times,
            latencies: self.books.recorder.total,
            intervals: self.books.recorder.intervals,
            nodes,
            faults,
            foreign: self.books.foreign,
            disconnected: self.books.disconnected.into_iter().collect(),
            failures: self.connector.failures.into_iter().collect(),
            visitors: VisitorCount {
                arrived: self.visitors.arrived,
                left: self.visitors.left,
                dropped: self.visitors.dropped,
            },
            recovery: self.books.lives.recovery,
            returned,
            stallers_cut_off: self.stallers_cut_off,
        }
    }
}

impl Marks {
    fn server_use(&self) -> Option<ServerUse> {
        Some(ServerUse {
            connect_cpu_ns: self.cpu_connected_ns? - self.cpu_before_ns?,
            cpu_ns: self
                .end
                .server_cpu_ns?
                .saturating_sub(self.begin.server_cpu_ns?),
            leave_cpu_ns: self
                .cpu_left_ns
                .zip(self.end.server_cpu_ns)
                .map(|(left, end)| left - end),
            resident_before: self.resident_before?,
            resident_connected: self.resident_connected?,
            resident_end: self.end.server_resident?,
            resident_drained: self.resident_drained,
        })
    }
}
