//! The load generator as users run it: against its own floor, and against servers that fail in known ways.
#![cfg(feature = "bench")]

mod faulty;
mod faulty_recovery;
mod peers;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use faulty::{Fault, serve};
use faulty_recovery::{HELD, Recovery, serve_recovery};
use peers::{Protocol, serve_peer};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_parlor-bench");

/// A server that ends with the test.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn floor(mode: &str) -> Server {
        let arguments = format!("--floor {mode} --port 0");
        Server::start(PROGRAM, &arguments, "floor listening on ", "")
    }

    /// parlor, and a room at its JSON door.
    fn parlor(arguments: &str) -> Server {
        let program = env!("CARGO_BIN_EXE_parlor");
        let arguments = format!("--bind 127.0.0.1 --port 0 {arguments}");
        let mut server =
            Server::start(program, &arguments, "parlor listening on http", "/ws/bench");
        server.url.insert_str(0, "ws");
        server
    }

    fn start(program: &str, arguments: &str, greeting: &str, path: &str) -> Server {
        let mut process = Command::new(program)
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix(greeting).unwrap();
        let url = address.split(' ').next().unwrap();
        Server {
            process,
            url: format!("{url}{path}"),
        }
    }
}

impl Drop for Server {
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
    for fault in ["lost", "duplicated", "reordered", "strayed", "disordered"] {
        assert_eq!(faults[fault], 0, "{report:#}");
    }
}

#[test]
fn a_closed_loop_on_the_floor_is_clean_and_measured() {
    for mode in ["each", "tick"] {
        let floor = Server::floor(mode);
        let pid = floor.process.id();
        let load = format!("--connections 60 --senders 3 --window 8 --size 200 --pid {pid}");
        let (success, report) = report(&floor.url, &load);
        assert!(success);
        assert_clean(&report);
        let (messages, deliveries) = (&report["messages"], report["deliveries"].as_u64().unwrap());
        assert!(messages.as_u64().unwrap() > 0, "{report:#}");
        assert!(deliveries > 60, "{report:#}");
        let latency = &report["latency_us"];
        assert!(latency["p50"].as_u64().unwrap() <= latency["p99"].as_u64().unwrap());
        assert!(report["server"]["cpu_us_per_delivery"].as_f64().unwrap() > 0.0);
        assert!(!report["intervals"].as_array().unwrap().is_empty());
    }
}

#[test]
fn an_open_loop_sends_what_the_rate_says() {
    let floor = Server::floor("tick");
    let (success, report) = report(&floor.url, "--connections 20 --senders 4 --rate 200");
    assert!(success);
    assert_clean(&report);
    let messages =
        report["messages"].as_f64().unwrap() / report["measured_seconds"].as_f64().unwrap();
    assert!((150.0..=250.0).contains(&messages), "{report:#}");
}

#[test]
fn visitors_come_and_go_and_some_stop_reading() {
    let floor = Server::floor("tick");
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

/// More is sent than the kernel holds for someone who does not read.
#[test]
fn who_stalls_is_cut_off_and_counted() {
    let parlor = Server::parlor("--max-queue 2000000");
    let load = "--connections 10 --stall 3 --rate 200 --size 65536";
    let (success, report) = report(&parlor.url, load);
    assert!(success, "{report:#}");
    assert_clean(&report);
    assert_eq!(report["stalled_cut_off"], 3, "{report:#}");
}

#[test]
fn idle_connections_are_held_and_weighed() {
    let floor = Server::floor("each");
    let load = format!("--connections 500 --idle --pid {}", floor.process.id());
    let (success, report) = report(&floor.url, &load);
    assert!(success);
    assert_clean(&report);
    let each = report["server"]["bytes_per_connection"].as_f64().unwrap();
    assert!(each < 1_000.0, "{report:#}");
}

#[test]
fn the_json_door_is_checked_like_the_plain_one() {
    let parlor = Server::parlor("--rate 0");
    for size in [24, 300] {
        let load = format!("--door json --connections 40 --senders 3 --window 8 --size {size}");
        let (success, report) = report(&parlor.url, &load);
        assert!(success);
        assert_clean(&report);
        assert_eq!(
            (&report["foreign"], &report["options"]["door"]),
            (&0.into(), &"json".into())
        );
        assert!(
            report["deliveries"].as_u64().unwrap() > 40 * 100,
            "{report:#}"
        );
    }
}

#[test]
fn each_room_gets_its_own_messages_and_no_other() {
    let parlor = Server::parlor("--rate 0");
    let pid = parlor.process.id();
    for door in ["plain", "json"] {
        let load =
            format!("--door {door} --rooms 20 --members 5 --senders 2 --window 4 --pid {pid}");
        let (success, report) = report(&parlor.url, &load);
        assert!(success, "{report:#}");
        assert_clean(&report);
        assert_eq!(report["foreign"], 0, "{report:#}");
        assert_eq!(report["options"]["connections"], 100);
        let counted = |name: &str| report[name].as_u64().unwrap();
        // Each message goes to its room's five. At the edges of what is measured some of one count, and not the others.
        let (messages, deliveries) = (counted("messages"), counted("deliveries"));
        assert!(
            messages > 200 && deliveries.abs_diff(5 * messages) <= 2 * 5 * 160,
            "{report:#}"
        );
        assert!(report["server"]["cpu_us_per_delivery"].as_f64().unwrap() > 0.0);
    }
    let idle = format!("--rooms 20 --members 5 --idle --pid {pid}");
    let (success, report) = report(&parlor.url, &idle);
    assert!(success, "{report:#}");
}

#[test]
fn what_goes_wrong_in_one_room_of_many_is_found() {
    for (fault, name) in [
        (Fault::Lose, "lost"),
        (Fault::Double, "duplicated"),
        (Fault::Swap, "reordered"),
        (Fault::Stray, "strayed"),
    ] {
        let url = format!("{}/bench", serve(fault));
        let (success, report) = report(&url, "--rooms 3 --members 4 --window 4");
        assert!(!success, "{report:#}");
        for counted in ["lost", "duplicated", "reordered", "strayed"] {
            // Once in each of the rooms.
            let expected = if counted == name { 3 } else { 0 };
            assert_eq!(report["faults"][counted], expected, "{report:#}");
        }
    }
}

#[test]
fn a_server_without_rooms_is_found() {
    let url = format!("{}/bench", serve(Fault::NoRooms));
    let output = generate(&url, "--rooms 2 --members 3");
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(
        table.contains(" of another room") && !table.contains(" 0 of another room"),
        "{table}"
    );
}

#[test]
fn servers_of_other_protocols_are_checked_likewise() {
    for (door, protocol) in [
        ("nats", Protocol::Nats),
        ("socketio", Protocol::SocketIo),
        ("pusher", Protocol::Pusher),
    ] {
        let url = serve_peer(protocol);
        for load in [
            "--connections 12 --senders 3 --window 8 --size 200",
            "--connections 6 --rate 200 --churn 50 --churn-hold 0.05",
            "--rooms 5 --members 3 --senders 2",
        ] {
            let (success, report) = report(&url, &format!("--door {door} {load}"));
            assert!(success, "{door} {load}: {report:#}");
            assert_clean(&report);
            assert_eq!(report["foreign"], 0, "{door} {load}: {report:#}");
            assert_eq!(report["options"]["door"], door);
            let deliveries = report["deliveries"].as_u64().unwrap();
            assert!(deliveries > 100, "{door} {load}: {report:#}");
        }
    }
}

/// Its sender is no receiver of a message, and one that comes back is one too many.
#[test]
fn an_echo_where_there_should_be_none_is_found() {
    let url = serve_peer(Protocol::EchoingPusher);
    let (success, report) = report(&url, "--door pusher --connections 3");
    assert!(!success);
    assert_eq!(report["faults"]["lost"], 0, "{report:#}");
    let doubled = report["faults"]["duplicated"].as_u64();
    assert!(doubled > Some(0), "{report:#}");
}

#[test]
fn at_the_json_door_visitors_are_cut_off_and_miss_nothing() {
    let parlor = Server::parlor("--rate 0");
    let load = "--door json --connections 10 --rate 300 --churn 300 --churn-hold 0.05";
    let (success, report) = report(&parlor.url, load);
    assert!(success);
    assert_clean(&report);
    let recovery = &report["recovery"];
    assert!(recovery["recovered"].as_u64().unwrap() > 20, "{report:#}");
    for fault in ["holes", "repeats", "denied"] {
        assert_eq!(recovery[fault], 0, "{report:#}");
    }
}

#[test]
fn a_recovery_that_misses_or_doubles_is_found() {
    let load = "--door json --connections 3 --rate 300 --churn 100 --churn-hold 0.05";
    for (fault, name) in [
        (Recovery::Miss, "holes"),
        (Recovery::Double, "repeats"),
        (Recovery::Deny, "denied"),
    ] {
        let (success, report) = report(&serve_recovery(fault), load);
        assert!(!success, "{report:#}");
        for counted in ["holes", "repeats", "denied"] {
            let is_counted = report["recovery"][counted] != 0;
            assert_eq!(is_counted, counted == name, "{report:#}");
        }
    }
}

#[test]
fn who_return_at_once_miss_nothing_and_a_pair_beside_them_is_measured() {
    let parlor = Server::parlor("--rate 0");
    let pid = parlor.process.id();
    let load = format!("--door json --return 60 --missed 20 --return-rate 100 --pid {pid}");
    let (success, report) = report(&parlor.url, &load);
    assert!(success, "{report:#}");
    assert_clean(&report);
    assert_eq!(report["recovery"]["recovered"], 60, "{report:#}");
    let returned = &report["return"];
    assert_eq!(
        (&returned["answered"], &returned["unanswered"]),
        (&60.into(), &0.into())
    );
    assert!(returned["server_cpu_us_each"].as_f64().unwrap() > 0.0);
    for latency in [
        &report["latency_us"],
        &returned["calm_latency_us"],
        &returned["time_us"],
    ] {
        assert!(latency["max"].as_u64().unwrap() > 0, "{report:#}");
    }
    assert_eq!(report["options"]["connections"], 2, "{report:#}");
}

#[test]
fn a_return_that_goes_wrong_is_found() {
    let load = "--door json --return 5 --missed 10 --connect-timeout 2 --loss-timeout 1";
    for (fault, counted, number) in [
        (Recovery::Miss, "/recovery/holes", 5),
        (Recovery::Double, "/recovery/repeats", 5),
        (Recovery::Deny, "/recovery/denied", 5),
        (Recovery::Silence, "/return/unanswered", 1),
        (Recovery::CutOff, "/return/unanswered", 1),
    ] {
        let (success, report) = report(&serve_recovery(fault), load);
        assert!(!success, "{report:#}");
        assert_eq!(report["clean"], false, "{report:#}");
        assert_eq!(report.pointer(counted), Some(&number.into()), "{report:#}");
    }
}

/// A server need not keep what was said for ever: that is a figure, not a fault.
#[test]
fn a_room_that_ended_meanwhile_is_counted() {
    let url = serve_recovery(Recovery::Forget);
    let (success, report) = report(&url, "--door json --return 5");
    assert!(success, "{report:#}");
    let recovery = &report["recovery"];
    assert_eq!(
        (&recovery["recovered"], &recovery["unrecovered"]),
        (&0.into(), &5.into())
    );
}

#[test]
fn a_pair_that_waits_for_those_who_return_is_seen() {
    let url = serve_recovery(Recovery::Hold);
    let (success, report) = report(&url, "--door json --return 5");
    assert!(success, "{report:#}");
    let longest = report["latency_us"]["max"].as_u64().unwrap();
    // One message at least was due soon after the server had stopped.
    assert!(longest > HELD.as_micros() as u64 / 2, "{report:#}");
}

#[test]
fn all_who_idle_at_the_json_door_leave_at_once() {
    let parlor = Server::parlor("");
    let pid = parlor.process.id();
    let load = format!("--door json --connections 300 --idle --pid {pid}");
    let (success, report) = report(&parlor.url, &load);
    assert!(success);
    assert_clean(&report);
    let server = &report["server"];
    assert!(
        server["cpu_us_per_leave"].as_f64().unwrap() > 0.0,
        "{report:#}"
    );
}

#[test]
fn a_limit_on_commands_is_said_and_not_taken_for_loss() {
    let parlor = Server::parlor("--rate 1");
    let output = generate(&parlor.url, "--door json --connections 3 --window 100");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("rate_limited") && errors.contains("--rate 0"),
        "{errors}"
    );
}

#[test]
fn a_table_for_people_and_a_plot() {
    let floor = Server::floor("tick");
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

/// The first message is sent before the measuring, the second long after it.
#[test]
fn latency_of_nothing_is_not_said_to_be_zero() {
    let floor = Server::floor("tick");
    let output = generate(&floor.url, "--connections 3 --rate 0.1");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("latency  of no message"), "{table}");
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

/// Of one process, which stands for two nodes.
#[test]
fn connections_are_spread_over_nodes_and_each_has_its_figures() {
    let parlor = Server::parlor("--rate 0");
    let (url, pid) = (&parlor.url, parlor.process.id());
    for door in ["plain", "json"] {
        let load = format!(
            "{url} --door {door} --connections 21 --senders 4 --window 8 --pid {pid} --pid {pid}"
        );
        let (success, report) = report(url, &load);
        assert!(success, "{report:#}");
        assert_clean(&report);
        let nodes = report["nodes"].as_array().unwrap();
        let counted = |name: &str| {
            let all = nodes.iter().map(|it| it[name].as_u64().unwrap());
            all.collect::<Vec<_>>()
        };
        assert_eq!(counted("connections"), [11, 10]);
        let deliveries = counted("deliveries");
        assert!(deliveries.iter().all(|it| *it > 100), "{report:#}");
        assert_eq!(deliveries.iter().sum::<u64>(), report["deliveries"]);
        assert_eq!(report["options"]["urls"].as_array().unwrap().len(), 2);
        for node in nodes {
            assert_eq!(node["url"], url.as_str());
            assert!(node["latency_us"]["p50"].as_u64().is_some(), "{report:#}");
            assert!(node["cpu"].as_f64() > Some(0.0), "{report:#}");
        }
    }
}

#[test]
fn in_many_rooms_each_node_has_some_of_each() {
    let parlor = Server::parlor("--rate 0");
    let url = &parlor.url;
    let load = format!("{url} --rooms 10 --members 3 --senders 2");
    let (success, report) = report(url, &load);
    assert!(success, "{report:#}");
    assert_clean(&report);
    // Every other room has two at the first node, and the rest two at the second.
    let connections = |node: usize| report["nodes"][node]["connections"].as_u64();
    assert_eq!([connections(0), connections(1)], [Some(15), Some(15)]);
}

#[test]
fn who_comes_back_to_another_node_misses_nothing() {
    let parlor = Server::parlor("--rate 0");
    let url = &parlor.url;
    for load in [
        "--connections 6 --rate 300 --churn 300 --churn-hold 0.05",
        "--return 40 --missed 20 --return-rate 100",
    ] {
        let (success, report) = report(url, &format!("{url} --door json {load}"));
        assert!(success, "{load}: {report:#}");
        assert_clean(&report);
        let recovered = report["recovery"]["recovered"].as_u64();
        assert!(recovered > Some(20), "{load}: {report:#}");
    }
}

#[test]
fn two_nodes_with_two_orders_are_found() {
    let url = serve(Fault::Cross);
    let load = format!("{url} --connections 5 --senders 2 --window 4");
    let (success, report) = report(&url, &load);
    assert!(!success);
    let faults = &report["faults"];
    assert!(faults["disordered"].as_u64() > Some(0), "{report:#}");
    for fault in ["lost", "duplicated", "reordered"] {
        assert_eq!(faults[fault], 0, "{report:#}");
    }
    let output = generate(&url, &load);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains(" in another order"), "{table}");
}

#[test]
fn two_nodes_that_tell_other_offsets_are_found() {
    let url = serve_recovery(Recovery::Shift);
    let load = format!("{url} --door json --connections 3");
    let (success, report) = report(&url, &load);
    assert!(!success);
    let faults = &report["faults"];
    assert!(faults["disordered"].as_u64() > Some(0), "{report:#}");
    assert_eq!(faults["lost"], 0, "{report:#}");
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

/// The kernel tells of both in one event.
#[test]
fn an_end_that_comes_with_a_message_is_found() {
    let (success, report) = report(&serve(Fault::Vanish), "--connections 5 --window 4");
    assert!(!success);
    let disconnected = &report["faults"]["disconnected"];
    assert_eq!(
        disconnected["closed by the server without a close frame"], 1,
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
        // Not the port that is meant when none is named.
        ("ws://127.0.0.1:99999/ws".into(), "", 2, "a URL like ws://"),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--plot /nowhere/plot.svg",
            1,
            "--plot /nowhere/plot.svg",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "ws://127.0.0.1:2/ws/other",
            2,
            "those of one room",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "ws://127.0.0.1:2/ws/bench --pid 1",
            2,
            "of each of the 2 URLs",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--connect-timeout 0",
            2,
            "more than 0 seconds",
        ),
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
            format!("{}/bench", serve(Fault::Mute)),
            "--door json --connections 3",
            1,
            "does not speak parlor.v1.json",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--door json",
            1,
            "needs a room's URL",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--return 3",
            2,
            "with --door json",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--door json --return 3 --churn 5",
            2,
            "cannot be used with",
        ),
        (
            serve_recovery(Recovery::Mute),
            "--door json --return 3 --connect-timeout 0.3",
            1,
            "0 of 3 came into the room in time",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--window 2 --rate 5",
            2,
            "cannot be used with",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 3",
            2,
            "--members <COUNT>",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--members 3",
            2,
            "--rooms <COUNT>",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 3 --members 3 --connections 9",
            2,
            "cannot be used with",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 3 --members 3 --churn 9",
            2,
            "cannot be used with",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 3 --members 3 --senders 4",
            2,
            "between 1 and 3 of the members of a room",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 40000 --members 3 --senders 2",
            2,
            "65000 can send in all",
        ),
        (
            "ws://127.0.0.1:1/ws/bench".into(),
            "--rooms 65000 --members 99999999",
            2,
            "too many",
        ),
        (
            "ws://127.0.0.1:1/ws".into(),
            "--rooms 3 --members 3",
            1,
            "--rooms needs a room's URL",
        ),
        (
            "nats://127.0.0.1:1/bench".into(),
            "",
            2,
            "--door nats: goes with a nats: URL",
        ),
        (
            "ws://127.0.0.1:1/bench".into(),
            "--door nats",
            2,
            "--door nats: goes with a nats: URL",
        ),
        (
            "nats://127.0.0.1:1/a*b".into(),
            "--door nats",
            1,
            "no subject of NATS",
        ),
        (
            "nats://127.0.0.1:1/bench".into(),
            "--door nats",
            1,
            "connection refused",
        ),
        (
            "ws://127.0.0.1:1/bench".into(),
            "--door pusher",
            1,
            "ws://APP-KEY:APP-SECRET@",
        ),
        (
            serve_peer(Protocol::Pusher).replace("app-secret", "wrong"),
            "--door pusher --connections 2",
            1,
            "bad signature",
        ),
        (
            "ws://a:b@127.0.0.1:1/bench".into(),
            "--door pusher --rooms 2 --members 1",
            2,
            "there must be two",
        ),
        (
            "ws://127.0.0.1:1/bench".into(),
            "--door socketio --deflate",
            2,
            "with --door plain",
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

#[test]
fn compressed_messages_are_checked_and_weighed() {
    let server = Server::parlor("");
    let weigh = |arguments: &str| {
        // In a small room it would not pay.
        let load = format!("--senders 3 --window 4 --size 1024 {arguments}");
        let (ended_well, report) = report(&server.url, &load);
        assert_clean(&report);
        assert!(ended_well && report["deliveries"].as_u64() > Some(1_000));
        assert_eq!(report["foreign"], 0, "{report:#}");
        report["bytes_per_delivery"].as_f64().unwrap()
    };
    let plain = weigh("--connections 500");
    assert!((1_028.0..1_100.0).contains(&plain), "{plain}");
    for load in ["--connections 500", "--rooms 2 --members 250"] {
        let deflated = weigh(&format!("{load} --deflate"));
        assert!((150.0..600.0).contains(&deflated), "{load}: {deflated}");
    }
}

#[test]
fn a_server_that_does_not_compress_is_said_so() {
    for server in [Server::parlor("--no-deflate"), Server::floor("each")] {
        let output = generate(&server.url, "--connections 1 --deflate");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("does not agree to permessage-deflate"),
            "{errors}"
        );
    }
}
