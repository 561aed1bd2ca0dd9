//! The report of a run, for a person.

mod json;
mod plot;
mod words;

use std::fmt::Write;

use crate::load::{NodeShare, Outcome, Recovery, Returned};
use crate::record::{Latencies, percentiles};
pub(crate) use json::json;
pub(crate) use plot::plot;
use words::{grouped, load_line};

/// A table of the figures, and warnings.
pub(crate) fn table(outcome: &Outcome) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let options = &outcome.options;
    let connect_rate = options.connections as f64 / outcome.connect_s;
    rows.push((
        "connections",
        format!(
            "{} in {:.2} s = {connect_rate:.0}/s",
            options.connections, outcome.connect_s
        ),
    ));
    rows.push((
        "connect time",
        latency_row(percentiles(&outcome.connect_times)),
    ));
    if !options.idle {
        load_rows(outcome, &mut rows);
    }
    let nodes = outcome.nodes.iter();
    rows.extend(nodes.flat_map(|node| node_rows(node, outcome)));
    server_rows(outcome, &mut rows);
    let own_cpu = outcome
        .own_cpu
        .map(|share| format!(", CPU {:.0} %", share * 100.0))
        .unwrap_or_default();
    rows.push((
        "generator",
        format!("busy {:.0} %{own_cpu}", outcome.own_busy * 100.0),
    ));
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:>15}  {value}");
    }
    for warning in warnings(outcome) {
        let _ = writeln!(text, "{warning}");
    }
    text
}

fn load_rows(outcome: &Outcome, rows: &mut Vec<(&str, String)>) {
    let options = &outcome.options;
    rows.push(("load", load_line(options)));
    let per_second = |count: u64| grouped((count as f64 / outcome.measured_s).round() as u64);
    rows.push((
        "messages",
        format!(
            "{}, {}/s",
            grouped(outcome.messages),
            per_second(outcome.messages)
        ),
    ));
    rows.push((
        "deliveries",
        format!(
            "{}, {}/s",
            grouped(outcome.deliveries),
            per_second(outcome.deliveries)
        ),
    ));
    if outcome.deliveries > 0 {
        let each = outcome.received_bytes as f64 / outcome.deliveries as f64;
        let how = match options.deflate {
            true => ", compressed",
            false => "",
        };
        rows.push(("received", format!("{each:.1} bytes per delivery{how}")));
    }
    let latency = match outcome.latencies.is_empty() {
        true => "of no message: none that was sent in this time has come back".to_owned(),
        false => latency_row(percentiles(&outcome.latencies)),
    };
    rows.push(("latency", latency));
    rows.push(("checked", checked_line(outcome)));
    if options.churn.is_some() {
        let visitors = outcome.visitors;
        let rate = visitors.arrived as f64 / outcome.measured_s;
        let counts = format!(
            "{} came, {} left, {} were cut off",
            visitors.arrived, visitors.left, visitors.dropped
        );
        rows.push(("churn", format!("{rate:.0}/s: {counts}")));
    }
    if let Some(returned) = &outcome.returned {
        rows.extend(return_rows(outcome, returned));
    }
    if outcome.has_recovery() {
        rows.push(("recovery", recovery_line(&outcome.recovery)));
    }
    if options.stall > 0 {
        rows.push((
            "stalled",
            format!(
                "{}, of which {} were cut off",
                options.stall, outcome.stallers_cut_off
            ),
        ));
    }
}

/// What coming back at once took, and what the others had of it.
fn return_rows(outcome: &Outcome, returned: &Returned) -> Vec<(&'static str, String)> {
    let row = |latencies: &Latencies| match latencies.is_empty() {
        true => "none".to_owned(),
        false => latency_row(percentiles(latencies)),
    };
    let rate = returned.answered as f64 / outcome.measured_s;
    let each = outcome
        .cpu_us_per_return()
        .map(|cpu_us| format!(", {cpu_us:.1} µs of the server's CPU each"))
        .unwrap_or_default();
    let (answered, seconds) = (grouped(returned.answered), outcome.measured_s);
    vec![
        ("before", row(&returned.calm)),
        (
            "returns",
            format!("{answered} in {seconds:.2} s = {rate:.0}/s{each}"),
        ),
        ("return time", row(&returned.times)),
    ]
}

/// What was found wrong with the deliveries.
fn checked_line(outcome: &Outcome) -> String {
    let faults = &outcome.faults;
    let mut line = format!(
        "{} lost, {} duplicated, {} reordered",
        faults.lost, faults.duplicated, faults.reordered
    );
    if outcome.options.rooms.is_some() {
        let _ = write!(line, ", {} of another room", faults.strayed);
    }
    if outcome.options.is_spread() {
        let _ = write!(line, ", {} in another order", faults.disordered);
    }
    line
}

/// How those fared who were cut off and came back.
fn recovery_line(recovery: &Recovery) -> String {
    format!(
        "{} recovered, {} had been away too long, {} wrongly told so; {} holes, {} repeats",
        grouped(recovery.recovered),
        grouped(recovery.unrecovered - recovery.denied),
        recovery.denied,
        recovery.holes,
        recovery.repeats
    )
}

/// What one of several nodes did.
fn node_rows(node: &NodeShare, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let connections = grouped(node.connections as u64);
    let mut did = format!("{}, {connections} connections", node.url);
    if !outcome.options.idle {
        let rate = (node.deliveries as f64 / outcome.measured_s).round() as u64;
        let _ = write!(did, ", {} deliveries/s", grouped(rate));
    }
    if let Some(cpu_ns) = node.cpu_ns {
        let share = cpu_ns as f64 / outcome.measured_s / 1e7;
        let _ = write!(did, ", CPU {share:.2} %");
    }
    let mut rows = vec![("node", did)];
    if !node.latencies.is_empty() {
        rows.push(("", latency_row(percentiles(&node.latencies))));
    }
    rows
}

fn server_rows(outcome: &Outcome, rows: &mut Vec<(&str, String)>) {
    let Some(server) = outcome.server else { return };
    let connections = outcome.options.connections as f64;
    let share = server.cpu_ns as f64 / outcome.measured_s / 1e7;
    let each = match outcome.deliveries {
        0 => String::new(),
        deliveries => format!(
            ", {:.3} µs per delivery",
            server.cpu_ns as f64 / 1e3 / deliveries as f64
        ),
    };
    let connect = server.connect_cpu_ns as f64 / 1e3 / connections;
    let leave = server.leave_cpu_ns.map_or(String::new(), |cpu_ns| {
        format!(", {:.1} µs per leave", cpu_ns as f64 / 1e3 / connections)
    });
    rows.push((
        "server CPU",
        format!("{share:.2} %{each}; {connect:.1} µs per connect{leave}"),
    ));
    let grown = server
        .resident_connected
        .saturating_sub(server.resident_before);
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let mut memory = format!(
        "{:.1} MiB before, {:.1} connected = {:.0} bytes each, {:.1} at the end",
        mib(server.resident_before),
        mib(server.resident_connected),
        grown as f64 / connections,
        mib(server.resident_end),
    );
    if let Some(drained) = server.resident_drained {
        let _ = write!(memory, ", {:.1} when all was delivered", mib(drained));
    }
    rows.push(("server memory", memory));
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    for (reason, count) in &outcome.disconnected {
        warnings.push(format!("FAILED: {count} connections were lost: {reason}"));
    }
    for (reason, count) in &outcome.failures {
        warnings.push(format!(
            "FAILED: {count} connects failed during the load: {reason}"
        ));
    }
    if outcome.unanswered() > 0 {
        let unanswered = outcome.unanswered();
        warnings.push(format!(
            "FAILED: {unanswered} came back and were not let in"
        ));
    }
    if outcome.foreign > 0 {
        warnings.push(format!(
            "note: {} messages were not of this run",
            outcome.foreign
        ));
    }
    if outcome
        .options
        .churn
        .is_some_and(|asked| outcome.visitors.arrived as f64 / outcome.measured_s < 0.95 * asked)
    {
        warnings.push(
            "warning: fewer connects than --churn asks for; see --connect-concurrency".into(),
        );
    }
    if outcome.is_generator_limit() {
        let busy = outcome.own_busy * 100.0;
        warnings.push(format!("warning: the generator was busy for {busy:.0} % of the time and may have been the limit"));
    }
    warnings
}

/// p50, p90, p99, p99.9 and the maximum, from microseconds.
fn latency_row([p50, p90, p99, p999, max]: [u64; 5]) -> String {
    let ms = |us: u64| match us {
        0..=9_999 => format!("{:.2}", us as f64 / 1e3),
        10_000..=99_999 => format!("{:.1}", us as f64 / 1e3),
        _ => format!("{:.0}", us as f64 / 1e3),
    };
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {} ms",
        ms(p50),
        ms(p90),
        ms(p99),
        ms(p999),
        ms(max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(
            latency_row([500, 12_345, 99_999, 123_456, 1_000_000]),
            "p50 0.50  p90 12.3  p99 100.0  p99.9 123  max 1000 ms"
        );
    }
}
