//! What the server tells operators about itself, in the text format of Prometheus.

mod hooks;
mod push;
mod state;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::codec::http::response::Status;
use crate::codec::token::TokenError;
use crate::core::ensure::ensure;
use crate::core::net::addresses::AdmissionError;
use crate::core::net::connection::{Connection, Traffic};
use crate::core::net::door::{Door, DoorKind};
use crate::core::net::ending::EndReason;
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::doors::datagrams::DatagramResult;
use crate::core::server::rights::NOT_LOOKED_AT;
use crate::core::stream::Stream;

/// Counters since the start, kept up to date, so that showing them costs the same for any number of connections. Each
/// series exists from the start, so that its first event counts as an increase.
#[derive(Debug)]
pub(super) struct Counters {
    started_ms: u64,
    /// Connections now, by the number of their door.
    doors: [usize; DoorKind::COUNT],
    ended: BTreeMap<&'static str, u64>,
    /// Traffic of all connections, ended ones included, and of datagrams.
    pub(super) traffic: Traffic,
    responses: BTreeMap<u16, u64>,
    /// Datagrams by their result.
    tokens: BTreeMap<&'static str, u64>,
    refused: BTreeMap<AdmissionError, u64>,
    datagrams: BTreeMap<DatagramResult, u64>,
    /// What was said of values.
    said: BTreeMap<&'static str, u64>,
    /// Steps of escalations.
    escalations: BTreeMap<&'static str, u64>,
    /// Requests for the keys of a provider.
    key_requests: BTreeMap<&'static str, u64>,
}

fn zeros<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, u64> {
    keys.into_iter().map(|key| (key, 0)).collect()
}

impl Counters {
    pub(super) fn new(started_ms: u64) -> Self {
        let verdicts = TokenError::ALL.map(TokenError::label);
        Self {
            started_ms,
            doors: [0; DoorKind::COUNT],
            ended: zeros(EndReason::all().map(EndReason::as_str)),
            traffic: Traffic::default(),
            responses: zeros(Status::ALL.map(|status| status.code)),
            tokens: zeros(verdicts.into_iter().chain(["taken", NOT_LOOKED_AT])),
            refused: zeros(AdmissionError::ALL),
            datagrams: zeros(DatagramResult::ALL),
            said: zeros(["silent", "heard", "ended"]),
            escalations: zeros(["told", "failed"]),
            key_requests: zeros(["ok", "failed"]),
        }
    }

    /// A connection has come to this door.
    pub(super) fn enter(&mut self, door: &Door) {
        self.doors[door.kind() as usize] += 1;
    }

    /// A connection has left this door.
    pub(super) fn leave(&mut self, door: &Door) {
        self.doors[door.kind() as usize] -= 1;
    }

    /// Checks the counts against the connections that there are.
    pub(super) fn check(
        &self,
        doors: [usize; DoorKind::COUNT],
        living: Traffic,
    ) -> Result<(), String> {
        ensure(doors == self.doors, "connections are miscounted by door")?;
        let Traffic {
            messages_in,
            messages_out,
            bytes_in,
            bytes_out,
        } = self.traffic;
        let is_enough = living.messages_in <= messages_in
            && living.messages_out <= messages_out
            && living.bytes_in <= bytes_in
            && living.bytes_out <= bytes_out;
        ensure(
            is_enough,
            "the living have done more than is counted of all",
        )?;
        let first = Self::new(self.started_ms);
        ensure(
            self.ended.len() == first.ended.len()
                && self.responses.len() == first.responses.len()
                && self.tokens.len() == first.tokens.len()
                && self.refused.len() == first.refused.len()
                && self.datagrams.len() == first.datagrams.len()
                && self.said.len() == first.said.len()
                && self.escalations.len() == first.escalations.len()
                && self.key_requests.len() == first.key_requests.len(),
            "a series was not there from the start",
        )
    }

    pub(super) fn count_response(&mut self, status: Status) {
        *self.responses.entry(status.code).or_default() += 1;
    }

    /// A server has said this of a value.
    pub(super) fn count_said(&mut self, what: &str) {
        if let Some(count) = self.said.get_mut(what) {
            *count += 1;
        }
    }

    /// A step of an escalation was due.
    pub(super) fn count_escalation(&mut self, is_told: bool) {
        let result = if is_told { "told" } else { "failed" };
        *self.escalations.entry(result).or_default() += 1;
    }

    /// A provider was asked for its keys.
    pub(super) fn count_key_request(&mut self, is_ok: bool) {
        let result = if is_ok { "ok" } else { "failed" };
        *self.key_requests.entry(result).or_default() += 1;
    }

    pub(super) fn count_token(&mut self, result: &'static str) {
        *self.tokens.entry(result).or_default() += 1;
    }

    pub(super) fn count_refusal(&mut self, refusal: AdmissionError) {
        *self.refused.entry(refusal).or_default() += 1;
    }

    pub(super) fn count_datagram(&mut self, verdict: DatagramResult, bytes: usize) {
        *self.datagrams.entry(verdict).or_default() += 1;
        self.traffic.messages_in += u64::from(verdict == DatagramResult::Taken);
        self.traffic.bytes_in += bytes as u64;
    }

    /// A datagram that was counted as taken, and had to wait, is dropped.
    pub(super) fn recount_datagram(&mut self, result: DatagramResult) {
        if let Some(taken) = self.datagrams.get_mut(&DatagramResult::Taken) {
            *taken = taken.saturating_sub(1);
        }
        *self.datagrams.entry(result).or_default() += 1;
    }

    pub(super) fn count_end<S>(&mut self, connection: &Connection<S>) {
        if let Phase::Closed { reason } = connection.phase {
            *self.ended.entry(reason.as_str()).or_default() += 1;
        }
        self.leave(&connection.door);
    }
}

impl<S: Stream> Server<S> {
    /// The answer to `/metrics`.
    pub(super) fn metrics(&self, now: Now) -> String {
        let doors = DoorKind::labels().zip(self.counters.doors);
        let mut out = String::new();
        let help = "Connections now, by door.";
        write_family(&mut out, ("connections", GAUGE, help), "door", doors);
        let help = "Connections that have ended, by reason.";
        let ended = &self.counters.ended;
        write_family(&mut out, ("closes_total", COUNTER, help), "reason", ended);
        let help = "HTTP responses, by status.";
        let responses = &self.counters.responses;
        write_family(
            &mut out,
            ("responses_total", COUNTER, help),
            "status",
            responses,
        );
        let help = "Tokens that were shown, by what became of them.";
        let tokens = &self.counters.tokens;
        write_family(&mut out, ("tokens_total", COUNTER, help), "result", tokens);
        let help = "Connections that were refused, or a proxy's clients, by reason.";
        let refused = self.counters.refused.iter();
        let refused = refused.map(|(refusal, count)| (refusal.label(), count));
        write_family(
            &mut out,
            ("refused_total", COUNTER, help),
            "reason",
            refused,
        );
        let help = "Datagrams, by what became of them.";
        let datagrams = &self.counters.datagrams;
        let family = ("datagrams_total", COUNTER, help);
        write_family(&mut out, family, "result", datagrams);
        let help = "What was said of values: that they are silent, that they are heard again, that they have ended.";
        let said = &self.counters.said;
        write_family(&mut out, ("values_total", COUNTER, help), "what", said);
        let help = "Steps of escalations, by whether somebody could be told.";
        let escalations = &self.counters.escalations;
        let family = ("escalations_total", COUNTER, help);
        write_family(&mut out, family, "result", escalations);
        let help = "Requests for the keys of --jwks-url, by whether they were answered with keys.";
        let key_requests = &self.counters.key_requests;
        let family = ("jwks_requests_total", COUNTER, help);
        write_family(&mut out, family, "result", key_requests);
        let help = "What was forgotten so that something else could be kept.";
        let forgotten = self.chat.forgotten();
        let forgotten = [
            ("room", forgotten.rooms),
            ("message", forgotten.messages),
            ("state", forgotten.states),
        ];
        let family = ("forgotten_total", COUNTER, help);
        write_family(&mut out, family, "what", forgotten);
        for (name, help, value) in traffic_values(self.counters.traffic) {
            write_head(&mut out, name, COUNTER, help);
            write_line(&mut out, format_args!("parlor_{name} {value}"));
        }
        for (name, help, value) in self.values(now) {
            write_head(&mut out, name, GAUGE, help);
            write_line(&mut out, format_args!("parlor_{name} {value}"));
        }
        self.write_hook_metrics(&mut out);
        self.write_push_metrics(&mut out);
        out
    }

    /// Gauges that are read off the server when they are asked for.
    fn values(&self, now: Now) -> [(&'static str, &'static str, usize); 17] {
        let Self { limits, chat, .. } = self;
        let uptime_ms = now.ms - self.counters.started_ms;
        let paused = self.broadcast.paused_count();
        let lagging = self.lagging.count();
        let in_flight = self.meter.used();
        let of_history = "What --history-memory allows of it.";
        let of_flight = "What --max-memory allows of it.";
        let files = self.files.space();
        [
            (
                "uptime_seconds",
                "Since the start.",
                (uptime_ms / 1000) as usize,
            ),
            (
                "connections_max",
                "What --max-connections allows.",
                limits.max_connections,
            ),
            (
                "addresses",
                "Addresses that have connections, or had until a moment ago.",
                self.addresses.count(),
            ),
            (
                "rooms",
                "Rooms that have members or are remembered.",
                chat.room_count(),
            ),
            (
                "values_watched",
                "Values that are expected, or end.",
                chat.vigil_count(),
            ),
            ("members", "Places taken in all rooms.", chat.seat_count()),
            (
                "people",
                "People here by the JSON door, or soon back.",
                chat.person_count(),
            ),
            ("bans", "Bans that hold.", self.banning.count()),
            (
                "held_connections",
                "Not read until their room catches up.",
                paused,
            ),
            ("lagging_members", "Missing messages for now.", lagging),
            ("inflight_bytes", "Memory of messages in flight.", in_flight),
            ("inflight_bytes_max", of_flight, limits.max_memory),
            (
                "history_bytes",
                "Memory of what rooms remember.",
                chat.history_bytes(),
            ),
            ("history_bytes_max", of_history, limits.history_memory),
            ("files", "Files that are kept, or arrive.", files.files),
            ("file_bytes", "Bytes of them.", files.bytes as usize),
            (
                "file_bytes_max",
                "What --file-space allows.",
                limits.file_space as usize,
            ),
        ]
    }
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

fn traffic_values(traffic: Traffic) -> [(&'static str, &'static str, u64); 4] {
    let to_clients = "Messages and events to clients, one for each reader.";
    [
        (
            "messages_received_total",
            "Messages and commands.",
            traffic.messages_in,
        ),
        ("messages_sent_total", to_clients, traffic.messages_out),
        (
            "bytes_received_total",
            "Bytes from clients.",
            traffic.bytes_in,
        ),
        ("bytes_sent_total", "Bytes to clients.", traffic.bytes_out),
    ]
}

/// Writes a metric with one value per label value. No label value needs escaping.
fn write_family(
    out: &mut String,
    (name, kind, help): (&str, &str, &str),
    label: &str,
    values: impl IntoIterator<Item = (impl Display, impl Display)>,
) {
    write_head(out, name, kind, help);
    for (of, value) in values {
        write_line(
            out,
            format_args!("parlor_{name}{{{label}=\"{of}\"}} {value}"),
        );
    }
}

fn write_head(out: &mut String, name: &str, kind: &str, help: &str) {
    write_line(out, format_args!("# HELP parlor_{name} {help}"));
    write_line(out, format_args!("# TYPE parlor_{name} {kind}"));
}

fn write_line(out: &mut String, line: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{line}");
}
