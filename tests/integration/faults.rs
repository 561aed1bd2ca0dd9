//! Descriptors run out, the process is stopped: the server lives, and nobody else notices.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{CLOSE, FIN, Http, Server, eventually, get, run, upgrade, with_a_healthy_pair};

#[test]
fn with_no_descriptor_left_it_waits_without_spinning() {
    let server = Server::start(&[]);
    let mut pair = (server.client("/ws"), server.client("/ws"));
    server.limit_open_files(40);
    let crowd: Vec<TcpStream> = (0..60).map(|_| server.tcp()).collect();
    server.wait_for_log(|line| line.contains("cannot accept"));
    // Each of them makes the listener ready once more.
    let late: Vec<TcpStream> = (0..100)
        .map(|_| {
            pair.0.say("one more");
            pair.1.expect("one more");
            server.tcp()
        })
        .collect();
    let (cpu, started) = (server.cpu_time(), Instant::now());
    while started.elapsed() < Duration::from_secs(1) {
        pair.0.say("still here");
        pair.1.expect("still here");
        thread::sleep(Duration::from_millis(50));
    }
    let used = server.cpu_time() - cpu;
    assert!(
        used < Duration::from_millis(300),
        "{used:?} of a second spent on waiting"
    );
    let complaints = server.log().lines().count();
    assert!(
        complaints < 10,
        "{complaints} lines of log for one shortage"
    );
    drop((crowd, late));
    server.client("/ws/other").say("there is place again");
    pair.0.say("and for us");
    pair.1.expect("and for us");
}

#[test]
fn a_drain_that_begins_without_descriptors_does_not_spin() {
    let mut server = Server::start(&["--drain-timeout", "600", "--close-timeout", "600"]);
    let mut silent = server.raw("/ws");
    server.limit_open_files(40);
    let crowd: Vec<TcpStream> = (0..60).map(|_| server.tcp()).collect();
    server.wait_for_log(|line| line.contains("cannot accept"));
    let (cpu, signalled) = (server.cpu_time(), Instant::now());
    server.signal("TERM");
    silent.expect_close(1001);
    // Past the second after which it would have tried to accept again.
    thread::sleep(Duration::from_secs(2).saturating_sub(signalled.elapsed()));
    let used = server.cpu_time() - cpu;
    assert!(
        used < Duration::from_millis(300),
        "{used:?} of two seconds spent on waiting"
    );
    silent.send_frame(FIN | CLOSE, &1001u16.to_be_bytes());
    assert_eq!(server.wait().code(), Some(0));
    drop(crowd);
}

#[test]
fn the_limit_of_connections_follows_from_the_descriptors() {
    let server = Server::start_with_ulimit("-n 100", &[]);
    let mut member = server.client("/ws");
    let crowd: Vec<TcpStream> = (0..80).map(|_| server.tcp()).collect();
    let mut refused = 0;
    for stream in crowd.iter().take(60) {
        let mut http = Http::new(stream.try_clone().unwrap());
        http.send(get("/page/style.css"));
        let response = http.response();
        if response.status != 200 {
            response.expect_problem(503);
            refused += 1;
        }
    }
    assert!(refused > 0, "everyone was let in");
    member.say("still here");
}

#[test]
fn more_connections_than_descriptors_are_no_start() {
    let finished = run(&["--port", "0", "--max-connections", "1000000000"]);
    assert_eq!(finished.status.code(), Some(1));
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("--max-connections"),
        "{}",
        finished.stderr
    );
}

/// As many as there are descriptors for are let in, the others wait; all of them are served in the end.
#[test]
fn a_crowd_beyond_the_limit_of_descriptors() {
    let server = Server::start(&[]);
    server.limit_open_files(60);
    with_a_healthy_pair(&server, || {
        let complaints = || server.log().matches("cannot accept").count();
        let before = complaints();
        let mut crowd: Vec<Http> = (0..200).map(|_| server.http()).collect();
        eventually("no descriptor is left", || complaints() > before);
        for http in &mut crowd {
            http.send(
                "GET /page/style.css HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            );
        }
        for mut http in crowd {
            assert_eq!(http.response().status, 200);
            http.expect_end();
        }
    });
}

/// Stopped for longer than both timers, so that all of them are overdue when it wakes up, and then in quick succession.
#[test]
fn a_stopped_server_goes_on_where_it_was() {
    let server = Server::start(&["--ping-interval", "0.3", "--pong-timeout", "0.3"]);
    with_a_healthy_pair(&server, || {
        server.signal("STOP");
        let newcomers: Vec<TcpStream> = (0..50)
            .map(|_| {
                let mut stream = server.tcp();
                stream.write_all(upgrade("/ws/late").as_bytes()).unwrap();
                stream
            })
            .collect();
        thread::sleep(Duration::from_secs(1));
        server.signal("CONT");
        for stream in newcomers {
            assert_eq!(Http::new(stream).head().status, 101);
        }
        for _ in 0..20 {
            server.signal("STOP");
            server.signal("CONT");
        }
    });
}
