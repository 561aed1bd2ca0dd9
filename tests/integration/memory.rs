//! What others can make the server remember is bounded.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::common::{BINARY, Client, FIN, RawClient, Server, get, narrow, noise};

const MIB: u64 = 1 << 20;

#[test]
fn a_declared_length_allocates_nothing() {
    let server = Server::start(&["--max-message", "18446744073709551615"]);
    let mut healthy = server.client("/ws/quiet");
    let before = server.resident_bytes();
    let declared: Vec<RawClient> = (0..50)
        .map(|_| {
            let mut client = server.raw("/ws");
            let length = (i64::MAX as u64).to_be_bytes();
            client.send([&[FIN | BINARY, 0xff][..], &length, &[0; 4], &[0; 100]].concat());
            client
        })
        .collect();
    // Answered after the headers above were read: the loop takes what is ready in each turn.
    for _ in 0..10 {
        healthy.say("still here");
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 4 * MIB,
        "{grown} bytes for {} headers",
        declared.len()
    );
}

#[test]
fn queued_bytes_of_all_stay_within_the_budget() {
    const ROOMS: usize = 4;
    let server = Server::start(&["--max-memory", "4194304", "--max-queue", "1000000000"]);
    let mut pair = (server.client("/ws/quiet"), server.client("/ws/quiet"));
    let before = server.resident_bytes();
    let stalled: Vec<Client> = (0..ROOMS)
        .map(|room| Client::over(narrow(&server), &format!("/ws/{room}")).unwrap())
        .collect();
    thread::scope(|scope| {
        for room in 0..ROOMS {
            let mut sender = server.client(&format!("/ws/{room}"));
            scope.spawn(move || {
                // 12 MiB, of which the kernel takes 4 for the one that is not read.
                for n in 0..192 {
                    let message = noise(n, 64 << 10);
                    sender.send(message.clone());
                    sender.expect(message);
                }
            });
        }
        for _ in 0..100 {
            pair.0.say("tick");
            pair.1.expect("tick");
        }
    });
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 12 * MIB,
        "{grown} bytes, with a budget of {}",
        4 * MIB
    );
    drop(stalled);
    pair.0.say("we go on");
    pair.1.expect("we go on");
}

#[test]
fn answers_that_nobody_reads_are_not_piled_up() {
    let server = Server::start(&[]);
    let mut healthy = server.client("/ws/quiet");
    let before = server.resident_bytes();
    let mut unread = server.tcp();
    unread
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    // Each asks for far more than it is long. Writing stops when the server reads no further.
    let requests = get("/app.js").repeat(1000);
    for _ in 0..200 {
        if unread.write_all(requests.as_bytes()).is_err() {
            break;
        }
    }
    healthy.say("still here");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes of answers");
}

#[test]
fn a_message_larger_than_the_queue_passes_an_empty_one() {
    let server = Server::start(&["--max-queue", "1000"]);
    let mut pair = (server.client("/ws"), server.client("/ws"));
    for n in 0..10 {
        let message = noise(n, 60_000);
        pair.0.send(message.clone());
        pair.0.expect(message.clone());
        pair.1.expect(message);
    }
}
