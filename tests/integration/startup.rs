//! What the program says and how it ends before there is a room.

use std::net::{Ipv6Addr, TcpListener, TcpStream};

use serde_json::Value;

use crate::common::{Finished, Response, Server, get, run};

/// A start that failed at run time: status 1 and one line, which holds each of `words`.
#[track_caller]
fn expect_failure(finished: &Finished, words: &[&str]) {
    let Finished {
        status,
        stdout,
        stderr,
    } = finished;
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr:?}");
    }
}

/// A command line that was refused: status 2 and one line of error, which holds each of `words`.
#[track_caller]
fn expect_usage_error(flags: &[&str], words: &[&str]) {
    let Finished {
        status,
        stdout,
        stderr,
    } = run(flags);
    assert_eq!(status.code(), Some(2), "{flags:?}: {stderr}");
    assert_eq!(stdout, "");
    let error = stderr.lines().next().unwrap_or_default();
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// What the first line says of a parlor that asks for no tokens.
const OPEN: &str = " (open to everyone, without --secret-file; all in memory, without --data)";

#[test]
fn the_first_line_names_an_address_that_opens() {
    let server = Server::start(&[]);
    assert_eq!(
        server.announcement,
        format!("parlor listening on http://localhost:{}{OPEN}", server.port)
    );
    let server = Server::start(&["--bind", "0.0.0.0"]);
    assert_eq!(
        server.announcement,
        format!("parlor listening on http://localhost:{}{OPEN}", server.port)
    );
    let server = Server::start(&["--bind", "127.0.0.1"]);
    assert_eq!(
        server.announcement,
        format!("parlor listening on http://127.0.0.1:{}{OPEN}", server.port)
    );
}

/// What a request for the page's addresses for other machines gets, by whom it is addressed to.
fn page_addresses(server: &Server, fields: &str) -> Response {
    let request = format!("GET /addresses HTTP/1.1\r\n{fields}\r\n");
    server.http().ask(request)
}

fn addresses_in(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{response:?}");
    let json: Value = serde_json::from_slice(&response.body).unwrap();
    let addresses = json["addresses"].as_array().expect("a list").iter();
    addresses
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_page_on_this_machine_is_told_what_is_printed_for_others() {
    let server = Server::start(&["--line-port", "0"]);
    let line = server.next_line();
    assert!(
        line.starts_with("parlor listening for lines on localhost:"),
        "{line}"
    );
    let host = format!("Host: localhost:{}\r\n", server.port);
    let told = addresses_in(&page_addresses(&server, &host));
    for address in &told {
        assert!(address.starts_with("http://"), "{address}");
        assert!(address.ends_with(&format!(":{}", server.port)), "{address}");
        assert!(!address.contains("localhost"), "{address}");
    }
    // A machine without a network has none.
    if !told.is_empty() {
        let line = format!("parlor for other machines: {}", told.join(" or "));
        assert_eq!(server.next_line(), line);
    }
}

#[test]
fn bound_to_loopback_there_are_no_addresses_for_others() {
    let server = Server::start(&["--bind", "127.0.0.1"]);
    assert_eq!(
        addresses_in(&page_addresses(&server, "Host: localhost\r\n")),
        [""; 0]
    );
}

#[test]
fn nobody_else_is_told_the_addresses_of_this_machine() {
    let server = Server::start(&[]);
    // A site's own name that leads here, and those for whom a proxy on this machine asks.
    for (fields, status) in [
        ("Host: evil.example\r\n", 421),
        ("Host: localhost.evil.example\r\n", 421),
        ("Host: 192.0.2.1\r\n", 403),
        ("Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n", 403),
        ("Host: localhost\r\nForwarded: for=192.0.2.7\r\n", 403),
    ] {
        page_addresses(&server, fields).expect_problem(status);
    }
    let response = page_addresses(
        &server,
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
    );
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn by_default_both_families_are_served() {
    let server = Server::start(&[]);
    assert_eq!(server.http().ask(get("/")).status, 200);
    let ipv6 = TcpStream::connect((Ipv6Addr::LOCALHOST, server.port)).unwrap();
    assert_eq!(crate::common::Http::new(ipv6).ask(get("/")).status, 200);
}

#[test]
fn bound_to_one_address_no_other_answers() {
    let server = Server::start(&["--bind", "::1"]);
    assert_eq!(
        server.announcement,
        format!("parlor listening on http://[::1]:{}{OPEN}", server.port)
    );
    assert!(
        TcpStream::connect(server.address()).is_err(),
        "127.0.0.1 answers too"
    );
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let finished = run(&["--bind", "127.0.0.1", "--port", &port]);
    expect_failure(&finished, &[&port, "in use", "--port"]);
}

#[test]
fn two_servers_can_share_a_port_on_request() {
    let first = Server::start(&["--reuse-port"]);
    let second = Server::start_on(first.port, &["--reuse-port"]);
    assert_eq!(second.port, first.port);
}

#[test]
fn the_soft_limit_on_open_files_is_raised_to_the_hard_one() {
    let server = Server::start_with_ulimit("-S -n 64", &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let values: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_ne!(values[0], "64");
    assert_eq!(values[0], values[1], "{line}");
}

#[test]
fn an_address_of_another_machine_is_one_line() {
    let finished = run(&["--port", "0", "--bind", "192.0.2.1"]);
    expect_failure(&finished, &["192.0.2.1"]);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    expect_usage_error(&["--bind", "nowhere at all"], &["nowhere at all", "--bind"]);
    expect_usage_error(&["--port", "65536"], &["65536", "--port"]);
    expect_usage_error(&["--port", "http"], &["http", "--port"]);
    expect_usage_error(&["--no-such-flag"], &["--no-such-flag"]);
    expect_usage_error(&["--max-message", "-1"], &["-1"]);
    expect_usage_error(&["--max-message", "many"], &["many", "--max-message"]);
    expect_usage_error(&["--ping-interval", "soon"], &["soon", "--ping-interval"]);
    expect_usage_error(&["--ping-interval", "NaN"], &["NaN", "--ping-interval"]);
    expect_usage_error(&["--ping-interval=-1"], &["-1", "--ping-interval"]);
    expect_usage_error(
        &["--port", "0", "--allow-origin", "not an origin"],
        &["not an origin", "--allow-origin"],
    );
    expect_usage_error(&["stray"], &["stray"]);
    expect_usage_error(&["--files", "f"], &["--files needs --redis, too"]);
    expect_usage_error(
        &["--files", "f", "--data", "d"],
        &["--files and --data exclude each other"],
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    for flag in [
        "--port",
        "--bind",
        "--max-message",
        "--max-queue",
        "--max-memory",
        "--allow-origin",
    ] {
        assert!(help.stdout.contains(flag), "no {flag} in the help");
    }
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert_eq!(
        version.stdout,
        format!("parlor {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_doctor_says_so_when_nobody_takes_its_report() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_parlor"))
        .arg("doctor")
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), errors.lines().count()),
        (Some(1), 1),
        "{errors}"
    );
}
