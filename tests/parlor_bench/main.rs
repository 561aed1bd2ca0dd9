//! The load generator as users run it: against its own floor, and against servers that fail in known ways.
#![cfg(feature = "bench")]

mod faulty;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use faulty::{Fault, serve};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_parlor-bench");

/// A floor server that ends with the test.
struct Floor {
    process: Child,
    url: String,
}

impl Floor {
    fn start(mode: &str) -> Floor {
        let mut process = Command::new(PROGRAM)
            .args(["--floor", mode, "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("floor listening on ")
            .unwrap()
            .to_owned();
        Floor { process, url }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn generate(url: &str, arguments: &str) -> Output {
    Command::new(PROGRAM)
        .arg(url)
        .args(["--warmup", "0.1", "--seconds", "0.5"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

/// Runs the generator; whether it ended well, and its report.
fn report(url: &str, arguments: &str) -> (bool, Value) {
    let output = generate(url, &format!("{arguments} --json"));
    let errors = String::from_utf8_lossy(&output.stderr);
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.success(), report)
}

fn assert_clean(report: &Value) {
    assert_eq!(report["clean"], true, "{report:#}");
    let faults = &report["faults"];
    for fault in ["lost", "duplicated", "reordered"] {
        assert_eq!(faults[fault], 0, "{report:#}");
    }
}

#[test]
fn a_closed_loop_on_the_floor_is_clean_and_measured() {
    for mode in ["each", "tick"] {
        let floor = Floor::start(mode);
        let pid = floor.process.id();
        let load = format!("--connections 60 --senders 3 --window 8 --size 200 --pid {pid}");
        let (success, report) = report(&floor.url, &load);
        assert!(success);
        assert_clean(&report);
        let (messages, deliveries) = (&report["messages"], report["deliveries"].as_u64().unwrap());
        assert!(messages.as_u64().unwrap() > 100, "{report:#}");
        assert!(deliveries > 60 * 100, "{report:#}");
        let latency = &report["latency_us"];
        assert!(latency["p50"].as_u64().unwrap() <= latency["p99"].as_u64().unwrap());
        assert!(report["server"]["cpu_us_per_delivery"].as_f64().unwrap() > 0.0);
        assert!(!report["intervals"].as_array().unwrap().is_empty());
    }
}

#[test]
fn an_open_loop_sends_what_the_rate_says() {
    let floor = Floor::start("tick");
    let (success, report) = report(&floor.url, "--connections 20 --senders 4 --rate 200");
    assert!(success);
    assert_clean(&report);
    let messages =
        report["messages"].as_f64().unwrap() / report["measured_seconds"].as_f64().unwrap();
    assert!((150.0..=250.0).contains(&messages), "{report:#}");
}

#[test]
fn visitors_come_and_go_and_some_stop_reading() {
    let floor = Floor::start("tick");
    let load = "--connections 30 --window 4 --churn 200 --churn-hold 0.05 --stall 10";
    let (success, report) = report(&floor.url, load);
    assert!(success);
    assert_clean(&report);
    assert!(
        report["churn"]["arrived"].as_u64().unwrap() > 20,
        "{report:#}"
    );
    assert_eq!(report["churn"]["dropped"], 0);
}

#[test]
fn idle_connections_are_held_and_weighed() {
    let floor = Floor::start("each");
    let load = format!("--connections 500 --idle --pid {}", floor.process.id());
    let (success, report) = report(&floor.url, &load);
    assert!(success);
    assert_clean(&report);
    let each = report["server"]["bytes_per_connection"].as_f64().unwrap();
    assert!(each < 1_000.0, "{report:#}");
}

#[test]
fn a_table_for_people_and_a_plot() {
    let floor = Floor::start("tick");
    let file = std::env::temp_dir().join(format!("parlor-bench-{}.svg", std::process::id()));
    let output = generate(
        &floor.url,
        &format!("--connections 10 --plot {}", file.display()),
    );
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{table}");
    for word in [
        "deliveries",
        "p99.9",
        "0 lost, 0 duplicated, 0 reordered",
        "generator  busy",
    ] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    let plot = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(
        plot.starts_with("<svg") && plot.contains("p99.9") && plot.trim_end().ends_with("</svg>")
    );
}

#[test]
fn a_server_that_joins_messages_is_clean() {
    let (success, report) = report(&serve(Fault::Join), "--connections 5 --window 6");
    assert!(success);
    assert_clean(&report);
    assert!(report["deliveries"].as_u64().unwrap() > 100, "{report:#}");
}

#[test]
fn one_lost_message_is_found() {
    let (success, report) = report(&serve(Fault::Lose), "--connections 5 --window 4");
    assert!(!success);
    assert_eq!(report["faults"]["lost"], 1, "{report:#}");
    assert_eq!(report["faults"]["reordered"], 0);
}

#[test]
fn a_doubled_message_is_found() {
    let (success, report) = report(&serve(Fault::Double), "--connections 5 --window 4");
    assert!(!success);
    assert_eq!(report["faults"]["duplicated"], 1, "{report:#}");
    assert_eq!(report["faults"]["lost"], 0);
}

#[test]
fn two_messages_in_the_wrong_order_are_found() {
    let (success, report) = report(&serve(Fault::Swap), "--connections 5 --window 4");
    assert!(!success);
    assert_eq!(report["faults"]["reordered"], 1, "{report:#}");
    assert_eq!(report["faults"]["lost"], 0);
}

#[test]
fn a_connection_cut_off_is_found_with_its_reason() {
    let (success, report) = report(&serve(Fault::Close), "--connections 5 --window 4");
    assert!(!success);
    let disconnected = &report["faults"]["disconnected"];
    assert_eq!(
        disconnected["closed by the server with 1008 too slow"], 1,
        "{report:#}"
    );
}

#[test]
fn what_cannot_work_is_said_in_one_line() {
    let cases = [
        (
            serve(Fault::Mute),
            "--connections 3 --connect-timeout 0.3",
            1,
            "get no message",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--connections 3",
            1,
            "connection refused",
        ),
        ("http://127.0.0.1:1/".into(), "", 2, "a URL like ws://"),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--size 8",
            2,
            "at least 24 bytes",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--senders 9 --connections 8",
            2,
            "between 1 and 8",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--window 2 --rate 5",
            2,
            "cannot be used with",
        ),
    ];
    for (url, arguments, code, words) in cases {
        let output = generate(&url, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{url} {arguments}: {errors}"
        );
        assert!(errors.contains(words), "{url} {arguments}: {errors}");
    }
}
