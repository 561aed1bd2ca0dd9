//! Descriptors run out, peers send garbage: the server lives, and nobody else notices.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{CLOSE, FIN, Http, PING, Server, TEXT, frame, get, noise, run, upgrade};

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
        http.send(get("/style.css"));
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

#[test]
fn garbage_is_refused() {
    let server = Server::start(&[]);
    let mut healthy = server.client("/ws/quiet");
    for seed in 0..50 {
        let mut stream = server.tcp();
        let _ = stream.write_all(&noise(seed, 2000));
        let _ = stream.shutdown(Shutdown::Write);
        Http::new(stream).expect_end_or_reset();
    }
    for seed in 0..50 {
        let mut client = server.raw("/ws");
        let _ = (&mut client.stream()).write_all(&noise(seed, 2000));
        client.finish_sending();
        client.expect_end_or_reset();
    }
    healthy.say("still here");
}

#[test]
fn a_flood_of_pings_is_no_trouble() {
    let server = Server::start(&[]);
    let mut healthy = server.client("/ws/quiet");
    let client = server.raw("/ws");
    let before = server.resident_bytes();
    // Pongs that nobody reads: no more than a bounded number waits.
    let mut stream = client.stream().try_clone().unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let flood = frame(FIN | PING, &[b'?'; 125]).repeat(1000);
    for _ in 0..200 {
        if stream.write_all(&flood).is_err() {
            break;
        }
    }
    healthy.say("still here");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes of pongs");
}

#[test]
fn a_flood_of_empty_messages_is_no_trouble() {
    let server = Server::start(&[]);
    let mut healthy = server.client("/ws/quiet");
    let mut client = server.raw("/ws");
    let mut sending = client.stream().try_clone().unwrap();
    let flood = frame(FIN | TEXT, b"").repeat(1000);
    let flooding = thread::spawn(move || (0..100).for_each(|_| sending.write_all(&flood).unwrap()));
    for n in 0..100_000 {
        client.expect(FIN | TEXT, b"");
        if n % 1000 == 0 {
            healthy.say("still here");
        }
    }
    flooding.join().unwrap();
}

#[test]
fn a_stopped_server_goes_on_where_it_was() {
    let server = Server::start(&["--ping-interval", "0.3", "--pong-timeout", "0.3"]);
    let mut pair = (server.client("/ws"), server.client("/ws"));
    pair.0.say("before");
    pair.1.expect("before");
    server.signal("STOP");
    pair.0.send("meanwhile");
    let mut newcomer = server.tcp();
    newcomer.write_all(upgrade("/ws").as_bytes()).unwrap();
    // Longer than both timers: all of them are overdue when it wakes up.
    thread::sleep(Duration::from_secs(1));
    server.signal("CONT");
    pair.0.expect("meanwhile");
    pair.1.expect("meanwhile");
    assert_eq!(Http::new(newcomer).head().status, 101);
}
