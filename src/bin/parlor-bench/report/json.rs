//! The report of a run, for a program.

use serde_json::{Map, Value, json};

use crate::load::{NodeShare, Outcome};
use crate::options::Options;
use crate::record::{Interval, percentiles};

/// One JSON object; times and sizes carry their unit in the name.
pub(crate) fn json(outcome: &Outcome) -> Value {
    let faults = outcome.faults;
    json!({
        "clean": outcome.is_clean(),
        "options": options(&outcome.options),
        "connect": {
            "seconds": outcome.connect_s,
            "per_second": outcome.options.connections as f64 / outcome.connect_s,
            "time_us": latency(percentiles(&outcome.connect_times)),
        },
        "measured_seconds": outcome.measured_s,
        "messages": outcome.messages,
        "deliveries": outcome.deliveries,
        "bytes_per_delivery": (outcome.deliveries > 0)
            .then(|| outcome.received_bytes as f64 / outcome.deliveries as f64),
        "deliveries_per_second": outcome.deliveries as f64 / outcome.measured_s,
        "latency_us": (!outcome.latencies.is_empty()).then(|| latency(percentiles(&outcome.latencies))),
        "faults": {
            "lost": faults.lost,
            "duplicated": faults.duplicated,
            "reordered": faults.reordered,
            "strayed": faults.strayed,
            "disordered": faults.disordered,
            "disconnected": reasons(&outcome.disconnected),
            "failed_connects": reasons(&outcome.failures),
        },
        "foreign": outcome.foreign,
        "churn": outcome.options.churn.map(|_| json!({
            "arrived": outcome.visitors.arrived,
            "per_second": outcome.visitors.arrived as f64 / outcome.measured_s,
            "left": outcome.visitors.left,
            "dropped": outcome.visitors.dropped,
        })),
        "recovery": outcome.has_recovery().then(|| json!({
            "recovered": outcome.recovery.recovered,
            "unrecovered": outcome.recovery.unrecovered,
            "denied": outcome.recovery.denied,
            "holes": outcome.recovery.holes,
            "repeats": outcome.recovery.repeats,
        })),
        "return": outcome.returned.as_ref().map(|returned| json!({
            "answered": returned.answered,
            "unanswered": outcome.unanswered(),
            "per_second": returned.answered as f64 / outcome.measured_s,
            "time_us": (!returned.times.is_empty()).then(|| latency(percentiles(&returned.times))),
            "calm_latency_us": (!returned.calm.is_empty()).then(|| latency(percentiles(&returned.calm))),
            "server_cpu_us_each": outcome.cpu_us_per_return(),
        })),
        "stalled_cut_off": outcome.stallers_cut_off,
        "server": server(outcome),
        "nodes": outcome.nodes.iter().map(|it| node(it, outcome)).collect::<Vec<_>>(),
        "generator": {
            "busy": outcome.own_busy,
            "cpu": outcome.own_cpu,
            "was_limit": outcome.is_generator_limit(),
        },
        "intervals": outcome.intervals.iter().map(interval).collect::<Vec<_>>(),
    })
}

fn options(options: &Options) -> Value {
    json!({
        "url": options.urls.first().map(ToString::to_string),
        "urls": options.urls.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "door": options.door.name(),
        "rooms": options.rooms,
        "members": options.members,
        "connections": options.connections,
        "senders": options.senders,
        "size": options.size,
        "window": options.rate.is_none().then_some(options.window),
        "rate": options.rate,
        "churn": options.churn,
        "return": options.returns,
        "missed": options.missed,
        "return_rate": options.return_rate,
        "stall": options.stall,
        "idle": options.idle,
        "deflate": options.deflate,
    })
}

fn server(outcome: &Outcome) -> Option<Value> {
    let server = outcome.server?;
    let connections = outcome.options.connections as f64;
    let grown = server
        .resident_connected
        .saturating_sub(server.resident_before);
    let cpu_us = server.cpu_ns as f64 / 1e3;
    Some(json!({
        "cpu": cpu_us / 1e6 / outcome.measured_s,
        "cpu_us_per_delivery": (outcome.deliveries > 0).then(|| cpu_us / outcome.deliveries as f64),
        "cpu_us_per_connect": server.connect_cpu_ns as f64 / 1e3 / connections,
        "cpu_us_per_leave": server.leave_cpu_ns.map(|cpu_ns| cpu_ns as f64 / 1e3 / connections),
        "bytes_per_connection": grown as f64 / connections,
        "resident_bytes": {
            "before": server.resident_before,
            "connected": server.resident_connected,
            "end": server.resident_end,
            "drained": server.resident_drained,
        },
    }))
}

fn node(node: &NodeShare, outcome: &Outcome) -> Value {
    let cpu_us = node.cpu_ns.map(|cpu_ns| cpu_ns as f64 / 1e3);
    json!({
        "url": node.url,
        "connections": node.connections,
        "deliveries": node.deliveries,
        "deliveries_per_second": node.deliveries as f64 / outcome.measured_s,
        "latency_us": (!node.latencies.is_empty()).then(|| latency(percentiles(&node.latencies))),
        "cpu": cpu_us.map(|cpu_us| cpu_us / 1e6 / outcome.measured_s),
        "cpu_us_per_delivery": cpu_us
            .filter(|_| node.deliveries > 0)
            .map(|cpu_us| cpu_us / node.deliveries as f64),
    })
}

fn interval(interval: &Interval) -> Value {
    json!({
        "end_seconds": interval.end_s,
        "deliveries_per_second": interval.deliveries as f64 / interval.length_s,
        "latency_us": interval.latency_us.map(latency),
        "server_resident_bytes": interval.server_resident_bytes,
    })
}

fn latency([p50, p90, p99, p999, max]: [u64; 5]) -> Value {
    json!({ "p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": max })
}

fn reasons(reasons: &[(String, u64)]) -> Map<String, Value> {
    reasons
        .iter()
        .map(|(reason, count)| (reason.clone(), json!(count)))
        .collect()
}
